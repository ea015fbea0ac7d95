"""Participants trade at a venue over OUCH 4.2: they log in, are answered, and after everything was
killed recover their stream from any number; the next day has a stream of its own."""

from pathlib import Path

from openoutcry.order_entry.sessions_checkpoint import newest_seq
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S

SESSIONS = """
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:PORT"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
"""


def refused(venue: ServedVenue) -> str:
    """Why the venue does not start."""
    venue.start()
    assert venue.process is not None
    _, err = venue.process.communicate(timeout=BOUND_S)
    assert venue.process.returncode != 0
    return err


def test_a_session_over_two_days_and_a_kill(tmp_path: Path) -> None:
    port = free_port()
    text = SESSIONS.replace("PORT", str(port)).replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", port=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    assert client.answer == ("A", b"  20261123" + b"1".rjust(20))
    client.enter("A", symbol="GOLD")
    assert client.message()[0] == "A"
    before = list(client.messages)
    venue.kill()
    client.close()
    file = tmp_path / "venue.toml"
    (row,) = text.split("[[session]]")[1:]
    second = row.replace("ONE", "TWO")
    file.write_text(file.read_text().replace(f"[[session]]{row}", f"[[session]]{second}"))
    assert "session 1 was ONE OUCH42 of participant 1, not TWO" in refused(venue)
    file.write_text(f"{file.read_text()}[[session]]{row}".replace("TWO", "XXX"))
    file.write_text(file.read_text().replace("ONE", "TWO").replace("XXX", "ONE"))
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    client.message()
    assert client.messages == before
    client.close()
    assert Client(port, "TWO").answer[0] == "A", "a new session, behind the one that was there"
    venue.set_time("2026-11-23T18:00")
    venue.wait_for(lambda status: status["state"] == "closed")
    assert newest_seq(venue.journal) > 0, "the next day begins from there"
    venue.set_time("2026-11-24T10:00")
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    assert client.answer[1][:10] == b"  20261124"
    client.close()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
