// One market: chart, book, trades, ticket, and the person's orders there.
import { button, clockTime, confirm, h, notice, say, select, shortly, table, tabs, when, words } from "../kit.js";
import { t } from "../words.js";
import { chosen, emit, instrument, portal, shared } from "../store.js";
import { get, login, newKey, open, remove } from "../api.js";
import { follow } from "../stream.js";
import { add, compare, divide, floor, isNumber, multiply, read, show as showNumber, subtract, write } from "../exact.js";
import { amountText, changeOf, places, priceAsset, priceText, quantityText } from "../numbers.js";
import { star } from "./markets.js";
import { PEGGED } from "../order-words.js";
import { arranged, hotKeys } from "../arrange.js";
import { ticket } from "../ticket.js";
import { chart } from "../chart.js";
import { depth } from "../depth.js";
import { inGroups, orderButtons, orderColumns } from "../orders.js";

// Orders that the book does not show.
const UNSEEN = new Set(["hidden", "all_or_none", ...PEGGED]);
const LEVELS = 11, TAPE = 60, TERMS_MS = 20_000;
const TERMS = ["multiplier", "strike", "strike_multiplier", "strike_rest"];

export async function show(root, [symbol]) {
  const market = instrument(symbol) || instrument(chosen.get("symbol", "")) || shared.instruments[0];
  if (!market) { root.append(h("p", { class: "none" }, t("markets.none"))); return null; }
  if (symbol !== market.symbol) { history.replaceState(null, "", `#/trade/${encodeURIComponent(market.symbol)}`); }
  chosen.set("symbol", market.symbol);
  const ends = [];
  const grid = h("div", { class: "terminal", "data-pane": "chart" });
  const panes = h("div", { class: "panes" }, tabs([["chart", t("chart")], ["book", t("book")], ["tape", t("trades")]], "chart", (name) => {
    grid.dataset.pane = name;
    dispatchEvent(new Event("resize"));
  }, t("panes")));
  const form = ticket(market);
  ends.push(form.close);
  if (market.kind !== "spot") ends.push(watchTerms(market));
  const made = chart(market);
  ends.push(made.close);
  if (login.is) marksOf(market, ends, made);
  const panels = { chart: made.root, book: book(market, ends, form), ticket: form.root, lists: lists(market, ends), tape: tape(market, ends, made) };
  const top = strip(market, ends), settings = arranged(panels);
  if (login.is) ends.push(hotKeys(settings, { ...form.keys, f: made.fullScreen, x: () => cancelAll(market.symbol) }));
  top.append(settings.button);
  grid.append(top, panes, panels.chart, panels.book, panels.tape, panels.ticket, panels.lists);
  root.append(h("h1", { class: "quiet" }, t("trade.title", { symbol: market.symbol })), grid);
  made.open();
  return () => ends.forEach((end) => end());
}

// The person's orders and fills of this market, on the chart.
function marksOf(market, ends, made) {
  let orders = [], fills = [];
  const mine = (rows) => rows.filter((row) => row.symbol === market.symbol), draw = () => made.own(orders, fills);
  const join = (fresh) => { const known = new Set(fills.map((row) => row.id)); fills = fills.concat(mine(fresh).filter((row) => !known.has(row.id))).sort((a, b) => a.time_ms - b.time_ms); draw(); };
  ends.push(follow("orders", "", (now) => { orders = mine([...now.open.values()]); draw(); }), follow("fills", "", (now) => join(now.list)));
  get("/v1/fills", { symbol: market.symbol, limit: 200 }).then((page) => join(page.items)).catch(() => { /* the stream has the newest */ });
}

// A contract has other terms once its underlying was split: what is typed was meant by those of before.
function watchTerms(market) {
  let over = false;
  async function look() {
    const now = await open("GET", `/v1/instruments/${encodeURIComponent(market.symbol)}`).catch(() => market);
    if (over || TERMS.every((name) => now[name] === market[name])) return;
    shared.instruments = shared.instruments.map((one) => one.symbol === now.symbol ? now : one);
    notice(t("terms.changed", { symbol: market.symbol }), "bad");
    emit("terms");
  }
  const looking = setInterval(look, TERMS_MS);
  look();
  return () => { over = true; clearInterval(looking); };
}

// Mark, index, funding and open interest of a contract.
function figures(market, ends) {
  if (market.kind === "spot") return [];
  const names = ["mark", "index", ...(market.kind === "perpetual" ? ["funding"] : []), "interest"];
  const cells = Object.fromEntries(names.map((name) => [name, h("b", { class: "price", id: `figure-${name}` }, "–")]));
  ends.push(follow("statistics", market.symbol, ({ row }) => {
    say(cells.mark, priceText(row.mark, market));
    say(cells.index, row.index === null ? "–" : priceText(row.index, market));
    say(cells.interest, quantityText(row.open_interest, market));
    const rate = row.predicted_rate ?? row.funding_rate;
    if (cells.funding) say(cells.funding, rate === null ? "–" : `${showNumber(multiply(rate, "100"), 4)} %${row.next_funding_ms ? ` · ${clockTime(row.next_funding_ms).slice(0, 5)}` : ""}`);
  }));
  return names.map((name) => h("div", { title: t(`figure.${name}.title`) }, h("span", {}, t(`figure.${name}`)), cells[name]));
}

