"""ITCH 5.0 messages become commands; every byte of a file is accounted for."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.flow import FlowError, ItchSource
from openoutcry.flow.commands import AGGRESSOR_ID
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.state.snapshot import decode
from openoutcry.tape import itch
from openoutcry.tape.itch import MESSAGE_TYPES
from openoutcry.wire.enums import CommandKind, EventKind, Side, TimeInForce
from openoutcry.wire.records import MAX_INSTRUMENTS
from tests.support.flow import itch as shared
from tests.support.flow.generated_market import Market, itch_messages
from tests.support.flow.itch import about, add, message, replace

path = shared.path

NEW, CANCEL, REDUCE = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REDUCE
DAY, IOC = TimeInForce.DAY, TimeInForce.IOC


def commands_of(source: ItchSource) -> list[Any]:
    """(kind, symbol, side, price, quantity, id, time in force) of each command."""
    names = ["kind", "symbol", "side", "price_ticks", "qty_lots", "order_id", "time_in_force"]
    return [row for chunk in source.chunks() for row in chunk[names].tolist()]


def test_each_kind_becomes_its_command(path: Path) -> None:
    """Adds, executions, a reduce, a replace and a delete, with what they leave out filled in."""
    parts = [
        add(1, b"B", 100, b"ALC", 10_000),
        add(2, b"S", 50, b"BOB", 20_000, b"F"),
        about(b"E", 1, 30),
        about(b"C", 2, 50),
        about(b"X", 1, 10),
        replace(1, 3, 70, 11_000),
        about(b"D", 3),
    ]
    path.write_bytes(b"".join(parts))
    source = ItchSource(path)
    at = [sum(len(part) for part in parts[:k]) for k in range(len(parts))]
    assert source.instruments["symbol"].tolist() == [b"ALC", b"BOB"]
    assert commands_of(source) == [
        (NEW, b"ALC", Side.BUY, 10_000, 100, 1, DAY),
        (NEW, b"BOB", Side.SELL, 20_000, 50, 2, DAY),
        (NEW, b"ALC", Side.SELL, 10_000, 30, AGGRESSOR_ID + at[2], IOC),
        (NEW, b"BOB", Side.BUY, 20_000, 50, AGGRESSOR_ID + at[3], IOC),
        (REDUCE, b"ALC", Side.BUY, 10_000, 10, 1, DAY),
        (CANCEL, b"ALC", Side.BUY, 10_000, 60, 1, DAY),
        (NEW, b"ALC", Side.BUY, 11_000, 70, 3, DAY),
        (CANCEL, b"ALC", Side.BUY, 11_000, 70, 3, DAY),
    ]
    assert sum(source.account.values()) == len(parts)


def test_every_type_of_the_specification_is_read(path: Path) -> None:
    """One message of each of the 23 types and of ours: all counted, whichever the framing."""
    directory = message(b"R", b"ALC     ")
    bodies = {
        b"R": directory,
        b"A": add(1, b"B", 1, b"ALC", 1),
        b"F": add(2, b"S", 1, b"ALC", 9, b"F"),
    }
    whole = b"".join(bodies.get(kind) or message(kind) for kind in MESSAGE_TYPES)
    path.write_bytes(whole)
    source = ItchSource(path)
    commands = commands_of(source)
    assert len(MESSAGE_TYPES) == 24
    assert len(source.account) == 24
    assert set(source.account.values()) == {1}
    assert source.account["E order executed, of an order never added (no command)"] == 1
    assert source.account["I net order imbalance (no command)"] == 1
    unframed = bytearray(whole)
    at = 0
    for kind in MESSAGE_TYPES.values():
        unframed[at : at + 2] = b"\0\0"
        at += 2 + kind.size_bytes
    path.write_bytes(unframed)
    assert commands_of(ItchSource(path)) == commands


def test_symbols_can_be_chosen(path: Path) -> None:
    """Orders of other symbols are counted and left out; a symbol without orders is refused."""
    path.write_bytes(
        add(1, b"B", 100, b"ALC", 1) + add(2, b"B", 100, b"BOB", 1) + about(b"D", 1) * 2
    )
    source = ItchSource(path, symbols=["BOB"])
    assert [row[1] for row in commands_of(source)] == [b"BOB"]
    assert source.instruments["symbol"].tolist() == [b"BOB"]
    assert source.account["A add order, of another symbol (no command)"] == 1
    with pytest.raises(FlowError, match="no order of EVE"):
        ItchSource(path, symbols=["EVE"])


def test_messages_over_a_read_boundary_are_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cutting the file into small reads changes nothing."""
    path.write_bytes(b"".join(add(k + 1, b"B", 100 + k, b"ALC", 1_000 + k) for k in range(50)))
    whole = commands_of(ItchSource(path))
    monkeypatch.setattr(itch, "READ_BYTES", 7)
    assert commands_of(ItchSource(path)) == whole
    assert len(whole) == 50


