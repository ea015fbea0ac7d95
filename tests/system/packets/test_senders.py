"""The receive window of a sender: the kernel's, the journal's, and what a journal keeps of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim.udp import STATE_WORDS, UdpReceiver
from openoutcry.journal.origins import Senders, Window
from tests.support.dpdk_shim.senders import KEYS, taken

PARTS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 4)), min_size=1, max_size=80)


@pytest.mark.promise(
    "A recovered window decides as the lost one would have",
    group="network",
)
@given(PARTS, PARTS)
def test_what_was_executed_is_refused_after_a_recovery(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    """Packets in any order, a crash, the window made anew from what became commands: no number is
    handed on twice, and the new receiver decides as the old one would have."""
    with UdpReceiver("127.0.0.1", 0, state=np.zeros(STATE_WORDS, np.int64)) as old:
        executed = taken(old.state, before)
        senders = Senders()
        for first, count in executed:
            senders.windows.setdefault(KEYS[0], Window()).mark(first, count)
        with UdpReceiver("127.0.0.1", 0, state=np.zeros(STATE_WORDS, np.int64)) as new:
            new.restore(Senders.from_json(senders.as_json()).rows())
            again = taken(new.state, after)
        assert again == taken(old.state, after)
    numbers = [n for first, count in executed + again for n in range(first, first + count)]
    assert len(numbers) == len(set(numbers))
