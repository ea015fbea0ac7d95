"""What the tests of fix codec in several tiers share."""

import numpy as np
from hypothesis import strategies as st

from openoutcry.order_entry.fix import encode
from openoutcry.order_entry.fix.instructions import FIELDS_44, tags_of
from openoutcry.wire.enums import (
    EventKind,
    Reason,
)
from openoutcry.wire.records import ORDER_DTYPE
from tests.oracles.fix_dictionary import fields_of
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.fix_codec import DECIMALS, Codec, make_event

CODEC = Codec()
TIME = "20260105-09:30:00.123"
HEADER = [(35, "D"), (34, "7"), (49, "FIRM"), (52, TIME), (56, "VENUE")]
NEW = {11: "C1", 55: "GOLD", 54: "1", 38: "100", 40: "2", 44: "12.34", 60: TIME}


ALL_FIELDS = frozenset().union(*map(tags_of, FIELDS_44.values()))


def order_message(kind, fields):
    """A message of its type; what only others of them have is left out."""
    theirs = ALL_FIELDS - tags_of(FIELDS_44[kind]) if kind in FIELDS_44 else ()
    head = [(35, kind), *HEADER[1:]]
    rest = [(t, v) for t, v in fields.items() if v is not None and t not in theirs]
    return reference.message(head + rest)


def expected(data):
    """What the reference makes of a message: its error, or order and metadata."""
    fields, error = reference.parse(data)
    if error is not None:
        return error
    try:
        return reference.Decoder(DECIMALS).decode(fields)
    except reference.Rejected as rejected:
        return rejected.reason, rejected.tag


def check_decoding(data):
    """Kernel and reference agree about a message of orders."""
    wanted = expected(data)
    got = CODEC.decode(data)
    if isinstance(wanted, tuple):
        assert got == wanted
        return
    assert not isinstance(got[0], int), got
    order, metadata = got
    for name in ("message", "client_seq", "flags", "refused"):
        assert int(metadata[name]) == int(wanted.metadata.get(name, 0)), name
    for name in ("token", "orig"):
        value = wanted.metadata.get(name, b"")
        assert metadata[name].tobytes() == value.ljust(40, b"\0")
        assert metadata[f"{name}_bytes"] == len(value)
    assert metadata["own"].tobytes() == bytes(wanted.own)
    assert order["kind"] == wanted.order.get("kind", 0)
    assert CODEC.term() == wanted.term or metadata["refused"]
    if order["kind"]:
        for name in ORDER_DTYPE.names:
            default = b"" if name == "symbol" else 0
            assert order[name] == wanted.order.get(name, default), name


# Frames and fields

TAGS = st.sampled_from(
    [
        1,
        11,
        35,
        34,
        49,
        52,
        56,
        43,
        38,
        55,
        447,
        58,
        999,
        5000,
        5001,
        1102,
        1107,
        1109,
        2964,
        5550,
        0,
        453,
        448,
        452,
        802,
        523,
        386,
        336,
        354,
        355,
        95,
        96,
    ]
)
VALUES = st.text("AB01 .-", max_size=90) | st.sampled_from(["0", "1", "2", "3", "5", "-1", "", "A"])


@st.composite
def messages(draw):
    """A message, mostly right, sometimes with a byte changed."""
    fields = draw(st.lists(st.tuples(TAGS, VALUES), max_size=12))
    fields.insert(0, (35, draw(st.sampled_from("D0A"))))
    data = bytearray(reference.message(fields))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.sampled_from(b"=\x0118903A-"))
    if draw(st.booleans()):
        data[-4:-1] = reference.checksum(bytes(data[:-7]))
    return bytes(data)


BASE = NEW | {41: "C0", 530: "7", 584: "S1", 585: "7"}


# What is answered


def body_fields(body):
    return {tag.decode(): value.decode() for tag, value in fields_of(body)}


REPORTED = [kind for kind in EventKind if kind not in (EventKind.REJECTED,)]


def refused(kind, refusal, row=None, **changes):
    """The answer to a message that was refused."""
    _, metadata = CODEC.decode(order_message(kind, BASE | {41: "C0"} | changes))
    metadata = np.array([metadata])
    metadata["refused"], metadata["row"] = refusal, 0 if row is None else row["number"]
    size = encode.refuse(
        metadata.ctypes.data,
        row.ctypes.data if row is not None else 0,
        CODEC.address,
        CODEC.out.ctypes.data,
        len(CODEC.out),
    )
    body = CODEC.out[:size].tobytes()
    event = make_event(EventKind.REJECTED, reason=Reason.MALFORMED, seq=99)
    assert CODEC.encode(event, row, metadata) == body
    return body_fields(body)
