// Own limits and the kill switch: lower at once, wider by both factors and a wait.
import { ask, button, confirm, facts, field, form, h, input, notice, panel, say, select, table, when, words } from "../kit.js";
import { t, word } from "../words.js";
import { shared } from "../store.js";
import { get, post, put, remove } from "../api.js";
import { totpInput } from "./login.js";

const OF_MARKETS = ["max_order_quantity", "max_order_value", "blocked"];
const OF_ACCOUNTS = ["open_orders", "orders_per_second", "buy_exposure", "sell_exposure", "loss"];
const shownValue = (value) => ["none", "true", "false"].includes(value) ? word("limit_value", value) : value;
const stateOf = (row) => row.state === "waiting" ? t("limit.waits", { value: shownValue(row.wanted), when: when(row.usable_at) })
  : row.state === "unconfirmed" ? t("limit.unconfirmed", { value: shownValue(row.wanted) }) : row.why || word("limit_state", row.state);

export async function showLimits(area) {
  const error = h("p", { class: "error", role: "alert" }), change = (work) => work().then(load, (problem) => notice(words(problem), "bad"));
  const list = table([
    { label: t("limit"), text: (row) => word("limit_name", row.limit) }, { label: t("market"), text: (row) => row.symbol || t("limit.all") },
    { label: t("limit.value"), text: (row) => shownValue(row.value) }, { label: t("state"), text: stateOf },
    { label: "", node: (row) => [row.state === "unconfirmed" ? button(t("withdraw.confirm"), () => confirmed(row), "small primary") : null,
      row.wanted ? button(t("limit.back"), () => change(() => remove(`/v1/own-limits/${row.id}`)), "small") : null,
      !row.wanted && row.limit === "killed" ? button(t("limit.trade.again"), () => change(() => set("killed", "", "false")), "small") : null], sign: (row) => row.state },
  ], { label: t("account.limits"), empty: t("limits.none") });
  async function load() { try { list.show(await get("/v1/own-limits")); } catch (problem) { say(error, words(problem)); } }
  async function set(limit, symbol, value) {
    const row = await put("/v1/own-limits", { limit, symbol, value });
    await load();
    if (row.state === "unconfirmed") await confirmed(row);
    else notice(t("limit.set"));
  }
  const confirmed = (row) => {
    const code = input({ id: "limit-code", inputmode: "numeric", maxlength: 8, autocomplete: "one-time-code", required: true }), totp = totpInput({ id: "limit-totp" });
    const parts = [facts([[word("limit_name", row.limit), shownValue(row.wanted)]]), field(t("code"), code, t("withdraw.code"))];
    if (shared.me?.totp_is_confirmed) parts.push(field(t("totp"), totp));
    return ask(t("limit.confirm"), parts, t("withdraw.confirm"), async () => {
      await post(`/v1/own-limits/${row.id}/confirm`, { code: code.value.trim(), totp: totp.value.trim() });
      notice(t("limit.confirmed"));
      await load();
    });
  };
  const limit = select([...OF_MARKETS, ...OF_ACCOUNTS].map((name) => [name, word("limit_name", name)]), { id: "limit-name" });
  const market = select(shared.instruments.map((one) => [one.symbol, one.symbol]), { id: "limit-market" });
  const value = input({ id: "limit-value", maxlength: 40, placeholder: "none", inputmode: "decimal" });
  const place = field(t("market"), market), amount = field(t("limit.value"), value, t("limit.value.hint"));
  limit.addEventListener("change", () => { place.hidden = !OF_MARKETS.includes(limit.value); amount.hidden = limit.value === "blocked"; });
  const made = form([field(t("limit"), limit), place, amount], t("limit.save"), async () => {
    const given = limit.value === "blocked" ? "true" : value.value.trim() || "none";
    await set(limit.value, OF_MARKETS.includes(limit.value) ? market.value : "", given);
  });
  made.id = "limit-form";
  const kill = button(t("limit.kill"), () => confirm(t("limit.kill"), t("limit.kill.sure"), t("limit.kill"), async () => { await post("/v1/kill", {}); await load(); }, "danger"), "danger", { id: "kill" });
  area.append(panel(t("account.limits"), h("p", { class: "hint" }, t("limits.about")), error, list), h("div", { class: "columns" }, panel(t("limit.new"), made), panel(t("limit.kill"), h("p", { class: "hint" }, t("limit.kill.about")), kill)));
  await load();
}
