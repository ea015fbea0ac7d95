// Sessions, participants, phases, alarms, clock and journal, log: tables and what is done in them.
import { $, bytes, clock, list, rows, say, short, span, whole } from "./kit.js";
import { amount, api, draw, isAmount, state } from "./link.js";
import { ask, askIssuer, askLimit } from "./actions.js";

const may = (role = "operator") => ["viewer", "operator", "supervisor"].indexOf(state.me.role) >= ["viewer", "operator", "supervisor"].indexOf(role);
const acts = (...buttons) => may() ? buttons.filter(Boolean) : [];
const chip = (bad, good) => bad ? [bad, "critical"] : [good, "good"];

function button(text, label, wanted, kind = "") { return { text, label, kind, go: () => ask({ title: label, ...wanted }) }; }

export function showSessions() {
  rows($("sessions"), state.overview.market.sessions || [], (one) => one.name || "(none)", (one) => [
    one.name || "(no session)", one.name ? chip(one.killed ? "disabled" : one.locked ? "locked out" : "", one.connected ? "connected" : "not connected") : "",
    one.protocol || "", one.participant || "", whole(one.open_orders), whole(one.messages), whole(one.refused), whole(one.throttled), whole(one.slow),
    Object.entries(one.refused_logins).map(([why, count]) => `${count} ${why}`).join(", "),
  ], (one) => !one.name ? [] : acts(
    one.connected && !one.killed && button("Disconnect", `Disconnect session ${one.name}`, { path: "disconnect", body: { name: one.name }, go: "Disconnect",
      text: "Its orders are cancelled as its cancel_on_disconnect says. It may log in again." }),
    one.killed ? button("Enable", `Enable session ${one.name}`, { path: "enable", body: { what: "session", name: one.name }, go: "Enable" })
      : button("Disable", `Disable session ${one.name}`, { path: "kill", body: { what: "session", name: one.name }, go: "Disable", danger: true,
        text: "It is disconnected, its orders are cancelled as its cancel_on_disconnect says, and it cannot log in, not even after a restart." }),
  ));
}

export function showParticipants() {
  const wanted = $("find-participant").value.trim().toLowerCase();
  const participants = (state.participants || []).filter((one) => `${one.number} ${one.name} ${one.group}`.toLowerCase().includes(wanted));
  rows($("participants"), participants, (one) => one.number, (one) => [
    one.number, one.name, one.group, chip(one.killed ? "killed: " + one.killed_by.join(", ") : "", "may trade"),
    amount(one.balance), amount(one.reserved), amount(one.profit), whole(one.open_orders),
    Object.entries(one.positions).map(([symbol, lots]) => `${symbol} ${whole(lots)}`).join(", "), limits(one.limits),
  ], (one) => acts(
    button("Limit", `Set a limit of ${one.name}`, {}, ""),
    one.killed ? button("Enable", `Enable ${one.name}`, { path: "enable", body: { what: "participant", name: String(one.number) }, go: "Enable" })
      : button("Kill", `Kill ${one.name}`, { path: "kill", body: { what: "participant", name: String(one.number) }, danger: true, go: "Kill",
        text: "Its new orders are rejected, then its open orders are cancelled. This lasts until it is enabled." }),
  ).map((act) => act.text === "Limit" ? { ...act, go: () => askLimit(one) } : act));
}

// Limits that are the same for each instrument are said once.
function limits(limit_rows) {
  const symbols_by_text = new Map();
  for (const one of limit_rows) {
    const size = isAmount(one.limit) ? (value) => amount(value) : short;
    const text = `${one.limit} ${one.used == null ? "" : size(one.used) + " of "}${size(one.value)}`;
    symbols_by_text.set(text, [...(symbols_by_text.get(text) || []), one.instrument].filter(Boolean));
  }
  return [...symbols_by_text].map(([text, symbols]) => symbols.length && symbols.length < state.instruments.length ? `${text} (${symbols.join(" ")})` : text).join(", ");
}

