"""Recordings of real markets, which are not ours to hand on: each gives the figures it must."""

from collections import Counter

import numpy as np
import pytest

from openoutcry.bench.check_book import check_book
from openoutcry.flow import BitstampSource, ItchSource, LobsterSource
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.state.snapshot import decode
from openoutcry.wire.enums import CommandKind, EventKind, Reason
from tests.support.flow.recordings import DATA, needs

SAMPLES = DATA / "itch50"
ORDERS = DATA / "bitstamp" / "orders.csv.xz"
SHORT = DATA / "lobster_aapl_short"
HOUR = DATA / "lobster_aapl_hour"

pytestmark = [pytest.mark.long, needs(DATA)]


def test_simulated_day_is_accounted_for_whole() -> None:
    """All 12,012 messages of the sample with zero framing are counted by kind."""
    source = ItchSource(SAMPLES / "ex20101224.TEST_ITCH_50")
    orders = np.concatenate(list(source.chunks()))
    by_type: dict[str, int] = {}
    for name, count in source.account.items():
        by_type[name[0]] = by_type.get(name[0], 0) + count
    assert sum(by_type.values()) == 12_012
    expected = {"P": 5000, "A": 4997, "D": 1745, "E": 198, "X": 45, "U": 12}
    assert {kind: by_type[kind] for kind in expected} == expected
    commands = sum(n for name, n in source.account.items() if "(no command)" not in name)
    assert len(orders) == commands + source.account["U order replace"]
    assert source.instruments["symbol"].tolist() == [b"BOB", b"CHAR", b"ALC"]


def test_recorded_morning_is_accounted_for_whole() -> None:
    """1,000 messages with length framing: a directory and no orders."""
    source = ItchSource(SAMPLES / "nasdaq_first1000.itch")
    assert list(source.chunks()) == []
    assert sum(source.account.values()) == 1_000
    assert source.account["R stock directory (no command)"] == 993 == len(source.instruments)


def test_recorded_hours_end_in_the_recorded_book() -> None:
    """All 50,414 events are counted; after them our book holds exactly the orders, and of each
    exactly the volume, that the recording leaves open; only unknown orders were rejected."""
    source = BitstampSource(ORDERS)
    orders = np.concatenate(list(source.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    assert len(orders) == 50_414 == sum(source.account.values())
    recorded: dict[int, int] = {}
    for kind, order_id, qty in orders[["kind", "order_id", "qty_lots"]].tolist():
        if kind == CommandKind.NEW:
            recorded[order_id] = qty
        elif kind == CommandKind.CANCEL:
            recorded.pop(order_id, None)
        elif order_id in recorded:
            recorded[order_id] = qty
    engine = Engine(source.instruments)
    events = engine.process(orders)
    rows = decode(engine.snapshot()).rows
    assert {int(row["order_id"]): int(row["qty_lots"]) for row in rows} == recorded
    assert len(recorded) > 100
    reasons = Counter(events["reason"][events["kind"] == EventKind.REJECTED].tolist())
    assert set(reasons) == {Reason.UNKNOWN_ORDER}
    assert reasons[Reason.UNKNOWN_ORDER] < 0.02 * len(orders)


def test_short_recording_is_equal_in_all_fifty_levels() -> None:
    """AAPL, 672 messages: every row, every level, every maker."""
    result = check_book(SHORT / "messages.csv", SHORT / "orderbook_50.csv")
    assert result["levels"] == 50
    assert result["rows"] == result["equal"] == 672
    assert result["executions"] == result["maker_agrees"] == 56
    assert result["first_difference"] is None
    assert result["rejected"] == result["repairs"] == 0


def test_recorded_hour_is_accounted_for_whole() -> None:
    """Every message of the hour is counted once, and becomes a command unless its line says no."""
    source = LobsterSource(HOUR / "messages.csv", HOUR / "seed_book_row0_50levels.csv")
    orders = np.concatenate(list(source.chunks()))
    account = source.account
    kinds = {
        "new": 44_256,
        "reduce": 469,
        "delete": 41_004,
        "execution of a visible order": 4_067,
        "execution of a hidden order (no command)": 2_201,
    }
    assert {name: account[name] for name in kinds} == kinds
    assert len(orders) == 91_997 - 2_201 + account["synthetic order of the seed book"]
    assert orders["price_ticks"].min() > 0
    assert orders["qty_lots"].min() > 0


def test_recorded_hour_agrees_in_best_prices_and_makers() -> None:
    """AAPL, one hour: at least 99.9 % of best bids and offers and 99 % of makers.  The exact
    figures are pinned: 90 rows show an order whose end the recording leaves out, and eight
    executions pass over the head of a queue in the recording itself."""
    seed = HOUR / "seed_book_row0_50levels.csv"
    result = check_book(HOUR / "messages.csv", HOUR / "bbo_after_each_message.csv", seed)
    assert result["rows"] == 91_997
    assert result["equal"] == 91_907 > 0.999 * result["rows"]
    assert result["executions"] == 4_067
    assert result["maker_agrees"] == 4_059 > 0.99 * result["executions"]
    assert result["repairs"] == 18
    assert result["first_difference"] == {
        "row": 54_607,
        "level": 1,
        "side": "bid",
        "expected": [5_842_000, 203],
        "found": [5_842_100, 100],
    }
