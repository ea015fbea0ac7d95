"""Producers, readers and workers killed with SIGKILL at random points: nothing lost, nothing
doubled, nothing stuck.

The seed decides which process is killed and after how long; a failure names it.
"""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.ring import (
    DeathWatch,
    ProcessIdentity,
    Producer,
    RingBuffer,
    WaitStrategy,
    Worker,
    layout,
    repair,
)
from openoutcry.wire.kernel import compile_kernel
from tests.support.ring.ring_processes import (
    NUMBER_BITS,
    RECORD,
    Children,
    check_whole,
    fill,
    has_ended,
    make_records,
    produce_compiled,
    ring_name,
    shared_words,
    split_ids,
    work_compiled,
)
from tests.support.waiting import BOUND_S, wait_until

SEQ_MAX = 1 << 21
"""Producers stop here; a storm of some hundred kills stays far below."""
PIECE_MAX, BATCH_MAX, TAKE_MAX = 6, 8, 3
PRODUCERS, WORKERS = 3, 2
# "b" stays behind both "a" and the pool.
READERS = {"a": (), "b": ("a", "pool")}
ROLES = [
    *(("producer", str(i)) for i in range(1, PRODUCERS + 1)),
    *(("worker", str(i)) for i in range(WORKERS)),
    *(("reader", name) for name in READERS),
]
Role = tuple[str, str]
Words = npt.NDArray[np.int64]


@dataclass
class Ledger:
    """What the processes have written down; it outlives them."""

    stop: Words = field(default_factory=lambda: shared_words(1))
    # By role: its process has taken its place.
    at_work: Words = field(default_factory=lambda: shared_words(len(ROLES)))
    # By producer: the last number it has set out to publish, so that no number is ever used twice.
    intended: Words = field(default_factory=lambda: shared_words(PRODUCERS + 1))
    # By producer and number: its publish() has returned.
    returned: Words = field(
        default_factory=lambda: shared_words((PRODUCERS + 1) * SEQ_MAX).reshape(PRODUCERS + 1, -1)
    )
    # By sequence: the id that each reader saw, and how often.
    seen: dict[str, Words] = field(
        default_factory=lambda: {name: shared_words(SEQ_MAX) for name in READERS}
    )
    times: dict[str, Words] = field(
        default_factory=lambda: {name: shared_words(SEQ_MAX) for name in READERS}
    )
    # By sequence: how often each worker took it, who has it now, that it came as far as finish(),
    # and that finish() has returned.
    taken: Words = field(
        default_factory=lambda: shared_words(WORKERS * SEQ_MAX).reshape(WORKERS, -1)
    )
    holder: Words = field(default_factory=lambda: shared_words(SEQ_MAX))
    finishing: Words = field(default_factory=lambda: shared_words(SEQ_MAX))
    finished: Words = field(default_factory=lambda: shared_words(SEQ_MAX))


@dataclass
class Tally:
    """What came of storms."""

    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    records: int = 0
    tombstones: int = 0
    undecided: int = 0
    redone: int = 0
    repair_ms: list[float] = field(default_factory=list)
    resume_ms: list[float] = field(default_factory=list)


