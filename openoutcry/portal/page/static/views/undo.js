// The link of a mail that undoes changes of identity.  Opening it does nothing: programs that check mails open links.
import { button, h, notice, panel, say, words } from "../kit.js";
import { t } from "../words.js";
import { post } from "../api.js";

export async function show(root, [token]) {
  const done = h("p", { role: "status" });
  const go = button(t("undo.go"), async () => {
    try { await post("/v1/undo", { token: token ?? "" }); say(done, t("undo.done")); go.hidden = true; } catch (problem) { notice(words(problem), "bad"); }
  }, "danger", { id: "undo-go" });
  root.append(h("div", { class: "narrow" }, h("h1", {}, t("undo.title")), panel("", h("p", {}, t("undo.about")), h("div", { class: "buttons" }, go), done)));
  return null;
}
