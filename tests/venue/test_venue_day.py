"""A whole venue day of 24 hours, its clock moved on in steps between which orders come and go:
every phase fires, TIME goes forward, the journal is put away, and memory is flat."""

import json
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from served_venue import VENUE, ServedVenue, orders

from openoutcry.wire.enums import CommandKind, Phase, TimeInForce

STEP_MINUTES = 15
COMMANDS = 200
"""Orders of a step, each of them cancelled in it."""
MOST_GROWTH_BYTES = 4 << 20
"""From the second quarter of the day to the last; a leak of 32 bytes a command would be more."""
ROUND_THE_CLOCK = (
    VENUE[: VENUE.index("day = [")]
    + 'day = ["00:00 PRE_OPEN", "00:05 CONTINUOUS", "23:50 CLOSING_AUCTION", "23:55 CLOSED"]'
    + VENUE[VENUE.index('\n[[instrument]]\nsymbol = "GOLD"') :]
)


@pytest.mark.long
def test_a_day_of_24_hours(tmp_path: Path) -> None:
    venue = ServedVenue(tmp_path, "2026-11-23T00:06", venue=ROUND_THE_CLOCK)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    memory, next_id = [], 1
    for minute in range(15, 24 * 60 - 10, STEP_MINUTES):
        now = f"2026-11-23T{minute // 60:02}:{minute % 60:02}"
        venue.set_time(now)
        batch = orders(next_id, COMMANDS, TimeInForce.DAY)
        cancels = batch.copy()
        cancels["kind"] = CommandKind.CANCEL
        both = np.stack([batch, cancels], axis=1).ravel()
        assert venue.send(both, timeout_s=120.0)["acknowledged"] == 2 * COMMANDS
        venue.wait_for(lambda status, now=now: status["time"].startswith(now))
        memory.append(venue.memory_bytes())
        next_id += COMMANDS
    venue.set_time("2026-11-23T23:56")
    venue.wait_for(lambda status: status["state"] == "closed")
    (day,) = [json.loads(line) for line in (venue.journal / "days.jsonl").open()]
    assert (day["day"], day["open_orders"]) == ("2026-11-23", 0)
    assert list(venue.journal.glob("checkpoint-*"))
    venue.stop()
    found = venue.commands()
    times = found["aux"][found["kind"] == CommandKind.TIME]
    assert (np.diff(times) >= 0).all()
    phases = [Phase(phase) for _, phase in venue.phases()]
    assert phases[::2] == [Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.CLOSING_AUCTION, Phase.CLOSED]
    quarter = len(memory) // 4
    grown = median(memory[-quarter:]) - median(memory[quarter : 2 * quarter])
    assert grown < MOST_GROWTH_BYTES, memory
