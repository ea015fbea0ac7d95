"""What the public is told of contracts is what a slow recomputation of the journal comes to, at
every moment of a random day."""

from random import Random

import pytest

from openoutcry.risk.bits import Setting
from openoutcry.venue.contract_figures import read_figures
from openoutcry.wire.enums import Side
from tests.oracles import contract_statistics as oracle
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order
from tests.unit.venue.test_funding_schedule import EXAMPLE, HOUR_NS, TEXT

SPEC = {"contract": "TIN", "every_h": 2}


@pytest.fixture
def floor(tmp_path):
    made = InlineFloor(tmp_path, TEXT, "2026-11-23T10:10")
    yield made
    made.close()


def figures(floor):
    file = floor.venue.file
    return read_figures(floor.view, file.symbols, file.risk.funding)


def expected_rate(commands, funded, page, begin_ns):
    """The rate of the period under way, by the page."""
    since_ns = int(funded[-1]["price_ticks"]) * HOUR_NS if funded else begin_ns
    prices = oracle.average_prices(commands, "TIN", since_ns)
    return page.funding_rate(SPEC, prices) if prices else None


def test_figures_are_those_of_the_journal_at_every_moment(floor):
    rng, page = Random(81), Page(PAGE.read_text(), EXAMPLE.read_text())
    number, symbols, moments = 1, list(floor.venue.file.symbols), 0
    for step in range(8):
        buyer, seller = rng.sample((2, 3), 2)
        lots = rng.randint(1, 3)
        for who, side in ((buyer, Side.BUY), (seller, Side.SELL)):
            floor.send(order(number, side, lots, 200_000, who=who, symbol=b"TIN"))
            number += 1
        mark = 200_000 + rng.randint(-500, 500)
        floor.ask("contract", "mark", "TIN", str(mark), "--index", "200000")
        minute = 10 * 60 + 10 + 31 * (step + 1)
        floor.at(f"2026-11-23T{minute // 60:02d}:{minute % 60:02d}:07")
        floor.status()
        commands, events = floor.journal()
        now = figures(floor)["TIN"]
        assert now.open_interest == oracle.open_interest(events, symbols)["TIN"]
        made, at_ns = oracle.marks(commands, "TIN")
        assert (now.mark, now.index) == made[-1][1:] == (mark, 200_000)
        funded = oracle.settings_of(commands, "TIN", Setting.CONTRACT_FUNDING)
        last = [(int(row["price_ticks"]), int(row["aux"])) for row in funded]
        assert (now.period, now.rate) == (last[-1] if last else (0, 0))
        assert now.predicted == expected_rate(commands, funded, page, made[0][0])
        assert now.next_ns % (2 * HOUR_NS) == 0
        assert 0 < now.next_ns - at_ns <= 2 * HOUR_NS
        moments += bool(funded)
    assert moments >= 4, "the day was funded"


def test_a_day_s_settlement_price_comes_with_its_day(floor):
    before = figures(floor)
    assert (before["GOLD"].settlement, before["GOLD"].day) == (0, 0)
    assert (before["GOLD"].predicted, before["GOLD"].next_ns) == (None, 0), "it is no perpetual"
    floor.ask("contract", "mark", "TIN", "200300", "--index", "200000")
    floor.ask("contract", "settle", "TIN", "--price", "200200")
    commands, _ = floor.journal()
    (settled,) = oracle.settings_of(commands, "TIN", Setting.CONTRACT_SETTLE)
    now = figures(floor)["TIN"]
    assert (now.settlement, now.day) == (200_200, 20261123)
    assert {now.settlement, now.day} == {int(settled["price_ticks"]), int(settled["aux"])}
