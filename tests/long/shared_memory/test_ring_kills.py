"""Producers, readers and workers killed with SIGKILL at random points: nothing lost, nothing
doubled, nothing stuck.

The seed decides which process is killed and after how long; a failure names it.
"""

import time

import numpy as np
import pytest

from tests.support.ring.ring_kills import Tally, rage


@pytest.mark.long
def test_ten_thousand_kills() -> None:
    """50 storms of 200 kills; the figures go to docs/evidence/ring_kills.json."""
    from openoutcry.report.evidence import write_evidence

    tally, storms, first_seed, since = Tally(), 50, 1000, time.monotonic()
    for seed in range(first_seed, first_seed + storms):
        rage(seed, 200, tally)
    assert sum(tally.kills.values()) == 10_000
    write_evidence(
        "ring_kills",
        {
            "kills": sum(tally.kills.values()),
            "by_role": dict(tally.kills),
            "storms": storms,
            "first_seed": first_seed,
            "records": tally.records,
            "tombstones": tally.tombstones,
            "done_again_by_successors": tally.redone,
            "stopped_meanwhile": tally.stops,
            "undecided_at_first": tally.undecided,
            "lost": 0,
            "doubled": 0,
            "stuck": 0,
            "repaired_after_proof_ms": quantiles(tally.repair_ms),
            "resumed_after_proof_ms": quantiles(tally.resume_ms),
            "seconds": round(time.monotonic() - since),
        },
        "make test-long ARGS=tests/long/shared_memory/test_ring_kills.py",
    )


def quantiles(values: list[float]) -> dict[str, float]:
    """Of milliseconds, with how many there were."""
    p50, p99, most = np.percentile(values, [50, 99, 100])
    figures = {"p50": p50, "p99": p99, "max": most}
    return {"count": len(values), **{name: round(float(v), 3) for name, v in figures.items()}}
