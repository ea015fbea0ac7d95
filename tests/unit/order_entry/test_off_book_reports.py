"""A trade off the book is reported to every session of its two participants that can say it, with
what it cost, and the same again after everything in memory was lost."""

import pytest

from openoutcry.client.shm import Reply
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.off_book import OFF_BOOK_SHIFT
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry.sessions_clients import take
from tests.support.venue.floor import InlineFloor
from tests.support.venue.line import Silence
from tests.support.venue.spot_floor import FLOOR, session_tables

ROWS = {
    "NEW": ("fix-4.4", "participant = 1", "password"),
    "SECOND": ("fix-4.4", "participant = 1", "password"),
    "OLD": ("fix-4.2", "participant = 2", "password"),
    "OTHER": ("fix-4.4", "participant = 3", "password"),
    "SHARED": ("shm", "participant = 2", "key"),
    "FIXCOPY": ("fix-drop-copy", "participant = 1", "password"),
}
TEXT = FLOOR + session_tables(ROWS)
TRADE = ("off-book", "1", "2", "50", "BTC-USD", "5000000", "--asked-by", "buyer")
TAGS = (35, 150, 39, 55, 54, 38, 32, 31, 30, 14, 151, 6, 11)


@pytest.fixture
def floor(tmp_path):
    floor = InlineFloor(tmp_path, TEXT)
    floor.ask("deposit", "1", str(10**12), "--asset", "USD")
    floor.ask("deposit", "2", str(10**9), "--asset", "BTC")
    yield floor
    if floor.run is not None:
        floor.close()


def fix(floor, name, protocol=Protocol.FIX44, **more):
    return floor.fix(name, target="TEST", protocol=protocol, prefix=name, **more)


def fields(message, tags=TAGS):
    return [message.get(tag) for tag in tags]


def test_both_sides_see_it_on_every_session_of_theirs(floor):
    first, second, other = (fix(floor, name) for name in ("NEW", "SECOND", "OTHER"))
    old = fix(floor, "OLD", Protocol.FIX42, version="4.2")
    copy = fix(floor, "FIXCOPY", Protocol.FIX_DROP_COPY)
    shared = floor.shm("SHARED")
    floor.ask(*TRADE, "--reference", "rfq 1")
    bought = take(first, 1) + take(second, 1)
    (sold,) = take(old, 1)
    for report in bought:
        assert fields(report) == [
            "8", "F", "2", "BTC-USD", "1", "50", "50", "50000.00", "XOFF", "50", "0", "50000.00",
            "",
        ]  # fmt: skip
        # The buyer asked, and pays in what it receives.
        assert (report[12], report[479]) == ("0.00000500", "BTC")
    assert fields(sold) == [
        "8", "2", "2", "BTC-USD", "2", "50", "50", "50000.00", "XOFF", "50", "0", "50000.00", "",
    ]  # fmt: skip
    (reply,) = shared.told()
    assert (reply.kind, reply.side, reply.symbol) == (Reply.OFF_BOOK, Side.SELL, "BTC-USD")
    assert (reply.participant, reply.qty_lots, reply.price_ticks) == (2, 50, 5_000_000)
    assert (reply.id, reply.request, reply.is_maker) == (0, 0, True)
    # A drop copy calls the order the same, and the execution, too.
    accepted, copied = take(copy, 2)
    assert accepted[37] == copied[37] == bought[0][37]
    assert copied[17] == bought[0][17]
    _, events = floor.journal()
    is_fill = (events["order_id"] >> OFF_BOOK_SHIFT == 3) & (events["kind"] == EventKind.FILLED)
    assert events["seq"][is_fill].tolist() == [int(sold[17]), int(bought[0][17])]
    assert reply.match == int(sold[17])
    with pytest.raises(Silence):
        other.next(0)
    for check, reports in ((Dictionary(), bought), (Dictionary("FIX42"), [sold])):
        for report in reports:
            assert check.fault(report.raw) is None, report.raw
    for one in (first, second, other, old, copy, shared):
        one.close()


def test_one_that_was_away_gets_it_later_and_again_from_the_journal(floor):
    first = fix(floor, "NEW")
    numbers = first.numbers
    first.close()
    floor.ask(*TRADE, "--reference", "rfq 1")
    back = fix(floor, "NEW", numbers=numbers)
    (report,) = take(back, 1)
    back.close()
    floor.again()
    again = fix(floor, "NEW", numbers=numbers)
    again.ask_again(1)
    (resent,) = take(again, 1)
    assert (resent[43], fields(resent)) == ("Y", fields(report))
    # What comes after it has the next numbers.
    again.buy("BTC-USD", 1, "40000.00")
    (accepted,) = take(again, 1)
    assert accepted[150] == "0"
    again.close()
