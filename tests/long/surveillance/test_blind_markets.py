"""The detectors in two markets by an author who has not read them, on seeds that nothing was chosen
by; the figures are kept as evidence."""

from typing import Any

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.surveillance.blind_scores import judged, summed

JUDGED = {"bonds": (range(8_310_501, 8_310_513), 4), "coins": (range(8_310_601, 8_310_607), 2)}
"""Seeds and days of each; none was played before the first judgement (tuning: seeds below 100).
A change of a detector that was chosen by them needs others."""
FLOORS = {
    "bonds": {
        "money_pass": 0.9, "wash_related": 0.9, "marking_call": 0.6, "stuffing": 0.3,
        "wash_pair": 0.25, "front_running": 0.2, "marking_close": 0.15, "ring": 0.05,
    },
    "coins": {"front_running": 0.8, "wash_related": 0.8, "stuffing": 0.5, "wash_pair": 0.2},
}  # fmt: skip
"""Of the acts that worked, the share to be seen: what was measured less a margin, no goal."""
MOST_FALSE = {"bonds": (2_700, 60), "coins": (30, 30)}
"""False cases a million honest orders, and the same without those of volume."""


@pytest.mark.long
def test_the_detectors_in_markets_that_they_were_not_made_for() -> None:
    figures: dict[str, dict[str, Any]] = {}
    for name, scores in judged(JUDGED).items():
        seeds, days = JUDGED[name]
        figures[name] = summed(days, scores) | {"seeds": list(seeds), "days_a_seed": days}
    command = "make test-long ARGS=tests/long/surveillance/test_blind_markets.py"
    write_evidence("surveillance_blind", {"markets": figures}, command)
    for name, market in figures.items():
        million = market["honest_orders"] / 1e6
        most, most_of_patterns = MOST_FALSE[name]
        assert market["false_per_million"] <= most
        assert market["false"] - market["false_volume"] <= most_of_patterns * million
        for kind, floor in FLOORS[name].items():
            row = market["kinds"][kind]
            assert row["worked_seen"] >= floor * row["worked"] > 0, (name, kind, row)
