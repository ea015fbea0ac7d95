"""The process of matcher and sessions in a dead one's place: one pass over the journal for both,
and ready before the matcher's memory is locked."""

import threading
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.order_entry.sessions import Sessions
from openoutcry.pipeline import worker
from openoutcry.runtime import loop
from openoutcry.runtime.control import CONTROL_BYTES, ControlSegment
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence


def traded(folder):
    """A venue in which two sessions have traded, with messages of both."""
    venue = InlineVenue([session("ALPHA", 1), session("BETA", 2)], folder)
    alpha, beta = venue.client("ALPHA"), venue.client("BETA")
    for number in range(20):
        alpha.enter(f"a{number}", "B", 2)
        beta.enter(f"b{number}", "S", 1)
    venue.step()
    return venue, [told(venue, name) for name in ("ALPHA", "BETA")]


def told(venue, name):
    """Every message of a session's stream, from a new login on."""
    venue.drop()
    venue.open()
    client, messages = venue.client(name), []
    with suppress(Silence):
        while True:
            messages.append(client.message())
    assert len(messages) > 20
    return messages


@pytest.mark.parametrize("is_shared", [True, False])
def test_streams_are_the_same_by_one_pass_and_by_two(tmp_path, monkeypatch, is_shared):
    passes = []
    recover, alone = Sessions.recover, worker.recover_from_any

    def of_the_matcher(*given):
        passes.append("matcher")
        return alone(*given)

    monkeypatch.setattr(worker, "recover_from_any", of_the_matcher)
    if not is_shared:
        monkeypatch.setattr(Sessions, "recover", lambda *given: None)
    venue, before = traded(tmp_path)
    assert bool(passes) is not is_shared
    monkeypatch.setattr(Sessions, "recover", recover if not is_shared else lambda *given: None)
    assert [told(venue, name) for name in ("ALPHA", "BETA")] == before
    assert passes
    venue.drop()


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_process_in_a_dead_one_s_place_is_ready_before_its_memory_is_locked(
    monkeypatch, restarts
):
    done = []
    stages = SimpleNamespace(engines={}, probe=1, run=lambda *given, **more: loop.FINISHED)
    stages.nap, stages.outcome = np.zeros(loop.NAP_WORDS, np.int64), dict
    block = np.zeros(CONTROL_BYTES // 8, np.int64)
    stage = SimpleNamespace(restarts=restarts)
    control = SimpleNamespace(stage=lambda index: stage, block=ControlSegment(block.ctypes.data))
    shared = SimpleNamespace(control=control, table=SimpleNamespace(index={"matcher": 3}))
    row = SimpleNamespace(compiled=True)
    work = SimpleNamespace(shared=shared, table={"matcher": row}, sessions=None)
    for name in ("keep_in_memory", "keep_in_memory_later", "mark_ready"):
        monkeypatch.setattr(worker, name, lambda *given, name=name: done.append(name))
    monkeypatch.setattr(worker, "CompiledStages", lambda *given: stages)
    monkeypatch.setattr(worker, "state_teller", lambda *given: None)
    monkeypatch.setattr(loop, "wake_sleepers", lambda wake: None)
    worker.run_group(work, SimpleNamespace(stages=("matcher",), core=0))
    later = ["mark_ready", "keep_in_memory_later"]
    assert done == (later if restarts else ["keep_in_memory", "mark_ready"])


def test_the_memory_is_locked_by_another_thread(monkeypatch):
    locked, done = [], threading.Event()

    def lock(address, size_bytes):
        locked.append((address, size_bytes, threading.current_thread().name))
        done.set()

    monkeypatch.setattr(worker, "lock_memory", lock)
    engine = SimpleNamespace(address=4_096, arena=np.zeros(64, np.uint8))
    worker.keep_in_memory_later(SimpleNamespace(engines={"matcher": engine}))
    assert done.wait(60)
    assert locked == [(4_096, 64, "lock memory")]
