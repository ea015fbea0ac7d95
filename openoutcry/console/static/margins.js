// The margin view: participants, the nearest to a margin call first, parts of one's margin, contracts, and the insurance fund.
import { $, clock, list, rows, say, whole } from "./kit.js";
import { amount, api, draw, greek, state } from "./link.js";

const EVERY_MS = 2_000;
let all = null, one = null, chosen = 0, due = 0, fault = "", detailFault = "";
let funded = null, before = "0", fundingFault = "";

// Asked for while it is looked at.
async function look() {
  due = performance.now() + EVERY_MS;
  await api("margins").then((report) => { all = report; fault = ""; }).catch((error) => { all = null; fault = error.message; });
  if (chosen) await Promise.all([read(chosen), readFunding(chosen)]);
  draw();
}

async function read(number) {
  try {
    const found = await api(`margin?participant=${number}`);
    if (number === chosen) { one = found; detailFault = ""; }
  } catch (error) { if (number === chosen) { one = null; detailFault = error.message; } }
}

// A page of what the participant was paid in funding.
async function readFunding(number) {
  const page = before;
  try {
    const found = await api(`funding?participant=${number}&before=${page}`);
    if (number === chosen && page === before) { funded = found; fundingFault = ""; }
  } catch (error) { if (number === chosen) { funded = null; fundingFault = error.message; } }
}

async function turn(page) {
  before = page;
  await readFunding(chosen);
  draw();
}

async function choose(number) {
  chosen = number;
  one = funded = null;
  before = "0";
  await Promise.all([read(number), readFunding(number)]);
  draw();
  $("margin-of").scrollIntoView({ block: "start" });
}

const used = ({ is_judged, equity, maintenance }) => !is_judged ? "" : BigInt(equity) <= 0n ? "no equity" : `${(Number(maintenance) / Number(equity) * 100).toFixed(1)} %`;
const standing = (row) => row.is_under ? ["below its margin", "critical"] : row.killed_by.length ? ["killed: " + row.killed_by.join(", "), "critical"] : row.is_judged ? ["enough", "good"] : ["not judged", ""];

export function showMargins() {
  if (performance.now() > due) look();
  const { participants = [], contracts = {}, indices = {}, insurance_fund: fund, fund_history: history = [], count = 0 } = all || {};
  const wanted = $("find-margin").value.trim().toLowerCase();
  say($("margins-fault"), fault);
  say($("margins-text"), !all ? "" : `${whole(count)} ${count === "1" ? "participant has" : "participants have"} a position, an order or a debt${state.me.money.asset ? `; amounts are in ${state.me.money.asset}` : ""}.`
    + (Number(count) > participants.length ? ` The ${whole(participants.length)} nearest to a margin call are shown.` : ""));
  rows($("margins"), participants.filter((row) => `${row.number} ${row.name}`.toLowerCase().includes(wanted)), (row) => row.number, (row) => [
    row.number, row.name, standing(row), row.equity == null ? "no limit" : amount(row.equity), amount(row.maintenance), [row.excess == null ? "" : amount(row.excess), (row.excess || "").startsWith("-") ? "critical" : ""],
    used(row), amount(row.initial), amount(row.with_orders), Object.entries(row.positions).map(([symbol, lots]) => `${symbol} ${whole(lots)}`).join(", "),
  ], (row) => [{ text: "Margin", label: `Margin of participant ${row.number}`, go: () => choose(row.number) }]);
  $("no-margins").hidden = !all || participants.length > 0;
  showOne();
  showContracts(contracts, indices);
  showFund(fund, history, all?.deficits || {}, all?.debts || {});
}

const stateOf = (row, isProtected) => !row.listed ? ["not listed yet", ""] : row.final != null ? [`settled at ${whole(row.final)}`, ""] : row.expired ? ["expired", "warning"]
  : row.paused ? [isProtected ? "protected: its index has too few sources" : "paused", "critical"] : ["trades", "good"];

function showContracts(contracts, indices) {
  $("margin-market").hidden = !Object.keys(contracts).length;
  rows($("margin-contracts"), Object.entries(contracts), ([symbol]) => symbol, ([symbol, row]) => [symbol, stateOf(row, indices[row.underlying]?.protected), whole(row.mark), row.index === "0" ? "none" : whole(row.index),
    row.day === "0" ? "" : `${whole(row.settlement)} (${row.day})`, row.period === "0" ? "" : `${whole(row.rate)} billionths, period ${whole(row.period)}`, row.ranks.long.join(", "), row.ranks.short.join(", ")]);
  $("margin-no-index").hidden = Object.keys(indices).length > 0;
  rows($("margin-indices"), Object.entries(indices), ([name]) => name, ([name, row]) => [name, whole(row.price), row.protected ? ["protected: too few sources", "critical"] : row.refused?.length ? [`marks refused: ${row.refused.join(", ")}`, "critical"] : ["in force", "good"],
    Object.entries(row.sources).map((pair) => pair.join(" ")).join(", ")]);
}

