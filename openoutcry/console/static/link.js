// What both pages have: who is logged in, the API, the WebSocket, one drawing a frame, the theme.
import { $, decimal, make, say } from "./kit.js";

export const state = { me: null, venue: "", instruments: [] };
let page = null, socket = null, drawn = false, retry_ms = 500;

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

/** Tell the venue that there is somebody at the page, once a minute at most: without that it logs out. */
let toldSeen = 0;
for (const event of ["pointerdown", "keydown", "wheel"]) addEventListener(event, () => {
  if (!state.me || Date.now() - toldSeen < 60_000) return;
  toldSeen = Date.now();
  api("seen", {}).catch(() => {});
}, { passive: true });

// Units of an asset, or of margin accounts' money, as decimal text: every amount on a page is made here.
export function amount(units, asset = state.me.money.asset) {
  const places = state.me.money.decimals[asset] ?? 0;
  return units == null ? "" : decimal(units, places, places);
}

// A float of the money's units.
export const greek = (units) => units == null ? "" : (Number(units) / 10 ** (state.me.money.decimals[state.me.money.asset] ?? 0)).toPrecision(5);

export const isAmount = (limit) => state.me.money.limits.includes(limit);

export const notice = (text, bad = false) => popUp([{ text, bad }]);

export function popUp(all) {
  $("notice").replaceChildren(...all.map((one) => make("p", one.text, one.bad ? "bad" : "")));
  clearTimeout(popUp.timer);
  popUp.timer = setTimeout(() => $("notice").replaceChildren(), 15_000);
}

export function showLogin() {
  state.me = null;
  if (socket) { socket.onclose = null; socket.close(); socket = null; }
  document.querySelectorAll("dialog[open]").forEach((one) => one.close());
  $("app").hidden = true;
  $("login").hidden = false;
  page.login?.();
  say($("login-venue"), state.venue);
  $("login-name").focus();
}

async function enter(me) {
  state.instruments = await api("instruments");
  state.me = me;
  $("login").hidden = true;
  $("app").hidden = false;
  say($("venue"), state.venue);
  await page.enter(me);
  connect();
}

function connect() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onopen = () => { state.epoch = crypto.randomUUID?.() || String(Math.random()); retry_ms = 500; say($("link"), ""); wish(); };
  socket.onmessage = (event) => { page.take(JSON.parse(event.data)); draw(); };
  socket.onclose = (event) => {
    socket = null;
    if (!state.me) return;
    if (event.code === 4401) return showLogin();
    say($("link"), "no connection: trying again");
    document.body.dataset.health = "critical";
    setTimeout(() => fetch("/api/hello").then((answer) => answer.json())
      .then((hello) => hello.me ? again(hello.me) : showLogin()).catch(connect), retry_ms);
    retry_ms = Math.min(retry_ms * 2, 10_000);
  };
}

function again(me) {
  state.me = me;
  connect();
}

// How often the page is told, and of which instrument.
export function wish() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(page.wish()));
}

// At most once a frame, and only what is shown.
export function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => { drawn = false; if (state.me) page.draw(); });
}

// page: login() when nobody is logged in, credentials(), enter(me), take(message), wish(), draw().
export async function open(wanted) {
  page = wanted;
  $("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    say($("login-error"), "");
    try {
      const { me } = await api("login", page.credentials());
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
  addEventListener("resize", draw);
  const hello = await window.hello;
  Object.assign(state, { venue: hello.venue, codes: hello.codes });
  if (hello.me) await enter(hello.me); else showLogin();
}
