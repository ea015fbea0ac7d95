"""What the portal's reader releases is what a core in the same process makes of the journal,
whenever the reader or a process that reads with it is killed."""

import errno
import os
import signal
import time
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.host.processes import fork, is_stopped
from openoutcry.portal.trading import released
from openoutcry.portal.trading.follower import Follower
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.reject import NotReady
from openoutcry.portal.trading.released import Reader, Released, ReleasedMemory, read
from openoutcry.risk.movements import MovementState
from openoutcry.venue.file import read_venue
from tests.support.ledger.spot_venue import MARKETS, trade_at_random, traded_day
from tests.support.waiting import wait_until

PLACES = "before", "changing", "written", "long", "after"
"""Where a reader is killed: before a step, with the state changed and not the file, with a part of
the step in the file, with the file longer and its last command not named, and with all of it there
and the lock still held."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A venue's file, with two days of trading in its journal."""
    floor = traded_day(tmp_path_factory.mktemp("venue"))
    trade_at_random(floor, ["2024-10-01T10:00", "2024-10-01T15:30", "2024-10-02T09:30"], 7)
    floor.close()
    return read_venue(floor.file)


class Killable(Reader):
    """A reader of what is released up to a word that the test sets, which kills itself."""

    def __init__(self, file, memory, bound, at=0, place=""):
        super().__init__(file, memory)
        self.bound, self.at, self.place = bound, at, place

    def released_seq(self):
        return max(int(self.bound[0]), self.memory.words.log_seq)

    def may_die(self, seq, place):
        if self.at and seq >= self.at and place == self.place:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.at and seq >= self.at and (place, self.place) == ("changing", "full"):
            raise OSError(errno.ENOSPC, "no space")

    def _step(self, block, commands, *more):
        seq = int(commands["seq"][-1])
        self.may_die(seq, "before")
        memory, words = self.memory, self.memory.words

        def put(step, whole=memory.put):
            self.may_die(seq, "changing")
            if self.place == "written" and seq >= self.at:
                os.pwrite(memory.log.fileno(), b"\xff" * 99, words.log_bytes)
                self.may_die(seq, "written")
            before = words.log_seq
            whole(step)
            if self.place == "long" and seq >= self.at:
                words.log_seq = before
                self.may_die(seq, "long")
            self.may_die(seq, "after")

        memory.put = put
        try:
            return super()._step(block, commands, *more)
        finally:
            del memory.put


class World:
    """A memory, its reader in a process, and a mirror of it here; beside it a mirror with a core
    of its own."""

    def __init__(self, file, folder, monkeypatch):
        self.file, self.memory = file, ReleasedMemory(folder)
        self.bound = np.frombuffer(released.mmap.mmap(-1, 4096), np.int64)
        monkeypatch.setattr(released, "Reader", lambda *made_of: self.made(*made_of))
        self.kill_at = 0, ""
        self.reader = 0
        self.source = Released(file, self.memory)
        self.mirror = Mirror(self.source, lambda participant: True)
        self.plain = Mirror(Follower(file), lambda participant: True)
        self.told = [], []
        for mirror, told in zip((self.mirror, self.plain), self.told, strict=True):
            mirror.listeners.append(lambda moment, told=told: told.extend(shown(moment)))

    def made(self, file, memory):
        return Killable(file, memory, self.bound, *self.kill_at)

    def start(self, at=0, place=""):
        self.kill_at = at, place
        self.reader = fork(lambda: read(self.file, self.memory), name="reader")

    def ended(self):
        """As the portal's first process does once a reader has ended."""
        os.waitpid(self.reader, 0)
        self.memory.words.is_ready = self.reader = 0

    def kill(self):
        if self.reader:
            os.kill(self.reader, signal.SIGKILL)
            self.ended()

    def come_to(self, seq):
        """Both mirrors."""
        wait_until(lambda: self.memory.words.is_ready, "the reader is there")
        wait_until(lambda: self.mirror.poll() or self.mirror.seq >= seq, f"command {seq}")
        wait_until(lambda: not self.mirror.poll() and self.mirror.seq >= seq, f"command {seq}")
        while self.plain.poll(seq):
            pass
        assert self.mirror.seq == self.plain.seq == seq

    def require_same(self):
        assert self.told[0] == self.told[1]
        assert state_of(self.mirror) == state_of(self.plain)
        core = self.plain.source.held
        with core() as state:
            there = {(row[1] & 0xFFFF, row[0], row[2]) for row in state.view.open_orders()}
        assert {
            (order.instrument, order.core_id, order.leaves_lots)
            for own in self.mirror.orders.of.values()
            for order in own.open.values()
        } == there


