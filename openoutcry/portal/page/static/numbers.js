// Numbers of markets as people read them.
import { change, compare, divide, isNumber, multiply, show, sign, signed } from "./exact.js";

// As many decimals as the market's step has, so that columns are aligned.
export const places = (step) => (step.replace(/0+$/, "").split(".")[1] || "").length;
export const priceText = (text, market) => isNumber(text) && sign(text) === 0 ? "–" : show(text, market ? places(market.price_step) : 0);
export const quantityText = (text, market) => show(text, market ? places(market.quantity_step) : 0);
// Below 1 all decimals count: of some assets that is a lot of money.
export const amountText = (text) => show(text, 2, isNumber(text ?? "") && compare(text, "1") < 0 && compare(text, "-1") > 0 ? 8 : 2);
export const exactText = (text) => show(text, 2);

// The price of an inverse contract is in money that is no asset of the venue.
export const priceAsset = (market) => market.inverse ? "" : market.quote;
export const priceLabel = (label, market) => market.inverse ? label : `${label} (${market.quote})`;

// What a quantity is worth at a price above 0, in the quote asset.  Of an inverse contract each lot's amount is rounded down.
export function worth(quantity, price, market) {
  if (!market.inverse) return multiply(multiply(quantity, price), market.multiplier);
  return multiply(quantity, divide(market.multiplier, price, places(market.amount_step)));
}

// Text, class, and the number: of a day's change in percent.
export function changeOf(row) {
  const moved = row ? change(row.open, row.last) : "";
  if (moved === "") return ["–", "", ""];
  return [`${signed(moved, 2)} %`, sign(moved) > 0 ? "up price" : sign(moved) < 0 ? "down price" : "price", moved];
}

// What somebody types: a point as the decimal mark, and nothing else.  Empty: nothing.
export function typed(text) {
  const bare = text.trim();
  if (bare && !/^\d+(\.\d+)?$/.test(bare)) throw Object.assign(new Error("number"), { code: bare.includes(",") ? "comma" : "number" });
  return bare;
}

// The class of a gain or a loss.
export const gainKind = (text) => !isNumber(text ?? "") ? "" : sign(text) > 0 ? "up" : sign(text) < 0 ? "down" : "";
