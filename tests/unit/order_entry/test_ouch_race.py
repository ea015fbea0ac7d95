"""A replace states the order's total: what is executed while it is under way is taken off,
whichever version of OUCH says it, and however many replaces are under way at once."""

import numpy as np
import pytest

from openoutcry.order_entry import ouch42, ouch50, rows
from openoutcry.order_entry.ouch import Refusal
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import OPEN_KNOWN, CommandKind, EventKind, Reason, Side
from openoutcry.wire.messages import OUCH42, OUCH50
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.order_entry.ouch_support import Session, make_row, unsequenced


def enter42(shares):
    return OUCH42.from_client("O").pack(
        token="A1",
        side="B",
        shares=shares,
        symbol="AAPL",
        price=10_000,
        time_in_force=99999,
        firm="FIRM",
        display="Y",
        capacity="P",
        iso="N",
        min_qty=0,
        cross="N",
        customer="N",
    )


def replace42(number, shares):
    return OUCH42.from_client("U").pack(
        token=f"A{number - 1}",
        new_token=f"A{number}",
        shares=shares,
        price=10_000,
        time_in_force=99999,
        display="Y",
        iso="N",
        min_qty=0,
    )


def enter50(shares):
    return OUCH50.from_client("O").pack(
        user_ref=1,
        side="B",
        quantity=shares,
        symbol="AAPL",
        price=10_000,
        time_in_force="0",
        display="Y",
        capacity="P",
        iso="N",
        cross="N",
        clordid="",
        appendage_bytes=0,
    )


def replace50(number, shares):
    return OUCH50.from_client("U").pack(
        orig_user_ref=number - 1,
        user_ref=number,
        quantity=shares,
        price=10_000,
        time_in_force="0",
        display="Y",
        iso="N",
        clordid="",
        appendage_bytes=0,
    )


VERSIONS = [(ouch42, enter42, replace42), (ouch50, enter50, replace50)]


class Desk:
    """One order of a session, and the core it is sequenced by."""

    def __init__(self, version, shares):
        codec, enter, self.replace_message = version
        self.session, self.seq, self.number = Session(codec), 0, 1
        self.engine = ReferenceEngine(make_instruments(["AAPL"]), 16)
        _, order, metadata = self.session.decode(unsequenced(enter(shares)))
        order["order_id"] = rows.ORDER_BIT | 1
        self.row = make_row(order, metadata, 1, order_id=rows.ORDER_BIT | 1)
        self.sequence(order)

    def replace(self, shares):
        """Read now, with what the row knows; sequenced later."""
        self.number += 1
        message = self.replace_message(self.number, shares)
        _, order, metadata = self.session.decode(unsequenced(message))
        self.session.complete(order, metadata, self.row)
        assert (order["kind"], metadata["refused"]) == (CommandKind.REPLACE, 0)
        self.row = make_row(order, metadata, self.number, rows.SENT, order_id=rows.ORDER_BIT | 1)
        return order

    def sequence(self, order):
        self.seq += 1
        command = np.zeros(1, ORDER_DTYPE)
        command[0] = order
        command["seq"] = self.seq
        return self.engine.process(command)

    def sell(self, lots):
        other = np.zeros((), ORDER_DTYPE)
        other["symbol"], other["participant"], other["order_id"] = b"AAPL", 9, 1000 + self.seq
        other["price_ticks"], other["qty_lots"], other["kind"] = 10_000, lots, CommandKind.NEW
        other["side"], other["order_type"], other["time_in_force"] = Side.SELL, 1, 1
        events = self.sequence(other)
        assert (events["kind"] == EventKind.FILLED).sum() == 2


@pytest.mark.parametrize("version", VERSIONS, ids=["4.2", "5.0"])
def test_what_is_executed_under_way_is_taken_off(version):
    """100 entered, 40 executed while a replace by 90 is under way: 50 are open, not 90."""
    desk = Desk(version, 100)
    order = desk.replace(90)
    assert order["time_in_force"] & OPEN_KNOWN
    desk.sell(40)
    (event,) = desk.sequence(order)
    assert (event["kind"], event["leaves_lots"]) == (EventKind.REPLACED, 50)


@pytest.mark.parametrize("version", VERSIONS, ids=["4.2", "5.0"])
@pytest.mark.parametrize("executed", [30, 31, 99])
def test_an_order_that_is_executed_to_its_new_total_is_gone(version, executed):
    desk = Desk(version, 100)
    order = desk.replace(30)
    desk.sell(executed)
    (event,) = desk.sequence(order)
    assert (event["kind"], event["reason"]) == (EventKind.CANCELLED, Reason.REDUCED_TO_ZERO)
    assert event["qty_lots"] == 100 - executed
    message = desk.session.encode(np.array(event), desk.row)
    assert (message[:1], message[-1:]) == (b"C", b"U")


@pytest.mark.parametrize("version", VERSIONS, ids=["4.2", "5.0"])
def test_replaces_under_way_at_once_each_take_off_what_came_before(version):
    desk = Desk(version, 100)
    first, second = desk.replace(200), desk.replace(150)
    desk.sell(10)
    (event,) = desk.sequence(first)
    assert event["leaves_lots"] == 190
    desk.sell(20)
    (event,) = desk.sequence(second)
    assert event["leaves_lots"] == 120


def test_a_new_display_goes_with_what_was_known():
    """OUCH 5.0's MaxFloor: both stand in the record's aux."""
    session = Session(ouch50)
    floor = (40).to_bytes(4, "big")
    message = enter50(100)
    message = message[:-2] + (6).to_bytes(2, "big") + bytes([5, 5]) + floor
    _, order, metadata = session.decode(unsequenced(message))
    assert order["aux"] == 40
    row = make_row(order, metadata)
    message = replace50(2, 90)
    message = message[:-2] + (6).to_bytes(2, "big") + bytes([5, 5]) + (25).to_bytes(4, "big")
    _, order, metadata = session.decode(unsequenced(message))
    session.complete(order, metadata, row)
    assert (order["kind"], int(order["aux"])) == (CommandKind.REPLACE, 25 << 32 | 100)
    # One that does not fit there is refused, and leaves the order as it is.
    row["qty_lots"] = 1 << 33
    _, order, metadata = session.decode(unsequenced(message.replace(b"\0\0\0\2", b"\0\0\0\3", 1)))
    session.complete(order, metadata, row)
    assert (order["kind"], metadata["refused"]) == (0, Refusal.REPLACE)
