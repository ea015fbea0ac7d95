// What an operator does: one dialog for every action, one for the emergency close.
import { $, make, say } from "./kit.js";
import { api, draw, isAmount, notice, state, wish } from "./link.js";
import { hurry, listeners } from "./console.js";

let request = null;

// ask({title, text, path, body, go, danger, password, limit, why}): the dialog, then the request.
export function ask(wanted) {
  request = wanted;
  say($("ask-title"), wanted.title);
  say($("ask-text"), wanted.text || "");
  say($("ask-go"), wanted.go || wanted.title);
  $("ask-go").className = wanted.danger ? "danger" : "primary";
  $("ask-form").reset();
  say($("ask-error"), "");
  for (const name of ["limit", "instrument", "value"]) $(`ask-${name}-row`).hidden = !wanted.limit;
  for (const name of ["issuer", "first", "second", "price"]) $(`ask-${name}-row`).hidden = !wanted.issuer;
  needPassword(Boolean(wanted.password));
  $("ask-why").required = true;
  $("ask").showModal();
  (wanted.limit ? $("ask-limit") : wanted.issuer ? $("ask-issuer") : $("ask-why")).focus();
}

function needPassword(yes) {
  $("ask-password-row").hidden = !yes;
  $("ask-code-row").hidden = !yes || !state.codes;
  $("ask-password").required = yes;
}

async function go(event) {
  event.preventDefault();
  say($("ask-error"), "");
  $("ask-go").disabled = true;
  try {
    const body = { why: $("ask-why").value, ...request.body };
    if (request.limit) Object.assign(body, limitOf());
    if (request.issuer) Object.assign(body, issuerOf());
    const password = $("ask-password").value, code = $("ask-code").value;
    if (request.confirming) await api("confirm", { password, code });
    else if (password) Object.assign(body, { password, code });
    const answer = await api(request.issuer ? `corporate/${$("ask-issuer").value}` : request.path, body);
    $("ask").close();
    hurry();
    notice(answer.done.join("; "));
  } catch (error) {
    say($("ask-error"), error.message);
    if (error.status === 409) { request.confirming = true; needPassword(true); $("ask-password").focus(); }
    if (request.limit && /password/.test(error.message)) { needPassword(true); $("ask-password").focus(); }
  } finally { $("ask-go").disabled = false; }
}

const AMOUNT = (asset) => `Amount${asset ? ` in ${asset}` : ""}, as ${asset && state.me.money.decimals[asset] ? `5000.${"".padEnd(state.me.money.decimals[asset], "0")}` : "5000"}`;
const OF_PARTICIPANT = ["open_orders", "orders_per_s", "exposure_buy", "exposure_sell", "gross_position", "credit",
  "loss", "drawdown", "duplicate_window_ms", "deposit"];
const OF_CELL = ["max_qty_lots", "max_value", "position_long", "position_short"];

function limitOf() {
  const limit = $("ask-limit").value, text = $("ask-value").value.trim();
  const isWhole = !isAmount(limit) && text !== "none";
  if (isWhole && !/^-?\d+$/.test(text)) throw new Error("a value is a whole number, or none");
  const fields = { limit, value: isWhole ? Number(text) : text };
  return OF_CELL.includes(limit) ? { ...fields, instrument: $("ask-instrument").value } : fields;
}

export function askLimit(participant) {
  $("ask-limit").replaceChildren(...[...OF_PARTICIPANT, ...OF_CELL].map((name) => make("option", name)));
  $("ask-instrument").replaceChildren(...state.instruments.map((one) => make("option", one.symbol)));
  ask({ title: `Set a limit of ${participant.name}`, path: "limit", go: "Set", limit: true, body: { participant: participant.number },
    text: "A tighter limit applies at once. A wider one needs your password and the same request from another supervisor." });
  showInstrument();
}

function showInstrument() {
  const limit = $("ask-limit").value;
  $("ask-instrument-row").hidden = !OF_CELL.includes(limit);
  say($("ask-value-text"), isAmount(limit) ? `${AMOUNT(state.me.money.asset)}, or none` : "Value (a whole number, or none)");
}

// What an issuer does: its fields' names and words, the first that must be said.
const ISSUER = {
  dividend: [["amount", AMOUNT], ["lots", "Per this many lots"], "Price after it, ticks (empty: computed from the last one)"],
  split: [["new", "New lots"], ["old", "For this many old ones"], "Price after it, ticks (empty: computed from the last one)"],
  "reference-price": [null, null, "Reference price, ticks"],
};

