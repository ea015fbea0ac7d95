// Holdings, value, allocation, profit by lot method, performance, rebalancing, statements and tax.
import { amountInput, ask, button, canvas, colour, download, field, form, h, input, notice, panel, say, select, svg, tabbed, table, when, words } from "../kit.js";
import { t } from "../words.js";
import { chosen, instrument, on, portal, shared } from "../store.js";
import { file, get, newKey, post } from "../api.js";
import { add, compare, divide, isNumber, multiply, show as showNumber, sign, signed, trim } from "../exact.js";
import { amountText, gainKind, priceText, quantityText } from "../numbers.js";
import { percentOf } from "../orders.js";
import { daysAgo, lateness, today } from "../paged.js";
import { showMargin } from "./margin.js";
import { showProofs } from "./proofs.js";

const METHODS = ["fifo", "lifo", "average"];

export const show = (root, [chosenTab]) => tabbed(root, { name: "portfolio", title: t("nav.portfolio"), label: (one) => t(`portfolio.${one}`) }, { overview: showOverview, ...(portal.contracts?.length ? { margin: showMargin } : {}), rebalance: showRebalance, statements: showStatements, ...(portal.proofs ? { proofs: showProofs } : {}) }, chosenTab);

export const assets = () => [...new Set(shared.instruments.filter((one) => one.kind === "spot").flatMap((one) => [one.quote, one.base]))];
const quotes = () => [...new Set(shared.instruments.filter((one) => one.kind === "spot").map((one) => one.quote))];

function currencySelect(go) {
  const made = select(assets().map((one) => [one, one]), { id: "currency", onchange: () => { chosen.set("currency", made.value); go(); } });
  made.value = chosen.get("currency", quotes()[0] || "");
  if (!made.value) made.value = quotes()[0] || "";
  return made;
}

async function showOverview(area, ends) {
  const error = h("p", { class: "error", role: "alert" }), body = h("div");
  const currency = currencySelect(() => load());
  const method = select(METHODS.map((one) => [one, t(`method.${one}`)]), { id: "method", onchange: () => { chosen.set("method", method.value); load(); } });
  method.value = chosen.get("method", "fifo");
  area.append(h("div", { class: "row panel" }, field(t("currency"), currency), field(t("method"), method), button(t("reload"), () => load())), lateness(ends, () => load()), error, body);
  async function load() {
    say(error, "");
    let found;
    try { found = await get("/v1/portfolio", { currency: currency.value, method: method.value }); } catch (problem) { say(error, words(problem)); return; }
    draw(body, found);
    performanceOf(body, found, ends);
  }
  await load();
}

