"""Origins: which of each sender's sequence numbers have become commands, journaled with them.

A journal block carries its commands' *origins* as well: the sender of each, and its count.  The
receive window of a sender is a function of these, so it is recovered as the book is.  A datagram
that was executed before a crash is refused after it.

    origins   number of senders S | number of runs R        64 bits each, all in base64
              S x key (4 words)
              R x (sender's index << 32 | count), first     its own sequence numbers, in a row

Runs are in the order of the commands and cover them all.  A key of zeros: from no network.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from socket import AF_INET
from typing import Any

import numpy as np
import numpy.typing as npt

RANGES_MAX = 11
"""Missing ranges that are remembered of a sender, by the receivers too."""
KEY_WORDS = 4
ORIGINS = "origins"
"""Key of the origins in a block's note."""
NO_SENDER = (0, 0, 0, 0)
SESSION = 1
"""The high half of the first word of a session's key, whose second is an epoch."""

Key = tuple[int, int, int, int]


@dataclass
class Window:
    """All numbers below ``next`` have come, but those of the ``missing`` ranges (first, last);
    below ``floor`` nothing is known any more, and all are refused."""

    next: int = 1
    floor: int = 1
    missing: list[tuple[int, int]] = field(default_factory=list)

    def mark(self, first: int, count: int) -> None:
        """These have become commands."""
        last = first + count - 1
        ranges = []
        for begin, end in self.missing:
            if begin < first:
                ranges.append((begin, min(end, first - 1)))
            if end > last:
                ranges.append((max(begin, last + 1), end))
        if first > self.next:
            ranges.append((self.next, first - 1))
        self.next = max(self.next, last + 1)
        forgotten = len(ranges) - RANGES_MAX
        if forgotten > 0:
            self.floor = max(self.floor, ranges[forgotten - 1][1] + 1)
        self.missing = ranges[max(0, forgotten) :]


@dataclass
class Senders:
    """The windows of all senders that a journal knows."""

    windows: dict[Key, Window] = field(default_factory=dict)

    def take(self, origins: str, skip: int, count: int) -> None:
        """Mark ``count`` commands of a block, from the one after ``skip`` on."""
        at = 0
        for key, first, length in runs(origins):
            begin, end = max(at, skip), min(at + length, skip + count)
            if key != NO_SENDER and begin < end:
                self._window(key).mark(first + begin - at, end - begin)
            at += length

    def _window(self, key: Key) -> Window:
        window = self.windows.get(key)
        if window is None:
            # Packets of a session's earlier epochs are always refused: nothing need be known.
            for old in [known for known in self.windows if is_later_epoch(key, known)]:
                del self.windows[old]
            window = self.windows[key] = Window()
        return window

    def rows(self) -> dict[Key, tuple[int, int, list[tuple[int, int]]]]:
        """Return the rows that a receiver continues with (``restore``): next, floor and missing
        ranges by sender."""
        return {key: (w.next, w.floor, w.missing) for key, w in self.windows.items()}

    def as_json(self) -> list[list[Any]]:
        """A row a window, as a block's note has it."""
        return [[*key, w.next, w.floor, w.missing] for key, w in self.windows.items()]

    @classmethod
    def from_json(cls, rows: list[list[Any]]) -> "Senders":
        """The windows of :meth:`as_json`."""
        return cls(
            {
                (row[0], row[1], row[2], row[3]): Window(
                    row[4], row[5], [(begin, end) for begin, end in row[6]]
                )
                for row in rows
            }
        )


def is_later_epoch(key: Key, known: Key) -> bool:
    """Both are of one session, and the first is of its later epoch.  What could be a sockaddr_in is
    left alone: until November 2026 a run with --udp wrote senders so."""
    return (
        key[0] >> 32 == SESSION
        and key[0] == known[0]
        and key[1] > known[1]
        and AF_INET not in (key[1] & 0xFFFF, known[1] & 0xFFFF)
    )


def pack_origins(
    senders: npt.NDArray[np.int64],
    seqs: npt.NDArray[np.int64],
    epochs: npt.NDArray[np.int64],
    key_of: Callable[[int, int], Key],
) -> str:
    """The origins of a block's commands: ``senders`` are 1 + index (0: none), ``epochs`` those in
    which sessions sent them, ``key_of`` says who an index is in an epoch."""
    new = (senders[1:] != senders[:-1]) | (seqs[1:] != seqs[:-1] + 1) | (epochs[1:] != epochs[:-1])
    starts = np.concatenate([[0], np.flatnonzero(new) + 1])
    counts = np.diff(np.concatenate([starts, [len(senders)]]))
    pairs = np.stack([senders[starts], epochs[starts]], axis=1)
    who, index = np.unique(pairs, axis=0, return_inverse=True)
    keys = [NO_SENDER if one == 0 else key_of(one - 1, epoch) for one, epoch in who.tolist()]
    words = np.zeros(2 + KEY_WORDS * len(who) + 2 * len(starts), np.uint64)
    words[:2] = len(who), len(starts)
    words[2 : 2 + KEY_WORDS * len(who)] = np.array(keys, np.uint64).ravel()
    rows = words[2 + KEY_WORDS * len(who) :].reshape(-1, 2)
    rows[:, 0] = (index.ravel().astype(np.uint64) << np.uint64(32)) | counts.astype(np.uint64)
    rows[:, 1] = seqs[starts].astype(np.uint64)
    return b64encode(words.tobytes()).decode()


def runs(origins: str) -> Iterator[tuple[Key, int, int]]:
    """Sender, first of its sequence numbers and count of each run, in the commands' order."""
    if not origins:
        return
    words = np.frombuffer(b64decode(origins), np.uint64).tolist()
    sender_count, run_count = words[:2]
    at = 2 + KEY_WORDS * sender_count
    keys = [tuple(words[i : i + KEY_WORDS]) for i in range(2, at, KEY_WORDS)]
    for row in range(at, at + 2 * run_count, 2):
        yield keys[words[row] >> 32], words[row + 1], words[row] & 0xFFFFFFFF