export function askIssuer(symbol) {
  ask({ title: `Corporate action of ${symbol}`, go: "Ask for it", issuer: true, password: true, danger: true, body: { instrument: symbol },
    text: "All open orders in it are cancelled and every position is adjusted. Another supervisor must make the same request." });
  showIssuer();
}

function showIssuer() {
  const kind = $("ask-issuer").value, [first, second, price] = ISSUER[kind];
  const { asset } = state.instruments.find((one) => one.symbol === request.body.instrument);
  for (const [name, field] of [["first", first], ["second", second]]) {
    $(`ask-${name}-row`).hidden = !field;
    say($(`ask-${name}-text`), !field ? "" : field[1] === AMOUNT ? `Paid: ${AMOUNT(asset)}` : field[1]);
    $(`ask-${name}`).value = field?.[0] === "lots" ? "1" : "";
  }
  say($("ask-price-text"), price);
}

function issuerOf() {
  const [first, second] = ISSUER[$("ask-issuer").value], fields = {};
  const number = (id) => {
    const text = $(id).value.trim();
    if (!/^[1-9]\d*$/.test(text)) throw new Error("enter a whole number above 0");
    return Number(text);
  };
  if (first) Object.assign(fields, { [first[0]]: first[0] === "amount" ? $("ask-first").value.trim() : number("ask-first"), [second[0]]: number("ask-second") });
  if (!first || $("ask-price").value.trim()) fields.price = number("ask-price");
  return fields;
}

// The emergency close, and its rehearsal

const STEPS = ["reject all", "cancel all", "disable sessions", "publish", "dump state", "notify"];
const STEP_LINE = /^(rehearsal|emergency close): step (\d) of 6: ([^:]*)(?:: (.*))?$/;
let begun = null;

function openClose() {
  $("close-form").reset();
  say($("close-name"), state.venue);
  for (const name of ["close-error", "close-done"]) say($(name), "");
  $("close-go").disabled = true;
  showSteps();
  $("close").showModal();
  $("close-why").focus();
}

function showSteps() {
  $("steps").replaceChildren(...STEPS.map((text, index) => {
    const row = make("li");
    row.append(make("span", `${index + 1} ${text}`), make("span"));
    return row;
  }));
}

function step(lines) {
  for (const line of lines) {
    const match = STEP_LINE.exec(line.text);
    if (!match || !begun || match[1] !== begun.what) continue;
    const at = Date.parse(line.at), row = $("steps").children[Number(match[2]) - 1];
    if (at < begun.since) continue;
    begun.first ??= at;
    row.className = "done";
    say(row.lastChild, [match[4], `+${at - begun.first} ms`].filter(Boolean).join(" · "));
  }
}

async function close(path, body, what) {
  showSteps();
  for (const name of ["close-error", "close-done"]) say($(name), "");
  const last = Date.parse(state.log[0]?.at || 0) || 0;
  begun = { what, since: last + 1, first: null };
  state.fast = true;
  wish();
  try {
    const answer = await api(path, { why: $("close-why").value, ...body });
    say($("close-done"), what === "rehearsal" ? "Rehearsed: nothing was closed."
      : `The market is closed; the venue's state is in ${(answer.state || "").split("/").at(-1)}.`);
    setTimeout(() => { state.fast = false; wish(); }, 2_000);
  } catch (error) {
    state.fast = false;
    wish();
    if (error.status !== 409) return say($("close-error"), error.message);
    $("close").close();
    const title = what === "rehearsal" ? "Rehearse the emergency close" : "Emergency close";
    ask({ title, path, body, danger: what !== "rehearsal", text: error.message, confirming: true, password: true });
    $("ask-why").value = $("close-why").value;
  }
  draw();
}

export function setUpActions() {
  $("ask-form").addEventListener("submit", go);
  $("ask-cancel").addEventListener("click", () => $("ask").close());
  $("ask-limit").addEventListener("change", showInstrument);
  $("ask-issuer").addEventListener("change", showIssuer);
  $("red").addEventListener("click", openClose);
  $("close-cancel").addEventListener("click", () => $("close").close());
  $("close-typed").addEventListener("input", () => { $("close-go").disabled = $("close-typed").value !== state.venue; });
  $("rehearse").addEventListener("click", () => close("rehearse", {}, "rehearsal"));
  $("close-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("close-go").disabled) close("emergency-close", { typed: $("close-typed").value }, "emergency close");
  });
  listeners.add(step);
}
