"""OUCH 4.2's messages by their fields, read and finished by the kernels and the reference alike."""

from hypothesis import strategies as st

from openoutcry.order_entry import rows
from openoutcry.order_entry.faults import Kind
from openoutcry.wire.messages import OUCH42
from tests.oracles.order_entry import ouch42 as reference
from tests.support.order_entry.ouch_support import make_row, reference_row, unsequenced

GOOD = {
    "token": "ORDER1", "side": "B", "shares": 100, "symbol": "AAPL", "price": 1_891_000,
    "time_in_force": 99_999, "firm": "ABCD", "display": "Y", "capacity": "P", "iso": "N",
    "min_qty": 0, "cross": "N", "customer": " ",
}  # fmt: skip


def enter(**fields):
    return OUCH42.from_client("O").pack(**GOOD | fields)


def replace(token="ORDER1", new_token="ORDER2", **fields):
    base = {"shares": 80, "price": 1_892_000, "time_in_force": 99_999, "display": "Y", "iso": "N"}
    return OUCH42.from_client("U").pack(token=token, new_token=new_token, **base | fields)


def cancel(shares=0, token="ORDER1"):
    return OUCH42.from_client("X").pack(token=token, shares=shares)


def modify(side, shares, token="ORDER1"):
    return OUCH42.from_client("M").pack(token=token, side=side, shares=shares)


def same(session, message):
    """Kernel and reference read the packet alike; what they read."""
    packet = unsequenced(message)
    result, order, metadata = session.decode(packet)
    expected, order_r, metadata_r = reference.decode(packet, session.world)
    assert result == expected
    if result != Kind.APPLICATION:
        return result, None, None
    accepted = metadata["refused"] == 0
    assert metadata.tobytes() == metadata_r.tobytes(), (metadata, metadata_r)
    if accepted:
        assert order.tobytes() == order_r.tobytes(), (order, order_r)
    assert (int(order["kind"]) == 0) == (int(order_r["kind"]) == 0)
    return result, order, metadata


def open_order(session, state=rows.OPEN, **fields):
    _, order, metadata = session.decode(unsequenced(enter(**fields)))
    assert metadata["refused"] == 0
    row = make_row(order, metadata, state=state)
    row["instrument"] = [b"AAPL", b"MSFT"].index(order["symbol"].item())
    return row


def finish(session, message, row):
    """Read a message, finish it, as the reference does too."""
    _, order, metadata = session.decode(unsequenced(message))
    _, order_r, metadata_r = reference.decode(unsequenced(message), session.world)
    result_r = reference.complete(
        order_r, metadata_r, None if row is None else reference_row(row), session.world
    )
    result = session.complete(order, metadata, row)
    assert result == result_r
    if result == Kind.APPLICATION:
        assert metadata.tobytes() == metadata_r.tobytes(), (metadata, metadata_r)
        if metadata["refused"] == 0:
            assert order.tobytes() == order_r.tobytes(), (order, order_r)
        assert order["kind"] == order_r["kind"]
    return result, order, metadata


ROW = {
    "display": st.sampled_from("YNPM"),
    "side": st.sampled_from("BSTE"),
    "symbol": st.sampled_from(["AAPL", "MSFT"]),
    "cross": st.sampled_from("NOC"),
    "price": st.sampled_from([1_000_000, 0x7FFFFFFF]),
}
