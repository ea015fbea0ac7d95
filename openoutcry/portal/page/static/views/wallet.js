// Balances, deposits, withdrawals, and every movement of the account.
import { amountInput, ask, button, copyable, facts, field, form, h, input, notice, panel, say, select, tabbed, table, when, words } from "../kit.js";
import { reason, t, word } from "../words.js";
import { on, portal, shared } from "../store.js";
import { get, newKey, post, remove } from "../api.js";
import { follow } from "../stream.js";
import { refreshMe } from "../page.js";
import { add, compare, isNumber, show as showNumber, sign, signed } from "../exact.js";
import { gainKind, typed } from "../numbers.js";
import { lateness, paged } from "../paged.js";
import { qr } from "../qr.js";
import { totpInput } from "./login.js";
import { addresses } from "./addresses.js";
import { assets } from "./portfolio.js";

const UNDER_WAY = ["confirmed", "requested", "approved", "sent"];
// States that change without their owner.

export const show = (root, [chosenTab]) => tabbed(root, { name: "wallet", title: t("nav.wallet"), label: (one) => t(`wallet.${one}`) }, { balances: showBalances, deposit: showDeposit, withdraw: showWithdraw, movements: showMovements }, chosenTab);

function showBalances(area, ends) {
  let rows = [], zero = false;
  const list = table([
    { label: t("asset"), text: (row) => row.asset }, { label: t("available"), n: true, text: (row) => showNumber(row.available) },
    { label: t("reserved"), n: true, text: (row) => showNumber(row.reserved) }, { label: t("total"), n: true, text: (row) => showNumber(add(row.available, row.reserved)) },
    { label: "", node: (row) => [h("a", { class: "button small", href: `#/wallet/deposit` , "aria-label": t("deposit.of", { asset: row.asset }) }, t("wallet.deposit")), h("a", { class: "button small", href: `#/wallet/withdraw`, "aria-label": t("withdraw.of", { asset: row.asset }) }, t("wallet.withdraw"))], sign: (row) => row.asset },
  ], { key: (row) => row.asset, label: t("balances"), empty: t("balances.none") });
  const draw = () => list.show(rows.filter((row) => zero || compare(row.available, "0") !== 0 || compare(row.reserved, "0") !== 0));
  const all = h("label", { class: "check" }, h("input", { type: "checkbox", onchange: (event) => { zero = event.target.checked; draw(); } }), h("span", {}, t("balances.zero")));
  area.append(panel("", shared.me?.is_open ? null : h("p", { class: "warning" }, t("account.opening")), all, list));
  ends.push(follow("balances", "", (model) => { rows = model.list; draw(); }));
  if (!rows.length) list.show([]);
}

async function showDeposit(area, ends) {
  const error = h("p", { class: "error", role: "alert" }), body = h("div", { class: "columns" });
  const list = table([
    { label: t("time"), text: (row) => when(row.created_ms) }, { label: t("asset"), text: (row) => row.asset },
    { label: t("amount"), n: true, text: (row) => showNumber(row.amount) }, { label: t("state"), text: (row) => word("deposit", row.state), kind: (row) => row.state === "reversed" ? "bad" : "" },
    { label: t("reference"), text: (row) => row.txid || row.reference, wide: true },
  ], { label: t("deposits"), empty: t("deposits.none") });
  const coming = table([
    { label: t("time"), text: (row) => when(row.changed_ms) }, { label: t("asset"), text: (row) => row.asset || "?" }, { label: t("network"), text: (row) => row.network },
    { label: t("amount"), n: true, text: (row) => showNumber(row.amount) }, { label: t("state"), text: (row) => word("deposit", row.state), kind: (row) => ["reversed", "gone"].includes(row.state) ? "bad" : "" },
    { label: t("confirmations"), n: true, text: (row) => `${row.confirmations} / ${row.needed}` }, { label: t("transaction"), text: (row) => row.txid, wide: true },
  ], { key: (row) => row.reference, label: t("deposits.coming"), empty: t("deposits.none") });
  const pages = paged("/v1/deposits", list), arriving = panel(t("deposits.coming"), coming);
  arriving.hidden = true;
  // What is on the way is in its own list until it is credited.
  const shownAll = list.show;
  list.show = (rows) => shownAll(rows.filter((row) => !(coming.names || new Set()).has(row.reference)));
  area.append(error, arriving, body, panel(t("deposits"), pages));
  pages.load();
  ends.push(on("notification", (one) => { if (one.event === "deposit") pages.load(); }));
  const look = async () => {
    try {
      const rows = await get("/v1/chain-deposits");
      const differs = coming.rows !== JSON.stringify(rows);
      coming.rows = JSON.stringify(rows);
      coming.names = new Set(rows.map((row) => row.reference));
      coming.show(rows);
      arriving.hidden = !rows.length;
      if (differs) pages.load();
    } catch { /* the next look shows it */ }
  };
  look();
  const looking = setInterval(look, 5_000);
  ends.push(() => clearInterval(looking));
  try {
    const rows = await get("/v1/deposit-addresses");
    if (!rows.length) body.append(h("div", { class: "panel" }, h("p", { class: "none" }, t("deposit.nowhere"))));
    for (const row of rows) body.append(panel(t("deposit.by", { asset: row.asset, network: row.network }),
      facts([[t("address"), copyable(row.address, t("address"))], ...(row.tag ? [[t("tag"), copyable(row.tag, t("tag"))]] : [])]), qr(row.address, t("qr.of", { what: t("address") })),
      row.tag ? h("p", { class: "warning" }, t("deposit.tag")) : h("p", { class: "hint" }, t("deposit.own", { asset: row.asset, network: row.network, count: row.confirmations }))));
  } catch (problem) { say(error, words(problem)); }
}

