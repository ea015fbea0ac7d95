// The page: who is logged in, the WebSocket, which view is shown.
import { $, clock, say } from "./kit.js";
import { setUpActions } from "./actions.js";
import { showOverview, showWaiting } from "./overview.js";
import { showLatency } from "./latency.js";
import { showMarket, setUpMarket, takeMarket } from "./market.js";
import { showAlarms, showJournal, showLog, showParticipants, showPhases, showSessions, setUpLists } from "./lists.js";

export const state = { me: null, venue: "", codes: false, now: null, overview: null, log: [], instruments: [], fast: false };
const views = {
  overview: showOverview, latency: showLatency, market: showMarket, sessions: showSessions,
  participants: showParticipants, phases: showPhases, alarms: showAlarms, journal: showJournal, log: showLog,
};
const LOG_MOST = 2_000;
let socket = null, view = "overview", drawn = false, retry_ms = 500;

export async function api(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json", "x-csrf-token": state.me?.csrf || "" },
  };
  const answer = await fetch("/api/" + path, { ...options, credentials: "same-origin" });
  const document = await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  if (answer.status === 401 && path !== "login") showLogin();
  const detail = typeof document.detail === "string" ? document.detail
    : (document.detail || []).map((one) => one.loc.at(-1) + ": " + one.msg).join("; ");
  throw Object.assign(new Error(detail || "error " + answer.status), { status: answer.status });
}

export function notice(text, bad = false) {
  const line = document.createElement("p");
  line.textContent = text;
  if (bad) line.className = "bad";
  $("notice").replaceChildren(line);
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => line.remove(), 15_000);
}

function showLogin() {
  state.me = null;
  if (socket) { socket.onclose = null; socket.close(); socket = null; }
  document.querySelectorAll("dialog[open]").forEach((one) => one.close());
  $("app").hidden = true;
  $("login").hidden = false;
  $("login-code-row").hidden = !state.codes;
  say($("login-venue"), state.venue);
  $("login-name").focus();
}

async function enter(me) {
  state.me = me;
  $("login").hidden = true;
  $("app").hidden = false;
  say($("venue"), state.venue);
  say($("who"), `${me.name} · ${me.role}`);
  document.body.dataset.role = me.role;
  state.instruments = await api("instruments");
  setUpMarket();
  route();
  connect();
}

function connect() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onopen = () => { retry_ms = 500; say($("link"), ""); wish(); };
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = (event) => {
    socket = null;
    if (!state.me) return;
    if (event.code === 4401) return showLogin();
    say($("link"), "no connection to the console: trying again");
    document.body.dataset.health = "critical";
    setTimeout(() => fetch("/api/hello").then((answer) => answer.json())
      .then((hello) => hello.me ? connect() : showLogin()).catch(connect), retry_ms);
    retry_ms = Math.min(retry_ms * 2, 10_000);
  };
}

// How often the page is told: once a second, the market ten times, an emergency fifty times.
export function wish() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const every_ms = state.fast ? 20 : view === "market" ? 100 : 1_000;
  socket.send(JSON.stringify({ every_ms, symbol: view === "market" ? $("symbol").value : "" }));
}

function take(told) {
  state.now = told.now;
  if (told.overview) Object.assign(state, told, { overview: told.overview, log: state.log });
  if (told.log) {
    state.log = told.log.concat().reverse().concat(state.log).slice(0, LOG_MOST);
    state.fresh = told.log;
    for (const listener of listeners) listener(told.log);
  }
  if (told.market) takeMarket(told.market);
  draw();
}

export const listeners = new Set();

// At most once a frame, and only what is shown.
export function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    if (!state.me || !state.overview) return;
    showHeader();
    views[view]();
  });
}

function showHeader() {
  const { overview } = state, firing = (state.alarms || []).filter((one) => one.state === "firing" && !one.acknowledged);
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

function setUp() {
  $("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    say($("login-error"), "");
    try {
      const body = { name: $("login-name").value, password: $("login-password").value, code: $("login-code").value };
      const { me } = await api("login", body);
      $("login-form").reset();
      await enter(me);
    } catch (error) { say($("login-error"), error.message); }
  });
  $("logout").addEventListener("click", async () => { await api("logout", {}).catch(() => {}); showLogin(); });
  $("theme").addEventListener("click", () => {
    const root = document.documentElement, theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme = theme);
    dispatchEvent(new Event("theme"));
    draw();
  });
  addEventListener("hashchange", route);
  addEventListener("resize", draw);
  addEventListener("keydown", (event) => {
    if (!state.me || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog")) return;
    const names = Object.keys(views);
    if (event.key >= "1" && event.key <= "9") location.hash = names[event.key - 1];
    if (event.key === "/") { event.preventDefault(); location.hash = "log"; setTimeout(() => $("search").focus()); }
  });
  setUpActions();
  setUpLists();
}

setUp();
const hello = await window.hello;
Object.assign(state, { venue: hello.venue, codes: hello.codes });
if (hello.me) await enter(hello.me); else showLogin();
