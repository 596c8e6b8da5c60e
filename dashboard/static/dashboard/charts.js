// Draws each [data-chart] from the JSON that stands beside it, again when the theme changes or htmx brings a new one.

const charts = new Map();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });

const HOUR = 3600000;
const DAY = 24 * HOUR;
const STEPS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY, 91 * DAY, 182 * DAY, 365 * DAY];

// Whole hours or whole local days, evenly spaced, as many as fit the width.
function timeTicks(min, max, width) {
  const wanted = Math.max(2, Math.floor(width / 90));
  const step = STEPS.find((candidate) => (max - min) / candidate <= wanted) ?? Math.ceil((max - min) / wanted / DAY) * DAY;
  const first = new Date(min);
  if (step >= DAY) first.setHours(24, 0, 0, 0);
  else first.setMinutes(60, 0, 0);
  const ticks = [];
  for (let time = first.getTime(); time <= max; time += step) ticks.push({ value: time });
  return ticks;
}

function timeFormats(points) {
  const span = points[points.length - 1][0] - points[0][0];
  const tick = span <= 2 * DAY ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const title = { dateStyle: "medium", timeStyle: "short" };
  return {
    tick: new Intl.DateTimeFormat("en-GB", tick),
    title: new Intl.DateTimeFormat("en-GB", title),
  };
}

// A single point would stand on an axis of no length, and so nowhere: it gets an hour on either side.
function bounds(points) {
  const first = points[0][0], last = points[points.length - 1][0];
  return first === last ? [first - HOUR, last + HOUR] : [first, last];
}

// Whether no line leads to the point from either side, so that it would not be seen.
const alone = (points, index) => [index - 1, index + 1].every((other) => (points[other]?.[1] ?? null) === null);

// Beyond this a power of ten says more than a row of digits does.
const short = (value) => (Math.abs(value) < 1e15 ? compact.format(value) : value.toExponential());

function options(points, label) {
  const times = timeFormats(points);
  const grid = { color: color("--shm-border"), drawTicks: false };
  const ticks = { color: color("--shm-muted"), font: { family: "Inter", size: 12 }, padding: 8 };
  const whole = points.every(([, value]) => Number.isInteger(value ?? 0)) ? { precision: 0 } : {};
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    layout: { padding: { right: 8 } },
    scales: {
      x: {
        type: "linear",
        min: bounds(points)[0],
        max: bounds(points)[1],
        border: { display: false },
        grid: { display: false },
        afterBuildTicks: (axis) => { axis.ticks = timeTicks(axis.min, axis.max, axis.chart.width); },
        ticks: { ...ticks, autoSkip: false, maxRotation: 0, callback: (value) => times.tick.format(value) },
      },
      y: {
        beginAtZero: true,
        grace: "5%",
        border: { display: false },
        grid,
        // Of instances there is no half.
        ticks: { ...ticks, ...whole, maxTicksLimit: 6, callback: short },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false,
        callbacks: {
          title: (items) => times.title.format(items[0].parsed.x),
          label: (item) => `${label}: ${exact.format(item.parsed.y)}`,
        },
      },
    },
  };
}

function draw(box) {
  const points = JSON.parse(document.getElementById(box.dataset.chart).textContent);
  const canvas = box.querySelector("canvas");
  charts.get(canvas)?.destroy();
  const accent = color("--shm-accent");
  const line = {
    data: points.map(([x, y]) => ({ x, y })),
    borderColor: accent,
    backgroundColor: `color-mix(in srgb, ${accent} 12%, transparent)`,
    borderWidth: 2,
    fill: true,
    pointRadius: (point) => (alone(points, point.dataIndex) ? 3 : 0),
    pointHitRadius: 12,
    tension: 0.15,
  };
  charts.set(canvas, new Chart(canvas, { type: "line", data: { datasets: [line] }, options: options(points, box.dataset.label) }));
}

function drawAll() {
  for (const [canvas, chart] of charts) {
    if (!canvas.isConnected) {
      chart.destroy();
      charts.delete(canvas);
    }
  }
  document.querySelectorAll("[data-chart]").forEach(draw);
}

async function copy(button) {
  const code = button.parentElement.querySelector("pre"), text = button.textContent;
  // Browsers lend the clipboard to HTTPS and localhost alone; elsewhere one key is left to press.
  if (navigator.clipboard) await navigator.clipboard.writeText(code.textContent);
  else getSelection().selectAllChildren(code);
  button.textContent = navigator.clipboard ? "Copied" : "Selected, now press Ctrl+C";
  setTimeout(() => { button.textContent = text; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:afterSettle", drawAll);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
