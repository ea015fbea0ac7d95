"""The receive window of a sender: the receiver's, the journal's, and what a journal keeps of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim.shim import make_state, restore_senders
from openoutcry.journal.origins import Senders, Window
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.senders import KEYS, taken

_built = shared._built
PARTS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 4)), min_size=1, max_size=80)


@pytest.mark.promise(
    "Each order of a sender is delivered at most once, although packets are duplicated, "
    "delayed and reordered; with a journal also across SIGKILL of all processes and "
    "`--resume`. Replies of another exchange are counted and ignored by the client",
    group="network",
)
@given(PARTS, PARTS)
def test_what_was_executed_is_refused_after_a_recovery(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[int, int]],
    after: list[tuple[int, int]],
) -> None:
    """Packets in any order, a crash, the window made again from what became commands: no number is
    handed on twice, and the new receiver decides as the old one would have."""
    folder: Path = tmp_path_factory.getbasetemp()
    old, new = make_state(), make_state()
    executed = taken(folder, old, before)
    senders = Senders()
    for first, count in executed:
        senders.windows.setdefault(KEYS[0], Window()).mark(first, count)
    restore_senders(new, Senders.from_json(senders.as_json()).rows())
    again = taken(folder, new, after)
    assert again == taken(folder, old, after)
    numbers = [n for first, count in executed + again for n in range(first, first + count)]
    assert len(numbers) == len(set(numbers))
