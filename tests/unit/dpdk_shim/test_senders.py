"""The receive window of a sender: the receiver's, the journal's, and what a journal keeps of it."""

import socket
from pathlib import Path
from socket import AF_INET

import numpy as np

from openoutcry.dpdk_shim import names
from openoutcry.dpdk_shim.names import MAX_JUMP_RECORDS
from openoutcry.dpdk_shim.shim import make_state, read_counters
from openoutcry.journal.origins import NO_SENDER, RANGES_MAX, Senders, Window, pack_origins, runs
from openoutcry.pipeline.port_source import key_of
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.senders import ADDRESS, KEYS, PORT, taken

_built = shared._built


def test_a_jump_beyond_the_bound_changes_nothing(tmp_path: Path) -> None:
    """One forged packet of sequence 2^61 does not silence its sender."""
    state = make_state()
    far = [(2**61, 1), (MAX_JUMP_RECORDS + 10, 1)]
    parts = [*far, (1, 3), *far, (4, 1), (MAX_JUMP_RECORDS + 5, 2), (5, 1)]
    assert taken(tmp_path, state, parts) == [
        (1, 3),
        (4, 1),
        (MAX_JUMP_RECORDS + 5, 2),
        (5, 1),
    ]
    counters = read_counters(state, 0)
    assert counters["jump_packets"] == 4
    assert counters["gap_records"] == MAX_JUMP_RECORDS


def test_a_journal_of_the_receiver_before_keeps_its_senders() -> None:
    """It wrote number and sockaddr; a session's key and one of today are left as they are."""
    written = 7 | 1 << 32, socket.AF_INET | PORT << 16 | ADDRESS << 32, 0, 0
    assert key_of(written) == KEYS[0]
    assert [key_of(key) for key in KEYS] == KEYS


def test_origins_come_back_as_they_were() -> None:
    """Runs of two senders by turns, a hole in one's numbers, and commands from no network."""
    who = np.array([1, 1, 1, 2, 1, 1, 0, 0], np.int64)
    seqs = np.array([1, 2, 3, 2**62, 4, 9, 0, 1], np.int64)
    none = np.zeros(8, np.int64)
    origins = pack_origins(who, seqs, none, lambda index, epoch: KEYS[index])
    assert list(runs(origins)) == [
        (KEYS[0], 1, 3),
        (KEYS[1], 2**62, 1),
        (KEYS[0], 4, 1),
        (KEYS[0], 9, 1),
        (NO_SENDER, 0, 2),
    ]
    whole, parts = Senders(), Senders()
    whole.take(origins, 0, 8)
    for at in range(8):
        parts.take(origins, at, 1)
    assert whole == parts
    assert whole.windows[KEYS[0]] == Window(10, 1, [(5, 8)])
    assert set(whole.windows) == set(KEYS)


def test_a_session_is_one_sender_in_each_of_its_epochs() -> None:
    """Commands of two epochs that wait for one block are journaled as those of two senders, and of
    a later block the newest alone is remembered."""
    who, seqs = np.array([1, 1, 1, 1], np.int64), np.array([1, 2, 1, 2], np.int64)
    epochs = np.array([5, 5, 6, 6], np.int64)
    name = 7 | 1 << 32
    origins = pack_origins(who, seqs, epochs, lambda index, epoch: (name, epoch, 0, 0))
    assert list(runs(origins)) == [((name, 5, 0, 0), 1, 2), ((name, 6, 0, 0), 1, 2)]
    senders = Senders()
    senders.take(origins, 0, 2)
    assert set(senders.windows) == {(name, 5, 0, 0)}
    senders.take(origins, 2, 2)
    assert senders.windows == {(name, 6, 0, 0): Window(3, 1, [])}


def test_senders_of_an_older_journal_are_no_epochs() -> None:
    """Number and sockaddr look like a session and its epoch: none of them is forgotten."""
    name = 7 | 1 << 32
    written = [(name, AF_INET | port << 16 | 1 << 56, 0, 0) for port in (1, 2)]
    senders = Senders()
    for key in written:
        one = np.ones(1, np.int64)
        senders.take(pack_origins(one, one, one, lambda index, epoch, key=key: key), 0, 1)
    assert list(senders.windows) == written


def test_receivers_and_journal_remember_as_many_ranges() -> None:
    assert names.RANGES_MAX == RANGES_MAX


def test_no_origins_are_no_commands() -> None:
    senders = Senders()
    senders.take("", 0, 100)
    assert senders.windows == {}
