"""Bars are what DuckDB says over the same journal, exactly, at every interval."""

import json
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.bars import moment_ns, rounded
from openoutcry.cli.main import main
from openoutcry.flow.mixed import MixedFlow
from openoutcry.journal.sql import query
from openoutcry.market_data.bars import make_bars
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_journal import make_journal, without_its_begin

VENUE = """
[venue]
name = "TEST"
journal = "journal"
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon"]
[[schedule]]
name = "main"
day = ["09:00 CONTINUOUS", "17:00 CLOSED"]
[[participant]]
number = 1
name = "one"
"""
BEGIN_NS = 1_700_000_000 * 10**9
QUESTION = """
select symbol, epoch_ns(rx_time) // {every} * {every} as start_ns,
       arg_min(price_ticks, match), max(price_ticks), min(price_ticks), arg_max(price_ticks, match),
       sum(qty_lots)::hugeint, sum(price_ticks::hugeint * qty_lots), count(*)
from trades where epoch_ns(rx_time) >= {begin} and epoch_ns(rx_time) < {end}
group by 1, 2 order by start_ns, symbol
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Twenty minutes of a flow with auctions, hidden orders, icebergs and all else."""
    source = MixedFlow(12_000, 5)
    orders = np.concatenate(list(source.chunks()))
    orders["rx_ts_ns"] = BEGIN_NS + np.arange(len(orders)) * 100_000_000
    home = tmp_path_factory.mktemp("bars") / "j"
    return make_journal(home, source.instruments, orders, 1 << 14)


def duckdb_bars(journal, every_s, begin=0, end=2**62):
    """DuckDB's bars."""
    text = QUESTION.format(every=every_s * 10**9, begin=begin, end=end)
    return [tuple(row.values()) for row in query(journal, text).to_pylist()]


def rows_of(bars):
    """Ours, in the same order."""
    rows = [
        (
            bar.symbol,
            bar.start_ns,
            bar.open_ticks,
            bar.high_ticks,
            bar.low_ticks,
            bar.close_ticks,
            bar.volume_lots,
            bar.turnover,
            bar.trades,
        )
        for bar in bars
    ]
    return sorted(rows, key=lambda row: (row[1], row[0]))


@pytest.mark.parametrize("every_s", [1, 60, 86_400])
def test_bars_are_duckdbs(journal, every_s):
    expected = duckdb_bars(journal, every_s)
    assert len(expected) >= 5
    assert rows_of(make_bars(journal, every_s)) == expected


def test_a_part_of_the_time_and_one_instrument(journal):
    begin, end = BEGIN_NS + 301 * 10**9, BEGIN_NS + 707 * 10**9
    whole = duckdb_bars(journal, 60, begin, end)
    assert rows_of(make_bars(journal, 60, None, begin, end)) == whole
    mine = [row for row in whole if row[0] == "PLAIN"]
    assert mine
    assert rows_of(make_bars(journal, 60, "PLAIN", begin, end)) == mine
    with pytest.raises(FeedError, match="NONE is not among the journal's instruments"):
        make_bars(journal, 60, "NONE")


def test_the_command_prints_and_writes_them(journal, tmp_path):
    def outcry(*words):
        done = CliRunner().invoke(main, ["feed", "bars", str(journal), *words])
        return done.exit_code, done.output

    bars = make_bars(journal, 60, "PLAIN")
    code, text = outcry("PLAIN", "--json")
    assert code == 0
    rows = json.loads(text)["bars"]
    assert [row["turnover"] for row in rows] == [bar.turnover for bar in bars]
    exact = [Fraction(row["vwap"]) - bar.vwap for row, bar in zip(rows, bars, strict=True)]
    assert max(map(abs, exact)) <= Fraction(1, 2 * 10**9)
    code, text = outcry("PLAIN", "--parquet", str(tmp_path / "bars.parquet"))
    assert code == 0, text
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "bars.parquet").to_pylist()
    assert [int(row["turnover"]) for row in table] == [bar.turnover for bar in bars]
    code, text = outcry("PLAIN", "--from", "2023-11-14T22:13:20", "--to", "2023-11-14T22:15:00Z")
    assert code == 0
    assert "2023-11-14 22:13:00" in text
    assert outcry("PLAIN", "--from", "noon")[0] == 2
    assert outcry("NONE")[0] == 1


def test_moments_and_rounding():
    assert moment_ns("1970-01-02", "--from") == 86_400 * 10**9
    assert moment_ns("1970-01-01T01:00:00.000001+01:00", "--from") == 1_000
    assert [rounded(Fraction(n, 8), 2) for n in (1, 3, -1, 8)] == ["0.12", "0.38", "-0.12", "1.00"]


def test_bars_of_a_journal_without_its_begin_are_from_its_oldest_checkpoint_on(tmp_path, capsys):
    home = without_its_begin(tmp_path / "j")
    (bar,) = make_bars(home, 86_400)
    assert (bar.trades, bar.volume_lots) == (125, 125)
    assert "commands 141 to 150 have no checkpoint before them" in capsys.readouterr().err


def test_prices_have_each_instruments_decimals_by_the_venues_file(journal, tmp_path):
    symbols = MixedFlow(1, 5).instruments["symbol"].tolist()
    rows = [
        f'[[instrument]]\nsymbol = "{symbol.decode()}"\ndecimals = {number}'
        for number, symbol in enumerate(symbols)
    ]
    file = tmp_path / "venue.toml"
    file.write_text(VENUE + "\n".join(rows))

    def words(*more):
        line = ["feed", "bars", str(journal), "--every", "3600", *more]
        done = CliRunner(env={"COLUMNS": "200"}).invoke(main, line)
        assert done.exit_code == 0, done.output
        rows = [row.split() for row in done.stdout.splitlines() if row.strip()[:2] == "20"]
        return {row[2]: row for row in rows}

    shown, ticks = words("--venue", str(file)), words("--decimals", "0")
    assert len(shown) > 4
    for number, symbol in enumerate(symbols):
        name = symbol.decode()
        pairs = zip(shown.get(name, [])[3:7], ticks.get(name, [])[3:7], strict=True)
        for has, whole in pairs:
            assert len(has.partition(".")[2]) == number
            assert Fraction(has) * 10**number == int(whole)
    file.write_text(VENUE + "\n".join(rows[1:]))
    done = CliRunner().invoke(main, ["feed", "bars", str(journal), "--venue", str(file)])
    assert done.exit_code == 1
    assert "instrument PLAIN is not in this file" in done.output
