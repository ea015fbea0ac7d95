"""ITCH 5.0: written as a plain reference writes it, read by libraries of others, and back."""

import datetime
import random

import numpy as np
import pytest
from itch.parser import MessageParser
from meatpy.itch50 import ITCH50MarketProcessor, ITCH50MessageReader

from openoutcry.tape.convert import Reading, convert, open_tape, write_tape
from openoutcry.tape.records import EVENT, Header, Symbol
from openoutcry.wire.errors import FlowError
from tests.support.tape.market import (
    SYMBOLS,
    MemoryTape,
    drawn,
    header,
    itch_of,
    read,
    records_of,
)

DAY = datetime.datetime(1970, 1, 1)


def written(seed, count, path, in_turn=False):
    """A random market, and its file."""
    ops, orders = drawn(seed, count, in_turn=in_turn)
    cuts = sorted(random.Random(seed).sample(range(1, count), 9))
    done = write_tape(MemoryTape(header(), records_of(ops), cuts), path)
    assert done["losses"] == []
    return ops, orders


def split(data):
    """The messages, each with its length."""
    messages = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        messages.append(data[:end])
        data = data[end:]
    return messages


@pytest.mark.parametrize("seed", range(4))
def test_a_random_market_is_written_as_the_reference_does(seed, tmp_path):
    """But for the directory, which comes before an instrument's first message."""
    ops, _ = written(seed, 1_000, tmp_path / "a.itch")
    messages = split((tmp_path / "a.itch").read_bytes())
    assert [one for one in messages if one[2:3] != b"R"] == itch_of(ops)
    assert sum(one[2:3] == b"R" for one in messages) == 2
    assert (read(open_tape(tmp_path / "a.itch")) == records_of(ops)).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_there_and_back_through_parquet_is_the_same_file(seed, tmp_path):
    written(seed, 1_000, tmp_path / "a.itch")
    assert convert(tmp_path / "a.itch", tmp_path / "a.parquet")["losses"] == []
    assert convert(tmp_path / "a.parquet", tmp_path / "b.itch")["losses"] == []
    assert (tmp_path / "b.itch").read_bytes() == (tmp_path / "a.itch").read_bytes()


def test_meatpy_and_itchfeed_read_it(tmp_path):
    path = tmp_path / "a.itch"
    _, orders = written(7, 600, path, in_turn=True)
    with path.open("rb") as file:
        parsed = list(MessageParser().parse_file(file))
    assert [b"\0" + bytes([len(one.to_bytes())]) + one.to_bytes() for one in parsed] == split(
        path.read_bytes()
    )
    processors = {
        number: ITCH50MarketProcessor(one.name.ljust(8), DAY) for number, one in SYMBOLS.items()
    }
    with ITCH50MessageReader(path) as reader:
        for message in reader:
            for processor in processors.values():
                processor.process_message(message)
    for number, processor in processors.items():
        lob = processor.current_lob
        for side, levels in (("B", lob.bid_levels), ("A", lob.ask_levels)):
            theirs = sorted((level.price, one.volume) for level in levels for one in level.queue)
            ours = [one[2:] for one in orders.values() if one[:2] == [number, side]]
            assert theirs == sorted(map(tuple, ours))


def test_every_truncation_is_named(tmp_path):
    written(3, 30, tmp_path / "a.itch")
    data = (tmp_path / "a.itch").read_bytes()
    ends = set(np.cumsum([len(one) for one in split(data)]).tolist())
    path, out = tmp_path / "cut.itch", tmp_path / "cut.parquet"
    for end in range(3, len(data)):
        path.write_bytes(data[:end])
        if end in ends:
            continue
        with pytest.raises(FlowError, match=r"cut\.itch"):
            convert(path, out, allowed=["all"])
        assert not out.exists()


def test_flipped_lengths_types_and_sides_are_named(tmp_path):
    written(4, 40, tmp_path / "a.itch")
    messages = split((tmp_path / "a.itch").read_bytes())
    at, path = 0, tmp_path / "bad.itch"
    for message in messages[:-1]:
        data = b"".join(messages)
        for place in (at, at + 1, at + 2, at + 21 if message[2:3] == b"A" else at + 2):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << 7]) + data[place + 1 :])
            with pytest.raises(FlowError, match=r"bad\.itch"):
                convert(path, tmp_path / "bad.parquet", allowed=["all"], how=Reading("itch"))
        at += len(message)
    assert at > 100


def test_what_does_not_fit_is_named_and_nothing_is_written(tmp_path):
    rows = np.zeros(2, EVENT)
    rows["action"], rows["side"], rows["instrument"] = b"A", b"B", 1
    rows["order_id"], rows["qty"], rows["price"] = [1, 2], [5, 2**32], 100
    with pytest.raises(FlowError, match=r"record 2: qty 4294967296 does not fit itch"):
        write_tape(MemoryTape(header(), rows), tmp_path / "a.itch")
    rows["qty"], rows["price"] = 5, [100, 2**32]
    with pytest.raises(FlowError, match=r"record 2: price 4294967296 does not fit itch"):
        write_tape(MemoryTape(header(), rows), tmp_path / "a.itch")
    assert list(tmp_path.iterdir()) == []


def test_an_instrument_with_finer_prices_says_so_in_the_directory(tmp_path):
    """In the message o, as the venue's feed; decimals that are DBN's are cut to four."""
    rows = np.zeros(1, EVENT)
    rows["action"], rows["side"], rows["instrument"] = b"A", b"B", 1
    rows["order_id"], rows["qty"], rows["price"] = 7, 5, 123_456_789
    head = Header("test", ("event",), "orders", {1: Symbol("BTC-USD-LONG", 8)})
    assert write_tape(MemoryTape(head, rows), tmp_path / "a.itch")["losses"] == []
    tape = open_tape(tmp_path / "a.itch")
    assert tape.header.symbols == {1: Symbol("BTC-USD-LONG", 8)}
    assert read(tape)["price"].tolist() == [123_456_789]
    head.other = Symbol("", 9)
    head.symbols = {1: Symbol("BTC", 9)}
    done = write_tape(MemoryTape(head, rows), tmp_path / "b.itch", allowed=["price"])
    assert done["losses"] == [
        {"name": "price", "count": 1, "reason": "prices have 4 decimals: cut"}
    ]
    assert read(open_tape(tmp_path / "b.itch"))["price"].tolist() == [1_234]
