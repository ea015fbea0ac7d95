"""OUCH 4.2, what goes out: any event is told as the plain reference tells it, byte for byte; an
order's life in messages; and the golden bytes that others published."""

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import ouch42, rows
from openoutcry.wire.enums import ErrorBit, EventKind, Reason, Side
from tests.oracles.order_entry import ouch42 as reference
from tests.support.order_entry.ouch42_messages import ROW, cancel, enter, modify, replace
from tests.support.order_entry.ouch_support import (
    Session,
    make_event,
    make_row,
    reference_row,
    unsequenced,
    words_of,
)

EVENTS = {
    "kind": st.sampled_from([k for k in EventKind if k < EventKind.PHASE_CHANGED]),
    "reason": st.sampled_from(list(Reason)),
    "flags": st.integers(0, 127),
    "side": st.sampled_from(list(Side)),
    "price_ticks": st.one_of(
        st.integers(1, 2_000_000), st.sampled_from([0, -5, 2**32 - 1, 2**32, 2**62])
    ),
    "qty_lots": st.one_of(st.integers(0, 100), st.sampled_from([2**32 - 1, 2**40])),
    "leaves_lots": st.integers(0, 100),
    "contra_id": st.sampled_from([0] + [1 << bit for bit in ErrorBit] + [0x8004]),
    "seq": st.integers(1, 2**50),
    "instrument": st.integers(0, 1),
}


@given(
    st.fixed_dictionaries(ROW),
    st.fixed_dictionaries(EVENTS),
    st.sampled_from([None, enter(), replace(), cancel(5), modify("S", 5), b"internal"]),
    st.booleans(),
    st.integers(0, 4),
)
def test_any_event_is_reported_as_the_reference_does(fields, event, cause, taker, self_trade):
    session = Session(ouch42, self_trade)
    _, order, metadata = session.decode(unsequenced(enter(**fields)))
    if metadata["refused"]:
        return
    row = make_row(order, metadata)
    kept = reference_row(row)
    metadata = None
    if cause is not None:
        _, _, metadata = session.decode(unsequenced(cause if cause != b"internal" else enter()))
        metadata["row"] = int(taker)
        if cause == b"internal":
            metadata["message"] = 0
    event = make_event(order_id=rows.ORDER_BIT | 1, **event)
    # Twice: what the first leaves in the row is what the second finds.
    for _ in range(2):
        message = session.encode(event, row, metadata)
        assert message == reference.encode(event, kept, metadata, session.world)
        # What comes in writes the first word alone, and this is what goes out.
        assert row["more"].tobytes()[8:40] == words_of(kept)[8:40]
