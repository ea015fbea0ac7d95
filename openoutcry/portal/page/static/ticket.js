// The ticket.  An order has its key before it is sent: the same again, after a lost answer, enters
// nothing twice.
import { amountInput, ask as askWith, check, facts, field, form, h, input, notice, say, select, when, words } from "./kit.js";
import { t, word } from "./words.js";
import { chosen, portal, shared } from "./store.js";
import { get, login, newKey, post } from "./api.js";
import { follow } from "./stream.js";
import { add, compare, divide, floor, isNumber, multiply, show, sign, subtract, trim } from "./exact.js";
import { exactText, places, priceAsset, priceLabel, priceText, quantityText, worth } from "./numbers.js";
import { AT_ONCE, LEG_TIMES, LEGS, PEGGED, STOPPED, TIMES, TIMES_WITH, TRAILING, UNPRICED } from "./order-words.js";
import { asked as askedFor, filledAt, percentOf, tradedOf } from "./orders.js";
import { estimate, estimateRows, opposite, reference, walk, warning } from "./estimate.js";

const PRICED = { has: (kind) => !UNPRICED.has(kind) };
const TYPING_MS = 400;
// What the ticket enters as a list: a limit and a stop of which one cancels the other.
const OCO = "oco", OCO_TIMES = ["gtc", "day"];

// What a lot of a contract is worth, and what one of an option pays at its end.
function lotText(market) {
  const { quote, underlying } = market, paysPlainly = market.strike != null && !market.strike_inverse;
  const worthOf = t(market.inverse ? "ticket.lot.inverse" : "ticket.lot.worth", { multiplier: show(trim(market.multiplier)), quote });
  if (!paysPlainly) return worthOf;
  const isCall = market.kind === "call", pays = { multiplier: show(trim(market.strike_multiplier)), underlying, strike: show(trim(market.strike)) };
  const rest = sign(market.strike_rest) ? t(isCall ? "ticket.lot.less" : "ticket.lot.more", { rest: show(trim(market.strike_rest)), quote, underlying }) : "";
  return [worthOf, t(isCall ? "ticket.lot.call" : "ticket.lot.put", pays), rest].filter(Boolean).join(" ");
}

