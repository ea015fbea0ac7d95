"""check-book tells a book that is right from one that is not, and says where."""

import pytest

from openoutcry.bench.check_book import check_book
from tests.support.bench.check_book import HOUR
from tests.support.flow.recordings import needs


@pytest.mark.long
@needs(HOUR)
def test_recorded_hour_agrees_in_best_prices_and_makers() -> None:
    """AAPL, one hour: at least 99.9 % of best bids and offers and 99 % of makers.  The exact
    figures are pinned: 90 rows show an order whose end the recording leaves out, and nine
    executions pass over the head of a queue in the recording itself."""
    seed = HOUR / "seed_book_row0_50levels.csv"
    result = check_book(HOUR / "messages.csv", HOUR / "bbo_after_each_message.csv", seed)
    assert result["rows"] == 91_997
    assert result["equal"] == 91_907 > 0.999 * result["rows"]
    assert result["executions"] == 4_067
    assert result["maker_agrees"] == 4_058 > 0.99 * result["executions"]
    assert result["repairs"] == 18
    assert result["first_difference"] == {
        "row": 54_607,
        "level": 1,
        "side": "bid",
        "expected": [5_842_000, 203],
        "found": [5_842_100, 100],
    }
