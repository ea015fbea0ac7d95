"""The feed's process dies again and again: it is restarted while it publishes anything at all."""

import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.market_data import public_feed as module
from openoutcry.market_data.public_feed import CRASH_LOOP_RESTARTS, NAME, PublicFeed
from openoutcry.market_data.spec import FeedSpec
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_journal import make_journal
from tests.support.market_data.feed_support import flow
from tests.support.waiting import BOUND_S


class Supervised(PublicFeed):
    """A process without a run, as its supervisor sees it."""

    def __init__(self) -> None:
        import mmap

        self.spec = type("Spec", (), dict.fromkeys(("depth", "pages", "stream", "fix")))()
        self.name = NAME
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = np.frombuffer(self._map, np.int64)
        self._words[module.SENT] = module.NOTHING_SENT
        self.pid = self._crash_restarts = self._clamped_reported = self._restarts = 0
        self.others = []
        self._sent_at_start = module.NOTHING_SENT
        self.requests = self.snapshots = self.stream = self.pages = self.fix = None


def lives_of(tells, most):
    """What is noted of a feed whose every process dies; ``tells``: after a message."""

    def die(public):
        if tells:
            public.note_sent(1, max(0, public.sent_of(1)) + 1)
        os._exit(7)

    feed, notes, until = Supervised(), [], time.monotonic() + BOUND_S
    feed.start(die)
    while feed.pid and len(notes) < most:
        assert time.monotonic() < until
        feed.poll(notes.append)
        time.sleep(0.001)
    stays = feed.pid == 0
    feed.close()
    return notes, stays


def test_one_that_reports_nothing_stays_away_after_five_more_tries():
    notes, stays = lives_of(False, 100)
    assert stays
    assert len(notes) == CRASH_LOOP_RESTARTS + 1
    assert all(note.endswith("restarted") for note in notes[:-1])
    assert notes[-1].endswith(
        f"{CRASH_LOOP_RESTARTS} times without publishing; it is not restarted"
    )


@pytest.mark.parametrize("most", [3 * CRASH_LOOP_RESTARTS])
def test_one_that_reports_something_each_time_is_started_again(most):
    notes, stays = lives_of(True, most)
    assert not stays
    assert len(notes) == most
    assert all(note.endswith("restarted") for note in notes)


NOWHERE = "192.0.2.7"
"""An address that no interface has (RFC 5737)."""


@pytest.mark.parametrize(
    ("outlet", "words"),
    [
        ({"interface": NOWHERE}, f"cannot send by the interface {NOWHERE}"),
        ({"pages": (NOWHERE, 1)}, f"cannot serve pages on {NOWHERE}:1"),
        ({"stream": (NOWHERE, 1)}, f"cannot serve the stream on {NOWHERE}:1"),
    ],
)
def test_what_cannot_be_had_is_reported_before_any_process_begins(tmp_path, outlet, words):
    run, _, _ = flow(1, 20)
    home = make_journal(tmp_path / "j", run.instruments, run.orders, run.order_capacity)
    shared = SimpleNamespace(
        sequenced=SimpleNamespace(published=0),
        control=SimpleNamespace(block=SimpleNamespace(epoch_offset=0)),
        stamps_of=lambda stage: np.zeros(8, np.int64),
    )
    spec = FeedSpec(("239.193.0.1", 26400), **outlet)
    with pytest.raises(FeedError, match=words):
        PublicFeed(spec, shared, run.instruments, run.order_capacity, home)
