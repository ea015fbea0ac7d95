"""OUCH 4.2, what goes out: any event is told as the plain reference tells it, byte for byte; an
order's life in messages; and the golden bytes that others published."""

import numpy as np

from openoutcry.order_entry import ouch42, rows
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.session import RX_TS_NS
from openoutcry.wire.enums import EventFlag, EventKind, Reason
from openoutcry.wire.messages import OUCH42
from tests.support.order_entry.ouch42_messages import (
    finish,
    open_order,
    same,
)
from tests.support.order_entry.ouch_support import (
    DAY,
    Session,
    make_event,
    make_row,
)


def test_a_room_that_is_too_small_is_said():
    session = Session(ouch42)
    row = open_order(session)
    event = make_event(EventKind.ACCEPTED, qty_lots=100, price_ticks=1)
    out = np.zeros(ouch42.MAX_BYTES, np.uint8)
    for size, expected in ((ouch42.MAX_BYTES - 1, ouch42.NO_ROOM), (ouch42.MAX_BYTES, 66)):
        args = (row.ctypes.data, session.address, 0, out.ctypes.data, size)
        assert ouch42.encode(event.ctypes.data, *args) == expected


def test_the_life_of_an_order_in_messages():
    """Every field of every message that an order's life causes."""
    session = Session(ouch42, self_trade=4)
    row = open_order(session, side="T", display="N")
    accepted = make_event(EventKind.ACCEPTED, qty_lots=100, leaves_lots=100, price_ticks=1_891_000)
    assert OUCH42.from_server("A").unpack(session.encode(accepted, row)) == {
        "timestamp": 34_200_000_000_123, "token": "ORDER1        ", "side": "T", "shares": 100,
        "symbol": "AAPL    ", "price": 1_891_000, "time_in_force": 99_999, "firm": "ABCD",
        "display": "N", "reference": 1001, "capacity": "P", "iso": "N", "min_qty": 0,
        "cross": "N", "state": "L", "bbo_weight": " ",
    }  # fmt: skip
    filled = make_event(
        EventKind.FILLED,
        qty_lots=30,
        leaves_lots=70,
        price_ticks=1_891_000,
        seq=1005,
        flags=EventFlag.MAKER,
    )
    assert OUCH42.from_server("E").unpack(session.encode(filled, row)) == {
        "timestamp": 34_200_000_000_123,
        "token": "ORDER1        ",
        "shares": 30,
        "price": 1_891_000,
        "liquidity": "J",
        "match": 1005,
    }
    filled["flags"] = 0
    taken = OUCH42.from_server("E").unpack(session.encode(filled, row))
    assert (taken["liquidity"], taken["match"]) == ("R", 1004)
    broken = make_event(EventKind.BROKEN, qty_lots=30, contra_id=1004, leaves_lots=5)
    assert OUCH42.from_server("B").unpack(session.encode(broken, row)) == {
        "timestamp": 34_200_000_000_123,
        "token": "ORDER1        ",
        "match": 1004,
        "reason": "S",
    }
    own = make_event(
        EventKind.CANCELLED,
        qty_lots=10,
        price_ticks=1_890_000,
        reason=Reason.SELF_TRADE,
        order_id=rows.ORDER_BIT | 1,
    )
    assert OUCH42.from_server("D").unpack(session.encode(own, row)) == {
        "timestamp": 34_200_000_000_123,
        "token": "ORDER1        ",
        "shares": 10,
        "reason": "Q",
        "prevented": 10,
        "price": 1_890_000,
        "liquidity": "A",
    }
    for reason, letter in (
        (Reason.IOC_REST, "I"),
        (Reason.EXPIRED, "T"),
        (Reason.DAY_END, "T"),
        (Reason.MASS_CANCEL, "S"),
        (Reason.DISCONNECTED, "Z"),
    ):
        gone = make_event(EventKind.CANCELLED, qty_lots=70, reason=reason)
        fields = OUCH42.from_server("C").unpack(session.encode(gone, row))
        assert (fields["shares"], fields["reason"]) == (70, letter)


def test_a_system_event():
    session, out = Session(ouch42), np.zeros(100, np.uint8)
    size = ouch42.system_event(ord("S"), session.address, out.ctypes.data, 100)
    expected = OUCH42.from_server("S").pack(timestamp=34_200_000_000_123, event="S")
    assert out[:size].tobytes() == expected


