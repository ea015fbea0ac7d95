// What every list of orders shows.
import { amountInput, ask, button, facts, field, h, icon, notice, shortly, when, words } from "./kit.js";
import { t, word } from "./words.js";
import { instrument } from "./store.js";
import { newKey, open, patch, remove } from "./api.js";
import { warning } from "./estimate.js";
import { compare, isMultiple, isNumber, show, sign, trim } from "./exact.js";
import { priceAsset, priceLabel, priceText, quantityText, typed } from "./numbers.js";
import { AT_ONCE, UNPRICED } from "./order-words.js";

// The price of an order in words: of a market order none, of a stop what it waits for.
export function priceOf(row) {
  const market = instrument(row.symbol);
  const priced = isNumber(row.price) && sign(row.price) !== 0;
  return priced ? priceText(row.price, market) : t("price.market");
}

// The average price of what is filled, in words; nothing: nothing is.
export function averageOf(row) {
  return row.average_price ? priceText(row.average_price, instrument(row.symbol)) : "";
}

export const filledAt = (row) => `${averageOf(row)} ${priceAsset(instrument(row.symbol))}`.trim();

// What of an order is filled, and at which average price, as a sentence.
export const tradedOf = (row) => t("placed.traded", { quantity: `${quantityText(row.filled_quantity, instrument(row.symbol))} ${instrument(row.symbol).base}`, price: filledAt(row) });

function filledOf(row, short) {
  const filled = quantityText(row.filled_quantity, instrument(row.symbol));
  return short && row.average_price ? t("filled.at", { quantity: filled, price: averageOf(row) }) : filled;
}

export function triggerOf(row) {
  if (row.trailing_bps) return t("trailing.by", { percent: show(percentOf(row.trailing_bps)) });
  if (isNumber(row.trailing_distance) && sign(row.trailing_distance)) return t("trailing.behind", { price: priceText(row.trailing_distance, instrument(row.symbol)) });
  if (row.type.startsWith("peg_")) return `${row.offset.startsWith("-") ? "" : "+"}${row.offset}`;
  const by = row.trigger_by ? ` (${t(`trigger.by.${row.trigger_by}`)})` : "";
  return isNumber(row.stop_price) && sign(row.stop_price) ? `${priceText(row.stop_price, instrument(row.symbol))}${by}` : "";
}

// Open orders, the newest first; those of a list follow each other.
export function inGroups(rows) {
  const at = (row) => row.list_id || row.id;
  return [...rows].sort((one, other) => at(other) - at(one) || one.id - other.id);
}

// How long an order is good, where that is not as usual.
function timeOf(row) {
  if (row.expires_ms) return t("review.until", { time: shortly(row.expires_ms) });
  if (AT_ONCE.has(row.time_in_force)) return row.type === "market" ? "" : row.time_in_force.toUpperCase();
  return ["day", "at_open", "at_close"].includes(row.time_in_force) ? `(${t(`tif.${row.time_in_force}`)})` : "";
}

// Hundredths of a percent as percent.
export const percentOf = (bps) => `${Math.floor(bps / 100)}.${String(bps % 100).padStart(2, "0")}`;

export function quantityOf(row) {
  const market = instrument(row.symbol);
  if (isNumber(row.amount) && sign(row.amount)) return `${show(row.amount)} ${market?.quote || ""}`;
  return quantityText(row.quantity, market);
}

export function orderColumns({ action = null, state = false, short = false } = {}) {
  const columns = [
    { label: t("time"), text: (row) => short ? shortly(row.created_ms) : when(row.created_ms) },
    { label: t("market"), text: (row) => row.symbol },
    { label: t("side"), text: (row) => t(row.side), kind: (row) => row.side },
    { label: t("type"), text: (row) => [word("type", row.type), timeOf(row), row.reduce_only ? `(${t("reduce.short")})` : "", row.list_id ? `· ${t("order.in.list", { id: row.list_id })}` : ""].filter(Boolean).join(" ") },
    { label: t("price"), n: true, text: priceOf },
    { label: t("trigger"), n: true, text: triggerOf },
    { label: t("quantity"), n: true, text: quantityOf },
    { label: t("filled"), n: true, text: (row) => filledOf(row, short), kind: () => short ? "wraps" : "" },
    ...(short ? [] : [{ label: t("average"), n: true, text: averageOf }]),
    { label: t("state"), text: (row) => row.state === "open" && !row.is_working ? t("order.waits") : word("order", row.state), kind: (row) => state && row.state === "rejected" ? "bad" : "" },
  ];
  if (action) columns.push({ label: "", node: (row, now) => action(row, now), sign: (row) => `${row.state} ${row.price} ${row.quantity}` });
  return columns;
}

