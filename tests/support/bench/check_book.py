"""What the tests of check book in several tiers share."""

from tests.support.flow.recordings import DATA

HOUR = DATA / "lobster_aapl_hour"
