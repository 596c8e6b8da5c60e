// How numbers are written: by their unit, in the reader's language. What numbers.py writes on the server, to the letter;
// the reasons stand there.

import rules from "./number_rules.js";

const LARGEST_WRITTEN_OUT = 1e15;
const SMALLEST_WRITTEN_OUT = 1e-4;
const LARGEST_SIZE = 1e30;

const localeOf = (language) => rules.locales[language.split("-")[0].toLowerCase()] ?? rules.locales.en;

const signed = (text, value) => (value < 0 ? `−${text}` : text);

const power = (magnitude, locale) => magnitude.toExponential(2).replace("e+", "e").replace(".", locale.decimal);

// Of less than 1000, three digits without zeros at the end.
function three(magnitude, locale) {
  if (magnitude > 0 && magnitude < SMALLEST_WRITTEN_OUT) return power(magnitude, locale);
  return String(Number(magnitude.toPrecision(3))).replace(".", locale.decimal);
}

function compact(magnitude, locale) {
  if (magnitude >= LARGEST_WRITTEN_OUT * 0.9995) return power(magnitude, locale);
  for (const place of [4, 3, 2, 1]) {
    if (magnitude >= 1000 ** place * 0.9995) {
      return three(magnitude / 1000 ** place, locale) + locale.beforeSuffix + locale.suffixes[place - 1];
    }
  }
  return three(magnitude, locale);
}

function size(magnitude, place, locale) {
  for (; place < locale.sizes.length - 1 && magnitude >= 999.5 && magnitude < LARGEST_SIZE; place += 1) magnitude /= 1000;
  for (; place > 0 && magnitude > 0 && magnitude < 0.9995; place -= 1) magnitude *= 1000;
  return compact(magnitude, locale) + locale.space + locale.sizes[place];
}

function time(magnitude, unit, locale) {
  if (magnitude >= LARGEST_WRITTEN_OUT) return compact(magnitude, locale) + locale.space + locale.times[unit];
  const seconds = magnitude * rules.times[unit];
  if (seconds < 59.95) {
    const scales = [["seconds", 1, 0.9995], ["milliseconds", 1e3, 0.9995e-3], ["microseconds", 1e6, 0]];
    const [name, scale] = scales.find(([, , bound]) => seconds === 0 || seconds >= bound);
    return three(seconds * scale, locale) + locale.space + locale.times[name];
  }
  for (const [large, small, step, few, most] of [
    ["minutes", "seconds", 1, 60, 60],
    ["hours", "minutes", 60, 60, 24],
    ["days", "hours", 3600, 24, 100],
  ]) {
    const whole = Math.floor(seconds / step + 0.5);
    if (whole < few * most) {
      return [[Math.floor(whole / few), large], [whole % few, small]]
        .filter(([count]) => count)
        .map(([count, name]) => count + locale.space + locale.times[name])
        .join(locale.space);
    }
  }
  return compact(seconds / 86400, locale) + locale.space + locale.times.days;
}

function amount(magnitude, digits, locale) {
  if (magnitude >= 999.5 || (magnitude > 0 && magnitude < 0.01) || !digits) return compact(magnitude, locale);
  return magnitude.toFixed(2).replace(/\.00$/, "").replace(".", locale.decimal);
}

function withSymbol(text, currency, locale) {
  const symbol = rules.symbols[currency] ?? currency;
  if (locale.symbolFirst) return symbol + (symbol === currency ? locale.space : "") + text;
  return text + (/\p{L}$/u.test(text) && symbol !== currency ? "" : locale.space) + symbol;
}

function written(magnitude, unit, locale) {
  if (unit in rules.sizes) return size(magnitude, rules.sizes[unit], locale);
  if (unit in rules.times) return time(magnitude, unit, locale);
  if (unit in rules.currencies) return withSymbol(amount(magnitude, rules.currencies[unit], locale), unit, locale);
  if (unit === "percent") return `${compact(magnitude, locale)}${locale.space}%`;
  if (unit === "ratio" && magnitude < LARGEST_WRITTEN_OUT) return `${compact(magnitude * 100, locale)}${locale.space}%`;
  return compact(magnitude, locale);
}

// All digits, in groups of three; only the very large and small ones as a power of ten.
function digitsOf(magnitude, locale) {
  const text = String(magnitude);
  if (text.includes("e")) return text.replace(".", locale.decimal);
  const [whole, rest] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, locale.group);
  return rest ? grouped + locale.decimal + rest : grouped;
}

function hundredfold(magnitude) {
  const [digits, exponent = "0"] = String(magnitude).split("e");
  return Number(`${digits}e${Number(exponent) + 2}`);
}

// Seconds that the marks of an axis may be apart.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

// The marks of an axis of time, at whole minutes, hours and so on, at most so many; null where those of powers of ten do.
export function marks(min, max, most, unit) {
  const scale = rules.times[unit];
  const step = scale && STEPS.find((candidate) => (max - min) * scale / candidate < most);
  if (!step || (max - min) * scale < most) return null;
  const first = Math.ceil((min * scale) / step), last = Math.floor((max * scale) / step);
  return Array.from({ length: last - first + 1 }, (_, place) => ((first + place) * step) / scale);
}

// At a glance: 12.3k, 6.5 GB, 3 h 12 min, 95.3 %, €4.56M.
export function write(value, unit = "number", language = document.documentElement.lang) {
  return signed(written(Math.abs(value), unit, localeOf(language)), value);
}

// All of it, as it is sent: 1,234,567, 6,500,000,000 B, 12,345.6 s.
export function exact(value, unit = "number", language = document.documentElement.lang) {
  const locale = localeOf(language);
  let magnitude = Math.abs(value);
  if (unit === "ratio") [magnitude, unit] = magnitude < LARGEST_WRITTEN_OUT ? [hundredfold(magnitude), "percent"] : [magnitude, "number"];
  let digits = digitsOf(magnitude, locale);
  if (unit in rules.sizes) digits += locale.space + locale.sizes[rules.sizes[unit]];
  else if (unit in rules.times) digits += locale.space + locale.times[unit];
  else if (unit in rules.currencies) {
    const [whole, rest] = digits.split(locale.decimal);
    const cents = rest && !rest.includes("e") ? rest.padEnd(rules.currencies[unit], "0") : rest;
    digits = withSymbol(rest ? whole + locale.decimal + cents : whole, unit, locale);
  } else if (unit === "percent") digits += `${locale.space}%`;
  return signed(digits, value);
}
