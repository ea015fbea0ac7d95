"""OUCH 4.2, what comes in: kernels read and finish every message as the plain reference does, byte
for byte; what each field may be, and what is refused with which reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import command_metadata, ouch42, rows
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.ouch import Refusal
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Reason, Side, TimeInForce
from openoutcry.wire.messages import OUCH42
from tests.oracles.order_entry import ouch42 as reference
from tests.support.order_entry.ouch42_messages import (
    cancel,
    enter,
    finish,
    modify,
    open_order,
    replace,
    same,
)
from tests.support.order_entry.ouch_support import DAY, Session, make_event, make_row, unsequenced


@pytest.mark.parametrize(
    ("fields", "order_type", "tif", "aux"),
    [
        ({}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"time_in_force": 99_998}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"time_in_force": 0}, OrderType.LIMIT, TimeInForce.IOC, 0),
        ({"display": "A"}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"display": "Z"}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"display": "N"}, OrderType.HIDDEN, TimeInForce.DAY, 0),
        ({"display": "N", "time_in_force": 0}, OrderType.LIMIT, TimeInForce.IOC, 0),
        ({"display": "P"}, OrderType.POST_ONLY_SLIDE, TimeInForce.DAY, 0),
        ({"display": "L"}, OrderType.POST_ONLY_SLIDE, TimeInForce.DAY, 0),
        ({"display": "M"}, OrderType.PEG_MIDPOINT, TimeInForce.DAY, 0),
        ({"display": "m"}, OrderType.PEG_MIDPOINT, TimeInForce.DAY, 0),
        ({"min_qty": 40}, OrderType.MIN_QTY, TimeInForce.DAY, 40),
        ({"min_qty": 100, "time_in_force": 0}, OrderType.MIN_QTY, TimeInForce.IOC, 100),
        ({"cross": "O"}, OrderType.LIMIT, TimeInForce.AT_OPEN, 0),
        ({"cross": "C"}, OrderType.LIMIT, TimeInForce.AT_CLOSE, 0),
        ({"cross": "C", "price": 0x7FFFFFFF}, OrderType.MARKET, TimeInForce.AT_CLOSE, 0),
        ({"price": 0x7FFFFFFF, "time_in_force": 0}, OrderType.MARKET, TimeInForce.IOC, 0),
        ({"price": 0x77359400}, OrderType.MARKET, TimeInForce.DAY, 0),
        (
            {"time_in_force": 60},
            OrderType.LIMIT,
            TimeInForce.GTD,
            DAY + 34_200_000_000_123 + 60_000_000_000,
        ),
        (
            {"time_in_force": 86_399, "display": "P"},
            OrderType.POST_ONLY_SLIDE,
            TimeInForce.GTD,
            DAY + 34_200_000_000_123 + 86_399_000_000_000,
        ),
    ],
)
def test_what_the_protocol_can_say_becomes_an_order(fields, order_type, tif, aux):
    _, order, metadata = same(Session(ouch42), enter(**fields))
    assert metadata["refused"] == 0
    assert order["kind"] == CommandKind.NEW
    assert (order["order_type"], order["time_in_force"], order["aux"]) == (order_type, tif, aux)
    market = order_type == OrderType.MARKET
    assert order["price_ticks"] == (0 if market else 1_891_000)
    assert (order["qty_lots"], order["symbol"], order["side"]) == (100, b"AAPL", Side.BUY)


@pytest.mark.parametrize(
    ("fields", "refusal", "letter"),
    [
        ({"side": "X"}, Refusal.SIDE, "O"),
        ({"side": "b"}, Refusal.SIDE, "O"),
        ({"shares": 0}, Refusal.QTY, "Z"),
        ({"symbol": "NOPE"}, Refusal.SYMBOL, "S"),
        ({"symbol": ""}, Refusal.SYMBOL, "S"),
        ({"symbol": "AA PL"}, Refusal.SYMBOL, "S"),
        ({"symbol": " AAPL"}, Refusal.SYMBOL, "S"),
        ({"symbol": "aapl"}, Refusal.SYMBOL, "S"),
        ({"symbol": "CHF6"}, Refusal.SYMBOL, "S"),  # its ticks are finer than OUCH's prices
        ({"price": 0}, Refusal.PRICE, "X"),
        ({"price": 1_999_999_901}, Refusal.PRICE, "X"),
        ({"price": 2**32 - 1}, Refusal.PRICE, "X"),
        ({"symbol": "MSFT", "price": 10_050}, Refusal.PRICE, "X"),
        ({"symbol": "BRK.A", "price": 15_000}, Refusal.PRICE, "X"),
        ({"time_in_force": 86_400}, Refusal.TIME_IN_FORCE, "O"),
        ({"time_in_force": 99_997}, Refusal.TIME_IN_FORCE, "O"),
        ({"time_in_force": 100_000}, Refusal.TIME_IN_FORCE, "O"),
        ({"time_in_force": 60, "display": "M"}, Refusal.TIME_IN_FORCE, "O"),
        ({"time_in_force": 60, "price": 0x7FFFFFFF}, Refusal.TIME_IN_FORCE, "O"),
        ({"display": "R"}, Refusal.DISPLAY, "D"),
        ({"display": "I"}, Refusal.DISPLAY, "D"),
        ({"display": "W"}, Refusal.DISPLAY, "D"),
        ({"display": "\x00"}, Refusal.DISPLAY, "D"),
        ({"display": "P", "time_in_force": 0}, Refusal.DISPLAY, "D"),
        ({"display": "M", "price": 0x7FFFFFFF}, Refusal.DISPLAY, "D"),
        ({"capacity": "Q"}, Refusal.CAPACITY, "O"),
        ({"iso": "X"}, Refusal.ISO, "O"),
        ({"min_qty": 101}, Refusal.MIN_QTY, "N"),
        ({"min_qty": 2**32 - 1}, Refusal.MIN_QTY, "N"),
        ({"min_qty": 10, "display": "P"}, Refusal.MIN_QTY, "N"),
        ({"min_qty": 10, "time_in_force": 60}, Refusal.MIN_QTY, "N"),
        ({"cross": "H"}, Refusal.CROSS, "R"),
        ({"cross": "S"}, Refusal.CROSS, "R"),
        ({"cross": "?"}, Refusal.CROSS, "R"),
        ({"cross": "O", "display": "N"}, Refusal.CROSS, "R"),
        ({"cross": "O", "time_in_force": 60}, Refusal.CROSS, "R"),
        ({"customer": "X"}, Refusal.CUSTOMER, "O"),
        ({"token": ""}, Refusal.TOKEN, "O"),
        ({"token": "A-1"}, Refusal.TOKEN, "O"),
        ({"token": "A\x001"}, Refusal.TOKEN, "O"),
        ({"token": b"A\xe91"}, Refusal.TOKEN, "O"),
        ({"token": "1234567890123@"}, Refusal.TOKEN, "O"),
        ({"token": "1234567890123["}, Refusal.TOKEN, "O"),
        ({"token": "1234567890123{"}, Refusal.TOKEN, "O"),
        ({"token": "1234567890123/"}, Refusal.TOKEN, "O"),
        ({"token": "1234567890123:"}, Refusal.TOKEN, "O"),
        ({"token": "\x101"}, Refusal.TOKEN, "O"),
    ],
)
def test_what_is_wrong_is_refused_with_the_protocols_reason(fields, refusal, letter):
    """The record's kind stays 0, so that the core rejects it without effect."""
    session = Session(ouch42)
    _, order, metadata = same(session, enter(**fields))
    assert (metadata["refused"], order["kind"]) == (refusal, 0)
    answer = session.refuse(metadata, order)
    token = metadata["token"].tobytes()[:14]
    expected = OUCH42.from_server("J").pack(
        timestamp=34_200_000_000_123, token=token, reason=letter
    )
    assert answer == expected == reference.refuse(metadata, order, session.world)