export function ticket(market) {
  const base = market.base, quote = market.quote, balances = new Map();
  const isContract = market.kind !== "spot", hasMargin = login.is && portal.contracts.includes(market.symbol);
  let model = null, key = newKey(), sentTerms = "", asked = 0, due = 0, last = "", rates = null;
  const ends = [];
  const radio = (side) => h("label", {}, h("input", { type: "radio", name: "side", value: side, id: `side-${side}`, checked: side === "buy", onchange: changed }), h("span", { class: `of-${side}` }, t(side)));
  const sides = h("fieldset", { class: "sides" }, h("legend", { class: "quiet" }, t("side")), radio("buy"), radio("sell"));
  const types = ["limit", "stop"].every((name) => market.order_types.includes(name)) ? [...market.order_types, OCO] : market.order_types;
  const type = select(types.map((name) => [name, word("type", name)]), { id: "type", onchange: changed });
  const about = h("span", { class: "hint", id: "type-about" });
  type.setAttribute("aria-describedby", "type-about");
  const price = amountInput({ id: "price", oninput: changed }), stop = amountInput({ id: "stop-price", oninput: changed });
  const distance = amountInput({ id: "distance", oninput: changed, placeholder: "1.00" }), offset = amountInput({ id: "offset", placeholder: "0" });
  const distanceBy = select([["percent", t("distance.percent")], ["price", t("distance.price")]], { id: "distance-by", onchange: changed });
  const quantity = amountInput({ id: "quantity", oninput: changed }), amount = amountInput({ id: "amount", oninput: changed });
  const by = select([["quantity", t("by.quantity", { base })], ["amount", t("by.amount", { quote })]], { id: "by", onchange: changed });
  const tif = select([], { id: "tif", onchange: changed }), expires = input({ id: "expires", type: "datetime-local" });
  const bys = ["", "last", "bid", "ask", "mid", ...(isContract ? ["mark", "index"] : [])];
  const triggerBy = select(bys.map((name) => [name, t(`trigger.by.${name}`)]), { id: "trigger-by", onchange: changed });
  const activation = amountInput({ id: "activation", oninput: changed });
  const shown = amountInput({ id: "shown", oninput: changed }), least = amountInput({ id: "least", oninput: changed });
  const profit = amountInput({ id: "take-profit", oninput: changed }), loss = amountInput({ id: "stop-loss", oninput: changed });
  const selfTrade = select(["cancel_taker", "cancel_maker", "cancel_both"].map((name) => [name, t(`self.${name}`)]), { id: "self-trade" });
  const reduces = check(t("reduce.only"), { id: "reduce-only", onchange: changed });
  const ask = check(t("ticket.review"), { checked: chosen.get("review", true), id: "review", onchange: (event) => chosen.set("review", event.target.checked) });
  const rows = {
    price: field(priceLabel(t("price"), market), price), stop: field(priceLabel(t("stop.price"), market), stop), distance: field(t("distance"), distance, t("distance.hint")), distanceBy: field(t("distance.by"), distanceBy), offset: field(priceLabel(t("offset"), market), offset, t("offset.hint")),
    by: field(t("by"), by), quantity: isContract ? field(t("ticket.lots", { base }), quantity, lotText(market)) : field(`${t("quantity")} (${base})`, quantity), amount: field(`${t("amount")} (${quote})`, amount), tif: field(t("tif"), tif), expires: field(t("good.until"), expires),
    triggerBy: field(t("trigger.by"), triggerBy), activation: field(priceLabel(t("activation"), market), activation, t("activation.hint")),
    shown: field(`${t("shown")} (${base})`, shown, t("shown.hint")), least: field(`${t("least")} (${base})`, least, t("least.hint")),
  };
  const exits = h("details", { id: "exits" }, h("summary", {}, t("exits")), h("p", { class: "hint" }, t("exits.about")),
    field(priceLabel(t("exits.profit"), market), profit), field(priceLabel(t("exits.loss"), market), loss));
  const parts = h("div", { class: "parts", role: "group", "aria-label": t("parts") }, [25, 50, 75, 100].map((percent) =>
    h("button", { type: "button", id: `part-${percent}`, onclick: () => part(percent), "aria-label": percent === 100 ? `${t("max")}: ${t("parts.max")}` : t("parts.of", { percent }) }, percent === 100 ? t("max") : `${percent} %`)));
  const warns = h("p", { class: "warning", id: "limit-warning", role: "status" });
  const total = h("dd", {}, "–"), fee = h("dd", { id: "fee" }, "–"), available = h("dd", {}, "–"), needs = h("dd", { id: "needs", "aria-live": "polite" }, "–");
  const made = form([sides, field(t("type"), type), about, rows.price, warns, rows.stop, rows.distanceBy, rows.distance, rows.offset, rows.by, rows.quantity, rows.amount, parts, rows.tif, rows.expires, isContract ? reduces : [], exits,
    h("details", { id: "more" }, h("summary", {}, t("ticket.more")), rows.triggerBy, rows.activation, rows.shown, rows.least, field(t("self"), selfTrade)),
    h("dl", {}, h("dt", {}, t(isContract ? "margin.free" : "available")), available, h("dt", {}, t("total")), total, h("dt", {}, t("fee")), fee, hasMargin ? [h("dt", {}, t("margin.needs")), needs] : []), ask], t("buy"), send);
  made.id = "ticket";
  const root = h("section", { class: "panel ticket", "aria-label": t("ticket") }, login.is ? made : [made, h("p", { class: "hint" }, t("ticket.login"))]);
  if (login.is && shared.me && !shared.me.is_open) root.append(h("p", { class: "hint" }, t("account.opening")));
  const side = () => made.elements.side.value;
  const isOco = () => type.value === OCO;
  // The order's own type: of an OCO the limit's.
  const kindOf = () => isOco() ? "limit" : type.value;
  const hasExits = () => !exits.hidden && [profit, loss].some((control) => control.value.trim() !== "");
  const canBudget = () => ["market", "limit"].includes(type.value) && AT_ONCE.has(tif.value) && !isContract && !hasExits();
  const isBudget = () => canBudget() && by.value === "amount";
  if (hasMargin) ends.push(follow("fills", "", margin), follow("orders", "", margin), () => { clearTimeout(due); asked += 1; });
  ends.push(follow("ticker", market.symbol, ({ row }) => { last = row.last; money(); }));
  if (login.is) get("/v1/fee-rates", { symbol: market.symbol }).then(([found]) => { rates = found; money(); }).catch(() => { /* without rates no fee is shown */ });
  if (login.is && !isContract) ends.push(follow("balances", "", ({ list }) => { balances.clear(); list.forEach((one) => balances.set(one.asset, one.available)); money(); }));

  function changed() {
    const kind = kindOf(), times = isOco() ? OCO_TIMES : TIMES[kind];
    if ([...tif.options].map((one) => one.value).join() !== times.join()) {
      tif.replaceChildren(...times.map((name) => h("option", { value: name }, t(`tif.${name}`))));
    }
    // An order of a list has no end and no trigger of its own, and no amount.
    exits.hidden = isOco() || !LEGS.has(kind) || !LEG_TIMES.has(tif.value) || tif.value === "gtd";
    rows.price.hidden = !PRICED.has(kind);
    rows.stop.hidden = !STOPPED.has(kind) && !isOco();
    rows.distance.hidden = rows.distanceBy.hidden = !TRAILING.has(kind);
    rows.distance.querySelector(".hint").hidden = distanceBy.value === "price";
    rows.offset.hidden = !PEGGED.has(kind);
    rows.by.hidden = !canBudget();
    parts.hidden = isContract;
    rows.quantity.hidden = isBudget();
    rows.amount.hidden = !isBudget();
    rows.expires.hidden = tif.value !== "gtd";
    // An order has an end of its own or a trigger of its own.
    rows.activation.hidden = !TRAILING.has(kind) || tif.value === "gtd" || hasExits();
    rows.triggerBy.hidden = !(STOPPED.has(kind) || TRAILING.has(kind)) || tif.value === "gtd" || hasExits();
    rows.shown.hidden = kind !== "limit" || isOco() || !TIMES_WITH.shown.includes(tif.value) || least.value.trim() !== "";
    rows.least.hidden = kind !== "limit" || isOco() || hasExits() || !TIMES_WITH.least.includes(tif.value) || isBudget() || (!rows.shown.hidden && shown.value.trim() !== "");
    for (const [control, row] of [[price, rows.price], [stop, rows.stop], [distance, rows.distance], [quantity, rows.quantity], [amount, rows.amount], [expires, rows.expires]]) control.required = !row.hidden;
    say(about, t(`about.${type.value}`));
    say(made.send, t(`go.${side()}`, { base }));
    made.send.className = `${side()}-go`;
    money();
  }

  // The price that a sum is made with: the order's, else the best of the other side.
  function rate() {
    if (PRICED.has(kindOf())) return isNumber(price.value) ? price.value.trim() : "";
    if (STOPPED.has(type.value) && isNumber(stop.value)) return stop.value.trim();
    return best(side() === "buy" ? "asks" : "bids");
  }

  function best(name) {
    let found = "";
    for (const at of model?.[name].keys() || []) if (!found || compare(at, found) === (name === "asks" ? -1 : 1)) found = at;
    return found;
  }

  function money() {
    const asset = side() === "buy" ? quote : base, has = balances.get(asset);
    if (!isContract) say(available, login.is ? `${show(has ?? "0")} ${asset}` : "–");
    if (hasMargin) { clearTimeout(due); due = setTimeout(margin, TYPING_MS); }
    const { said, made: comes } = outlook(), at = rate(), about = PRICED.has(type.value) ? "" : "\u2248 ";
    say(warns, said?.text);
    say(fee, comes?.fee ? `\u2248 ${show(trim(comes.fee[0]), 0, 8)} ${comes.fee[1]}` : "–");
    if (isBudget()) return say(total, isNumber(amount.value) ? `${exactText(amount.value.trim())} ${quote}` : "–");
    const right = isNumber(quantity.value) && at && sign(at) > 0;
    return say(total, right ? `${about}${show(trim(worth(quantity.value.trim(), at, market)), 2, 8)} ${quote}` : "–");
  }

  // What is typed so far as an order, with its warning and what it comes to; ``made``: nothing without a quantity.
  function outlook(given = typedSo()) {
    const price = reference(given, opposite(model, given.side), last);
    const said = given.price ? warning(given.price, price, given.side, market) : null;
    const has = given.amount || given.quantity;
    return { price, said, made: has && (!given.price || sign(given.price) > 0) ? estimate(given, model, rates, market) : null };
  }

  function typedSo() {
    const number = (control, row) => !row.hidden && isNumber(control.value) && sign(control.value) > 0 ? control.value.trim() : "";
    return { side: side(), type: kindOf(), time_in_force: tif.value, price: number(price, rows.price), stop_price: isOco() ? "" : number(stop, rows.stop), quantity: number(quantity, rows.quantity), amount: number(amount, rows.amount) };
  }

  // What of the equity no position or order needs, and what this order would: the core's answer.
  async function margin() {
    clearTimeout(due);
    const mine = asked += 1, lots = quantity.value.trim();
    const order = /^[1-9]\d*$/.test(lots) ? { symbol: market.symbol, lots: side() === "buy" ? lots : `-${lots}`, price: PRICED.has(type.value) && isNumber(price.value) ? price.value.trim() : "" } : {};
    let found;
    try { found = await get("/v1/margin", order); } catch (problem) { if (mine === asked) say(needs, words(problem)); return; }
    if (mine !== asked) return;
    const used = found.is_limited ? subtract(subtract(found.equity, found.with_orders), found.reserved) : "";
    say(available, used ? `${exactText(used)} ${found.asset}` : t("margin.unlimited"));
    const answer = found.what_if;
    say(needs, answer ? t(answer.accepted ? "margin.enough" : "margin.short.of", { needed: `${exactText(answer.needed)} ${found.asset}`, equity: `${exactText(found.equity)} ${found.asset}` }) : "–");
    needs.className = answer && !answer.accepted ? "bad" : "";
  }

  // A share of what is free, as what it buys or sells with the fee, on the grid of lots.
  function part(percent) {
    const has = balances.get(side() === "buy" ? quote : base);
    if (!has || sign(has) <= 0) return;
    const share = divide(multiply(has, String(percent)), "100", 18);
    if (side() === "buy" && type.value === "market" && canBudget()) by.value = "amount";
    if (isBudget()) amount.value = side() === "buy" ? spendable(share) : floor(walk(opposite(model, "sell"), { side: "sell", quantity: share, limit: PRICED.has(type.value) ? rate() : "" }, market).paid, market.amount_step);
    else quantity.value = most(side() === "sell" ? share : bought(share));
    changed();
  }

  // What of an amount is left for a purchase whose fee is paid in the quote asset.
  function spendable(share) {
    const isOnTop = rates && rates.buyer_pays_in === quote && sign(rates.taker) > 0;
    return floor(isOnTop ? divide(share, add("1", rates.taker), 18) : share, market.amount_step);
  }

  // An order without a price is covered at the worst that it may meet.
  function bought(share) {
    const at = PRICED.has(type.value) ? rate() : market.reserve_price;
    return at && sign(at) > 0 ? divide(spendable(share), at, 18) : "0";
  }

  const most = (text) => floor(compare(text, market.max_quantity) > 0 ? market.max_quantity : text, market.quantity_step);

  // What is asked for; wrong numbers are said before they are sent.
  function terms() {
    const kind = kindOf(), given = { symbol: market.symbol, side: side(), type: kind };
    const number = (control, name, step) => askedFor(control, t(name), step);
    if (PRICED.has(kind)) given.price = number(price, "price", market.price_step);
    if (STOPPED.has(kind)) given.stop_price = number(stop, "stop.price", market.price_step);
    if (TRAILING.has(kind) && distanceBy.value === "price") given.trailing_distance = number(distance, "distance");
    else if (TRAILING.has(kind)) given.trailing_bps = Number(trim(multiply(number(distance, "distance", "0.01"), "100")));
    if (PEGGED.has(kind) && offset.value.trim()) given.offset = offsetOf();
    if (isBudget()) given.amount = number(amount, "amount");
    else {
      given.quantity = number(quantity, "quantity", market.quantity_step);
      if (compare(given.quantity, market.min_quantity) < 0) throw new Error(t("ticket.least", { least: show(market.min_quantity), base }));
    }
    given.time_in_force = tif.value;
    if (tif.value === "gtd") given.expires_ms = new Date(expires.value).getTime();
    if (!rows.triggerBy.hidden && triggerBy.value) given.trigger_by = triggerBy.value;
    if (!rows.activation.hidden && activation.value.trim()) given.activation_price = number(activation, "activation", market.price_step);
    if (!rows.shown.hidden && shown.value.trim()) given.shown_quantity = number(shown, "shown", market.quantity_step);
    if (!rows.least.hidden && least.value.trim()) given.min_quantity = number(least, "least", market.quantity_step);
    if (selfTrade.value !== "cancel_taker") given.self_trade = selfTrade.value;
    if (isContract && reduces.querySelector("input").checked) given.reduce_only = true;
    return given;
  }

  // The orders that enter once an order is filled, or of an OCO the stop beside it.
  function exitsOf(given) {
    const number = (control, name) => askedFor(control, t(name), market.price_step);
    const one = (more) => ({ symbol: market.symbol, side: given.side, quantity: given.quantity, time_in_force: given.time_in_force, ...more });
    if (isOco()) return [one({ type: "stop", stop_price: number(stop, "stop.price") })];
    if (!hasExits()) return [];
    const rest = { side: given.side === "buy" ? "sell" : "buy", quantity: received(given), time_in_force: given.time_in_force === "day" ? "day" : "gtc" };
    const made = [];
    if (loss.value.trim()) made.push(one({ ...rest, type: "stop", stop_price: number(loss, "exits.loss") }));
    if (profit.value.trim()) made.push(one({ ...rest, type: "limit", price: number(profit, "exits.profit") }));
    if (made.length > 1 && compare(made[1].price, made[0].stop_price) !== (given.side === "buy" ? 1 : -1)) { profit.focus(); throw new Error(t(`exits.wrong.${given.side}`)); }
    return made;
  }

  // What of a purchase comes where its fee is taken from it.
  function received({ side, quantity }) {
    const pays = rates && !isContract && side === "buy" && rates.buyer_pays_in === base;
    const rate = pays ? (compare(rates.taker, rates.maker) < 0 ? rates.maker : rates.taker) : "0";
    return sign(rate) > 0 ? floor(multiply(quantity, subtract("1", rate)), market.quantity_step) : quantity;
  }

  // Where an order goes, and as what: alone or with others as a list.
  function request(given) {
    const others = exitsOf(given);
    if (!others.length) return { given, others, path: "/v1/orders", body: given };
    const [contingency, orders] = isOco() ? [OCO, [...others, given]] : [others.length > 1 ? "otoco" : "oto", [given, ...others]];
    return { given, others, path: "/v1/order-lists", body: { contingency, orders } };
  }

  // What a peg adds to the price that it follows; it may be below 0.
  function offsetOf() {
    const text = offset.value.trim(), bare = text.replace(/^-/, "");
    if (!isNumber(bare)) { offset.focus(); throw new Error(t("ticket.number", { field: t("offset") })); }
    return text;
  }

  function inWords(given, others = []) {
    const what = given.amount ? `${exactText(given.amount)} ${quote}` : `${quantityText(given.quantity, market)} ${base}`;
    const priced = (text) => ({ price: `${priceText(text, market)} ${priceAsset(market)}`.trim() });
    const at = given.price ? t("review.at", priced(given.price)) : "";
    const stops = given.stop_price ? t("review.stop", priced(given.stop_price)) : given.trailing_bps ? t("review.trailing", { percent: show(percentOf(given.trailing_bps)) }) : given.trailing_distance ? t("review.behind", priced(given.trailing_distance)) : "";
    const by = given.trigger_by ? t("review.by", { price: t(`trigger.by.${given.trigger_by}`) }) : "", from = given.activation_price ? t("review.activation", priced(given.activation_price)) : "";
    const follows = given.offset ? t("review.offset", priced(given.offset)) : "", minimum = given.min_quantity ? t("review.least", { what: `${quantityText(given.min_quantity, market)} ${base}` }) : "";
    const time = given.expires_ms ? t("review.until", { time: when(given.expires_ms) }) : t(`tif.${given.time_in_force}`);
    const then = others.map((one) => one.side === given.side ? t("review.oco", priced(one.stop_price)) : one.price ? t("review.profit", priced(one.price)) : t("review.loss", priced(one.stop_price)));
    return [t(`review.${given.side}`, { what }), t(`type.${given.type}`), at, stops, by, from, follows, minimum, time, ...then].filter(Boolean).join(", ");
  }

  // isAsked: it is shown before it is sent, whatever the person chose.
  async function send(event, isAsked = false) {
    if (!login.is) { location.hash = "#/login"; return; }
    const given = terms(), wanted = request(given), now = JSON.stringify(wanted.body);
    // Another order has another key; the same again, after an error, has the same.
    if (now !== sentTerms) key = newKey();
    sentTerms = now;
    const { price: at, said, made: comes } = outlook(given);
    // A limit that lets the order trade far from the market is always shown before it is sent.
    if (!isAsked && !ask.querySelector("input").checked && !said?.isBad) return place(wanted);
    await askWith(t(`review.title.${given.side}`, { base }), [h("p", {}, inWords(given, wanted.others)), said ? h("p", { class: "warning", role: "alert" }, said.text) : null,
      facts(estimateRows(given, comes, at, rates, market)), comes.isShort ? h("p", { class: "warning" }, t("estimate.short")) : null,
      h("p", { class: "hint" }, t(comes.waits ? "estimate.later" : "estimate.about"))], t(given.side), () => place(wanted), { kind: `${given.side}-go` });
  }

  // What became of an order, with the average price of what was traded.
  function outcome(order, given, others) {
    if (order.state === "filled") return t("placed.filled", { price: filledAt(order), what: t(`review.${order.side}`, { what: `${quantityText(order.filled_quantity, market)} ${base}` }) });
    const said = t(`placed.${order.state}`, { what: inWords(given, others) });
    return order.average_price ? `${said}. ${tradedOf(order)}` : said;
  }

  async function place({ given, others, path, body }) {
    try {
      const came = await post(path, body, key), orders = came.orders || [came];
      for (const order of orders) {
        shared.placed.add(order.id);
        if (order.state !== "open") shared.told.add(order.id);
      }
      const order = isOco() ? orders.at(-1) : orders[0];
      notice(outcome(order, given, others), order.state === "rejected" ? "bad" : "good");
    } catch (problem) {
      // After a refusal the next order is another one; without an answer it is the same again.
      if (problem.status >= 400 && problem.status < 500 && problem.code !== "request_in_progress") sentTerms = "";
      throw new Error(words(problem));
    }
    sentTerms = "";
    quantity.value = "";
    amount.value = profit.value = loss.value = "";
    changed();
  }

  function take(wanted) {
    made.elements.side.value = wanted;
    changed();
    (isBudget() ? amount : quantity).focus();
  }

  changed();
  return {
    root,
    close: () => ends.forEach((end) => end()),
    keys: { b: () => take("buy"), s: () => take("sell"), p: () => price.focus(), q: () => (isBudget() ? amount : quantity).focus(), m: () => part(100), o: () => send(null, true).catch((problem) => say(made.error, problem.message)) },
    book: (now) => { const first = !model; model = now; if (first && !price.value) { price.value = best("asks") || best("bids"); } money(); },
    price: (text) => { if (!text) return; if (STOPPED.has(type.value) && !PRICED.has(type.value)) stop.value = text; else price.value = text; changed(); (isBudget() ? amount : quantity).focus(); },
  };
}
