// Health at a glance, and the topology table drawn as it runs.
import { $, bytes, make, say, short, span, whole } from "./kit.js";
import { api, state } from "./link.js";

const SVG = "http://www.w3.org/2000/svg";
let topology = null, picture = null, topology_run = "";

export function showOverview() {
  showTiles();
  showTopology();
}

function tile(name, text, kind = "good") { return { name, text, kind }; }

function tiles() {
  const { now, overview, journal, clock: time } = state, risk = overview.market.risk || {};
  const sessions = overview.market.sessions || [], connected = sessions.filter((one) => one.connected).length;
  const whole_span = (state.latency || []).find((one) => one.name === "whole"), firing = overview.firing;
  const off = [["killed", "participants"], ["halted", "instruments"], ["groups_killed", "groups"]]
    .filter(([key]) => risk[key]?.length).map(([key, what]) => `${risk[key].length} ${what}`);
  const stopped = risk.emergency_step ? `emergency: step ${risk.emergency_step}` : risk.market_killed ? "market killed" : off.join(", ");
  const fullest = (now.rings || []).reduce((worst, one) => one.fill > worst.fill ? one : worst, { fill: 0, name: "" });
  const down = (now.stages || []).filter((one) => !one.alive || one.stalled);
  const feed = overview.market.feed;
  const left = journal?.disk_size_bytes ? journal.disk_available_bytes / journal.disk_size_bytes : 1;
  return [
    tile("state", overview.state, overview.state === "open" ? "good" : "critical"),
    tile("alarms", firing ? `${firing} firing` : "none", firing ? (overview.health === "critical" ? "critical" : "warning") : "good"),
    tile("commands", now.commands == null ? "–" : `${short(now.commands_per_s)}/s`),
    tile("trades", short(now.trades ?? 0)),
    tile("sent → replied, p99", whole_span ? span(whole_span.second.count ? whole_span.second.p99 : null) : "–"),
    tile("not yet durable", now.durable_lag == null ? "–" : whole(now.durable_lag)),
    tile("open orders", now.open_orders == null ? "–" : `${short(now.open_orders)} of ${short(now.order_capacity)}`,
      now.open_orders > 0.9 * now.order_capacity ? "warning" : "good"),
    tile("sessions", `${connected} of ${sessions.filter((one) => one.name).length}`),
    tile("switched off", stopped || "nothing", stopped ? "warning" : "good"),
    tile("fullest queue", fullest.name ? `${fullest.name} ${Math.round(100 * fullest.fill)} %` : "all empty", fullest.fill > 0.5 ? "warning" : "good"),
    tile("stages", down.length ? down.map((one) => one.name).join(", ") : `${(now.stages || []).length} up`, down.length ? "critical" : "good"),
    ...(feed && "up" in feed ? [tile("market data", feed.up ? "up" : "feed down", feed.up ? "good" : "critical")] : []),
    tile("disk left", journal?.disk_size_bytes ? bytes(journal.disk_available_bytes) : "–", left < 0.1 ? "warning" : "good"),
    tile(`clock${time?.source ? ": " + time.source : ""}`, time?.error || !time?.state ? "unknown" : time.state.replace("_", " "), time?.rts25?.holds ? "good" : "warning"),
  ];
}

function showTiles() {
  const box = $("tiles"), wanted = tiles();
  if (box.children.length !== wanted.length) {
    box.replaceChildren(...wanted.map(() => { const element = make("div", "", "tile"); element.append(make("b"), make("span")); return element; }));
  }
  wanted.forEach((one, index) => {
    const [text, name] = box.children[index].children;
    say(text, one.text);
    text.title = one.text;
    say(name, one.name);
    box.children[index].className = "tile " + one.kind;
  });
}

