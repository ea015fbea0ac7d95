// The account: security, identity, API keys, activity.
import { ask, button, check, confirm, copyable, facts, field, form, h, input, notice, panel, say, select, table, tabs, tell, when, words } from "../kit.js";
import { t, word } from "../words.js";
import { portal, shared } from "../store.js";
import { forget, get, newKey, post, put, remove, upload } from "../api.js";
import { logOut, refreshMe } from "../page.js";
import { createPasskey } from "../passkeys.js";
import { qr } from "../qr.js";
import { showLimits } from "./limits.js";
import { secondInput, totpInput } from "./login.js";
import { deviceName } from "./notifications.js";

export async function show(root, [chosenTab]) {
  const area = h("div");
  const views = { security: showSecurity, identity: showIdentity, keys: showKeys, limits: showLimits, activity: showActivity };
  const first = views[chosenTab] ? chosenTab : "security";
  await refreshMe().catch(() => {});
  const me = shared.me;
  root.append(h("div", { class: "headline" }, h("h1", {}, t("nav.account")), h("span", { class: "muted" }, me?.mail ?? "", me?.participant ? ` · ${t("participant", { number: me.participant })}` : ""), h("span", { class: "spring" }), button(t("logout"), logOut, "", { id: "leave" })),
    h("p", { class: "warning", hidden: me?.is_open !== false }, t("account.opening")),
    tabs(Object.keys(views).map((name) => [name, t(`account.${name}`)]), first, (name) => { history.replaceState(null, "", `#/account/${name}`); go(name); }, t("nav.account")), area);
  async function go(name) {
    area.replaceChildren();
    await views[name](area);
  }
  await go(first);
}

// Password and, with an authenticator, its code: what the portal asks for again.
function proof() {
  const password = input({ type: "password", autocomplete: "current-password", id: "proof-password", required: true, maxlength: 256 });
  const totp = secondInput({ id: "proof-totp", required: Boolean(shared.me?.totp_is_confirmed) });
  return { parts: [owner(), field(t("password.now"), password), shared.me?.totp_is_confirmed ? field(t("totp"), totp) : null], values: () => ({ password: password.value, totp: totp.value.trim() }) };
}

// For password managers: whose password it is.
const owner = () => input({ type: "text", name: "username", autocomplete: "username", value: shared.me?.mail ?? "", hidden: true, readonly: true, tabindex: "-1" });
const badge = (text, kind) => h("span", { class: `chip ${kind}` }, text);

async function showSecurity(area) {
  const sessions = h("div"), passkeys = h("div"), totp = h("div");
  const old = input({ type: "password", autocomplete: "current-password", maxlength: 256, required: true, id: "old-password" }), fresh = input({ type: "password", autocomplete: "new-password", maxlength: 256, required: true, id: "new-password" });
  const code = totpInput({ id: "password-totp", required: Boolean(shared.me?.totp_is_confirmed) });
  const change = form([owner(), field(t("password.now"), old), field(t("password.new"), fresh, t("password.hint", { least: 12 })), shared.me?.totp_is_confirmed ? field(t("totp"), code) : null], t("password.change"), async () => {
    await post("/v1/password", { old: old.value, new: fresh.value, totp: code.value.trim() });
    notice(t("password.changed"));
    await forget();
    location.hash = "#/login";
    location.reload();
  });
  area.append(panel(t("sessions"), h("p", { class: "hint" }, t("sessions.about")), sessions), h("div", { class: "columns" }, panel(t("passkeys"), passkeys), panel(t("totp.title"), totp)),
    h("div", { class: "columns" }, panel(t("password.change"), h("p", { class: "hint" }, t("password.ends")), change), panel(t("mail.change"), mailForm())), panel(t("word.title"), wordForm()));
  await Promise.all([showSessions(sessions), showPasskeys(passkeys), showTotp(totp)]);
}

async function showSessions(place) {
  const list = table([
    { label: t("device"), text: (row) => deviceName(row.agent) }, { label: t("address.network"), text: (row) => row.address },
    { label: t("since"), text: (row) => when(row.created_at, false) }, { label: t("used"), text: (row) => when(row.used_at, false) },
    { label: t("state"), node: (row) => row.is_this ? badge(t("session.this"), "good") : "", sign: (row) => row.is_this },
    { label: "", node: (row) => row.is_this ? null : button(t("session.end"), async () => {
      try { await remove(`/v1/sessions/${encodeURIComponent(row.id)}`); notice(t("session.over")); } catch (problem) { notice(words(problem), "bad"); }
      load();
    }, "small danger", { "aria-label": t("session.end.of", { device: deviceName(row.agent), address: row.address }) }), sign: (row) => row.is_this },
  ], { label: t("sessions"), empty: "" });
  const all = button(t("session.all"), () => confirm(t("session.all"), t("session.all.sure"), t("session.all"), async () => {
    await post("/v1/logout-everywhere");
    await forget();
    location.hash = "#/login";
    location.reload();
  }, "danger"), "", { id: "end-all" });
  async function load() { try { list.show(await get("/v1/sessions")); } catch (problem) { notice(words(problem), "bad"); } }
  place.append(list, h("div", { class: "buttons" }, all));
  list.id = "sessions";
  await load();
}