class Storm:
    """A ring of several producers, its processes, and a supervisor that kills and replaces them."""

    def __init__(
        self, seed: int, capacity: int, strategy: WaitStrategy, compiled: bool, tally: Tally
    ) -> None:
        self.seed, self.strategy, self.compiled, self.tally = seed, strategy, compiled, tally
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.ring = RingBuffer.create(
            ring_name("storm"),
            capacity,
            RECORD,
            READERS,
            pools={"pool": WORKERS},
            multi_producer=True,
            blocking=strategy.sleeps,
        )
        self.children = Children()
        self.pids: dict[Role, int] = {}
        self.started = 0

    # What the processes do

    def produce(self, name: str, seed: int) -> None:
        """Publish pieces of random size, copied or in place, until told to stop."""
        book, ring, producer, rng = self.ledger, self.ring, int(name), random.Random(seed)
        with ring.producer() as out:
            book.at_work[ROLES.index(("producer", name))] = 1
            if self.compiled:
                self.run_compiled_producer(out, producer)
            while not book.stop[0] and ring.claimed < SEQ_MAX - 1000:
                first, size = int(book.intended[producer]) + 1, rng.randint(1, PIECE_MAX)
                book.intended[producer] = first + size - 1
                if rng.random() < 0.5:
                    out.publish(make_records(producer, first, size))
                else:
                    claim, at = out.claim(size), first
                    for view in claim.views:
                        fill(view, producer, at)
                        at += len(view)
                    dawdle(rng, 0.5)
                    claim.publish()
                book.returned[producer, first : first + size] = 1

    def run_compiled_producer(self, out: Producer, producer: int) -> None:
        book, ring, record = self.ledger, self.ring, np.zeros(1, RECORD)
        produce_compiled(
            ring.address,
            ring.mask,
            ring.shift,
            out.entry,
            record.ctypes.data,
            producer << NUMBER_BITS,
            book.stop.ctypes.data,
            book.intended[producer:].ctypes.data,
            book.returned[producer].ctypes.data,
            SEQ_MAX // (PRODUCERS + 1),
        )

    def run_compiled_worker(self, worker: Worker, row: Words) -> None:
        book, ring = self.ledger, self.ring
        wrong = work_compiled(
            ring.address,
            ring.mask,
            ring.shift,
            worker.pool,
            worker.entry,
            worker._done,
            TAKE_MAX,
            row.ctypes.data,
            book.finishing.ctypes.data,
            book.finished.ctypes.data,
        )
        assert wrong == 0

    def read(self, name: str, seed: int) -> None:
        seen, times, rng = self.ledger.seen[name], self.ledger.times[name], random.Random(seed)
        reader = self.ring.reader(name, self.strategy)
        self.ledger.at_work[ROLES.index(("reader", name))] = 1
        while not reader.at_end:
            batch = reader.poll(BATCH_MAX)
            if not len(batch):
                reader.wait(1)
                continue
            seqs = batch["stamp"]
            check_whole(batch, reader.cursor.get() + 1)
            assert np.isin(seen[seqs] - batch["id"], (0, *-batch["id"])).all(), "another record"
            seen[seqs] = batch["id"]
            times[seqs] += 1
            dawdle(rng)
            reader.release(len(batch))

    def work(self, name: str, seed: int) -> None:
        book, rng, row = self.ledger, random.Random(seed), self.ledger.taken[int(name)]
        worker = self.ring.worker("pool", self.strategy)
        book.at_work[ROLES.index(("worker", name))] = 1
        while not worker.at_end:
            if self.compiled and not worker._inherited:
                self.run_compiled_worker(worker, row)
                return
            batch = worker.take(rng.randint(1, TAKE_MAX))
            if not len(batch):
                worker.wait(1)
                continue
            seqs = batch["stamp"].copy()
            check_whole(batch, int(seqs[0]))
            assert not book.finished[seqs].any(), "done again after it was finished"
            book.holder[seqs] = os.getpid()
            row[seqs] += 1
            assert (book.holder[seqs] == os.getpid()).all(), "two workers hold one record"
            dawdle(rng)
            book.finishing[seqs] = 1
            worker.finish()
            book.finished[seqs] = 1

    # What the supervisor does

    def start(self, role: Role) -> None:
        kind, name = role
        work = {"producer": self.produce, "reader": self.read, "worker": self.work}[kind]
        self.started += 1
        self.ledger.at_work[ROLES.index(role)] = 0
        self.pids[role] = self.children.fork(work, name, self.seed * 1_000_003 + self.started)

    def rage(self, kills: int) -> None:
        """Kill ``kills`` processes, replacing each; then stop, and check everything."""
        for role in ROLES:
            self.start(role)
        done = 0
        with DeathWatch(self.ring) as watch:
            while done < kills:
                # A process needs some ms to start: mostly it is killed later, sometimes before.
                if self.rng.random() < 0.9:
                    wait_until(lambda: bool(self.ledger.at_work.all()))
                time.sleep(self.rng.uniform(0, 0.01))
                victims = self.rng.sample(
                    ROLES, min(kills - done, self.rng.choice((1, 1, 1, 2, 7)))
                )
                self.kill_and_replace(victims, watch)
                done += len(victims)
        self.finish()

    def kill_and_replace(self, victims: list[Role], watch: DeathWatch) -> None:
        assert not any(has_ended(pid) for pid in self.pids.values()), "one ended by itself"
        stopped = self.stop_others(victims)
        watch.refresh()
        for role in victims:
            os.kill(self.pids[role], signal.SIGKILL)
            self.tally.kills[role[0]] += 1
        self.prove({self.pids[role] for role in victims}, watch)
        # A successor of a reader or a worker may also find out for itself.
        if any(kind == "producer" for kind, _ in victims) or self.rng.random() < 0.7:
            self.repair_and_time(stopped)
        for role in victims:
            self.start(role)
        self.go_on(stopped)

    def stop_others(self, victims: list[Role]) -> list[int]:
        """Now and then producers and workers stand still, wherever they are, while others die and
        are repaired: they must not be taken for dead."""
        if self.rng.random() < 0.7:
            return []
        others = [role for role in ROLES if role[0] != "reader" and role not in victims]
        stopped = [self.pids[role] for role in others if self.rng.random() < 0.5]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        self.tally.stops += len(stopped)
        return stopped

    @staticmethod
    def go_on(stopped: list[int]) -> None:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    def prove(self, pids: set[int], watch: DeathWatch) -> None:
        """By pidfd for those who had registered; the others were nobody yet."""
        watched = {who.pid for who in watch._watched.values()} & pids
        while watched:
            dead = {who.pid for who in watch.wait(BOUND_S)}
            assert dead, f"seed {self.seed}: no proof of death of {watched}"
            watched -= dead
        self.proven = time.perf_counter()
        for pid in pids:
            self.children.reap(pid)

    def repair_and_time(self, stopped: list[int]) -> None:
        before = self.cursors()
        result = repair(self.ring)
        self.tally.repair_ms.append(1e3 * (time.perf_counter() - self.proven))
        if result.undecided:
            self.tally.undecided += 1
            self.go_on(stopped)
            wait_until(lambda: repair(self.ring).undecided == 0)
        held = [int(self._entry(i)[layout.CONSUMER_HOLDER // 8]) for i in self._reader_places()]
        holders = {ProcessIdentity.of_word(word).pid for word in held}
        if result.tombstones and not stopped and holders <= set(self.children.pids):
            # The readers live, so what the hole held back goes on now.
            deadline = time.perf_counter() + BOUND_S
            while self.cursors() == before:
                assert time.perf_counter() < deadline, f"seed {self.seed}: stuck after repair"
            self.tally.resume_ms.append(1e3 * (time.perf_counter() - self.proven))

    def finish(self) -> None:
        """No more kills: the producers come to their end, then everybody else."""
        repair(self.ring)
        self.ledger.stop[0] = 1
        self.join("producer")
        # A producer's last claim may have been undecided while others lived.
        wait_until(lambda: repair(self.ring).undecided == 0)
        self.ring.close()
        self.join("worker")
        self.join("reader")
        self.check()

    def join(self, kind: str) -> None:
        self.children.join([pid for role, pid in self.pids.items() if role[0] == kind])

    def check(self) -> None:
        """Every claimed sequence is a record that everybody saw, or a tombstone that nobody did."""
        book, ring, tally = self.ledger, self.ring, self.tally
        last = ring.claimed
        span = slice(1, last + 1)
        ids = book.seen["a"][span]
        there = ids != 0
        assert last - int(there.sum()) == ring.tombstones
        assert np.array_equal(book.seen["b"][span], ids), "readers saw different records"
        for times in (book.times["a"], book.times["b"], book.taken.sum(axis=0)):
            assert np.array_equal(times[span] > 0, there), "a published record was lost"
            assert not times[last + 1 :].any()
        assert np.array_equal(book.finishing[span] == 1, there), "a worker's record was lost"
        self.check_producers(ids[there])
        again = [int((t[span][there] - 1).sum()) for t in (*book.times.values(), book.taken.sum(0))]
        assert sum(again[:2]) <= BATCH_MAX * tally.kills["reader"]
        assert again[2] <= TAKE_MAX * tally.kills["worker"]
        tally.records += int(there.sum())
        tally.tombstones += ring.tombstones
        tally.redone += sum(again)

    def check_producers(self, ids: Words) -> None:
        """Check for each producer that everything for which publish() returned is there, in order
        and once."""
        by, numbers = split_ids(ids)
        for producer in range(1, PRODUCERS + 1):
            mine = numbers[by == producer]
            assert (np.diff(mine) > 0).all(), f"producer {producer}: doubled or out of order"
            missing = np.setdiff1d(np.flatnonzero(self.ledger.returned[producer]), mine)
            assert not len(missing), f"producer {producer}: {missing[:5]} lost"
            assert not len(mine) or mine[-1] <= self.ledger.intended[producer] < 1 << NUMBER_BITS

    def cursors(self) -> list[int]:
        return [int(self.ring.cursors[name][0]) for name in READERS]

    def _reader_places(self) -> list[int]:
        return [self.ring.consumer_names.index(name) for name in READERS]

    def _entry(self, place: int) -> Words:
        return self.ring.words(layout.CONSUMERS + place * layout.CONSUMER_BYTES, 16)

    def __enter__(self) -> "Storm":
        return self

    def __exit__(self, *_: object) -> None:
        self.children.__exit__()
        self.ring.unlink()


def dawdle(rng: random.Random, how_often: float = 0.1) -> None:
    """Be slow where a kill hurts."""
    if rng.random() < how_often:
        time.sleep(rng.uniform(0, 0.002))


KINDS = [
    (capacity, strategy, compiled)
    for compiled in (False, True)
    for strategy in (WaitStrategy.YIELD, WaitStrategy.BLOCK, WaitStrategy.ADAPTIVE)
    for capacity in (8, 64)
]


def warm_up() -> None:
    """Load every kernel here, once: a child that had to would be killed before it had done so."""
    compile_kernel(produce_compiled, 10)
    compile_kernel(work_compiled, 10)
    for strategy in WaitStrategy:
        with RingBuffer.create(
            ring_name("warm"),
            8,
            RECORD,
            ["a"],
            pools={"pool": 1},
            multi_producer=True,
            blocking=True,
        ) as ring:
            with ring.producer() as producer:
                producer.publish(make_records(1, 1, 2))
                producer.claim(1).publish()
                producer.claim(1)
            reader, worker = ring.reader("a", strategy), ring.worker("pool", strategy)
            assert reader.wait(BOUND_S)
            reader.release(len(reader.poll()))
            assert worker.wait(BOUND_S)
            worker.take()
            worker.finish()
            ring.close()
            repair(ring)


def rage(seed: int, kills: int, tally: Tally) -> None:
    warm_up()
    capacity, strategy, compiled = KINDS[seed % len(KINDS)]
    with Storm(seed, capacity, strategy, compiled, tally) as storm:
        try:
            storm.rage(kills)
        except BaseException:
            how = "compiled" if compiled else "Python"
            print(f"seed {seed}: capacity {capacity}, {strategy.name}, {how}, {kills} kills")
            raise


LONG = (0, 3, 4, 7, 8, 11)
"""For each strategy `make test` has either capacity once, in Python or compiled."""


@pytest.mark.parametrize(
    "seed",
    [pytest.param(n, marks=pytest.mark.long if n in LONG else ()) for n in range(len(KINDS))],
)
def test_kills_at_random_points_lose_and_double_nothing(seed: int) -> None:
    """8 kills each, 96 in all: two capacities under three wait strategies, loops in Python (long
    between claim and publish) and compiled (always between two steps of the protocol)."""
    rage(seed, 8, Tally())


@pytest.mark.long
def test_ten_thousand_kills() -> None:
    """50 storms of 200 kills; the figures go to docs/evidence/ring_kills.json."""
    from openoutcry.report.evidence import write_evidence

    tally, storms, first_seed, since = Tally(), 50, 1000, time.monotonic()
    for seed in range(first_seed, first_seed + storms):
        rage(seed, 200, tally)
    assert sum(tally.kills.values()) == 10_000
    write_evidence(
        "ring_kills",
        {
            "kills": sum(tally.kills.values()),
            "by_role": dict(tally.kills),
            "storms": storms,
            "first_seed": first_seed,
            "records": tally.records,
            "tombstones": tally.tombstones,
            "done_again_by_successors": tally.redone,
            "stopped_meanwhile": tally.stops,
            "undecided_at_first": tally.undecided,
            "lost": 0,
            "doubled": 0,
            "stuck": 0,
            "repaired_after_proof_ms": quantiles(tally.repair_ms),
            "resumed_after_proof_ms": quantiles(tally.resume_ms),
            "seconds": round(time.monotonic() - since),
        },
        "make test-long ARGS=tests/system/shared_memory/test_ring_kills.py",
    )


def quantiles(values: list[float]) -> dict[str, float]:
    """Return quantiles of milliseconds, with their count."""
    p50, p99, most = np.percentile(values, [50, 99, 100])
    figures = {"p50": p50, "p99": p99, "max": most}
    return {"count": len(values), **{name: round(float(v), 3) for name, v in figures.items()}}
