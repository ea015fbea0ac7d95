// Requests for quotes, for both sides: a client asks and chooses, a maker answers.
import { amountInput, ask, button, check, clockTime, confirm, facts, field, form, h, notice, panel, select, tabbed, table, words } from "../kit.js";
import { t, word } from "../words.js";
import { chosen, instrument, portal, shared } from "../store.js";
import { get, newKey, post, remove } from "../api.js";
import { follow } from "../stream.js";
import { sign } from "../exact.js";
import { priceText, quantityText, typed } from "../numbers.js";

const path = (row, more = "") => `/v1/quotes/requests/${row.id}${more}`;
const isOver = (row) => row.state !== "open" && row.state !== "pending";
const price = (row, value) => value == null ? "–" : priceText(value, instrument(row.symbol));
const quantity = (row, value) => `${quantityText(value, instrument(row.symbol))} ${instrument(row.symbol)?.base ?? ""}`;
const named = (row) => row.symbol || row.legs.map((leg) => `${leg.side === "buy" ? "+" : "−"}${leg.quantity} ${leg.symbol}`).join(" ");
const maker = (number) => t("participant", { number });

function state(row) {
  const { trade } = row;
  if (!trade) return word("quotes.state", row.state);
  const terms = { side: t(trade.side), quantity: quantity(row, trade.quantity), price: price(row, trade.price) };
  return `${word("quotes.trade", trade.state)}: ${t("quotes.terms", terms)}${trade.why ? ` (${trade.why})` : ""}`;
}

const stateKind = (row) => ({ done: "good", refused: "bad" })[row.trade?.state] || "";
const kindOf = (quote) => [t(quote.firm ? "quotes.firm" : "quotes.indicative"), quote.last_look ? t("quotes.look") : ""].filter(Boolean).join(", ");
const isMaker = () => portal.makers.includes(shared.me?.participant);
const number = (input, label) => {
  let text;
  try { text = typed(input.value); } catch (problem) { throw new Error(t(`ticket.${problem.code}`, { field: label })); }
  if (text && sign(text) <= 0) throw new Error(t("ticket.more.than", { field: label }));
  return text;
};

export const show = (root, [chosenTab]) => tabbed(root, { name: "quotes", title: t("nav.quotes"), label: (one) => t(`quotes.${one}`) },
  isMaker() ? { ask: showClient, answer: showMaker } : { ask: showClient }, chosenTab);

// Rows as the stream has them, and before those the ones that are over.
function rows(role, take) {
  const old = new Map();
  let live = new Map(), began = -1;
  const draw = () => take([...new Map([...old, ...live]).values()].filter((row) => row.role === role).sort((one, other) => other.id - one.id));
  async function past() {
    try { for (const row of await get("/v1/quotes/requests", { state: "all", limit: 50 })) old.set(row.id, row); draw(); } catch (problem) { notice(words(problem), "bad"); }
  }
  past();
  return follow("quotes", "", (model) => {
    if (began >= 0 && model.began !== began) past();
    began = model.began;
    live = model.rows;
    draw();
  });
}

async function act(work, done = "") {
  try { await work(); if (done) notice(done); } catch (problem) { notice(words(problem), "bad"); }
}

