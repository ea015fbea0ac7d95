"""report/cost.py: a price and a rate, and nothing else."""

import pytest

from openoutcry.report.cost import cost_table


def prices(*instances):
    rows = [
        {
            "provider": "Cloud",
            "instance": name,
            "vcpus": cores,
            "usd_per_hour": usd,
            "as_of": "2026-06",
            "source": "https://example.org",
        }
        for name, cores, usd in instances
    ]
    return {"figures": {"instances": rows}}


PIPELINE = {
    "figures": {"results": [{"name": "knee_durable", "median": 5_000_000.0}]},
    "host": {"cores_usable": 2},
}


def test_a_million_orders_are_a_fraction_of_an_hour():
    """5 M/s are 18,000 million orders an hour: at 0.09 USD each million is 5 µUSD."""
    lines = cost_table(prices(("big", 2, 0.18), ("small", 2, 0.09)), PIPELINE).splitlines()
    assert lines[2:] == [
        "| Cloud, small | 0.09 USD an hour, [2026-06](https://example.org) | 5 M/s | **5 µUSD** |",
        "| Cloud, big | 0.18 USD an hour, [2026-06](https://example.org) | 5 M/s | **10 µUSD** |",
    ]


def test_a_machine_of_another_size_is_refused():
    with pytest.raises(ValueError, match="large has 8 processors, the measured machine 2"):
        cost_table(prices(("large", 8, 0.34)), PIPELINE)
