"""Which changes of an open order cost it its place: the table of docs/matcher.md, by the matcher.

``python -m tests.support.matcher.changes`` writes it; a test compares.  For each order type and
change, an order of participant 1 is entered.  Then an order of participant 2 is entered with the
terms that the first has after the change; then the first is changed.  The first keeps its place if
it trades, or is elected, before the second.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from openoutcry.report.documents import fill, table
from openoutcry.wire import EventKind, InstrumentOption, OrderType
from openoutcry.wire.order_types import AT_ONCE, ORDER_TYPES, TRAILING, Aux, Family
from tests import ROOT
from tests.support.matcher.matcher_script import Script

PAGE = ROOT / "docs" / "matcher.md"
KEEPS, LOSES, NONE = "keeps", "**loses**", "–"
BOTH = "keeps; **loses** if this changes its price"
WORDS = {True: KEEPS, False: LOSES}
AT_CLOSE = "AT_CLOSE"
OFFSET = {OrderType.PEG_PRIMARY: 0, OrderType.PEG_MARKET: -10, OrderType.PEG_MIDPOINT: -5}
"""Offsets with which a buying peg's price is 100 between a bid of 100 and an offer of 110."""
AUX = {
    Aux.TRIGGER: (105, 106),
    Aux.DISTANCE_TICKS: (5, 6),
    Aux.DISTANCE_BPS: (500, 600),
    Aux.DISPLAY: (4, 5),
}
"""``aux`` before and after a change, where the last trade was at 100."""
TAKE_PROFIT = 95
"""``aux`` of a take-profit before, whose trigger a fall reaches; after, it is a tick less."""
TRIGGER = {5: 105, 6: 106, 500: 105, 600: 106}


@dataclass(frozen=True)
class Terms:
    """An open buy order: its type, time in force, quantity in lots, price in ticks and ``aux``."""

    order_type: OrderType
    tif: str = "DAY"
    qty: int = 10
    price: int = 100
    aux: int = 0

    def words(self, name: str) -> str:
        """Return the terms as a command's words; ``name``: of the order type, or nothing."""
        return f"{self.qty}@{self.price} {name} aux={self.aux}"


def situations() -> list[Terms]:
    """Return every order that can be open."""
    found = []
    for order_type, row in ORDER_TYPES.items():
        if row.times_in_force == AT_ONCE:
            continue
        price = 120 if row.family in (Family.STOP, Family.PEG) else 100
        aux = TAKE_PROFIT if row.takes_profit else OFFSET.get(order_type, 0)
        if row.aux in AUX and not row.takes_profit:
            aux = AUX[row.aux][0]
        found.append(Terms(order_type, price=price, aux=aux))
    waits = (OrderType.LIMIT, OrderType.MARKET)
    return found + [Terms(order_type, tif=AT_CLOSE) for order_type in waits]


def _is_priced(terms: Terms) -> bool:
    row = ORDER_TYPES[terms.order_type]
    return row.is_priced or terms.order_type == OrderType.MARKET_TO_LIMIT


def _has_aux(terms: Terms) -> bool:
    return ORDER_TYPES[terms.order_type].aux not in (Aux.FREE, Aux.MINIMUM)


Change = tuple[Terms, str]
"""The terms after a change, and the command that makes it; "" if the market does."""


def _replaced(terms: Terms, after: Terms, mode: str = "") -> Change:
    return after, f"REPLACE id=1 {after.words(mode)}"


def smaller(terms: Terms) -> list[Change]:
    """Take lots off."""
    after = replace(terms, qty=6)
    return [(after, "REDUCE id=1 4"), _replaced(terms, after)]


def larger(terms: Terms) -> list[Change]:
    """Add lots."""
    return [_replaced(terms, replace(terms, qty=14))]


def priced(terms: Terms) -> list[Change]:
    """Give another price; for stops and pegs that is the limit."""
    if not _is_priced(terms):
        return []
    is_peg = ORDER_TYPES[terms.order_type].family == Family.PEG
    prices = [terms.price + 1, *([99] if is_peg else [])]
    return [_replaced(terms, replace(terms, price=price)) for price in prices]


def parameter(terms: Terms) -> list[Change]:
    """Give another trigger, distance, display quantity or offset."""
    if not _has_aux(terms):
        return []
    row = ORDER_TYPES[terms.order_type]
    after = AUX[row.aux][1] if row.aux in AUX and not row.takes_profit else terms.aux - 1
    return [_replaced(terms, replace(terms, aux=after))]


def other_terms(terms: Terms) -> list[Change]:
    """Set when it expires, or its self-trade mode."""
    return [(terms, "SET_EXPIRY id=1 until=1000"), _replaced(terms, terms, "CANCEL_OLDEST")]


def by_itself(terms: Terms) -> list[Change]:
    """Let the market move its price or trigger, or trade its slice."""
    moves = terms.order_type in TRAILING or ORDER_TYPES[terms.order_type].family == Family.PEG
    return [(terms, "")] if moves or terms.order_type == OrderType.ICEBERG else []


CHANGES: dict[str, Callable[[Terms], list[Change]]] = {
    "fewer lots": smaller,
    "more lots": larger,
    "another price or limit": priced,
    "another trigger, distance, display or offset": parameter,
    "expiry, self-trade mode": other_terms,
    "the market moves its price or trigger, or trades its slice": by_itself,
}


