"""Sessions over shared memory under kills and hostile writes, one part of each;
``python -m tests.support.order_entry.shm_storms`` does a thousand kills and ten million writes."""

import pytest

from tests.support.order_entry.shm_storms import WRITES, kills_done, run, writes_done


@pytest.mark.promise(
    "After the death of either side a session over shared memory continues by number, "
    "without losing or repeating a request or a reply",
    group="venue",
)
@pytest.mark.promise(
    "What a participant over shared memory writes against the rules ends its session by name, "
    "and harms no other",
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
