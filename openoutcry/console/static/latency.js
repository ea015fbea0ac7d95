// Percentiles (uPlot), the heat map, and the table of intervals.
import { $, canvas, colour, make, rows, say, script, span, whole } from "./kit.js";
import { api, draw, state } from "./link.js";

const NAMES = ["p50", "p90", "p99", "p99.9"], COLOURS = ["good", "accent", "warning", "critical"];
const KEPT = 180;
let kept = null, chart = null, shown = "", second = -1;

async function load() {
  kept = "loading";
  try {
    await script("/static/vendor/uPlot.iife.min.js");
    kept = await api("latency");
    draw();
  } catch { kept = null; }  // the next second tries again
}

function take() {
  if (second === state.overview.second) return;
  second = state.overview.second;
  for (const row of state.latency || []) {
    const heat = kept.heat[row.name] ||= [], history = kept.history[row.name] ||= [];
    heat.push(row.column);
    history.push([Date.now() / 1e3, ...["p50", "p90", "p99", "p999"].map((name) => row.second[name])]);
    if (heat.length > KEPT) heat.shift();
    if (history.length > KEPT) history.shift();
  }
}

export function showLatency() {
  if (!kept) { second = state.overview.second; load(); return; }
  if (kept === "loading") return;
  take();
  const list = state.latency || [], names = list.map((one) => one.name);
  if ($("span").shown !== names.join()) {
    const before = $("span").value || "whole";
    $("span").shown = names.join();
    $("span").replaceChildren(...names.map((name) => make("option", name)));
    $("span").value = names.includes(before) ? before : names.at(-1) || "";
    $("span").onchange = draw;
  }
  const name = $("span").value, one = list.find((row) => row.name === name);
  say($("span-text"), one ? one.span : "");
  rows($("latency-table"), list, (row) => row.name, (row) => [row.name, row.span, whole(row.count), span(row.all.p50), span(row.all.p99),
    span(row.all.p999), span(row.all.max), row.second.count ? span(row.second.p99) : "–"]);
  showLines(kept.history[name] || [], name);
  showHeat(kept.heat[name] || []);
}

function showLines(history, name) {
  const box = $("percentiles"), key = [name, box.clientWidth, document.documentElement.dataset.theme].join();
  if (!history.length) return;
  const data = [history.map((row) => row[0]), ...NAMES.map((_, index) => history.map((row) => row[index + 1] || null))];
  if (shown !== key) {
    shown = key;
    chart?.destroy();
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    chart = new uPlot({
      width: box.clientWidth, height: 230, legend: { show: false }, cursor: { show: false },
      scales: { y: { distr: 3 } },
      axes: [axis, { ...axis, size: 66, values: (_, values) => values.map((value) => value == null ? "" : /^1?0*$/.test(String(value)) ? span(value) : "") }],
      series: [{}, ...NAMES.map((label, index) => ({ label, stroke: colour(COLOURS[index]), width: 1.5, points: { show: history.length < 4 } }))],
    }, data, box);
    $("percentiles-legend").replaceChildren(...NAMES.map((label, index) => {
      const item = make("span"), mark = make("i");
      mark.style.background = colour(COLOURS[index]);
      item.append(mark, label);
      return item;
    }));
  } else chart.setData(data);
}

function showHeat(columns) {
  const [context, width, height] = canvas($("heat")), edges = kept.edges_ns, left = 66, bottom = 18;
  const most = Math.max(1, ...columns.flat()), low = Math.min(...columns.map(first), edges.length - 1), high = Math.max(...columns.map(last), low + 4);
  const cell = (width - left) / KEPT, row = (height - bottom) / (high - low + 1);
  context.fillStyle = colour("raised");
  context.fillRect(left, 0, width - left, height - bottom);
  columns.forEach((column, index) => {
    const x = left + (KEPT - columns.length + index) * cell;
    for (let bucket = low; bucket <= high; bucket += 1) {
      if (!column[bucket]) continue;
      context.globalAlpha = 0.25 + 0.75 * Math.log1p(column[bucket]) / Math.log1p(most);
      context.fillStyle = colour("accent");
      context.fillRect(x, (high - bucket) * row, Math.max(1, cell), Math.ceil(row));
    }
  });
  context.globalAlpha = 1;
  context.fillStyle = colour("muted");
  context.textAlign = "right";
  for (let bucket = low; bucket <= high; bucket += Math.ceil((high - low + 1) / 8)) {
    context.fillText("≤ " + span(edges[bucket]), left - 6, (high - bucket) * row + row / 2 + 4);
  }
  context.textAlign = "left";
  context.fillText("3 min ago", left, height - 4);
  context.textAlign = "right";
  context.fillText("now", width, height - 4);
}

const first = (column) => { const at = column.findIndex(Boolean); return at < 0 ? column.length - 1 : at; };
const last = (column) => column.findLastIndex(Boolean);
