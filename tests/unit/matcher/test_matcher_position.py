"""The place of an order in its queue, by kernels and reference, and as a taker finds it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine, MatcherError, Position
from openoutcry.wire import EventFlag, EventKind, make_instruments
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_script import Script


def test_what_is_ahead_is_what_trades_before(script):
    """Displayed orders and an iceberg's slice at its price, whatever is better, and all of those
    for a hidden order and one that waits to trade whole."""
    for line in (
        "NEW id=1 SELL 9@101",
        "NEW id=2 SELL 7@100 HIDDEN",
        "NEW id=3 SELL 12@101 ICEBERG display=5",
        "NEW id=4 SELL 3@101",
        "NEW id=5 SELL 2@101 HIDDEN",
        "NEW id=6 SELL 4@101 ALL_OR_NONE",
        "NEW id=7 SELL 1@90 STOP_LIMIT trigger=80",
        "NEW id=8 BUY 1@99",
    ):
        script.send(line)
    position = script.engine.position
    assert position(1) == Position(101, 0, 0, 1, 7)
    assert position(2) == Position(100, 0, 0, 0, 0)
    assert position(4) == Position(101, 2, 14, 1, 7)
    assert position(5) == Position(101, 3, 24, 1, 7)
    assert position(6) == Position(101, 4, 26, 1, 7)
    assert position(8) == Position(99, 0, 0, 0, 0)
    assert position(7) is None
    assert position(9) is None


@pytest.mark.parametrize("engine", [Engine, ReferenceEngine])
def test_an_id_that_is_open_twice_needs_its_symbol(engine):
    """Ids are unique within an instrument only."""
    script = Script(engine)
    script.send("NEW id=1 BUY 5@100")
    script.send("NEW id=1 BUY 5@99 sym=BB")
    with pytest.raises(MatcherError, match="open in 2 instruments"):
        script.engine.position(1)
    assert script.engine.position(1, b"BB") == Position(99, 0, 0, 0, 0)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(100, 103)), min_size=1, max_size=12),
    st.data(),
)
def test_a_taker_of_what_is_ahead_ends_just_before_it(orders, data):
    """Taking exactly the lots ahead fills nobody else; a lot more comes to the order itself."""
    engine = Engine(make_instruments(["A"]), 64)
    script = Script(engine)
    for order_id, (qty, price) in enumerate(orders, start=1):
        script.send(f"NEW id={order_id} SELL {qty}@{price}")
    own = data.draw(st.integers(1, len(orders)))
    place = engine.position(own)
    lots = place.lots_ahead + place.better_lots
    if lots:
        events = script.send(f"NEW id=99 BUY {lots}@{place.price_ticks} IOC p2")
        maker_events = events[(events["flags"] & EventFlag.MAKER) != 0]
        assert len(maker_events) == place.orders_ahead + place.better_orders
        assert own not in maker_events["order_id"]
    assert engine.position(own)[1:] == (0, 0, 0, 0)
    events = script.send(f"NEW id=98 BUY 1@{place.price_ticks} IOC p2")
    filled = events[events["kind"] == EventKind.FILLED]
    assert np.isin(own, filled["order_id"])
