"""What the tests of ouch50 in several tiers share."""

from hypothesis import strategies as st

from openoutcry.order_entry import ouch
from openoutcry.order_entry.faults import Kind
from openoutcry.wire.messages import OPTIONS50, OUCH50
from tests.oracles.order_entry import ouch50 as reference
from tests.support.order_entry.ouch_support import (
    unsequenced,
)

GOOD = {
    "user_ref": 5,
    "side": "B",
    "quantity": 100,
    "symbol": "AAPL",
    "price": 1_891_000,
    "time_in_force": "0",
    "display": "Y",
    "capacity": "P",
    "iso": "N",
    "cross": "N",
    "clordid": "mine-1",
}
BY_NAME = {option.field.name: option for option in OPTIONS50}


def options(**values):
    """The bytes of options."""
    data = b""
    for name, value in values.items():
        option = BY_NAME[name]
        size = option.field.size_bytes
        if option.field.size:
            value = value.encode("latin-1").ljust(size)
        else:
            value = value.to_bytes(size, "big", signed=option.field.ctype == "i32")
        data += bytes([size + 1, option.tag]) + value
    return data


def enter(extra=b"", **fields):
    message = OUCH50.from_client("O")
    return message.pack(**GOOD | fields | {"appendage_bytes": len(extra)}) + extra


def replace(extra=b"", orig_user_ref=5, user_ref=6, **fields):
    base = {"quantity": 80, "price": 1_892_000, "time_in_force": "0", "display": "Y", "iso": "N"}
    names = {"orig_user_ref": orig_user_ref, "user_ref": user_ref, "clordid": "mine-2"}
    base |= names | fields | {"appendage_bytes": len(extra)}
    return OUCH50.from_client("U").pack(**base) + extra


def same(session, message):
    """Kernel and reference read the packet alike; what they read, and the options."""
    packet = unsequenced(message)
    result, order, metadata = session.decode(packet)
    expected, order_r, metadata_r, option_values = reference.decode(packet, session.world)
    assert result == expected
    if result != Kind.APPLICATION:
        return result, None, None, {}
    assert metadata.tobytes() == metadata_r.tobytes(), (metadata, metadata_r)
    if metadata["refused"] == 0 and message[:1] != b"U":
        assert order.tobytes() == order_r.tobytes(), (order, order_r)
    assert session[ouch.LAST_USER_REF_WORD] == session.world.last_user_ref
    return result, order, metadata, option_values


LETTER = st.sampled_from("ABCEHILMNOPQRSTXYZm 0356\0")
NUMBER = st.one_of(st.integers(0, 200), st.sampled_from([86_399, 0x7FFFFFFF, 2**32 - 1]))
FIELDS = {
    name: st.one_of(
        *[st.just(value)] * 6,
        st.sampled_from(["AAPL", "MSFT", "BRK.A", "NOPE"])
        if name == "symbol"
        else st.text("ab 1", max_size=14)
        if name == "clordid"
        else NUMBER
        if isinstance(value, int)
        else LETTER,
    )
    for name, value in GOOD.items()
}
