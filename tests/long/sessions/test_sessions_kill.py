"""Everything is killed in mid-traffic, over and over, and started again: no acknowledged order is
lost, none is doubled, and each session's stream is from every number byte for byte what it was."""

import os

import pytest

from tests.support.order_entry.sessions_kill import kill_storm


@pytest.mark.promise(
    "A token or message that comes again is not executed again, also after everything was killed",
    group="venue",
)
@pytest.mark.long
def test_everything_is_killed_many_times(tmp_path):
    kill_storm("durable", tmp_path, rounds=int(os.environ.get("OUTCRY_KILLS", "10")))
