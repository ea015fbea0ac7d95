// The page: header, addresses of views (#/trade/BTC-USD), the user who is logged in.
import { $, button, h, icon, notice, say } from "./kit.js";
import { chooseLanguage, LANGUAGES, t } from "./words.js";
import { chosen, emit, on, portal, renewInstruments, shared } from "./store.js";
import { begin, forget, get, lend, login, open, post, put, renew } from "./api.js";
import { authenticate, connect, follow, link, reconnect } from "./stream.js";

const VIEWS = {
  markets: () => import("./views/markets.js"),
  trade: () => import("./views/trade.js"),
  orders: () => import("./views/orders.js"),
  portfolio: () => import("./views/portfolio.js"),
  quotes: () => import("./views/quotes.js"),
  ...(portal.books.length ? { books: () => import("./views/books.js") } : {}),
  wallet: () => import("./views/wallet.js"),
  notifications: () => import("./views/notifications.js"),
  account: () => import("./views/account.js"),
  login: () => import("./views/login.js"),
  signup: () => import("./views/login.js"),
  recover: () => import("./views/login.js"),
  undo: () => import("./views/undo.js"),
  status: () => import("./views/status.js"),
  operator: () => import("./views/operator.js"),
};
const NAV = ["markets", "trade", ...(portal.books.length ? ["books"] : []), "orders", ...(portal.makers?.length ? ["quotes"] : []), "portfolio", "wallet"];
const PUBLIC = new Set(["markets", "trade", "books", "login", "signup", "recover", "undo", "status", "operator"]);
let close = null, shownName = "", turn = 0, unfollow = () => {};

function header() {
  say($("venue"), portal.name);
  say($("skip"), t("skip"));
  $("nav").setAttribute("aria-label", t("nav.label"));
  $("nav").replaceChildren(...NAV.map((name) => h("a", { href: `#/${name}`, "data-view": name }, icon(name), h("span", {}, t(`nav.${name}`)))));
  const dark = document.documentElement.dataset.theme === "dark";
  const tools = [
    h("span", { id: "link", class: "link", role: "status" }),
    h("select", { id: "language", "aria-label": t("language"), onchange: (event) => language(event.target.value) },
      LANGUAGES.map(([name, text]) => h("option", { value: name, selected: name === document.documentElement.lang, lang: name }, text))),
    h("button", { type: "button", id: "theme", class: "round", "aria-label": t(dark ? "theme.light" : "theme.dark"), title: t(dark ? "theme.light" : "theme.dark"), onclick: theme }, icon("sun")),
  ];
  if (login.is) tools.push(
    h("a", { class: "round", href: "#/notifications", "data-view": "notifications", id: "bell", title: t("nav.notifications") }, icon("bell"), h("span", { id: "unread", class: "count" }), h("span", { class: "quiet" }, t("nav.notifications"))),
    h("a", { class: "round", href: "#/account", "data-view": "account", id: "me", title: t("nav.account") }, icon("user"), h("span", { class: "quiet" }, t("nav.account"))),
    button(t("logout"), logOut, "plain", { id: "logout" }));
  else tools.push(h("a", { class: "button", href: "#/login", id: "go-login" }, t("login")), h("a", { class: "button primary", href: "#/signup", id: "go-signup" }, t("signup")));
  $("tools").replaceChildren(...tools);
  say($("looking"), login.isSupport ? t("operator.looking", { mail: shared.me?.mail ?? "" }) : "");
  $("foot").replaceChildren(h("span", {}, t("foot.times", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })), " · ",
    h("span", {}, t("foot.charts"), " ", h("a", { href: "https://www.tradingview.com/", rel: "noreferrer" }, "TradingView Lightweight Charts\u2122"), " (",
      h("a", { href: "/page/vendor/lightweight-charts.LICENSE.txt" }, t("foot.licence")), "), \u00a9 2026 TradingView, Inc."), " · ",
    h("a", { href: "#/status" }, t("status.link")), " · ", h("a", { href: "/v1/openapi.json" }, t("foot.api")));
  showLink();
  showUnread();
}

function showLink() {
  const state = link.state;
  const chip = $("link");
  if (chip) { say(chip, t(`link.${state}`)); chip.dataset.state = state; }
  say($("lost"), state === "lost" ? t("link.lost.long") : "");
}

function showUnread() {
  const count = $("unread");
  if (count) say(count, shared.unread ? String(shared.unread > 99 ? "99+" : shared.unread) : "");
}

async function language(name) {
  chosen.set("language", name);
  await chooseLanguage(name);
  sendLanguage();
  header();
  await route(true);
  $("language").focus();
}

// Notifications and mails are in the language of the page.
function sendLanguage() {
  const name = document.documentElement.lang;
  if (!login.is || login.isSupport || !shared.me || shared.me.language === name) return;
  shared.me.language = name;
  put("/v1/language", { language: name }).catch(() => { /* the next visit sends it again */ });
}

function theme() {
  const root = document.documentElement, next = root.dataset.theme === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  chosen.set("theme", next);
  header();
  emit("theme", next);
  $("theme").focus();
}

export async function logOut() {
  try { await post("/v1/logout"); } catch { /* the cookie goes all the same */ }
  await forget();
  left();
}

