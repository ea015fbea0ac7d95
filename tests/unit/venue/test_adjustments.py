"""A split of an underlying in a venue in one thread: its contracts are adjusted at once, then the
instrument in its index; restarts, replay and the ledger come to the same."""

from typing import Any

import pytest

from openoutcry.ledger import reports
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.transactions import transactions
from openoutcry.risk import layout as lay
from openoutcry.venue.file import read_venue
from openoutcry.venue.index_audit import audit_indices
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.cut_requests import cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order

MORE = """
[[instrument]]
symbol = "BAR"
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_001
price_distance_bps = 100_000
[[instrument]]
symbol = "GOLD-C"
min_price_ticks = 0
max_price_ticks = 100_000
reference_price_ticks = 100
price_distance_bps = 100_000
margin = 8_000
[[contract]]
symbol = "GOLD-C"
kind = "call"
underlying = "XAU"
asset = "USD"
multiplier = 10
strike_ticks = 5_001
strike_multiplier = 10
expiry = 2026-11-23T16:00:00Z
[[index]]
underlying = "XAU"
sources = ["BAR", "east"]
every_ms = 500
stale_ms = 3_600_000
"""
SYMBOLS = ("GOLD", "GOLD-C")
CALL = MORE[MORE.index("[[contract]]") : MORE.index("[[index]]")].replace("5_001", "5_000")
WITH_SURFACE = (
    MARGIN_FILE
    + CALL
    + """
[[smile]]
underlying = "XAU"
expiry = 2026-11-23T16:00:00Z
ratios = [800_000, 1_000_000, 1_200_000]
volatilities = [2_000_000, 2_000_000, 2_000_000]
"""
)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    """Participant 1 is long 5 GOLD and 4 calls, and short of 3 BAR."""
    made = InlineFloor(tmp_path_factory.mktemp("adjusted"), CONTRACT_VENUE + MORE)
    made.ask("contract", "report", "XAU", "east", "5001")
    made.wait_for(lambda s: terms(made, "GOLD")["mark"] == 5_001)
    trades = (("GOLD", 5, 5_001, 1, 2), ("GOLD-C", 4, 90, 1, 2), ("BAR", 3, 5_001, 2, 1))
    for number, (symbol, qty, price, buyer, seller) in enumerate(trades):
        own: dict[str, Any] = {"symbol": symbol.encode()}
        made.send(
            order(2 * number + 1, Side.BUY, qty, price, who=buyer, **own),
            order(2 * number + 2, Side.SELL, qty, price, who=seller, **own),
        )
    assert [lots(made, symbol) for symbol in ("GOLD", "GOLD-C", "BAR")] == [5, 4, -3]
    yield made
    made.close()
    assert audit_indices(made.journal_path).differences == []


def place(floor: InlineFloor, symbol: str) -> int:
    return list(read_venue(floor.file).symbols).index(symbol)


def lots(floor: InlineFloor, symbol: str) -> int:
    return floor.view.cell(1, place(floor, symbol), lay.POSITION)


def terms(floor: InlineFloor, symbol: str) -> dict[str, Any]:
    contracts: dict[str, dict[str, Any]] = floor.status()["risk"]["contracts"]
    return contracts[symbol]


def test_contracts_are_halted_first_and_their_source_is_split_after_them(floor) -> None:
    refused = floor.ask("contract", "adjust", "XAU", "3", status=1)["error"]
    assert "GOLD is not halted: `outcry venue halt GOLD` first" in refused
    floor.ask("halt", "BAR")
    split = floor.ask("corporate", "split", "BAR", "3", "1", status=1)["error"]
    assert "adjust them first: `outcry venue contract adjust XAU 3 1`" in split
    unknown = floor.ask("contract", "adjust", "TIN", "3", status=1)["error"]
    assert "no contract is on 'TIN'; there are SN, XAU" in unknown


