"""A drop copy's messages, by their bytes; test_readme_trade.py listens to a venue."""

import numpy as np
import pytest

from openoutcry.client import ClientError
from openoutcry.client.drop_copy import read_copy
from openoutcry.order_entry.drop_copy import COPY_DTYPE
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import EventKind, Reason, Side


def copy_bytes(**fields):
    record = np.zeros((), COPY_DTYPE)
    for name, value in fields.items():
        if name in record.dtype.names:
            record[name] = value
        else:
            record["event"][name] = value
    return record.tobytes()


def test_a_cancel_of_a_session_of_ouch_42():
    data = copy_bytes(
        kind=EventKind.CANCELLED,
        reason=Reason.USER,
        side=Side.SELL,
        participant=7,
        instrument=2,
        order_id=99,
        price_ticks=100,
        qty_lots=5,
        leaves_lots=0,
        seq=3,
        rx_ts_ns=10**18,
        session="ALPHA",
        protocol=Protocol.OUCH42,
        token=b"C1".ljust(14),
    )
    copy = read_copy(4, data)
    assert (copy.event, copy.side, copy.token, copy.session) == (
        EventKind.CANCELLED,
        Side.SELL,
        "C1",
        "ALPHA",
    )
    assert (copy.order_id, copy.event_seq, copy.rx_ts_ns) == (99, 3, 10**18)
    assert str(copy) == (
        "4 cancelled session=ALPHA token=C1 side=SELL qty_lots=5 price_ticks=100 leaves_lots=0 "
        "instrument=2 participant=7 reason=USER"
    )


def test_a_reject_by_a_limit_says_its_figures():
    data = copy_bytes(
        kind=EventKind.REJECTED,
        reason=Reason.RISK,
        side=Side.BUY,
        participant=7,
        instrument=2,
        contra_id=1 << 9 | 1 << 17,
        price_ticks=100,
        leaves_lots=0,
        qty_lots=120,
        session="ALPHA",
        protocol=Protocol.OUCH42,
        token=b"C1".ljust(14),
    )
    assert str(read_copy(4, data)) == (
        "4 rejected session=ALPHA token=C1 side=BUY instrument=2 participant=7 "
        "reason=MAX_QTY: limit 100, now 0, asked 120; OPEN_ORDERS"
    )


@pytest.mark.parametrize("number", [1, 33, 0x2121, 2**32 - 1])
def test_the_name_in_ouch_50_is_a_number_whatever_letters_its_bytes_are(number):
    token = number.to_bytes(4, "little")
    data = copy_bytes(kind=EventKind.ACCEPTED, protocol=Protocol.OUCH50, token=token, side=1)
    assert read_copy(1, data).token == number


def test_what_came_another_way_has_no_session_and_no_name():
    data = copy_bytes(kind=EventKind.ACCEPTED, side=Side.BUY, qty_lots=1)
    assert str(read_copy(1, data)).startswith("1 accepted side=BUY qty_lots=1 ")


def test_what_is_no_copy_is_named():
    with pytest.raises(ClientError, match="message 8: 3 bytes, not 152"):
        read_copy(8, b"abc")
