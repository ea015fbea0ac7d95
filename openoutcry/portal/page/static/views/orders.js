// Open orders, and orders and trades of all days.
import { ask, button, field, h, input, notice, say, select, table, tabs, when, words } from "../kit.js";
import { t, word } from "../words.js";
import { instrument, shared } from "../store.js";
import { get, newKey, remove } from "../api.js";
import { follow } from "../stream.js";
import { show as showNumber } from "../exact.js";
import { priceText, quantityText } from "../numbers.js";
import { inGroups, orderButtons, orderColumns, tradedOf } from "../orders.js";
import { fromDay, lateness, paged, untilDay } from "../paged.js";

export async function show(root, [chosenTab]) {
  const ends = [], area = h("div", { class: "panel" });
  const views = { open: showOpen, history: showHistory, trades: showTrades };
  const first = views[chosenTab] ? chosenTab : "open";
  root.append(h("div", { class: "headline" }, h("h1", {}, t("nav.orders"))),
    tabs([["open", t("orders.open")], ["history", t("orders.history")], ["trades", t("orders.trades")]], first, (name) => {
      history.replaceState(null, "", `#/orders/${name}`);
      go(name);
    }, t("nav.orders")), area);
  function go(name) {
    ends.splice(0).forEach((end) => end());
    area.replaceChildren();
    const shown = views[name](area, ends);
    if (name !== "open") area.prepend(lateness(ends, () => { if (shown.isFirst) shown.load(); }));
  }
  go(first);
  return () => ends.forEach((end) => end());
}

const markets = () => [["", t("markets.all")], ...shared.instruments.map((one) => [one.symbol, one.symbol])];

function showOpen(area, ends) {
  const list = table(orderColumns({ action: orderButtons }), { label: t("orders.open"), empty: t("orders.none") });
  const symbol = select(markets(), { "aria-label": t("market"), onchange: () => draw() });
  let model = null;
  const all = button(t("cancel.all"), () => ask(t("cancel.all"), h("p", {}, symbol.value ? t("cancel.all.of", { symbol: symbol.value }) : t("cancel.all.every")), t("cancel.all"), async () => {
    const gone = await remove(symbol.value ? `/v1/orders?symbol=${encodeURIComponent(symbol.value)}` : "/v1/orders", newKey());
    notice(t("cancel.done", { count: gone.length }));
  }, { kind: "danger" }));
  function draw() {
    const rows = model ? inGroups([...model.open.values()].filter((one) => !symbol.value || one.symbol === symbol.value)) : [];
    list.show(rows);
    all.disabled = !rows.length;
  }
  area.append(h("div", { class: "row" }, field(t("market"), symbol), h("span", { class: "spring" }), all), list);
  ends.push(follow("orders", "", (now) => { model = now; draw(); }));
  draw();
}

// What a search has in common: market and days; Enter and each change search again.
function search(parts, load) {
  const made = h("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); load(); } }, parts, h("button", { type: "submit", class: "primary" }, t("search")));
  made.addEventListener("change", () => load());
  return made;
}

function showHistory(area) {
  const symbol = select(markets()), state = select(["all", "open", "closed"].map((one) => [one, t(`filter.${one}`)]));
  const text = input({ type: "search", maxlength: 40 }), from = input({ type: "date" }), until = input({ type: "date" });
  const list = table(orderColumns({ state: true, action: (row) => button(t("details"), () => changes(row), "small", { "aria-label": t("details.of", { id: row.id }) }) }),
    { label: t("orders.history"), empty: t("search.none") });
  const pages = paged("/v1/history/orders", list, () => ({ symbol: symbol.value, state: state.value, search: text.value.trim(), from_ms: fromDay(from.value), until_ms: untilDay(until.value) }));
  area.append(search([field(t("market"), symbol), field(t("state"), state), field(t("search.text"), text), field(t("from"), from), field(t("until"), until)], () => pages.load()), pages);
  pages.load();
  return pages;
}

async function changes(order) {
  const list = table([
    { label: t("time"), text: (row) => when(row.time_ms) }, { label: t("event"), text: (row) => word("event", row.execution) },
    { label: t("state"), text: (row) => word("order", row.state) },
    { label: t("price"), n: true, text: (row) => priceText(row.price, instrument(order.symbol)) },
    { label: t("filled"), n: true, text: (row) => quantityText(row.filled_quantity, instrument(order.symbol)) },
  ], { key: (row) => row.event, label: t("details"), empty: t("search.none") });
  const box = h("dialog", { class: "wide", "aria-labelledby": "changes-title" }, h("h2", { id: "changes-title" }, t("details.of", { id: order.id })),
    h("p", { class: "muted" }, t("order.name", { id: order.client_order_id }), order.average_price ? ` · ${tradedOf(order)}` : ""), list, h("div", { class: "buttons" }, button(t("close"), () => box.close(), "primary")));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  try { list.show(await get(`/v1/history/orders/${order.id}`)); } catch (problem) { list.show([]); notice(words(problem), "bad"); }
}

function showTrades(area) {
  const symbol = select(markets()), from = input({ type: "date" }), until = input({ type: "date" }), order = input({ inputmode: "numeric", maxlength: 19 });
  const list = table([
    { label: t("time"), text: (row) => when(row.time_ms) }, { label: t("market"), text: (row) => row.symbol },
    { label: t("side"), text: (row) => t(row.side), kind: (row) => row.side },
    { label: t("price"), n: true, text: (row) => priceText(row.price, instrument(row.symbol)) },
    { label: t("quantity"), n: true, text: (row) => quantityText(row.quantity, instrument(row.symbol)) },
    { label: t("total"), n: true, text: (row) => `${showNumber(row.amount, 2)} ${instrument(row.symbol)?.quote || ""}` },
    { label: t("fee"), n: true, text: (row) => `${showNumber(row.fee)} ${row.fee_asset}` },
    { label: t("role"), text: (row) => t(row.broken ? "brokenTrade" : row.is_maker ? "maker" : "taker") },
    { label: t("order"), n: true, text: (row) => String(row.order_id) },
  ], { key: (row) => `${row.id} ${row.order_id}`, label: t("orders.trades"), empty: t("search.none") });
  const pages = paged("/v1/history/fills", list, () => ({ symbol: symbol.value, order: order.value.trim(), from_ms: fromDay(from.value), until_ms: untilDay(until.value) }));
  area.append(search([field(t("market"), symbol), field(t("order"), order), field(t("from"), from), field(t("until"), until)], () => pages.load()), pages);
  pages.load();
  return pages;
}