function draw(body, found) {
  const unit = found.currency;
  const tile = (label, text, kind = "", id = "") => h("div", { class: "tile" }, h("span", {}, label), h("b", { class: kind, id }, text));
  const [realised, open] = ["realised", "unrealised"].map((name) => byAsset(found.instruments, name));
  const holdings = found.holdings.filter((one) => sign(one.total) !== 0);
  const list = table([
    { label: t("asset"), text: (row) => row.asset }, { label: t("total"), n: true, text: (row) => showNumber(row.total) },
    { label: t("available"), n: true, text: (row) => showNumber(row.available) }, { label: t("reserved"), n: true, text: (row) => showNumber(row.reserved) },
    { label: `${t("price")} ${unit}`, n: true, text: (row) => row.price == null ? "–" : showNumber(row.price, 2, 8) },
    { label: `${t("value")} ${unit}`, n: true, text: (row) => row.value == null ? "–" : amountText(row.value) },
    { label: t("share"), n: true, text: (row) => row.share_bps == null ? "–" : `${percentOf(row.share_bps)} %` },
  ], { key: (row) => row.asset, label: t("holdings"), empty: t("holdings.none") });
  const profits = table([
    { label: t("market"), text: (row) => row.symbol },
    { label: t("position"), n: true, text: (row) => showNumber(row.position) },
    { label: t("cost"), n: true, text: (row) => `${showNumber(row.cost, 2, 8)} ${row.asset}` },
    { label: t("last"), n: true, text: (row) => priceText(row.last ?? "", instrument(row.symbol)) },
    { label: t("value"), n: true, text: (row) => row.value == null ? "–" : showNumber(row.value, 2, 8) },
    { label: t("realised"), n: true, text: (row) => signed(row.realised, 2, 8), kind: (row) => gainKind(row.realised) },
    { label: t("unrealised"), n: true, text: (row) => signed(row.unrealised, 2, 8), kind: (row) => gainKind(row.unrealised) },
    { label: t("fees"), n: true, text: (row) => [sign(row.fees) ? `${showNumber(row.fees)} ${row.asset}` : "", sign(row.base_fees) ? `${showNumber(row.base_fees)} ${row.base_asset}` : ""].filter(Boolean).join(" + ") || "0" },
  ], { key: (row) => row.symbol, label: t("profits"), empty: t("profits.none") });
  body.replaceChildren(h("div", { class: "tiles" }, tile(`${t("value")} (${unit})`, amountText(found.value), "", "portfolio-value"),
    tile(`${t("invested")} (${unit})`, amountText(found.invested)), tile(`${t("gain")} (${unit})`, signed(found.gain, 2, 2), gainKind(found.gain), "portfolio-gain"),
    tile(t("realised"), ...realised), tile(t("unrealised"), ...open)),
    h("div", { class: "columns" }, panel(t("allocation"), allocation(holdings)), h("section", { class: "panel" }, h("h2", {}, t("performance")), h("div", { id: "performance" }))),
    panel(t("holdings"), list, found.unvalued.length ? h("p", { class: "hint" }, t("unvalued", { assets: found.unvalued.join(", ") })) : null),
    panel(t("profits"), h("p", { class: "hint" }, t("profits.about", { method: t(`method.${found.method}`) })), profits),
    h("p", { class: "hint" }, t("as.of", { time: when(found.time_ms), seq: found.seq })));
  list.show(holdings);
  profits.show(found.instruments);
}

// Gains of every market in an asset together; text, and the class of a single one.
function byAsset(rows, name) {
  const sums = new Map();
  for (const row of rows) if (isNumber(row[name] ?? "")) sums.set(row.asset, add(sums.get(row.asset) ?? "0", row[name]));
  const text = [...sums].map(([asset, sum]) => `${signed(sum, 2, 8)} ${asset}`).join(", ") || "–";
  return [text, sums.size === 1 ? gainKind([...sums.values()][0]) : ""];
}

// Shares as a ring and in words; what is small is together.
function allocation(holdings) {
  const rows = holdings.filter((one) => one.share_bps > 0).sort((a, b) => b.share_bps - a.share_bps);
  if (!rows.length) return h("p", { class: "none" }, t("holdings.none"));
  const shown = rows.slice(0, 6).map((one, index) => ({ name: one.asset, bps: one.share_bps, kind: `c${index + 1}` }));
  const rest = rows.slice(6).reduce((sum, one) => sum + one.share_bps, 0);
  if (rest) shown.push({ name: t("others"), bps: rest, kind: "c0" });
  const around = 2 * Math.PI * 18;
  let begun = 0;
  const circles = shown.map((one) => {
    const made = svg("circle", { cx: 24, cy: 24, r: 18, class: one.kind, "stroke-dasharray": `${Math.max(one.bps / 10_000 * around - 0.6, 0.3)} ${around}`, "stroke-dashoffset": -begun / 10_000 * around, transform: "rotate(-90 24 24)" });
    begun += one.bps;
    return made;
  });
  return h("div", { class: "allocation" }, svg("svg", { viewBox: "0 0 48 48", class: "donut", "aria-hidden": "true" }, ...circles),
    h("ul", {}, shown.map((one) => h("li", {}, h("i", { class: one.kind }), one.name, h("b", {}, `${percentOf(one.bps)} %`)))));
}