def test_positions_stay_and_a_lot_is_worth_what_it_was(floor) -> None:
    floor.send(order(20, Side.BUY, 1, 4_900, who=2, symbol=b"GOLD"))
    for symbol in SYMBOLS:
        floor.ask("halt", symbol)
    balances = floor.view.participants[:, lay.BALANCE // 8].tolist()
    margined = floor.view.of(2, lay.MARGINED)
    done = floor.ask("contract", "adjust", "XAU", "3")["done"]
    assert "XAU: 2 contracts are adjusted, 3 new units for 1 old ones" in done
    assert "GOLD: the reference price is 1667 ticks" in done
    assert floor.view.participants[:, lay.BALANCE // 8].tolist() == balances
    assert floor.view.of(2, lay.MARGINED) == margined
    assert floor.view.of(2, lay.OPEN) == 0
    gold, call = terms(floor, "GOLD"), terms(floor, "GOLD-C")
    assert (gold["mark"], gold["multiplier"], gold["index"]) == (1_667, 30, 1_667)
    assert (call["strike"], call["strike_multiplier"], call["mark"]) == (1_667, 30, 100)
    assert [lots(floor, symbol) for symbol in SYMBOLS] == [5, 4]
    history = floor.outcry("limits", "history").output
    assert "adjusted: 3 new units of its underlying for 1 old ones" in history


def test_reports_of_before_it_mark_nothing_after_it(floor) -> None:
    floor.clock.advance(2, 0.1)
    assert terms(floor, "GOLD")["mark"] == 1_667
    floor.again()
    floor.ask("corporate", "split", "BAR", "3", "1")
    assert lots(floor, "BAR") == -9
    floor.ask("contract", "report", "XAU", "east", "1700")
    floor.wait_for(lambda s: terms(floor, "GOLD")["mark"] == 1_700)
    assert floor.view.of(1, lay.KILLS) == 0
    for symbol in (*SYMBOLS, "BAR"):
        floor.ask("resume", "instrument", symbol)


def test_statements_value_what_came_before_by_the_terms_of_then(floor) -> None:
    floor.at("2026-11-23T10:30")
    floor.wait_for_phase("CONTINUOUS")
    floor.send(
        order(30, Side.SELL, 5, 1_700, who=1, symbol=b"GOLD"),
        order(31, Side.BUY, 5, 1_700, who=2, symbol=b"GOLD"),
    )
    assert lots(floor, "GOLD") == 0
    floor.step()
    books = at(floor.journal_path)
    rows = list(transactions(floor.journal_path, books))
    statement = reports.statement(books.books, rows, 1)
    assert "adjusted" in {row[statement.columns.index("what")] for row in statement.rows}
    report = reports.profits(books.books, rows, "fifo", 1)
    of_gold = dict(zip(report.columns, next(r for r in report.rows if r[1] == "GOLD"), strict=True))
    assert of_gold["realised"] == 5 * 30 * (1_700 - 1_667)


@pytest.mark.parametrize("after", [0, 6, 7, 8])
def test_an_adjustment_that_is_cut_off_is_made_once(floor, after) -> None:
    """Before its first command, within the batch, before and after what puts that in force."""
    for symbol in SYMBOLS if after == 0 else ():
        floor.ask("halt", symbol)
    new, old = (2, 1) if after % 4 else (1, 2)
    adjust = {"do": "contract-adjust", "underlying": "XAU", "new": new, "old": old}
    words = ("contract", "adjust", "XAU", str(new), str(old), "--reference", f"cut {after}")
    before = terms(floor, "GOLD")["adjustments"]
    cut_off(floor, adjust | {"reference": f"cut {after}"}, after)
    assert terms(floor, "GOLD")["adjustments"] == before + (after == 8)
    first, second = floor.ask(*words), floor.ask(*words)
    assert not first.get("repeated")
    assert second["repeated"]
    assert [terms(floor, symbol)["adjustments"] for symbol in SYMBOLS] == [before + 1] * 2


def test_options_are_marked_by_the_terms_in_force(tmp_path) -> None:
    """The venue and margin files have the strike of before, at which the call would be worth
    nothing."""
    (tmp_path / "margin.toml").write_text(WITH_SURFACE)
    more = MORE[MORE.index('[[instrument]]\nsymbol = "GOLD-C"') :].replace("margin = 8_000\n", "")
    more = more.replace("5_001", "5_000").replace('"BAR", ', "")
    made = InlineFloor(tmp_path, SCENARIO_VENUE + more)
    at_5_000 = call_marked(made, 5_000)
    assert call_marked(made, 5_020) - at_5_000 > 5
    for symbol in SYMBOLS:
        made.ask("halt", symbol)
    made.ask("contract", "adjust", "XAU", "2")
    assert abs(call_marked(made, 2_500) - at_5_000) <= 1
    assert (terms(made, "GOLD-C")["strike"], terms(made, "GOLD")["mark"]) == (2_500, 2_500)
    made.close()
    assert audit_indices(made.journal_path).differences == []


def call_marked(floor: InlineFloor, price: int) -> int:
    """The mark of the call after a look that has this index."""
    contracts = floor.view.contracts
    assert contracts is not None
    index, marks = place(floor, "GOLD-C"), contracts.of(place(floor, "GOLD-C"), "marks")
    floor.ask("contract", "report", "XAU", "east", str(price))
    floor.wait_for(lambda s: contracts.of(index, "marks") > marks)
    assert contracts.of(index, "index") == price
    return contracts.of(index, "mark")
