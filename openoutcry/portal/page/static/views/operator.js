// For operators: users, freezes, levels, keys, a look at a user's pages, the log, and figures over many days.
// The token is in memory alone: another window asks for it again.
import { ask, button, facts, field, form, h, input, notice, panel, say, select, table, tabbed, when, words } from "../kit.js";
import { t, word } from "../words.js";
import { emit, portal } from "../store.js";
import { asOperator } from "../api.js";
import { daysAgo, paged, today } from "../paged.js";

const KINDS = ["maintenance", "incident", "listing", "news"];
const VIEWS = ["volumes", "volatility", "exposure", "cohorts"];
let send = null;

export async function show(root, [chosenTab]) {
  if (send) return tabbed(root, { name: "operator", title: t("nav.operator"), label: (one) => t(`operator.${one}`) }, { users: showUsers, withdrawals: showWithdrawals, announcements: showAnnouncements, log: showLog, figures: showFigures }, chosenTab);
  const token = input({ type: "password", id: "operator-token", required: true, autocomplete: "off" });
  root.append(h("div", { class: "narrow" }, h("h1", {}, t("nav.operator")), panel("", h("p", { class: "hint" }, t("operator.about")),
    form(field(t("operator.token"), token), t("operator.enter"), async () => {
      const tried = asOperator(token.value.trim());
      await tried("GET", "/v1/operator/log?limit=1");
      send = tried;
      root.replaceChildren();
      await show(root, [chosenTab]);
    }))));
  return null;
}

const get = (path) => send("GET", path);