function strip(market, ends) {
  const pick = select(shared.instruments.map((one) => [one.symbol, `${one.base}/${one.quote}`]), { "aria-label": t("market"), id: "market", onchange: (event) => { location.hash = `#/trade/${encodeURIComponent(event.target.value)}`; } });
  pick.value = market.symbol;
  const names = ["change.24h", "high.24h", "low.24h", "volume.24h", "turnover.24h"];
  const last = h("b", { class: "last price", id: "last" }, "–");
  const cells = names.map(() => h("b", { class: "price" }, "–"));
  const state = h("span", { class: "chip warning", hidden: market.state === "trading" }, t(`market.${market.state}`));
  const kind = market.kind === "spot" ? "" : t(`kind.${market.kind}`, { strike: market.strike ? showNumber(market.strike) : "", expiry: market.expiry_ms ? when(market.expiry_ms, false) : "" });
  const terms = kind ? h("span", { class: "chip", id: "terms" }, market.inverse ? t("kind.inverse", { kind }) : kind) : null;
  ends.push(follow("ticker", market.symbol, ({ row }) => {
    say(last, priceText(row.last, market));
    state.hidden = row.state === "trading";
    say(state, t(`market.${row.state}`));
    const [text, kind] = changeOf(row);
    last.className = `last ${kind || "price"}`;
    cells[0].className = kind || "price";
    [text, priceText(row.high, market), priceText(row.low, market), `${quantityText(row.quantity, market)} ${market.base}`, `${amountText(row.amount)} ${market.quote}`]
      .forEach((one, index) => say(cells[index], one));
    document.title = `${priceText(row.last, market)} ${market.base}/${market.quote}`;
  }));
  return h("section", { class: "panel strip", "aria-label": t("market") }, star(market.symbol), pick, last, state, terms, figures(market, ends),
    names.map((name, index) => h("div", { class: index > 2 ? "far" : "" }, h("span", {}, t(name)), cells[index])));
}

