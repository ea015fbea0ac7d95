"""Repair a ring after a process that used it is proven dead.

Death is proven by pid and start time (``ProcessIdentity``) or by a pidfd, never guessed from a
silence.  Two repairers may work at once: everything is decided by compare-and-swap, once.
"""

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass

from openoutcry.ring import kernels, layout
from openoutcry.ring.buffer import Buffer
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.layout import RingHeader, RingProducer
from openoutcry.ring.sequence import Sequence
from openoutcry.wire.closing import Closing


@dataclass(frozen=True)
class Entry:
    """A registered producer or consumer: the address of its entry, and what is in its holder
    word."""

    address: int
    holder: Sequence
    held: int

    @property
    def who(self) -> ProcessIdentity:
        """The process that holds the entry."""
        return ProcessIdentity.of_word(self.held)

    def alive(self) -> bool:
        """Return whether that process is alive."""
        return self.who.alive()

    def free(self) -> int:
        """Give the entry of a dead process back; 1 for the one who did."""
        return int(self.holder.compare_and_set(self.held, 0))


@dataclass(frozen=True)
class Repair:
    """Result of one call of :func:`repair`; what another repairer did meanwhile is not in it.

    ``undecided``: dead producers left in their entries, because a living one had written down the
    same sequences and could not yet be seen to have won or lost them.  Call again until it is 0: a
    moment, unless that one is stopped."""

    tombstones: int
    producers: int
    consumers: int
    undecided: int = 0


def registered(ring: Buffer, consumers: bool) -> Iterator[Entry]:
    """The entries that some process holds."""
    start, step, count, holder_at = (
        (layout.CONSUMERS, layout.CONSUMER_BYTES, len(ring.consumer_names), layout.CONSUMER_HOLDER)
        if consumers
        else (
            layout.PRODUCERS,
            layout.PRODUCER_BYTES,
            layout.MAX_PRODUCERS,
            layout.PRODUCER_HOLDER,
        )
    )
    for index in range(count):
        address = ring.address + start + index * step
        holder = Sequence(address + holder_at)
        if held := holder.get():
            yield Entry(address, holder, held)


def repair(ring: Buffer, detach_consumers: bool = False) -> Repair:
    """Bury what dead producers had claimed and not published, free their entries and those of dead
    consumers.

    A freed consumer continues to gate at its cursor until another process takes its place.  With
    ``detach_consumers`` a reader stops gating instead, and its place is kept in CONSUMER_SAVED.  A
    reader that died while it came back always stops gating, since its cursor may be overtaken
    already.  A worker never stops: its successor receives what it held.
    """
    # In this order: a producer that was dead before the slots are read cannot publish any more.
    dead = [entry for entry in registered(ring, consumers=False) if not entry.alive()]
    tombstones, undecided = _bury_orphans(ring) if ring.multi_producer and dead else (0, [])
    # Whose claim is undecided keeps its entry: it is what makes the next repair look again.
    kept = [
        e
        for e in dead
        if any(kernels.claim_covers(RingProducer.of(e.address), seq) for seq in undecided)
    ]
    producers = sum(e.free() for e in dead if e not in kept)
    consumers = 0
    for entry in registered(ring, consumers=True):
        if not entry.alive():
            reader = _kind(ring, entry.address) == layout.READER
            detach = reader and (detach_consumers or entry.held < 0)
            consumers += _detach(ring, entry) if detach else entry.free()
    kernels.wake_waiters(RingHeader.of(ring.address))
    return Repair(tombstones, producers, consumers, len(kept))


def _bury_orphans(ring: Buffer) -> tuple[int, list[int]]:
    """Make tombstones of the claimed, unpublished slots that no living producer's claim covers;
    returns how many, and the sequences that one covers.

    This is sound because a claim is written down before it is true (``kernels.claim``).  For every
    sequence <= CLAIMED, read first, the entry of the slot's owner covers the slot.
    """
    last = ring.claimed
    living = [e.address for e in registered(ring, consumers=False) if e.alive()]
    buried, covered = 0, []
    for seq, seen in _unpublished(ring, range(_first_unread(ring, last), last + 1)):
        if any(kernels.claim_covers(RingProducer.of(address), seq) for address in living):
            covered.append(seq)
        else:
            buried += kernels.bury(ring.address, ring.mask, ring.shift, seq, seen)
    return buried, covered


def bury_unpublished(ring: Buffer, seqs: range) -> int:
    """Make tombstones of those of the caller's own claimed sequences that it did not publish."""
    return sum(
        int(kernels.bury(ring.address, ring.mask, ring.shift, seq, seen))
        for seq, seen in _unpublished(ring, seqs)
    )


def _unpublished(ring: Buffer, seqs: range) -> Iterator[tuple[int, int]]:
    """Return the claimed sequences whose slots wait for them, with the stamp seen there."""
    for seq in seqs:
        seen = int(kernels.stamp_of(ring.address, ring.mask, ring.shift, seq))
        # Asked after the look at the stamp: what has been read may have been overwritten by the
        # next lap, and that stamp must not be taken for a missing one.
        if seen not in (seq, -seq) and _first_unread(ring, ring.claimed) <= seq:
            yield seq, seen


def _first_unread(ring: Buffer, last: int) -> int:
    """The oldest sequence whose slot still counts."""
    lowest = int(kernels.gating_cursor(RingHeader.of(ring.address)))
    oldest = max(0, last - ring.capacity) + 1
    return oldest if lowest == layout.FREE else max(lowest + 1, oldest)


