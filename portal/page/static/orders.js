// What every list of orders shows.
import { button, notice, shortly, when, words } from "./kit.js";
import { t, word } from "./words.js";
import { instrument } from "./store.js";
import { newKey, remove } from "./api.js";
import { isNumber, show, sign } from "./exact.js";
import { priceText, quantityText } from "./numbers.js";

// The price of an order in words: of a market order none, of a stop what it waits for.
export function priceOf(row) {
  const market = instrument(row.symbol);
  const priced = isNumber(row.price) && sign(row.price) !== 0;
  return priced ? priceText(row.price, market) : t("price.market");
}

export function triggerOf(row) {
  if (row.trailing_bps) return t("trailing.by", { percent: show(percentOf(row.trailing_bps)) });
  if (isNumber(row.trailing_distance) && sign(row.trailing_distance)) return t("trailing.behind", { price: priceText(row.trailing_distance, instrument(row.symbol)) });
  if (row.type.startsWith("peg_")) return `${row.offset.startsWith("-") ? "" : "+"}${row.offset}`;
  return isNumber(row.stop_price) && sign(row.stop_price) ? priceText(row.stop_price, instrument(row.symbol)) : "";
}

// How long an order is good, where that is not as usual.
function timeOf(row) {
  if (row.expires_ms) return t("review.until", { time: shortly(row.expires_ms) });
  if (["ioc", "fok"].includes(row.time_in_force)) return row.type === "market" ? "" : row.time_in_force.toUpperCase();
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
    { label: t("type"), text: (row) => [word("type", row.type), timeOf(row)].filter(Boolean).join(" ") },
    { label: t("price"), n: true, text: priceOf },
    { label: t("trigger"), n: true, text: triggerOf },
    { label: t("quantity"), n: true, text: quantityOf },
    { label: t("filled"), n: true, text: (row) => quantityText(row.filled_quantity, instrument(row.symbol)) },
    { label: t("state"), text: (row) => row.state === "open" && !row.is_working ? t("order.waits") : word("order", row.state), kind: (row) => state && row.state === "rejected" ? "bad" : "" },
  ];
  if (action) columns.push({ label: "", node: (row, now) => action(row, now), sign: (row) => row.state });
  return columns;
}

export function cancelButton(row) {
  const key = newKey();
  const made = button(t("cancel.order"), async () => {
    made.disabled = true;
    try { await remove(`/v1/orders/${row.id}`, key); notice(t("order.cancelled.now", { symbol: row.symbol })); }
    catch (problem) { notice(words(problem), "bad"); } finally { made.disabled = false; }
  }, "small", { "aria-label": t("cancel.of", { side: t(row.side), symbol: row.symbol, price: priceOf(row) }) });
  return made;
}
