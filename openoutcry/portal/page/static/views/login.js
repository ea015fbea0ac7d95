// Sign-up, log-in and recovery.
import { button, check, field, form, h, input, notice, say, words } from "../kit.js";
import { t } from "../words.js";
import { portal } from "../store.js";
import { login, open, post } from "../api.js";
import { enter } from "../page.js";
import { createPasskey, usePasskey } from "../passkeys.js";
import { solve } from "../challenge.js";

const MIN = 12;

export function show(root, rest, view) {
  if (login.is) { location.hash = "#/markets"; return; }
  ({ login: showLogin, signup: showSignUp, recover: showRecovery })[view](root);
}

const mailInput = () => input({ type: "email", name: "mail", autocomplete: "username", maxlength: 254, required: true });
const passwordInput = (kind) => input({ type: "password", name: "password", autocomplete: kind, maxlength: 256, required: true });
const codeInput = () => input({ name: "code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 8, required: true });
// Where a recovery code is as good.
export const secondInput = (more = {}) => totpInput({ inputmode: "text", maxlength: 19, ...more });
export const totpInput = (more = {}) => input({ name: "totp", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 6, ...more });

async function go(pair, keep = true) { location.hash = await enter(pair, keep); }

function showLogin(root) {
  const mail = mailInput(), password = passwordInput("current-password"), totp = secondInput();
  const second = field(t("totp"), totp, t("totp.hint"));
  second.hidden = true;
  const keep = check(t("login.keep"), { name: "keep", checked: true });
  const keeps = () => keep.querySelector("input").checked;
  const made = form([field(t("mail"), mail), field(t("password"), password), second, keep], t("login"), async () => {
    try {
      await go(await worked("/v1/login", { mail: mail.value.trim(), password: password.value, totp: totp.value.trim() }), keeps());
    } catch (problem) {
      if (problem.code !== "totp_required") throw problem;
      second.hidden = false;
      totp.required = true;
      totp.focus();
      if (totp.value) throw problem;
    }
  });
  const other = [];
  if (portal.passkeys) other.push(button(t("login.passkey"), async () => {
    say(made.error, "");
    try { await go(await usePasskey(), keeps()); } catch (problem) { say(made.error, words(problem)); }
  }, "wide", { id: "passkey-login" }));
  if (portal.provider) other.push(button(t("login.provider"), async () => {
    try {
      const begun = await open("POST", "/v1/login/provider/begin", {});
      sessionStorage.setItem("provider", begun.state);
      location.assign(begun.url);
    } catch (problem) { say(made.error, words(problem)); }
  }, "wide"));
  root.append(h("div", { class: "panel narrow" }, h("h1", {}, t("login.title")), h("p", { class: "muted" }, t("login.to", { name: portal.name })), made,
    other.length ? [h("div", { class: "or" }, t("or")), other] : null,
    h("div", { class: "links" }, h("a", { href: "#/signup" }, t("login.new")), h("a", { href: "#/recover" }, t("login.forgot")))));
  mail.focus();
}

const steps = (done) => h("ol", { class: "steps", "aria-label": t("signup.step", { step: done, all: 3 }) }, [1, 2, 3].map((one) => h("li", { class: one <= done ? "done" : "" })));

// A request without a login; where it costs a proof of work, once more with one.
async function worked(path, body) {
  try { return await open("POST", path, body); } catch (problem) {
    if (problem.code !== "challenge_required") throw problem;
    const { challenge } = await open("GET", "/v1/challenge");
    return open("POST", path, { ...body, solution: await solve(challenge) });
  }
}

function passwordField(password, label = t("password")) {
  const made = field(label, password, t("password.hint", { least: MIN }));
  const hint = made.querySelector(".hint");
  password.addEventListener("input", () => say(hint, password.value.length >= MIN ? t("password.good") : t("password.more", { count: MIN - password.value.length })));
  return made;
}

function showSignUp(root) {
  const box = h("div", { class: "panel narrow" });
  root.append(box);
  const mail = mailInput(), password = passwordInput("new-password");
  const made = form([field(t("mail"), mail), passwordField(password)], t("signup.go"), async () => {
    if (password.value.length < MIN) throw new Error(t("password.more", { count: MIN - password.value.length }));
    const person = { mail: mail.value.trim(), password: password.value };
    await worked("/v1/register", person);
    showCode(person);
  });
  box.append(steps(1), h("h1", {}, t("signup.title")), h("p", { class: "muted" }, t("signup.about", { name: portal.name })), made,
    h("div", { class: "links" }, h("a", { href: "#/login" }, t("signup.known"))));
  mail.focus();

  function showCode(person) {
    const code = codeInput();
    const verify = form([field(t("code"), code, t("code.hint", { mail: person.mail }))], t("verify"), async () => {
      await worked("/v1/verify", { ...person, code: code.value.trim() });
      const back = await enter(await worked("/v1/login", person), true);
      if (portal.passkeys && self.PublicKeyCredential) showPasskey(person, back); else location.hash = back;
    });
    box.replaceChildren(steps(2), h("h1", {}, t("verify.title")), verify,
      h("div", { class: "links" }, button(t("code.again"), async () => {
        try { await worked("/v1/register", person); notice(t("code.sent")); } catch (problem) { say(verify.error, words(problem)); }
      }, "plain small")));
    code.focus();
  }

  function showPasskey(person, back) {
    const error = h("p", { class: "error", role: "alert" });
    const create = button(t("passkey.create"), async () => {
      say(error, "");
      try {
        await createPasskey(await post("/v1/passkeys/begin", { password: person.password }), t("passkey.first"));
        notice(t("passkey.added"));
        location.hash = back;
      } catch (problem) { say(error, words(problem)); }
    }, "primary", { id: "passkey-create" });
    box.replaceChildren(steps(3), h("h1", {}, t("passkey.title")), h("p", {}, t("passkey.about")), error, create,
      h("div", { class: "links" }, h("a", { href: back, id: "passkey-later" }, t("passkey.later"))));
    create.focus();
  }
}

function showRecovery(root) {
  const box = h("div", { class: "panel narrow" });
  root.append(box);
  const mail = mailInput();
  const made = form([field(t("mail"), mail)], t("recover.go"), async () => {
    await worked("/v1/password/forget", { mail: mail.value.trim() });
    showReset(mail.value.trim());
  });
  box.append(h("h1", {}, t("recover.title")), h("p", { class: "muted" }, t("recover.about")), made, h("div", { class: "links" }, h("a", { href: "#/login" }, t("recover.back"))));
  mail.focus();

  function showReset(address) {
    const code = codeInput(), password = passwordInput("new-password"), totp = secondInput();
    const reset = form([field(t("code"), code, t("code.hint", { mail: address })), passwordField(password, t("password.new")), field(t("totp.if"), totp)], t("recover.reset"), async () => {
      const body = { mail: address, code: code.value.trim(), password: password.value, totp: totp.value.trim() };
      await worked("/v1/password/reset", body);
      notice(t("recover.done"));
      location.hash = "#/login";
    });
    box.replaceChildren(h("h1", {}, t("recover.title")), reset);
    code.focus();
  }
}

