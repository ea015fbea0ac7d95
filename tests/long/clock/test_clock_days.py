"""Days of simulated time, quiet and with faults: the interval holds the truth in every second."""

import random

import numpy as np
import pytest

from openoutcry.ptp.page import WHY
from openoutcry.ptp.simulate import Simulation, World
from openoutcry.report.evidence import write_evidence
from tests.support.ptp.ptp_faults import KINDS, random_faults

DAY_S = 86_400
DAYS = 1
COMMAND = "make test-long ARGS=tests/long/clock/test_clock_days.py"


def a_run(table, kind, seed, faults):
    """``DAYS`` of one kind; the row of the evidence."""
    with Simulation(table, World(seed=seed), **KINDS[kind]) as simulation:
        due = random_faults(simulation, DAYS * DAY_S, random.Random(seed)) if faults else {}
        simulation.run(DAYS * DAY_S, due)
        drift = np.abs(simulation.drift_errors_ppb)
        return {
            "sources": kind,
            "seed": seed,
            "faults": len(due),
            "days": DAYS,
            "readings": simulation.readings,
            "violations": simulation.violations,
            "window_readings": simulation.window_readings,
            "window_violations": simulation.window_violations,
            "refused": {WHY[status]: count for status, count in simulation.refused.items()},
            "bound_p50_ns": float(np.percentile(simulation.bounds_ns, 50)),
            "bound_p99_ns": float(np.percentile(simulation.bounds_ns, 99)),
            "bound_max_ns": int(np.max(simulation.bounds_ns)),
            "drift_error_p99_ppb": float(np.percentile(drift, 99)) if len(drift) else None,
        }


@pytest.mark.long
def test_simulated_days_hold_the_truth(table):
    """Every kind of machine, a quiet day and three with everything going wrong at random: three
    readings a second, and none that was answered missed the truth; those between a suspend or a
    migration and the daemon's next look are counted by themselves."""
    rows = [
        a_run(table, kind, seed, faults)
        for seed, (kind, faults) in enumerate(
            ((kind, faults) for kind in KINDS for faults in (False, True, True, True)), start=1
        )
    ]
    write_evidence("clock_days", {"runs": rows}, COMMAND)
    assert sum(row["violations"] for row in rows) == 0
    for row in rows:
        assert row["readings"] > DAY_S
        if not row["faults"] and row["sources"] != "chrony":
            assert row["drift_error_p99_ppb"] <= 50
