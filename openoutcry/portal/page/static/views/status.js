// Whether the venue trades, and what was announced; needs no login.
import { h, panel, say, table, when, words } from "../kit.js";
import { t } from "../words.js";
import { portal } from "../store.js";
import { open } from "../api.js";

const LOOK_MS = 15_000;

export async function show(root) {
  const error = h("p", { class: "error", role: "alert" }), body = h("div");
  root.append(h("h1", {}, t("status.title", { name: portal.name })), error, body);
  async function load() {
    try { draw(body, await open("GET", "/v1/status")); say(error, ""); } catch (problem) { say(error, words(problem)); }
  }
  await load();
  const timer = setInterval(load, LOOK_MS);
  return () => clearInterval(timer);
}

function draw(body, found) {
  const states = table([{ label: t("market"), text: (row) => row.symbol }, { label: t("state"), text: (row) => t(`market.${row.state}`), kind: (row) => row.state === "trading" ? "good" : "warning" }],
    { key: (row) => row.symbol, label: t("status.markets"), empty: t("status.none") });
  const news = found.announcements.length ? h("ul", { class: "news" }, found.announcements.map(announcement)) : h("p", { class: "none" }, t("status.nothing"));
  body.replaceChildren(panel(t("status.venue"), h("p", { class: found.venue === "open" ? "good" : "bad", id: "venue-state" }, t(`status.${found.venue.replaceAll(" ", "_")}`))),
    panel(t("status.news"), h("p", { class: "hint" }, h("a", { href: "/v1/status.rss" }, "RSS")), news), panel(t("status.markets"), states));
  states.show(found.instruments);
}

function announcement(row) {
  const span = [row.begins_at, row.ends_at].map((moment) => moment ? when(Date.parse(moment), false) : "");
  return h("li", {}, h("b", {}, row.title), " ", h("time", { datetime: row.at }, when(Date.parse(row.at), false)),
    span.some(Boolean) ? h("p", { class: "hint" }, t("status.span", { from: span[0] || "…", until: span[1] || "…" })) : null,
    h("p", {}, row.body));
}
