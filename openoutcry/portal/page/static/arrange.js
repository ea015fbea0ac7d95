// What a person arranges of the terminal: where its panels are, which are hidden, and keys.
import { button, check, h, icon, tell } from "./kit.js";
import { t } from "./words.js";
import { chosen } from "./store.js";

// Places of a wide window, in the order of the panels that are in them.
const SLOTS = ["chart", "book", "ticket", "lists", "tape"];
const KEYS = ["b", "s", "p", "q", "m", "o", "x", "f"];

// panels: elements by name.  Gives the button that opens the settings.
export function arranged(panels) {
  const kept = chosen.get("panels", []);
  let order = [...kept, ...SLOTS].filter((name, index, all) => SLOTS.includes(name) && all.indexOf(name) === index);
  const away = new Set(chosen.get("away", []));
  const list = h("ol", { class: "arrange" });

  function show() {
    order.forEach((name, index) => { panels[name].dataset.slot = SLOTS[index]; panels[name].dataset.away = String(away.has(name)); });
    chosen.set("panels", order);
    chosen.set("away", [...away]);
    dispatchEvent(new Event("resize"));
  }

  function move(name, by) {
    const at = order.indexOf(name), other = at + by;
    [order[at], order[other]] = [order[other], order[at]];
    show();
    draw();
    list.querySelector(`[data-move="${name} ${by}"]:enabled`)?.focus();
  }

  function draw() {
    list.replaceChildren(...order.map((name, index) => {
      const label = t(`panel.${name}`), box = check(label, { checked: !away.has(name), id: `panel-${name}`, onchange: (event) => { if (event.target.checked) away.delete(name); else away.add(name); show(); } });
      const to = (by, text) => button(text, () => move(name, by), "small", { "data-move": `${name} ${by}`, "aria-label": `${text}: ${label}`, disabled: index + by < 0 || index + by >= order.length });
      return h("li", {}, box, to(-1, t("arrange.earlier")), to(1, t("arrange.later")));
    }));
  }

  const settings = { keys: null };
  settings.button = button([icon("change"), h("span", {}, t("arrange"))], () => {
    draw();
    tell(t("arrange"), h("p", { class: "hint" }, t("arrange.about")), list,
      button(t("arrange.usual"), () => { order = [...SLOTS]; away.clear(); show(); draw(); }, "small"), settings.keys?.());
  }, "small", { id: "arrange", title: t("arrange"), "aria-label": t("arrange") });
  show();
  return settings;
}

const isTyping = (target) => target.closest?.("input, select, textarea, dialog, [contenteditable]") || document.querySelector("dialog[open]");

// Keys of the terminal; off until the person switches them on.  An order is always shown before it is sent.
export function hotKeys(settings, actions) {
  settings.keys = () => [h("h3", {}, t("hotkeys")), check(t("hotkeys.on"), { checked: chosen.get("keys", false), id: "keys-on", onchange: (event) => chosen.set("keys", event.target.checked) }),
    h("p", { class: "hint" }, t("hotkeys.about")), h("dl", { class: "keys" }, KEYS.flatMap((key) => [h("dt", {}, h("kbd", {}, key.toUpperCase())), h("dd", {}, t(`key.${key}`))]))];
  const pressed = (event) => {
    const go = actions[event.key.toLowerCase()];
    if (!go || !chosen.get("keys", false) || event.repeat || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    event.preventDefault();
    go();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