def shown(moment):
    for one in moment.changes:
        terms = one.order.number, one.execution, one.state, one.lots, one.executed_lots
        fill = one.fill and (one.fill.number, one.fill.lots, one.fill.fee_units)
        yield one.event_seq, *terms, one.client_id, one.time_ns, fill
    yield from moment.trades


def state_of(mirror):
    with mirror.as_of_seq():
        return (
            mirror.seq,
            mirror.time_ns,
            mirror.phases,
            [mirror.balances(who) for who in range(6)],
            [mirror.movements(MovementState, who) for who in range(6)],
            [mirror.depth(name.encode(), 50) for name in MARKETS],
            [mirror.best(name.encode()) for name in MARKETS],
            [mirror.state_of(index) for index in range(3)],
            [mirror.fee_terms(who, 1) for who in range(6)],
        )


@pytest.fixture
def world(file, tmp_path, monkeypatch):
    made = World(file, tmp_path, monkeypatch)
    yield made
    made.kill()


def last_of(file):
    follower = Follower(file)
    while follower.poll():
        pass
    return follower.seq


def ends_of(file):
    """The last command of each block, where a reader may have come to."""
    follower, ends = Follower(file), []
    assert follower.begin()
    for block in follower.reader.all_blocks(1):
        if block.header.commands and block.header.first_seq:
            ends.append(block.header.first_seq + block.header.commands - 1)
    return ends


