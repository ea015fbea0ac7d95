// What an order comes to: what the visible book gives at once, what rests, and the fee.
import { add, compare, divide, floor, multiply, show, sign, signed, subtract, trim } from "./exact.js";
import { places, priceAsset, priceText, quantityText, worth } from "./numbers.js";
import { t } from "./words.js";
import { AT_ONCE, PEGGED, STOPPED, TRAILING, UNPRICED } from "./order-words.js";

// A limit that is further from the market, in percent, is warned of.
const BAND_PERCENT = "5";
const LATER = new Set(["at_open", "at_close"]), RESTS = new Set(["post_only", "post_only_slide"]);

// The levels that an order meets, best first: price and quantity.
export function opposite(model, side) {
  const up = side === "buy" ? 1 : -1;
  return [...(model?.[side === "buy" ? "asks" : "bids"] || [])].map((level) => [level, Number(level[0]) * up])
    .sort((a, b) => a[1] - b[1]).map(([level]) => level);
}

// What a quantity, or an amount of the quote asset, finds in levels no worse than a limit ("": no limit).
export function walk(levels, { side, quantity, amount, limit }, market) {
  let filled = "0", paid = "0";
  for (const [price, there] of levels) {
    if (limit && compare(price, limit) === (side === "buy" ? 1 : -1)) break;
    const rest = amount ? floor(divide(subtract(amount, paid), price, 18), market.quantity_step) : subtract(quantity, filled);
    const taken = compare(rest, there) < 0 ? rest : there;
    if (sign(taken) <= 0) break;
    filled = add(filled, taken);
    paid = add(paid, worth(taken, price, market));
  }
  return { filled, paid };
}

// The price at which a quantity has a worth.
function average(filled, paid, market) {
  const [above, below] = market.inverse ? [multiply(filled, market.multiplier), paid] : [paid, multiply(filled, market.multiplier)];
  return trim(divide(above, below, places(market.price_step) + 4));
}

// How far a limit is from a price, in percent; above 0: it is higher.
export const distance = (limit, price, digits = 2) => sign(price) > 0 ? divide(multiply(subtract(limit, price), "100"), price, digits) : "";

// What to say of a limit that is far from the market, and whether it lets an order trade so badly; nothing: it is near.
export function warning(limit, price, side, market) {
  const far = limit && price ? distance(limit, price, 8) : "";
  const size = far.replace("-", "");
  if (!far || compare(size, BAND_PERCENT) <= 0) return null;
  const isAbove = sign(far) > 0;
  const text = t(isAbove ? "limit.above" : "limit.below", { percent: show(size, 2, 2), price: `${priceText(price, market)} ${priceAsset(market)}`.trim() });
  return { text, isBad: isAbove === (side === "buy") };
}

// The price that a limit is compared with: of a stop its trigger, else the best that it meets, else the last trade's.
export const reference = (given, levels, last) => PEGGED.has(given.type) ? "" : given.stop_price || levels[0]?.[0] || last || "";

// The fee of a quantity that is worth an amount, as [number, asset].
function feeOf(filled, paid, rate, side, rates, market) {
  const asset = side === "buy" ? rates.buyer_pays_in : rates.seller_pays_in;
  if (sign(rates.per_lot)) return [multiply(filled, rates.per_lot), asset];
  return [multiply(asset === market.base ? filled : paid, rate), asset];
}

// What an order comes to: ``found``: what it takes from the visible book at once; ``rest``: what rests in the book then.
export function estimate(given, model, rates, market) {
  const levels = opposite(model, given.side), waits = STOPPED.has(given.type) || TRAILING.has(given.type) || PEGGED.has(given.type) || LATER.has(given.time_in_force);
  const asked = { side: given.side, quantity: given.quantity, amount: given.amount, limit: UNPRICED.has(given.type) ? "" : given.price };
  const found = waits || RESTS.has(given.type) ? { filled: "0", paid: "0" } : walk(levels, asked, market);
  const best = levels[0]?.[0] || "", at = given.price || given.stop_price || best;
  const isLeft = !given.amount && compare(given.quantity, found.filled) > 0;
  const rest = isLeft && !AT_ONCE.has(given.time_in_force) && (!UNPRICED.has(given.type) || waits) ? subtract(given.quantity, found.filled) : "0";
  const later = sign(rest) && at && sign(at) > 0 ? worth(rest, at, market) : "0";
  const has = sign(found.filled) > 0, mean = has ? average(found.filled, found.paid, market) : "";
  const takes = STOPPED.has(given.type) || TRAILING.has(given.type);
  const fees = rates ? [feeOf(found.filled, found.paid, rates.taker, given.side, rates, market), feeOf(rest, later, takes ? rates.taker : rates.maker, given.side, rates, market)] : [];
  return { ...found, rest, mean, waits, isShort: isLeft && !sign(rest), total: add(found.paid, later),
    slip: has && sign(best) > 0 ? distance(mean, best, 4).replace("-", "") : "", fee: fees.length ? [add(fees[0][0], fees[1][0]), fees[0][1]] : null };
}

const rateText = (rate) => `${show(trim(multiply(rate, "100")), 2)} %`;

// An estimate in words, as pairs of a name and a value.
export function estimateRows(given, made, price, rates, market) {
  const money = (text) => `${show(trim(text), 2, 8)} ${market.quote}`, priced = (text) => `${priceText(text, market)} ${priceAsset(market)}`.trim();
  const rows = [];
  if (price) rows.push([t(given.stop_price ? "stop.price" : "estimate.market"), priced(price)]);
  if (given.price && price) rows.push([t("estimate.distance"), `${signed(distance(given.price, price), 2)} %`]);
  if (made.mean) rows.push([t("estimate.now"), `${quantityText(made.filled, market)} ${market.base}`], [t("estimate.average"), `\u2248 ${priced(made.mean)}`], [t("estimate.slippage"), `${show(made.slip, 2)} %`]);
  rows.push([t("total"), `\u2248 ${money(made.total)}`]);
  if (given.price && given.quantity && sign(given.price) > 0) rows.push([t("estimate.limit"), money(worth(given.quantity, given.price, market))]);
  if (made.fee) rows.push([t("fee"), `\u2248 ${show(trim(made.fee[0]), 0, 8)} ${made.fee[1]}${sign(rates.per_lot) ? "" : ` (${t("estimate.rates", { taker: rateText(rates.taker), maker: rateText(rates.maker) })})`}`]);
  return rows;
}
