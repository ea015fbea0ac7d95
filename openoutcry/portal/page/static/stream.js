// The stream: one WebSocket, a model of each channel that is followed.  After a lost connection it
// continues where it was, by the number of the last message; a gap begins a channel again.
import { login, renew, token } from "./api.js";
import { emit, instrument } from "./store.js";

const OWN = new Set(["orders", "fills", "balances", "notifications", "quotes"]);
// Each message has all, and may change by time alone.
const WHOLE = new Set(["ticker", "statistics"]);
const BEAT_MS = 4_000, SILENT_MS = 12_000, TRADES = 200, FILLS = 500;
const channels = new Map();
let socket = null, heard = 0, retry_ms = 250, beat = 0, authenticated = false, due = false, timer = 0;
export const link = { state: "connecting" };

function become(state) {
  if (link.state === state) return;
  link.state = state;
  document.body.dataset.link = state;
  emit("link", state);
}

const name = (channel, symbol) => `${channel} ${symbol}`;

function empty(channel) {
  if (channel === "book") return { bids: new Map(), asks: new Map(), ready: false };
  if (channel === "orders") return { open: new Map(), changed: [], ready: false };
  if (channel === "quotes") return { rows: new Map(), began: 0, ready: false };
  return { list: [], row: null, ready: false };
}

// Gives a function that ends it; ``take`` is called with the model at each change, once a frame.
export function follow(channel, symbol, take) {
  const key = name(channel, symbol);
  let one = channels.get(key);
  if (!one) {
    one = { channel, symbol, seq: 0, model: empty(channel), takers: new Set(), dirty: false };
    channels.set(key, one);
    subscribe(one);
  }
  one.takers.add(take);
  if (one.model.ready) take(one.model);
  return () => {
    one.takers.delete(take);
    if (one.takers.size || channels.get(key) !== one) return;
    channels.delete(key);
    tell({ op: "unsubscribe", channel, ...(symbol ? { symbol } : {}) });
  };
}

function tell(request) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}

function subscribe(one) {
  if (OWN.has(one.channel) && !authenticated) return;
  tell({ op: "subscribe", channel: one.channel, ...(one.symbol ? { symbol: one.symbol } : {}), ...(one.seq ? { after: one.seq } : {}) });
}

export function connect() {
  clearTimeout(timer);
  if (socket) return;
  authenticated = false;
  // A browser delays connections after others have failed: this one has as long as any message.
  heard = Date.now();
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/v1/stream");
  const mine = socket;
  socket.onopen = async () => {
    heard = Date.now();
    for (const one of channels.values()) if (!OWN.has(one.channel)) subscribe(one);
    tell({ op: "ping" });
    await authenticate();
  };
  socket.onmessage = (event) => { if (mine === socket) { heard = Date.now(); received(JSON.parse(event.data)); } };
  socket.onclose = () => { if (mine === socket) lost(); };
  clearInterval(beat);
  beat = setInterval(() => {
    if (Date.now() - heard > SILENT_MS) return lost();
    tell({ op: "ping" });
  }, BEAT_MS);
}

function lost() {
  drop();
  authenticated = false;
  become("lost");
  clearTimeout(timer);
  timer = setTimeout(connect, retry_ms);
  retry_ms = Math.min(retry_ms * 2, 5_000);
}

// Own channels begin or end with the login.
export async function authenticate() {
  if (!login.is) return;
  try { tell({ op: "auth", token: await token(), id: "auth" }); } catch { /* the view says it */ }
}

// Another connection, without a login: what the last person followed is forgotten.
export function reconnect() {
  for (const one of channels.values()) if (OWN.has(one.channel)) { one.seq = 0; one.model = empty(one.channel); }
  drop();
  retry_ms = 250;
  connect();
}

function drop() {
  const old = socket;
  socket = null;
  if (!old) return;
  old.onclose = null;
  old.onmessage = null;
  if (old.readyState === WebSocket.CONNECTING) old.onopen = () => old.close(); else old.close();
}

addEventListener("online", () => { if (!socket) connect(); });

function received(message) {
  if (message.type === "pong") { retry_ms = 250; become("live"); return; }
  if (message.type === "authenticated") {
    authenticated = true;
    emit("authenticated");
    for (const one of channels.values()) if (OWN.has(one.channel)) subscribe(one);
    return;
  }
  if (message.type === "error") {
    // The session has ended, or the venue has not added the account yet.
    if (message.code === "not_logged_in") renew().then(authenticate).catch((problem) => { if (problem.status === 401 && login.is) { login.is = false; login.ended(); } });
    else if (message.id === "auth") setTimeout(authenticate, 2_000);
    return;
  }
  if (message.type !== "snapshot" && message.type !== "update") return;
  const one = channels.get(name(message.channel, message.symbol || ""));
  if (!one) return;
  if (message.type === "update") {
    if (one.waits || (message.seq <= one.seq && !WHOLE.has(one.channel))) return;
    if (message.prev > one.seq) { one.seq = 0; one.waits = true; subscribe(one); return; }
  }
  one.waits = false;
  take(one, message);
  one.seq = message.seq;
  one.model.ready = true;
  one.dirty = true;
  if (!due) { due = true; requestAnimationFrame(show); }
}

// A window in the background has no frames: it is brought up to date once it is looked at.
function show() {
  due = false;
  for (const one of channels.values()) {
    if (!one.dirty) continue;
    one.dirty = false;
    for (const go of one.takers) go(one.model);
    if (one.channel === "orders") one.model.changed = [];
    if (one.channel === "fills" || one.channel === "notifications") one.model.fresh = [];
  }
}

function take(one, { type, data }) {
  const { channel, model } = one;
  if (channel === "book") {
    if (type === "snapshot") { model.bids = new Map(data.bids); model.asks = new Map(data.asks); return; }
    for (const side of ["bids", "asks"]) for (const [price, quantity] of data[side]) {
      if (/^[0.]+$/.test(quantity)) model[side].delete(price); else model[side].set(price, quantity);
    }
  } else if (channel === "ticker") { model.row = data; if (data.rules !== instrument(data.symbol)?.rules) emit("rules"); }
  else if (channel === "statistics") model.row = data;
  else if (channel === "trades") {
    model.fresh = data.length;
    model.list = (type === "snapshot" ? [] : model.list).concat(data).slice(-TRADES);
  } else if (channel === "orders") {
    if (type === "snapshot") model.open = new Map();
    for (const order of data) {
      if (order.state === "open") model.open.set(order.id, order); else model.open.delete(order.id);
    }
    if (type === "update") model.changed = model.changed.concat(data);
  } else if (channel === "fills") {
    const known = new Set(model.list.map((fill) => fill.id));
    const fresh = data.filter((fill) => !known.has(fill.id));
    if (type === "update") model.fresh = (model.fresh || []).concat(fresh);
    model.list = model.list.concat(fresh).slice(-FILLS);
  } else if (channel === "notifications") {
    model.fresh = (model.fresh || []).concat(type === "update" ? data : []);
    model.list = model.list.concat(data);
  } else if (channel === "quotes") {
    if (type === "snapshot") { model.rows = new Map(); model.began += 1; }
    for (const row of data) model.rows.set(row.id, row);
  } else model.list = data;
}