async function performanceOf(body, found, ends) {
  const place = body.querySelector("#performance");
  const from = input({ type: "date", value: chosen.get("performance from", daysAgo(30)), id: "performance-from" });
  const until = input({ type: "date", value: today(), id: "performance-until" });
  const box = h("canvas", { class: "chart tall", role: "img", "aria-label": t("performance") }), said = h("p", { class: "hint" }), error = h("p", { class: "error", role: "alert" });
  place.append(h("div", { class: "row" }, field(t("from"), from), field(t("until"), until)), box,
    h("div", { class: "legend" }, legend("accent", t("value")), legend("muted", t("invested"))), said, error);
  let days = [];
  const paint = () => curve(box, days);
  async function load() {
    say(error, "");
    try {
      const answer = await get("/v1/portfolio/performance", { currency: found.currency, from: from.value, until: until.value });
      days = answer.days;
      const last = days.at(-1);
      say(said, last ? t("performance.said", { days: days.length, gain: `${signed(last.gain, 2, 2)} ${answer.currency}` }) : t("performance.none"));
      box.setAttribute("aria-label", said.textContent);
      paint();
    } catch (problem) { say(error, words(problem)); }
  }
  from.addEventListener("change", () => { chosen.set("performance from", from.value); load(); });
  until.addEventListener("change", load);
  addEventListener("resize", paint);
  ends.push(on("theme", paint), () => removeEventListener("resize", paint));
  await load();
}

function legend(name, text) {
  const mark = h("i");
  mark.style.background = colour(name);
  return h("span", {}, mark, text);
}

function curve(box, days) {
  const [context, width, height] = canvas(box), left = 4, bottom = 18, right = 62;
  if (!days.length) return;
  const values = days.map((one) => [Number(one.value), Number(one.invested)]), all = values.flat();
  let low = Math.min(...all), high = Math.max(...all);
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  low -= room;
  high += room;
  const x = (k) => left + (width - left - right) * (days.length === 1 ? 0.5 : k / (days.length - 1)), y = (value) => (height - bottom) * (1 - (value - low) / (high - low));
  context.fillStyle = colour("muted");
  context.strokeStyle = colour("line");
  context.textAlign = "left";
  for (let k = 0; k <= 3; k += 1) {
    const value = low + (high - low) * k / 3;
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(width - right, y(value));
    context.stroke();
    context.fillText(value.toLocaleString("en", { maximumSignificantDigits: 6, useGrouping: true }).replaceAll(",", "\u202f"), width - right + 4, Math.min(Math.max(y(value) + 4, 10), height - bottom));
  }
  context.fillText(days[0].day, left, height - 4);
  context.textAlign = "right";
  context.fillText(days.at(-1).day, width - right, height - 4);
  for (const [index, name, thick] of [[1, "muted", 1.2], [0, "accent", 1.8]]) {
    context.beginPath();
    values.forEach((one, k) => k ? context.lineTo(x(k), y(one[index])) : context.moveTo(x(k), y(one[index])));
    context.strokeStyle = colour(name);
    context.lineWidth = thick;
    if (days.length === 1) context.arc(x(0), y(values[0][index]), 2.5, 0, 7);
    context.stroke();
  }
  context.lineWidth = 1;
}

// Target weights; the portal proposes orders, and the person sends them after a look.
async function showRebalance(area) {
  const error = h("p", { class: "error", role: "alert" });
  const currency = currencySelect(() => { area.replaceChildren(); showRebalance(area); });
  let found;
  try { found = await get("/v1/portfolio", { currency: currency.value }); } catch (problem) { say(error, words(problem)); area.append(error); return; }
  const held = new Map(found.holdings.map((one) => [one.asset, one]));
  const wanted = assets().map((asset) => {
    const now = held.get(asset)?.share_bps ?? 0;
    return { asset, now, box: amountInput({ value: trim(percentOf(now)), id: `weight-${asset}`, maxlength: 6 }) };
  });
  const sum = h("b", {}), result = h("div");
  const total = () => {
    let all = "0";
    for (const one of wanted) all = add(all, isNumber(one.box.value || "0") ? one.box.value || "0" : "0");
    say(sum, `${showNumber(all, 2)} %`);
    sum.className = compare(all, "100") === 0 ? "good" : "bad";
    return all;
  };
  const tolerance = amountInput({ value: "0.5", id: "tolerance", maxlength: 5 });
  const made = form([h("div", { class: "row" }, field(t("currency"), currency), wanted.map((one) => field(t("weight.of", { asset: one.asset, now: percentOf(one.now) }), one.box)), field(t("tolerance"), tolerance)),
    h("p", {}, t("weight.sum"), " ", sum)], t("rebalance.propose"), async () => {
    if (compare(total(), "100") !== 0) throw new Error(t("weight.wrong"));
    if (!isNumber(tolerance.value)) throw new Error(t("ticket.number", { field: t("tolerance") }));
    const weights = Object.fromEntries(wanted.filter((one) => sign(one.box.value || "0") > 0).map((one) => [one.asset, divide(one.box.value, "100", 6)]));
    propose(result, await post("/v1/portfolio/rebalance", { currency: currency.value, weights, tolerance_bps: Number(trim(multiply(tolerance.value, "100")).split(".")[0]) }));
  });
  made.addEventListener("input", total);
  area.append(panel(t("portfolio.rebalance"), h("p", { class: "hint" }, t("rebalance.about")), made), result);
  total();
}