export function showPhases() {
  const { phases, risk, next } = state.overview.market, killed = risk?.market_killed;
  say($("next"), next ? `Next: ${next.phase.toLowerCase().replaceAll("_", " ")} at ${clock(next.at)} UTC` : "");
  for (const [id, yes] of [["halt-all", may() && !killed], ["kill-market", may() && !killed], ["open-market", may("supervisor") && killed]]) $(id).hidden = !yes;
  const list = state.instruments.map(({ symbol }) => ({ symbol, phase: phases?.[symbol] || "", state: risk?.states?.[symbol] || "trading", halted: (risk?.halted || []).includes(symbol), protection: risk?.protection?.[symbol] || "" }));
  rows($("phases"), list, (one) => one.symbol, (one) => [one.symbol, one.phase.toLowerCase().replaceAll("_", " "), one.halted ? ["halted", "critical"] : ["no", ""], one.protection, [one.state, one.state === "trading" ? "" : "warning"]],
    (one) => acts(
      one.halted ? button("Resume", `Resume ${one.symbol}`, { path: "resume", body: { instrument: one.symbol }, go: "Resume", text: "It opens with an auction if it would trade continuously now." })
        : button("Halt", `Halt ${one.symbol}`, { path: "halt", body: { instrument: one.symbol }, go: "Halt", danger: true, text: "Resting orders stay; only cancels are accepted." }),
      one.halted && may("supervisor") && { text: "Corporate action", label: `Corporate action of ${one.symbol}`, kind: "", go: () => askIssuer(one.symbol) },
      !one.halted && one.phase === "CONTINUOUS" && button("Auction", `Call ${one.symbol} to an auction`, { path: "auction", body: { instrument: one.symbol }, go: "Call the auction", text: "A call phase of one minute begins now and ends with an auction." }),
      ...(may("supervisor") ? CHANGES[one.state] || [] : []).map((change) => button(change, `${change} ${one.symbol}`, { path: `instruments/${change.toLowerCase()}`,
        body: { instrument: one.symbol }, password: true, danger: !["Open", "Resume"].includes(change), text: `${EFFECTS[change]} Another supervisor must make the same request.` })),
    ));
}

// What a state takes; a contract with positions is delisted by the command line, at a price.
const CHANGES = { trading: ["Suspend", "Close-only", "Delist"], suspended: ["Resume", "Close-only", "Delist"], "close-only": ["Resume", "Suspend", "Delist"], expired: ["Delist"], announced: ["Open", "Delist"], "pre-open": ["Suspend", "Delist"] };
const EFFECTS = {
  Open: "It collects orders for ten minutes, and opens with an auction.",
  Suspend: "New orders are rejected, resting orders stay.", Resume: "It opens with an auction if it would trade continuously now.",
  "Close-only": "All open orders in it are cancelled. It takes only orders that make a position or a holding smaller.",
  Delist: "All open orders in it are cancelled, and it never trades again.",
};

const where = (labels) => Object.entries(labels).filter(([name]) => name !== "venue").map((pair) => pair.join(" ")).join(", ");

export function showAlarms() {
  const alarms = state.alarms || [];
  $("no-alarms").hidden = alarms.length > 0;
  say($("alarms-fault"), state.alarms_fault || "");
  rows($("alarms"), alarms, (one) => one.name + JSON.stringify(one.labels), (one) => [
    [one.state, one.severity], [one.severity, one.severity], one.name, one.summary, where(one.labels),
    one.for_s < 90 ? `${Math.round(one.for_s)} s` : `${Math.round(one.for_s / 60)} min`,
    one.acknowledged ? `${one.acknowledged.by}${one.acknowledged.why ? ": " + one.acknowledged.why : ""}` : "",
  ], (one) => acts(!one.acknowledged && button("Acknowledge", `Acknowledge ${one.name}`, {
    path: "alarms/acknowledge", body: { name: one.name, labels: one.labels }, go: "Acknowledge", text: one.summary })));
  const colours = { red: "critical", green: "good" };
  rows($("lights"), state.lights || [], (one) => one.name, (one) => [[one.light, colours[one.light] || "muted"], one.name, one.summary]);
  rows($("changes"), (state.changes || []).concat().reverse(), (one) => one.at + one.name + one.state + JSON.stringify(one.labels),
    (one) => [clock(one.at), [one.state, one.state === "firing" ? one.severity : "good"], one.name, where(one.labels)]);
}

