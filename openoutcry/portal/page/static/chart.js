// The chart (Lightweight Charts): candles of all days, indicators, lines that a person draws.  Only
// what is drawn is a number of the browser; every amount that counts stays text.
import { ask, amountInput, button, colour, field, h, icon, say, script, select } from "./kit.js";
import { t } from "./words.js";
import { chosen, on } from "./store.js";
import { open } from "./api.js";
import { depth } from "./depth.js";
import { isNumber } from "./exact.js";
import { places, priceLabel, priceText, quantityText } from "./numbers.js";
import { INDICATORS } from "./indicators.js";

// All intervals of candles; those in QUICK have a button.
const INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"];
const QUICK = ["1m", "5m", "15m", "1h", "4h", "1d"], MARKS = 200;
const MOST = 500, EVERY_MS = 1_000;

export function chart(market) {
  const precision = places(market.price_step);
  const state = { interval: chosen.get("interval", "1m"), on: new Set(chosen.get("indicators", ["sma"])), tool: "", first: null };
  const kept = `lines ${market.symbol}`;
  let lines = chosen.get(kept, []), library = null, drawn = null, rows = [], due = 0, timer = 0, oldest = 0, older = false, closed = false;
  const box = h("div", { role: "img", "aria-label": t("chart") });
  const curves = h("canvas", { class: "chart", role: "img", "aria-label": t("depth"), hidden: true });
  const holder = h("div", { class: "chart-box" }, box, curves);
  const legend = h("div", { class: "legend" }), said = h("p", { class: "quiet", "aria-live": "off" });
  const intervals = h("div", { class: "seg", role: "group", "aria-label": t("interval") }, QUICK.map((one) => h("button", { type: "button", "data-interval": one, onclick: () => choosePeriod(one) }, one)));
  const all = select(INTERVALS.map((one) => [one, one]), { id: "interval", "aria-label": t("interval"), onchange: () => choosePeriod(all.value) });
  const marks = h("ul", { class: "quiet", id: "own-marks", "aria-label": t("chart.own") });
  const shown = h("details", { class: "menu" }, h("summary", {}, t("indicators")), h("div", { class: "menu-box" }, Object.keys(INDICATORS).map((name) => h("label", { class: "check" },
    h("input", { type: "checkbox", checked: state.on.has(name), onchange: (event) => {
      if (event.target.checked) state.on.add(name); else state.on.delete(name);
      chosen.set("indicators", [...state.on]);
      build();
    } }), h("span", {}, t(`indicator.${name}`))))));
  const tool = select([["", t("draw")], ["level", t("draw.level")], ["price", t("draw.price")], ["trend", t("draw.trend")], ["clear", t("draw.clear")]], { "aria-label": t("draw"), onchange: choose });
  const views = h("div", { class: "seg", role: "group", "aria-label": t("panes") }, ["chart", "depth"].map((name) => h("button", { type: "button", "aria-pressed": String(name === "chart"), onclick: (event) => {
    for (const other of event.currentTarget.parentElement.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
    curves.hidden = name !== "depth";
    box.hidden = name === "depth";
    legend.hidden = box.hidden;
    depth.draw();
  } }, t(name))));
  depth.box = curves;
  const root = h("section", { class: "panel pane-chart", "aria-label": t("chart") }, h("div", { class: "chart-tools" }, views, tool, shown, intervals, all, button(icon("full"), fullScreen, "small", { id: "full-screen", title: t("chart.full"), "aria-label": t("chart.full") })), legend, holder, said, marks);
  let own = { orders: [], fills: [] };
  showPeriod();

  function showPeriod() {
    all.value = state.interval;
    for (const one of intervals.children) one.setAttribute("aria-pressed", String(one.dataset.interval === state.interval));
  }

  function choosePeriod(interval) {
    state.interval = interval;
    chosen.set("interval", interval);
    showPeriod();
    rows = [];
    load();
  }

  function fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen().catch(() => { /* a browser that has none stays as it is */ });
  }

  // Drawing

  async function choose() {
    const wanted = tool.value;
    tool.value = "";
    state.tool = "";
    state.first = null;
    if (wanted === "clear") { keep([]); build(); }
    if (wanted === "level" || wanted === "trend") { state.tool = wanted; holder.classList.add("drawing"); }
    if (wanted === "price") {
      const price = amountInput({ id: "line-price", required: true });
      await ask(t("draw.price"), field(priceLabel(t("price"), market), price), t("draw.go"), async () => {
        if (!isNumber(price.value)) throw new Error(t("ticket.number", { field: t("price") }));
        keep([...lines, { kind: "level", price: Number(price.value) }]);
        build();
      });
    }
  }

  function keep(list) { lines = list; chosen.set(kept, list); }

  function clicked(event) {
    if (!state.tool || !event.point) return;
    const price = drawn.candles.coordinateToPrice(event.point.y);
    if (price == null) return;
    if (state.tool === "level") keep([...lines, { kind: "level", price }]);
    else if (!state.first) { if (event.time) state.first = { time: event.time, price }; return; }
    else if (event.time && event.time !== state.first.time) {
      const ends = [state.first, { time: event.time, price }].sort((a, b) => a.time - b.time);
      keep([...lines, { kind: "trend", ends }]);
    } else return;
    state.tool = "";
    state.first = null;
    holder.classList.remove("drawing");
    build();
  }

  holder.addEventListener("keydown", (event) => { if (event.key === "Escape") { state.tool = ""; holder.classList.remove("drawing"); } });

  // Building

  const number = (row) => ({ time: row.begin_ms / 1000, open: Number(row.open), high: Number(row.high), low: Number(row.low), close: Number(row.close), volume: Number(row.quantity) });

  function build() {
    if (!library || closed) return;
    const range = drawn?.chart.timeScale().getVisibleLogicalRange();
    drawn?.chart.remove();
    const grid = { color: colour("line") };
    const made = library.createChart(box, {
      autoSize: true,
      layout: { background: { color: colour("panel") }, textColor: colour("muted"), attributionLogo: false, fontSize: 11, panes: { separatorColor: colour("line") } },
      grid: { vertLines: grid, horzLines: grid }, rightPriceScale: { borderColor: colour("line") }, crosshair: { mode: 0 },
      timeScale: { timeVisible: true, borderColor: colour("line"), rightOffset: 4 },
      localization: { locale: document.documentElement.lang },
    });
    const candles = made.addSeries(library.CandlestickSeries, {
      upColor: colour("buy"), downColor: colour("sell"), borderVisible: false, wickUpColor: colour("buy"), wickDownColor: colour("sell"),
      priceFormat: { type: "price", precision, minMove: 10 ** -precision },
    });
    const volume = made.addSeries(library.HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    made.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    drawn = { chart: made, candles, volume, lines: [], built: false, own: [], marks: library.createSeriesMarkers(candles, []) };
    made.subscribeClick(clicked);
    made.timeScale().subscribeVisibleLogicalRangeChange((now) => { if (now && now.from < 10) loadOlder(); });
    fill();
    if (range) made.timeScale().setVisibleLogicalRange(range);
    box.querySelectorAll("table").forEach((one) => one.setAttribute("role", "presentation"));
  }

  function fill() {
    if (!drawn) return;
    const bars = rows.map(number);
    drawn.candles.setData(bars);
    drawn.volume.setData(bars.map((bar) => ({ time: bar.time, value: bar.volume, color: colour(bar.close >= bar.open ? "buy-bar" : "sell-bar") })));
    const wanted = [...state.on].filter((name) => INDICATORS[name]).flatMap((name) => INDICATORS[name](bars));
    const panes = [...new Set(wanted.map((one) => one.pane))].sort();
    if (!drawn.built) {
      drawn.built = true;
      drawn.lines = wanted.map((one) => {
        const made = drawn.chart.addSeries(library.LineSeries, { color: colour(one.colour), lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false }, one.pane ? panes.filter((pane) => pane).indexOf(one.pane) + 1 : 0);
        for (const level of one.levels || []) made.createPriceLine({ price: level, color: colour("line"), lineWidth: 1, axisLabelVisible: false });
        return made;
      });
      legend.replaceChildren(...wanted.map((one) => { const mark = h("i"); mark.style.background = colour(one.colour); return h("span", {}, mark, one.name); }));
      for (const line of lines) {
        if (line.kind === "level") drawn.candles.createPriceLine({ price: line.price, color: colour("accent"), lineWidth: 1, lineStyle: 2, axisLabelVisible: true });
        else drawn.chart.addSeries(library.LineSeries, { color: colour("accent"), lineWidth: 2, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false }).setData(line.ends.map((one) => ({ time: one.time, value: one.price })));
      }
      drawn.chart.panes().slice(1).forEach((pane) => pane.setStretchFactor(0.35));
    }
    wanted.forEach((one, k) => drawn.lines[k].setData(one.points));
    mark();
    const last = rows.at(-1);
    if (last) { const text = t("chart.said", { symbol: market.symbol, interval: state.interval, open: priceText(last.open, market), high: priceText(last.high, market), low: priceText(last.low, market), close: priceText(last.close, market) }); say(said, text); box.setAttribute("aria-label", text); }
  }

  // The person's open orders as lines and fills as arrows; the same in words for who reads the page by ear.
  function mark() {
    const { orders, fills } = own, said = (row, price) => `${t(row.side)} ${quantityText(row.quantity, market)} ${t("review.at", { price: priceText(price, market) })}`;
    marks.replaceChildren(...orders.map((row) => h("li", { "data-order": row.id }, said(row, priceOfOrder(row)))), ...fills.map((row) => h("li", { "data-fill": row.id }, said(row, row.price))));
    if (!drawn) return;
    drawn.own.forEach((line) => drawn.candles.removePriceLine(line));
    drawn.own = orders.map((row) => drawn.candles.createPriceLine({ price: Number(priceOfOrder(row)), color: colour(row.side), lineWidth: 1, lineStyle: 3, axisLabelVisible: true, title: `${t(row.side)} ${quantityText(row.quantity, market)}` }));
    const begins = rows.map((row) => row.begin_ms), at = fills.map((row) => [row, begins.findLast((begin) => begin <= row.time_ms)]).filter(([, begin]) => begin != null);
    drawn.marks.setMarkers(at.sort((a, b) => a[1] - b[1]).map(([row, begin]) => ({ time: begin / 1000, position: row.side === "buy" ? "belowBar" : "aboveBar", shape: row.side === "buy" ? "arrowUp" : "arrowDown", color: colour(row.side) })));
  }

  const priceOfOrder = (row) => isNumber(row.price) && Number(row.price) ? row.price : row.stop_price;

  // Candles

  const path = (more) => `/v1/instruments/${encodeURIComponent(market.symbol)}/candles?interval=${state.interval}&${more}`;

  async function load() {
    clearTimeout(timer);
    const interval = state.interval, whole = !rows.length;
    try {
      const fresh = await open("GET", path(`limit=${whole ? MOST : 3}`));
      if (closed || interval !== state.interval) return;
      const known = new Map(rows.map((row) => [row.begin_ms, row]));
      for (const row of fresh) known.set(row.begin_ms, row);
      rows = [...known.values()].sort((a, b) => a.begin_ms - b.begin_ms);
      if (whole) { oldest = 0; older = false; build(); } else fill();
    } catch { /* the lost connection is shown */ }
    due = Date.now() + EVERY_MS;
  }

  // What is further to the left than what is known.
  async function loadOlder() {
    if (older || !rows.length || oldest === rows[0].begin_ms) return;
    older = true;
    oldest = rows[0].begin_ms;
    const interval = state.interval;
    try {
      const found = await open("GET", path(`limit=${MOST}&until_ms=${oldest - 1}`));
      if (closed || interval !== state.interval) return;
      const before = found.filter((row) => row.begin_ms < oldest);
      if (before.length) {
        const range = drawn.chart.timeScale().getVisibleLogicalRange();
        rows = before.concat(rows);
        fill();
        if (range) drawn.chart.timeScale().setVisibleLogicalRange({ from: range.from + before.length, to: range.to + before.length });
      }
    } catch { /* there is no older one */ } finally { older = false; }
  }

  function traded() {
    const left = due - Date.now();
    clearTimeout(timer);
    if (library) timer = setTimeout(load, Math.max(left, 50));
  }

  const ends = [on("theme", () => { build(); depth.draw(); }), on("link", (now) => { if (now === "live" && library) load(); })];
  const resized = () => depth.draw();
  addEventListener("resize", resized);
  return {
    root,
    traded,
    fullScreen,
    own(orders, fills) {
      own = { orders: orders.filter((row) => Number(priceOfOrder(row))), fills: fills.slice(-MARKS) };
      mark();
    },
    async open() {
      try {
        await script("/page/vendor/lightweight-charts.standalone.production.js");
        library = LightweightCharts;
        if (!closed) await load();
      } catch { say(legend, t("error.offline")); }
    },
    close() {
      closed = true;
      clearTimeout(timer);
      ends.forEach((end) => end());
      removeEventListener("resize", resized);
      drawn?.chart.remove();
    },
  };
}
