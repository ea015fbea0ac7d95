"""What the tests of metrics in several tiers share."""

import pytest

from openoutcry.wire.enums import TimeInForce
from tests.support.venue.served_venue import ServedVenue, orders


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venue")
    served_venue = ServedVenue(folder, "2026-01-05T08:30:00")
    served_venue.start()
    served_venue.wait_for_phase("PRE_OPEN")
    served_venue.set_time("2026-01-05T10:00:00")
    served_venue.wait_for_phase("CONTINUOUS")
    served_venue.send(orders(1, 100, TimeInForce.DAY))
    yield served_venue
    if served_venue.process.poll() is None:
        served_venue.stop()


def value(series, name, **labels):
    wanted = {"venue": "TEST", **labels}.items()
    (one,) = [v for (n, of), v in series.items() if n == name and wanted <= dict(of).items()]
    return one