def test_every_byte_of_a_token_is_looked_at():
    """Letters, digits and spaces pass at each of the 14 places, everything else is refused."""
    session = Session(ouch42)
    for place in range(14):
        for byte in range(256):
            token = bytearray(b"A" * 14)
            token[place] = byte
            _, _, metadata = session.decode(unsequenced(enter(token=bytes(token))))
            good = chr(byte) in reference.ALPHANUMERIC
            assert (metadata["refused"] == 0) == good, (place, byte)


def test_prices_are_the_instruments_ticks():
    session = Session(ouch42)
    assert same(session, enter(symbol="MSFT", price=1_234_500))[1]["price_ticks"] == 12_345
    assert same(session, enter(symbol="BRK.A", price=1_999_990_000))[1]["price_ticks"] == 199_999
    assert same(session, enter(price=1_999_999_900))[1]["price_ticks"] == 1_999_999_900
    assert same(session, enter(symbol="OUTCRY12", price=1))[1]["price_ticks"] == 1


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_read_as_the_reference_does(data):
    same(Session(ouch42), data)


@pytest.mark.parametrize("kind", "OUXM")
def test_a_message_of_another_length_or_type_is_a_fault(kind):
    session = Session(ouch42)
    message = OUCH42.from_client(kind)
    whole = kind.encode() + b" " * (message.size_bytes - 1)
    assert session.decode(unsequenced(whole))[0] == Kind.APPLICATION
    assert session.decode(unsequenced(whole[:-1]))[0] == Fault.BAD_LENGTH
    assert session.decode(unsequenced(whole + b" "))[0] == Fault.BAD_LENGTH
    assert session.decode(unsequenced(b"S" + whole[1:]))[0] == Fault.UNKNOWN_TYPE


