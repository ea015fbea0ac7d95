// Ladder, depth, candles (Lightweight Charts) and trades of an instrument, as in the feed.
import { $, canvas, colour, make, price, rows, say, script, whole } from "./kit.js";
import { api, draw, state, wish } from "./link.js";

const TRADES = 30, LEVELS = 12;
let market = null, trades = [], chart = null, bars = null, key = "", loading = false, due = 0;

export function setUpMarket() {
  $("symbol").replaceChildren(...state.instruments.map((one) => make("option", one.symbol)));
  $("symbol").onchange = () => { market = null; trades = []; key = ""; wish(); draw(); };
  $("every").onchange = () => { key = ""; draw(); };
}

const decimals = () => state.instruments.find((one) => one.symbol === $("symbol").value)?.decimals ?? 4;
// The feed has four decimals, or as many as the instrument where it has more.
const places = () => Math.max(decimals(), 4);
const shown = (value) => price(value, decimals(), places());

export function takeMarket(view) {
  if (view.symbol !== $("symbol").value) return;
  market = view;
  if (view.trades?.length) trades = view.trades.concat().reverse().concat(trades).slice(0, TRADES);
}

export function showMarket() {
  say($("market-error"), market?.error || "");
  if (!market || !market.bids) return;
  const facts = [["", { T: "trading", Q: "call phase", P: "paused", H: "halted or closed" }[market.state] || market.state],
    ["last ", market.last && shown(market.last)], ["high ", market.high && shown(market.high)],
    ["low ", market.low && shown(market.low)], ["VWAP ", market.vwap && shown(market.vwap)],
    ["volume ", whole(market.volume)], ["trades ", whole(market.count)], ["indicative ", market.indicative && shown(market.indicative)]];
  say($("market-facts"), facts.filter(([, value]) => value).map((pair) => pair.join("")).join(" · "));
  showLadder();
  showDepth();
  rows($("trades"), trades, (one) => one.number, (one) => [timeOf(one.time_ns), shown(one.price), whole(one.shares)]);
  showCandles();
}

const timeOf = (ns) => new Date(ns / 1e6).toISOString().slice(11, 23);

function showLadder() {
  const { bids, asks } = market, most = Math.max(1, ...bids.slice(0, LEVELS).concat(asks.slice(0, LEVELS)).map((one) => one[1]));
  const spread = bids.length && asks.length ? shown(asks[0][0] - bids[0][0]) : "–";
  const list = [...asks.slice(0, LEVELS).reverse().map((one) => ["ask", one]), ["spread", null], ...bids.slice(0, LEVELS).map((one) => ["bid", one])];
  const body = $("ladder").tBodies[0];
  while (body.rows.length > list.length) body.deleteRow(-1);
  while (body.rows.length < list.length) { const row = body.insertRow(); for (let k = 0; k < 5; k += 1) row.insertCell().className = "n"; }
  list.forEach(([side, level], index) => {
    const row = body.rows[index];
    if (row.className !== side) { row.className = side; [...row.cells].forEach((cell) => { cell.style.backgroundSize = ""; cell.textContent = ""; }); }
    if (side === "spread") return say(row.cells[2], `spread ${spread}`);
    const [at, lots, orders] = level, bid = side === "bid", cell = row.cells[bid ? 1 : 3];
    say(row.cells[bid ? 0 : 4], whole(orders));
    say(cell, whole(lots));
    say(row.cells[2], shown(at));
    cell.style.backgroundSize = `${100 * lots / most}% 100%`;
  });
}

function showDepth() {
  const [context, width, height] = canvas($("depth")), bottom = 16;
  const sums = (levels) => { let sum = 0; return levels.map(([at, lots]) => [at, sum += lots]); };
  const bids = sums(market.bids), asks = sums(market.asks), all = [...bids, ...asks];
  if (!all.length) return;
  const low = Math.min(...all.map((one) => one[0])), high = Math.max(...all.map((one) => one[0])), most = Math.max(...all.map((one) => one[1]));
  const x = (at) => (width - 2) * (at - low) / Math.max(1, high - low) + 1, y = (lots) => (height - bottom) * (1 - 0.94 * lots / most);
  for (const [levels, line, ground, edge] of [[bids, "bid", "bid-bar", 0], [asks, "ask", "ask-bar", width]]) {
    if (!levels.length) continue;
    context.beginPath();
    context.moveTo(x(levels[0][0]), height - bottom);
    let before = 0;
    for (const [at, lots] of levels) { context.lineTo(x(at), y(before)); context.lineTo(x(at), y(lots)); before = lots; }
    context.lineTo(edge, y(before));
    context.strokeStyle = colour(line);
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(edge, height - bottom);
    context.closePath();
    context.fillStyle = colour(ground);
    context.fill();
    context.stroke();
  }
  context.fillStyle = colour("muted");
  context.textAlign = "left";
  context.fillText(shown(low), 0, height - 3);
  context.textAlign = "right";
  context.fillText(shown(high), width, height - 3);
  context.textAlign = "center";
  context.fillText(`${whole(most)} at most`, width / 2, height - 3);
}

async function showCandles() {
  const box = $("candles"), wanted = [$("symbol").value, $("every").value, document.documentElement.dataset.theme, box.clientWidth].join();
  if (loading || (wanted === key && performance.now() < due)) return;
  loading = true;
  try {
    await script("/static/vendor/lightweight-charts.standalone.production.js");
    const candles = await api(`candles?symbol=${encodeURIComponent($("symbol").value)}&every_s=${$("every").value}`);
    if (wanted !== key) { key = wanted; newChart(box); }
    const unit = 10 ** places();
    bars.setData(candles.map(([time, open, high, low, close]) => ({ time, open: open / unit, high: high / unit, low: low / unit, close: close / unit })));
    due = performance.now() + 1_000;
  } catch { due = performance.now() + 5_000; } finally { loading = false; }
}

function newChart(box) {
  chart?.remove();
  const lines = { color: colour("line") }, precision = decimals();
  chart = LightweightCharts.createChart(box, {
    width: box.clientWidth, height: 300,
    layout: { background: { color: colour("panel") }, textColor: colour("muted"), attributionLogo: false },
    grid: { vertLines: lines, horzLines: lines }, rightPriceScale: { borderColor: colour("line") },
    timeScale: { timeVisible: true, secondsVisible: true, borderColor: colour("line") },
  });
  bars = chart.addSeries(LightweightCharts.CandlestickSeries, {
    upColor: colour("bid"), downColor: colour("ask"), borderVisible: false, wickUpColor: colour("bid"), wickDownColor: colour("ask"),
    priceFormat: { type: "price", precision, minMove: 10 ** -precision },
  });
}
