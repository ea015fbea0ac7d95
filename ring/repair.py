"""What is done after a process that used a ring is proven dead.

Death is proven by pid and start time (``ProcessIdentity``) or by a pidfd, never guessed from a
silence.  Two repairers may work at once: everything is decided by compare-and-swap, once.
"""

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openoutcry.ring import kernels, layout
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.sequence import Sequence

if TYPE_CHECKING:
    from openoutcry.ring.ring import RingBuffer


@dataclass(frozen=True)
class Entry:
    """A registered producer or consumer: the address of its entry and who it is."""

    address: int
    pid_word: int
    who: ProcessIdentity

    def alive(self) -> bool:
        """A start time of 0 is an entry just being taken: its process is believed to live as long
        as its pid does."""
        if self.who.start_ticks == 0:
            return ProcessIdentity.of(self.who.pid) is not None
        return self.who.alive()


@dataclass(frozen=True)
class Repair:
    """What one call of :func:`repair` did; what another repairer did meanwhile is not in it."""

    tombstones: int
    producers: int
    consumers: int


def registered(ring: "RingBuffer", consumers: bool) -> Iterator[Entry]:
    """The entries that some process holds."""
    start, step, count, pid_at, ticks_at = (
        (layout.CONSUMERS, layout.CONSUMER_BYTES, len(ring.consumer_names),
         layout.CONSUMER_PID, layout.CONSUMER_START)
        if consumers
        else (layout.PRODUCERS, layout.PRODUCER_BYTES, layout.MAX_PRODUCERS,
              layout.PRODUCER_PID, layout.PRODUCER_START)
    )  # fmt: skip
    for index in range(count):
        at = start + index * step
        pid = int(ring.words(at + pid_at)[0])
        if pid:
            ticks = int(ring.words(at + ticks_at)[0])
            address = ring.address + at
            yield Entry(address, address + pid_at, ProcessIdentity(pid, ticks))


def repair(ring: "RingBuffer", detach_consumers: bool = False) -> Repair:
    """Bury what dead producers had claimed and not published, free their entries and those of dead
    consumers.

    A freed consumer goes on gating at its cursor until another process takes its place; with
    ``detach_consumers`` it stops gating instead (its place is kept in CONSUMER_SAVED).
    """
    # In this order: who was dead before the slots are looked at cannot publish any more.
    dead = [entry for entry in registered(ring, consumers=False) if not entry.alive()]
    tombstones = _bury_orphans(ring) if ring.multi_producer and dead else 0
    producers = sum(kernels.free_entry(e.pid_word, e.who.pid) for e in dead)
    consumers = 0
    for entry in registered(ring, consumers=True):
        if entry.alive():
            continue
        if detach_consumers:
            _detach(ring, entry)
        consumers += kernels.free_entry(entry.pid_word, entry.who.pid)
    kernels.wake_waiters(ring.address)
    return Repair(tombstones, int(producers), int(consumers))


def _bury_orphans(ring: "RingBuffer") -> int:
    """Make tombstones of the claimed, unpublished slots that no living producer's claim covers.

    Sound because a claim is written down before it is true (``kernels.claim``): whoever owns a slot
    of sequence <= CLAIMED, read first, stands in an entry that covers it.
    """
    last = ring.claimed
    living = [e.address for e in registered(ring, consumers=False) if e.alive()]
    buried = 0
    for seq in range(_first_unread(ring, last), last + 1):
        seen = int(kernels.stamp_of(ring.address, ring.mask, ring.shift, seq))
        if seen in (seq, -seq):
            continue
        if not any(kernels.claim_covers(address, seq) for address in living):
            buried += kernels.bury(ring.address, ring.mask, ring.shift, seq, seen)
    return buried


def _first_unread(ring: "RingBuffer", last: int) -> int:
    """The oldest sequence whose slot still counts."""
    lowest = int(kernels.gating_cursor(ring.address))
    oldest = max(0, last - ring.capacity) + 1
    return oldest if lowest == layout.FREE else max(lowest + 1, oldest)


def _detach(ring: "RingBuffer", entry: Entry) -> None:
    """Stop a dead consumer from gating."""
    cursor = Sequence(entry.address)
    at = cursor.get()
    if at != layout.FREE:
        ring.words(entry.address - ring.address + layout.CONSUMER_SAVED)[0] = at
        cursor.compare_and_set(at, layout.FREE)


