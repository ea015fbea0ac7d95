"""What /metrics says of limits and of the feed is what the venue says of them elsewhere."""

from openoutcry.operations.metrics import VenueMetrics
from openoutcry.venue.file import read_venue
from tests.support.waiting import wait_until


def values(floor):
    metrics = VenueMetrics(read_venue(floor.file))
    return {
        (sample.name, sample.labels.get("limit") or sample.labels.get("session")): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def test_how_much_of_a_limit_is_used(floor, anna):
    floor.quote(3)
    metrics = values(floor)
    assert metrics["outcry_limit_used_ratio", "open_orders"] > 0

    def same(rows):
        shares = [
            int(one["used"]) / int(one["value"])
            for row in rows
            for one in row["limits"]
            if one["limit"] == "open_orders"
        ]
        return max(shares) == metrics["outcry_limit_used_ratio", "open_orders"]

    anna.look("/api/participants", same)  # the page looks once a second
    assert metrics["outcry_limits_near", "open_orders"] == 0
    assert metrics["outcry_limit_used_ratio", "gross_position"] == 0
    assert metrics["outcry_session_sequence", "ONE"] == 0


def test_what_became_of_the_feed(floor):
    floor.trade(3_000_000)
    # What is acknowledged is not yet what the feed has sent.
    wait_until(lambda: values(floor)["outcry_feed_messages_total", None] >= 20)
    metrics = values(floor)
    assert metrics["outcry_feed_lines", None] == 1
    assert metrics["outcry_feed_packets_total", None] > 0
    assert metrics["outcry_feed_requests_refused_total", None] == 0