async function showPasskeys(place) {
  if (!portal.passkeys) { place.append(h("p", { class: "none" }, t("passkeys.not"))); return; }
  const list = table([
    { label: t("name"), text: (row) => row.label || "–" }, { label: t("since"), text: (row) => when(row.created_at, false) }, { label: t("used"), text: (row) => row.used_at ? when(row.used_at, false) : t("never") },
    { label: "", node: (row) => button(t("remove"), () => {
      const again = proof();
      return ask(t("passkey.remove"), again.parts, t("remove"), async () => { await post(`/v1/passkeys/${row.id}/remove`, again.values(), newKey()); load(); }, { kind: "danger" });
    }, "small", { "aria-label": t("passkey.remove.of", { label: row.label }) }), sign: (row) => row.id },
  ], { label: t("passkeys"), empty: t("passkeys.none") });
  async function load() { try { list.show(await get("/v1/passkeys")); } catch (problem) { notice(words(problem), "bad"); } }
  place.append(h("p", { class: "hint" }, t("passkey.about")), list, h("div", { class: "buttons" }, button(t("passkey.add"), () => {
    const again = proof(), label = input({ maxlength: 100, id: "passkey-label", value: deviceName(navigator.userAgent) });
    return ask(t("passkey.add"), [field(t("name"), label), again.parts], t("passkey.create"), async () => {
      await createPasskey(await post("/v1/passkeys/begin", again.values()), label.value);
      notice(t("passkey.added"));
      load();
    });
  }, "", { id: "passkey-add" })));
  await load();
}

function showTotp(place) {
  const is = shared.me?.totp_is_confirmed;
  const again = () => { place.replaceChildren(); refreshMe().then(() => showTotp(place)); };
  place.append(h("p", {}, badge(is ? t("on") : t("off"), is ? "good" : "warning")), h("p", { class: "hint" }, t("totp.about")));
  if (is) {
    place.append(h("div", { class: "buttons" }, button(t("totp.remove"), () => {
      const given = proof();
      return ask(t("totp.remove"), given.parts, t("remove"), async () => { await post("/v1/totp/remove", given.values(), newKey()); again(); }, { kind: "danger" });
    }), button(t("recovery.new"), async () => {
      const given = proof();
      const made = await ask(t("recovery.new"), given.parts, t("next"), () => post("/v1/totp/recovery-codes", given.values()));
      if (made) await showCodes(made.codes);
      again();
    }, "", { id: "recovery-new" })), h("p", { class: "hint" }, t("recovery.left", { count: shared.me.recovery_codes ?? 0 })));
    return;
  }
  place.append(h("div", { class: "buttons" }, button(t("totp.add"), async () => {
    const given = proof();
    const made = await ask(t("totp.add"), given.parts, t("next"), () => post("/v1/totp", { password: given.values().password }));
    if (!made) return;
    const code = totpInput({ id: "totp-code", required: true });
    const confirmed = await ask(t("totp.add"), [h("p", {}, t("totp.scan")), qr(made.uri, t("qr.of", { what: t("totp.title") })), h("p", {}, t("totp.type")), copyable(made.secret, t("totp.secret")), field(t("totp"), code)], t("totp.confirm"), async () => {
      const answer = await post("/v1/totp/confirm", { code: code.value.trim() });
      notice(t("totp.added"));
      return answer;
    });
    if (confirmed) await showCodes(confirmed.codes);
    again();
  }, "", { id: "totp-add" })));
}

const showCodes = (codes) => tell(t("recovery.title"), h("p", {}, t("recovery.about")), copyable(codes.join("\n"), t("recovery.title")));

function wordForm() {
  const chosen = input({ maxlength: 40, required: true, id: "mail-word", autocomplete: "off" }), given = proof();
  given.parts.filter((one) => one?.matches(".field")).forEach((one) => { const box = one.querySelector("input"); box.id = `word-${box.id}`; one.querySelector("label").htmlFor = box.id; });
  return h("div", {}, h("p", { class: "hint" }, t("word.about"), " ", shared.me?.has_mail_word ? t("word.is") : ""), form([field(t("word.label"), chosen), given.parts], t("word.save"), async () => {
    await put("/v1/mail-word", { word: chosen.value.trim(), ...given.values() });
    notice(t("word.saved"));
    chosen.value = "";
  }));
}

