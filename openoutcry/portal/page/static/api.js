// Requests.  The access token is in memory; the refresh token is in a cookie that no script reads.
import { chosen } from "./store.js";

let access = "", until = 0, renewing = null;
export const login = { is: false, isSupport: false, ended: () => {} };

export class Problem extends Error {
  constructor(status, code, detail, retry = 0) {
    super(detail || code);
    Object.assign(this, { status, code, detail, retry });
  }
}

const GUARD = { "x-outcry-page": "1" };

async function send(method, path, body, headers = {}) {
  const options = { method, headers: { accept: "application/json", "accept-language": document.documentElement.lang, ...headers }, credentials: "same-origin" };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) { options.body = JSON.stringify(body); options.headers["content-type"] = "application/json"; }
  let answer;
  try { answer = await fetch(path, options); } catch { throw new Problem(0, "offline", ""); }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, said.code || "unknown", said.detail || "", Number(answer.headers.get("retry-after") || 0));
}

const content = async (answer) => answer.status === 204 ? null : answer.json();

// What needs no login.
export const open = async (method, path, body) => content(await send(method, path, body));

// An operator's, with a token that this window alone has.
export const asOperator = (token) => async (method, path, body) => content(await send(method, path, body, { authorization: `Bearer ${token}` }));

// One window at a time renews: a refresh token counts once.
function alone(work) {
  return navigator.locks ? navigator.locks.request("outcry session", work) : work();
}

function take(pair) {
  access = pair.access_token;
  until = Date.now() + pair.expires_in * 1000;
}

// An operator looks at a user's pages, for as long as the token lasts.
export function lend({ token: lent, expires_in }) {
  take({ access_token: lent, expires_in });
  Object.assign(login, { is: true, isSupport: true });
}

export async function begin(pair, keep) {
  take(pair);
  Object.assign(login, { is: true, isSupport: false });
  await send("POST", "/page/session", { refresh_token: pair.refresh_token, keep }, GUARD);
  chosen.set("known", true);
}

export async function renew() {
  if (login.isSupport) throw new Problem(401, "not_logged_in", "");
  renewing ||= alone(async () => take(await content(await send("POST", "/page/session/refresh", undefined, GUARD))))
    .finally(() => { renewing = null; });
  await renewing;
  login.is = true;
}

export async function token() {
  if (!access || Date.now() > until - 20_000) await renew();
  return access;
}

// The cookie is the operator's own where an operator has looked at a user's pages.
function leave() {
  const wasSupport = login.isSupport;
  access = "";
  until = 0;
  Object.assign(login, { is: false, isSupport: false });
  if (!wasSupport) chosen.set("known", false);
  return wasSupport;
}

export async function forget() {
  if (!leave()) await send("DELETE", "/page/session", undefined, GUARD).catch(() => {});
}

function gone() {
  const was = login.is;
  leave();
  if (was) login.ended();
}

export const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
};

async function own(method, path, body, headers) {
  let bearer;
  try { bearer = await token(); } catch (problem) { if (problem.status === 401) gone(); throw problem; }
  try {
    return await send(method, path, body, { ...headers, authorization: `Bearer ${bearer}` });
  } catch (problem) {
    if (problem.code !== "not_logged_in") throw problem;
    access = "";
    try { await renew(); } catch (end) { if (end.status === 401) gone(); throw problem; }
    return send(method, path, body, { ...headers, authorization: `Bearer ${access}` });
  }
}

// A request of the person.  With a key it is the same request however often it is sent, so it is
// sent again where its outcome is unknown.
export async function request(method, path, body, key) {
  const headers = key ? { "idempotency-key": key } : {};
  for (let turn = 0; ; turn += 1) {
    try { return await content(await own(method, path, body, headers)); } catch (problem) {
      const unknown = key && (problem.code === "offline" || problem.status === 503 || problem.status === 504 || problem.code === "request_in_progress");
      if (!unknown || turn === 3) throw problem;
      await new Promise((next) => { setTimeout(next, 400 * 2 ** turn); });
    }
  }
}

export const get = (path, values = {}) => request("GET", withQuery(path, values));
export const post = (path, body = {}, key = undefined) => request("POST", path, body, key);
export const patch = (path, body = {}, key = undefined) => request("PATCH", path, body, key);
export const put = (path, body = {}, key = undefined) => request("PUT", path, body, key);
export const remove = (path, key = undefined) => request("DELETE", path, undefined, key);
export const upload = async (path, blob) => content(await own("POST", path, blob, { "content-type": "application/octet-stream" }));
export const file = async (path, values = {}) => (await own("GET", withQuery(path, values), undefined, { accept: "*/*" })).blob();

export function withQuery(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value != null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
