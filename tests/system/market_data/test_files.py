"""Files of the feed: the same bytes whenever they are made, and the same book for whoever reads
them: our own reader, and other people's."""

import datetime
import re
import shutil
import subprocess

import numpy as np
import pytest
from itch.parser import MessageParser
from meatpy.itch50 import ITCH50MarketProcessor, ITCH50MessageReader

from openoutcry.flow import ItchSource
from openoutcry.market_data.files import JournalFeed, write_feed
from openoutcry.matcher import Engine
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import FeedError
from openoutcry.wire.records import make_instruments
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.support.market_data import files as shared
from tests.support.market_data.feed_journal import book_of, make_journal
from tests.support.market_data.feed_support import NO_LIMIT, PlainBook, flow, unframed
from tests.support.waiting import BOUND_S

day = shared.day

SIDES = ((Side.BUY, "B"), (Side.SELL, "S"))
DAY = datetime.datetime(2023, 11, 14)


def shown(book, index, side):
    """(price, displayed lots) of each displayed order, in queue order."""
    orders = book.queue(index, side)
    return [(o.price_ticks, o.shown_lots) for o in orders if o.price_ticks not in NO_LIMIT]


def rebuilt(path):
    """The book that our own reader of such files and a matcher make of one."""
    source, book = ItchSource(path), BookFromEvents()
    engine = Engine(source.instruments, 1 << 14)
    at = 1
    for chunk in source.chunks():
        chunk["seq"] = np.arange(at, at + len(chunk))
        at += len(chunk)
        book.apply(engine.process(chunk))
    return {bytes(s): i for i, s in enumerate(source.instruments["symbol"])}, book


def test_fed_back_it_is_the_same_book(day):
    """Order by order; and what the file says of itself is so."""
    home, path, instruments, report = day
    messages = unframed(path.read_bytes())
    assert report["messages"] == len(messages)
    assert report["bytes"] == path.stat().st_size
    truth, _ = book_of(home)
    places, book = rebuilt(path)
    plain_book = PlainBook()
    for message in messages:
        plain_book.apply(message)
    for index, symbol in enumerate(instruments["symbol"].tolist()):
        for side, letter in SIDES:
            expected = shown(truth, index, side)
            assert expected
            assert shown(book, places[symbol], side) == expected
            assert plain_book.queue(index + 1, letter) == expected


def test_fed_back_with_auctions_icebergs_and_all_else_it_is_the_same_book(tmp_path):
    """Price-time books; a share by size cannot be told by whom it was."""
    compared = 0
    for seed in range(24):
        run, _, _ = flow(seed, 1500)
        home, path = tmp_path / f"{seed}", tmp_path / f"{seed}.itch"
        make_journal(home, run.instruments, run.orders, run.order_capacity)
        write_feed(home, path)
        truth, _ = book_of(home)
        places, book = rebuilt(path)
        for index, row in enumerate(run.instruments):
            for side, _ in SIDES:
                if row["allocation"] == 1 and bytes(row["symbol"]) in places:
                    expected = shown(truth, index, side)
                    assert shown(book, places[bytes(row["symbol"])], side) == expected
                    compared += len(expected)
    assert compared > 200


def test_what_was_published_stays_published(day, tmp_path):
    """However the journal's blocks are cut, and whether or not more came behind: each message has
    the same number and the same bytes."""
    home, path, instruments, _ = day
    whole = path.read_bytes()
    orders = np.concatenate([b.batch.commands for b in JournalFeed(home).parts()])
    for count, blocks in ((5_000, 1), (5_001, 13), (len(orders), 40)):
        again = make_journal(tmp_path / f"j{count}", instruments, orders[:count], 1 << 14, blocks)
        part = b"".join(part.messages for part in JournalFeed(again).parts())
        assert whole.startswith(part)
        assert (len(part) == len(whole)) == (count == len(orders))


def test_meatpy_rebuilds_the_book(day):
    """Another's reader of ITCH 5.0 and its limit order book, order by order."""
    home, path, instruments, _ = day
    truth, _ = book_of(home)
    symbols = instruments["symbol"].tolist()[:2]
    processors = {symbol: ITCH50MarketProcessor(symbol.ljust(8), DAY) for symbol in symbols}
    with ITCH50MessageReader(path) as reader:
        for message in reader:
            for processor in processors.values():
                processor.process_message(message)
    for index, symbol in enumerate(symbols):
        book = processors[symbol].current_lob
        for side, levels in ((Side.BUY, book.bid_levels), (Side.SELL, book.ask_levels)):
            queue = [(level.price, q.volume) for level in levels for q in level.queue]
            assert queue == shown(truth, index, side)


def test_itchfeed_reads_every_message(day):
    """Each by its own class, with the fields that we wrote."""
    path = day[1]
    with path.open("rb") as file:
        parsed = list(MessageParser().parse_file(file))
    ours = unframed(path.read_bytes())
    assert len(parsed) == len(ours)
    adds = 0
    for theirs, message in zip(parsed, ours, strict=True):
        assert theirs.message_type == message[:1]
        assert theirs.to_bytes() == message
        if message[:1] == b"A":
            adds += 1
            assert round(theirs.decode_price("price") * 10_000) == int.from_bytes(
                message[32:36], "big"
            )
    assert adds > 1_000


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_tshark_dissects_every_packet(day, tmp_path, form):
    """MoldUDP64 with every message in it, numbers without a hole, and the end of the session."""
    home, path, _, report = day
    packets = write_feed(home, tmp_path / "day.pcap", form)
    assert packets["messages"] == report["messages"]
    done = subprocess.run(
        [
            "tshark",
            "-r",
            str(tmp_path / "day.pcap"),
            "-d",
            "udp.port==26400,moldudp64",
            "-T",
            "fields",
            "-e",
            "moldudp64.session",
            "-e",
            "moldudp64.sequence",
            "-e",
            "moldudp64.count",
            "-e",
            "moldudp64.msglen",
            "-e",
            "_ws.malformed",
            "-e",
            "moldudp64.msgdata",
        ],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    following, data = 1, []
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    for session, sequence, count, _, malformed, messages in rows[:-1]:
        assert session == report["session"]
        assert not malformed
        assert int(sequence.split(",")[0], 0) == following
        following += int(count, 0)
        data += messages.split(",")
    assert int(rows[-1][1].split(",")[0], 0) == following == report["messages"] + 1
    assert int(rows[-1][2], 0) == 0xFFFF
    assert [bytes.fromhex(re.sub(":", "", one)) for one in data] == unframed(path.read_bytes())


def test_a_file_is_written_whole_or_not_at_all(day, tmp_path):
    home = day[0]
    with pytest.raises(FeedError, match="there is no folder"):
        write_feed(home, tmp_path / "none" / "x.itch")
    with pytest.raises(FeedError, match="is not a regular file"):
        write_feed(home, tmp_path)
    with pytest.raises(FeedError, match="ZZZ is not among the journal's instruments"):
        write_feed(home, tmp_path / "x.itch", decimals={"ZZZ": 2})
    orders = np.concatenate([b.batch.commands for b in JournalFeed(home).parts()])[:50]
    orders["price_ticks"][20:] += 2**33
    high = make_journal(tmp_path / "j", make_instruments(day[2]["symbol"].tolist()), orders, 64)
    (tmp_path / "x.itch").write_bytes(b"of yesterday")
    with pytest.raises(FeedError, match="has a price or a quantity that no message can hold"):
        write_feed(high, tmp_path / "x.itch")
    assert (tmp_path / "x.itch").read_bytes() == b"of yesterday"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["j", "x.itch"]
