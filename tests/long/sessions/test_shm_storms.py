"""Sessions over shared memory under many kills and many hostile writes: OUTCRY_KILLS and
OUTCRY_WRITES say how many."""

import os

import pytest

from tests.support.order_entry.shm_storms import hostile, kills

KILLS = int(os.environ.get("OUTCRY_KILLS", "1000"))
WRITES = int(os.environ.get("OUTCRY_WRITES", "10000000"))


@pytest.mark.promise(
    "After the death of either side a session over shared memory continues by number, "
    "without losing or repeating a request or a reply",
    group="venue",
)
@pytest.mark.long
def test_a_thousand_kills_of_participants_and_of_the_sessions_process(tmp_path):
    kills(tmp_path, participants=KILLS * 9 // 10, stages=KILLS - KILLS * 9 // 10)


@pytest.mark.promise(
    "What a participant over shared memory writes against the rules ends its session by name, "
    "and harms no other",
    group="venue",
)
@pytest.mark.long
def test_ten_million_hostile_writes(tmp_path, capsys):
    report = hostile(tmp_path, WRITES, seed=17)
    assert report["ends"]
    with capsys.disabled():
        print(report)