// The book, in steps of a price that are chosen; a price goes to the ticket.
function book(market, ends, form) {
  const digits = places(market.price_step);
  const steps = [1n, 10n, 100n, 1000n].map((factor) => {
    const step = read(market.price_step);
    return write({ units: step.units * factor, places: step.places });
  });
  let step = steps[0], model = null, orders = [];
  const group = select(steps.map((one) => [one, showNumber(one)]), { "aria-label": t("book.step"), onchange: (event) => { step = event.target.value; draw(); } });
  const body = h("tbody");
  const side = (name) => Array.from({ length: LEVELS }, () => {
    const price = h("button", { type: "button", class: "price", tabindex: "-1", disabled: true, "aria-label": t("book.empty"), onclick: () => form.price(price.value) });
    const row = h("tr", { class: name }, h("td", {}, price), h("td", { class: "n" }), h("td", { class: "n muted" }));
    return row;
  });
  const asks = side("asks"), bids = side("bids");
  const last = h("b", { class: "price" }), spread = h("span");
  body.append(...asks.slice().reverse(), h("tr", { class: "mid" }, h("td", { colspan: 3 }, last, spread)), ...bids);
  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...body.querySelectorAll("button")].filter((one) => one.textContent);
    all[all.indexOf(document.activeElement) + step]?.focus();
  });
  const shown = h("table", { class: "ladder", "aria-label": t("book") }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, `${t("price")} ${priceAsset(market)}`),
    h("th", { scope: "col", class: "n" }, `${t("quantity")} ${market.base}`), h("th", { scope: "col", class: "n" }, t("sum")))), body);

  // Prices as whole numbers, to sort by: the same prices come again and again.
  const known = new Map();
  function units(price) {
    if (known.size > 20_000) known.clear();
    if (!known.has(price)) { const { units: digits, places: after } = read(price); known.set(price, digits * 10n ** BigInt(18 - after)); }
    return known.get(price);
  }

  function levels(side, up) {
    const rows = [...side].map(([price, quantity]) => [price, quantity, units(price)]).sort((a, b) => (a[2] < b[2] ? -1 : 1) * (up ? 1 : -1));
    if (step === steps[0]) return rows.slice(0, LEVELS);
    const sums = new Map();
    for (const [price, quantity] of rows) {
      const at = levelOf(price, up);
      if (!sums.has(at) && sums.size === LEVELS) break;
      sums.set(at, sums.has(at) ? add(sums.get(at), quantity) : quantity);
    }
    return [...sums];
  }

  // The price under which the book shows another one.
  function levelOf(price, up) {
    const at = floor(price, step);
    return up && compare(at, price) !== 0 ? add(at, step) : at;
  }

  // What the person's orders have in the book, by the price that it is shown at.
  function ownLevels(side) {
    const found = new Map();
    for (const row of orders) {
      if (row.side !== side || !row.is_working || UNSEEN.has(row.type)) continue;
      const at = step === steps[0] ? row.price : levelOf(row.price, side === "sell"), left = subtract(row.quantity, row.filled_quantity);
      found.set(at, found.has(at) ? add(found.get(at), left) : left);
    }
    return found;
  }

  function draw() {
    if (!model) return;
    const sides = [[asks, levels(model.asks, true)], [bids, levels(model.bids, false)]];
    const most = Math.max(1e-18, ...sides.map(([, rows]) => rows.reduce((sum, row) => sum + Number(row[1]), 0)));
    const owned = { asks: ownLevels("sell"), bids: ownLevels("buy") };
    for (const [rows, found] of sides) {
      const name = rows === asks ? "asks" : "bids";
      let sum = "0";
      rows.forEach((row, index) => {
        const level = found[index], price = row.cells[0].firstChild;
        price.tabIndex = index === 0 && level ? 0 : -1;
        if (level) sum = add(sum, level[1]);
        price.value = level ? level[0] : "";
        say(price, level ? showNumber(level[0], Math.min(digits, places(step)) || 0) : "");
        price.setAttribute("aria-label", level ? t("book.take", { price: price.textContent, quantity: quantityText(level[1], market) }) : t("book.empty"));
        price.disabled = !level;
        const mine = level ? owned[name].get(level[0]) : "";
        row.classList.toggle("own", Boolean(mine));
        if (mine) price.setAttribute("aria-label", `${price.getAttribute("aria-label")}, ${t("book.own", { quantity: quantityText(mine, market) })}`);
        row.title = mine ? t("book.own", { quantity: quantityText(mine, market) }) : "";
        say(row.cells[1], level ? quantityText(level[1], market) : "");
        say(row.cells[2], level ? quantityText(sum, market) : "");
        row.style.backgroundSize = level ? `${100 * Number(sum) / most}% 100%` : "0 0";
      });
    }
    const [ask, bid] = [sides[0][1][0], sides[1][1][0]];
    say(spread, ask && bid ? t("book.spread", { spread: showNumber(subtract(ask[0], bid[0]), digits), percent: showNumber(divide(multiply(subtract(ask[0], bid[0]), "100"), ask[0], 3)) }) : t("book.one"));
  }

  if (login.is) ends.push(follow("orders", "", (now) => { orders = [...now.open.values()].filter((row) => row.symbol === market.symbol); draw(); }));
  ends.push(follow("book", market.symbol, (now) => { model = now; form.book(now); draw(); depth.draw(now); }),
    follow("ticker", market.symbol, ({ row }) => { say(last, priceText(row.last, market)); }));
  return h("section", { class: "panel pane-book", "aria-label": t("book") }, h("div", { class: "book-head" }, h("h2", {}, t("book")), group), shown);
}

function tape(market, ends, made) {
  const list = table([
    { label: `${t("price")} ${priceAsset(market)}`, text: (row) => priceText(row.price, market), kind: (row) => `${row.taker_side} price` },
    { label: `${t("quantity")} ${market.base}`, n: true, text: (row) => quantityText(row.quantity, market) },
    { label: t("time"), n: true, text: (row) => clockTime(row.time_ms), kind: () => "muted" },
  ], { label: t("trades"), empty: t("trades.none"), cards: false });
  list.classList.add("tape-box");
  list.querySelector("table").classList.add("tape");
  ends.push(follow("trades", market.symbol, (model) => {
    list.show(model.list.slice(-TAPE).reverse());
    made.traded();
  }));
  return h("section", { class: "panel pane-tape", "aria-label": t("trades") }, h("h2", {}, t("trades")), list);
}

