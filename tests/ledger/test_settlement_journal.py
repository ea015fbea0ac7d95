"""The trades of a journal: what is netted of them is what the ledger posted."""

from collections import defaultdict

import pytest
from user_commands import run

from openoutcry.ledger import layout as lay
from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.errors import SettlementError
from openoutcry.ledger.settlement.files import net_rows
from openoutcry.ledger.settlement.journal import trades_of
from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.trades import COLUMNS, read_trades
from openoutcry.ledger.standing import at
from openoutcry.ledger.transactions import transactions


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


def test_a_market_that_is_not_known_is_said(day):
    with pytest.raises(SettlementError, match="'MOON' is no market"):
        next(trades_of(day, "MOON"))


def test_the_command_writes_what_the_others_read(day, tmp_path):
    line = f"outcry settlement trades {day} --market XNYS --as-of 3000 --out trades.csv"
    count = int(run(line, tmp_path).split()[1].replace(",", ""))
    assert len(read_trades(tmp_path / "trades.csv")) == count > 0
    run(line.replace("3000", "99999999"), tmp_path, 1)
