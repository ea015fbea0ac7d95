"""Shares of a price: on the right side of it whatever its sign, and never nothing."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from openoutcry.matcher.matching.stops import trailing_trigger
from openoutcry.wire.enums import Side
from openoutcry.wire.order_types import TRAILING_BPS
from openoutcry.wire.records import MAX_VALUE

PRICES = st.one_of(
    st.integers(-200, 200), st.integers(-MAX_VALUE, MAX_VALUE), st.sampled_from([-MAX_VALUE, 0])
)


@given(
    last=PRICES,
    bps=st.integers(1, 9_999),
    side=st.sampled_from(Side),
    order_type=st.sampled_from(TRAILING_BPS),
)
def test_a_trailing_stop_keeps_its_share_of_the_price_away_from_it(last, bps, side, order_type):
    """A sell's below, a buy's above, at least a tick: the last price itself never elects it."""
    trigger = trailing_trigger(int(order_type), int(side), bps, last)
    distance = max(1, int(Fraction(abs(last) * bps, 10_000)))
    wanted = last + distance if side == Side.BUY else last - distance
    assert trigger == min(max(wanted, -MAX_VALUE), MAX_VALUE)


def test_a_trailing_stop_at_a_price_below_zero_waits_below_it(script):
    """The issue's case: it waited above the last price, and was elected at once."""
    script.run("""
INSTRUMENT min_price_ticks=-3000
NEW id=1 BUY 1@-2000
    ACCEPTED id=1 1@-2000 leaves=1
NEW id=2 SELL 1@-2000 p8
    ACCEPTED id=2 1@-2000 leaves=1 p8
    FILLED id=1 1@-2000 leaves=0 contra=2 MAKER
    FILLED id=2 1@-2000 leaves=0 contra=1 p8
NEW id=3 BUY 1@-2100
    ACCEPTED id=3 1@-2100 leaves=1
NEW id=4 SELL 1 TRAILING_STOP_BPS trail=150 p7
    ACCEPTED id=4 1@0 leaves=1 contra=-2030 WAITING p7
REPLACE id=4 1 trail=100 p7
    REPLACED id=4 1@0 leaves=1 contra=-2020 WAITING p7
""")


@pytest.mark.parametrize("name", ["TRAILING_STOP_BPS", "TRAILING_STOP_LIMIT_BPS"])
def test_a_distance_that_would_round_to_nothing_is_a_tick(script, name):
    """The issue's case: it was elected at once."""
    price = "@40" if "LIMIT" in name else ""
    shown = "@40" if "LIMIT" in name else "@0"
    script.run(f"""
NEW id=1 SELL 1@50
    ACCEPTED id=1 1@50 leaves=1
NEW id=2 BUY 1@50 p8
    ACCEPTED id=2 1@50 leaves=1 p8
    FILLED id=1 1@50 leaves=0 contra=2 MAKER
    FILLED id=2 1@50 leaves=0 contra=1 p8
NEW id=3 BUY 1@40
    ACCEPTED id=3 1@40 leaves=1
NEW id=4 SELL 1{price} {name} trail=150 p7
    ACCEPTED id=4 1{shown} leaves=1 contra=49 WAITING p7
""")
