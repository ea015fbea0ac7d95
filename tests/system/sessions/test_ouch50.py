"""OUCH 5.0: the kernels read, finish and write every message and option as the plain reference
does, byte for byte; what each may be; and the golden bytes that others published."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import ouch, ouch50, rows
from openoutcry.order_entry.faults import Kind
from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    EventKind,
    Reason,
    Side,
)
from openoutcry.wire.messages import OUCH50
from tests.oracles.order_entry import ouch50 as reference
from tests.support.order_entry.ouch50 import (
    BY_NAME,
    FIELDS,
    LETTER,
    NUMBER,
    enter,
    options,
    replace,
    same,
)
from tests.support.order_entry.ouch_support import (
    Session,
    make_event,
    make_row,
    reference_row,
    unsequenced,
    words_of,
)


def cancel(quantity=0, user_ref=5):
    return OUCH50.from_client("X").pack(user_ref=user_ref, quantity=quantity)


def modify(side, quantity, user_ref=5):
    return OUCH50.from_client("M").pack(user_ref=user_ref, side=side, quantity=quantity)


def option_value(option):
    if option.field.size > 1:
        return st.sampled_from(["ABCD", ""]).map(lambda text: text[: option.field.size])
    if option.field.size:
        return LETTER
    if option.field.size_bytes < 4:
        return st.integers(0, 2)
    return st.integers(-300, 300) if option.field.ctype == "i32" else NUMBER


EXTRA = st.dictionaries(st.sampled_from(sorted(BY_NAME)), st.none(), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({n: option_value(BY_NAME[n]) for n in names})
)


@given(
    st.fixed_dictionaries(FIELDS | {"time_in_force": st.sampled_from("00356E")}),
    EXTRA,
    st.integers(0, 4),
)
def test_any_new_order_is_read_as_the_reference_does(fields, extra, self_trade):
    session = Session(ouch50, self_trade)
    _, order, metadata, _ = same(session, enter(options(**extra), **fields))
    if metadata is not None and metadata["refused"]:
        assert session.refuse(metadata, order) == reference.refuse(metadata, order, session.world)


ROW = {
    "display": st.sampled_from("YN"),
    "side": st.sampled_from("BSTE"),
    "symbol": st.sampled_from(["AAPL", "MSFT"]),
    "cross": st.sampled_from("NOC"),
    "price": st.sampled_from([1_000_000, 0x7FFFFFFF]),
}
TYPES = st.sampled_from(
    [
        {},
        {"post_only": "P"},
        {"max_floor": 10},
        {"price_type": "M"},
        {"price_type": "R"},
        {"min_qty": 3, "firm": "ABCD", "customer": "R"},
    ]
)


@given(
    st.fixed_dictionaries(ROW),
    TYPES,
    st.sampled_from([rows.SENT, rows.OPEN, rows.DONE]),
    st.lists(st.integers(0, 40), min_size=4, max_size=4),
    st.one_of(
        st.builds(cancel, st.integers(0, 130)),
        st.builds(modify, st.sampled_from("BSTEX"), st.integers(0, 130)),
        st.builds(
            replace,
            st.one_of(
                TYPES.map(lambda v: options(**{k: v[k] for k in v if BY_NAME[k].replaces})),
                EXTRA.map(lambda v: options(**v)),
            ),
            quantity=st.integers(0, 200),
            price=st.sampled_from([0, 100, 5_050, 10_000, 1_999_999_900, 2**64 - 1]),
            display=st.sampled_from("YANP"),
            time_in_force=st.sampled_from("0356"),
        ),
    ),
    st.integers(0, 100),
)
def test_any_change_is_finished_as_the_reference_does(fields, extra, state, sizes, message, cum):
    session = Session(ouch50)
    _, order, metadata, _ = same(session, enter(options(**extra), **fields))
    if metadata["refused"]:
        return
    row = make_row(order, metadata, state=state)
    row["cum_lots"], row["leaves_lots"] = cum, 100 - cum
    np.ndarray(4, np.int64, row, ouch.SENT)[:] = sizes
    _, order, metadata = session.decode(unsequenced(message))
    result, order_r, metadata_r, option_values = reference.decode(
        unsequenced(message), session.world
    )
    assert result == Kind.APPLICATION
    result = reference.complete(
        order_r, metadata_r, reference_row(row), session.world, option_values
    )
    assert session.complete(order, metadata, row) == result
    assert session[ouch.LAST_USER_REF_WORD] == session.world.last_user_ref
    if result == Kind.APPLICATION:
        assert metadata.tobytes() == metadata_r.tobytes(), (metadata, metadata_r)
        if metadata["refused"] == 0:
            gone = order["kind"] == CommandKind.CANCEL
            names = [n for n in order.dtype.names if not (gone and n in ("price_ticks", "aux"))]
            assert [order[n] for n in names] == [order_r[n] for n in names]
        else:
            assert order["kind"] == 0


EVENTS = {
    "kind": st.sampled_from(list(EventKind)),
    "reason": st.sampled_from(list(Reason)),
    "flags": st.integers(0, 127),
    "side": st.sampled_from(list(Side)),
    "price_ticks": st.one_of(st.integers(1, 2_000_000), st.sampled_from([0, -5, 2**40])),
    "qty_lots": st.one_of(st.integers(0, 100), st.just(2**40)),
    "leaves_lots": st.integers(0, 100),
    "contra_id": st.sampled_from([0] + [1 << bit for bit in ErrorBit]),
    "seq": st.integers(1, 2**50),
    "instrument": st.integers(0, 1),
}
MASS = OUCH50.from_client("C").pack(user_ref=6, firm="ABCD", symbol="MSFT")


@given(
    st.fixed_dictionaries(ROW),
    TYPES,
    st.fixed_dictionaries(EVENTS),
    st.sampled_from([None, b"same", replace(), cancel(5), modify("S", 5), MASS]),
    st.booleans(),
    st.integers(0, 4),
)
def test_any_event_is_reported_as_the_reference_does(
    fields, extra, event, cause, taker, self_trade
):
    session = Session(ouch50, self_trade)
    _, order, metadata, _ = same(session, enter(options(**extra), **fields))
    if metadata["refused"]:
        return
    row = make_row(order, metadata)
    kept = reference_row(row)
    if cause is None:
        metadata = None
    elif cause != b"same":
        _, _, metadata = session.decode(unsequenced(cause))
        metadata["row"] = int(taker)
    event = make_event(order_id=rows.ORDER_BIT | 1, **event)
    for _ in range(2):
        message = session.encode(event, row, metadata)
        assert message == reference.encode(event, kept, metadata, session.world)
        assert row["more"].tobytes()[8:40] == words_of(kept)[8:40]
