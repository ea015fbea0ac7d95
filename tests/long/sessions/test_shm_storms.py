"""Sessions over shared memory under kills and hostile writes, one part of each;
``python -m tests.support.order_entry.shm_storms`` does a thousand kills and ten million writes."""

import pytest

from tests.support.order_entry.shm_storms import WRITES, kills_done, run, writes_done


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
@pytest.mark.long
def test_a_storm_of_kills_and_of_hostile_writes_continues_where_it_was_stopped(tmp_path):
    state = tmp_path / "state.json"
    run(1, 1, state, seed=3)
    figures = run(101, 1, state, seed=3)
    assert (kills_done(figures), writes_done(figures)) == (200, WRITES)
    assert (figures["kills"]["lost"], figures["kills"]["doubled"]) == (0, 0)
    assert set(figures["hostile"]["ends"]) - {"NONE"}