function showClient(area, ends) {
  const symbol = select(shared.instruments.map((one) => [one.symbol, one.symbol]), { id: "quotes-symbol" });
  symbol.value = chosen.get("symbol", symbol.value);
  const side = select([["buy", t("buy")], ["sell", t("sell")], ["both", t("quotes.both")]], { id: "quotes-side" });
  const size = amountInput({ id: "quotes-quantity", required: true });
  const seconds = select([15, 30, 60, 300].map((one) => [String(one), t("quotes.seconds", { seconds: one })]), { id: "quotes-seconds" });
  seconds.value = "30";
  const others = portal.makers.filter((one) => one !== shared.me?.participant);
  const asked = others.map((one) => check(maker(one), { value: String(one), checked: true }));
  const made = form([h("div", { class: "row" }, field(t("market"), symbol), field(t("side"), side), field(t("quantity"), size), field(t("quotes.time"), seconds)),
    h("fieldset", {}, h("legend", {}, t("quotes.makers")), h("div", { class: "choices" }, asked))], t("quotes.send"), async () => {
    const makers = asked.map((one) => one.querySelector("input")).filter((one) => one.checked).map((one) => Number(one.value));
    if (!makers.length) throw new Error(t("quotes.none.chosen"));
    await post("/v1/quotes/requests", { symbol: symbol.value, side: side.value, quantity: number(size, t("quantity")), seconds: Number(seconds.value), makers }, newKey());
    size.value = "";
  });
  made.id = "quotes-form";
  const requests = table([
    { label: t("market"), text: named }, { label: t("side"), text: (row) => word("quotes.side", row.side) },
    { label: t("quantity"), n: true, text: (row) => quantity(row, row.quantity) }, { label: t("quotes.until"), text: (row) => clockTime(row.until_ms) },
    { label: t("state"), text: state, kind: stateKind, wide: true },
    { label: "", node: (row) => row.state === "open" ? button(t("cancel"), () => act(() => remove(path(row), newKey())), "small", { "aria-label": t("quotes.cancel.of", { what: t("cancel"), id: row.id }) }) : null, sign: (row) => row.state },
  ], { label: t("quotes.requests"), empty: t("quotes.requests.none") });
  requests.id = "quotes-requests";
  const quotes = table([
    { label: t("market"), text: (row) => named(row.request) }, { label: t("quotes.maker"), text: (row) => maker(row.maker) },
    { label: t("quotes.bid"), n: true, text: (row) => price(row.request, row.bid) }, { label: t("quotes.ask.price"), n: true, text: (row) => price(row.request, row.ask) },
    { label: t("quantity"), n: true, text: (row) => quantity(row.request, row.quantity) }, { label: t("kind"), text: kindOf },
    { label: t("quotes.until"), text: (row) => clockTime(row.until_ms) },
    { label: "", node: (row) => deals(row), sign: (row) => [row.request.state, row.bid, row.ask].join() },
  ], { label: t("quotes.quotes"), empty: t("quotes.quotes.none") });
  quotes.id = "quotes-quotes";
  area.append(panel(t("quotes.new"), made), panel(t("quotes.quotes"), quotes), panel(t("quotes.requests"), requests));
  ends.push(rows("client", (list) => {
    requests.show(list);
    quotes.show(list.filter((row) => !isOver(row)).flatMap((request) => request.quotes.filter((one) => one.is_live).map((one) => ({ ...one, request }))));
  }));
}

// What a client may do with a quote.
function deals(row) {
  const { request } = row;
  if (request.state === "pending") return h("span", { class: "hint" }, t(request.waits_for === row.id ? "quotes.waits" : "quotes.waits.other"));
  const sides = ["buy", "sell"].filter((one) => (request.side === "both" || request.side === one) && (one === "buy" ? row.ask : row.bid) != null);
  const terms = (side) => ({ side: t(side), quantity: quantity(request, row.quantity), price: price(request, side === "buy" ? row.ask : row.bid) });
  return [...sides.map((side) => button(t(side), () => confirm(t("quotes.accept"), t("quotes.terms", terms(side)), t(side), async () => {
    const key = newKey();
    const after = await post(path(request, "/accept"), { quote: row.id, side }, key);
    if (after.trade) notice(state(after), after.trade.state === "refused" ? "bad" : "good");
  }, `${side}-go`), `small ${side}-go`, { "aria-label": t("quotes.accept.of", { ...terms(side), maker: maker(row.maker) }) })),
  request.legs.length ? null : button(t("quotes.counter"), () => counter(row, sides), "small", { "aria-label": t("quotes.counter.of", { maker: maker(row.maker) }) })];
}

function counter(row, sides) {
  const { request } = row;
  const side = select(sides.map((one) => [one, t(one)]), { id: "counter-side" }), own = amountInput({ id: "counter-price", required: true });
  return ask(t("quotes.counter"), [facts([[t("market"), named(request)], [t("quantity"), quantity(request, row.quantity)]]), field(t("side"), side), field(t("price"), own, t("quotes.counter.hint"))],
    t("quotes.counter"), () => post(path(request, "/counter"), { quote: row.id, side: side.value, price: number(own, t("price")) }, newKey()));
}

