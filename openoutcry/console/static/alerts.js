// The session's notification rules, and its notifications.
import { $, clock, make, rows, say } from "./kit.js";
import { api, draw, notice, popUp, state } from "./link.js";

const KEPT = 200, POPPED_UP = 5;
let notices = [], rules = [], begun = false;

export function takeNotices(new_notices) {
  notices = new_notices.concat().reverse().concat(notices).slice(0, KEPT);
  if (begun && new_notices.length) popUp(new_notices.slice(-POPPED_UP));
  begun = true;
}

export async function loadRules() {
  rules = await api("rules");
  draw();
}

export function showAlerts() {
  showForm();
  $("no-rules").hidden = rules.length > 0;
  rows($("rules"), rules, (one) => one.number, (one) => [one.words, ["page", one.mail, one.webhook && "webhook"].filter(Boolean).join(", ")],
    (one) => [{ text: "Remove", label: "Remove: " + one.words, go: remove }]);
  rows($("notices"), notices, (one) => one.number, (one) => [clock(one.at), [one.text, one.bad ? "critical" : ""]]);
}

async function remove(one) {
  try { await api("rules/remove", { number: one.number }); } catch (error) { notice(error.message, true); }
  await loadRules();
}

const limits = () => (state.holdings?.account?.limits || []).filter((one) => one.used != null);

function showForm() {
  const kind = $("rule-kind").value, symbols = state.instruments.map((one) => one.symbol), wanted = kind === "fill" ? ["", ...symbols] : symbols;
  for (const row of ["above", "price"]) $(`rule-${row}-row`).hidden = kind !== "price";
  for (const row of ["limit", "percent"]) $(`rule-${row}-row`).hidden = kind !== "limit";
  $("rule-symbol-row").hidden = kind === "limit";
  fill($("rule-symbol"), wanted.map((one) => [one, one || "any"]));
  fill($("rule-limit"), limits().map((one) => [JSON.stringify([one.limit, one.instrument]), `${one.limit} ${one.instrument}`.trim()]));
}

function fill(select, pairs) {
  const shown = JSON.stringify(pairs);
  if (select.shown === shown) return;
  const before = select.value;
  select.shown = shown;
  select.replaceChildren(...pairs.map(([value, text]) => Object.assign(make("option", text), { value })));
  if (pairs.some(([value]) => value === before)) select.value = before;
}

async function add(event) {
  event.preventDefault();
  say($("rule-error"), "");
  const kind = $("rule-kind").value, body = { kind, mail: $("rule-mail").value.trim(), webhook: $("rule-webhook").value.trim() };
  if (kind !== "limit") body.symbol = $("rule-symbol").value;
  if (kind === "price") Object.assign(body, { above: $("rule-above").value === "above", price: $("rule-price").value.trim() });
  if (kind === "limit") {
    const [limit, symbol] = JSON.parse($("rule-limit").value || '["", ""]');
    Object.assign(body, { limit, symbol, percent: Number($("rule-percent").value) });
  }
  try { await api("rules", body); await loadRules(); } catch (error) { say($("rule-error"), error.message); }
}

export function setUpAlerts() {
  $("rule").addEventListener("submit", add);
  $("rule-kind").addEventListener("change", showForm);
}
