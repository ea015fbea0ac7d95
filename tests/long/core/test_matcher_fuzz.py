"""A hundred million random commands: ``make test-long ARGS=tests/long/core/test_matcher_fuzz.py``.

Seeds are shared out among processes.  Every seed is checked by laws that need no second engine
(conservation, restart from snapshots, shards, memory); each ``OUTCRY_FUZZ_EVERY``-th also against
the plain reference, event by event, and against the book rebuilt from its events, which is what
takes the time.

    OUTCRY_FUZZ_COMMANDS   how many commands in all (100,000,000)
    OUTCRY_FUZZ_SECONDS    stop after this long, and say how far it came (no limit)
    OUTCRY_FUZZ_EVERY      compare each so many-th seed with the reference
    OUTCRY_FUZZ_SEED       the first seed
    OUTCRY_FUZZ_EVIDENCE   1: write the figures to docs/evidence/matcher_fuzz.json
"""

import multiprocessing
import os
import time

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.matcher.matcher_fuzz import A_SEED, fuzz_share

COMMAND = "make test-long ARGS=tests/long/core/test_matcher_fuzz.py"


SETTINGS = ("COMMANDS", "SECONDS", "EVERY", "SEED", "EVIDENCE")


def setting(name: str, default: int) -> int:
    return int(os.environ.get(f"OUTCRY_FUZZ_{name}", default))


@pytest.mark.long
def test_a_hundred_million_random_commands_make_no_difference():
    """No seed breaks a law, and none of those compared differs from the reference in any byte."""
    commands, every = setting("COMMANDS", 100_000_000), setting("EVERY", 20)
    first, seconds = setting("SEED", 1_000_000), setting("SECONDS", 0)
    seeds = -(-commands // A_SEED)
    processes = len(os.sched_getaffinity(0))
    started = time.monotonic()
    deadline = started + seconds if seconds else float("inf")
    shares = [(first + k, processes, first + seeds, every, deadline) for k in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.map(fuzz_share, shares)
    took_s = time.monotonic() - started
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    assert total["seeds"] == seeds or seconds, "a share stopped early"
    assert total["with_reference"] > 0
    figures = {
        "commands": total["seeds"] * A_SEED,
        "compared_with_the_reference": total["with_reference"] * A_SEED,
        "checked_by_laws": total["seeds"] * A_SEED,
        "events": total["events"],
        "differences": 0,
        "first_seed": first,
        "seeds": total["seeds"],
        "commands_a_seed": A_SEED,
        "reference_each_nth_seed": every,
        "processes": processes,
        "seconds": round(took_s, 1),
        "commands_per_s": round(total["seeds"] * A_SEED / took_s),
    }
    print(figures)
    if setting("EVIDENCE", 0):
        options = [
            f"OUTCRY_FUZZ_{name}={os.environ[f'OUTCRY_FUZZ_{name}']}"
            for name in SETTINGS
            if f"OUTCRY_FUZZ_{name}" in os.environ
        ]
        write_evidence("matcher_fuzz", figures, " ".join([*options, COMMAND]))
