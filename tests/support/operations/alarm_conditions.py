"""What the tests of alarm conditions in several tiers share."""

import pytest

from openoutcry.venue.file import read_venue
from tests.support.console.console_venue import OPERATORS_HASH
from tests.support.operations.alarm_looks import Looks
from tests.support.order_entry.sessions_venue import HASH
from tests.support.processes import free_port
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue

CAPACITY = 64
MORE = f"""
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
queue_bytes = 4096
timeout_ms = 600_000
[[operator]]
name = "anna"
password = "{OPERATORS_HASH}"
[[operator]]
name = "bert"
password = "{OPERATORS_HASH}"
"""
driven = set()


def looks(name, venue=None):
    driven.add(name)
    return Looks(name, read_venue(venue.folder / "venue.toml") if venue else None)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    port = free_port()
    text = VENUE.replace("4096", f"{CAPACITY}\nfailures_before_lock = 2\nlock_s = 2")
    served_venue = ServedVenue(
        tmp_path_factory.mktemp("venue"),
        "2026-01-05T10:00:00",
        PORT + MORE.replace("OUCH", str(port)),
        text,
    )
    served_venue.ouch = port
    served_venue.start()
    served_venue.wait_for_phase("CONTINUOUS")
    yield served_venue
    served_venue.stop()
