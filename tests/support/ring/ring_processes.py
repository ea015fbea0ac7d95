"""Real processes around a ring: records that prove themselves, forked children, shared words."""

import itertools
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import ProcessIdentity, layout
from openoutcry.ring.kernels import claim_work, mark_done, publish_shared, release_worker
from openoutcry.ring.layout import RingConsumer, RingHeader, RingProducer
from openoutcry.ring.segment import segment_name
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import load_acquire, load_i64, store_i64, store_release, yield_cpu
from openoutcry.wire.record_blocks import Slot
from tests.support.waiting import wait_until

NUMBER_BITS = 40

_names = itertools.count()


def ring_name(what: str) -> str:
    """A name that no other ring of this process has."""
    return segment_name(ProcessIdentity.mine(), f"test-{what}-{next(_names)}")


# Records that prove themselves


def record_dtype(size_bytes: int) -> np.dtype[Any]:
    """``id``, words that follow from it, and the stamp."""
    return np.dtype([("id", "<i8"), ("words", "<i8", (size_bytes // 8 - 2,)), ("stamp", "<i8")])


RECORD = record_dtype(64)


def make_records(
    producer: int, first: int, count: int, dtype: np.dtype[Any] = RECORD
) -> npt.NDArray[Any]:
    """Records ``first``, ``first + 1``, … of a producer."""
    records = np.zeros(count, dtype)
    fill(records, producer, first)
    return records


def fill(records: npt.NDArray[Any], producer: int, first: int) -> None:
    """Write records in place; the stamp is left alone."""
    records["id"] = (producer << NUMBER_BITS) + np.arange(first, first + len(records))
    records["words"] = _words(records)


def _words(records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """What the words of records with these ids must be: a different multiple in each place, so
    that a line of one record beside a line of another is seen."""
    places = np.arange(3, 3 + records["words"].shape[1])
    return (records["id"][:, None] * places) ^ (places * 0x9E3779B9)


def check_whole(records: npt.NDArray[Any], first_seq: int) -> None:
    """Each record is one that was published, and stands at its sequence."""
    stamps = list(range(first_seq, first_seq + len(records)))
    assert records["stamp"].tolist() == stamps
    torn = np.flatnonzero((records["words"] != _words(records)).any(axis=1))
    assert not len(torn), f"sequence {first_seq + int(torn[0])} is torn: {records[torn[0]]}"


def split_ids(ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Producer and number of each id."""
    return ids >> NUMBER_BITS, ids & ((1 << NUMBER_BITS) - 1)


# Memory and children


def shared_words(count: int) -> npt.NDArray[np.int64]:
    """int64 zeros that forked children share with us."""
    return np.frombuffer(mmap.mmap(-1, 8 * count), np.int64)


def fork(work: Callable[..., None], *arguments: Any) -> int:
    """Run ``work`` in a child; it exits with 0, or with 1 and a traceback.  Returns the pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


class Children:
    """Forked children; none outlives the ``with`` block."""

    def __init__(self) -> None:
        self.pids: set[int] = set()

    def fork(self, work: Callable[..., None], *arguments: Any) -> int:
        pid = fork(work, *arguments)
        self.pids.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL, and wait until it is over."""
        os.kill(pid, signal.SIGKILL)
        self.reap(pid)

    def reap(self, pid: int) -> int:
        """Wait for the child's end; its exit code, negative for a signal."""
        self.pids.discard(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def join(self, pids: Iterable[int]) -> None:
        """All of them end with 0, in time."""
        for pid in pids:
            wait_until(lambda pid=pid: has_ended(pid), f"child {pid} has ended")
            code = self.reap(pid)
            assert code == 0, f"child {pid} ended with {code}"

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in list(self.pids):
            self.kill(pid)


def has_ended(pid: int) -> bool:
    """The child is a zombie, ours to reap."""
    done = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return done is not None


def process_state(pid: int) -> str:
    """R runnable, S asleep, T stopped, Z dead (proc(5), /proc/PID/stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def pause_for_ever() -> None:
    while True:
        signal.pause()


# Loops in kernels: nearly all their time is spent between the protocol's own instructions.  Here
# and not in a test file, because a cached kernel is found again by the name of its module.


@kernel
def produce_compiled(
    ring: RingHeader,
    mask: int,
    shift: int,
    entry: RingProducer,
    record: int,
    first_id: int,
    stop: int,
    intended: int,
    returned: int,
    limit: int,
) -> None:
    """Publish one record after the other until told to stop; a record is an id and six words."""
    while SharedWord(stop).value == 0 and load_i64(intended) < limit:
        number = load_i64(intended) + 1
        SharedWord(intended).value = number
        store_i64(record, first_id + number)
        for word in range(6):
            Words(record + 8)[word] = ((first_id + number) * (word + 3)) ^ salt(word)
        while publish_shared(ring, mask, shift, entry, record, 1, 1) == 0:
            yield_cpu()
        store_release(returned + 8 * number, 1)


@kernel
def salt(word: int) -> int:
    return (word + 3) * 0x9E3779B9


@kernel
def work_compiled(
    ring: RingHeader,
    mask: int,
    shift: int,
    pool: SharedWord,
    worker: RingConsumer,
    done: int,
    limit: int,
    taken: int,
    finishing: int,
    finished: int,
) -> int:
    """Take and finish until the ring is closed; returns how many records were taken that were
    finished before, or were no records."""
    wrong = 0
    while ring.closed_at != SharedWord(pool).value + 1:
        count = claim_work(ring, mask, shift, pool, worker, 0, limit)
        if count == 0:
            yield_cpu()
            continue
        first = worker.work_first
        for seq in range(first, first + count):
            slot = Slot(ring + layout.SLOTS + ((seq & mask) << shift))
            wrong += Words(slot)[1] != (load_i64(slot) * 3) ^ salt(0)
            wrong += slot.seq != seq
            wrong += load_acquire(finished + 8 * seq)
            Words(taken)[seq] += 1
            store_release(finishing + 8 * seq, 1)
        mark_done(done, mask, first, count)
        release_worker(worker)
        for seq in range(first, first + count):
            store_release(finished + 8 * seq, 1)
    return wrong


# Grids


def pairwise(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Few combinations in which every pair of values of every two axes occurs (greedy, always the
    same)."""
    grid = list(itertools.product(*axes))
    pairs = {pair for row in grid for pair in _pairs(row)}
    chosen = []
    while pairs:
        best = max(grid, key=lambda row: len(_pairs(row) & pairs))
        pairs -= _pairs(best)
        chosen.append(best)
    return chosen


def _pairs(row: tuple[Any, ...]) -> set[Any]:
    return set(itertools.combinations(enumerate(row), 2))
