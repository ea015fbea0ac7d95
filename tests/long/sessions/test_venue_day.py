"""A whole venue day of 24 hours, its clock moved on in steps between which orders come and go:
every phase fires, TIME goes forward, the journal is put away, and memory is flat."""

import json
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from openoutcry.order_entry import soupbin
from openoutcry.pipeline.top import running
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import CommandKind, Phase, TimeInForce
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue, orders
from tests.support.waiting import BOUND_S

STEP_MINUTES = 15
COMMANDS = 200
"""Orders of a step, each of them cancelled in it."""
SESSION_ORDERS = 50
"""And of a participant who logs in for it."""
MAX_GROWTH_BYTES = 4 << 20
"""Growth of each process, from the second quarter of the day to the last; a leak of 100 bytes a
command would be more."""
SESSION = """
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:PORT"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
timeout_ms = 600_000
"""
ROUND_THE_CLOCK = (
    VENUE[: VENUE.index("day = [")]
    + 'day = ["00:00 PRE_OPEN", "00:05 CONTINUOUS", "23:50 CLOSING_AUCTION", "23:55 CLOSED"]'
    + VENUE[VENUE.index('\n[[instrument]]\nsymbol = "GOLD"') :]
)


@pytest.mark.long
def test_a_day_of_24_hours(tmp_path: Path) -> None:
    port = free_port()
    sessions = SESSION.replace("PORT", str(port)).replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-11-23T00:06", PORT + sessions, ROUND_THE_CLOCK)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    names = stages(venue)
    memory: list[dict[int, int]] = []
    next_id = 1
    for minute in range(15, 24 * 60 - 10, STEP_MINUTES):
        now = f"2026-11-23T{minute // 60:02}:{minute % 60:02}"
        venue.set_time(now)
        batch = orders(next_id, COMMANDS, TimeInForce.DAY)
        cancels = batch.copy()
        cancels["kind"] = CommandKind.CANCEL
        both = np.stack([batch, cancels], axis=1).ravel()
        assert venue.send(both, timeout_s=BOUND_S)["acknowledged"] == 2 * COMMANDS
        trade_by_session(port, now)
        venue.wait_for(lambda status, now=now: status["time"].startswith(now))
        memory.append(venue.memories())
        next_id += COMMANDS
    venue.set_time("2026-11-23T23:56")
    venue.wait_for(lambda status: status["state"] == "closed")
    (day,) = [json.loads(line) for line in (venue.journal / "days.jsonl").open()]
    assert (day["day"], day["open_orders"]) == ("2026-11-23", 0)
    assert list(venue.journal.glob("checkpoint-*"))
    venue.stop()
    commands = venue.commands()
    times = commands["aux"][commands["kind"] == CommandKind.TIME]
    assert (np.diff(times) >= 0).all()
    phases = [Phase(phase) for _, phase in venue.phases()]
    assert phases[::2] == [Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.CLOSING_AUCTION, Phase.CLOSED]
    figures = {}
    for pid in set(memory[0]) & set(memory[-1]):
        held = np.array([one[pid] for one in memory])
        quarter = len(held) // 4
        second, last = median(held[quarter : 2 * quarter]), median(held[-quarter:])
        assert last - second < MAX_GROWTH_BYTES, (names.get(pid), held.tolist())
        hours = np.arange(len(held))[quarter:] * STEP_MINUTES / 60
        slope = np.polyfit(hours, held[quarter:], 1)[0]
        figures[f"{names.get(pid, 'other')} {len(figures)}"] = {
            "second_quarter_bytes": int(second),
            "last_quarter_bytes": int(last),
            "slope_bytes_per_hour": round(float(slope)),
        }
    write_evidence(
        "sessions_day",
        {
            "simulated_hours": 24,
            "steps": len(memory),
            "commands": len(commands),
            "session_orders": len(memory) * SESSION_ORDERS,
            "memory_by_process": figures,
            "phases": [phase.name for phase in phases[::2]],
        },
        "make test-long ARGS=tests/long/sessions/test_venue_day.py",
    )


def stages(venue: ServedVenue) -> dict[int, str]:
    """Names of its processes by pid; those that are no stage's have none."""
    assert venue.process is not None
    names = {venue.process.pid: "supervisor"}
    for pipeline in running():
        if pipeline.owner.pid == venue.process.pid:
            for row in pipeline.view(pipeline.positions(), 1)["stages"]:
                known = names.get(row["pid"])
                names[row["pid"]] = f"{known}+{row['name']}" if known else row["name"]
    return names


def trade_by_session(port: int, now: str) -> None:
    """A participant logs in, has orders of his answered, and logs out."""
    client = Client(port, "ONE", sequence=0)
    for number in range(SESSION_ORDERS):
        token = f"{now[-5:].replace(':', '')}{number}"
        client.enter(token, shares=1, symbol="TIN", price=10_000, time_in_force=0)
        assert [client.message()[0] for _ in range(2)] == ["A", "C"]
    client.socket.sendall(soupbin.LOGOUT_REQUEST)
    assert client.packet() == ("", b"")
    client.close()
