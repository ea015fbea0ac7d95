"""Collars, notional limits, halts, participants and rates: the golden model against the reference.

The reference divides with fractions and keeps rates in a dictionary; the kernel multiplies exactly.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.gateway_fpga import Settings
from tests.support.gateway_fpga.settings import (
    EDGES,
    LIMITS,
    ROWS,
    SETTINGS,
    codes,
    expected,
    make_orders,
)

NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1))
TIMES = st.one_of(
    st.integers(0, 1_500), st.sampled_from([2**62 - 1, 2**62, -1, -(2**63), 2**63 - 1])
)
ORDERS = st.tuples(
    NUMBERS,
    NUMBERS,
    st.sampled_from([*ROWS, b"NONE", b""]),
    st.integers(0, 10),
    st.sampled_from([1, 2, 3, 6, 17]),
    st.sampled_from([0, 1, 2, 3, 1_023, 1_024, 1_025, 65_535]),
    TIMES,
    st.integers(0, 1),
)
NAMES = (
    "price_ticks",
    "qty_lots",
    "symbol",
    "kind",
    "order_type",
    "participant",
    "rx_ts_ns",
    "aux",
)


@given(
    st.lists(ORDERS, min_size=1, max_size=40),
    st.booleans(),
    st.sampled_from([(0, 0), (100, 0), (100, 250), (2**32 - 1, 2**32 - 1), (1, 10)]),
    st.booleans(),
)
def test_kernel_equals_reference_with_everything_on(
    rows: list[tuple[Any, ...]], limited: bool, rate: tuple[int, int], participants: bool
) -> None:
    """Every setting alone and together, on and beside the values at which a verdict turns."""
    chosen = Settings(
        limits=LIMITS if limited else {},
        check_participants=participants,
        participants_on=SETTINGS.participants_on,
        rate_interval_ns=rate[0],
        rate_burst_ns=rate[1],
    )
    orders = make_orders(kind=[0] * len(rows))
    for column, name in enumerate(NAMES):
        orders[name] = [row[column] for row in rows]
    assert codes(orders, chosen) == expected(orders, chosen)
