"""docs/settlement.md says enough: a verifier written from it finds what ``settle`` writes, to the
byte, and notices every change."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.settlement import files, tables
from openoutcry.ledger.settlement.cycle import settlement_date
from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.settle import settle
from openoutcry.ledger.settlement.trades import obligations, read_trades
from tests.oracles import settlement_verifier as verifier
from tests.support.ledger.settlement_settle import DAY, HEADER, NAMES, ROWS, trades_of

ASSETS = ("ACME", "COIN", "USD")
BALANCES = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(ASSETS)), st.integers(0, 120)
)


def settled(folder, name, trades, balances, day, penalty_ppm, carried=None):
    """Settle as the command does, and return the file of the balances that went in."""
    before = folder / f"{name}_before.csv"
    rows = sorted((*key, units) for key, units in balances.items())
    tables.write(before, list(files.BALANCES), rows)
    read, owed = read_trades(trades), []
    if carried is not None:
        read, owed = files.with_carried(read, carried), files.read_owed(carried)
    done = settle(read, balances, day, penalty_ppm, owed)
    files.write_settlement(folder / name, read, done)
    return before


@given(ROWS, BALANCES, BALANCES)
def test_two_days_are_what_the_page_says(tmp_path_factory, rows, balances, more):
    folder = tmp_path_factory.mktemp("days")
    trades_of(folder, rows)
    first, second = folder / "trades.csv", folder / "later.csv"
    day, ppm = DAY, 50_000
    before = settled(folder, "day1", first, balances, day, ppm)
    verifier.check_settlement(folder / "day1", first, before, str(day), penalty_ppm=ppm)
    second.write_text(HEADER + "900,2026-11-24,24/7,ann,bob,COIN,3,USD,9\n")
    left = files.read_balances(folder / "day1" / "balances.csv")
    left = {key: left.get(key, 0) + more.get(key, 0) for key in {*left, *more}}
    later, carried = day + timedelta(days=1), folder / "day1"
    before = settled(folder, "day2", second, left, later, ppm, carried)
    verifier.check_settlement(folder / "day2", second, before, str(later), carried, ppm)


@pytest.mark.parametrize("seed", range(6))
def test_a_crowded_day_is_what_the_page_says(tmp_path, seed):
    """Members with little, so that trades are taken out in rounds and put back in chains."""
    rng = np.random.default_rng(seed)
    names = [f"member {at}" for at in range(9)]
    rows = []
    for _ in range(70):
        buyer, seller = rng.choice(names, 2, replace=False)
        asset, units, cash = rng.choice(ASSETS[:2]), int(rng.integers(1, 30)), int(rng.integers(90))
        rows.append((buyer, seller, asset, units, cash))
    trades_of(tmp_path, rows)
    balances = {(name, asset): int(rng.integers(25)) for name in names for asset in ASSETS}
    before = settled(tmp_path, "out", tmp_path / "trades.csv", balances, DAY, 999_999)
    fails = files.tables.read(tmp_path / "out" / "fails.csv", files.FAILS)
    assert 0 < len(list(fails)) < len(rows)
    verifier.check_settlement(
        tmp_path / "out", tmp_path / "trades.csv", before, str(DAY), penalty_ppm=999_999
    )


@given(ROWS)
def test_obligations_and_nets_are_what_the_page_says(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("nets")
    trades = trades_of(folder, rows)
    owed, nets = folder / "obligations.csv", folder / "nets.csv"
    tables.write(owed, files.OBLIGATIONS, obligations(trades))
    tables.write(nets, files.NETS, files.net_rows(trades, net(trades)))
    verifier.check_obligations(folder / "trades.csv", owed, nets)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("transfers.csv", "post,ann", "post,dan"),
        ("balances.csv", "ann,ACME,4", "ann,ACME,5"),
        ("settled.csv", "2026-11-24,ann", "2026-11-23,ann"),
        ("fails.csv", "bob,ACME,2", "bob,ACME,3"),
        ("fails.csv", "bob,ACME,2", "cat,USD,2"),
        ("waiting.csv", "4,2026-11-25", "5,2026-11-25"),
        ("owed.csv", "units\n", "units\n2,bob,cat,USD,2\n"),
    ],
)
def test_a_changed_file_is_noticed(tmp_path, name, old, new):
    rows = [
        ("ann", "bob", "ACME", 3, 300),
        ("cat", "bob", "ACME", 2, 20_000),
        ("ann", "dan", "ACME", 1, 100),
    ]
    trades_of(tmp_path, rows)
    path = tmp_path / "trades.csv"
    path.write_text(path.read_text() + "4,2026-11-24,XNYS,ann,bob,COIN,1,USD,1\n")
    start = {("bob", "ACME"): 4, ("dan", "ACME"): 1, ("ann", "USD"): 400, ("cat", "USD"): 20_000}
    before = settled(tmp_path, "out", path, start, DAY, 125)
    arguments = (tmp_path / "out", path, before, str(DAY))
    verifier.check_settlement(*arguments, penalty_ppm=125)
    text = (tmp_path / "out" / name).read_text()
    assert old in text
    (tmp_path / "out" / name).write_text(text.replace(old, new, 1))
    with pytest.raises(verifier.Mismatch, match=name):
        verifier.check_settlement(*arguments, penalty_ppm=125)


@pytest.mark.parametrize(
    ("market", "first"),
    [("XNYS", date(2024, 5, 1)), ("XNYS", date(2026, 10, 1)), ("XETR", date(2026, 12, 1))],
)
def test_due_days_are_what_the_page_says(market, first):
    """Over a change of the cycle, bank holidays on which New York trades, and Christmas."""
    for at in range(0, 48, 3):
        day = first + timedelta(days=at)
        assert settlement_date(market, day) == verifier.due_day(market, day), day
