// Draws each [data-chart] from the JSON that stands beside it, again when the theme changes or htmx brings a new one.

import { exact, marks, write } from "./numbers.js";
import { pictureOf } from "./pictures.js";

const charts = new Map();
const root = document.documentElement;
const language = root.lang === "en" || !root.lang ? "en-GB" : root.lang;
// What the server says of the page: whose clock its times are by, and the words that this script needs.
const { timeZone = "UTC", copied, selected } = document.querySelector("[data-time-zone]")?.dataset ?? {};

const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const faded = (name, percent) => `color-mix(in srgb, ${color(name)} ${percent}%, transparent)`;

const HOUR = 3600000;
const DAY = 24 * HOUR;
const STEPS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY, 91 * DAY, 182 * DAY, 365 * DAY];

// As many as dashboard.css has; further lines begin again, with dashes.
const COLORS = 8;
const DASHES = [[], [6, 4], [2, 3]];

const clock = new Intl.DateTimeFormat("en-US", {
  timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
});

// By how many milliseconds the page's time zone is ahead of UTC at a time.
function offset(time) {
  const parts = Object.fromEntries(clock.formatToParts(time).map((part) => [part.type, Number(part.value)]));
  const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute);
  return local - Math.floor(time / 60000) * 60000;
}

// Whole hours or whole days of the page's time zone, evenly spaced, as many as fit the width.
function timeTicks(min, max, width) {
  const wanted = Math.max(2, Math.floor(width / 90));
  const step = STEPS.find((candidate) => (max - min) / candidate <= wanted) ?? Math.ceil((max - min) / wanted / DAY) * DAY;
  const whole = Math.min(step, DAY);
  const ticks = [];
  for (let local = Math.ceil((min + offset(min)) / whole) * whole; ; local += step) {
    const time = local - offset(local - offset(local));
    if (time > max) return ticks;
    if (time >= min) ticks.push({ value: time });
  }
}

// Of a chart over weeks, whole ones, as many as fit the width.
function weekTicks(max, width) {
  const step = Math.max(1, Math.ceil(max / Math.max(2, Math.floor(width / 60))));
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, place) => ({ value: place * step }));
}

const days = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const weeks = new Intl.NumberFormat(language, { style: "unit", unit: "week", unitDisplay: "long" });

function weekFormats() {
  return { tick: { format: String }, title: weeks };
}

function timeFormats([first, last], isOnePoint) {
  const title = { dateStyle: "medium", timeStyle: "short" };
  const within = last - first <= 2 * DAY ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const tick = isOnePoint ? title : within;
  return {
    tick: new Intl.DateTimeFormat(language, { ...tick, timeZone }),
    title: new Intl.DateTimeFormat(language, { ...title, timeZone }),
  };
}

const timesOf = (data) => new Set(data.lines.flatMap((line) => line.points.map(([time]) => time)));

// A single point would stand on an axis of no length, and so nowhere: it gets an hour on either side.
function bounds(data) {
  const times = timesOf(data);
  const first = Math.min(...times), last = Math.max(...times) + (data.step ?? 0);
  return first === last ? [first - HOUR, last + HOUR] : [first, last];
}

// What no share is beyond. Where one comes near it the axis ends there: room above "100 %" would say that there is more.
const WHOLES = { ratio: 1, percent: 100 };
const ROOM = 1.05;

function endsAtWhole(values, whole) {
  const largest = Math.max(...values);
  return largest <= whole && largest * ROOM > whole;
}

// Whether no line leads to the point from either side, so that it would not be seen.
const alone = (points, index) => [index - 1, index + 1].every((other) => (points[other]?.[1] ?? null) === null);

