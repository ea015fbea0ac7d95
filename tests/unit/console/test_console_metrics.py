"""What /metrics says of limits and of the feed is what the venue says of them elsewhere."""

from openoutcry.operations.limits_used import add_limits
from openoutcry.operations.metrics import Families, seconds_to_full


def test_who_is_near_a_limit():
    class Used:
        def shares(self, participants):
            return {"open_orders": [0.1, 0.899, 0.9, 1.0], "exposure_buy": []}

    out = Families()
    add_limits(out, Used(), [1, 2, 3, 4], "TEST")
    metrics = {
        (one.name, one.labels["limit"]): one.value
        for family in out.families.values()
        for one in family.samples
    }
    assert metrics["outcry_limits_near", "open_orders"] == 2
    assert metrics["outcry_limit_used_ratio", "open_orders"] == 1.0
    assert metrics["outcry_limit_used_ratio", "exposure_buy"] == 0.0


def test_when_the_disk_is_full():
    assert seconds_to_full([(0.0, 1_000), (10.0, 900)]) == 90.0
    assert seconds_to_full([(0.0, 1_000)]) == float("inf")
    assert seconds_to_full([(0.0, 1_000), (10.0, 1_100)]) == float("inf")
