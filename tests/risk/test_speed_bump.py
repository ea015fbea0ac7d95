"""The speed bump: to the nanosecond, in turn, and the audit finds what is not."""

import itertools

import numpy as np
import pytest

from openoutcry.pipeline.venue.fairness import Audit
from openoutcry.risk import speed_bump as bump
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind


def let_in(block, until, step=1):
    """(sequence, time) of all that leaves up to a time."""
    found, now = [], 0
    while now <= until:
        while seq := bump.leave_bump(block.ctypes.data, now):
            found.append((seq, now))
        now += step
    return found


def test_everything_is_delayed_by_350_us_to_the_nanosecond():
    block = bump.new_bump(10)
    for seq, now in ((1, 0), (2, 0), (3, 7)):
        assert bump.enter_bump(block.ctypes.data, seq, now) == now + 350_000
    assert bump.leave_bump(block.ctypes.data, 349_999) == 0
    assert [bump.leave_bump(block.ctypes.data, 350_000) for _ in range(3)] == [1, 2, 0]
    assert bump.leave_bump(block.ctypes.data, 350_007) == 3


def test_a_full_bump_takes_nothing_more():
    block = bump.new_bump(2)
    assert [bump.enter_bump(block.ctypes.data, seq, 0) for seq in (1, 2, 3)] == [350_000] * 2 + [0]


@pytest.mark.parametrize("window", [0, 50])
def test_nobody_is_let_in_out_of_turn(window):
    """Random arrivals: by (release time, sequence), and the audit finds each fault that is made."""
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(0, 400, 200)).tolist()
    block = bump.new_bump(200, delay_ns=100, window_ns=window, seed=77)
    entered = [(seq, now) for seq, now in enumerate(times, 1)]
    for seq, now in entered:
        assert 100 <= bump.enter_bump(block.ctypes.data, seq, now) - now < 100 + max(window, 1)
    released = let_in(block, 600)
    assert sorted(seq for seq, _ in released) == list(range(1, 201))
    assert (released != sorted(released)) == bool(window)

    def audit(found):
        return bump.fairness_faults(entered, found, 100, window, 77)

    assert audit(released) == []
    early = [(seq, at - (n == 50)) for n, (seq, at) in enumerate(released)]
    assert len(audit(early)) == 1
    swapped = [*released[:90], released[120], *released[90:120], *released[121:]]
    assert audit(swapped)
    assert audit([*released, released[0]]) == [
        f"command {released[0][0]} was released and had not entered, or twice"
    ]


def test_the_audit_of_a_journal_finds_each_who_was_let_in_out_of_turn():
    """In any pieces; the operator's own commands, and what he sends in others' names, do not
    count."""
    commands = np.zeros(6, ORDER_DTYPE)
    commands["seq"] = np.arange(1, 7)
    commands["participant"] = [1, 2, 0, 1, 3, 2]
    commands["rx_ts_ns"] = [100, 200, 50, 199, 200, 201]
    for cuts in ([6], [1, 3, 6], [4, 6]):
        audit = Audit()
        for first, last in itertools.pairwise([0, *cuts]):
            audit.look(commands[first:last])
        assert (audit.commands, audit.out_of_turn) == (5, 1)
        assert audit.faults == [{"seq": 4, "by_ns": 1}]
    commands["kind"][3] = CommandKind.DISCONNECT
    audit = Audit()
    audit.look(commands)
    assert audit.out_of_turn == 0