function showFund(fund, history, deficits, debts) {
  $("margin-fund-part").hidden = !fund;
  if (!fund) return;
  const owed = (who) => Object.entries(who).map(([number, far]) => `participant ${number}: ${amount(far)}`).join(", ") || "none";
  list($("margin-fund"), [["Balance", amount(fund.balance)], ["Account", `participant ${fund.participant}`], ["Deficits paid", `${amount(fund.covered)} in ${whole(fund.covers)}`],
    ["Takeovers", `${whole(fund.taken_over)} lots in ${whole(fund.takeovers)}, for which takers paid ${amount(fund.losses)}`], ["Deficits not paid", owed(deficits)], ["Owed, pledges cover it", owed(debts)]]);
  $("margin-no-history").hidden = history.length > 0;
  rows($("margin-history"), history, (line) => line.number, (line) => [clock(line.at), line.text, whole(line.seq)]);
}

const never = (price) => price == null ? "never" : whole(price);
const FAR = ["far up", "far down"];
const thirds = (count) => count === 0 ? "0" : `${count > 0 ? "+" : "−"}${Math.abs(count)}/3`;

function showOne() {
  $("margin-of").hidden = !chosen;
  if (!chosen) return;
  const known = all?.participants.find((row) => row.number === String(chosen));
  say($("margin-of-name"), `Participant ${chosen}${known?.name ? ` (${known.name})` : ""}`);
  say($("margin-of-fault"), detailFault);
  showFunding();
  $("margin-of-parts").hidden = !one;
  if (!one) return;
  list($("margin-of-sums"), [["Equity and credit", one.is_limited ? amount(one.equity) : "without a limit"], ["Maintenance", amount(one.maintenance)], [known?.excess?.startsWith("-") ? "Deficit" : "Excess", known?.excess ? amount(known.excess.replace("-", "")) : ""],
    ["Initial", amount(one.initial)], ["Initial with open orders", amount(one.with_orders)], ["Reserved for fees", amount(one.reserved)]].filter((pair) => pair[1] !== ""));
  rows($("margin-positions"), Object.entries(one.positions), ([symbol]) => symbol, ([symbol, row]) => [symbol, whole(row.lots), whole(row.mark), row.index === "0" ? "none" : whole(row.index), row.funding_period ? `${whole(row.funding_rate)} billionths, period ${whole(row.funding_period)}` : "", `${whole(row.takeover_place)} of ${whole(row.takeover_of)}`]);
  const parts = Object.entries(one.commodities);
  rows($("margin-parts"), parts, ([name]) => name, ([name, row]) => [name, amount(row.scan), whole(Number(row.active) + 1), amount(row.intra), amount(row.credit), amount(row.short_minimum), amount(row.addon), amount(row.maintenance),
    ...["delta", "gamma", "vega", "theta"].map((what) => greek(one.greeks[name]?.[what])), never(one.liquidation[name]?.below), never(one.liquidation[name]?.above)]);
  const losses = parts.flatMap(([name, row]) => row.scenarios.map((loss, at) => ({ name, at, loss, isWorst: at === Number(row.active) })));
  rows($("margin-scenarios"), losses, (row) => row.name + row.at, (row) => {
    const moves = all?.moves || [], move = moves[row.at];
    return [row.name, whole(row.at + 1), move ? thirds(move[0]) : FAR[row.at - moves.length] || "extended", move ? (move[1] > 0 ? "up" : "down") : "", [amount(row.loss), row.isWorst ? "warning" : ""]];
  });
  const pledged = Object.entries(one.collateral);
  $("margin-pledged").hidden = !pledged.length;
  rows($("margin-collateral"), pledged, ([asset]) => asset, ([asset, row]) => [asset, amount(row.amount, asset), amount(row.value), amount(row.by_size), amount(row.by_share), amount(row.counts)]);
}

function showFunding() {
  const { payments = [], totals = {}, missing = [], since = "", next } = funded || {};
  $("margin-funded").hidden = !fundingFault && !Object.keys(totals).length && !missing.length && !payments.length;
  const paid = Object.entries(totals).map(([symbol, units]) => `${symbol} ${amount(units)}`).join(", ");
  say($("margin-funding-text"), fundingFault || [paid && `In all${since ? ` since ${clock(since)}` : ""}: ${paid}.`, missing.length && `The last funding of ${missing.join(", ")} is not in the history yet.`,
    "Below 0 the participant has paid."].filter(Boolean).join(" "));
  rows($("margin-funding"), payments, (row) => row.number, (row) => [clock(row.at), row.contract, whole(row.period), whole(row.lots), whole(row.mark), whole(row.rate), amount(row.paid), amount(row.total), whole(row.seq)]);
  $("margin-funding-newest").disabled = before === "0";
  $("margin-funding-older").disabled = next == null;
}

export function setUpMargins() {
  $("margin-funding-newest").addEventListener("click", () => turn("0"));
  $("margin-funding-older").addEventListener("click", () => turn(funded.next));
  $("find-margin").addEventListener("input", draw);
  $("margin-of-close").addEventListener("click", () => { chosen = 0; one = funded = null; draw(); });
}