// For supervisors, and asked for while it is looked at.
let cases = { rows: [], looked: false }, due = 0;
export function showCases() {
  if (may("supervisor") && performance.now() > due) {
    due = performance.now() + 2_000;
    api("cases").then((report) => { cases = report; draw(); }).catch((error) => { cases = { rows: [], looked: true, fault: error.message }; });
  }
  const kinds = { high: "critical", medium: "warning", low: "" }, at = (ns) => clock(new Date(ns / 1e6).toISOString());
  say($("cases-fault"), cases.fault || "");
  $("no-cases").hidden = cases.rows.length > 0;
  say($("no-cases"), !may("supervisor") ? "For supervisors." : cases.looked ? "No case." : "This journal has not been examined yet; run outcry surveillance run.");
  rows($("cases"), cases.rows, (one) => one.number, (one) => [one.number, [one.severity, kinds[one.severity]], one.detector, one.symbol, one.participants.join(", "),
    at(one.first_ns), at(one.last_ns), whole(one.hits), one.score, one.who ? `${one.status}: ${one.who}` : one.status]);
}

// What custody says of itself, asked for while it is looked at.
let custody = { present: false }, custodyDue = 0;
export function showCustody() {
  if (performance.now() > custodyDue) {
    custodyDue = performance.now() + 2_000;
    api("custody").then((report) => { custody = report; draw(); }).catch((error) => { custody = { present: true, fault: error.message }; });
  }
  const counts = (states) => Object.entries(states || {}).map(([name, count]) => `${whole(count)} ${name}`).join(", ") || "none";
  say($("custody-text"), custody.present ? `Withdrawals: ${counts(custody.withdrawals)}.` : "This venue has no custody: outcry custody serve writes here.");
  say($("custody-stopped"), custody.fault || [custody.breaker && `Withdrawals are stopped: ${custody.breaker}.`, custody.silent_s && `Custody has been silent for ${whole(custody.silent_s)} s.`].filter(Boolean).join(" "));
  rows($("custody-chains"), custody.chains || [], (one) => one.chain, (one) => [one.chain, one.height === null ? "" : whole(one.height), counts(one.deposits)]);
  const waits = custody.waits || [];
  $("custody-nothing").hidden = waits.length > 0;
  rows($("custody-waits"), waits, (one) => one.what, (one) => [one.what, one.why]);
  rows($("custody-notes"), custody.notes || [], (one) => one.at + one.subject + one.text, (one) => [one.at, [one.kind, one.kind === "alarm" ? "critical" : ""], one.subject, one.text]);
}

// Identities of the portal's users: for supervisors, and asked for while they are looked at.
let identities = { rows: [], portal: true }, identitiesDue = 0;
export function showIdentities() {
  if (may("supervisor") && performance.now() > identitiesDue) {
    identitiesDue = performance.now() + 2_000;
    api("identities").then((report) => { identities = report; draw(); }).catch((error) => { identities = { rows: [], portal: true, fault: error.message }; });
  }
  say($("identities-fault"), identities.fault || "");
  $("no-identities").hidden = identities.rows.length > 0;
  say($("no-identities"), !may("supervisor") ? "For supervisors." : identities.portal ? "Nothing waits for a decision." : "This venue has no portal.");
  rows($("identities"), identities.rows, (one) => one.submission, (one) => [one.mail, `${one.level} to ${one.wanted}`, one.name, one.born, one.country, one.address,
    one.papers.map((paper) => paper.kind).join(", ") || "none", [one.hits.join("; ") || "no match", one.hits.length ? "critical" : ""], clock(one.at)],
  (one) => [
    ...one.papers.map((paper, place) => ({ text: `Paper ${place + 1}`, label: `Read the ${paper.kind} of ${one.mail}`, kind: "", go: () => { location.href = `/api/identities/${one.user_id}/papers/${paper.id}`; } })),
    button("Accept", `Accept ${one.mail}`, { path: "identities", body: { submission: one.submission, accept: true, despite_matches: one.hits.length > 0 }, go: "Accept", password: true, danger: one.hits.length > 0,
      text: one.hits.length ? `The list of sanctions has: ${one.hits.join("; ")}.` : `The user has level ${one.wanted} then.` }),
    button("Refuse", `Refuse ${one.mail}`, { path: "identities", body: { submission: one.submission, accept: false }, go: "Refuse", password: true, text: "The user sees the reason, and may say something else." }),
  ]);
}

