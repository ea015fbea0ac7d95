"""The public feed of a venue that is carried over: its session ends for those who listen, and the
next one begins with every instrument and what rests."""

from pathlib import Path

import pytest

from openoutcry.market_data.book import Book
from openoutcry.market_data.glimpse import fetch
from openoutcry.wire.enums import TimeInForce
from tests.support.market_data.feed_days import LIMITS, Days
from tests.support.market_data.feed_support import fields, unframed
from tests.support.venue.carried import carried
from tests.support.venue.served_venue import orders

ZINC = f'\n[[instrument]]\nsymbol = "ZINC"{LIMITS}'


@pytest.mark.parametrize("when", ["within a day", "between two days"])
def test_the_feed_goes_on_with_another_session(tmp_path: Path, when: str) -> None:
    days = Days(tmp_path)
    venue = days.venue
    stay = orders(11, 4, TimeInForce.GTC, 500)
    stay["price_ticks"] = 500
    assert venue.send(stay)["acknowledged"] == 4
    days.subscribe()
    lines = days.receiver.lines
    levels = [(50_000, 20, 4)]
    days.wait_for(lambda: days.receiver.book.levels(1, "B") == levels)
    first = lines.session
    if when == "between two days":
        venue.set_time("2026-11-23T18:00")
        venue.wait_for(lambda status: status["state"] == "closed")
        days.wait_for(lambda: lines.complete)
    venue.stop()
    assert "new instruments: ZINC" in carried(venue, lambda text: text + ZINC)
    if when == "between two days":
        venue.set_time("2026-11-24T09:30")
    venue.start()
    days.wait_for(
        lambda: lines.session != first and days.receiver.book.levels(1, "B") == levels,
        lambda: days.stream.book.levels(1, "B") == levels,
        lambda: days.depth.book.levels(1, "B") == tuple(levels) and not days.depth.book.ended,
    )
    venue.wait_for_phase("CONTINUOUS")
    rows = [fields(one) for one in unframed(bytes(days.multicast))]
    begins = [n for n, row in enumerate(rows) if row.get("event") == "O"]
    assert len(begins) == 2
    assert rows[begins[1] - 1]["event"] == "C"
    begun = [row["kind"] for row in rows[begins[1] :]]
    assert begun[:4] == ["S", "R", "R", "R"]
    assert begun.count("A") == 4
    zinc = orders(31, 2, TimeInForce.GTC, 700)
    zinc["symbol"] = b"ZINC"
    assert venue.send(zinc)["acknowledged"] == 2
    days.wait_for(lambda: len(days.receiver.book.levels(3, "B")) == 2)
    whole = Book()
    whole.apply(bytes(days.multicast))
    assert whole.hash() == days.receiver.book.hash()
    assert lines.unfinished == 0
    assert fetch(days.spec.snapshots)[0] == lines.session.decode()
    days.close()
