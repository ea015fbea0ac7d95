// What happened, price alerts, and what is reported where and when.
import { amountInput, button, check, copyable, field, form, h, input, notice, panel, say, scriptUrl, select, tabbed, table, tell, when, words } from "../kit.js";
import { t, word } from "../words.js";
import { chosen, emit, on, shared, instrument } from "../store.js";
import { get, newKey, post, put, remove } from "../api.js";
import { sign } from "../exact.js";
import { priceText, typed } from "../numbers.js";
import { lateness } from "../paged.js";
import { assets } from "./portfolio.js";

const CHANNELS = ["app", "mail", "webhook", "push"];

export const show = (root, [chosenTab]) => tabbed(root, { name: "notifications", title: t("nav.notifications"), label: (one) => t(`notifications.${one}`) }, { list: showList, alerts: showAlerts, settings: showSettings }, chosenTab);

function showList(area, ends) {
  const list = h("ul", { class: "news" }), none = h("p", { class: "none" }, t("notifications.none")), error = h("p", { class: "error", role: "alert" });
  const unread = check(t("notifications.unread"), { onchange: () => load(true) });
  const more = button(t("more"), () => load(false), "", { hidden: true });
  const read = button(t("notifications.read"), async () => {
    try { await post("/v1/notifications/read", { until: rows[0]?.number ?? 0 }, newKey()); shared.unread = 0; emit("unread"); load(true); } catch (problem) { say(error, words(problem)); }
  });
  let rows = [], next = "";
  function draw() {
    list.replaceChildren(...rows.map((row) => h("li", { class: row.read_at ? "" : "unread" }, h("span", { class: "dot" }), h("b", {}, row.title, row.read_at ? null : h("span", { class: "quiet" }, ` (${t("notifications.new")})`)), h("time", { datetime: row.created_at }, when(row.created_at)), h("p", {}, row.text))));
    none.hidden = rows.length > 0;
    read.disabled = !rows.some((row) => !row.read_at);
  }
  async function load(fresh) {
    say(error, "");
    try {
      const page = await get("/v1/notifications", { limit: 50, cursor: fresh ? "" : next, unread: unread.querySelector("input").checked ? "true" : "" });
      rows = fresh ? page.items : rows.concat(page.items);
      next = page.next || "";
      more.hidden = !next;
      shared.unread = page.unread;
      emit("unread");
      draw();
    } catch (problem) { say(error, words(problem)); }
  }
  area.append(panel("", lateness(ends), h("div", { class: "row" }, unread, h("span", { class: "spring" }), read), error, list, none, h("p", { class: "more" }, more)));
  ends.push(on("notification", (one) => { if (!rows.some((row) => row.id === one.id)) { rows = [one, ...rows]; draw(); } }));
  draw();
  return load(true);
}

function showAlerts(area, ends) {
  const symbol = select(shared.instruments.map((one) => [one.symbol, one.symbol]), { id: "alert-symbol" });
  symbol.value = chosen.get("symbol", symbol.value);
  const direction = select([["above", t("alert.above")], ["below", t("alert.below")]], { id: "alert-direction" });
  const price = amountInput({ id: "alert-price", required: true });
  const list = table([
    { label: t("market"), text: (row) => row.symbol }, { label: t("when"), text: (row) => `${t(`alert.${row.direction}`)} ${priceText(row.price, instrument(row.symbol))}` },
    { label: t("since"), text: (row) => when(row.created_at) },
    { label: t("state"), text: (row) => row.fired_at ? t("alert.fired", { price: priceText(row.fired_price ?? "", instrument(row.symbol)), time: when(row.fired_at) }) : t("alert.waits"), kind: (row) => row.fired_at ? "good" : "" },
    { label: "", node: (row) => button(t("remove"), async () => { try { await remove(`/v1/price-alerts/${row.id}`, newKey()); } catch (problem) { notice(words(problem), "bad"); } load(); }, "small", { "aria-label": t("alert.remove", { symbol: row.symbol, price: row.price }) }), sign: (row) => row.id },
  ], { label: t("notifications.alerts"), empty: t("alerts.none") });
  const made = form(h("div", { class: "row" }, field(t("market"), symbol), field(t("alert.when"), direction), field(t("price"), price)), t("alert.add"), async () => {
    let at;
    try { at = typed(price.value); } catch (problem) { throw new Error(t(`ticket.${problem.code}`, { field: t("price") })); }
    if (!at || sign(at) <= 0) throw new Error(t("ticket.more.than", { field: t("price") }));
    await post("/v1/price-alerts", { symbol: symbol.value, direction: direction.value, price: at }, newKey());
    price.value = "";
    notice(t("alert.added"));
    load();
  });
  made.id = "alert-form";
  async function load() { try { list.show(await get("/v1/price-alerts")); } catch (problem) { notice(words(problem), "bad"); list.show([]); } }
  area.append(panel(t("alert.new"), made), panel(t("notifications.alerts"), list));
  ends.push(on("notification", (one) => { if (one.event === "price") load(); }));
  return load();
}

