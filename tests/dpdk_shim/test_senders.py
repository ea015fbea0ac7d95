"""The receive window of a sender: the kernel's, the journal's, and what a journal keeps of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import receive_window
from openoutcry.dpdk_shim.receive_window import (
    MAX_JUMP_RECORDS,
    SENDER_USED,
    Counter,
    find_sender,
    is_new,
)
from openoutcry.dpdk_shim.udp import STATE_WORDS, UdpReceiver
from openoutcry.journal.origins import NO_SENDER, RANGES_MAX, Senders, Window, pack_origins, runs

KEYS = [(SENDER_USED | 7, 2**64 - 5, 0, 0), (SENDER_USED | 8, 12, 0, 0)]
PARTS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 4)), min_size=1, max_size=80)


def taken(state: np.ndarray, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those packets that a receiver with this state hands on, of one sender."""
    sender = find_sender(state.ctypes.data, SENDER_USED | 7, -5)
    return [part for part in parts if is_new(state.ctypes.data, sender, *part)]


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


def test_a_jump_beyond_the_bound_changes_nothing() -> None:
    """One forged packet of sequence 2^61 does not silence its sender."""
    state = np.zeros(STATE_WORDS, np.int64)
    far = [(2**61, 1), (MAX_JUMP_RECORDS + 10, 1)]
    assert taken(state, [*far, (1, 3), *far, (4, 1), (MAX_JUMP_RECORDS + 5, 2), (5, 1)]) == [
        (1, 3), (4, 1), (MAX_JUMP_RECORDS + 5, 2), (5, 1),
    ]  # fmt: skip
    assert state[Counter.JUMP_PACKETS] == 4
    assert state[Counter.GAP_RECORDS] == MAX_JUMP_RECORDS


def test_origins_come_back_as_they_were() -> None:
    """Runs of two senders by turns, a hole in one's numbers, and commands from no network."""
    who = np.array([1, 1, 1, 2, 1, 1, 0, 0], np.int64)
    seqs = np.array([1, 2, 3, 2**62, 4, 9, 0, 1], np.int64)
    origins = pack_origins(who, seqs, KEYS.__getitem__)
    assert list(runs(origins)) == [
        (KEYS[0], 1, 3), (KEYS[1], 2**62, 1), (KEYS[0], 4, 1), (KEYS[0], 9, 1), (NO_SENDER, 0, 2),
    ]  # fmt: skip
    whole, parts = Senders(), Senders()
    whole.take(origins, 0, 8)
    for at in range(8):
        parts.take(origins, at, 1)
    assert whole == parts
    assert whole.windows[KEYS[0]] == Window(10, 1, [(5, 8)])
    assert set(whole.windows) == set(KEYS)


def test_receivers_and_journal_remember_as_many_ranges() -> None:
    assert receive_window.RANGES_MAX == RANGES_MAX


def test_no_origins_are_no_commands() -> None:
    senders = Senders()
    senders.take("", 0, 100)
    assert senders.windows == {}