@pytest.mark.promise(
    "A damaged record file or market recording is rejected with the row, field or byte. Any "
    "CSV file of settlement, corporate actions and proofs is read as it says, or refused by "
    "its row",
    group="text",
)
@pytest.mark.parametrize("cut", [1, 2, 3, 30, 37])
def test_truncated_file_names_the_byte(path: Path, cut: int) -> None:
    """Wherever it is cut within a message, its start and the end of the file are named."""
    one = add(1, b"B", 100, b"ALC", 1)
    path.write_bytes(one + one[:cut])
    text = f"ends at byte {len(one) + cut}, within the message that starts at byte {len(one)}"
    with pytest.raises(FlowError, match=text):
        ItchSource(path)


def test_unknown_type_names_byte_and_type(path: Path) -> None:
    """A type that ITCH 5.0 does not have."""
    one = add(1, b"B", 100, b"ALC", 1)
    path.write_bytes(one + b"\0\x0cz" + bytes(11))
    with pytest.raises(FlowError, match=f"byte {len(one) + 2}: unknown message type b'z'"):
        ItchSource(path)


def test_wrong_length_names_the_byte(path: Path) -> None:
    """A frame whose length is not that of its type."""
    one = add(1, b"B", 100, b"ALC", 1)
    path.write_bytes(one + b"\0\x25" + one[2:])
    with pytest.raises(FlowError, match=f"byte {len(one)}: length 37 .* 'A', which has 36"):
        ItchSource(path)


def test_wrong_side_symbol_and_reference_name_the_byte(path: Path) -> None:
    """Fields of an add order that make no sense."""
    path.write_bytes(add(1, b"Z", 100, b"ALC", 1))
    with pytest.raises(FlowError, match="byte 21: b'Z' is not a side"):
        list(ItchSource(path).chunks())
    path.write_bytes(add(1 << 61, b"B", 100, b"ALC", 1))
    with pytest.raises(FlowError, match=r"byte 0: order reference .* is too large"):
        list(ItchSource(path).chunks())
    path.write_bytes(add(1, b"B", 100, b"A C", 1))
    with pytest.raises(FlowError, match="byte 0: b'A C' is not a symbol"):
        ItchSource(path)


def test_number_of_symbols_is_limited(path: Path) -> None:
    """More symbols than an instrument table has rows, or none at all."""
    path.write_bytes(message(b"S"))
    with pytest.raises(FlowError, match="names no symbol"):
        ItchSource(path)
    count = MAX_INSTRUMENTS + 1
    path.write_bytes(b"".join(add(k + 1, b"B", 1, b"S%d" % k, 1) for k in range(count)))
    with pytest.raises(FlowError, match=f"names {count} symbols"):
        ItchSource(path)
    assert len(commands_of(ItchSource(path, symbols=["S5"]))) == 1


@pytest.mark.parametrize("framed", [True, False])
def test_a_generated_day_ends_in_its_book(path: Path, framed: bool) -> None:
    """Every message of an invented day is counted, with lengths before the messages or zeros, and
    our matcher ends with the orders, and of each with the shares, that the market ended with."""
    market = Market(seed=8)
    messages = [*itch_messages(market, 1_000)]
    kinds = Counter(body[2:3] for body in messages)
    assert set(kinds) == {b"A", b"F", b"X", b"E", b"C", b"D", b"U", b"P"}
    path.write_bytes(b"".join(body if framed else bytes(2) + body[2:] for body in messages))
    source = ItchSource(path)
    orders = np.concatenate(list(source.chunks()))
    counted = Counter()
    for name, count in source.account.items():
        counted[name[:1].encode()] += count
    assert counted == kinds
    assert len(orders) == 1_000 - kinds[b"P"] + kinds[b"U"]
    orders["seq"] = np.arange(1, len(orders) + 1)
    engine = Engine(source.instruments)
    events = engine.process(orders)
    assert not (events["kind"] == EventKind.REJECTED).any()
    rows = decode(engine.snapshot()).rows
    assert {int(row["order_id"]): int(row["qty_lots"]) for row in rows} == market.open_orders()


def test_marks_of_a_sessions_end_are_accepted(path: Path) -> None:
    """A length of zero at the end, and between two sessions, is counted and nothing else."""
    first, second = add(1, b"B", 100, b"ALC", 10_000), about(b"D", 1)
    path.write_bytes(first + bytes(2) + second + bytes(2))
    source = ItchSource(path)
    assert [row[0] for row in commands_of(source)] == [NEW, CANCEL]
    assert source.account["end of a session (no command)"] == 2
    path.write_bytes(first + bytes(1))
    with pytest.raises(FlowError, match="truncated"):
        ItchSource(path)


def test_suspicious_messages_are_counted_and_run(path: Path) -> None:
    """Time that goes backwards, an open order's reference again, no shares; not a new day."""
    late = bytearray(add(1, b"B", 100, b"ALC", 10_000))
    late[2 + 5 : 2 + 11] = (50).to_bytes(6, "big")
    begin = bytearray(message(b"S", b"O"))
    path.write_bytes(
        begin + late + add(1, b"B", 5, b"ALC", 10_000) + add(2, b"S", 0, b"ALC", 1) + begin + late
    )
    source = ItchSource(path)
    assert len(commands_of(source)) == 4 + 2
    suspicious = {name: n for name, n in source.account.items() if name.startswith("suspicious")}
    assert suspicious == {
        "suspicious: time goes backwards": 1,
        "suspicious: the reference of an order that is open": 1,
        "suspicious: no shares": 1,
    }
