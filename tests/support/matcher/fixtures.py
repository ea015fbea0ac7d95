"""Scripts (see matcher_script) by both engines, and random streams in which everything collides."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_script import SYMBOLS, Script


@pytest.fixture(params=[Engine, ReferenceEngine], ids=["fast", "reference"])
def script(request: pytest.FixtureRequest) -> Script:
    """A script runner over an empty book, once with the kernels and once with the reference."""
    return Script(request.param)


@pytest.fixture
def make_script() -> Callable[[Any], Script]:
    return Script


EXTREME = np.array([-(2**63), -(2**62), -65, -64, -1, 0, 2**40, 2**62, 2**63 - 1], dtype=np.int64)


def make_stream(
    seed: int, count: int, ids: int = 40, prices: int = 6, extreme: float = 0.04
) -> np.ndarray:
    """``count`` random commands in which ids, prices and participants collide, with a share of
    extreme prices and quantities and of values that no enumeration has."""
    rng = np.random.default_rng(seed)
    orders = np.zeros(count, dtype=ORDER_DTYPE)
    orders["price_ticks"] = rng.integers(100, 100 + prices, count)
    orders["qty_lots"] = rng.integers(0, 10, count)
    for field in ("price_ticks", "qty_lots"):
        where = rng.random(count) < extreme
        orders[field][where] = rng.choice(EXTREME, int(where.sum()))
    symbols = np.array([*SYMBOLS, "ZZ"], dtype="S8")
    orders["symbol"] = rng.choice(symbols, count, p=[0.5, 0.3, 0.19, 0.01])
    orders["order_id"] = rng.integers(-ids // 2, ids // 2, count)
    orders["participant"] = rng.choice([1, 2], count, p=[0.9, 0.1])
    orders["error_code"] = rng.choice([0, 5], count, p=[0.99, 0.01])
    orders["kind"] = rng.choice(6, count, p=[0.005, 0.5, 0.15, 0.1, 0.24, 0.005])
    orders["side"] = rng.choice(4, count, p=[0.01, 0.49, 0.49, 0.01])
    orders["order_type"] = rng.choice(5, count, p=[0.01, 0.6, 0.1, 0.28, 0.01])
    orders["time_in_force"] = rng.choice(5, count, p=[0.005, 0.7, 0.15, 0.14, 0.005])
    orders["seq"] = np.arange(1, count + 1)
    return orders


@pytest.fixture
def stream() -> Callable[..., np.ndarray]:
    return make_stream