def test_a_cancel_gives_the_intended_size():
    """Fills under way do not matter: what goes is the difference of sizes."""
    session = Session(ouch42)
    row = open_order(session)
    row["cum_lots"], row["leaves_lots"] = 30, 70
    _, order, _ = finish(session, cancel(60), row)
    assert (order["kind"], order["qty_lots"]) == (CommandKind.REDUCE, 40)
    assert (order["order_id"], order["symbol"]) == (row["order_id"], b"AAPL")
    # The next one counts from there, though the first has not been told yet.
    _, order, _ = finish(session, cancel(50), row)
    assert (order["kind"], order["qty_lots"]) == (CommandKind.REDUCE, 10)
    assert finish(session, cancel(50), row)[0] == Kind.IGNORE
    assert finish(session, cancel(99), row)[0] == Kind.IGNORE
    _, order, _ = finish(session, cancel(0), row)
    assert order["kind"] == CommandKind.CANCEL


def test_a_size_is_right_again_after_a_reject_and_after_a_recovery():
    session = Session(ouch42)
    row = open_order(session)
    _, order, metadata = finish(session, cancel(55), row)
    event = make_event(EventKind.REJECTED, reason=Reason.OFF_LOT, qty_lots=45)
    assert session.encode(event, row, metadata)[:1] == b"I"
    _, order, metadata = finish(session, cancel(50), row)
    assert order["qty_lots"] == 50
    event = make_event(EventKind.REDUCED, reason=Reason.NONE, qty_lots=50, leaves_lots=50)
    assert session.encode(event, row, metadata)[:1] == b"C"
    # What comes in is forgotten by a crash; what went out is made again from the journal.
    again = open_order(session)
    session.encode(
        make_event(EventKind.REJECTED, reason=Reason.OFF_LOT, qty_lots=45), again, metadata
    )
    session.encode(event, again, metadata)
    _, order, _ = finish(session, cancel(20), again)
    assert order["qty_lots"] == 30
    _, order, _ = finish(session, cancel(10), again)
    assert order["qty_lots"] == 10


def test_what_is_unknown_or_done_is_ignored_in_silence():
    session = Session(ouch42)
    done = open_order(session, state=rows.DONE)
    for message in (cancel(), replace(), modify("B", 50)):
        assert finish(session, message, None)[0] == Kind.IGNORE
        assert finish(session, message, done)[0] == Kind.IGNORE