def _detach(ring: Buffer, entry: Entry) -> int:
    """Stop a dead consumer from gating and free its entry; 1 for the one who did.

    Its entry is ours first: a successor who took it meanwhile must not lose its cursor.  The mark
    says that this cursor is on its way out, should we die over it.
    """
    ours = -ProcessIdentity.mine().word
    if not entry.holder.compare_and_set(entry.held, ours):
        return 0
    cursor = Sequence(entry.address)
    if entry.held > 0 and cursor.get() != layout.FREE:
        ring.words(entry.address - ring.address + layout.CONSUMER_SAVED)[0] = cursor.get()
    # Before the cursor: a producer that sees it FREE sees that readers may come back.
    Sequence(ring.address + layout.DETACHED).set(1)
    cursor.set(layout.FREE)
    return int(entry.holder.compare_and_set(ours, 0))


def unfinished_claims(
    ring: Buffer, worker: int, pool: int, done_marks: int
) -> list[tuple[int, int]]:
    """Runs (first, count) of records that the dead predecessor in a worker's entry claimed and did
    not finish.

    Its claim was written down before it was true, so each record is in one of three states.  It is
    marked done; or it is above the pool's cursor and was never claimed; or a claim covers it.  The
    claim is a living worker's (which owns it, or is about to find that it does not), the
    predecessor's, or another dead worker's.  Between successors of several dead workers a
    compare-and-swap on the done mark decides.
    """
    if Sequence(worker).get() == layout.FREE:
        return []
    base = ring.address
    first = int(ring.words(worker - base + layout.WORK_FIRST)[0])
    claimed_to = Sequence(worker + layout.WORK_LAST)
    last = abs(claimed_to.get())
    # Negative: an inherited claim.  Other successors need not wait until we have won or lost it.
    claimed_to.set(-last)
    seqs = range(first, min(last, Sequence(pool).get()) + 1)
    return _runs(ring, [seq for seq in seqs if _take_over(ring, worker, pool, done_marks, seq)])


def _take_over(ring: Buffer, worker: int, pool: int, done_marks: int, seq: int) -> bool:
    """Return whether the record is this worker's to do again; waits for a living one that may
    own it."""
    mark = Sequence(done_marks + 8 * (seq & ring.mask))
    # One word for "seq will be done again by this entry": distinguished from done marks by its
    # sign.
    ours = -(seq * layout.MAX_CONSUMERS + _index(ring, worker))
    while True:
        seen = mark.get()
        # Another stamp: a tombstone, or a claim that came to nothing and a record done laps ago.
        # What the predecessor owned has kept its slot, because its cursor gates.
        if seen == seq or not _in_its_slot(ring, seq):
            return False
        if seen < 0 and -seen // layout.MAX_CONSUMERS == seq:
            return seen == ours
        # The mark is swapped from what was seen before the look at the others: one that has
        # finished in between has changed it.
        if any(_holds(ring, other, seq) for other in _other_workers(ring, worker, pool)):
            time.sleep(0.0005)
        elif mark.compare_and_set(seen, ours):
            return True


def _in_its_slot(ring: Buffer, seq: int) -> bool:
    return int(kernels.stamp_of(ring.address, ring.mask, ring.shift, seq)) == seq


def _other_workers(ring: Buffer, worker: int, pool: int) -> list[int]:
    """Living workers of the same pool."""
    return [
        e.address
        for e in registered(ring, consumers=True)
        if e.address != worker
        and _kind(ring, e.address) == layout.WORKER
        and int(ring.words(e.address - ring.address + layout.CONSUMER_POOL)[0])
        == _index(ring, pool)
        and e.alive()
    ]


def _kind(ring: Buffer, entry: int) -> int:
    return int(ring.words(entry - ring.address + layout.CONSUMER_KIND)[0])


def _index(ring: Buffer, entry: int) -> int:
    return (entry - ring.address - layout.CONSUMERS) // layout.CONSUMER_BYTES


def _holds(ring: Buffer, worker: int, seq: int) -> bool:
    """The worker's own claim, made or about to be made, has the record; an inherited one (its last
    sequence is negative) has not."""
    at = worker - ring.address
    if Sequence(worker).get() == layout.FREE:
        return False
    first, last = (int(ring.words(at + w)[0]) for w in (layout.WORK_FIRST, layout.WORK_LAST))
    return first <= seq <= last


def _runs(ring: Buffer, seqs: list[int]) -> list[tuple[int, int]]:
    """Sequences as runs that are contiguous in memory."""
    runs: list[tuple[int, int]] = []
    for seq in seqs:
        if runs and seq == sum(runs[-1]) and seq & ring.mask:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((seq, 1))
    return runs


class DeathWatch(Closing):
    """Holds a pidfd for every process registered on a ring: its becoming readable is the proof.

    Call :meth:`refresh` when other processes have registered.  A process that it then finds dead is
    identified by its start time.  Close it or use it in a ``with`` block.
    """

    def __init__(self, ring: Buffer) -> None:
        self.ring = ring
        self._poll = select.poll()
        self._watched: dict[int, ProcessIdentity] = {}
        self._found_dead: list[ProcessIdentity] = []
        self.refresh()

    def refresh(self) -> None:
        """Watch processes that came since, and dead ones still in an entry."""
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
            self._found_dead.append(who)
            return
        # The number may have passed to another process before it was opened.
        if not who.alive():
            os.close(fd)
            self._found_dead.append(who)
            return
        self._watched[fd] = who
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_s: float) -> list[ProcessIdentity]:
        """The processes that have died; waits up to ``timeout_s`` for the first."""
        dead, self._found_dead = self._found_dead, []
        for fd, _ in self._poll.poll(0 if dead else timeout_s * 1000):
            dead.append(self._watched.pop(fd))
            self._poll.unregister(fd)
            os.close(fd)
        return dead

    def close(self) -> None:
        """Close the descriptors; nothing is watched any more."""
        for fd in self._watched:
            os.close(fd)
        self._watched.clear()