async function showSettings(area) {
  let settings;
  try { settings = await get("/v1/notification-settings"); } catch (problem) { area.append(panel("", h("p", { class: "error", role: "alert" }, words(problem)))); return; }
  const boxes = new Map();
  const matrix = h("table", { class: "matrix cards" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("event")), CHANNELS.map((one) => h("th", { scope: "col" }, t(`channel.${one}`))))),
    h("tbody", {}, Object.entries(settings.events).map(([event, channels]) => h("tr", {}, h("th", { scope: "row" }, word("notify", event)), CHANNELS.map((channel) => {
      const box = h("input", { type: "checkbox", checked: channels.includes(channel), "aria-label": `${word("notify", event)}: ${t(`channel.${channel}`)}`, "data-event": event, "data-channel": channel });
      boxes.set(`${event} ${channel}`, box);
      return h("td", { "data-label": t(`channel.${channel}`) }, box);
    })))));
  const from = input({ type: "time", value: settings.quiet_from, id: "quiet-from" }), until = input({ type: "time", value: settings.quiet_until, id: "quiet-until" });
  const zones = [...new Set([settings.time_zone, "UTC", Intl.DateTimeFormat().resolvedOptions().timeZone, ...(Intl.supportedValuesOf?.("timeZone") || [])])].filter(Boolean);
  const zone = select(zones.map((one) => [one, one]), { id: "zone" });
  zone.value = settings.time_zone;
  const summary = select([["", t("summary.never")], ["daily", t("summary.daily")], ["weekly", t("summary.weekly")]], { id: "summary" });
  summary.value = settings.summary;
  const at = input({ type: "time", value: settings.summary_at, id: "summary-at" }), currency = select(assets().map((one) => [one, one]), { id: "summary-currency" });
  if (settings.currency) currency.value = settings.currency;
  const levels = input({ id: "margin-levels", value: settings.margin_levels.join(", "), inputmode: "text", autocomplete: "off", "aria-describedby": "margin-levels-about" });
  const made = form([h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("notifications.where") }, matrix), h("h3", {}, t("quiet.hours")), h("p", { class: "hint" }, t("quiet.about")),
    h("div", { class: "row" }, field(t("from"), from), field(t("until"), until), field(t("zone"), zone)), h("h3", {}, t("summary")), h("div", { class: "row" }, field(t("summary.how"), summary), field(t("summary.at"), at), field(t("currency"), currency)),
    h("h3", {}, t("margin.levels")), h("p", { class: "hint", id: "margin-levels-about" }, t("margin.levels.about")), h("div", { class: "row" }, field(t("margin.levels.at"), levels))], t("save"), async () => {
    const events = Object.fromEntries(Object.keys(settings.events).map((event) => [event, CHANNELS.filter((channel) => boxes.get(`${event} ${channel}`).checked)]));
    const marks = levels.value.split(/[\s,;%]+/).filter(Boolean);
    if (marks.some((one) => !/^\d{2}$/.test(one) || Number(one) < 10)) throw new Error(t("margin.levels.wrong"));
    settings = await put("/v1/notification-settings", { ...settings, events, margin_levels: marks.map(Number), quiet_from: from.value, quiet_until: until.value, time_zone: zone.value, summary: summary.value, summary_at: at.value, currency: currency.value }, newKey());
    notice(t("saved"));
  });
  made.id = "settings-form";
  const push = h("div"), hook = h("div");
  area.append(panel(t("notifications.where"), made), h("div", { class: "columns" }, panel(t("channel.push"), push), panel(t("channel.webhook"), hook)));
  await Promise.all([showPush(push), showWebhook(hook)]);
}

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));