function options(data) {
  const [min, max] = bounds(data);
  const isOverWeeks = data.over === "weeks", isBars = data.kind === "bars";
  const middle = !isBars && timesOf(data).size === 1 ? (min + max) / 2 : null;
  const times = isOverWeeks ? weekFormats() : timeFormats([min, max], middle !== null);
  const ticks = { color: color("--shm-muted"), font: { family: "Inter", size: 12 }, padding: 8 };
  const values = data.lines.flatMap((line) => line.points.map(([, value]) => value ?? 0));
  const isShare = data.kind === "share";
  const isRatio = isShare || data.unit === "ratio";
  // Of instances there is no half.
  const whole = !isRatio && values.every(Number.isInteger) ? { precision: 0 } : {};
  // A bar stands for all of its time and not for its middle, where it is drawn.
  const title = (x) => (isBars ? days.formatRange(x - data.step / 2, x + data.step / 2 - 1) : times.title.format(x));
  const top = isShare || isOverWeeks ? 1 : WHOLES[data.unit];
  const room = isShare || isOverWeeks || endsAtWhole(values, top) ? { max: top } : { grace: "5%" };
  // Nothing is nothing in any unit, and "0 MB" below "10 TB" has one look twice; of shares all marks have the same sign.
  const written = (value) => (value === 0 && !isRatio && data.unit !== "percent" ? "0" : write(value, isShare ? "ratio" : data.unit));
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    layout: { padding: { right: 8, top: data.markers.length ? 16 : 0 } },
    scales: {
      x: {
        type: "linear",
        min,
        max,
        offset: false, // Bars would have it, and stand beside the times that they are of.
        border: { display: false },
        grid: { display: false },
        afterBuildTicks: (axis) => {
          if (isOverWeeks) axis.ticks = weekTicks(axis.max, axis.chart.width);
          // The hours around the one value that there is are no part of what is asked for.
          else axis.ticks = middle === null ? timeTicks(axis.min, axis.max, axis.chart.width) : [{ value: middle }];
        },
        ticks: { ...ticks, autoSkip: false, maxRotation: 0, callback: (value) => times.tick.format(value) },
      },
      y: {
        beginAtZero: true,
        stacked: data.kind !== "line",
        border: { display: false },
        grid: { color: color("--shm-border"), drawTicks: false },
        afterBuildTicks: (axis) => {
          const own = marks(axis.min, axis.max, 6, data.unit);
          if (own) axis.ticks = own.map((value) => ({ value }));
        },
        ticks: { ...ticks, ...whole, maxTicksLimit: 6, callback: written },
        ...room,
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        usePointStyle: true,
        displayColors: data.lines.length > 1,
        filter: (item) => !item.dataset.isBand,
        itemSort: data.kind === "line" || isBars ? undefined : (one, other) => other.datasetIndex - one.datasetIndex,
        callbacks: {
          title: (items) => (items.length ? title(items[0].parsed.x) : ""),
          label: (item) => {
            const value = item.dataset.sent[item.dataIndex] ?? 0;
            const { label, unit } = item.dataset;
            const share = isShare ? ` (${write(item.parsed.y, "ratio")})` : "";
            // All digits of a count; of what has a unit, as many as one takes in.
            return `${label}: ${(unit === "number" ? exact : write)(value, unit)}${share}`;
          },
        },
      },
      markers: { markers: data.markers },
    },
  };
}

const SIGNS = { new: "--shm-line-1", returned: "--shm-line-5", gone: "--shm-line-2", other: "--shm-line-7", net: "--shm-strong" };

// Above zero what came, below what left, stacked; the difference as a line of its own over them.
function barSet(data, line) {
  const own = color(SIGNS[line.sign]), isLine = line.sign === "net";
  return {
    type: isLine ? "line" : "bar",
    label: line.label,
    unit: line.unit,
    sent: line.points.map(([, value]) => value),
    data: line.points.map(([x, y]) => ({ x: x + data.step / 2, y })),
    stack: isLine ? "line" : "bars",
    order: isLine ? 0 : 1,
    backgroundColor: isLine ? color("--shm-surface") : own,
    borderColor: own,
    borderWidth: isLine ? 1.5 : 0,
    barPercentage: 0.8,
    categoryPercentage: 1,
    maxBarThickness: 48,
    pointStyle: isLine ? "circle" : "rect",
    pointRadius: isLine && line.points.length <= 31 ? 2.5 : 0,
    pointHitRadius: 12,
  };
}

function lineSet(data, line, place) {
  const points = line.points;
  const own = line.faint ? "--shm-muted" : data.lines.length > 1 ? `--shm-line-${(place % COLORS) + 1}` : "--shm-accent";
  const stacked = data.kind !== "line";
  const totals = data.kind === "share" ? points.map((_, index) => total(data, index)) : [];
  return {
    label: line.label,
    unit: line.unit,
    sent: points.map(([, value]) => value),
    data: points.map(([x, y], index) => ({ x, y: data.kind === "share" ? (totals[index] ? (y ?? 0) / totals[index] : null) : y })),
    borderColor: color(own),
    backgroundColor: stacked ? faded(own, 75) : faded(own, 12),
    borderWidth: stacked ? 1 : 2,
    borderDash: line.faint ? [4, 4] : DASHES[Math.floor(place / COLORS) % DASHES.length],
    fill: stacked ? (place ? "-1" : "origin") : data.lines.length === 1 && !data.bands.length,
    order: line.faint ? 1 : 0,
    // A dot: a short line would be taken for a flaw of the picture.
    pointStyle: (point) => (alone(points, point.dataIndex) ? "circle" : "line"),
    pointBackgroundColor: color(own),
    pointRadius: (point) => (alone(points, point.dataIndex) ? 4 : 0),
    pointHitRadius: 12,
    tension: stacked || data.over === "weeks" ? 0 : 0.15,
  };
}

const total = (data, index) => data.lines.reduce((sum, line) => sum + (line.points[index]?.[1] ?? 0), 0);