@pytest.mark.promise(
    "One process of a portal executes the venue's commands for all that serve. Wherever it is "
    "killed, these continue with the same orders, trades, wallets and books, and each event once",
    group="portal",
)
@pytest.mark.parametrize("seed", range(2))
def test_a_killed_reader_is_continued_without_a_wrong_or_missing_event(world, file, seed):
    rng, ends = np.random.default_rng(seed), ends_of(file)
    bounds = sorted(rng.choice(ends[3:-1], 12, replace=False).tolist())
    world.bound[0] = bounds[0]
    world.start()
    world.come_to(bounds[0])
    world.require_same()
    for number, (before, bound) in enumerate(pairwise(bounds)):
        world.kill()
        with pytest.raises(NotReady):
            world.mirror.balances(1)
        assert world.mirror.poll() == 0
        world.bound[0] = bound
        world.start(int(rng.integers(before + 1, bound + 1)), PLACES[number % len(PLACES)])
        # It may be ready for a moment before the command at which it dies.
        while os.waitid(os.P_PID, world.reader, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            world.mirror.poll()
        world.ended()
        world.start()
        world.come_to(bound)
        world.require_same()
    world.bound[0] = ends[-1]
    world.come_to(ends[-1])
    world.require_same()
    assert world.told[0]


def test_a_process_that_begins_later_has_all_that_was(world, file):
    world.bound[0] = last_of(file)
    world.start()
    world.come_to(world.bound[0])
    late = Mirror(Released(file, world.memory), lambda participant: True)
    told = []
    late.listeners.append(lambda moment: told.extend(shown(moment)))
    assert late.source.wait_until_begun()
    while late.poll():
        pass
    assert told == world.told[1]
    assert state_of(late) == state_of(world.plain)


def test_the_state_is_of_the_moment_of_a_listener(world, file, monkeypatch):
    """Also where the reader goes on between what a process takes and its look at the wallets."""
    seen, ends, steps = {}, ends_of(file), world.source.steps
    world.mirror.listeners.append(
        lambda moment: seen.update({moment.seq: [world.mirror.balances(n) for n in range(6)]})
    )
    world.bound[0] = ends[0]
    world.start()
    world.come_to(ends[0])
    left = ends[1:]

    def go_on():
        world.bound[0] = left.pop(0)
        wait_until(lambda: world.source._ask() or world.memory.words.log_seq >= world.bound[0])

    def and_goes_on(until_seq):
        yield from steps(until_seq)
        if left:
            go_on()

    monkeypatch.setattr(world.source, "steps", and_goes_on)
    while left:
        go_on()
        world.mirror.poll()
    world.come_to(ends[-1])
    assert len(seen) > 5
    plain = Mirror(Follower(file), lambda participant: True)
    for seq in sorted(seen):
        while plain.poll(seq):
            pass
        assert plain.seq == seq
        assert [plain.balances(n) for n in range(6)] == seen[seq]


@contextmanager
def holder(memory):
    """A process that holds the state and is stopped."""
    asks, tells = os.pipe()

    def hold():
        with memory.shared():
            os.write(tells, b"!")
            os.kill(os.getpid(), signal.SIGSTOP)

    pid = fork(hold)
    os.read(asks, 1)
    try:
        yield pid
    finally:
        os.close(asks)
        os.close(tells)


def test_a_process_that_was_stopped_while_it_reads_is_ended(world, file, monkeypatch):
    """The reader waits for it, for a while."""
    monkeypatch.setattr(released, "HOLD_S", 0.3)
    ends = ends_of(file)
    world.bound[0] = ends[5]
    world.start()
    world.come_to(ends[5])
    with holder(world.memory) as pid:
        begun_s = time.monotonic()
        world.bound[0] = ends[-1]
        world.come_to(ends[-1])
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        assert time.monotonic() - begun_s >= 0.3
    world.require_same()


def test_a_process_that_reads_for_long_and_was_not_stopped_is_waited_for(world, file, monkeypatch):
    """It may compile a kernel: ended, the next one would compile it again."""
    monkeypatch.setattr(released, "HOLD_S", 0.05)
    ends = ends_of(file)
    world.bound[0] = ends[5]
    world.start()
    world.come_to(ends[5])
    with world.memory.shared():
        world.bound[0] = ends[-1]
        time.sleep(0.5)
        assert world.memory.words.log_seq == ends[5]
    world.come_to(ends[-1])
    world.require_same()


def test_a_reader_that_does_not_answer_is_known(world, file, monkeypatch):
    monkeypatch.setattr(released, "HOLD_S", 5.0)
    ends = ends_of(file)
    world.bound[0] = ends[5]
    world.start()
    world.come_to(ends[5])

    def is_stuck(now_s):
        return world.memory.is_stuck(now_s, world.reader)

    assert not is_stuck(0.0)
    assert not is_stuck(1_000.0), "nothing is wanted of it"
    os.kill(world.reader, signal.SIGSTOP)
    world.mirror.poll()
    wait_until(lambda: is_stopped(world.reader), "it is stopped")
    assert not is_stuck(2_000.0)
    assert not is_stuck(2_004.0)
    assert is_stuck(2_006.0)
    monkeypatch.setattr(released, "is_stopped", lambda pid: False)
    assert not is_stuck(2_006.0), "one that runs may be slow"
    assert is_stuck(2_121.0)
    os.kill(world.reader, signal.SIGCONT)
    wait_until(lambda: not is_stuck(3_000.0), "it answers")


def test_a_reader_whose_disk_is_full_ends_and_is_continued(world, file):
    ends = ends_of(file)
    world.bound[0] = ends[-1]
    world.start(ends[6] + 1, "full")
    world.ended()
    assert world.memory.words.is_changing, "no command is left out"
    world.start()
    world.come_to(ends[-1])
    world.require_same()


def test_a_portal_without_a_journal_waits_for_none(file, tmp_path):
    memory = ReleasedMemory(tmp_path)
    nowhere = SimpleNamespace(**{name: getattr(file, name) for name in ("sessions", "replication")})
    nowhere.journal = tmp_path / "none"
    source = Released(nowhere, memory)
    assert not source.wait_until_begun()
    assert not source.is_restarting