// A number above 0 that somebody types; what is wrong with it is said before anything is sent.
export function asked(control, label, step = "") {
  let text;
  try { text = typed(control.value); } catch (problem) { control.focus(); throw new Error(t(`ticket.${problem.code}`, { field: label })); }
  if (!text || sign(text) <= 0) { control.focus(); throw new Error(t("ticket.more.than", { field: label })); }
  if (step && !isMultiple(text, step)) { control.focus(); throw new Error(t("ticket.step", { field: label, step: show(step) })); }
  return text;
}

// What may be done to an open order.  The core checks a price of each change: one without has none to send.
export const orderButtons = (row, now) => [UNPRICED.has(row.type) ? null : amendButton(row, now), cancelButton(row)];

// A word, or in a narrow list its picture.
const either = (name, text, label, go, more = {}) =>
  button([icon(name), h("span", {}, text)], go, "small either", { "aria-label": label, title: text, ...more });

function amendButton(row, now) {
  const label = t("amend.of", { side: t(row.side), symbol: row.symbol, price: priceOf(row) });
  return either("change", t("amend"), label, () => amend(now()), { "data-amend": row.id });
}

// A warning of a price at which the order would trade far from the market; nothing: there is none.
async function badPrice(row, price, market) {
  const now = await open("GET", `/v1/instruments/${encodeURIComponent(row.symbol)}/ticker`);
  const best = row.side === "buy" ? now.ask : now.bid;
  const said = row.type.startsWith("peg_") ? null : warning(price, sign(row.stop_price) ? row.stop_price : sign(best) ? best : now.last, row.side, market);
  return said?.isBad ? said.text : "";
}

// Other terms for an open order.  What is not changed is not sent, and stays as it is.
async function amend(row) {
  const market = instrument(row.symbol), fields = [];
  const offer = (name, label, step, hint = "") => {
    const control = amountInput({ id: `amend-${name.replace("_", "-")}`, required: true, value: trim(row[name]) });
    fields.push({ name, label, step, control, part: field(label, control, hint) });
  };
  offer("price", priceLabel(t("price"), market), market.price_step);
  const filled = sign(row.filled_quantity) ? t("amend.filled", { quantity: quantityText(row.filled_quantity, market) }) : "";
  offer("quantity", market.kind === "spot" ? `${t("quantity")} (${market.base})` : t("ticket.lots", { base: market.base }), market.quantity_step, filled);
  if (sign(row.shown_quantity)) offer("shown_quantity", `${t("shown")} (${market.base})`, market.quantity_step);
  let key = newKey(), sent = "", warned = "";
  const what = facts([[t("market"), row.symbol], [t("side"), t(row.side)], [t("type"), word("type", row.type)]]);
  await ask(t("amend.title"), [what, fields.map((one) => one.part), h("p", { class: "hint" }, t("amend.about"))], t("amend.go"), async () => {
    const terms = {};
    for (const { name, label, step, control } of fields) {
      const text = asked(control, label, step);
      if (compare(text, row[name])) terms[name] = text;
    }
    if (!Object.keys(terms).length) throw new Error(t("amend.same"));
    const said = terms.price ? await badPrice(row, terms.price, market) : "";
    if (said && said !== warned) { warned = said; throw new Error(`${said} ${t("limit.again")}`); }
    // The same again, after a lost answer, is the same change.
    if (JSON.stringify(terms) !== sent) key = newKey();
    sent = JSON.stringify(terms);
    try { await patch(`/v1/orders/${row.id}`, terms, key); } catch (problem) {
      if (problem.status >= 400 && problem.status < 500 && problem.code !== "request_in_progress") sent = "";
      throw problem.code === "would_take" ? new Error(t("amend.crosses")) : problem;
    }
    notice(t("amend.done", { symbol: row.symbol }));
  });
  document.querySelector(`[data-amend="${row.id}"]`)?.focus();
}

function cancelButton(row) {
  // A list is cancelled as one, by a button at any of its orders.
  const key = newKey(), list = row.list_id;
  const label = list ? t("cancel.list.of", { id: list, symbol: row.symbol }) : t("cancel.of", { side: t(row.side), symbol: row.symbol, price: priceOf(row) });
  const made = either("close", t(list ? "cancel.list" : "cancel.order"), label, async () => {
    made.disabled = true;
    try { await remove(list ? `/v1/order-lists/${list}` : `/v1/orders/${row.id}`, key); notice(t(list ? "list.cancelled.now" : "order.cancelled.now", { symbol: row.symbol })); }
    catch (problem) { notice(words(problem), "bad"); } finally { made.disabled = false; }
  });
  return made;
}
