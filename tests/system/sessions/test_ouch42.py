"""OUCH 4.2, what comes in: kernels read and finish every message as the plain reference does, byte
for byte; what each field may be, and what is refused with which reason."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import ouch, ouch42, rows
from tests.oracles.order_entry import ouch42 as reference
from tests.support.order_entry.ouch42_messages import (
    GOOD,
    ROW,
    cancel,
    enter,
    finish,
    modify,
    replace,
    same,
)
from tests.support.order_entry.ouch_support import Session, make_row, unsequenced

LETTER = st.sampled_from("ABCDEHILMNOPQRSTUWXYZabmnp 0\0~")
NUMBER = st.one_of(
    st.sampled_from([0, 1, 60, 86_399, 86_400, 99_998, 99_999, 0x7FFFFFFF, 0x77359400, 2**32 - 1]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 200),
)
TOKENS = st.one_of(
    st.sampled_from(["ORDER1", "order 1", "", "A-1", "é"]), st.text(max_size=14)
).map(lambda text: text.encode("latin-1", "replace")[:14])


SYMBOL = st.sampled_from(["AAPL", "MSFT", "BRK.A", "NOPE", ""])


def any_value(name, value):
    if name in ("token", "new_token"):
        return TOKENS
    if name in ("symbol", "firm"):
        return SYMBOL.map(lambda text: text[: len(value)])
    return NUMBER if isinstance(value, int) else LETTER


def choices(good):
    """A good value mostly, so that the fields behind it are reached; or any."""
    return {
        name: st.one_of(*[st.just(value)] * 6, any_value(name, value))
        for name, value in good.items()
    }


@given(
    st.fixed_dictionaries(
        choices(GOOD)
        | {
            "display": st.sampled_from("YAZNnPLMmRIWOTQ\0"),
            "time_in_force": st.sampled_from([0, 99_998, 99_999, 60, 99_997]),
        }
    ),
    st.integers(0, 4),
)
def test_any_new_order_is_read_as_the_reference_does(fields, self_trade):
    session = Session(ouch42, self_trade)
    _, order, metadata = same(session, enter(**fields))
    if metadata["refused"]:
        assert session.refuse(metadata, order) == reference.refuse(metadata, order, session.world)


@given(
    st.fixed_dictionaries(ROW),
    st.sampled_from([rows.SENT, rows.OPEN, rows.DONE]),
    st.lists(st.integers(0, 40), min_size=4, max_size=4),
    st.one_of(
        st.builds(cancel, st.integers(0, 130)),
        st.builds(modify, st.sampled_from("BSTEX"), st.integers(0, 130)),
        st.builds(
            replace,
            shares=st.integers(0, 200),
            price=st.sampled_from([0, 100, 5_050, 10_000, 1_999_999_900, 0x7FFFFFFF]),
            display=st.sampled_from("YANPM?"),
            time_in_force=st.sampled_from([0, 60, 99_998, 99_999]),
        ),
    ),
    st.integers(0, 100),
)
def test_any_change_is_finished_as_the_reference_does(fields, state, sizes, message, cum):
    session = Session(ouch42)
    _, order, metadata = session.decode(unsequenced(enter(**fields)))
    if metadata["refused"]:
        return
    row = make_row(order, metadata, state=state)
    row["cum_lots"], row["leaves_lots"] = cum, 100 - cum
    np.ndarray(4, np.int64, row, ouch.SENT)[:] = sizes
    finish(session, message, row)