function propose(place, plan) {
  const rows = table([
    { label: t("asset"), text: (row) => row.asset }, { label: t("share"), n: true, text: (row) => `${percentOf(row.share_bps)} %` }, { label: t("target"), n: true, text: (row) => `${percentOf(row.target_bps)} %` },
    { label: `${t("value")} ${plan.currency}`, n: true, text: (row) => amountText(row.value) }, { label: `${t("target.value")} ${plan.currency}`, n: true, text: (row) => amountText(row.target_value) },
  ], { key: (row) => row.asset, label: t("target"), empty: "" });
  const orders = plan.orders.map((order) => ({ ...order, key: newKey(), done: "" }));
  const list = table([
    { label: t("market"), text: (row) => row.symbol }, { label: t("side"), text: (row) => t(row.side), kind: (row) => row.side },
    { label: t("quantity"), n: true, text: (row) => quantityText(row.quantity, instrument(row.symbol)) }, { label: t("price"), n: true, text: (row) => priceText(row.price, instrument(row.symbol)) },
    { label: `${t("value")} ${plan.currency}`, n: true, text: (row) => amountText(row.value) }, { label: t("state"), text: (row) => row.done },
  ], { key: (row) => row.key, label: t("rebalance.orders"), empty: t("rebalance.nothing") });
  const send = button(t("rebalance.send", { count: orders.length }), () => ask(t("rebalance.title"), h("p", {}, t("rebalance.sure", { count: orders.length })), t("rebalance.go"), async () => {
    for (const order of orders) {
      if (order.done) continue;
      const { symbol, side, type, quantity, price, time_in_force } = order;
      try {
        const placed = await post("/v1/orders", { symbol, side, type, quantity, price, time_in_force }, order.key);
        order.done = t(`order.${placed.state}`);
      } catch (problem) { list.show(orders); throw new Error(`${symbol}: ${words(problem)}`); }
      list.show(orders);
    }
    send.disabled = true;
    notice(t("rebalance.sent"));
  }), "primary", { hidden: !orders.length, id: "rebalance-send" });
  place.replaceChildren(panel(t("rebalance.orders"), list, h("div", { class: "buttons" }, send)), panel(t("target"), rows));
  list.show(orders);
  rows.show(plan.rows);
}

function showStatements(area) {
  const sheet = (title, about, path, name) => {
    const from = input({ type: "date", value: daysAgo(30), id: `${name}-from`, required: true }), until = input({ type: "date", value: today(), id: `${name}-until`, required: true });
    const saved = (format) => async () => {
      say(made.error, "");
      try {
        download(`${name}-${from.value}-${until.value}.${format}`, await file(path, { from: from.value, until: until.value, format }));
        notice(t("file.saved"));
      } catch (problem) { say(made.error, words(problem)); }
    };
    const made = form(h("div", { class: "row" }, field(t("from"), from), field(t("until"), until)), t("file.pdf"), saved("pdf"), { more: [button(t("file.csv"), saved("csv"), "", { id: `${name}-csv` })] });
    made.id = `${name}-form`;
    return panel(title, h("p", { class: "hint" }, about), made);
  };
  area.append(h("div", { class: "columns" }, sheet(t("statement"), t("statement.about"), "/v1/statements", "statement"), sheet(t("tax"), t("tax.about"), "/v1/tax-report", "tax")));
}
