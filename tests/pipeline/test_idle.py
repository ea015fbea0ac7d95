"""A stage of Python that has nothing to do leaves the core to others."""

from types import SimpleNamespace

import pytest

from openoutcry.pipeline import worker


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
        monkeypatch.setattr(worker, "say_ready", lambda shared, names: None)
        monkeypatch.setattr(worker.os, "sched_setscheduler", lambda *arguments: None)
        monkeypatch.setattr(worker, "time", stage)
        row = SimpleNamespace(name="journal")
        return worker._run_python(SimpleNamespace(shared=None), row)["slept"]

    return run


def test_a_short_wait_is_answered_at_once(slept):
    assert slept([0, 0, 1, 0, 1]) == [worker.MIN_SLEEP_S] * 3


def test_a_long_wait_is_a_share_of_itself_and_bounded(slept):
    waits = slept([0] * 3000)
    waited = 0.0
    for one in waits:
        bounded = min(max(waited / worker.IDLE_SHARE, worker.MIN_SLEEP_S), worker.MAX_SLEEP_S)
        assert one == pytest.approx(bounded)
        waited += one
    assert waits[-1] == worker.MAX_SLEEP_S


def test_work_makes_it_awake_again(slept):
    assert slept([0] * 3000 + [5, 0])[-1] == worker.MIN_SLEEP_S
