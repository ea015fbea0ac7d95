"""ptp/calibrate.py under random histories within its own assumptions: none misses the truth."""

import pytest

from openoutcry.ptp.leap import SECOND_NS
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.clock_histories import judge
from tests.support.ptp.ptp_faults import KINDS

SEEDS = 20


@pytest.mark.parametrize("first", range(0, 300, SEEDS))
def test_random_histories_hold_the_truth(first):
    """Drift within the bound, flips of the route, asymmetry that moves within the path delay, plain
    noise, silence: no reading is outside."""
    readings = 0
    for seed in range(first, first + SEEDS):
        count, outside = judge(seed)
        assert not outside, f"seed {seed}: {len(outside)} of {count}, first {outside[0]}"
        readings += count
    assert readings > 1_000


@pytest.mark.parametrize("kind", ["hardware", "software"])
@pytest.mark.parametrize("direction", [1, -1])
def test_asymmetry_that_moves_within_the_path_delay_and_then_silence(table, kind, direction):
    """It creeps from one end of what the source grants to the other while the line is made; in the
    four minutes of silence after that the line goes on at a wrong rate, within the bound."""
    world = {"path_ns": 20_000, "jitter_ns": 0.0, "spike_share": 0.0}
    with simulate(table, which=KINDS[kind] | {"chrony": False}, **world) as simulation:
        for step in range(70):
            share = direction * (2 * step / 69 - 1)
            simulation.world.asymmetry_ns = round(share * 2 * simulation.world.path_ns)
            simulation.run(1)
        simulation.world.gm_silent = True
        simulation.run(240)
        assert simulation.violations == 0
        assert simulation.readings > 600
        assert simulation.daemon.status.bound_ns < SECOND_NS
