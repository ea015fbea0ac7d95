"""The receive window of a sender: the kernel's, the journal's, and what a journal keeps of it."""

import numpy as np

from openoutcry.dpdk_shim import receive_window
from openoutcry.dpdk_shim.receive_window import (
    MAX_JUMP_RECORDS,
    Counter,
)
from openoutcry.dpdk_shim.udp import STATE_WORDS
from openoutcry.journal.origins import NO_SENDER, RANGES_MAX, Senders, Window, pack_origins, runs
from tests.support.dpdk_shim.senders import KEYS, taken


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
