"""Both ends of FIX sessions are killed in mid-traffic, over and over: every order that was sent is
in the book once, every report comes once, and what is sent again is what it was."""

import os
import random

import pytest

from tests.support.order_entry.fix_kill import SESSIONS, check_again, kill_everything, storm
from tests.support.order_entry.sessions_venue import Venue, kill_stage


@pytest.mark.promise(
    "A token or message that comes again is not executed again, also after everything was killed",
    group="venue",
)
@pytest.mark.long
def test_everything_is_killed_many_times(tmp_path):
    kill_everything(tmp_path, rounds=int(os.environ.get("OUTCRY_KILLS", "10")))


@pytest.mark.long
def test_the_stage_is_killed_while_the_rest_lives(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal", durability="durable", housekeeping_cores=0) as venue:

        def break_it():
            kill_stage(venue)

        check_again(venue, storm(venue, break_it, 3, random.Random(5)))
        assert len(venue.report["restarts"]) == 3