async function showPush(place) {
  const error = h("p", { class: "error", role: "alert" });
  const list = table([
    { label: t("device"), text: (row) => row.label || row.endpoint_host }, { label: t("service"), text: (row) => row.endpoint_host }, { label: t("since"), text: (row) => when(row.created_at) },
    { label: "", node: (row) => button(t("remove"), async () => { try { await remove(`/v1/push/subscriptions/${row.id}`, newKey()); } catch (problem) { say(error, words(problem)); } load(); }, "small", { "aria-label": t("push.remove", { label: row.label }) }), sign: (row) => row.id },
  ], { label: t("channel.push"), empty: t("push.none") });
  const can = "serviceWorker" in navigator && "PushManager" in self;
  const add = button(t("push.add"), async () => {
    say(error, "");
    try {
      if (await Notification.requestPermission() !== "granted") throw new Error(t("push.denied"));
      const { public_key } = await get("/v1/push/key");
      const worker = await navigator.serviceWorker.register(scriptUrl("/worker.js"), { scope: "/" });
      await navigator.serviceWorker.ready;
      const made = (await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(public_key) })).toJSON();
      await post("/v1/push/subscriptions", { endpoint: made.endpoint, p256dh: made.keys.p256dh, auth: made.keys.auth, label: deviceName(navigator.userAgent) }, newKey());
      notice(t("push.added"));
      load();
    } catch (problem) { say(error, words(problem)); }
  }, "", { id: "push-add", disabled: !can });
  async function load() { try { list.show(await get("/v1/push/subscriptions")); } catch (problem) { say(error, words(problem)); list.show([]); } }
  place.append(h("p", { class: "hint" }, can ? t("push.about") : t("push.cannot")), list, error, h("div", { class: "buttons" }, add));
  await load();
}

// A browser and its system, from what it says of itself.
export function deviceName(agent) {
  const browser = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"], ["python-httpx", "python-httpx"], ["curl", "curl"]].find(([mark]) => agent.includes(mark))?.[1];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark))?.[1];
  return [browser, system].filter(Boolean).join(", ") || agent.slice(0, 60) || t("device.unknown");
}

async function showWebhook(place) {
  const url = input({ type: "url", maxlength: 500, id: "webhook-url", required: true, placeholder: "https://" }), state = h("p", {}), error = h("p", { class: "error", role: "alert" });
  const made = form([field(t("webhook.url"), url), state], t("save"), async () => {
    const now = await put("/v1/webhook", { url: url.value.trim() }, newKey());
    if (now.secret) await tell(t("webhook.secret"), h("p", {}, t("webhook.secret.about")), copyable(now.secret, t("webhook.secret")));
    draw(now);
  }, { more: [button(t("webhook.test"), async () => { try { await post("/v1/webhook/test", {}, newKey()); notice(t("webhook.tested")); } catch (problem) { say(error, words(problem)); } }, "", { id: "webhook-test" }),
    button(t("remove"), async () => { try { await remove("/v1/webhook", newKey()); draw({ url: "", state: "none", error: "" }); } catch (problem) { say(error, words(problem)); } }, "", { id: "webhook-remove" })] });
  function draw(now) {
    url.value = now.url || "";
    say(state, `${t("state")}: ${word("webhook", now.state)}${now.error ? ` (${now.error})` : ""}`);
    state.className = now.state === "failing" ? "bad" : "";
  }
  place.append(h("p", { class: "hint" }, t("webhook.about")), made, error);
  try { draw(await get("/v1/webhook")); } catch (problem) { if (problem.code === "not_found") draw({ url: "", state: "none" }); else say(error, words(problem)); }
}