def keeps_place(engine: type, terms: Terms, change: Change) -> bool:
    """Whether the order with these terms still comes before the other after the change."""
    after, command = change
    is_stop = ORDER_TYPES[terms.order_type].family == Family.STOP
    is_peg = ORDER_TYPES[terms.order_type].family == Family.PEG
    rests_as = ORDER_TYPES[terms.order_type].rests_as or terms.order_type
    script = Script(engine)
    if terms.order_type == OrderType.MARKET:
        script.with_instruments([{"symbol": "A", "options": InstrumentOption.MARKET_WAITS}])
    lines = ["NEW id=8 SELL 1@100 p8", "NEW id=9 BUY 1@100 p9"]  # The last trade.
    if is_peg:
        lines += ["NEW id=5 BUY 1@100 p5", "NEW id=6 SELL 1@110 p6"]
    entered = terms
    if terms.order_type in (OrderType.MARKET_TO_LIMIT, OrderType.MIN_QTY):
        # They rest only after a trade.
        lines.append("NEW id=8 SELL 1@100 p8")
        minimum = int(terms.order_type == OrderType.MIN_QTY)
        entered = replace(terms, qty=terms.qty + 1, aux=minimum)
    lines.append(f"NEW id=1 BUY {entered.words(terms.order_type.name)} {terms.tif} p1")
    lines.append(f"NEW id=2 BUY {_other(after, command, rests_as)} {terms.tif} p2")
    lines += [command] if command else _market_moves(terms)
    judge = _judge(terms, after)
    events = [script.send(line) for line in lines + judge]
    assert all(sent["kind"][0] != EventKind.REJECTED for sent in events), (terms, change)
    shows = EventKind.ELECTED if is_stop else EventKind.FILLED
    for sent in events[len(lines) :]:
        reached = sent[(sent["kind"] == shows) & (sent["order_id"] <= 2)]
        if len(reached):
            return bool(reached["order_id"][0] == 1)
    raise AssertionError(f"neither order was reached: {terms}, {change}")


def _other(after: Terms, command: str, rests_as: OrderType) -> str:
    """The other order: as the first after the change, in the same queue."""
    row = ORDER_TYPES[after.order_type]
    if after.tif == AT_CLOSE or after.order_type == OrderType.MARKET:
        return after.words(after.order_type.name)
    if row.family == Family.STOP:
        moved = 98 + (5 if row.aux == Aux.DISTANCE_TICKS else 98 * 500 // 10_000)
        trigger = TRIGGER.get(after.aux, after.aux) if command else moved
        kind = "TAKE_PROFIT" if row.takes_profit else "STOP"
        return f"{after.qty} {kind} trigger={trigger}"
    if row.family == Family.PEG:
        price = 100 + after.aux - OFFSET[after.order_type] if command else 101
        return f"{after.qty}@{min(price, after.price)} HIDDEN"
    return after.words(rests_as.name)


def _market_moves(terms: Terms) -> list[str]:
    if terms.order_type in TRAILING:
        return ["NEW id=8 SELL 1@98 p8", "NEW id=9 BUY 1@98 p9"]
    if terms.order_type == OrderType.ICEBERG:
        return ["NEW id=9 SELL 4@100 p9"]
    if terms.order_type == OrderType.PEG_MARKET:
        return ["NEW id=7 SELL 1@111 p6", "CANCEL id=6 p6"]
    price = 101 if terms.order_type == OrderType.PEG_PRIMARY else 102
    return [f"NEW id=7 BUY 1@{price} p5"]


def _judge(terms: Terms, after: Terms) -> list[str]:
    """The commands that trade with, or elect, the order that is first."""
    if terms.tif == AT_CLOSE:
        return ["PHASE CLOSING_AUCTION", f"NEW id=9 SELL {after.qty}@95 p9", "PHASE CLOSED"]
    if ORDER_TYPES[terms.order_type].family == Family.STOP:
        price = 93 if ORDER_TYPES[terms.order_type].takes_profit else 107
        return [f"NEW id=8 SELL 1@{price} p8", f"NEW id=9 BUY 1@{price} p9"]
    return [f"NEW id=9 SELL {after.qty + 5 * _has_aux(terms)}@95 p9"]


def cells(engine: type, terms: Terms) -> list[str]:
    """The row of an order: for each change whether it keeps its place."""
    row = []
    for changes in CHANGES.values():
        answers = {keeps_place(engine, terms, change) for change in changes(terms)}
        row.append(NONE if not answers else BOTH if len(answers) == 2 else WORDS[answers.pop()])
    return row


def name_of(terms: Terms) -> str:
    """The name of an order in the table."""
    return f"`{terms.order_type.name}`" + (f" `{AT_CLOSE}`" * (terms.tif == AT_CLOSE))


def filled(text: str, engine: type) -> str:
    """The page with the table as ``engine`` behaves; rows that are equal share a line."""

    def content(_all: str) -> str:
        lines: dict[tuple[str, ...], list[str]] = {}
        for terms in situations():
            lines.setdefault(tuple(cells(engine, terms)), []).append(name_of(terms))
        header = "| order | " + " | ".join(CHANGES) + " |"
        return table(header, [[", ".join(names), *row] for row, names in lines.items()])

    return fill(text, "changes", content)


def main() -> None:
    """Write the table."""
    from openoutcry.matcher import Engine

    PAGE.write_text(filled(PAGE.read_text(), Engine))


if __name__ == "__main__":
    main()
