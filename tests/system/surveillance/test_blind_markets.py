"""A short form of the blind markets: they trade, every act takes place, and the figures add up.

What the detectors make of them at length is in tests/long/surveillance/test_blind_markets.py.
"""

import numpy as np
import pytest

from openoutcry.wire.enums import EventKind, Phase
from tests.support.surveillance.blind_acts import RIGHT, TACTICS, acts_of_day
from tests.support.surveillance.blind_markets import BONDS, COINS, FIRST_ACTOR, BlindMarket
from tests.support.surveillance.blind_people import played, populate
from tests.support.surveillance.blind_scores import score, summed

TUNING_SEED = 5


@pytest.fixture(scope="module")
def bonds() -> BlindMarket:
    """Two days, the second with acts."""
    return played(BONDS, TUNING_SEED, 2, acts_of_day)


def test_each_kind_of_act_takes_place_once_on_the_second_day(bonds):
    assert sorted(act.kind for act in bonds.acts) == sorted(TACTICS) == sorted(RIGHT)
    assert all(act.begin_ns <= act.end_ns and min(act.who) >= FIRST_ACTOR for act in bonds.acts)


def test_the_same_seed_is_the_same_market(bonds):
    again = played(BONDS, TUNING_SEED, 2, acts_of_day)
    for first, second in zip(bonds.batches, again.batches, strict=True):
        assert all(one.tobytes() == two.tobytes() for one, two in zip(first, second, strict=True))


def test_dealers_quote_and_blocks_and_calls_trade(bonds):
    events = np.concatenate([events for _, events in bonds.batches])
    fills = events[events["kind"] == EventKind.FILLED]
    assert {1, 2, 3} <= set(fills["participant"].tolist())
    assert np.count_nonzero(events["kind"] == EventKind.UNCROSSED) == 8
    assert bonds.blocks > 4
    assert sum(bonds.cash.values()) == 0


def test_coins_trade_at_the_value_through_an_hour():
    market = BlindMarket(COINS, TUNING_SEED)
    market.phase(Phase.CONTINUOUS)
    populate(market)
    market.run(3_600)
    for symbol in COINS.symbols:
        bid, _, ask, _ = market.engine.best(symbol)
        assert 0 < ask - bid < 4 * COINS.half[1]
        assert abs(market.mid(symbol) - market.value) < 0.01 * COINS.price


def test_the_figures_add_up():
    one = score("bonds", TUNING_SEED, 2)
    figures = summed(2, [one])
    assert sum(row["acts"] for row in figures["kinds"].values()) == len(one["acts"]) == len(TACTICS)
    assert figures["false"] == sum(row[-1] for row in figures["false_cases"])
    for row in figures["kinds"].values():
        assert row["worked_seen"] <= min(row["worked"], row["seen"]) <= row["acts"]
