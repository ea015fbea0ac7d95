"""The state of an engine: as rows, as bytes, as a hash, as a copy, and if its memory is sound."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher.state.digest import EXTENDED_WORDS, book_hash, state_hash
from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    ROW_LINKED,
)
from openoutcry.wire import (
    OrderType,
)
from openoutcry.wire.order_types import BUDGETS
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed
from tests.support.matcher.matcher_state import COMMANDS, SEEDS, reference_after


def test_the_states_put_back_have_everything_in_them():
    """The random runs reach every order type that may stay open, in every place."""
    types, places = Counter(), Counter()
    for seed in range(25):
        run = mixed(seed, COMMANDS)
        reference = ReferenceEngine(run.instruments, run.order_capacity)
        for start in range(0, COMMANDS, 40):
            reference.process(run.orders[start : start + 40])
            rows = reference.state().rows
            types.update(rows["order_type"].tolist())
            places.update(rows["place"].tolist())
    converted = {OrderType.POST_ONLY_SLIDE, OrderType.MIN_QTY}
    assert set(types) == set(OrderType) - converted - set(BUDGETS)  # these are done at once
    assert set(places) == set(range(NO_PLACE + 1))


@given(SEEDS, st.data())
def test_any_difference_is_another_hash(seed, data):
    """One changed bit of any field of any row, two orders that change places in their queue, an
    order that is gone: each is another book.  (Of a row's flags there is one bit.)"""
    run = mixed(seed % 40, COMMANDS)
    state = reference_after(run, 300).state()
    before = book_hash(state)
    for name in ("rows", "states"):
        table = getattr(state, name)
        if not len(table):
            continue
        row = data.draw(st.integers(0, len(table) - 1))
        field = data.draw(st.sampled_from(sorted(table.dtype.names)))
        changed = table.copy()
        extended = name == "states" or changed["flags"][row] or field == "flags"
        bits = 0 if field == "flags" else 8 * table.dtype[field].itemsize - 2
        changed[field][row] ^= 1 << data.draw(st.integers(0, bits))
        offset = table.dtype.fields[field][1]
        linked = name == "states" or changed["flags"][row] & ROW_LINKED or field == "flags"
        beyond = (offset >= 32 and not extended) or (offset >= 8 * EXTENDED_WORDS and not linked)
        if not beyond:
            assert book_hash(replace(state, **{name: changed})) != before
    if len(state.rows):
        row = data.draw(st.integers(0, len(state.rows) - 1))
        assert book_hash(replace(state, rows=np.delete(state.rows, row))) != before
    same_level = [
        i
        for i, (a, b) in enumerate(zip(state.rows, state.rows[1:], strict=False))
        if all(a[f] == b[f] for f in ("price_ticks", "instrument", "side", "place"))
        and a["place"] != NO_PLACE
    ]
    for row in same_level[:3]:
        swapped = state.rows.copy()
        swapped[[row, row + 1]] = swapped[[row + 1, row]]
        assert book_hash(replace(state, rows=swapped)) != before
    assert state_hash(replace(state, last_seq=state.last_seq + 1)) != state_hash(state)
    assert book_hash(replace(state, now_ns=state.now_ns + 1)) != before
