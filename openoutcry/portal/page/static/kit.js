// Elements, tables that are changed in place, dialogs.  Text is always text: nothing here takes
// markup.
import { t } from "./words.js";

export const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// Whole names of classes and attributes; ``on…``: a listener; children: text, elements, nothing.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((one) => one != null && one !== false));
  return element;
}

// A duration as people say it: 90 seconds, 25 hours.
export function lasted(ms) {
  const [count, unit] = ms < 120_000 ? [ms / 1_000, "second"] : ms < 7_200_000 ? [ms / 60_000, "minute"] : [ms / 3_600_000, "hour"];
  return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" }).format(Math.round(count));
}

export function say(element, text) {
  const now = String(text ?? "");
  if (element.textContent !== now) element.textContent = now;
}

const ICONS = {
  bell: "M12 3a6 6 0 0 0-6 6v4l-2 3h16l-2-3V9a6 6 0 0 0-6-6zM10 19a2 2 0 0 0 4 0",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20a8 8 0 0 1 16 0",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  star: "M12 3l2.7 5.8 6.3.8-4.6 4.4 1.2 6.3L12 17.2 6.4 20.3l1.2-6.3L3 9.600l6.300-.8z",
  markets: "M4 19V9M9 19V5M14 19v-7M19 19V8",
  trade: "M7 4v3M7 15v5M5 7h4v8H5zM17 4v5M17 17v3M15 9h4v8h-4z",
  orders: "M5 6h14M5 12h14M5 18h9",
  portfolio: "M12 3a9 9 0 1 0 9 9h-9zM15 3.5a9 9 0 0 1 5.5 5.5H15z",
  wallet: "M4 7h15v12H4zM4 7l11-3v3M15 13h4",
  quotes: "M4 5h10v7H8l-4 3zM20 9v11l-3-3h-7v-3",
  books: "M4 5h7v14H4zM13 5h7v14h-7zM6 9h3M15 9h3M6 13h3M15 13h3",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  close: "M6 6l12 12M18 6L6 18",
  change: "M5 19l1-5L15.500 4.500l4 4L10 18z",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A field with its label and, below, what is wrong with it.
let fields = 0;
export function field(label, control, hint = "") {
  const id = control.id || (control.id = `field-${fields += 1}`);
  const note = hint ? h("span", { class: "hint", id: `${id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, note);
}

export const input = (attributes = {}) => h("input", { autocomplete: "off", ...attributes });
export const amountInput = (attributes = {}) =>
  input({ inputmode: "decimal", maxlength: 40, spellcheck: "false", ...attributes });

export function select(options, attributes = {}) {
  return h("select", attributes, options.map(([value, text]) => h("option", { value }, text)));
}

export function check(label, attributes = {}) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", ...attributes }), h("span", {}, label));
}

export const button = (text, go, kind = "", more = {}) =>
  h("button", { type: "button", class: kind, onclick: go, ...more }, text);

// A form whose work is one request: its button is off meanwhile, and a refusal is said in words.
export function form(parts, label, work, { kind = "primary", more = [] } = {}) {
  const error = h("p", { class: "error", role: "alert" });
  const send = h("button", { type: "submit", class: kind }, label);
  const made = h("form", { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    say(error, "");
    const empty = [...made.elements].find((one) => one.required && !one.value.trim() && !one.closest("[hidden]"));
    if (empty) { say(error, t("form.missing", { field: made.querySelector(`label[for="${empty.id}"]`)?.textContent || "" })); empty.focus(); return; }
    send.disabled = true;
    made.setAttribute("aria-busy", "true");
    try { await work(made); } catch (problem) { say(error, words(problem)); }
    finally { send.disabled = false; made.removeAttribute("aria-busy"); }
  } }, parts, error, h("div", { class: "buttons" }, more, send));
  made.error = error;
  made.send = send;
  return made;
}

// A refusal in words.
export function words(problem) {
  if (problem.name === "NotAllowedError") return t("passkey.cancelled");
  if (typeof problem.code !== "string") return String(problem.message || problem);
  const seconds = problem.retry || 0;
  const plain = t(`error.${problem.code}`, { seconds, until: when(Date.now() + seconds * 1_000, false) });
  const named = ["invalid_request", "order_rejected", "filter_failure", "not_now", "not_possible", "not_found", "forbidden", "daily_limit", "not_withdrawable", "bad_address", "below_dust", "unknown"];
  return named.includes(problem.code) && problem.detail ? `${plain} (${problem.detail})` : plain;
}

// columns: {label, n: is a number, wide: has a line of a card, text(row), kind(row), node(row), sign(row), head}.  Cells whose
// text is the same are left alone, so that focus stays.
export function table(columns, { key = (row) => row.id, empty = "", label = "", cards = true, click = null } = {}) {
  const body = h("tbody"), known = new Map(), none = h("p", { class: "none", hidden: true }, empty);
  const head = h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.n ? "n" : "" },
    one.label || h("span", { class: "quiet" }, t("table.actions")))));
  const made = h("table", { class: cards ? "cards" : "", "aria-label": label }, h("thead", {}, head), body);
  const box = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label || t("table.label") }, made, none);
  box.show = (list) => {
    const seen = new Set();
    let before = null;
    for (const row of list) {
      const name = String(key(row));
      seen.add(name);
      let line = known.get(name);
      if (!line) {
        line = h("tr", {}, columns.map((one) => h("td", { "data-label": one.label || "", class: one.n ? "n" : "" })));
        if (click) { line.classList.add("pick"); line.addEventListener("click", (event) => { if (!event.target.closest("button, a, input")) click(line.row); }); }
        known.set(name, line);
      }
      line.row = row;
      columns.forEach((one, index) => fill(line.cells[index], one, line, row));
      const place = before ? before.nextSibling : body.firstChild;
      if (place !== line) body.insertBefore(line, place);
      before = line;
    }
    for (const [name, line] of known) if (!seen.has(name)) { line.remove(); known.delete(name); }
    none.hidden = list.length > 0;
    made.hidden = list.length === 0;
  };
  box.body = body;
  return box;
}

function fill(cell, column, line, row) {
  if (column.node) {
    const shown = String(column.sign ? column.sign(row) : "");
    if (cell.shown !== shown || !cell.firstChild) {
      const focused = [...cell.children].indexOf(document.activeElement);
      cell.shown = shown;
      cell.replaceChildren(...[column.node(row, () => line.row)].flat().filter(Boolean));
      cell.children[focused]?.focus();
    }
  } else say(cell, column.text(row));
  const kind = [column.n ? "n" : "", column.wide ? "wide" : "", column.kind ? column.kind(row) : "", column.node && !column.label ? "do" : ""].filter(Boolean).join(" ");
  if (cell.className !== kind) cell.className = kind;
}

export const panel = (title, ...children) => h("section", { class: "panel" }, title ? h("h2", {}, title) : null, children);

export function facts(pairs) {
  return h("dl", {}, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value ?? "–")]));
}

// Tabs by the pattern of ARIA: arrows move, the chosen one is in the order of Tab.
export function tabs(list, chosen, choose, label) {
  const buttons = list.map(([name, text]) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(name === chosen),
    tabindex: name === chosen ? "0" : "-1", onclick: () => go(name) }, text));
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": label, onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    buttons[at].focus();
    buttons[at].click();
  } }, buttons);
  function go(name) {
    buttons.forEach((one, index) => {
      one.setAttribute("aria-selected", String(list[index][0] === name));
      one.tabIndex = list[index][0] === name ? 0 : -1;
    });
    choose(name);
    show();
  }
  // On a phone there are more than fit: the chosen one is in sight.
  function show() {
    const room = bar.getBoundingClientRect(), at = buttons.find((one) => one.tabIndex === 0)?.getBoundingClientRect() ?? room;
    bar.scrollLeft += Math.max(0, at.right - room.right) - Math.max(0, room.left - at.left);
  }
  requestAnimationFrame(show);
  return bar;
}

// A question with a form; the answer is what ``work`` gives, or nothing.
export function ask(title, parts, label, work, { kind = "primary", wide = false } = {}) {
  return new Promise((done) => {
    let answer;
    const box = h("dialog", { "aria-labelledby": "ask-title", class: wide ? "wide" : "" });
    const made = form(parts, label, async (given) => { answer = await work(given); if (answer === undefined) answer = true; box.close(); },
      { kind, more: [button(t("cancel"), () => box.close())] });
    box.append(h("h2", { id: "ask-title" }, title), made);
    box.addEventListener("close", () => { box.remove(); done(answer); });
    document.body.append(box);
    box.showModal();
    (made.querySelector("input:not([type=hidden]), select") || made.send).focus();
  });
}

export const confirm = (title, text, label, work, kind = "primary") =>
  ask(title, h("p", {}, text), label, work, { kind });

// Something to be read and kept, as a secret that is shown once.
export function tell(title, ...parts) {
  return new Promise((done) => {
    const box = h("dialog", { "aria-labelledby": "tell-title" }, h("h2", { id: "tell-title" }, title), parts,
      h("div", { class: "buttons" }, button(t("close"), () => box.close(), "primary")));
    box.addEventListener("close", () => { box.remove(); done(); });
    document.body.append(box);
    box.showModal();
  });
}

export function notice(text, kind = "good") {
  const box = $("notice");
  const line = h("p", { class: kind, onclick: () => line.remove() }, text);
  box.append(line);
  // On a phone more would cover what they are about.
  while (box.children.length > (innerWidth < 600 ? 2 : 4)) box.firstChild.remove();
  setTimeout(() => line.remove(), 8_000);
  return line;
}

export function copyable(text, label) {
  return h("span", { class: "copy" }, h("code", {}, text), button(t("copy"), async () => {
    try { await navigator.clipboard.writeText(text); notice(t("copied")); } catch { notice(t("copy.failed"), "bad"); }
  }, "small", { "aria-label": label ? `${t("copy")}: ${label}` : t("copy") }));
}

// Times of the browser's zone, in the page's language; sortable and short.
export function when(ms, seconds = true) {
  const at = new Date(ms);
  if (ms == null || Number.isNaN(at.getTime())) return "–";
  return at.toLocaleString(document.documentElement.lang === "de" ? "de-DE" : "en-GB",
    { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });
}

// Of today the time alone.
export const shortly = (ms) => new Date(ms).toDateString() === new Date().toDateString() ? clockTime(ms) : when(ms, false);
export const clockTime = (ms) => new Date(ms).toLocaleTimeString("en-GB");
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const policy = self.trustedTypes?.createPolicy("outcry", { createScriptURL: (url) => {
  if (!["/page/vendor/lightweight-charts.standalone.production.js", "/worker.js"].includes(url)) throw new TypeError(url);
  return url;
} });
export const scriptUrl = (url) => policy ? policy.createScriptURL(url) : url;

const loading = new Map();
export function script(url) {
  if (!loading.has(url)) loading.set(url, new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = scriptUrl(url);
    element.onload = done;
    element.onerror = () => { loading.delete(url); element.remove(); failed(new Error(url)); };
    document.head.append(element);
  }));
  return loading.get(url);
}

// A view of several tabs, which are parts of its address; gives what ends the one that is shown.
// name: of the view in addresses; title: in words; label: a tab in words.
export async function tabbed(root, { name, title, label }, views, chosenTab) {
  const area = h("div"), ends = [], first = views[chosenTab] ? chosenTab : Object.keys(views)[0];
  root.append(h("div", { class: "headline" }, h("h1", {}, title)),
    tabs(Object.keys(views).map((one) => [one, label(one)]), first, (one) => { history.replaceState(null, "", `#/${name}/${one}`); go(one); }, title), area);
  async function go(one) {
    ends.splice(0).forEach((end) => end());
    area.replaceChildren();
    await views[one](area, ends);
  }
  await go(first);
  return () => ends.forEach((end) => end());
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

export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