function showWithdraw(area, ends) {
  const balances = new Map();
  const networks = portal.networks;
  const list = table([
    { label: t("time"), text: (row) => when(row.created_at) }, { label: t("asset"), text: (row) => row.asset },
    { label: t("amount"), n: true, text: (row) => showNumber(row.amount) }, { label: t("address"), text: (row) => row.address, wide: true },
    { label: t("network"), text: (row) => row.network }, { label: t("state"), text: (row) => word("withdrawal", row.state), kind: (row) => ["failed", "refused"].includes(row.state) ? "bad" : row.state === "done" ? "good" : "" },
    { label: t("note"), text: (row) => reason(row.why_code, row.why) || (row.waits === "blocks" ? t("waits.blocks", { count: row.confirmations }) : row.waits ? word("waits", row.waits) : "") }, { label: t("transaction"), text: (row) => row.txid, wide: true },
    { label: "", node: (row) => [row.state === "unconfirmed" ? button(t("withdraw.confirm"), () => confirmWithdrawal(row, pages), "small primary") : null,
      ["unconfirmed", "confirmed", "requested", "approved"].includes(row.state) ? button(t("cancel.order"), () => cancelWithdrawal(row, pages), "small", { "aria-label": t("withdraw.cancel.of", { amount: row.amount, asset: row.asset }) }) : null], sign: (row) => row.state },
  ], { label: t("withdrawals"), empty: t("withdrawals.none") });
  const pages = paged("/v1/withdrawals", list);
  const asset = select([...new Set(networks.map((one) => one.asset))].map((one) => [one, one]), { id: "withdraw-asset" });
  const network = select([], { id: "withdraw-network" }), address = input({ id: "withdraw-address", maxlength: 128, required: true, spellcheck: "false" });
  const tag = input({ id: "withdraw-tag", maxlength: 128 }), amount = amountInput({ id: "withdraw-amount", required: true }), has = h("span", { class: "hint" });
  const known = h("datalist", { id: "withdraw-known" }), tagged = field(t("tag.if"), tag), about = h("p", { class: "hint" });
  address.setAttribute("list", "withdraw-known");
  let key = newKey(), sent = "", listed = [];
  const chosen = () => networks.find((one) => one.asset === asset.value && one.name === network.value);
  const offer = () => {
    tagged.hidden = !!chosen()?.listed;
    bound();
    say(about, t(chosen()?.listed ? "withdraw.about.chain" : "withdraw.about"));
    known.replaceChildren(...listed.filter((one) => one.state === "listed" && one.network === network.value).map((one) => h("option", { value: one.address }, one.label)));
  };
  network.addEventListener("change", offer);
  const draw = () => {
    network.replaceChildren(...networks.filter((one) => one.asset === asset.value).map((one) => h("option", { value: one.name }, one.name)));
    offer();
    shown();
  };
  let limits = [];
  const bounds = h("dl", { id: "withdraw-bounds" });
  const askLimits = () => get("/v1/withdrawal-limits").then((rows) => { limits = rows; bound(); }).catch((problem) => notice(words(problem), "bad"));
  function bound() {
    const one = limits.find((row) => row.asset === asset.value && row.network === network.value), money = (text) => text == null ? t("withdraw.unlimited") : `${showNumber(text)} ${one.asset}`;
    bounds.replaceChildren(...(one ? facts([[t("withdraw.least"), money(one.minimum)], [t("fee"), money(one.fee)], [t("withdraw.a.day"), money(one.a_day)], [t("withdraw.left"), money(one.left)]]).childNodes : []));
  }
  const shown = () => say(has, t("withdraw.has", { amount: showNumber(balances.get(asset.value) ?? "0"), asset: asset.value }));
  asset.addEventListener("change", draw);
  const made = form([field(t("asset"), asset), field(t("network"), network), field(t("address"), address), known, tagged, field(t("amount"), amount), has, bounds], t("withdraw.go"), async () => {
    let units;
    try { units = typed(amount.value); } catch (problem) { throw new Error(t(`ticket.${problem.code}`, { field: t("amount") })); }
    if (!units || sign(units) <= 0) throw new Error(t("ticket.more.than", { field: t("amount") }));
    const body = { asset: asset.value, network: network.value, address: address.value.trim(), tag: tag.value.trim(), amount: units };
    // The same again, after a lost answer, is the same withdrawal.
    if (JSON.stringify(body) !== sent) key = newKey();
    sent = JSON.stringify(body);
    const row = await post("/v1/withdrawals", body, key);
    sent = "";
    made.reset();
    draw();
    askLimits();
    pages.load();
    await confirmWithdrawal(row, pages);
  });
  const waits = h("p", { class: "warning", hidden: true });
  refreshMe().then(() => { waits.hidden = !shared.me?.waits_until; say(waits, t("account.waits", { until: when(shared.me?.waits_until, false) })); }).catch(() => {});
  area.append(waits, h("div", { class: "columns" }, networks.length ? panel(t("wallet.withdraw"), about, made) : h("div", { class: "panel" }, h("p", { class: "none" }, t("withdraw.nowhere"))),
    panel(t("withdraw.limits"), h("p", {}, t("withdraw.level", { level: portal.levels.filter((one) => one.number <= (shared.me?.level ?? 0)).at(-1)?.name ?? shared.me?.level ?? 0 })), h("a", { href: "#/account/identity" }, t("identity.higher")))), ...(networks.some((one) => one.listed) ? [addresses((rows) => { listed = rows; offer(); })] : []), panel(t("withdrawals"), pages));
  draw();
  askLimits();
  pages.load();
  ends.push(on("notification", (one) => { if (one.event === "withdrawal") { pages.load(); askLimits(); } }));
  const looking = setInterval(() => { if (pages.page?.items.some((row) => UNDER_WAY.includes(row.state))) pages.load(); }, 5_000);
  ends.push(() => clearInterval(looking));
  const end = follow("balances", "", (model) => { model.list.forEach((one) => balances.set(one.asset, one.available)); shown(); });
  ends.push(end);
}

