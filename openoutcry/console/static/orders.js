// The ticket, own orders and fills, positions.  A token is made here, before anything is sent: an
// order that is sent twice is entered once, and after a loss the venue says whether it has it.
import { $, list, price, rows, say, whole } from "./kit.js";
import { amount, api, draw, isAmount, notice, state } from "./link.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", PENDING = "pending";
const SIDES = { B: ["buy", "bid"], S: ["sell", "ask"], T: ["sell short", "ask"], E: ["sell short", "ask"] };
const LIQUIDITY = { A: "added", J: "added, hidden", k: "midpoint", R: "removed", O: "auction", C: "auction", H: "auction" };
let request = null;

export const decimalsOf = (symbol) => state.instruments.find((one) => one.symbol === symbol)?.decimals ?? 4;
const at = (symbol, value) => value === 0x7FFFFFFF ? "market" : price(value, Math.max(decimalsOf(symbol), places(value)));
const places = (value) => value % 100 === 0 ? 0 : value % 10 === 0 ? 3 : 4;
const timeOf = (ns) => ns ? new Date(ns / 1e6).toISOString().slice(11, 23) : "";
const sideOf = (one) => SIDES[one.side] || [one.side, ""];

function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(13));
  return "W" + [...bytes].map((one) => LETTERS[one % LETTERS.length]).join("");
}

// What was sent and not answered, over a reload of the page; `epoch` says by which connection.
const pending = () => JSON.parse(sessionStorage.getItem(PENDING) || "{}");
const flying = new Set();
function keep(change) {
  const kept = pending();
  change(kept);
  sessionStorage.setItem(PENDING, JSON.stringify(kept));
}

async function send(path, body, words) {
  const name = body.new_token || body.token;
  keep((kept) => { kept[name] = { words, epoch: state.epoch }; });
  flying.add(name);
  try {
    await api(path, body);
  } catch (error) {
    if (!error.status) throw new Error("no connection: the page shows whether it was entered when the connection is back");
    keep((kept) => { delete kept[name]; });
    throw error;
  } finally { flying.delete(name); }
}

// Behind a loss, once the venue has told everything: what it does not have was never entered.
export function settlePending() {
  if (state.link?.state !== "ready" || !state.orders) return;
  const known = new Map(state.orders.map((one) => [one.token, one]));
  for (const [name, { words, epoch }] of Object.entries(pending())) {
    const one = known.get(name);
    if (flying.has(name) || (one ? one.state === "sent" : epoch === state.epoch)) continue;
    if (!one) notice(`${words}: it was not entered`, true);
    keep((kept) => { delete kept[name]; });
  }
}

function ticket() {
  const side = $("buy").checked ? "buy" : "sell", lots = Number($("lots").value), limit = $("type").value === "limit";
  const body = { token: token(), side, symbol: $("symbol").value, qty_lots: lots };
  if (limit) Object.assign(body, { price: $("price").value.trim(), tif: $("tif").value, display: $("display").value });
  const words = `${side} ${whole(lots)} ${body.symbol} ${limit ? "at " + body.price : "at the market"}`;
  return [body, words];
}

function showTicket() {
  const limit = $("type").value === "limit";
  for (const row of ["price-row", "tif-row", "display-row"]) $(row).hidden = !limit;
  $("price").required = limit;
  say($("send"), $("buy").checked ? "Buy" : "Sell");
}

async function submitTicket(event) {
  event.preventDefault();
  say($("ticket-error"), "");
  const [body, words] = ticket();
  if ($("review").checked) {
    const value = body.price ? ` Value ${price(Math.round(Number(body.price) * 1e4) * body.qty_lots, 2)}.` : "";
    const how = body.price ? `${body.tif === "day" ? "For the day" : "Immediate or cancel"}, ${body.display}.` : "Immediate or cancel, within the market's bands.";
    ask({ title: words[0].toUpperCase() + words.slice(1) + "?", text: how + value, go: "Send", path: "orders", body, words });
    return;
  }
  $("send").disabled = true;
  try { await send("orders", body, words); } catch (error) { say($("ticket-error"), error.message); } finally { $("send").disabled = false; }
}

function ask(wanted) {
  request = wanted;
  say($("confirm-title"), wanted.title);
  say($("confirm-text"), wanted.text);
  say($("confirm-go"), wanted.go);
  say($("confirm-error"), "");
  for (const row of ["confirm-lots-row", "confirm-price-row"]) $(row).hidden = !wanted.order;
  for (const field of ["confirm-lots", "confirm-price"]) $(field).required = Boolean(wanted.order);
  if (wanted.order) { $("confirm-lots").value = wanted.order.open_lots; $("confirm-price").value = at(wanted.order.symbol, wanted.order.price); }
  $("confirm").showModal();
  (wanted.order ? $("confirm-lots") : $("confirm-go")).focus();
}

