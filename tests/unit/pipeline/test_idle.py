"""A process that has nothing to do leaves the core to others."""

import resource
import select
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.host.info import isolated_cores
from openoutcry.pipeline import journal_thread, worker
from openoutcry.pipeline.journal_thread import Idle
from openoutcry.pipeline.worker import QUIET_NS
from openoutcry.runtime import control, loop, words
from openoutcry.runtime.words import StageContext
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import kernel


class Hands:
    """A stage whose steps do what is listed, on a clock that only sleep moves."""

    def __init__(self, steps):
        self.steps, self.now_s, self.slept = list(steps), 0.0, []

    def step(self):
        return self.steps.pop(0)

    @property
    def finished(self):
        return not self.steps

    def outcome(self):
        return {"slept": self.slept}

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def slept(monkeypatch):
    def run(steps):
        stage = Hands(steps)
        monkeypatch.setattr(worker, "make_stage", lambda work, row: stage)
        monkeypatch.setattr(worker, "mark_ready", lambda shared, names: None)
        monkeypatch.setattr(worker.os, "sched_setscheduler", lambda *arguments: None)
        monkeypatch.setattr(journal_thread, "time", stage)
        row = SimpleNamespace(name="replica")
        return worker._run_python(SimpleNamespace(shared=None, durability="durable"), row)["slept"]

    return run


def test_a_short_wait_is_answered_at_once(slept):
    assert slept([0, 0, 1, 0, 1]) == [journal_thread.MIN_SLEEP_S] * 3


def test_a_long_wait_is_a_share_of_itself_and_bounded(slept):
    waits = slept([0] * 3000)
    waited = 0.0
    for one in waits:
        bounded = min(
            max(waited / journal_thread.IDLE_SHARE, journal_thread.MIN_SLEEP_S),
            journal_thread.MAX_SLEEP_S,
        )
        longer = min(waited / journal_thread.LONG_SHARE, journal_thread.LONG_SLEEP_S)
        assert one == pytest.approx(max(bounded, longer))
        waited += one
    assert waits[-1] == journal_thread.LONG_SLEEP_S


def test_work_makes_it_awake_again(slept):
    assert slept([0] * 3000 + [5, 0])[-1] == journal_thread.MIN_SLEEP_S


@kernel
def nothing_to_do(context: int) -> int:
    return 0