function showMaker(area, ends) {
  const list = table([
    { label: t("market"), text: named }, { label: t("quotes.wanted"), text: (row) => word("quotes.side", row.side) },
    { label: t("quantity"), n: true, text: (row) => quantity(row, row.quantity) }, { label: t("quotes.until"), text: (row) => clockTime(row.until_ms) },
    { label: t("quotes.own"), text: (row) => own(row).map((one) => `${price(row, one.bid)} / ${price(row, one.ask)}`).join(", ") || "–" },
    { label: t("state"), text: (row) => row.has_passed && row.state === "open" ? t("quotes.state.passed") : state(row), kind: stateKind, wide: true },
    { label: "", node: answers, sign: (row) => [row.state, row.waits_number, row.has_passed, own(row).map((one) => one.id)].join() },
  ], { label: t("quotes.asked"), empty: t("quotes.asked.none") });
  list.id = "quotes-asked";
  const looks = h("div");
  area.append(panel(t("quotes.asked"), h("p", { class: "hint" }, t("quotes.alone")), list), panel(t("quotes.looks"), looks));
  ends.push(rows("maker", (all) => list.show(all)));
  return statistics(looks);
}

const own = (row) => row.quotes.filter((one) => one.is_live);

function answers(row, now) {
  if (isOver(row)) return null;
  if (row.waits_for != null) {
    const terms = { side: t(row.waits_side), quantity: quantity(row, row.quantity), price: price(row, row.waits_price) };
    const answer = (accept) => () => act(() => post(path(row, "/answer"), { accept, waits_number: row.waits_number }, newKey()));
    return [h("span", { class: "hint" }, t("quotes.client.wants", terms)), button(t("quotes.consent"), answer(true), "small primary"), button(t("quotes.reject"), answer(false), "small")];
  }
  const [quote] = own(row);
  const what = t(quote ? "quotes.again" : "quotes.quote");
  return [row.legs.length ? null : button(what, () => send(now()), "small primary", { "aria-label": t("quotes.quote.of", { what, id: row.id, symbol: named(row) }) }),
    quote ? button(t("quotes.withdraw"), () => act(() => remove(path(row, `/quotes/${quote.id}`), newKey())), "small") : null,
    row.has_passed ? null : button(t("quotes.pass"), () => act(() => post(path(row, "/pass"), {}, newKey())), "small")];
}

function send(row) {
  const bid = amountInput({ id: "quote-bid", required: row.side !== "buy" }), offer = amountInput({ id: "quote-ask", required: row.side !== "sell" });
  const firm = check(t("quotes.firm"), { checked: true, id: "quote-firm" }), look = check(t("quotes.look"), { id: "quote-look" });
  return ask(t("quotes.quote"), [facts([[t("market"), named(row)], [t("quotes.wanted"), word("quotes.side", row.side)], [t("quantity"), quantity(row, row.quantity)]]),
    row.side === "buy" ? null : field(t("quotes.bid"), bid), row.side === "sell" ? null : field(t("quotes.ask.price"), offer), firm, look, h("p", { class: "hint" }, t("quotes.firm.hint"))],
    t("quotes.quote"), () => post(path(row, "/quotes"), { bid: number(bid, t("quotes.bid")), ask: number(offer, t("quotes.ask.price")), firm: firm.querySelector("input").checked, last_look: look.querySelector("input").checked }, newKey()));
}

async function statistics(place) {
  try {
    const mine = (await get("/v1/quotes/makers")).find((one) => one.participant === shared.me?.participant);
    if (mine) place.replaceChildren(facts([[t("quotes.looks.asked"), mine.asked], [t("quotes.looks.accepted"), mine.accepted], [t("quotes.looks.rejected"), mine.rejected], [t("quotes.looks.late"), mine.timed_out]]));
  } catch (problem) { place.replaceChildren(h("p", { class: "error", role: "alert" }, words(problem))); }
}
