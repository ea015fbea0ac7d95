// Numbers of markets as people read them.
import { change, isNumber, show, sign, signed } from "./exact.js";

// As many decimals as the market's step has, so that columns are aligned.
export const places = (step) => (step.replace(/0+$/, "").split(".")[1] || "").length;
export const priceText = (text, market) => isNumber(text) && sign(text) === 0 ? "–" : show(text, market ? places(market.price_step) : 0);
export const quantityText = (text, market) => show(text, market ? places(market.quantity_step) : 0);
export const amountText = (text) => show(text, 2, 2);

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