// What one person has asked for, and another one has to.
export function showWaiting() {
  const risk = state.overview.market.risk || {}, lines = (risk.waiting || []).map((one) => `${one.asked_by} requests: ${one.what}. Another supervisor must make the same request to confirm it.`);
  if (risk.reopening_asked_by) lines.push(`${risk.reopening_asked_by} requests to open the market. Another supervisor confirms it under Phases.`);
  $("waiting").hidden = !lines.length;
  if ($("waiting").shown !== lines.join()) {
    $("waiting").shown = lines.join();
    $("waiting").replaceChildren(make("h3", "Waits for a second person"), ...lines.map((line) => make("div", line)));
  }
}

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Columns in the data's order: a stage is right of whoever writes what it reads.
function columns(stages) {
  const writer = new Map(stages.map((one) => [one.writes, one.name])), depth = new Map();
  const of = (stage) => {
    if (!depth.has(stage.name)) {
      depth.set(stage.name, 0);
      const before = [...stage.reads.map((ring) => writer.get(ring)), ...stage.gated_by].filter((name) => name && name !== stage.name);
      depth.set(stage.name, Math.max(-1, ...before.map((name) => of(stages.find((one) => one.name === name)))) + 1);
    }
    return depth.get(stage.name);
  };
  const grid = [];
  for (const stage of stages) (grid[of(stage)] ||= []).push(stage);
  return grid;
}

async function showTopology() {
  const run = (state.now.stages || []).map((one) => one.name).join();
  if (run !== topology_run) {
    topology_run = run;
    topology = run ? await api("topology").catch(() => null) : null;
    picture = null;
  }
  const box = $("topology"), narrow = box.clientWidth < 620;
  if (!topology?.stages.length) { if (box.dataset.none !== "yes") { box.dataset.none = "yes"; box.replaceChildren(make("p", "No pipeline is running.", "muted")); } return; }
  box.dataset.none = "";
  if (!picture || picture.narrow !== narrow) picture = drawn(box, topology, narrow);
  update(picture);
}

const BOX = { width: 112, height: 46 };

function drawn(box, { stages, rings }, narrow) {
  const grid = columns(stages), gap = narrow ? 62 : 86, most = Math.max(...grid.map((one) => one.length));
  const step = narrow ? 128 : 74, across = most * step, along = grid.length * ((narrow ? BOX.height : BOX.width) + gap);
  const place = new Map();
  grid.forEach((column, depth) => column.forEach((stage, index) => {
    const long = depth * ((narrow ? BOX.height : BOX.width) + gap) + gap / 2, wide = (across - column.length * step) / 2 + index * step;
    place.set(stage.name, narrow ? [wide + 8, long] : [long, wide + 14]);
  }));
  const size = narrow ? [across + 16, along] : [along, across + 28];
  const image = svg("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img", "aria-label": "Stages and queues of the run, with rates" });
  if (!narrow) image.style.maxHeight = "420px"; else image.style.maxWidth = `${size[0] * 1.3}px`;
  const diagram = { narrow, rings: new Map(), stages: new Map() };
  const lines = image.appendChild(svg("g", {})), boxes = image.appendChild(svg("g", {}));
  for (const ring of rings) drawRing(diagram, lines, boxes, ring, stages, place, narrow);
  for (const stage of stages) {
    for (const gate of stage.gated_by) if (place.has(gate)) lines.append(svg("path", { class: "gate", d: line(place.get(gate), place.get(stage.name), narrow) }));
    const [x, y] = place.get(stage.name), group = boxes.appendChild(svg("g", {}));
    const body = group.appendChild(svg("rect", { class: "stage", x, y, width: BOX.width, height: BOX.height, rx: 5 }));
    group.append(svg("text", { x: x + BOX.width / 2, y: y + 19, "text-anchor": "middle" }, stage.name));
    const small = group.appendChild(svg("text", { x: x + BOX.width / 2, y: y + 36, "text-anchor": "middle", class: "small" }, ""));
    const title = group.appendChild(svg("title", {}, stage.span));
    diagram.stages.set(stage.name, { body, small, title });
  }
  box.replaceChildren(image);
  return diagram;
}