GOLDEN = {
    "O": "4f666d30303031303030303030303142000000644141504c20202020001cdba20001869f2020202059504e"
    "000000004e20",
    "U": "55666d303030313030303030303031666d30303031303030303030303300000096001cdea00001869f594e"
    "00000000",
    "X": "58666d30303031303030303030303300000000",
    "M": "4d666d3030303130303030303030335300000064",
}
"""Published by another project (ziyangliu-666/FastMM, tests/fixtures/nasdaq); D without the last
byte, which the text of 2019 does not have."""
GOLDEN_OUT = {
    "S": "5300001f1aced9f1c853",
    "A": "4100001f1aced9f1c8666d30303031303030303030303142000000644141504c20202020001cdba20001869f"
    "20202020590000000000001e61504e000000004e4c20",
    "U": "5500001f1aced9f1c8666d30303031303030303030303342000000964141504c20202020001cdea00001869f"
    "20202020590000000000001e62504e000000004e4c666d30303031303030303030303120",
    "E": "4500001f1aced9f1c8666d30303031303030303030303300000028001cdea0410000000000002329",
    "C": "4300001f1aced9f1c8666d3030303130303030303030330000006e55",
    "D": "4400001f1aced9f1c8666d3030303130303030303030330000000a510000000a001cdea052",
    "J": "4a00001f1aced9f1c8666d30303031303030303030303258",
    "I": "4900001f1aced9f1c8666d303030313030303030303033",
    "T": "5400001f1aced9f1c8666d303030313030303030303033001cdea0590000000000001e63",
    "M": "4d00001f1aced9f1c8666d3030303130303030303030335300000064",
}


def golden_session():
    """The session of the published bytes: the time and the firm as there."""
    session = Session(ouch42, self_trade=4)
    now = DAY + int.from_bytes(bytes.fromhex("00001f1aced9f1c8"), "big")
    session[RX_TS_NS] = now
    session.world.rx_ts_ns = now
    return session


def test_published_bytes_are_read_and_written():
    session = golden_session()
    _, order, metadata = same(session, bytes.fromhex(GOLDEN["O"]))
    assert (order["qty_lots"], order["price_ticks"], metadata["refused"]) == (100, 0x1CDBA2, 0)
    row = make_row(order, metadata)
    for kind in "UXM":
        assert same(session, bytes.fromhex(GOLDEN[kind]))[0] == Kind.APPLICATION
    messages = {}
    accepted = make_event(EventKind.ACCEPTED, qty_lots=100, price_ticks=0x1CDBA2, seq=0x1E61)
    messages["A"] = session.encode(accepted, row)
    _, order, metadata = finish(session, bytes.fromhex(GOLDEN["U"]), row)
    row = make_row(order, metadata, number=1)
    replaced = make_event(EventKind.REPLACED, leaves_lots=150, price_ticks=0x1CDEA0, seq=0x1E62)
    messages["U"] = session.encode(replaced, row, metadata)
    filled = make_event(
        EventKind.FILLED, qty_lots=40, price_ticks=0x1CDEA0, flags=EventFlag.MAKER, seq=0x2329
    )
    messages["E"] = session.encode(filled, row)
    metadata["message"] = ord("X")
    gone = make_event(EventKind.CANCELLED, qty_lots=110, reason=Reason.USER)
    messages["C"] = session.encode(gone, row, metadata)
    metadata["row"] = 1
    own = make_event(
        EventKind.CANCELLED,
        qty_lots=10,
        reason=Reason.SELF_TRADE,
        price_ticks=0x1CDEA0,
        order_id=rows.ORDER_BIT | 1,
    )
    messages["D"] = session.encode(own, row, metadata)
    moved = make_event(EventKind.REPEGGED, price_ticks=0x1CDEA0, seq=0x1E63)
    messages["T"] = session.encode(moved, row)
    for kind, message in messages.items():
        assert message.hex() == GOLDEN_OUT[kind], kind


def test_the_table_packs_the_published_bytes():
    """The messages that no event of ours causes are right in the table, too."""
    for message in (*OUCH42.client, *OUCH42.server):
        published = (GOLDEN if message in OUCH42.client else GOLDEN_OUT).get(message.kind)
        if published:
            data = bytes.fromhex(published)
            assert message.pack(**message.unpack(data)) == data
