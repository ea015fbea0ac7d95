"""bench surveillance: a round has every figure, each of what it says."""

import pytest

from openoutcry.bench import surveillance as bench


@pytest.mark.long
def test_a_round_has_every_figure(monkeypatch):
    monkeypatch.setattr(bench, "QUICK_ORDERS", 20_000)
    document = bench.bench_surveillance(1, True, "test", lambda text: None)
    rows = {row["name"]: row for row in document["results"]}
    assert {"events", "events_agents", "alert_ms", "order_life_ms"} <= set(rows)
    assert all(
        row["median"] > 0
        for name, row in rows.items()
        if row["unit"] != "count" and name != "alert_ms"
    )
    assert rows["alert_ms"]["median"] >= 0, "a hit that is there before the clock is read"
    shares = [row["median"] for name, row in rows.items() if name.startswith(("recall_", "prec"))]
    assert len(shares) > 5
    assert all(0 <= share <= 1 for share in shares)
    assert len(document["details"]["seeds"]) == 1
