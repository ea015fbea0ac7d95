// The operators' page: which view is shown, and its status.
import { $, clock, say } from "./kit.js";
import { draw, open, state, wish } from "./link.js";
import { setUpActions } from "./actions.js";
import { showOverview, showWaiting } from "./overview.js";
import { showLatency } from "./latency.js";
import { showMarket, setUpMarket, takeMarket } from "./market.js";
import { showAlarms, showCases, showCustody, showIdentities, showJournal, showLog, showParticipants, showPhases, showSessions, setUpLists } from "./lists.js";
import { showMargins, setUpMargins } from "./margins.js";
import { showReplication } from "./replication.js";

const views = {
  overview: showOverview, latency: showLatency, market: showMarket, sessions: showSessions,
  participants: showParticipants, phases: showPhases, alarms: showAlarms, cases: showCases, journal: showJournal, log: showLog,
  replication: showReplication, identities: showIdentities, custody: showCustody, margins: showMargins,
};
const MAX_LOG = 2_000;
let view = "overview";
Object.assign(state, { now: null, overview: null, log: [], fast: false, hurried: 0 });

export const listeners = new Set();

// What was done is shown soon: for two seconds the page is told five times a second.
export function hurry() {
  state.hurried += 1;
  wish();
  setTimeout(() => { state.hurried -= 1; wish(); }, 2_000);
}

function take(message) {
  state.now = message.now;
  if (message.overview) Object.assign(state, message, { overview: message.overview, log: state.log });
  if (message.log) {
    state.log = message.log.concat().reverse().concat(state.log).slice(0, MAX_LOG);
    for (const listener of listeners) listener(message.log);
  }
  if (message.market) takeMarket(message.market);
}

function show() {
  if (!state.overview) return;
  showHeader();
  views[view]();
}

function showHeader() {
  const { overview } = state, firing = (state.alarms || []).filter((one) => !one.acknowledged);
  const words = { good: "good", warning: "warning", critical: "critical" };
  say($("state"), overview.state);
  $("state").className = "chip " + ({ open: "good", closed: "warning" }[overview.state] || "critical");
  say($("health"), "health: " + words[overview.health]);
  $("health").className = "chip " + overview.health;
  document.body.dataset.health = overview.health;
  say($("time"), overview.time ? clock(overview.time) + " UTC" : "");
  say($("alarm-count"), firing.length || "");
  document.title = (firing.length ? `(${firing.length}) ` : "") + overview.venue + " · " + overview.state;
  showWaiting();
}

function route() {
  const wanted = location.hash.slice(1);
  view = wanted in views ? wanted : "overview";
  for (const name of Object.keys(views)) $("view-" + name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + view) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest", inline: "center" }); }
    else link.removeAttribute("aria-current");
  }
  wish();
  draw();
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (!state.me || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  const names = Object.keys(views);
  if (event.key >= "0" && event.key <= "9") location.hash = names[(Number(event.key) + 9) % 10];
  if (event.key === "r") location.hash = "replication";
  if (event.key === "c") location.hash = "custody";
  if (event.key === "m") location.hash = "margins";
  if (event.key === "/") { event.preventDefault(); location.hash = "log"; setTimeout(() => $("search").focus()); }
});
setUpActions();
setUpLists();
setUpMargins();
await open({
  take, draw: show,
  login: () => { $("login-code-row").hidden = !state.codes; },
  credentials: () => ({ name: $("login-name").value, password: $("login-password").value, code: $("login-code").value }),
  enter: (me) => {
    say($("who"), `${me.name} · ${me.role}`);
    document.body.dataset.role = me.role;
    setUpMarket();
    route();
  },
  // Once a second, the market ten times, an emergency fifty times.
  wish: () => ({
    every_ms: state.fast ? 20 : view === "market" ? 100 : state.hurried ? 200 : 1_000,
    symbol: view === "market" ? $("symbol").value : "",
  }),
});
