"""The golden model against the slow reference, and its promises about memory."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.gateway_fpga import validate_orders
from openoutcry.wire import (
    ORDER_DTYPE,
)
from tests.support.gateway_fpga.golden import EDGES, ROWS, RULES, expected

SYMBOLS = [*ROWS, b"", b"PLAI", b"PLAINX", b"plain", b"LONGNAMF", b"\0PLAIN", b"A\0B"]
BYTES = st.one_of(st.integers(0, 18), st.sampled_from([63, 64, 66, 80, 127, 128, 254, 255]))
NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1))
OWNERS = st.sampled_from([0, 1, 65_535])
ORDERS = st.tuples(
    NUMBERS, NUMBERS, st.sampled_from(SYMBOLS), BYTES, BYTES, BYTES, BYTES, NUMBERS, OWNERS
)
NAMES = (
    "price_ticks",
    "qty_lots",
    "symbol",
    "kind",
    "side",
    "order_type",
    "time_in_force",
    "aux",
    "participant",
)


@given(st.lists(ORDERS, min_size=1, max_size=40))
def test_kernel_equals_reference_at_the_boundaries(rows: list[tuple[Any, ...]]) -> None:
    """Kernel and reference agree on every bit where values sit on, beside and far off limits."""
    orders = np.zeros(len(rows), ORDER_DTYPE)
    for column, name in enumerate(NAMES):
        orders[name] = [row[column] for row in rows]
    rejected = validate_orders(orders, RULES)
    assert orders["error_code"].tolist() == expected(orders)
    assert rejected == np.count_nonzero(orders["error_code"])


@pytest.mark.parametrize(
    "edges", [(0, 5, 200, 10_100, 2**63 - 1), pytest.param(EDGES, marks=pytest.mark.long)]
)
def test_kernel_equals_reference_on_every_small_combination(edges: tuple[int, ...]) -> None:
    """All kinds × sides × types × times × symbols × edge values: the whole table, no sampling."""
    kinds = (*range(12), 255)
    forms = list(itertools.product(kinds, (0, 1, 2, 3), range(18), (0, 1, 7, 8, 0x41, 0x51)))
    orders = np.zeros(len(forms), ORDER_DTYPE)
    for column, name in enumerate(("kind", "side", "order_type", "time_in_force")):
        orders[name] = [form[column] for form in forms]
    for index, (price, qty) in enumerate(itertools.product(edges, edges)):
        orders["price_ticks"], orders["qty_lots"] = price, qty
        orders["symbol"] = SYMBOLS[index % len(SYMBOLS)]
        orders["participant"], orders["aux"] = index & 1, index & 2
        validate_orders(orders, RULES)
        assert orders["error_code"].tolist() == expected(orders), (price, qty)
