"""The report of a parent says what its children did, against what the market had."""

from openoutcry.routing.report import best_execution, render
from tests.unit.routing.test_parents import MARKET, Floor, venues


def test_a_report_compares_with_the_arrival(tmp_path):
    floor = Floor(tmp_path / "parents", venues())
    parent = floor.buy(130)
    floor.run()
    floor.step(110)
    report = best_execution(MARKET, parent)
    assert report["received"] == "1970-01-01 00:00:01.010+00:00"
    assert report["filled"] == report["arrival"]["available_quantity"] == "1.30"
    assert report["average_price"] == report["arrival"]["available_price"] == "100.0115"
    assert report["arrival"]["mid"] == "99.95000"
    assert report["slippage_ppm"] == 615, "100.0115 against 99.95"
    assert report["slippage_to_available_ppm"] == 0
    assert [(c["venue"], c["filled"], c["average_price"]) for c in report["children"]] == [
        ("A", "0.50", "100.0000"),
        ("B", "0.80", "100.0188"),
    ]
    assert report["fees"] == "0.0150", "0.03 % of 50 at A"
    assert list(report["markouts_ppm"]) == ["1s"]
    assert report["arrival"]["venues"] == {"A": "0.50", "B": "0.80"}
    page = render(report)
    assert "buy 1.30 GOLD/USD" in page
    assert "Order 1, received 1970-01-01 00:00:01.010 UTC, has ended (filled)" in page
    assert "<td>0.50 at A, 0.80 at B</td>" in page
    assert "Paid more than the middle price 1s later" in page


def test_a_parent_without_a_fill_has_a_report(tmp_path):
    floor = Floor(tmp_path / "parents", venues())
    parent = floor.buy(130, 900_000)
    floor.run()
    report = best_execution(MARKET, parent)
    assert (report["filled"], report["average_price"], report["slippage_ppm"]) == ("0.00", "", None)
    assert report["end"] == "nothing more at the limit"
    page = render(report)
    assert "nothing more at the limit" in page
    assert "<th>Planned</th><td>nothing</td>" in page
