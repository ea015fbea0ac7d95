"""A venue with several matchers: what one with the same partitions says, over kills of them and of
the venue; its desk shows of every partition what the matcher has that owns it."""

from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.replay import replay
from openoutcry.market_data.book import Book
from openoutcry.operations.limits_used import LimitsUsed
from openoutcry.wire.enums import EventKind, Reason, Side, TimeInForce
from tests.support.market_data.feed_days import Days
from tests.support.venue import served_venue
from tests.support.venue.venue_floor import Floor, order, risk_refusal
from tests.support.venue.venue_shards import VENUE, desk, flow, is_right, pipeline_of


def opened(folder: Path, shards: int) -> Floor:
    folder.mkdir()
    return Floor(folder, VENUE.replace("SHARDS", str(shards)))


def drive(floor: Floor) -> dict[str, Any]:
    """Everything that a desk can ask for, by references of the caller, and orders between."""
    floor.send(flow(1, 500, 1))
    floor.ask("limits", "set", "open_orders", "30", "--participant", "3", "--reference", "limit")
    floor.ask("deposit", "1", "500", "--why", "wire", "--reference", "wire")
    floor.send(flow(2, 300, 1_000))
    floor.ask("kill", "participant", "4", "--reference", "kill")
    floor.ask("halt", "NICKEL", "--reference", "halt")
    floor.send(flow(3, 300, 2_000))
    floor.venue.wait_for(lambda status: status["risk"]["killed"] == [4])
    floor.ask("resume", "participant", "4", "--reference", "back")
    floor.send(flow(4, 300, 3_000))
    assert (
        "loss depends on prices: it needs one partition, not 4"
        in floor.ask("limits", "set", "loss", "5", "--participant", "1", status=1)["error"]
    )
    rows = desk(floor)
    assert any(row["limits"][0]["used"] for row in rows)
    used = LimitsUsed(pipeline_of(floor).owner).shares([1, 2, 3, 4])
    is_right(floor)
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    assert replay(floor.venue.journal)["equal"] is True
    return {"last": last, "events": floor.journal()[1], "rows": rows, "used": used}


def test_two_matchers_say_what_one_with_the_same_partitions_does(tmp_path: Path) -> None:
    one = drive(opened(tmp_path / "one", 1))
    two = drive(opened(tmp_path / "two", 2))
    assert np.array_equal(one["events"], two["events"])
    for key in ("commands", "events", "trades", "state_hash", "open_orders"):
        assert one["last"][key] == two["last"][key]
    assert (one["rows"], one["used"]) == (two["rows"], two["used"])
    by_risk = np.flatnonzero(
        (one["events"]["kind"] == EventKind.REJECTED) & (one["events"]["reason"] == Reason.RISK)
    )
    refused = {risk_refusal(one["events"][n : n + 1])[0].pop() for n in by_risk}
    assert len(refused) > 1


def test_the_feed_reports_what_all_matchers_did(tmp_path: Path) -> None:
    """GOLD is the first matcher's, TIN the second's."""
    divided = served_venue.VENUE.replace("[venue]", "[venue]\nshards = 2\npartitions = 5")
    days = Days(tmp_path, divided)
    try:
        days.subscribe()
        for number, symbol in enumerate((b"GOLD", b"TIN")):
            at = 100 * number
            bids = served_venue.orders(11 + at, 4, TimeInForce.GTC)
            bids["symbol"], bids["price_ticks"], bids["qty_lots"] = symbol, 500, [1, 2, 3, 4]
            sale = order(21 + at, Side.SELL, 3, 500, symbol=symbol)
            days.venue.send(np.concatenate([bids, sale]))
        wanted = [(50_000, 7, 2)]
        days.wait_for(
            *(
                lambda book=book, n=n: book.levels(n, "B") == wanted
                for book in (days.receiver.book, days.stream.book)
                for n in (1, 2)
            ),
            lambda: len(days.streamed) == len(days.multicast),
        )
        assert days.streamed == days.multicast
        book = Book()
        book.apply(bytes(days.multicast))
        assert book.hash() == days.receiver.book.hash()
    finally:
        days.close()
