"""The report of a parent says what its children did, against what the market had."""

import pytest

from openoutcry.routing.connector import FILLED, VenueEvent
from openoutcry.routing.instruments import BUY
from openoutcry.routing.parents import ParentStore, Terms
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


@pytest.mark.parametrize(
    ("quantity", "price", "average", "fees"),
    [
        (9 * 10**15 + 1, 99_999_999, "9999.9999", "269999997300000.0300"),
        (1, 5_000, "0.5000", "0.0000"),
        (1, 166_667, "16.6667", "0.0001"),
    ],
)
def test_amounts_of_a_report_are_exact(tmp_path, quantity, price, average, fees):
    """Nearest, also where a float has no digits left; fees are 300 millionths."""
    with ParentStore(tmp_path / "parents", is_durable=False) as store:
        parent = store.add(Terms(MARKET.instrument.symbol, BUY, quantity, price, 0))
        (child,) = store.add_children(parent, [("A", quantity, price, True)], 0)
        store.apply([VenueEvent("A", "D", 1, child.order.token, FILLED, quantity, price)], 1)
        report = best_execution(MARKET, parent)
    assert (report["average_price"], report["fees"]) == (average, fees)


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
