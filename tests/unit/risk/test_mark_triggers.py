"""Stops by mark and index on the real core: CONTRACT_MARK elects them in its own command."""

import pytest

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from tests.unit.risk.test_reduce_only import Market


@pytest.fixture
def market() -> Market:
    """Participant 1 has bought 5 of participant 2 at 1,000; there is a bid for 9 at 990."""
    market = Market()
    market.send("NEW id=1 SELL 5@1000 p2")
    market.send("NEW id=2 BUY 5@1000 p1")
    market.send("NEW id=3 BUY 9@990 p3")
    return market


def marked(market: Market, price: int, index: int = 0) -> list[str]:
    return market.send(setting(Setting.CONTRACT_MARK, price, 0, b"A", index))


def test_a_mark_elects_a_stop_before_its_answer(market: Market) -> None:
    market.send("TERMS id=5 TRIGGER MARK p1")
    market.send("NEW id=5 SELL 2 STOP trigger=950 p1 REDUCE_ONLY")
    assert len(marked(market, 951)) == 1
    events = marked(market, 950)
    assert [event.split()[0] for event in events] == ["ELECTED", "FILLED", "FILLED", "COMPLETED"]
    assert market.view(1) == 3
    market.replayed()


def test_an_index_elects_and_an_index_of_zero_is_none(market: Market) -> None:
    market.send("TERMS id=5 TRIGGER INDEX p1")
    assert "BAD_AUX" in market.send("NEW id=5 SELL 2 STOP trigger=950 p1")[0]
    marked(market, 1000, 1000)
    market.send("TERMS id=5 TRIGGER INDEX p1")
    market.send("NEW id=5 SELL 2 STOP trigger=950 p1")
    assert len(marked(market, 940, 0)) == 1
    assert marked(market, 940, 950)[0].startswith("ELECTED id=5")
    market.replayed()


def test_a_mark_elects_nothing_while_its_instrument_is_halted(market: Market) -> None:
    market.send("TERMS id=5 TRIGGER MARK p1")
    market.send("NEW id=5 SELL 2 STOP trigger=950 p1")
    market.send(setting(Setting.HALT, 1, 0, b"A", 0))
    assert len(marked(market, 940)) == 1
    assert market.send(setting(Setting.HALT, 0, 0, b"A", 0))[0].startswith("ELECTED id=5")
    market.replayed()


def test_a_sale_by_a_mark_cuts_the_reduce_only_orders_that_it_leaves_too_large(
    market: Market,
) -> None:
    market.send("NEW id=4 SELL 4@1100 p1 REDUCE_ONLY")
    market.send("TERMS id=5 TRIGGER MARK p1")
    market.send("NEW id=5 SELL 3 STOP trigger=950 p1")
    marked(market, 940)
    assert market.view(1) == 2
    market.replayed()


def test_staged_marks_elect_when_they_are_applied(market: Market) -> None:
    market.send("TERMS id=5 TRIGGER MARK p1")
    market.send("NEW id=5 SELL 2 STOP trigger=950 p1")
    staged = setting(Setting.CONTRACT_MARK, 940, 0, b"A", 0)
    staged["time_in_force"] = 1
    assert len(market.send(staged)) == 1
    assert market.send(setting(Setting.CONTRACT_APPLY, 1, 0, b"", 0))[0].startswith("ELECTED id=5")
    market.replayed()