function showUsers(area) {
  const text = input({ type: "search", maxlength: 100, id: "operator-search" }), detail = h("div", { id: "operator-user" });
  const list = table([
    { label: t("mail"), text: (row) => row.mail }, { label: t("operator.participant"), n: true, text: (row) => String(row.participant ?? "–") },
    { label: t("operator.level"), n: true, text: (row) => String(row.level) },
    { label: t("state"), text: (row) => stateOf(row), kind: (row) => row.frozen_at ? "bad" : row.is_open ? "good" : "warning" },
    { label: t("operator.since"), text: (row) => when(row.created_at, false) },
    { label: "", node: (row) => button(t("details"), () => load(row.id), "small", { "aria-label": t("operator.details", { mail: row.mail }) }) },
  ], { label: t("operator.users"), empty: t("search.none") });
  const pages = paged("/v1/operator/users", list, () => ({ search: text.value.trim() }), { ask: get });
  async function load(id) {
    try { draw(await get(`/v1/operator/users/${id}`)); } catch (problem) { notice(words(problem), "bad"); }
  }
  function draw(found) {
    const { user } = found, change = (what) => () => reasoned(user, what, async (why) => {
      await send("POST", `/v1/operator/users/${user.id}/${what}`, { ...why, ...(what === "freeze" ? { orders: orders.value } : {}) });
      await load(user.id);
      pages.load();
    }, what === "freeze" ? [field(t("operator.orders"), orders)] : []);
    const orders = select([["cancel", t("operator.orders.cancel")], ["keep", t("operator.orders.keep")]], { id: "operator-orders" });
    const balances = table([{ label: t("asset"), text: (row) => row.asset }, { label: t("available"), n: true, text: (row) => row.available }, { label: t("reserved"), n: true, text: (row) => row.reserved }],
      { key: (row) => row.asset, label: t("holdings"), empty: t("holdings.none") });
    const keys = table([{ label: t("name"), text: (row) => row.label || "–" }, { label: t("key"), node: (row) => h("code", {}, row.api_key), sign: (row) => row.api_key },
      { label: t("may"), text: (row) => [t("permission.read"), row.can_trade ? t("permission.trade") : "", row.can_withdraw ? t("permission.withdraw") : ""].filter(Boolean).join(", ") }, { label: t("networks"), text: (row) => row.networks.join(", ") || t("networks.all") },
      { label: "", node: (row) => button(t("key.revoke"), () => reasoned(user, "revoke", async (why) => { await send("POST", `/v1/operator/users/${user.id}/keys/${row.id}/revoke`, why); await load(user.id); }), "small danger", { "aria-label": t("key.revoke.of", { label: row.label }) }), sign: (row) => row.id }],
    { label: t("account.keys"), empty: t("keys.none") });
    const limits = table([{ label: t("asset"), text: (row) => row.asset }, { label: t("operator.day"), n: true, text: (row) => row.a_day }, { label: t("operator.left"), n: true, text: (row) => row.left }],
      { key: (row) => row.asset, label: t("withdraw.limits"), empty: t(found.limits ? "operator.nothing" : "operator.unlimited") });
    const level = select(portal.levels.length ? portal.levels.map((one) => [String(one.number), one.name]) : [...Array(10).keys()].map((number) => [String(number), t("level", { number })]), { id: "operator-new-level" });
    level.value = String(portal.levels.filter((one) => one.number <= user.level).at(-1)?.number ?? user.level);
    const relevel = () => reasoned(user, "relevel", async (why) => {
      await send("POST", `/v1/operator/users/${user.id}/level`, { level: Number(level.value), ...why });
      await load(user.id);
      pages.load();
    }, [field(t("operator.level"), level)]);
    const audit = table([{ label: t("time"), text: (row) => when(row.at) }, { label: t("what"), text: (row) => row.action }, { label: t("address.network"), text: (row) => row.address }, { label: t("details"), text: (row) => row.detail }],
      { label: t("account.activity"), empty: t("search.none") });
    detail.replaceChildren(panel(user.mail, facts([[t("operator.participant"), user.participant], [t("operator.level"), user.level], [t("state"), stateOf(user)],
      [t("operator.sessions"), found.sessions], [t("account.keys"), found.api_keys]]),
    h("div", { class: "buttons" },
      user.frozen_at ? button(t("operator.unfreeze"), change("unfreeze"), "", { id: "operator-unfreeze" }) : button(t("operator.freeze"), change("freeze"), "danger", { id: "operator-freeze" }),
      button(t("operator.relevel"), relevel, "", { id: "operator-relevel" }),
      button(t("operator.view"), () => reasoned(user, "view", async (why) => emit("look", await send("POST", `/v1/operator/users/${user.id}/view`, why))), "", { id: "operator-view" })),
    h("h3", {}, t("holdings")), balances, h("h3", {}, t("withdraw.limits")), limits, h("h3", {}, t("account.keys")), keys, h("h3", {}, t("account.activity")), audit));
    balances.show(found.balances);
    limits.show(found.limits ?? []);
    keys.show(found.keys);
    audit.show(found.audit);
    detail.scrollIntoView({ block: "nearest" });
  }
  const search = h("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); pages.load(); } }, field(t("operator.search"), text), h("button", { type: "submit", class: "primary" }, t("search")));
  area.append(h("div", { class: "panel" }, search, pages), detail);
  pages.load();
}

const stateOf = (user) => user.frozen_at ? t("operator.frozen", { reason: user.frozen_reason }) : t(user.is_open ? "operator.open" : "operator.opening");

function reasoned(user, what, work, parts = []) {
  const reason = input({ id: "operator-reason", maxlength: 300, required: true }), told = input({ id: "operator-told", maxlength: 300 });
  return ask(t(`operator.${what}`), [h("p", {}, t(`operator.${what}.about`, { mail: user.mail })), ...parts, field(t("operator.reason"), reason), field(t("operator.told"), told)], t(`operator.${what}`), () => work({ reason: reason.value, told: told.value }));
}

// What a person reads before approving: where the money goes, and what the account has changed.
async function showWithdrawals(area) {
  const values = (one) => [one.before, one.after].filter(Boolean).join(" \u2192 ");
  const list = table([{ label: t("time"), text: (row) => when(row.created_at) }, { label: t("mail"), text: (row) => row.mail }, { label: t("amount"), n: true, text: (row) => `${row.amount} ${row.asset}` },
    { label: t("address"), text: (row) => [row.network, row.address, row.tag].filter(Boolean).join(" "), wide: true }, { label: t("note"), text: (row) => row.is_first ? t("operator.first") : "", kind: () => "warning" },
    { label: t("state"), text: (row) => word("withdrawal", row.state) }, { label: t("operator.reference"), text: (row) => row.reference, wide: true },
    { label: t("operator.changes"), wide: true, node: (row) => row.changes.length ? row.changes.map((one) => h("p", { class: "bad" }, `${when(one.at)} ${word("did", one.change)} ${values(one)} (${one.address} ${one.device})`)) : h("span", {}, t("operator.unchanged")), sign: (row) => row.changes.length }],
  { label: t("withdrawals"), empty: t("withdrawals.none") });
  area.append(h("div", { class: "panel" }, h("p", { class: "hint" }, t("operator.approve.about")), list));
  try { list.show(await get("/v1/operator/withdrawals")); } catch (problem) { notice(words(problem), "bad"); }
}

function showLog(area) {
  const list = table([{ label: t("time"), text: (row) => when(row.at) }, { label: t("operator.who"), text: (row) => row.operator }, { label: t("what"), text: (row) => row.action },
    { label: t("operator.user"), n: true, text: (row) => String(row.user_id ?? "–") }, { label: t("reason"), text: (row) => row.reason }], { label: t("operator.log"), empty: t("search.none") });
  const pages = paged("/v1/operator/log", list, () => ({}), { ask: get });
  area.append(h("div", { class: "panel" }, pages));
  pages.load();
}

// A view of the history as it is: its columns are its own.
function showFigures(area) {
  const view = select(VIEWS.map((one) => [one, t(`figures.${one}`)]), { id: "figures-view" });
  const from = input({ type: "date", value: daysAgo(30), id: "figures-from" }), until = input({ type: "date", value: today(), id: "figures-until" });
  const error = h("p", { class: "error", role: "alert" }), place = h("div", { id: "figures" });
  async function load() {
    say(error, "");
    try {
      const { rows } = await get(`/v1/operator/analytics/${view.value}?${new URLSearchParams({ from: from.value, until: until.value })}`);
      const names = Object.keys(rows[0] ?? {});
      const list = table(names.map((name) => ({ label: name.replaceAll("_", " "), n: typeof rows[0][name] === "number", text: (row) => shown(row[name]) })),
        { key: (row) => names.map((name) => row[name]).join(" "), label: t(`figures.${view.value}`), empty: t("search.none") });
      place.replaceChildren(list);
      list.show(rows);
    } catch (problem) { say(error, words(problem)); }
  }
  for (const one of [view, from, until]) one.addEventListener("change", load);
  area.append(h("div", { class: "panel" }, h("div", { class: "row" }, field(t("operator.figures"), view), field(t("from"), from), field(t("until"), until)), error, place));
  load();
}

const shown = (value) => value == null ? "–" : typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(6) : String(value);

// What all users are told: maintenance, incidents, listings.
async function showAnnouncements(area) {
  const kind = select(KINDS.map((one) => [one, t(`announce.${one}`)]), { id: "announce-kind" });
  const title = input({ id: "announce-title", maxlength: 120, required: true }), body = h("textarea", { id: "announce-body", maxlength: 2000, required: true, rows: 4 });
  const from = input({ type: "datetime-local", id: "announce-from" }), until = input({ type: "datetime-local", id: "announce-until" });
  const moment = (box) => box.value ? new Date(box.value).toISOString() : "";
  const isOver = (row) => row.kind === "market" || (row.ends_at && Date.parse(row.ends_at) <= Date.now());
  const list = table([
    { label: t("time"), text: (row) => when(Date.parse(row.at), false) }, { label: t("announce.kind"), text: (row) => row.kind === "market" ? t("market") : t(`announce.${row.kind}`) },
    { label: t("announce.title"), wide: true, text: (row) => row.title }, { label: t("until"), text: (row) => row.ends_at ? when(Date.parse(row.ends_at), false) : "–" },
    { label: "", node: (row) => isOver(row) ? [] : button(t("announce.end"), async () => { await send("POST", `/v1/operator/announcements/${row.id}/end`, {}); await load(); }, "small", { "aria-label": `${t("announce.end")}: ${row.title}` }), sign: (row) => `${row.id} ${row.ends_at}` },
  ], { label: t("operator.announcements"), empty: t("status.nothing") });
  const load = async () => list.show((await get("/v1/status")).announcements);
  area.append(panel(t("operator.announcements"), h("p", { class: "hint" }, t("announce.about")), form([h("div", { class: "row" }, field(t("announce.kind"), kind), field(t("from"), from), field(t("until"), until)), field(t("announce.title"), title), field(t("announce.body"), body)], t("announce.send"), async () => {
    await send("POST", "/v1/operator/announcements", { kind: kind.value, title: title.value, body: body.value, begins_at: moment(from), ends_at: moment(until) });
    notice(t("announce.sent"));
    await load();
  })), panel(t("status.news"), list));
  await load();
}
