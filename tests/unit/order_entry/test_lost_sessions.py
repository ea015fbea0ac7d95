"""When a session that was switched off counts as lost, by kernel and by restart."""

import numpy as np
import pytest

from openoutcry.order_entry import session
from openoutcry.order_entry.session_commands import expire_grace_now

NOW_NS = 30 * 10**9


@pytest.mark.parametrize("grace_ns", [0, 1, 10**9, 2**62])
def test_a_killed_session_has_had_its_grace_however_young_the_machine_is(grace_ns: int) -> None:
    """The monotonic clock begins with the machine: an hour before now may be before its zero."""
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.GRACE_NS // 8] = grace_ns
    expire_grace_now(block.ctypes.data, NOW_NS)
    lost_ns = int(block[session.LOST_NS // 8])
    assert lost_ns != 0
    assert NOW_NS - lost_ns >= grace_ns