function line([x1, y1], [x2, y2], narrow) {
  if (narrow) {
    const [fx, fy, tx, ty] = [x1 + BOX.width / 2, y1 + BOX.height, x2 + BOX.width / 2, y2], bend = (ty - fy) / 2;
    return `M${fx} ${fy}C${fx} ${fy + bend} ${tx} ${ty - bend} ${tx} ${ty}`;
  }
  const [fx, fy, tx, ty] = [x1 + BOX.width, y1 + BOX.height / 2, x2, y2 + BOX.height / 2], bend = (tx - fx) / 2;
  return `M${fx} ${fy}C${fx + bend} ${fy} ${tx - bend} ${ty} ${tx} ${ty}`;
}

// A ring is the line from its writer to its readers; its label and level stand at the first one.
function drawRing(diagram, lines, boxes, ring, stages, place, narrow) {
  const from = stages.find((one) => one.writes === ring.name), to = stages.filter((one) => one.reads.includes(ring.name));
  const paths = [];
  let label = null;
  const above = diagram.outside ||= new Map();
  for (const stage of to) {
    const end = place.get(stage.name), start = from ? place.get(from.name) : null;
    if (start) paths.push(lines.appendChild(svg("path", { class: "flow", d: line(start, end, narrow) })));
    label ??= start ? narrow
      ? [(start[0] + end[0]) / 2 + BOX.width / 2 + 5, (start[1] + BOX.height + end[1]) / 2 - 8]
      : [start[0] + BOX.width + 6, start[1] + BOX.height / 2 - 7]
      : outside(above, stage.name, end, narrow);
    if (!start) break;
  }
  if (!label) return;
  const [x, y] = label;
  const name = boxes.appendChild(svg("text", { x, y, class: "small" }, ring.name));
  const rate = boxes.appendChild(svg("text", { x, y: y + 24, class: "small" }, ""));
  boxes.append(svg("rect", { class: "trough", x, y: y + 4, width: 64, height: 5, rx: 2 }));
  const level = boxes.appendChild(svg("rect", { class: "level", x, y: y + 4, width: 0, height: 5, rx: 2 }));
  if (!from) { name.textContent = ring.name.replace("_lane", " lane"); }
  diagram.rings.set(ring.name, { paths, rate, level });
}

// A ring that somebody outside of the table writes stands beside its reader.
function outside(above, name, [x, y], narrow) {
  const count = above.get(name) || 0;
  above.set(name, count + 1);
  return narrow ? [x + BOX.width + 8, y + 8 + 42 * count] : [x, y + BOX.height + 16 + 42 * count];
}

function update(shown) {
  const p99 = new Map((state.latency || []).map((one) => [one.name, one.second.count ? one.second.p99 : null]));
  for (const ring of state.now.rings || []) {
    const one = shown.rings.get(ring.name);
    if (!one) continue;
    say(one.rate, `${short(ring.per_s)}/s`);
    one.level.setAttribute("width", Math.max(ring.fill > 0 ? 2 : 0, 64 * Math.min(1, ring.fill)));
    one.level.setAttribute("class", ring.fill > 0.8 ? "level full" : "level");
    for (const path of one.paths) path.setAttribute("class", ring.per_s > 0 ? "flow busy" : "flow");
  }
  for (const stage of state.now.stages || []) {
    const one = shown.stages.get(stage.name);
    if (!one) continue;
    one.body.setAttribute("class", "stage " + (!stage.alive ? "down" : stage.stalled ? "stalled" : "up"));
    say(one.small, !stage.alive ? "down" : stage.stalled ? "stalled" : p99.get(stage.name) ? `p99 ${span(p99.get(stage.name))}` : stage.core == null ? "up" : `core ${stage.core}`);
    say(one.title, `${stage.name}: ${stage.alive ? "up" : "down"}, heartbeat ${span(stage.heartbeat_age_ns)} ago, ${stage.restarts} restarts`);
  }
}
