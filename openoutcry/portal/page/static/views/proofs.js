// What the venue has stated that it owes, and the account's own leaf, which this browser checks.
import { button, download, facts, field, h, notice, panel, say, select, table, when, words } from "../kit.js";
import { t } from "../words.js";
import { shared } from "../store.js";
import { file, get } from "../api.js";
import { show as showNumber, write } from "../exact.js";
import { Unproved, verified } from "../proof.js";

const parsed = async (blob) => JSON.parse(await blob.text());

export async function showProofs(area) {
  const error = h("p", { class: "error", role: "alert" }), result = h("div", { id: "proof-result", "aria-live": "polite" });
  let page, subs;
  try { [page, subs] = await Promise.all([get("/v1/proofs"), get("/v1/sub-accounts")]); } catch (problem) { say(error, words(problem)); area.append(error); return; }
  const accounts = [[0, t("proofs.main"), shared.me?.participant], ...subs.map((one) => [one.id, one.label, one.participant])];
  const account = select(accounts.map(([id, label]) => [String(id), label]), { id: "proof-account" });
  const list = table([
    { label: t("proofs.time"), text: (row) => when(row.as_of_ms) },
    { label: t("proofs.members"), n: true, text: (row) => showNumber(String(row.members)) },
    { label: t("proofs.owed"), wide: true, text: (row) => Object.entries(row.sums).map(([asset, sum]) => `${showNumber(sum)} ${asset}`).join(", ") },
    { label: "", node: (row) => [button(t("proofs.check"), () => check(row), "small primary", { "data-proof": row.id }),
      button(t("proofs.statement"), () => saved(`/v1/proofs/${row.id}`, `${row.id}-statement.json`), "small"),
      row.reserves.map((name) => button(t("proofs.reserves", { chain: name }), () => saved(`/v1/proofs/${row.id}/reserves/${name}`, `${row.id}-${name}.json`), "small"))].flat() },
  ], { label: t("portfolio.proofs"), empty: t("proofs.none") });
  area.append(panel(t("portfolio.proofs"), h("p", { class: "hint" }, t("proofs.about")), subs.length ? h("div", { class: "row" }, field(t("proofs.account"), account)) : null, list, error), result,
    panel(t("proofs.not"), h("ul", {}, ["has", "others", "page"].map((one) => h("li", {}, t(`proofs.not.${one}`))))));
  list.show(page.items);

  async function saved(path, name, values = {}) {
    say(error, "");
    try { download(name, await file(path, values)); notice(t("file.saved")); } catch (problem) { say(error, words(problem)); }
  }

  async function check(row) {
    say(error, "");
    result.replaceChildren();
    const [id, label, participant] = accounts.find(([number]) => String(number) === account.value) ?? accounts[0];
    try {
      const [statement, leaf] = await Promise.all([file(`/v1/proofs/${row.id}`), file(`/v1/proofs/${row.id}/leaf`, id ? { sub_account: id } : {})]);
      const stated = await parsed(statement), own = await parsed(leaf);
      draw(row, stated, await verified(stated, own, String(participant)), { label, id, participant });
    } catch (problem) {
      say(error, problem instanceof Unproved ? t("proofs.wrong", { why: t(`proofs.wrong.${problem.message}`) }) : words(problem));
    }
  }

  function draw(row, stated, { units, isSigned }, { label, id, participant }) {
    const rows = Object.entries(units).map(([asset, amount]) => ({ asset, amount: write({ units: BigInt(amount), places: Number(stated.decimals[asset]) }) }));
    const held = table([{ label: t("asset"), text: (one) => one.asset }, { label: t("proofs.proven"), n: true, text: (one) => showNumber(one.amount) }],
      { key: (one) => one.asset, label: t("proofs.proven"), empty: "" });
    result.replaceChildren(panel(t("proofs.holds", { account: label }), h("p", { class: "good" }, t("proofs.compare", { time: when(row.as_of_ms) })), held,
      facts([[t("proofs.signature"), isSigned ? t("proofs.signed") : t("proofs.unchecked")], [t("proofs.key"), h("code", { class: "long" }, stated.public_key)],
        [t("proofs.root"), h("code", { class: "long" }, stated.root)], [t("proofs.member"), String(participant)]]),
      h("p", { class: "hint" }, t("proofs.key.about")),
      h("div", { class: "buttons" }, button(t("proofs.leaf"), () => saved(`/v1/proofs/${row.id}/leaf`, `${row.id}-${participant}.json`, id ? { sub_account: id } : {})))));
    held.show(rows);
  }
}
