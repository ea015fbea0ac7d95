// A list whose pages follow each other by a cursor.
import { button, h, lasted, say, words } from "./kit.js";
import { t } from "./words.js";
import { get, withQuery } from "./api.js";

// ``list``: a table of kit; ``values()``: what is searched for; ``ask``: sends a request.
export function paged(path, list, values = () => ({}), { limit = 50, key = "items", ask = get } = {}) {
  const error = h("p", { class: "error", role: "alert" });
  const more = button(t("more"), () => load(false), "", { hidden: true });
  const root = h("div", {}, list, error, h("p", { class: "more" }, more));
  let rows = [], next = "", turn = 0;
  async function load(fresh = true) {
    const mine = turn += 1;
    more.disabled = true;
    say(error, "");
    try {
      const page = await ask(withQuery(path, { ...values(), limit, cursor: fresh ? "" : next }));
      if (mine !== turn) return;
      rows = fresh ? page[key] : rows.concat(page[key]);
      next = page.next || "";
      list.show(rows);
      more.hidden = !next;
      root.page = page;
      root.isFirst = fresh;
    } catch (problem) { if (mine === turn) { say(error, words(problem)); if (fresh) list.show([]); } } finally { more.disabled = false; }
  }
  root.load = load;
  return root;
}

// How late the history is, as long as it is; ``current()``: it has now what the venue had when the view was opened.
export function lateness(ends, current = () => {}) {
  const place = h("p", { class: "warning", role: "status" });
  let ended = false;
  ends.push(() => { ended = true; });
  async function watch() {
    for (let wanted = 0, first = true; !ended; first = false) {
      let now;
      try { now = await get("/v1/history"); } catch { return; }
      const isLate = now.behind_ms > 5_000;
      say(place, isLate ? t("history.late", { time: lasted(now.behind_ms) }) : "");
      wanted ||= now.venue_seq;
      if (now.seq >= wanted) { if (!first && !ended) current(); return; }
      await new Promise((done) => setTimeout(done, isLate ? 2_000 : 500));
    }
  }
  watch();
  return place;
}

// First and last moment of days as somebody types them, in the browser's zone.
export const fromDay = (day) => day ? new Date(`${day}T00:00:00`).getTime() : "";
export const untilDay = (day) => day ? new Date(`${day}T23:59:59.999`).getTime() : "";
export const today = () => new Date().toISOString().slice(0, 10);
export const daysAgo = (count) => new Date(Date.now() - count * 86_400_000).toISOString().slice(0, 10);
