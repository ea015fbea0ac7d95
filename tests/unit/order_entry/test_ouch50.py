"""OUCH 5.0: the kernels read, finish and write every message and option as the plain reference
does, byte for byte; what each may be; and the golden bytes that others published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import ouch, ouch50, rows
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.ouch import Refusal
from openoutcry.order_entry.session import RX_TS_NS
from openoutcry.wire.enums import (
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    TimeInForce,
)
from openoutcry.wire.messages import OUCH50
from tests.oracles.order_entry import ouch50 as reference
from tests.support.order_entry.ouch50 import BY_NAME, enter, options, replace, same
from tests.support.order_entry.ouch_support import (
    DAY,
    Session,
    make_event,
    make_row,
    reference_row,
)


@pytest.mark.parametrize(
    ("fields", "extra", "order_type", "tif", "aux"),
    [
        ({}, {}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"time_in_force": "5"}, {}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({"time_in_force": "3"}, {}, OrderType.LIMIT, TimeInForce.IOC, 0),
        ({"time_in_force": "3", "display": "N"}, {}, OrderType.LIMIT, TimeInForce.IOC, 0),
        ({"display": "N"}, {}, OrderType.HIDDEN, TimeInForce.DAY, 0),
        ({}, {"post_only": "P"}, OrderType.POST_ONLY_SLIDE, TimeInForce.DAY, 0),
        ({}, {"post_only": "N", "price_type": "L"}, OrderType.LIMIT, TimeInForce.DAY, 0),
        ({}, {"min_qty": 40}, OrderType.MIN_QTY, TimeInForce.DAY, 40),
        ({}, {"max_floor": 10}, OrderType.ICEBERG, TimeInForce.DAY, 10),
        ({}, {"price_type": "M"}, OrderType.PEG_MIDPOINT, TimeInForce.DAY, 0),
        ({}, {"price_type": "m"}, OrderType.PEG_MIDPOINT, TimeInForce.DAY, 0),
        ({}, {"price_type": "P", "peg_offset": -200}, OrderType.PEG_MARKET, TimeInForce.DAY, -200),
        (
            {"symbol": "MSFT"},
            {"price_type": "R", "peg_offset": -200},
            OrderType.PEG_PRIMARY,
            TimeInForce.DAY,
            -2,
        ),
        ({"cross": "O"}, {}, OrderType.LIMIT, TimeInForce.AT_OPEN, 0),
        ({"cross": "C", "price": 0x7FFFFFFF}, {}, OrderType.MARKET, TimeInForce.AT_CLOSE, 0),
        ({"price": 0x77359400, "time_in_force": "3"}, {}, OrderType.MARKET, TimeInForce.IOC, 0),
        (
            {"time_in_force": "6"},
            {"expire_time": 60},
            OrderType.LIMIT,
            TimeInForce.GTD,
            DAY + 34_200_000_000_123 + 60_000_000_000,
        ),
        (
            {},
            {
                "firm": "ABCD",
                "customer": "R",
                "group_id": 7,
                "shares_located": "Y",
                "locate_broker": "XY",
                "trade_now": "N",
                "handle_inst": " ",
                "user_ref_index": 0,
            },
            OrderType.LIMIT,
            TimeInForce.DAY,
            0,
        ),
    ],
)
def test_what_the_protocol_can_say_becomes_an_order(fields, extra, order_type, tif, aux):
    _, order, metadata, _ = same(Session(ouch50), enter(options(**extra), **fields))
    assert metadata["refused"] == 0
    assert order["kind"] == CommandKind.NEW
    assert (order["order_type"], order["time_in_force"], order["aux"]) == (order_type, tif, aux)


@pytest.mark.parametrize(
    ("fields", "extra", "refusal", "code"),
    [
        ({"side": "X"}, {}, Refusal.SIDE, 0x09),
        ({"quantity": 0}, {}, Refusal.QTY, 0x13),
        ({"symbol": "NOPE"}, {}, Refusal.SYMBOL, 0x17),
        ({"price": 0}, {}, Refusal.PRICE, 0x1D),
        ({"price": 1_999_999_901}, {}, Refusal.PRICE, 0x1D),
        ({"price": 2**64 - 1}, {}, Refusal.PRICE, 0x1D),
        ({"price": 2**32 + 100}, {}, Refusal.PRICE, 0x1D),
        ({"symbol": "MSFT", "price": 10_050}, {}, Refusal.PRICE, 0x1D),
        ({"time_in_force": "E"}, {}, Refusal.TIME_IN_FORCE, 0x0F),
        ({"time_in_force": "6"}, {}, Refusal.TIME_IN_FORCE, 0x0F),
        ({"time_in_force": "6"}, {"expire_time": 86_400}, Refusal.TIME_IN_FORCE, 0x0F),
        ({}, {"expire_time": 60}, Refusal.TIME_IN_FORCE, 0x0F),
        ({"display": "P"}, {}, Refusal.DISPLAY, 0x03),
        ({"capacity": "X"}, {}, Refusal.CAPACITY, 0x0F),
        ({"iso": "X"}, {}, Refusal.ISO, 0x08),
        ({"cross": "H"}, {}, Refusal.CROSS, 0x14),
        ({"cross": "O", "display": "N"}, {}, Refusal.CROSS, 0x14),
        ({}, {"min_qty": 101}, Refusal.MIN_QTY, 0x0D),
        ({}, {"min_qty": 10, "max_floor": 10}, Refusal.MIN_QTY, 0x0D),
        ({}, {"max_floor": 100}, Refusal.MAX_FLOOR, 0x04),
        ({"time_in_force": "3"}, {"max_floor": 10}, Refusal.MAX_FLOOR, 0x04),
        ({}, {"price_type": "Q"}, Refusal.PEG, 0x05),
        ({}, {"peg_offset": 1}, Refusal.PEG, 0x05),
        ({"symbol": "MSFT"}, {"price_type": "R", "peg_offset": 50}, Refusal.PEG, 0x05),
        ({"time_in_force": "3"}, {"price_type": "M"}, Refusal.PEG, 0x05),
        ({}, {"price_type": "M", "post_only": "P"}, Refusal.PEG, 0x05),
        ({}, {"post_only": "X"}, Refusal.POST_ONLY, 0x0F),
        ({"time_in_force": "3"}, {"post_only": "P"}, Refusal.POST_ONLY, 0x0F),
        ({"display": "N"}, {"post_only": "P"}, Refusal.POST_ONLY, 0x0F),
        ({}, {"route": "SCAN"}, Refusal.ROUTE, 0x16),
        ({}, {"handle_inst": "I"}, Refusal.CROSS, 0x14),
        ({}, {"handle_inst": "O"}, Refusal.RETAIL, 0x1A),
        ({}, {"trade_now": "Y"}, Refusal.OPTION, 0x0F),
        ({}, {"discretion_price": 1}, Refusal.OPTION, 0x0F),
        ({}, {"random_reserves": 1}, Refusal.OPTION, 0x0F),
        ({}, {"user_ref_index": 1}, Refusal.OPTION, 0x0F),
        ({}, {"customer": "X"}, Refusal.CUSTOMER, 0x0F),
        ({}, {"bbo_weight": " "}, Refusal.OPTION, 0x0F),
    ],
)
def test_what_is_wrong_is_refused_with_the_protocols_reason(fields, extra, refusal, code):
    session = Session(ouch50)
    _, order, metadata, _ = same(session, enter(options(**extra), **fields))
    assert (metadata["refused"], order["kind"]) == (refusal, 0)
    answer = session.refuse(metadata, order)
    assert answer == reference.refuse(metadata, order, session.world)
    rejected = OUCH50.from_server("J").unpack(answer)
    assert (rejected["user_ref"], rejected["reason"], rejected["clordid"]) == (
        5,
        code,
        "mine-1".ljust(14),
    )


@pytest.mark.parametrize(
    "extra",
    [
        b"\0",
        b"\1\3",
        b"\5\3\0\0\0",
        b"\6\3\0\0\0\0",
        b"\5\x63\0\0\0\0",
        b"\5\x1f\0\0\0\0",
        options(min_qty=1) + options(min_qty=1),
        b"\2\x08X",
        b"\xff\3",
    ],
)
def test_malformed_options_are_refused(extra):
    _, order, metadata, _ = same(Session(ouch50), enter(extra))
    assert (metadata["refused"], order["kind"]) == (Refusal.OPTION, 0)


OTHERS = {
    "X": {"user_ref": 5, "quantity": 0},
    "M": {"user_ref": 5, "side": "B", "quantity": 5},
    "C": {"user_ref": 5, "firm": "ABCD", "symbol": "AAPL"},
    "D": {"user_ref": 5, "firm": "ABCD"},
    "E": {"user_ref": 5, "firm": "ABCD"},
}
"""Messages that have no option but an index of 0."""
ONE_OF_EACH = [
    options(**{name: "X" if option.field.size else 1}) for name, option in BY_NAME.items()
]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("extra", [*ONE_OF_EACH, b"\0", b"\1\3", b"\2\x63X", b"\2\x1c", b"\xff\3"])
def test_an_option_that_a_message_does_not_have_is_refused(kind, extra):
    """Every option of the protocol, and malformed ones, in every other message: nothing is done,
    and X and M get a cancel reject, the others a J."""
    session = Session(ouch50)
    message = OUCH50.from_client(kind).pack(**OTHERS[kind])
    _, order, metadata, _ = same(session, message + len(extra).to_bytes(2, "big") + extra)
    assert (metadata["refused"], order["kind"]) == (Refusal.OPTION, 0)
    answer = session.refuse(metadata, order)
    assert answer == reference.refuse(metadata, order, session.world)
    assert answer[:1] == (b"I" if kind in "XM" else b"J")
    assert session[ouch.DISABLED_WORD] == 0


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("extra", [b"", b"\0\0", b"\0\3\2\x1c\0"])
def test_no_option_and_an_index_of_0_say_nothing(kind, extra):
    message = OUCH50.from_client(kind).pack(**OTHERS[kind])
    plain = same(Session(ouch50), message)[2]
    assert same(Session(ouch50), message + extra)[2].tobytes() == plain.tobytes()


def test_a_number_is_taken_once_and_must_rise():
    session = Session(ouch50)
    assert same(session, enter(user_ref=5))[0] == Kind.APPLICATION
    assert same(session, enter(user_ref=5))[0] == Kind.IGNORE
    assert same(session, enter(user_ref=4))[0] == Kind.IGNORE
    assert same(session, enter(user_ref=6, side="?"))[2]["refused"] == Refusal.SIDE
    assert same(session, enter(user_ref=6))[0] == Kind.IGNORE
    _, order, metadata, _ = same(session, OUCH50.from_client("Q").pack())
    answer = session.refuse(metadata, order)
    assert answer == reference.refuse(metadata, order, session.world)
    assert OUCH50.from_server("Q").unpack(answer)["next_user_ref"] == 7


def test_entry_is_disabled_and_enabled_by_the_client():
    """And a journal that is read again leaves the session so."""
    session = Session(ouch50)
    answers = []
    kept = []
    for kind, user_ref in (("D", 1), ("E", 3)):
        message = OUCH50.from_client(kind).pack(user_ref=user_ref, firm="ABCD")
        _, order, metadata, _ = same(session, message)
        kept.append(metadata)
        answers.append(session.refuse(metadata, order))
        assert answers[-1] == reference.refuse(metadata, order, session.world)
        refused = same(session, enter(user_ref=user_ref + 1))[2]["refused"]
        assert refused == (Refusal.DISABLED if kind == "D" else 0)
    assert [answer[:1] for answer in answers] == [b"G", b"K"]
    again = Session(ouch50)
    for metadata, disabled in zip(kept, (1, 0), strict=True):
        ouch50.resume(metadata.ctypes.data, again.address)
        assert again[ouch.DISABLED_WORD] == disabled
    assert again[ouch.LAST_USER_REF_WORD] == 3


def test_a_mass_cancel_and_its_answer():
    session = Session(ouch50)
    message = OUCH50.from_client("C")
    data = message.pack(user_ref=1, firm="ABCD", symbol="MSFT")
    _, order, metadata, _ = same(session, data)
    assert (order["kind"], order["symbol"]) == (CommandKind.MASS_CANCEL, b"MSFT")
    row = np.zeros((), rows.ROW_DTYPE)
    done = make_event(EventKind.COMPLETED)
    answer = session.encode(done, row, metadata)
    assert answer == reference.encode(done, reference_row(row), metadata, session.world)
    fields = OUCH50.from_server("X").unpack(answer)
    assert (fields["firm"], fields["symbol"]) == ("ABCD", "MSFT    ")
    _, order, metadata, _ = same(session, message.pack(user_ref=2, firm="ABCD"))
    assert (order["kind"], order["symbol"]) == (CommandKind.MASS_CANCEL, b"")
    _, order, metadata, _ = same(session, message.pack(user_ref=3, firm="ABCD", symbol="NOPE"))
    assert (order["kind"], metadata["refused"]) == (0, Refusal.SYMBOL)
    assert session.refuse(metadata, order) == reference.refuse(metadata, order, session.world)


@pytest.mark.parametrize("kind", "OUXMCDEQ")
def test_a_message_of_another_length_or_type_is_a_fault(kind):
    """Options of messages that have none that matters may follow, or not."""
    session = Session(ouch50)
    message = OUCH50.from_client(kind)
    fields = {"user_ref": 9} if "user_ref" in message.offsets else {}
    whole = message.pack(**fields)
    if kind not in "OU":
        assert same(session, whole + b"\0\0")[0] in (Kind.APPLICATION, Kind.IGNORE)
        assert same(Session(ouch50), whole + b"\0\3\2\x1c\0")[0] == Kind.APPLICATION
    for wrong in (whole[:-1], whole + b"\0", whole + b"\0\1"):
        if len(wrong) > 0:
            assert same(session, wrong)[0] == Fault.BAD_LENGTH
    assert same(session, b"S" + whole[1:])[0] == Fault.UNKNOWN_TYPE


@given(st.sampled_from([b"", enter()[:45], replace()[:38]]), st.binary(min_size=1, max_size=60))
def test_any_bytes_are_read_as_the_reference_does(head, data):
    same(Session(ouch50), head + data)


GOLDEN_IN = (
    "4f0000000142000000644141504c2020202000000000001cdba23059504e4e666d3030303130303030303030310000",
    "5500000001000000030000009600000000001cdea030594e666d3030303130303030303030330000",
    "5800000003000000000000",
)
GOLDEN_OUT = {
    "A": "4100001f1aced9f1c80000000142000000644141504c2020202000000000001cdba230590000000000001e61"
    "504e4e4c666d3030303130303030303030310000",
    "U": "5500001f1aced9f1c8000000010000000342000000964141504c2020202000000000001cdea0305900000000"
    "00001e62504e4e4c666d3030303130303030303030330000",
    "E": "4500001f1aced9f1c8000000030000002800000000001cdea05200000000000023290000",
    "C": "4300001f1aced9f1c8000000030000000a55",
}
"""Published by another project (ziyangliu-666/FastMM, tests/fixtures/nasdaq)."""


def test_published_bytes_are_read_and_written():
    session = Session(ouch50)
    now = DAY + int.from_bytes(bytes.fromhex("00001f1aced9f1c8"), "big")
    session[RX_TS_NS] = session.world.rx_ts_ns = now
    _, order, metadata, _ = same(session, bytes.fromhex(GOLDEN_IN[0]))
    row = make_row(order, metadata)
    messages = {}
    accepted = make_event(EventKind.ACCEPTED, qty_lots=100, price_ticks=0x1CDBA2, seq=0x1E61)
    messages["A"] = session.encode(accepted, row, metadata)
    _, order, metadata, _ = same(session, bytes.fromhex(GOLDEN_IN[1]))
    assert session.complete(order, metadata, row) == Kind.APPLICATION
    session.world.last_user_ref = 3
    row = make_row(order, metadata)
    replaced = make_event(EventKind.REPLACED, leaves_lots=150, price_ticks=0x1CDEA0, seq=0x1E62)
    messages["U"] = session.encode(replaced, row, metadata)
    filled = make_event(EventKind.FILLED, qty_lots=40, price_ticks=0x1CDEA0, seq=0x232A)
    messages["E"] = session.encode(filled, row)
    _, order, metadata, _ = same(session, bytes.fromhex(GOLDEN_IN[2]))
    gone = make_event(EventKind.CANCELLED, qty_lots=10, reason=Reason.USER)
    messages["C"] = session.encode(gone, row, metadata)
    for kind, message in messages.items():
        assert message.hex() == GOLDEN_OUT[kind], kind
