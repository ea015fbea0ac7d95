"""Indices of a venue that trades: marks out of its own market and sources outside, as commands; a
source that stops or lies is dropped, and with too few nothing is entered."""

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import PAUSED_HALT
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.wire.enums import EventKind, Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

SPOT = """
[[instrument]]
symbol = "XAU-USD"
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_000
"""
INDEX = """
[[index]]
underlying = "XAU"
sources = ["XAU-USD", "east", "west"]
weights = [2, 1, 1]
least = 2
stale_ms = 3_000
outlier_bps = 500
every_ms = 500
"""
TEXT = CONTRACT_VENUE + SPOT + INDEX


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("index"), TEXT)
    yield trading_floor
    trading_floor.close()


def report(floor: InlineFloor, **prices: int) -> None:
    for source, price in prices.items():
        floor.ask("contract", "report", "XAU", source, str(price))


def trade(floor: InlineFloor, number: int, price: int) -> None:
    """A trade in the instrument that is a source."""
    floor.send(
        order(number, Side.BUY, 1, price, who=1, symbol=b"XAU-USD"),
        order(number + 1, Side.SELL, 1, price, who=2, symbol=b"XAU-USD"),
    )


def gold(floor: InlineFloor) -> tuple[int, int, bool]:
    """Mark and index of the contract, and whether it is paused."""
    view = floor.view
    paused = bool(int(view.instruments[0, lay.HALT // 8]) & PAUSED_HALT)
    return view.contracts.of(0, "mark"), view.contracts.of(0, "index"), paused


def test_marks_follow_the_index_and_a_source_that_lies_is_dropped(floor: InlineFloor) -> None:
    trade(floor, 1, 5_000)
    floor.clock.advance(1, 0.1)
    trade(floor, 3, 5_010)
    report(floor, east=5_030, west=5_030)
    floor.clock.advance(1, 0.1)
    # (2 x 5,010 + 5,030 + 5,030) / 4
    assert gold(floor) == (5_020, 5_020, False)
    report(floor, west=9_000)
    floor.clock.advance(1, 0.1)
    # (2 x 5,010 + 5,030) / 3, a half upwards
    assert gold(floor) == (5_017, 5_017, False)
    assert "index of XAU: west is outlier" in floor.notes


def test_with_too_few_sources_nothing_is_entered_until_they_are_back(floor: InlineFloor) -> None:
    floor.clock.advance(5, 0.1)
    assert gold(floor)[2]
    assert "GOLD is paused: the index of XAU has too few sources" in floor.notes
    (events,) = floor.send(order(50, Side.BUY, 1, 5_000, who=1))
    assert events["kind"][0] == EventKind.REJECTED
    shown = floor.status()["risk"]["indices"]["XAU"]
    assert (shown["protected"], shown["sources"]["east"]) == (True, "stale")
    report(floor, east=5_040, west=5_060)
    floor.clock.advance(1, 0.1)
    assert gold(floor) == (5_050, 5_050, False)
    (events,) = floor.send(order(51, Side.BUY, 1, 5_000, who=1))
    assert events["kind"][0] == EventKind.ACCEPTED


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("XAU", "north", "5000"), "the index of XAU has no source 'north'"),
        (("SN", "east", "5000"), "the venue file has no [[index]] of 'SN'"),
        (("XAU", "XAU-USD", "5000"), "XAU-USD is an instrument: its market reports it"),
        (("XAU", "east", "0"), "0 is not a price"),
    ],
)
def test_what_is_no_report_is_refused_by_name(floor: InlineFloor, words, says: str) -> None:
    assert says in floor.ask("contract", "report", *words, status=1)["error"]


def test_a_pause_is_the_index_s(floor: InlineFloor) -> None:
    assert "has an [[index]]" in floor.ask("contract", "pause", "GOLD", status=1)["error"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('underlying = "XAU"\nsources', 'underlying = "LEAD"\nsources', "no contract has"),
        ('"east", "west"', '"east", "east"', "must be one or more, each once"),
        ("[2, 1, 1]", "[2, 1]", "must be as many as sources"),
        ("least = 2", "least = 4", "must be 1 to 3, the number of sources"),
        ('["XAU-USD"', '["GOLD"', "GOLD is a contract: an index marks it"),
        ('"XAU-USD"\nmin', '"XAU-USD"\ndecimals = 3\nmin', "all need the same decimals"),
        ("stale_ms = 3_000", "stale_ms = 0", "stale_ms"),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_name(tmp_path, old: str, new: str, says: str) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(VenueFileError, match=says):
        read_venue(path)
