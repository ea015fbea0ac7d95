"""A million random defaults: no participant with equity ends below 0 by a takeover, a participant
that has nothing is not asked, and nothing stays missing that one of the other side could pay."""

import os
import time

import pytest

from tests.support.risk.defaults import RandomDefaults
from tests.support.tally import Tally

TESTED = ("risk", "matcher", "derivatives", "wire", "venue/waterfall.py", "tests/support/risk")
DEFAULTS, A_SEED = 1_000_000, 2_000
COUNTED = ("defaults", "takeovers", "poor")


@pytest.mark.long
def test_a_million_random_defaults_take_no_solvent_participant_below_nothing():
    """OUTCRY_TAKEOVERS_SECONDS stops it sooner, OUTCRY_TALLY is the folder from which the next call
    goes on."""
    tally = Tally("takeovers", TESTED)
    seconds = int(os.environ.get("OUTCRY_TAKEOVERS_SECONDS", 0))
    started = before = time.monotonic()
    while tally.figures["defaults"] < DEFAULTS and (not seconds or before - started < seconds):
        world = RandomDefaults(10_000 + tally.seeds)
        while world.defaults < A_SEED:
            world.round()
        now = time.monotonic()
        tally.add(1, **{name: getattr(world, name) for name in COUNTED}, seconds=now - before)
        before = now
    print({name: int(tally.figures[name]) for name in COUNTED} | {"seeds": tally.seeds})