function confirmWithdrawal(row, pages) {
  const code = input({ id: "withdraw-code", inputmode: "numeric", maxlength: 8, autocomplete: "one-time-code", required: true });
  const parts = [facts([[t("amount"), `${showNumber(row.amount)} ${row.asset}`], [t("address"), row.address], [t("network"), row.network]]), field(t("code"), code, t("withdraw.code"))];
  const totp = totpInput({ id: "withdraw-totp" });
  if (shared.me?.totp_is_confirmed) parts.push(field(t("totp"), totp));
  return ask(t("withdraw.confirm"), parts, t("withdraw.confirm"), async () => {
    await post(`/v1/withdrawals/${row.id}/confirm`, { code: code.value.trim(), totp: totp.value.trim() }, newKey());
    notice(t("withdraw.confirmed"));
    pages.load();
  });
}

async function cancelWithdrawal(row, pages) {
  try { await remove(`/v1/withdrawals/${row.id}`, newKey()); notice(t("withdraw.cancelled")); } catch (problem) { notice(words(problem), "bad"); }
  pages.load();
}

function showMovements(area, ends) {
  const kind = select(["", "deposit", "withdrawal", "transfer"].map((one) => [one, t(one ? `movement.${one}` : "movement.all")])), asset = select([["", t("movement.all")], ...assets().map((one) => [one, one])]);
  const list = table([
    { label: t("time"), text: (row) => when(row.time_ms) }, { label: t("what"), text: (row) => word("movement", row.kind) }, { label: t("step"), text: (row) => word("step", row.step) },
    { label: t("asset"), text: (row) => row.asset }, { label: t("amount"), n: true, text: (row) => showNumber(row.amount) },
    { label: t("available.change"), n: true, text: (row) => signed(row.available), kind: (row) => gainKind(row.available) },
    { label: t("reserved.change"), n: true, text: (row) => signed(row.reserved), kind: (row) => gainKind(isNumber(row.reserved) ? row.reserved : "0") },
  ], { key: (row) => `${row.id} ${row.seq} ${row.step}`, label: t("wallet.movements"), empty: t("search.none") });
  const pages = paged("/v1/history/movements", list, () => ({ asset: asset.value, kind: kind.value }));
  const filter = h("div", { class: "row" }, field(t("what"), kind), field(t("asset"), asset));
  filter.addEventListener("change", () => pages.load());
  area.append(panel("", lateness(ends, () => { if (pages.isFirst) pages.load(); }), filter, pages));
  pages.load();
}
