// Small helpers: elements, numbers, tables that are changed in place.
export const $ = (id) => document.getElementById(id);

export function make(tag, text = "", kind = "") {
  const element = document.createElement(tag);
  if (text !== "") element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

export function say(element, text) {
  const now = String(text);
  if (element.textContent !== now) element.textContent = now;
}

// Numbers that may have more than 53 bits come as text, and keep every digit.
export function whole(number) {
  if (number == null) return "";
  return (typeof number === "string" ? BigInt(number) : Math.round(number)).toLocaleString("en");
}

// A whole number of 10 ** -places, shown with so many decimals, half away from zero.
export function decimal(number, places, decimals) {
  const value = BigInt(number), size = value < 0n ? -value : value;
  const step = 10n ** BigInt(Math.max(places - decimals, 0));
  const text = String((size + step / 2n) / step * 10n ** BigInt(Math.max(decimals - places, 0))).padStart(decimals + 1, "0");
  const units = text.slice(0, text.length - decimals), rest = text.slice(text.length - decimals);
  return (value < 0n ? "-" : "") + BigInt(units).toLocaleString("en") + (decimals ? "." + rest : "");
}

export function short(number) {
  if (number == null) return "";
  const size = Math.abs(number);
  for (const [limit, letter] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return (number / (letter === "k" ? 1e3 : limit)).toFixed(1) + " " + letter;
  }
  return whole(number);
}

export function bytes(number) {
  let unit = 0;
  while (number >= 1024 && unit < 5) { number /= 1024; unit += 1; }
  return number.toFixed(unit ? 1 : 0) + " " + ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit];
}

export function span(ns) {
  if (ns == null) return "–";
  for (const [limit, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
    if (Math.abs(ns) >= limit) return (ns / limit).toPrecision(3) + " " + unit;
  }
  return Math.round(ns) + " ns";
}

// Prices have four decimals on the feed; an instrument has as many as it has.
// ``places``: what the feed announces for one with finer ticks.
export const price = (value, decimals = 4, places = 4) => typeof value === "string" ? decimal(value, places, decimals).replaceAll(",", "") : (value / 10 ** places).toFixed(decimals);
export const clock = (text) => (text || "").replace("T", " ").replace(/(\.\d{3})\d*/, "$1").replace(/\+00:00$|Z$/, "");
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// Rows of a table by key: cells whose text is the same are left alone, so that focus stays.
export function rows(table, list, key, cells, buttons = () => []) {
  const body = table.tBodies[0];
  const labels = table.labels || (table.labels = [...table.tHead.rows[0].cells].map((cell) => [cell.textContent, cell.className]));
  const known = table.known || (table.known = new Map());
  const seen = new Set();
  let before = null;
  for (const item of list) {
    const name = String(key(item));
    seen.add(name);
    let row = known.get(name);
    if (!row) {
      row = document.createElement("tr");
      labels.forEach(([label, kind]) => { const cell = row.insertCell(); cell.dataset.label = label; if (kind) cell.className = kind; });
      known.set(name, row);
    }
    row.item = item;
    cells(item).forEach((cell, index) => fill(row.cells[index], cell));
    const wanted = buttons(item);
    if (wanted.length || row.buttons) addButtons(row, wanted);
    const place = before ? before.nextSibling : body.firstChild;
    if (place !== row) body.insertBefore(row, place);
    before = row;
  }
  for (const [name, row] of known) if (!seen.has(name)) { row.remove(); known.delete(name); }
}

function fill(cell, content) {
  if (content instanceof Array) {
    say(cell, content[0]);
    const kind = [cell.classList.contains("n") ? "n" : "", content[1]].join(" ").trim();
    if (cell.className !== kind) cell.className = kind;
  } else say(cell, content ?? "");
}

function addButtons(row, wanted) {
  const shown = wanted.map((one) => one.text).join("|");
  if (row.buttons === shown) return;
  row.buttons = shown;
  const cell = row.cells[row.cells.length - 1];
  cell.className = "do";
  cell.replaceChildren(...wanted.map((one) => {
    const button = make("button", one.text, one.kind || "");
    button.setAttribute("aria-label", one.label || one.text);
    button.addEventListener("click", () => one.go(row.item));
    return button;
  }));
}

export function list(dl, pairs) {
  const shown = JSON.stringify(pairs);
  if (dl.shown === shown) return;
  dl.shown = shown;
  dl.replaceChildren(...pairs.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}

// A canvas in device pixels; gives its context and its size in CSS pixels.
export function canvas(element) {
  const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = element;
  if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
  }
  const context = element.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return [context, width, height];
}

const loading = new Map();
export function script(path) {
  if (!loading.has(path)) loading.set(path, new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = path;
    element.onload = done;
    element.onerror = () => {  // whoever asks next tries again
      loading.delete(path);
      element.remove();
      failed(new Error(path));
    };
    document.head.append(element);
  }));
  return loading.get(path);
}