function mailForm() {
  const mail = input({ type: "email", autocomplete: "email", maxlength: 254, required: true, id: "new-mail" }), given = proof();
  given.parts.filter((one) => one?.matches(".field")).forEach((one) => { const box = one.querySelector("input"); box.id = `mail-${box.id}`; one.querySelector("label").htmlFor = box.id; });
  return form([field(t("mail.new"), mail), given.parts], t("mail.change"), async () => {
    const address = mail.value.trim();
    await post("/v1/mail", { mail: address, ...given.values() });
    const box = (id) => input({ id, inputmode: "numeric", maxlength: 8, autocomplete: "one-time-code", required: true });
    const code = box("mail-code"), old = box("mail-old-code");
    const fields = [field(t("code"), code, t("code.hint", { mail: address })), field(t("code"), old, t("code.hint", { mail: shared.me.mail }))];
    await ask(t("mail.change"), fields, t("verify"), async () => {
      await post("/v1/mail/confirm", { mail: address, code: code.value.trim(), old_code: old.value.trim() });
      notice(t("mail.changed"));
      await refreshMe();
    });
  });
}

const PAPERS = ["passport", "identity card", "driving licence", "proof of address", "other"];

async function showIdentity(area) {
  let shown;
  try { shown = await get("/v1/identity"); } catch (problem) { area.append(panel("", h("p", { class: "error", role: "alert" }, words(problem)))); return; }
  const again = () => { area.replaceChildren(); showIdentity(area); };
  const levels = portal.levels.length ? portal.levels.filter((one) => one.number > shown.level) : [1, 2].filter((one) => one > shown.level).map((number) => ({ number, name: t("level", { number }) }));
  const named = (number) => portal.levels.filter((one) => one.number <= number).at(-1)?.name ?? t("level", { number });
  const name = input({ id: "identity-name", autocomplete: "name", maxlength: 200, required: true, value: shown.name ?? "" }), born = input({ type: "date", id: "identity-born", autocomplete: "bday", required: true, value: shown.born ?? "" });
  const country = input({ id: "identity-country", autocomplete: "country", maxlength: 2, required: true, value: shown.country ?? "" }), address = input({ id: "identity-address", autocomplete: "street-address", maxlength: 500, required: true, value: shown.address ?? "" });
  const level = select(levels.map((one) => [String(one.number), one.name]), { id: "identity-level" });
  const kind = select(PAPERS.map((one) => [one, t(`paper.${one}`)]), { id: "paper-kind" }), chosenFile = input({ type: "file", accept: "application/pdf,image/jpeg,image/png", id: "paper-file", required: true });
  const papers = table([{ label: t("what"), text: (row) => word("paper", row.kind) }, { label: t("size"), n: true, text: (row) => `${Math.ceil(row.size / 1024)} KiB` }, { label: t("time"), text: (row) => when(row.created_at) }], { label: t("papers"), empty: t("papers.none") });
  const add = form([field(t("what"), kind), field(t("paper.file"), chosenFile, t("paper.hint"))], t("paper.add"), async () => {
    await upload(`/v1/identity/papers?kind=${encodeURIComponent(kind.value)}`, chosenFile.files[0]);
    notice(t("paper.added"));
    again();
  });
  const submit = form([field(t("identity.level"), level), field(t("identity.name"), name), field(t("identity.born"), born), field(t("identity.country"), country, t("identity.country.hint")), field(t("identity.address"), address)], t("identity.submit"), async () => {
    await post("/v1/identity", { level: Number(level.value), name: name.value.trim(), born: born.value, country: country.value.trim().toUpperCase(), address: address.value.trim() }, newKey());
    notice(t("identity.sent"));
    again();
  });
  const state = facts([[t("identity.now"), named(shown.level)], [t("state"), badge(t(`identity.${shown.state}`), { accepted: "good", refused: "bad", submitted: "warning" }[shown.state] || "")], ...(shown.reason ? [[t("reason"), shown.reason]] : [])]);
  const waits = shown.state === "submitted";
  area.append(panel(t("account.identity"), state, waits ? h("p", { class: "hint" }, t("identity.waits")) : null),
    h("div", { class: "columns" }, panel(t("papers"), papers, add), !waits && levels.length ? panel(t("identity.higher"), h("p", { class: "hint" }, t("identity.about")), submit) : null));
  papers.show(shown.papers);
}

