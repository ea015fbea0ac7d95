"""What the tests of dump in several tiers share."""

import numpy as np
import pytest

from openoutcry.wire.enums import Side, TimeInForce
from tests.support.console.console_venue import OPERATORS_HASH, TOTP
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.served_venue import PORT, ServedVenue, orders

OPERATOR = f"""
[[operator]]
name = "anna"
password = "{OPERATORS_HASH}"
totp = "{TOTP}"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:0"
[[session]]
name = "P"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
"""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venue")
    served_venue = ServedVenue(folder, "2026-01-05T10:00:00", PORT + OPERATOR)
    served_venue.start()
    served_venue.wait_for_phase("CONTINUOUS")
    sent = orders(1, 40, TimeInForce.GTC)
    crossing = orders(100, 1, TimeInForce.GTC)
    crossing["side"], crossing["price_ticks"] = Side.SELL, 1_039
    served_venue.send(np.concatenate([sent, crossing]))
    yield served_venue
    if served_venue.process.poll() is None:
        served_venue.stop()