function left() {
  shared.me = null;
  shared.unread = 0;
  unfollow();
  reconnect();
  header();
  location.hash = "#/login";
  route(true);
}

// After a login, however it was made.
export async function enter(pair, keep) {
  await begin(pair, keep);
  await known();
  header();
  const back = sessionStorage.getItem("back");
  sessionStorage.removeItem("back");
  authenticate();
  return back || "#/markets";
}

// Orders that programs enter share one notice: it counts them while it is there.
const others = { line: null, count: 0 };

function tell(one) {
  const number = one.data?.order, kind = one.event === "risk" || one.data?.state === "rejected" ? "bad" : "good";
  if (shared.told.has(number)) return;
  if (!number || shared.placed.has(number)) { notice(`${one.title}: ${one.text}`, kind); return; }
  others.count = others.line?.isConnected ? others.count + 1 : 1;
  const whole = `${one.title}: ${one.text}`, last = kind === "bad" ? whole : one.title;
  const text = others.count === 1 ? whole : t("notice.orders", { count: others.count, last });
  if (others.count > 1) { say(others.line, text); others.line.className = kind; } else others.line = notice(text, kind);
}

async function known() {
  shared.me = await get("/v1/me");
  sendLanguage();
  unfollow();
  const ends = [follow("notifications", "", (model) => {
    for (const one of model.fresh || []) {
      tell(one);
      shared.unread += 1;
      emit("notification", one);
    }
    showUnread();
  }), follow("orders", "", (model) => emit("orders", model)), follow("fills", "", () => {}), follow("balances", "", () => {})];
  unfollow = () => ends.forEach((end) => end());
  get("/v1/notifications", { limit: 1 }).then((page) => { shared.unread = page.unread || 0; showUnread(); }).catch(() => {});
}

// Show an operator the pages of a user; the operator can change nothing there.
async function look(lent) {
  unfollow();
  reconnect();
  lend(lent);
  await known();
  header();
  authenticate();
  location.hash = "#/portfolio";
}

export async function refreshMe() {
  shared.me = await get("/v1/me");
}

async function route(again = false) {
  if (location.hash === "#main") return $("main").focus();
  const mine = turn += 1;
  $("main").setAttribute("aria-busy", "true");
  try { await show(mine, again); } finally { if (mine === turn) $("main").removeAttribute("aria-busy"); }
}

async function show(mine, again) {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map((one) => { try { return decodeURIComponent(one); } catch { return one; } });
  const view = VIEWS[name] ? name : "markets";
  if (!PUBLIC.has(view) && !login.is) {
    sessionStorage.setItem("back", location.hash);
    location.replace("#/login");
    return;
  }
  let loaded;
  try { loaded = await VIEWS[view](); } catch { notice(t("error.offline"), "bad"); return; }
  if (mine !== turn) return;
  close?.();
  close = null;
  document.querySelectorAll("dialog[open]").forEach((one) => one.close());
  document.querySelectorAll("[data-view]").forEach((one) => one.dataset.view === view ? one.setAttribute("aria-current", "page") : one.removeAttribute("aria-current"));
  const root = h("div", { class: `view ${view}`, "data-shown": view });
  $("main").replaceChildren(root);
  document.title = `${t(`nav.${view}`)} – ${portal.name}`;
  if (shownName && shownName !== view && !again) { scrollTo(0, 0); $("main").focus({ preventScroll: true }); }
  shownName = view;
  const end = await loaded.show(root, rest, view) || null;
  // Somebody may have gone on meanwhile: then this view ends now, and another one's end is kept.
  if (mine === turn) close = end;
  else end?.();
  performance.mark("interactive");
}

// A login by another provider comes back with a code. One that this tab did not begin is somebody
// else's: a link with it would log its reader in to that person's account.
async function provider() {
  const query = new URLSearchParams(location.search), begun = sessionStorage.getItem("provider");
  if (!query.get("code") || !query.get("state")) return;
  history.replaceState(null, "", "/");
  sessionStorage.removeItem("provider");
  if (query.get("state") !== begun) return;
  try {
    const pair = await open("POST", "/v1/login/provider", { state: query.get("state"), code: query.get("code") });
    location.hash = await enter(pair, true);
  } catch (problem) { notice(t(`error.${problem.code}`), "bad"); location.hash = "#/login"; }
}

async function start() {
  await chooseLanguage(document.documentElement.lang);
  header();
  login.ended = () => { notice(t("session.ended"), "bad"); left(); };
  on("link", showLink);
  on("unread", showUnread);
  on("look", look);
  on("terms", () => route(true));
  let renewing = null;
  on("rules", () => { renewing ||= open("GET", "/v1/instruments").then(renewInstruments).catch(() => {}).finally(() => { renewing = null; }); });
  on("authenticated", async () => {
    if (!shared.me || shared.me.is_open) return;
    await refreshMe().catch(() => {});
    if (["wallet", "account"].includes(shownName)) route(true);
  });
  addEventListener("hashchange", () => route());
  connect();
  const instruments = open("GET", "/v1/instruments").then((rows) => { shared.instruments = rows; }).catch(() => { notice(t("error.offline"), "bad"); });
  if (chosen.get("known")) { try { await renew(); await known(); header(); authenticate(); } catch { chosen.set("known", false); } }
  await instruments;
  await provider();
  await route();
}

start();