function bandSets(band) {
  const shape = { borderWidth: 0, pointRadius: 0, pointHitRadius: 0, order: 2, isBand: true, sent: [], tension: 0.15 };
  const points = (side) => side.map(([x, y]) => ({ x, y }));
  return [
    { ...shape, data: points(band.low), fill: false },
    { ...shape, data: points(band.high), fill: "-1", backgroundColor: faded("--shm-accent", 18) },
  ];
}

// A thin line for each, and its name where there is room beside the one before.
const markers = {
  id: "markers",
  afterDatasetsDraw(chart, _, { markers: all }) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    ctx.save();
    ctx.font = "11px Inter, sans-serif";
    ctx.strokeStyle = color("--shm-field");
    ctx.fillStyle = color("--shm-muted");
    ctx.setLineDash([2, 3]);
    let free = area.left;
    for (const [time, label] of all ?? []) {
      const place = x.getPixelForValue(time);
      if (place < area.left || place > area.right) continue;
      ctx.beginPath();
      ctx.moveTo(place, area.top);
      ctx.lineTo(place, area.bottom);
      ctx.stroke();
      const text = label.length > 16 ? `${label.slice(0, 15)}…` : label, width = ctx.measureText(text).width;
      const left = Math.min(Math.max(place - width / 2, area.left), area.right - width);
      if (left < free) continue;
      ctx.fillText(text, left, area.top - 5);
      free = left + width + 8;
    }
    ctx.restore();
  },
};

function draw(box) {
  const data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
  const canvas = box.querySelector("canvas");
  charts.get(canvas)?.destroy();
  const lines = data.lines.map((line, place) => (data.kind === "bars" ? barSet(data, line) : lineSet(data, line, place)));
  const datasets = [...lines, ...data.bands.flatMap(bandSets)];
  charts.set(canvas, new Chart(canvas, { type: "line", data: { datasets }, options: options(data), plugins: [markers] }));
  offerPicture(box.closest("[data-figure]"));
}

// Where no script runs there are none.
function offerPicture(figure) {
  const button = figure?.querySelector("[data-png]");
  if (button) button.hidden = false;
}

// 70 KB, of which a page without a chart has no use.
async function library() {
  const { chartLibrary } = document.querySelector("[data-chart-library]").dataset;
  if (!window.Chart) await import(chartLibrary);
}

function drawAll() {
  for (const [canvas, chart] of charts) {
    if (!canvas.isConnected) {
      chart.destroy();
      charts.delete(canvas);
    }
  }
  for (const box of document.querySelectorAll("[data-chart]")) {
    if (charts.has(box.querySelector("canvas"))) draw(box);
    else nearby.observe(box);
  }
  // What the server has drawn is there.
  for (const figure of document.querySelectorAll("[data-figure]:not(:has([data-chart]))")) offerPicture(figure);
}

// Each when it is about to be seen, and in a turn of its own: a page of many charts is never busy for long.
const nearby = new IntersectionObserver(async (entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    await library();
    await new Promise((resolve) => setTimeout(resolve));
    if (target.isConnected) draw(target);
  }
}, { rootMargin: "100% 0px" });

// Of what a picture is, and of when: it will be looked at without its page.
function noteOf(button) {
  const { note, application = "" } = button.dataset;
  const page = document.querySelector("h1").innerText.replace(/\s+/g, " ").trim();
  const now = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone }).format();
  const subjects = note ? [note] : page.includes(application) ? [page] : [page, application];
  return [...subjects, now].join(" · ");
}

function savePicture(button) {
  const figure = button.closest("[data-figure]");
  const picture = pictureOf(figure, {
    title: button.dataset.title,
    note: noteOf(button),
    ground: color("--shm-surface"),
    strong: color("--shm-strong"),
    muted: color("--shm-muted"),
    charts: [...figure.querySelectorAll("canvas")].map((canvas) => charts.get(canvas)),
  });
  const link = document.createElement("a");
  link.download = `${button.dataset.png}.png`;
  link.href = picture.toDataURL("image/png");
  link.click();
}

async function copy(button) {
  const code = button.parentElement.querySelector("pre, code"), text = button.textContent;
  // Browsers lend the clipboard to HTTPS and localhost alone; elsewhere one key is left to press.
  if (navigator.clipboard) await navigator.clipboard.writeText(code.textContent);
  else getSelection().selectAllChildren(code);
  button.textContent = navigator.clipboard ? copied : selected;
  setTimeout(() => { button.textContent = text; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-png]");
  if (!button) return;
  if ("png" in button.dataset) savePicture(button);
  else copy(button);
});
document.addEventListener("htmx:afterSettle", drawAll);
addEventListener("beforeprint", () => window.Chart && document.querySelectorAll("[data-chart]").forEach(draw));
new MutationObserver(drawAll).observe(root, { attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
