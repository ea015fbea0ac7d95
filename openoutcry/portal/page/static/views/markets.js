// All markets: prices as they move, a person's watchlist, filters.
import { h, icon, input, say, table } from "../kit.js";
import { t } from "../words.js";
import { chosen, shared } from "../store.js";
import { follow } from "../stream.js";
import { compare, isNumber, sign } from "../exact.js";
import { amountText, changeOf, priceText } from "../numbers.js";

const MOST = 150;

export function watched() { return new Set(chosen.get("watched", [])); }

export function star(symbol, changed) {
  const is = watched().has(symbol);
  const made = h("button", { type: "button", class: "star", "aria-pressed": String(is), "aria-label": t("markets.watch", { symbol }), onclick: () => {
    const set = watched();
    if (set.has(symbol)) set.delete(symbol); else set.add(symbol);
    chosen.set("watched", [...set]);
    made.setAttribute("aria-pressed", String(set.has(symbol)));
    changed?.();
  } }, icon("star"));
  return made;
}

export function filtered(rows, tickers, { text, quote, only, order }) {
  const set = watched(), wanted = text.trim().toLowerCase();
  const chosenRows = rows.filter((one) => (!wanted || one.symbol.toLowerCase().includes(wanted)) && (!quote || one.quote === quote) && (!only || set.has(one.symbol)));
  const value = (one, of) => { const found = of(tickers.get(one.symbol)); return isNumber(found) ? found : "0"; };
  const by = { volume: (row) => row?.amount, change: (row) => changeOf(row)[2], last: (row) => row?.last }[order];
  return by ? chosenRows.sort((a, b) => compare(value(b, by), value(a, by))) : chosenRows.sort((a, b) => a.symbol < b.symbol ? -1 : 1);
}

export async function show(root) {
  const tickers = new Map(), ends = new Map();
  const quotes = [...new Set(shared.instruments.map((one) => one.quote))];
  const find = input({ type: "search", placeholder: t("markets.find"), "aria-label": t("markets.find"), oninput: () => draw(), id: "find" });
  const state = { quote: "", only: false, order: chosen.get("order", "volume") };
  const pressed = (name, text, is, go) => h("button", { type: "button", "aria-pressed": String(is), "data-name": name, onclick: (event) => {
    for (const one of event.currentTarget.parentElement.children) one.setAttribute("aria-pressed", String(one === event.currentTarget));
    go();
    draw();
  } }, text);
  const filter = h("div", { class: "seg", role: "group", "aria-label": t("markets.filter") },
    pressed("all", t("markets.all"), true, () => { state.quote = ""; state.only = false; }),
    pressed("watched", t("markets.watched"), false, () => { state.quote = ""; state.only = true; }),
    quotes.map((quote) => pressed(quote, quote, false, () => { state.quote = quote; state.only = false; })));
  const sorted = h("select", { "aria-label": t("markets.order"), onchange: (event) => { state.order = event.target.value; chosen.set("order", state.order); draw(); } },
    ["volume", "change", "last", "name"].map((name) => h("option", { value: name, selected: name === state.order }, t(`markets.order.${name}`))));
  const stateOf = (row) => tickers.get(row.symbol)?.state || row.state;
  const of = (go) => (row) => { const found = tickers.get(row.symbol); return found ? go(found, row) : "–"; };
  const list = table([
    { label: t("markets.watchlist"), node: (row) => star(row.symbol, () => { if (state.only) draw(); }), sign: (row) => row.symbol },
    { label: t("market"), node: (row) => h("a", { class: "pair", href: `#/trade/${encodeURIComponent(row.symbol)}` }, h("b", {}, row.base), h("span", {}, `/${row.quote}`)), sign: (row) => row.symbol },
    { label: t("last"), n: true, text: of((one, row) => isNumber(one.last) && sign(one.last) ? priceText(one.last, row) : "–"), kind: () => "price" },
    { label: t("change.24h"), n: true, text: of((one) => changeOf(one)[0]), kind: (row) => changeOf(tickers.get(row.symbol))[1] },
    { label: t("high.24h"), n: true, text: of((one, row) => sign(one.high) ? priceText(one.high, row) : "–"), kind: () => "price" },
    { label: t("low.24h"), n: true, text: of((one, row) => sign(one.low) ? priceText(one.low, row) : "–"), kind: () => "price" },
    { label: t("volume.24h"), n: true, text: of((one, row) => `${amountText(one.amount)} ${row.quote}`) },
    { label: t("state"), text: (row) => t(`market.${stateOf(row)}`), kind: (row) => stateOf(row) === "trading" ? "" : "warning" },
  ], { key: (row) => row.symbol, label: t("nav.markets"), empty: t("markets.none"), click: (row) => { location.hash = `#/trade/${encodeURIComponent(row.symbol)}`; } });
  const count = h("span", { class: "muted" });
  root.append(h("div", { class: "headline" }, h("h1", {}, t("nav.markets")), count, h("span", { class: "spring" })),
    h("div", { class: "panel" }, h("div", { class: "row" }, h("div", { class: "field wide" }, find), filter, h("div", { class: "field" }, sorted)), list));

  function draw() {
    const rows = filtered([...shared.instruments], tickers, { text: find.value, ...state });
    say(count, t("markets.count", { count: rows.length }));
    list.show(rows);
    const wanted = new Set(rows.slice(0, MOST).map((row) => row.symbol));
    for (const [symbol, end] of ends) if (!wanted.has(symbol)) { end(); ends.delete(symbol); }
    for (const symbol of wanted) if (!ends.has(symbol)) {
      ends.set(symbol, () => {});
      ends.set(symbol, follow("ticker", symbol, (model) => { tickers.set(symbol, model.row); later(); }));
    }
  }

  let due = false;
  function later() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(); });
  }

  draw();
  return () => ends.forEach((end) => end());
}

