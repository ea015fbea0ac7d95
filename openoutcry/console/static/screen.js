// The participants' page: which view is shown, and its status.
import { $, say } from "./kit.js";
import { draw, open, state, wish } from "./link.js";
import { setUpMarket, showMarket, takeMarket } from "./market.js";
import { setUpOrders, settlePending, showFills, showOrders, showPositions } from "./orders.js";
import { setUpMargin, showMargin } from "./margin.js";
import { loadRules, setUpAlerts, showAlerts, takeNotices } from "./alerts.js";

const views = {
  trade: () => { showMarket(); showOrders(); }, fills: showFills, positions: () => { showPositions(); showMargin(); }, alerts: showAlerts,
};
let view = "trade";

function take(message) {
  Object.assign(state, message);
  if (message.market) takeMarket(message.market);
  if (message.notices) takeNotices(message.notices);
  if (message.orders) settlePending();
}

function show() {
  if (!state.link) return;
  const { link } = state, one = state.instruments.find((row) => row.symbol === $("symbol").value);
  say($("state"), "venue: " + state.state);
  $("state").className = "chip " + ({ open: "good", closed: "warning" }[state.state] || "critical");
  say($("session"), "session: " + link.state);
  $("session").title = link.problem || "";
  $("session").className = "chip " + ({ ready: "good", recovering: "warning" }[link.state] || "critical");
  $("send").disabled = link.state !== "ready";
  if (one) {
    say($("phase"), one.halted ? "halted" : one.state !== "trading" ? one.state : one.phase.toLowerCase().replaceAll("_", " ") || "closed");
    $("phase").className = "chip " + (one.halted ? "critical" : one.phase === "CONTINUOUS" ? "good" : "warning");
  }
  document.title = `${state.venue} · ${state.me.name} · ${(state.orders || []).filter((row) => row.state === "open").length} open`;
  views[view]();
}

function route() {
  const wanted = location.hash.slice(1);
  view = wanted in views ? wanted : "trade";
  for (const name of Object.keys(views)) $("view-" + name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + view) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  wish();
  draw();
}

addEventListener("hashchange", route);
setUpOrders();
setUpAlerts();
setUpMargin();
await open({
  take, draw: show,
  credentials: () => ({ name: $("login-name").value, password: $("login-password").value }),
  enter: async (me) => {
    say($("who"), me.name);
    setUpMarket();
    route();
    await loadRules();
  },
  wish: () => ({ every_ms: view === "trade" ? 100 : 500, symbol: view === "trade" ? $("symbol").value : "" }),
});