def naps_of(nap_us, busy_ns, crowded_ns=0):
    """How often a loop of one idle stage sleeps in a slice; None if others had its core meanwhile,
    so that it slept to let them."""
    block, context = np.zeros(16, np.int64), np.zeros(words.CONTEXT_BYTES // 8, np.int64)
    context[words.BLOCK // 8] = block.ctypes.data
    plan = np.array([kernel_address(nothing_to_do, 1), context.ctypes.data, 0], np.int64)
    nap = np.zeros(loop.NAP_WORDS, np.int64)
    nap[:4] = nap_us, busy_ns, crowded_ns, QUIET_NS
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    ended = loop.run_stages(plan.ctypes.data, 1, 0, 20_000_000, 10, 0, nap.ctypes.data)
    assert ended == loop.TIME_UP
    assert control.StageBlock(block.ctypes.data).heartbeat_ns > 0
    assert nap.tolist()[:2] == [nap_us, busy_ns]
    if nap[2] != crowded_ns:
        return None
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_a_loop_sleeps_only_in_quiet_times_and_where_it_may():
    long_ago = time.monotonic_ns() - 2 * QUIET_NS
    # A slice may pass while somebody else has the core.
    assert any(naps_of(500, long_ago) for _ in range(5))
    for nap_us, busy_ns in ((0, long_ago), (500, 0), (500, time.monotonic_ns() + 2**40)):
        # A page that has to be waited for would count as well.
        counts = [naps_of(nap_us, busy_ns) for _ in range(5)]
        assert min((c for c in counts if c is not None), default=0) == 0, (nap_us, busy_ns)


@kernel
def work_now_and_then(context: int) -> int:
    calls = StageContext(context).block.stalled_ns + 1
    StageContext(context).block.stalled_ns = calls
    return 1 if calls % (2 * loop.WOKEN_SPINS) == 0 else 0


def sleeps_on_a_crowded_core(unwatched):
    """How often a loop sleeps in a slice that has work after each 2 * WOKEN_SPINS looks."""
    block, context = np.zeros(16, np.int64), np.zeros(words.CONTEXT_BYTES // 8, np.int64)
    context[words.BLOCK // 8] = block.ctypes.data
    plan = np.array([kernel_address(work_now_and_then, 1), context.ctypes.data, 0], np.int64)
    nap, watched = np.zeros(loop.NAP_WORDS, np.int64), np.array([unwatched, 0], np.int64)
    nap[:4] = 500, time.monotonic_ns(), 2**62, QUIET_NS
    with select.epoll() as epoll:
        nap[loop.NAP_EPOLL // 8] = epoll.fileno()
        nap[loop.NAP_UNWATCHED // 8] = watched.ctypes.data
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        loop.run_stages(plan.ctypes.data, 1, 0, 20_000_000, 10_000, 0, nap.ctypes.data)
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_a_loop_on_a_crowded_core_stays_awake_for_work_that_no_socket_shows():
    assert min(sleeps_on_a_crowded_core(0) for _ in range(5)) > 0
    assert min(sleeps_on_a_crowded_core(1) for _ in range(5)) == 0


def test_a_loop_sleeps_longer_the_longer_it_had_no_work():
    nap = np.zeros(loop.NAP_WORDS, np.int64)
    nap[loop.NAP_US // 8], nap[loop.NAP_BUSY_NS // 8] = 500, 7
    for quiet_ns, us in (
        (0, 500),
        (QUIET_NS, 500),
        (512_000_000, 2_000),
        (1_024_000_000, 4_000),
        (2**60, loop.MAX_NAP_US),
    ):
        assert loop.nap_us(nap.ctypes.data, 7 + quiet_ns, loop.ALONE_NS) == us


def test_what_comes_alone_does_not_keep_a_loop_awake():
    """A command a second is alone, and so is what follows it within 20 ms; a second one within
    0.1 s is not."""
    nap = np.zeros(loop.NAP_WORDS, np.int64)
    nap[:6] = 500, 1, 0, QUIET_NS, 1, 1
    address, second = nap.ctypes.data, 1_000_000_000
    for tick in range(1, 4):
        now = tick * second
        for after in (0, 5_000_000):
            loop.note_work(address, now + after)
            assert not loop.is_quiet(address, now + after + loop.SOON_NS)
            assert loop.is_quiet(address, now + after + loop.SOON_NS + 1)
            assert loop.nap_us(address, now + after + loop.SOON_NS + 1, loop.ALONE_NS) == 500
        assert loop.nap_us(address, now + 5_000_000 + loop.ALONE_NS, loop.ALONE_NS) > 500
    loop.note_work(address, now + 50_000_000)
    assert not loop.is_quiet(address, now + 50_000_000 + QUIET_NS)
    assert loop.is_quiet(address, now + 50_000_000 + QUIET_NS + 1)


def test_work_alone_lets_a_stage_of_python_sleep_again(slept):
    waits = slept([0] * 3000 + [1] + [0] * 400)[-400:]
    assert waits[0] == journal_thread.MIN_SLEEP_S
    assert waits[-1] > journal_thread.MAX_SLEEP_S
    alone = [one for one in waits if one == journal_thread.MAX_SLEEP_S]
    assert sum(alone) == pytest.approx(journal_thread.ALONE_S, rel=0.15)


def test_a_loop_on_a_crowded_core_sleeps_though_it_had_work_just_now():
    soon, busy = time.monotonic_ns() + 60_000_000_000, time.monotonic_ns() + 2**40
    assert any(naps_of(500, busy, crowded_ns=soon) for _ in range(5))
    assert min(naps_of(0, busy, crowded_ns=0) for _ in range(5)) == 0


def test_isolated_cores_are_read_as_the_kernel_lists_them(tmp_path):
    assert isolated_cores(tmp_path) == set()
    path = tmp_path / "sys/devices/system/cpu/isolated"
    path.parent.mkdir(parents=True)
    for text, cores in (("\n", set()), ("3\n", {3}), ("2-4,7\n", {2, 3, 4, 7})):
        path.write_text(text)
        assert isolated_cores(tmp_path) == cores


def test_a_process_that_sleeps_is_woken_by_work_of_a_loop_and_stays_awake_for_more():
    word = np.zeros(1, np.int64)
    wake = word.ctypes.data
    working = np.zeros(loop.NAP_WORDS, np.int64)
    working[loop.NAP_WAKE // 8] = wake
    idle = Idle(wake)
    idle._busy_s -= 3_600
    before_s = idle._work_s

    def sleep():
        while idle._work_s == before_s:
            idle.after(0)

    thread = threading.Thread(target=sleep)
    thread.start()
    while thread.is_alive():
        loop.wake_others(working.ctypes.data, time.monotonic_ns())
    thread.join()
    count = int(word[0])
    assert count > 0
    loop.wake_others(working.ctypes.data, int(working[loop.NAP_WOKE_NS // 8]) + loop.WAKE_NS)
    assert word[0] == count, "it was woken just now"
    loop.wake_others(working.ctypes.data, int(working[loop.NAP_WOKE_NS // 8]) + loop.WAKE_NS + 1)
    assert word[0] == count + 1


def test_a_socket_ends_a_long_sleep_unless_work_may_come_otherwise():
    ours, theirs = socket.socketpair()
    unwatched = np.zeros(2, np.int64)
    nap = np.zeros(loop.NAP_WORDS, np.int64)
    with ours, theirs, select.epoll() as epoll:
        epoll.register(ours.fileno(), select.EPOLLIN)
        nap[loop.NAP_US // 8], nap[loop.NAP_BUSY_NS // 8] = 500, 1
        nap[loop.NAP_EPOLL // 8] = epoll.fileno()
        nap[loop.NAP_UNWATCHED // 8] = unwatched.ctypes.data
        theirs.send(b"-")

        def was_asked(busy_ns=1, work=0):
            nap[loop.NAP_BUSY_NS // 8], unwatched[0] = busy_ns, work
            loop.doze(nap.ctypes.data, 2_000_000_000)
            return bool(nap[loop.Nap.offset("in_vain") // 8])

        assert was_asked()
        assert not was_asked(), "what nothing is done about does not keep the loop awake"
        assert was_asked()
        nap[loop.Nap.offset("in_vain") // 8] = 0  # there was work
        assert not was_asked(work=1), "something is in memory alone"
        assert not was_asked(busy_ns=1_900_000_000), "the quiet has just begun"


def test_a_crowded_loop_sleeps_until_a_socket_or_the_journal_wakes_it():
    ours, theirs = socket.socketpair()
    unwatched, asleep = np.zeros(2, np.int64), np.zeros(1, np.int64)
    nap = np.zeros(loop.NAP_WORDS, np.int64)
    with ours, theirs, select.epoll() as epoll:
        epoll.register(ours.fileno(), select.EPOLLIN)
        nap[loop.NAP_EPOLL // 8] = epoll.fileno()
        nap[loop.NAP_UNWATCHED // 8] = unwatched.ctypes.data
        unwatched[1] = 3
        theirs.send(b"-")
        address = nap.ctypes.data
        assert not loop.is_woken(address), "the journal does not know that it sleeps"
        nap[loop.NAP_ASLEEP // 8] = asleep.ctypes.data
        assert loop.is_woken(address)
        assert loop.let_others(address) == 0
        assert asleep[0] == 1, "it looks once more after it has said so"
        assert loop.let_others(address) == 1
        assert asleep[0] == 0
        assert not loop.is_woken(address), "what nothing is done about does not keep it awake"
        assert loop.let_others(address) == 0
        ours.recv(1)
        assert loop.let_others(address) == 0
        assert asleep[0] == 1
        loop.disarm(address)  # there was work
        assert asleep[0] == 0
        assert [loop.let_others(address) for _ in range(2)] == [0, 0], "a millisecond at most"
        unwatched[0] = 1
        assert not loop.is_woken(address)
