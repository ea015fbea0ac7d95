"""Nobody gets past a limit, whatever is tried: larger replaces, icebergs, stops that elect each
other, pegs, auctions, self-trades, mass cancels; looked at after every command."""

import os
import time

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.risk.risk_never_past import PARTICIPANTS, mixed_never_past, swarm_never_past


def seconds(default=0):
    """Stop after this long (OUTCRY_RISK_SECONDS), and say how far it came."""
    return int(os.environ.get("OUTCRY_RISK_SECONDS", default)) or float("inf")


@pytest.mark.long
def test_a_hundred_million_commands_never_past_a_limit():
    """Looked at after every command; OUTCRY_RISK_EVIDENCE=1 writes the figures to docs/evidence."""
    started, commands, refused, events, seed = time.monotonic(), 0, 0, 0, 1_000
    bumped_commands = 0
    while commands < 100_000_000 and time.monotonic() - started < seconds():
        waits = seed % 4 >= 2
        delayed = 512 if waits else 0
        refused += mixed_never_past(200_000, seed, protection=seed % 2 == 1, delayed=delayed)
        commands += 200_000
        bumped_commands += 200_000 * waits
        for number in range(100):
            drawn = 10_000 + 100 * seed + number
            more, event_count = swarm_never_past(drawn, 2_000, delayed=64 if waits else 0)
            refused, events = refused + more, events + event_count
            bumped_commands += 2_000 if event_count and waits else 0
            commands += 2_000 if event_count else 0
        seed += 1
    took_s = time.monotonic() - started
    figures = {
        "commands": commands,
        "refused_by_a_limit": refused,
        "past_a_limit": 0,
        "first_seed": 1_000,
        "last_seed": seed - 1,
        "participants": PARTICIPANTS,
        "protected": "every second piece",
        "with_a_speed_bump": bumped_commands,
        "seconds": round(took_s, 1),
        "commands_per_s": round(commands / took_s),
    }
    print(figures)
    if os.environ.get("OUTCRY_RISK_EVIDENCE"):
        command = "make test-long ARGS=tests/long/core/test_risk_never_past.py"
        limit = os.environ.get("OUTCRY_RISK_SECONDS")
        write_evidence("risk_hostile", figures, f"OUTCRY_RISK_SECONDS={limit} {command}")