def unfinished_work(
    ring: "RingBuffer", worker: int, pool: int, done_marks: int
) -> list[tuple[int, int]]:
    """Runs (first, count) of records that the dead predecessor in a worker's entry claimed and did
    not finish.

    Its claim was written down before it was true, so each record is either marked done, or above
    the pool's cursor (never claimed), or covered by a living worker (who owns it, or is about to
    find that it does not), or the predecessor's.
    """
    base = ring.address
    if Sequence(worker).get() == layout.FREE:
        return []
    first = int(ring.words(worker - base + layout.WORK_FIRST)[0])
    last = int(ring.words(worker - base + layout.WORK_LAST)[0])
    last = min(last, Sequence(pool).get())
    mine: list[int] = []
    for seq in range(first, last + 1):
        while not _is_done(ring, done_marks, seq):
            if _tombstone(ring, seq):
                break
            if not any(_holds(ring, other, seq) for other in _other_workers(ring, worker, pool)):
                mine.append(seq)
                break
            time.sleep(0.0005)
    return _runs(ring, mine)


def _is_done(ring: "RingBuffer", done_marks: int, seq: int) -> bool:
    return Sequence(done_marks + 8 * (seq & ring.mask)).get() == seq


def _tombstone(ring: "RingBuffer", seq: int) -> bool:
    return int(kernels.stamp_of(ring.address, ring.mask, ring.shift, seq)) == -seq


def _other_workers(ring: "RingBuffer", worker: int, pool: int) -> list[int]:
    """Living workers of the same pool."""
    pool_index = (pool - ring.address - layout.CONSUMERS) // layout.CONSUMER_BYTES
    return [
        e.address
        for e in registered(ring, consumers=True)
        if e.address != worker
        and int(ring.words(e.address - ring.address + layout.CONSUMER_KIND)[0]) == layout.WORKER
        and int(ring.words(e.address - ring.address + layout.CONSUMER_POOL)[0]) == pool_index
        and e.alive()
    ]


def _holds(ring: "RingBuffer", worker: int, seq: int) -> bool:
    at = worker - ring.address
    if Sequence(worker).get() == layout.FREE:
        return False
    first, last = (int(ring.words(at + w)[0]) for w in (layout.WORK_FIRST, layout.WORK_LAST))
    return first <= seq <= last


def _runs(ring: "RingBuffer", seqs: list[int]) -> list[tuple[int, int]]:
    """Sequences as runs that are contiguous in memory."""
    runs: list[tuple[int, int]] = []
    for seq in seqs:
        if runs and seq == sum(runs[-1]) and seq & ring.mask:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((seq, 1))
    return runs


class DeathWatch:
    """Holds a pidfd for every process registered on a ring: its becoming readable is the proof.

    Make it, or :meth:`refresh` it, while they live.  Close it or use it in a ``with`` block.
    """

    def __init__(self, ring: "RingBuffer") -> None:
        self.ring = ring
        self._poll = select.poll()
        self._watched: dict[int, ProcessIdentity] = {}
        self.refresh()

    def refresh(self) -> None:
        """Watch those who came since."""
        known = set(self._watched.values())
        for consumers in (False, True):
            for entry in registered(self.ring, consumers):
                if entry.who not in known and entry.who.pid != os.getpid():
                    known.add(entry.who)
                    self._watch(entry.who)

    def _watch(self, who: ProcessIdentity) -> None:
        try:
            fd = os.pidfd_open(who.pid)
        except ProcessLookupError:
            return
        # The number may have passed to another process between the look and the open.
        if who.start_ticks and not who.alive():
            os.close(fd)
            return
        self._watched[fd] = who
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_s: float) -> list[ProcessIdentity]:
        """Who has died; waits up to ``timeout_s`` for the first."""
        dead = []
        for fd, _ in self._poll.poll(timeout_s * 1000):
            dead.append(self._watched.pop(fd))
            self._poll.unregister(fd)
            os.close(fd)
        return dead

    def close(self) -> None:
        for fd in self._watched:
            os.close(fd)
        self._watched.clear()

    def __enter__(self) -> "DeathWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