async function showKeys(area) {
  const list = table([
    { label: t("name"), text: (row) => row.label || "–" }, { label: t("key"), node: (row) => h("code", {}, row.api_key), sign: (row) => row.api_key }, { label: t("kind"), text: (row) => row.kind },
    { label: t("may"), text: (row) => [t("permission.read"), row.can_trade ? t("permission.trade") : "", row.can_withdraw ? t("permission.withdraw") : ""].filter(Boolean).join(", ") },
    { label: t("networks"), text: (row) => row.networks.join(", ") || t("networks.all") }, { label: t("expires"), text: (row) => row.expires_at ? when(row.expires_at, false) : t("never") }, { label: t("since"), text: (row) => when(row.created_at, false) },
    { label: "", node: (row) => button(t("key.revoke"), () => confirm(t("key.revoke"), t("key.revoke.sure", { label: row.label }), t("key.revoke"), async () => { await remove(`/v1/api-keys/${row.id}`); load(); }, "danger"), "small danger", { "aria-label": t("key.revoke.of", { label: row.label }) }), sign: (row) => row.id },
  ], { label: t("account.keys"), empty: t("keys.none") });
  async function load() { try { list.show(await get("/v1/api-keys")); } catch (problem) { notice(words(problem), "bad"); } }
  const label = input({ id: "key-label", maxlength: 100, required: true }), networks = input({ id: "key-networks", maxlength: 500, placeholder: "203.0.113.7/32" });
  const expires = input({ type: "datetime-local", id: "key-expires" }), publicKey = h("textarea", { id: "key-public", rows: 3, maxlength: 2000, spellcheck: "false" });
  const trade = check(t("permission.trade"), { id: "key-trade" }), withdraw = check(t("permission.withdraw"), { id: "key-withdraw" }), again = proof();
  const made = form([field(t("name"), label), h("fieldset", {}, h("legend", {}, t("may")), h("div", { class: "choices" }, check(t("permission.read"), { checked: true, disabled: true }), trade, withdraw)),
    field(t("networks"), networks, t("networks.hint")), field(t("expires"), expires, t("expires.hint")), h("details", {}, h("summary", {}, t("key.own")), field(t("key.public"), publicKey, t("key.public.hint"))), again.parts], t("key.create"), async () => {
    const permissions = ["read", trade.querySelector("input").checked ? "trade" : "", withdraw.querySelector("input").checked ? "withdraw" : ""].filter(Boolean);
    const key = await post("/v1/api-keys", { label: label.value.trim(), permissions, networks: networks.value.split(/[\s,]+/).filter(Boolean), public_key: publicKey.value.trim(), ...(expires.value ? { expires_at: new Date(expires.value).toISOString() } : {}), ...again.values() });
    made.reset();
    load();
    await tell(t("key.created"), h("p", {}, key.secret ? t("key.once") : t("key.ready")), facts([[t("key"), copyable(key.api_key, t("key"))], ...(key.secret ? [[t("key.secret"), copyable(key.secret, t("key.secret"))]] : [])]));
  });
  made.id = "key-form";
  area.append(panel(t("account.keys"), h("p", { class: "hint" }, t("keys.about")), list), panel(t("key.new"), made));
  await load();
}

// What the record says of an action: the portal's own words are in the page's language.
function detail(row) {
  const text = row.detail.replace(/^(withdrawal|key|level) (?=\d)/, (_, name) => `${word("detail", name)} `);
  if (row.action === "API key created") return text.replace(/\b(read|trade|withdraw)\b/g, (name) => word("permission", name));
  return row.action === "paper uploaded" ? text.replace(/^[^:]+/, (kind) => word("paper", kind)) : text;
}

async function showActivity(area) {
  const list = table([{ label: t("time"), text: (row) => when(row.at) }, { label: t("what"), text: (row) => word("did", row.action) }, { label: t("address.network"), text: (row) => row.address === "operator" ? t("nav.operator") : row.address }, { label: t("details"), text: detail }], { label: t("account.activity"), empty: t("search.none") });
  const more = button(t("more"), () => load(), "", { hidden: true }), error = h("p", { class: "error", role: "alert" });
  let rows = [];
  async function load() {
    try {
      const page = await get("/v1/audit", { before: rows.at(-1)?.id ?? "" });
      rows = rows.concat(page);
      more.hidden = page.length < 50;
      list.show(rows);
    } catch (problem) { say(error, words(problem)); }
  }
  area.append(panel(t("account.activity"), h("p", { class: "hint" }, t("activity.about")), list, error, h("p", { class: "more" }, more)));
  await load();
}
