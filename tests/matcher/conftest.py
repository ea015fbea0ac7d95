"""A line language for commands and events, and random streams in which everything collides."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openoutcry.matcher import Engine, ReferenceEngine
from openoutcry.wire import (
    ORDER_DTYPE,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    make_instruments,
)

SYMBOLS = ["A", "BB", "CCCCCCCC"]
FIELDS = {
    "id": "order_id",
    "err": "error_code",
    "kind": "kind",
    "side": "side",
    "type": "order_type",
    "tif": "time_in_force",
}


def parse_command(line: str, seq: int) -> np.ndarray:
    """One order record from a line such as ``NEW id=1 BUY 5@100 IOC p7 sym=BB``."""
    order = np.zeros(1, dtype=ORDER_DTYPE)
    order["seq"], order["symbol"], order["participant"] = seq, SYMBOLS[0], 1
    order["order_type"], order["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    for word in line.split():
        if word in CommandKind.__members__:
            order["kind"] = CommandKind[word]
        elif word in Side.__members__:
            order["side"] = Side[word]
        elif word in OrderType.__members__:
            order["order_type"] = OrderType[word]
        elif word in TimeInForce.__members__:
            order["time_in_force"] = TimeInForce[word]
        elif "=" in word:
            name, value = word.split("=")
            if name == "sym":
                order["symbol"] = value
            else:
                order[FIELDS[name]] = int(value)
        elif word[0] == "p":
            order["participant"] = int(word[1:])
        else:
            qty, _, price = word.partition("@")
            order["qty_lots"], order["price_ticks"] = int(qty), int(price or 0)
    return order


def format_event(event: Any) -> str:
    """An event as a line; zero, NONE and participant 1 are left out."""
    words = [
        EventKind(event["kind"]).name,
        f"id={event['order_id']}",
        f"{event['qty_lots']}@{event['price_ticks']}",
        f"leaves={event['leaves_lots']}",
    ]
    if event["contra_id"]:
        words.append(f"contra={event['contra_id']}")
    if event["reason"]:
        words.append(Reason(event["reason"]).name)
    words += [f.name for f in (EventFlag.MAKER, EventFlag.KEPT_PLACE) if event["flags"] & f]
    if event["participant"] != 1:
        words.append(f"p{event['participant']}")
    return " ".join(words)


class Script:
    """Runs scripts of commands (not indented), each followed by its events (indented)."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.seq = 0

    def run(self, text: str) -> None:
        expected: list[str] = []
        found: list[str] = []
        for line in text.splitlines():
            if not line.strip():
                continue
            expected.append(line.strip() if line[0] != " " else "    " + line.strip())
            if line[0] == " ":
                continue
            found.append(line.strip())
            self.seq += 1
            events = self.engine.process(parse_command(line, self.seq))
            last = (events["flags"] & EventFlag.LAST) != 0
            assert last.tolist() == [False] * (len(events) - 1) + [True]
            assert (events["cause_seq"] == self.seq).all()
            found += ["    " + format_event(event) for event in events]
        assert found == expected


@pytest.fixture(params=[Engine, ReferenceEngine], ids=["fast", "reference"])
def script(request: pytest.FixtureRequest) -> Script:
    """A script runner over an empty book, once with the kernels and once with the reference."""
    return Script(request.param(make_instruments(SYMBOLS), 64))


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
