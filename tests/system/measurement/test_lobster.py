"""LOBSTER messages become the commands that rebuild the recorded book."""

import numpy as np

from openoutcry.flow import LobsterSource
from tests.support.flow.recordings import DATA, needs

HOUR = DATA / "lobster_aapl_hour"


@needs(HOUR)
def test_recorded_hour_is_accounted_for_whole() -> None:
    """Every message of the hour is counted once, and becomes a command unless its line says no."""
    source = LobsterSource(HOUR / "messages.csv", HOUR / "seed_book_row0_50levels.csv")
    orders = np.concatenate(list(source.chunks()))
    account = source.account
    kinds = {
        "new": 44_256,
        "reduce": 469,
        "delete": 41_004,
        "execution of a visible order": 4_067,
        "execution of a hidden order (no command)": 2_201,
    }
    assert {name: account[name] for name in kinds} == kinds
    assert len(orders) == 91_997 - 2_201 + account["synthetic order of the seed book"]
    assert orders["price_ticks"].min() > 0
    assert orders["qty_lots"].min() > 0
