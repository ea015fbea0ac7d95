// Scenario margin: what it is made of, each scenario, liquidation prices, Greeks, funding, and what an order would need.
import { amountInput, button, field, form, h, input, panel, say, select, table, when, words } from "../kit.js";
import { t } from "../words.js";
import { portal } from "../store.js";
import { get } from "../api.js";
import { show as showNumber, signed } from "../exact.js";
import { exactText, gainKind } from "../numbers.js";

const GREEKS = ["delta", "gamma", "vega", "theta"];
const PARTS = [["scan", "margin.scan"], ["intra", "margin.intra"], ["credit", "margin.credit"], ["short_minimum", "margin.short"], ["addon", "margin.addon"], ["maintenance", "margin.maintenance"]];
const THIRDS = [0, 1, -1, 2, -2, 3, -3], EXTREMES = 14, SPAN = 16;

// A price with all the decimals that the venue gives it.
const ticks = (text) => showNumber(text, (text.split(".")[1] || "").length);

// How far a scenario moves the price, in parts of the scan range.
function moved(number) {
  if (number > SPAN) return t("margin.extended");
  if (number > EXTREMES) return t(number % 2 ? "margin.far.up" : "margin.far.down");
  const thirds = THIRDS[Math.floor((number - 1) / 2)];
  return thirds === 0 ? "0" : `${thirds > 0 ? "+" : "\u2212"}${Math.abs(thirds)}/3`;
}

export async function showMargin(area) {
  const error = h("p", { class: "error", role: "alert" }), body = h("div");
  area.append(h("div", { class: "row panel" }, button(t("reload"), () => load())), error, body, whatIf());
  async function load() {
    say(error, "");
    try {
      const found = await get("/v1/margin");
      draw(body, found);
      body.append(panel(t("margin.funding"), funding(await get("/v1/margin/funding"))));
    } catch (problem) { say(error, words(problem)); }
  }
  await load();
}

function draw(body, found) {
  const tile = (label, text, id = "") => h("div", { class: "tile" }, h("span", {}, `${label} (${found.asset})`), h("b", { id }, text));
  const price = (value) => value == null ? t("margin.never") : ticks(value);
  const parts = table([{ label: t("margin.underlying"), text: (row) => row.underlying },
    ...PARTS.map(([name, label]) => ({ label: t(label), n: true, text: (row) => exactText(row[name]) })),
  ], { key: (row) => row.underlying, label: t("margin.parts"), empty: t("margin.none") });
  const greeks = table([{ label: t("margin.underlying"), text: (row) => row.underlying },
    { label: t("margin.below"), n: true, text: (row) => price(row.liquidated_below) }, { label: t("margin.above"), n: true, text: (row) => price(row.liquidated_above) },
    ...GREEKS.map((name) => ({ label: t(`greek.${name}`), n: true, text: (row) => row.greeks[name] == null ? "–" : showNumber(row.greeks[name], 0, 4) })),
  ], { key: (row) => row.underlying, label: t("margin.greeks"), empty: t("margin.none") });
  const scenarios = table([{ label: t("margin.scenario"), n: true, text: (row) => String(row.number) },
    { label: t("margin.move"), text: (row) => moved(row.number) }, { label: t("margin.volatility"), text: (row) => row.number > EXTREMES ? "–" : t(row.number % 2 ? "margin.up" : "margin.down") },
    ...found.underlyings.map((one, k) => ({ label: one.underlying, n: true, text: (row) => exactText(row.losses[k]), kind: (row) => row.number === one.active ? "bad" : "" })),
  ], { key: (row) => String(row.number), label: t("margin.scenarios"), empty: t("margin.none") });
  const positions = table([{ label: t("margin.contract"), text: (row) => row.symbol }, { label: t("margin.lots"), n: true, text: (row) => showNumber(String(row.lots)) },
    { label: t("margin.mark"), n: true, text: (row) => ticks(row.mark) }, { label: t("margin.index"), n: true, text: (row) => row.index == null ? "–" : ticks(row.index) },
    { label: t("margin.takeover"), n: true, text: (row) => t("margin.takeover.place", { place: row.takeover_place, count: row.takeover_of }) },
    { label: t("margin.rate"), n: true, text: (row) => row.funding_rate == null ? "–" : `${(row.funding_rate / 1e7).toFixed(5)} %` },
  ], { key: (row) => row.symbol, label: t("margin.positions"), empty: t("margin.none") });
  body.replaceChildren(h("div", { class: "tiles" }, tile(t("margin.equity"), found.is_limited ? exactText(found.equity) : t("margin.unlimited"), "margin-equity"),
    tile(t("margin.maintenance"), exactText(found.maintenance), "margin-maintenance"), tile(t("margin.initial"), exactText(found.initial)),
    tile(t("margin.orders"), exactText(found.with_orders)), tile(t("margin.reserved"), exactText(found.reserved))),
  panel(t("margin.positions"), positions), panel(t("margin.parts"), parts), panel(t("margin.greeks"), h("p", { class: "hint" }, t("margin.greeks.about", { asset: found.asset })), greeks),
  panel(t("margin.scenarios"), h("p", { class: "hint" }, t("margin.scenarios.about")), scenarios));
  positions.show(found.positions);
  parts.show(found.underlyings);
  greeks.show(found.underlyings);
  const count = Math.max(0, ...found.underlyings.map((one) => one.scenarios.length));
  scenarios.show(Array.from({ length: count }, (_, k) => ({ number: k + 1, losses: found.underlyings.map((one) => one.scenarios[k] ?? "0") })));
}

function funding(rows) {
  const list = table([{ label: t("time"), text: (row) => when(row.time_ms) }, { label: t("margin.contract"), text: (row) => row.symbol }, { label: t("margin.lots"), n: true, text: (row) => showNumber(String(row.lots)) },
    { label: t("margin.mark"), n: true, text: (row) => ticks(row.mark) }, { label: t("margin.paid"), n: true, text: (row) => `${signed(row.paid, 2, 8)} ${row.asset}`, kind: (row) => gainKind(row.paid) },
  ], { key: (row) => `${row.seq} ${row.symbol}`, label: t("margin.funding"), empty: t("margin.funding.none") });
  list.show(rows);
  return list;
}

function whatIf() {
  const symbol = select(portal.contracts.map((one) => [one, one]), { id: "what-if-symbol" });
  const lots = input({ id: "what-if-lots", maxlength: 14, required: true, inputmode: "text" }), price = amountInput({ id: "what-if-price", maxlength: 24, required: false });
  const said = h("p", { id: "what-if-says", role: "status" });
  const made = form(h("div", { class: "row" }, field(t("margin.contract"), symbol), field(t("margin.lots.field"), lots), field(t("price"), price)), t("margin.ask"), async () => {
    if (!/^-?[1-9]\d*$/.test(lots.value.trim())) throw new Error(t("margin.whole"));
    const { what_if: answer, asset } = await get("/v1/margin", { symbol: symbol.value, lots: lots.value.trim(), price: price.value.trim() });
    say(said, t(answer.accepted ? "margin.accepted" : "margin.refused", { needed: `${exactText(answer.needed)} ${asset}`, filled: `${exactText(answer.maintenance_if_filled)} ${asset}` }));
  });
  return panel(t("margin.whatif"), h("p", { class: "hint" }, t("margin.whatif.about")), made, said);
}