export function showJournal() {
  const time = state.clock || {}, book = state.journal || {}, host = state.host || {};
  list($("clock"), time.error ? [["Error", time.error]] : [["State", time.state], ["Source", time.source], ["Grandmaster", time.grandmaster || "none"],
    ["Offset", span(time.offset_ns)], ["May be wrong by", span(time.bound_ns)], ["Drift", `${time.drift_ppb} ppb`], ["Path delay", span(time.path_delay_ns)],
    ["RTS 25", time.rts25?.holds ? "holds" + (time.rts25.since_utc ? ` since ${clock(time.rts25.since_utc)}` : "") : "does not hold"]].filter((pair) => pair[1]));
  list($("journal"), !book.bytes ? [["", "There is no journal yet."]] : [["Directory", book.directory], ["Durability", book.durability], ["Size", `${bytes(book.bytes)} in ${book.files} files`],
    ["Disk left", `${bytes(book.disk_available_bytes)} of ${bytes(book.disk_size_bytes)}`], ["Durable up to", book.durable_seq == null ? "" : whole(book.durable_seq)],
    ...(book.days || []).map((day) => [day.day, `ended after command ${whole(day.last_seq)}`])].filter((pair) => pair[1]));
  list($("host"), host.load ? [["Load", host.load.map((one) => one.toFixed(2)).join(" ")], ["Cores", String(host.cores)],
    ["Memory left", `${bytes(host.memory_available_bytes)} of ${bytes(host.memory_total_bytes)}`]] : []);
  say($("actions-fault"), book.actions_fault || "");
  $("no-actions").hidden = (book.actions || []).length > 0;
  rows($("actions"), book.actions || [], (one) => one.at + one.after_seq + one.before, (one) => [clock(one.at), one.operator || "the account", words(one.asked), one.why, whole(one.after_seq)]);
}

const assetOf = (request) => request.asset || state.instruments.find((one) => one.symbol === request.instrument)?.asset || undefined;
// An amount that was asked for is units where it is a number.
const asked = (request, key) => typeof request[key] === "number" && (key === "amount" || (key === "value" && isAmount(request.limit)))
  ? amount(request[key], assetOf(request)) : request[key];
const words = (request) => ["do", "what", "name", "limit", "participant", "group", "instrument", "value", "amount", "lots", "new", "old", "price"].map((key) => asked(request, key)).filter((value) => value != null && value !== "").join(" ");

let old = null;
let looked = 0; // how often the log was looked at: an answer that comes after the next look is not shown

export function showLog() {
  const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), level = $("level").value;
  const lines = old || state.log.filter((line) => (!level || line.level === level) && wanted.every((word) => `${line.text} ${line.seq}`.toLowerCase().includes(word))).slice(0, 200);
  rows($("log"), lines, (line) => line.number, (line) => [clock(line.at), [line.level, line.level === "error" ? "critical" : ""], line.text, whole(line.seq)]);
  $("older").shown = lines.at(-1)?.number || 0;
}

async function older() {
  const query = new URLSearchParams({ search: $("search").value, level: $("level").value, before: $("older").shown });
  const mine = ++looked;
  const lines = await api("log?" + query).catch(() => []);
  if (lines.length && mine === looked) old = lines;
  draw();
}

function newest() {
  looked += 1;
  old = null;
  draw();
}

export function setUpLists() {
  for (const table of document.querySelectorAll("table")) if (!["ladder", "trades", "margin-scenarios"].includes(table.id)) table.classList.add("cards");
  $("find-participant").addEventListener("input", draw);
  $("search").addEventListener("input", newest);
  $("level").addEventListener("change", newest);
  $("older").addEventListener("click", older);
  $("newest").addEventListener("click", newest);
  $("halt-all").addEventListener("click", () => ask({ title: "Halt every instrument", path: "halt", body: { instrument: "*" }, go: "Halt everything", danger: true, text: "Resting orders stay; only cancels are accepted. Resume the instruments one by one." }));
  $("kill-market").addEventListener("click", () => ask({ title: "Kill the market", path: "kill", body: { what: "market" }, go: "Kill the market", danger: true, text: "All new orders are rejected, then all open orders are cancelled. Reopening takes two supervisors." }));
  $("open-market").addEventListener("click", () => ask({ title: "Open the market", path: "open", body: {}, go: "Open the market", password: true, text: "Two supervisors must request this. Then resume participants and instruments one by one." }));
}
