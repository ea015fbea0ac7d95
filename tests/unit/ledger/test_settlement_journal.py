"""The trades of a journal: what is netted of them is what the ledger posted."""

from collections import defaultdict
from datetime import UTC, date, datetime

import pytest

from openoutcry.ledger import layout as lay
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.files import net_rows
from openoutcry.ledger.settlement.journal import trades_of
from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.trades import COLUMNS, read_trades
from openoutcry.ledger.transactions import transactions
from openoutcry.wire.errors import SettlementError
from tests.support.ledger import ledger_flow as flow
from tests.support.user_commands import run


def test_nets_of_a_journals_trades_are_what_went_through_its_clearing_account(day, tmp_path):
    """By participant and asset, over all days: fees are no part of it."""
    rows = list(trades_of(day, "24/7", 12_000))
    tables.write(tmp_path / "trades.csv", list(COLUMNS), rows)
    trades = read_trades(tmp_path / "trades.csv")
    assert len(trades) == len(rows) > 100
    nets = defaultdict(int)
    for _, member, asset, units in net_rows(trades, net(trades)):
        nets[member, asset] += units
    posted, books = defaultdict(int), at(day, 12_000).books
    for batch in transactions(day, at(day, 12_000)):
        for row in batch[batch["kind"] == lay.Kind.POSTED]:
            if books.instruments[row["instrument"], lay.LEVERAGED // lay.WORD]:
                continue
            who = str(row["participant"])
            posted[who, books.assets[row["asset"]]] -= int(row["clearing"])
            posted[who, books.symbols[row["instrument"]]] -= int(row["lots_clearing"])
    assert {key: units for key, units in nets.items() if units} == {
        key: units for key, units in posted.items() if units
    }


def test_a_day_begins_at_its_markets_midnight(tmp_path):
    """Also where that is on the half hour: India's day of 24 June begins on the 23rd at 18:30."""
    moments = datetime(2026, 6, 23, 18, 29, 59), datetime(2026, 6, 23, 18, 30)
    orders = flow.draw(2_000, 3)
    half = len(orders) // 2
    for part, moment in zip((orders[:half], orders[half:]), moments, strict=True):
        part["rx_ts_ns"] = int(moment.replace(tzinfo=UTC).timestamp()) * 10**9
    home = flow.write_journal(tmp_path / "day", orders)
    days = [row[1] for row in trades_of(home, "XBOM")]
    assert days == sorted(days)
    assert {*days} == {date(2026, 6, 23), date(2026, 6, 24)}
    assert {row[1] for row in trades_of(home, "XLON")} == {date(2026, 6, 23)}


def test_a_market_that_is_not_known_is_said(day):
    with pytest.raises(SettlementError, match="'MOON' is not a market"):
        next(trades_of(day, "MOON"))


def test_the_command_writes_what_the_others_read(day, tmp_path):
    line = f"outcry settlement trades {day} --market XNYS --as-of 3000 --out trades.csv"
    count = int(run(line, tmp_path).split()[1].replace(",", ""))
    assert len(read_trades(tmp_path / "trades.csv")) == count > 0
    run(line.replace("3000", "99999999"), tmp_path, 1)
