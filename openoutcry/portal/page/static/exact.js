// Exact decimals: amounts and prices are text, and every sum is of whole numbers.
const FORM = /^(-?)(\d+)(?:\.(\d+))?$/;

export function read(text) {
  const found = FORM.exec(String(text).trim());
  if (!found) throw new RangeError(`${text}: no decimal number`);
  const [, sign, whole, rest = ""] = found;
  const units = BigInt(whole + rest);
  return { units: sign ? -units : units, places: rest.length };
}

export const isNumber = (text) => FORM.test(String(text).trim());

export function write({ units, places }) {
  const size = units < 0n ? -units : units;
  const digits = String(size).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places), rest = digits.slice(digits.length - places);
  return (units < 0n ? "-" : "") + whole + (rest ? "." + rest : "");
}

function level(first, second) {
  const a = read(first), b = read(second), places = Math.max(a.places, b.places);
  return [a.units * 10n ** BigInt(places - a.places), b.units * 10n ** BigInt(places - b.places), places];
}

export function add(first, second) {
  const [a, b, places] = level(first, second);
  return write({ units: a + b, places });
}

export function subtract(first, second) {
  const [a, b, places] = level(first, second);
  return write({ units: a - b, places });
}

export function multiply(first, second) {
  const a = read(first), b = read(second);
  return write({ units: a.units * b.units, places: a.places + b.places });
}

// Towards zero, with so many decimals; nothing of a division by zero.
export function divide(first, second, places) {
  const [a, b] = level(first, second);
  if (b === 0n) return "";
  return write({ units: a * 10n ** BigInt(places) / b, places });
}

export function compare(first, second) {
  const [a, b] = level(first, second);
  return a < b ? -1 : a > b ? 1 : 0;
}

export const sign = (text) => compare(text, "0");

// The largest multiple of a step that is not above it; both are not below zero.
export function floor(text, step) {
  const [a, b, places] = level(text, step);
  return b > 0n ? trim(write({ units: a - a % b, places })) : text;
}

export function isMultiple(text, step) {
  const [a, b] = level(text, step);
  return b === 0n || a % b === 0n;
}

export function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export const decimals = (text) => read(trim(String(text))).places;

// For people: groups of three with a narrow space, a point in every language.  ``least``: decimals
// that are always shown, ``most``: none beyond it (towards zero).
export function show(text, least = 0, most = 18) {
  if (text === "" || text == null || !isNumber(text)) return "–";
  const parts = trim(String(text).trim()).split(".");
  const minus = parts[0].startsWith("-") ? "\u2212" : "";
  const whole = parts[0].replace("-", "").replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const rest = (parts[1] || "").slice(0, most).padEnd(least, "0");
  return minus + whole + (rest ? "." + rest : "");
}

// How far it is from one value to another, in percent with two decimals.
export function change(from, to) {
  if (!isNumber(from) || !isNumber(to) || sign(from) === 0) return "";
  return divide(multiply(subtract(to, from), "100"), from, 2);
}

export const signed = (text, least = 0, most = 18) =>
  text === "" || text == null ? "–" : (isNumber(text) && sign(text) > 0 ? "+" : "") + show(text, least, most);
