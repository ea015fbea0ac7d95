// Books that are made of others: priced through other markets, or an instrument over several venues.
import { field, h, panel, say, select, table } from "../kit.js";
import { t, word } from "../words.js";
import { portal } from "../store.js";
import { follow } from "../stream.js";

const address = ([kind, symbol]) => `#/books/${kind}/${encodeURIComponent(symbol)}`;

export function show(root, [wantedKind, wantedSymbol]) {
  const book = portal.books.find(([kind, symbol]) => kind === wantedKind && symbol === wantedSymbol) || portal.books[0];
  const [kind, symbol] = book;
  const choice = select(portal.books.map((one) => [address(one), `${one[1]} (${word("books", one[0])})`]), { id: "books-book", onchange: (event) => { location.hash = event.target.value; } });
  choice.value = address(book);
  const columns = [{ label: t("price"), n: true, text: (row) => row[0], kind: () => "price" }, { label: t("quantity"), n: true, text: (row) => row[1] }];
  if (kind === "consolidated") columns.push({ label: t("books.venue"), text: (row) => row[2] }, { label: t("books.after.fees"), n: true, text: (row) => row[3] });
  const sides = ["bids", "asks"].map((side) => [side, table(columns, { key: (row) => `${row[0]} ${row[2] || ""}`, label: word("books", side), empty: t("books.none") })]);
  const venues = h("p", { class: "muted" });
  root.append(h("div", { class: "headline" }, h("h1", {}, t("nav.books"))),
    h("div", { class: "panel" }, h("div", { class: "row" }, field(t("books.book"), choice)), venues),
    ...sides.map(([side, list]) => panel(word("books", side), h("div", { id: `books-${side}` }, list))));
  return follow(kind, symbol, ({ list }) => {
    say(venues, kind === "synthetic" ? t("books.priced") : Object.entries(list.venues).map(([name, state]) => `${name}: ${word("books.state", state)}`).join(" · "));
    for (const [side, shown] of sides) shown.show(list[side]);
  });
}
