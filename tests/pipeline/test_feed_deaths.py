"""The feed's process dies again and again: it is restarted while it publishes anything at all."""

import os
import time

import pytest

from openoutcry.pipeline import feed as module
from openoutcry.pipeline.feed import CRASH_LOOP_RESTARTS, NAME, PublicFeed

WAIT_S = 300


class Supervised(PublicFeed):
    """Of no run: what the supervisor has of the process alone."""

    def __init__(self) -> None:
        import mmap

        import numpy as np

        self.spec = type("Spec", (), dict.fromkeys(("depth", "pages", "stream")))()
        self.name = NAME
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = np.frombuffer(self._map, np.int64)
        self._words[module.SENT] = module.NOTHING_SENT
        self.pid = self._crash_restarts = self._clamped_reported = 0
        self._others = {}
        self._sent_at_start = module.NOTHING_SENT
        self.requests = self.snapshots = self.stream = None


def lives_of(monkeypatch, tells, most):
    """What is noted of a feed whose every process dies; ``tells``: after a message."""

    class Dying:
        def __init__(self, public):
            self.public = public

        def run(self):
            if tells:
                self.public.note_sent(1, max(0, self.public.sent_of(1)) + 1)
            os._exit(7)

    monkeypatch.setattr(module, "FeedProcess", Dying)
    feed, notes, until = Supervised(), [], time.monotonic() + WAIT_S
    feed.start()
    while feed.pid and len(notes) < most:
        assert time.monotonic() < until
        feed.poll(notes.append)
        time.sleep(0.001)
    stays = feed.pid == 0
    feed.close()
    return notes, stays


def test_one_that_tells_nothing_stays_away_after_five_more_tries(monkeypatch):
    notes, stays = lives_of(monkeypatch, False, 100)
    assert stays
    assert len(notes) == CRASH_LOOP_RESTARTS + 1
    assert all(note.endswith("restarted") for note in notes[:-1])
    assert notes[-1].endswith(
        f"{CRASH_LOOP_RESTARTS} times without publishing; it is not restarted"
    )


@pytest.mark.parametrize("most", [3 * CRASH_LOOP_RESTARTS])
def test_one_that_tells_something_each_time_is_started_again(monkeypatch, most):
    notes, stays = lives_of(monkeypatch, True, most)
    assert not stays
    assert len(notes) == most
    assert all(note.endswith("restarted") for note in notes)