def test_a_replace_states_what_is_liable():
    """100 entered, 30 executed: a replace with 80 leaves 50 open (section 2.2)."""
    session = Session(ouch42)
    row = open_order(session)
    row["cum_lots"], row["leaves_lots"] = 30, 70
    _, order, metadata = finish(session, replace(shares=80), row)
    assert (order["kind"], order["qty_lots"], order["price_ticks"]) == (
        CommandKind.REPLACE,
        50,
        1_892_000,
    )
    # Upon it, before it was accepted, another.
    new = make_row(order, metadata, number=2, state=rows.SENT)
    new["order_type"] = row["order_type"]
    _, order, metadata = finish(session, replace("ORDER2", "ORDER3", shares=90), new)
    assert order["qty_lots"] == 60
    _, order, _ = finish(session, cancel(70, "ORDER2"), new)
    assert (order["kind"], order["qty_lots"]) == (CommandKind.REDUCE, 10)


@pytest.mark.parametrize(
    ("fields", "kind", "refusal"),
    [
        ({}, CommandKind.REPLACE, 0),
        ({"time_in_force": 99_998}, CommandKind.REPLACE, 0),
        ({"display": "A"}, CommandKind.REPLACE, 0),
        ({"shares": 30}, CommandKind.CANCEL, 0),
        ({"shares": 0}, CommandKind.CANCEL, 0),
        ({"price": 0}, CommandKind.CANCEL, 0),
        ({"price": 0x7FFFFFFF}, CommandKind.CANCEL, 0),
        ({"time_in_force": 0}, 0, Refusal.TIME_IN_FORCE),
        ({"time_in_force": 60}, 0, Refusal.TIME_IN_FORCE),
        ({"display": "N"}, 0, Refusal.DISPLAY),
        ({"min_qty": 1}, 0, Refusal.MIN_QTY),
        ({"iso": "?"}, 0, Refusal.ISO),
        ({"new_token": "-"}, 0, Refusal.TOKEN),
    ],
)
def test_replaces(fields, kind, refusal):
    """Invalid details take the order out of the book (section 2.2); what we cannot do leaves it."""
    session = Session(ouch42)
    row = open_order(session)
    row["cum_lots"], row["leaves_lots"] = 30, 70
    _, order, metadata = finish(session, replace(**fields), row)
    assert (order["kind"], metadata["refused"]) == (kind, refusal)
    if refusal:
        assert session.refuse(metadata, order) == reference.refuse(metadata, order, session.world)


@pytest.mark.parametrize(
    ("entered", "side", "shares", "kind", "refusal", "answer"),
    [
        ("S", "T", 60, CommandKind.REDUCE, 0, b""),
        ("S", "S", 0, CommandKind.CANCEL, 0, b""),
        ("S", "E", 100, 0, Refusal.MODIFIED, b"M"),
        ("S", "B", 60, 0, Refusal.REPLACE, b"I"),
        ("B", "S", 60, 0, Refusal.REPLACE, b"I"),
        ("S", "T", 101, 0, Refusal.REPLACE, b"I"),
        ("S", "?", 60, 0, Refusal.SIDE, b"I"),
    ],
)
def test_modifies(entered, side, shares, kind, refusal, answer):
    session = Session(ouch42)
    row = open_order(session, side=entered)
    _, order, metadata = finish(session, modify(side, shares), row)
    assert (order["kind"], metadata["refused"]) == (kind, refusal)
    if refusal:
        message = session.refuse(metadata, order, row)
        assert message[:1] == answer
        assert message == reference.refuse(metadata, order, session.world, row)
        if answer == b"M":
            fields = OUCH42.from_server("M").unpack(message)
            assert (fields["side"], fields["shares"]) == (side, 100)


def test_notes_of_an_order_are_whole():
    """No byte of the memory where the metadata is written stays as it was."""
    _, _, metadata = Session(ouch42).decode(unsequenced(enter()))
    assert 0xA5 not in np.frombuffer(metadata.tobytes(), np.uint8)
    assert metadata.dtype == command_metadata.METADATA_DTYPE
