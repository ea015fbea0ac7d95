// Addresses that withdrawals on a chain may go to: confirmed by both factors, usable after a wait.
import { ask, button, facts, field, form, h, input, notice, panel, say, select, table, when, words } from "../kit.js";
import { reason, t, word } from "../words.js";
import { portal, shared } from "../store.js";
import { get, post, remove } from "../api.js";
import { totpInput } from "./login.js";

const stateOf = (row) => {
  if (row.state !== "listed" || Date.parse(row.usable_at) <= Date.now()) return word("address", row.state);
  return t("address.locked", { when: when(row.usable_at) });
};

// The panel; ``changed(rows)`` gets the list whenever it was read.
export function addresses(changed) {
  const error = h("p", { class: "error", role: "alert" });
  const networks = portal.networks.filter((one) => one.listed);
  const list = table([
    { label: t("asset"), text: (row) => row.asset }, { label: t("network"), text: (row) => row.network },
    { label: t("address"), text: (row) => row.address, wide: true }, { label: t("name"), text: (row) => row.label },
    { label: t("state"), text: stateOf, kind: (row) => row.state === "refused" ? "bad" : "" }, { label: t("reason"), text: (row) => reason(row.why_code, row.why) },
    { label: "", node: (row) => [row.state === "unconfirmed" ? button(t("withdraw.confirm"), () => confirm(row), "small primary") : null,
      button(t("address.remove"), () => drop(row), "small", { "aria-label": t("address.remove.of", { address: row.address }) })], sign: (row) => row.state },
  ], { label: t("addresses"), empty: t("addresses.none") });
  let looking = 0;
  const load = async () => {
    try {
      const rows = await get("/v1/withdrawal-addresses");
      list.show(rows);
      changed(rows);
      const waits = rows.map((row) => Date.parse(row.usable_at) - Date.now()).filter((ms) => ms > 0);
      clearTimeout(looking);
      if (waits.length) looking = setTimeout(() => { if (list.isConnected) load(); }, Math.min(...waits, 2 ** 31 - 1_000) + 500);
    } catch (problem) { say(error, words(problem)); }
  };
  const network = select(networks.map((one, place) => [String(place), `${one.asset} · ${one.name}`]), { id: "list-network" });
  const address = input({ id: "list-address", maxlength: 128, required: true, spellcheck: "false" }), label = input({ id: "list-label", maxlength: 40 });
  const made = form([field(t("network"), network), field(t("address"), address), field(t("name"), label)], t("address.add"), async () => {
    const chosen = networks[Number(network.value)];
    const row = await post("/v1/withdrawal-addresses", { asset: chosen.asset, network: chosen.name, address: address.value.trim(), label: label.value.trim() });
    made.reset();
    await load();
    if (row.state === "unconfirmed") await confirm(row);
  });
  const confirm = (row) => {
    const code = input({ id: "list-code", inputmode: "numeric", maxlength: 8, autocomplete: "one-time-code", required: true }), totp = totpInput({ id: "list-totp" });
    const parts = [facts([[t("address"), row.address], [t("network"), row.network]]), field(t("code"), code, t("withdraw.code"))];
    if (shared.me?.totp_is_confirmed) parts.push(field(t("totp"), totp));
    return ask(t("address.confirm"), parts, t("withdraw.confirm"), async () => {
      await post(`/v1/withdrawal-addresses/${row.id}/confirm`, { code: code.value.trim(), totp: totp.value.trim() });
      notice(t("address.confirmed.now"));
      await load();
    });
  };
  const drop = async (row) => {
    try { await remove(`/v1/withdrawal-addresses/${row.id}`); notice(t("address.removed")); } catch (problem) { notice(words(problem), "bad"); }
    await load();
  };
  load();
  return panel(t("addresses"), h("p", { class: "hint" }, t("addresses.about")), error, list, made);
}