async function go(event) {
  event.preventDefault();
  if (request.sending) return;
  const body = { ...request.body };
  if (request.order) Object.assign(body, { open_lots: Number($("confirm-lots").value), price: $("confirm-price").value.trim() });
  request.sending = true;
  try {
    await send(request.path, body, request.words);
    $("confirm").close();
  } catch (error) { say($("confirm-error"), error.message); } finally { request.sending = false; }
}

function replace(one) {
  const words = `replace ${sideOf(one)[0]} ${one.symbol} ${one.token}`;
  ask({ title: `Replace ${one.token}`, text: `${sideOf(one)[0]} ${one.symbol}: set a new price or open quantity. It keeps its place only if the price stays and the quantity falls.`,
    go: "Replace", path: "replace", body: { token: one.token, new_token: token() }, order: one, words });
}

async function cancel(path, body) {
  try {
    const answer = await api(path, body);
    if (path === "cancel-all") notice(`${answer.cancelled} orders are being cancelled`);
  } catch (error) { notice(error.message, true); }
}

const kindOf = (one) => [one.tif === "day" ? "" : one.tif, one.display === "shown" ? "" : one.display].filter(Boolean).join(", ") || "day";
const stateOf = (one) => {
  const kinds = { open: "good", sent: "muted", filled: "good", rejected: "critical", "never entered": "critical" };
  const text = [one.state, one.wanted && `${one.wanted} is under way`, one.reason].filter(Boolean).join(": ");
  return [text, kinds[one.state] || ""];
};

export function showOrders() {
  const orders = state.orders || [];
  $("no-orders").hidden = orders.length > 0;
  rows($("orders"), orders, (one) => one.token, (one) => [timeOf(one.time_ns), sideOf(one), one.symbol, one.symbol && at(one.symbol, one.price),
    whole(one.open_lots), one.lots_ahead == null ? "" : `${whole(one.lots_ahead)} (${whole(one.orders_ahead)})`, whole(one.traded_lots), kindOf(one), stateOf(one), one.token],
  (one) => one.state !== "open" ? [] : [
    { text: "Replace", label: `Replace ${one.token}`, go: replace },
    { text: "Cancel", label: `Cancel ${one.token}`, go: (row) => cancel("cancel", { token: row.token }) }]);
}

export function showFills() {
  const fills = state.fills || [];
  $("no-fills").hidden = fills.length > 0;
  rows($("fills"), fills, (one) => one.number, (one) => [timeOf(one.time_ns), sideOf(one), one.symbol, whole(one.qty_lots), at(one.symbol, one.price),
    LIQUIDITY[one.liquidity] || one.liquidity, one.match, one.token]);
}

export function showPositions() {
  const { account, rows: held = [] } = state.holdings || {};
  $("no-positions").hidden = held.length > 0;
  rows($("positions"), held, (one) => one.symbol, (one) => [one.symbol, whole(one.position), one.last ? at(one.symbol, one.last) : "",
    whole(one.bought_lots), Number(one.bought_lots) ? price(one.bought_at, 4) : "", whole(one.sold_lots), Number(one.sold_lots) ? price(one.sold_at, 4) : "",
    one.profit == null ? "" : [price(one.profit, decimalsOf(one.symbol)), one.profit < 0 ? "critical" : "good"]]);
  const money = (value) => value == null ? "none" : amount(value);
  list($("account"), !account ? [["", "The venue is not open."]] : [["Participant", `${account.number} ${account.name}`],
    ["May trade", account.killed ? "no: " + account.killed_by.join(", ") : "yes"], ["Balance", money(account.balance)], ["Reserved for open orders", money(account.reserved)],
    ["Profit since the journal began, with fees", money(account.profit)], ["Credit", money(account.credit)], ["Open orders, of all sessions", whole(account.open_orders)]]);
  rows($("limits"), account?.limits || [], (one) => one.limit + " " + one.instrument, (one) => [one.limit, one.instrument, ...[one.used, one.value].map(isAmount(one.limit) ? (value) => amount(value) : whole)]);
}

export function setUpOrders() {
  for (const id of ["buy", "sell", "type"]) $(id).addEventListener("change", showTicket);
  $("ticket").addEventListener("submit", submitTicket);
  $("confirm-form").addEventListener("submit", go);
  $("confirm-cancel").addEventListener("click", () => $("confirm").close());
  $("cancel-all").addEventListener("click", () => cancel("cancel-all", {}));
  $("review").checked = localStorage.getItem("review") !== "no";
  $("review").addEventListener("change", () => localStorage.setItem("review", $("review").checked ? "yes" : "no"));
  $("ladder").addEventListener("click", (event) => {
    const row = event.target.closest("tr.bid, tr.ask");
    if (row) { $("price").value = row.cells[2].textContent; $("type").value = "limit"; showTicket(); draw(); }
  });
  showTicket();
}
