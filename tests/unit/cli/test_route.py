"""What an order over several venues takes from files."""

import time

import click
import pytest

from openoutcry.cli.route import _with_volumes
from openoutcry.market_data.bars import Bar, write_parquet
from openoutcry.routing.algorithms import Vwap, algorithm_of

HOUR_NS = 3_600_000_000_000


def test_a_vwap_takes_its_volumes_from_the_bars_of_its_symbols(tmp_path):
    first_ns = time.time_ns() // HOUR_NS * HOUR_NS - 24 * HOUR_NS
    bars = [
        Bar(symbol, first_ns + k * HOUR_NS, 1, 1, 1, 1, 10 + k, 10 + k, 1)
        for symbol in ("GOLD", "TIN")
        for k in range(24)
    ]
    path = tmp_path / "bars.parquet"
    write_parquet(bars, path)
    asked = {"name": "vwap", "bar_ns": HOUR_NS, "span_ns": 24 * HOUR_NS}
    given = _with_volumes(asked, path, {"GOLD"})
    assert sorted(given["volumes"]) == list(range(10, 34))
    assert isinstance(algorithm_of(given), Vwap)
    path.write_bytes(b"none")
    with pytest.raises(click.UsageError, match="--bars"):
        _with_volumes(asked, path, {"GOLD"})