function lists(market, ends) {
  if (!login.is) return h("section", { class: "panel lists" }, h("p", { class: "none" }, t("lists.login"), " ", h("a", { href: "#/login" }, t("login"))));
  let only = chosen.get("one market", true), model = null, fills = [], balances = [], tab = "open";
  const area = h("div");
  const orders = table(orderColumns({ action: orderButtons, short: true }), { label: t("orders.open"), empty: t("orders.none") });
  const trades = table([
    { label: t("time"), text: (row) => shortly(row.time_ms) }, { label: t("market"), text: (row) => row.symbol },
    { label: t("side"), text: (row) => t(row.side), kind: (row) => row.side },
    { label: t("price"), n: true, text: (row) => priceText(row.price, instrument(row.symbol)) },
    { label: t("quantity"), n: true, text: (row) => quantityText(row.quantity, instrument(row.symbol)) },
    { label: t("fee"), n: true, text: (row) => `${showNumber(row.fee)} ${row.fee_asset}` },
    { label: t("role"), text: (row) => t(row.broken ? "brokenTrade" : row.is_maker ? "maker" : "taker") },
  ], { label: t("fills"), empty: t("fills.none") });
  const held = table([
    { label: t("asset"), text: (row) => row.asset }, { label: t("available"), n: true, text: (row) => showNumber(row.available) },
    { label: t("reserved"), n: true, text: (row) => showNumber(row.reserved) },
  ], { key: (row) => row.asset, label: t("balances"), empty: t("balances.none") });
  const all = button(t("cancel.all"), () => cancelAll(only ? market.symbol : ""), "small", { id: "cancel-all" });
  const one = h("label", { class: "check" }, h("input", { type: "checkbox", checked: only, onchange: (event) => { only = event.target.checked; chosen.set("one market", only); draw(); } }), h("span", {}, t("lists.only")));
  const contracts = positions(ends);
  const bar = tabs([["open", t("orders.open")], ["fills", t("fills")], ["balances", t("balances")], ...(portal.contracts.length ? [["positions", t("margin.positions")]] : [])], tab, (name) => { tab = name; draw(); }, t("lists"));
  const mine = (row) => !only || row.symbol === market.symbol;

  function draw() {
    const shown = { open: orders, fills: trades, balances: held, positions: contracts }[tab];
    if (area.firstChild !== shown) area.replaceChildren(shown);
    const open = model ? inGroups([...model.open.values()].filter(mine)) : [];
    say(bar.firstChild, open.length ? `${t("orders.open")} (${open.length})` : t("orders.open"));
    all.hidden = tab !== "open" || !open.length;
    one.hidden = tab === "balances" || tab === "positions";
    if (tab === "open") orders.show(open);
    else if (tab === "positions") contracts.load();
    else if (tab === "fills") trades.show(fills.filter(mine).slice(-100).reverse());
    else held.show(balances.filter((row) => isNumber(row.available) && (compare(row.available, "0") || compare(row.reserved, "0"))));
  }

  ends.push(follow("orders", "", (now) => { model = now; draw(); }), follow("fills", "", (now) => { fills = now.list; draw(); }),
    follow("balances", "", (now) => { balances = now.list; draw(); }));
  get("/v1/fills", { limit: 100 }).then((page) => {
    const known = new Set(fills.map((row) => row.id));
    fills = page.items.slice().reverse().filter((row) => !known.has(row.id)).concat(fills);
    draw();
  }).catch(() => {});
  draw();
  return h("section", { class: "panel lists", "aria-label": t("lists") }, h("div", { class: "headline" }, bar, one, all), area);
}

// Positions in contracts, and the prices of their underlying at which they would be liquidated.
function positions(ends) {
  const price = (value) => value == null ? t("margin.never") : showNumber(value);
  const list = table([{ label: t("margin.contract"), node: (row) => h("a", { href: `#/trade/${encodeURIComponent(row.symbol)}` }, row.symbol), sign: (row) => row.symbol },
    { label: t("margin.lots"), n: true, text: (row) => showNumber(String(row.lots)) }, { label: t("margin.mark"), n: true, text: (row) => priceText(row.mark, instrument(row.symbol)) },
    { label: t("margin.below"), n: true, text: (row) => price(row.end?.liquidated_below) }, { label: t("margin.above"), n: true, text: (row) => price(row.end?.liquidated_above) },
  ], { key: (row) => row.symbol, label: t("margin.positions"), empty: t("margin.none") });
  let asked = 0;
  list.load = async () => {
    const mine = asked += 1;
    try {
      const found = await get("/v1/margin"), limits = new Map(found.underlyings.map((one) => [one.underlying, one]));
      if (mine === asked) list.show(found.positions.map((row) => ({ ...row, end: limits.get(row.underlying) })));
    } catch (problem) { notice(words(problem), "bad"); }
  };
  ends.push(() => { asked += 1; });
  return list;
}

async function cancelAll(symbol) {
  await confirm(t("cancel.all"), symbol ? t("cancel.all.of", { symbol }) : t("cancel.all.every"), t("cancel.all"), async () => {
    try {
      const gone = await remove(symbol ? `/v1/orders?symbol=${encodeURIComponent(symbol)}` : "/v1/orders", newKey());
      notice(t("cancel.done", { count: gone.length }));
    } catch (problem) { notice(words(problem), "bad"); throw problem; }
  }, "danger");
}
