"""Delivery against payment: both legs or neither, every unit accounted for, fails carried."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.settlement.files import (
    read_balances,
    read_owed,
    with_carried,
    write_settlement,
)
from openoutcry.ledger.settlement.settle import (
    DELIVER,
    PENDING,
    POST,
    post,
    reserve,
    settle,
)
from openoutcry.ledger.settlement.trades import read_trades
from openoutcry.wire.errors import SettlementError
from tests.support.ledger.settlement_settle import DAY, HEADER, NAMES, ROWS, trades_of


def test_a_ring_of_trades_moves_only_nets(tmp_path):
    """Each sells what it buys: with nothing of the asset and little cash, all of it settles."""
    rows = [
        ("ann", "bob", "ACME", 5, 100),
        ("bob", "cat", "ACME", 5, 101),
        ("cat", "ann", "ACME", 5, 102),
    ]
    start = {("cat", "USD"): 1, ("bob", "USD"): 1}
    done = settle(trades_of(tmp_path, rows), start, DAY)
    assert done.fails == []
    assert done.settled == [0, 1, 2]
    assert {(one.phase, one.asset) for one in done.transfers} == {
        (PENDING, "USD"),
        (POST, "USD"),
        (DELIVER, "USD"),
    }
    assert {key: units for key, units in done.balances.items() if units} == {("ann", "USD"): 2}


def test_who_cannot_deliver_gets_nothing_for_it_and_pays(tmp_path):
    """Bob lacks one ACME: its latest sale fails with both legs, the others settle."""
    rows = [
        ("ann", "bob", "ACME", 3, 300),
        ("cat", "bob", "ACME", 2, 20_000),
        ("ann", "dan", "ACME", 1, 100),
    ]
    start = {("bob", "ACME"): 4, ("dan", "ACME"): 1, ("ann", "USD"): 400, ("cat", "USD"): 20_000}
    done = settle(trades_of(tmp_path, rows), start, DAY, penalty_ppm=125)
    assert done.settled == [0, 2]
    assert [(one.at, one.short, one.asset, one.penalty_units) for one in done.fails] == [
        (1, "bob", "ACME", 2)
    ]  # 2.5, half-even
    assert {key: units for key, units in done.balances.items() if units} == {
        ("ann", "ACME"): 4,
        ("bob", "ACME"): 1,
        ("bob", "USD"): 298,
        ("dan", "USD"): 100,
        ("cat", "USD"): 20_002,
    }


def test_a_fail_pulls_down_what_hangs_on_it_and_nothing_else(tmp_path):
    """Bob was to deliver on what ann fails to deliver to him."""
    rows = [
        ("bob", "ann", "ACME", 5, 50),
        ("cat", "bob", "ACME", 5, 60),
        ("dan", "cat", "COIN", 1, 1),
    ]
    start = {("cat", "USD"): 60, ("bob", "USD"): 50, ("cat", "COIN"): 1, ("dan", "USD"): 1}
    done = settle(trades_of(tmp_path, rows), start, DAY, penalty_ppm=0)
    assert done.settled == [2]
    assert [(one.at, one.short) for one in done.fails] == [(0, "ann"), (1, "bob")]


def test_a_small_trade_settles_after_a_large_one_that_fails(tmp_path):
    """Bob owes 9 and 2 of which he has 3: the latest was taken out first, and fits again."""
    rows = [("ann", "bob", "ACME", 9, 9), ("cat", "bob", "ACME", 2, 2)]
    start = {("bob", "ACME"): 3, ("ann", "USD"): 9, ("cat", "USD"): 2}
    done = settle(trades_of(tmp_path, rows), start, DAY, penalty_ppm=0)
    assert done.settled == [1]
    assert done.fails == [(0, "bob", "ACME", 0)]


def test_trades_are_put_back_by_the_day_on_which_they_were_due(tmp_path):
    """Bob has one of four: the trade of the earlier day settles, whatever the order of the file."""
    (tmp_path / "t.csv").write_text(
        HEADER
        + "".join(
            f"{at},{day},XNYS,{buyer},bob,ACME,{units},USD,0\n"
            for at, day, buyer, units in (
                (1, "2026-11-23", "ann", 1),
                (2, "2026-11-20", "cat", 1),
                (3, "2026-11-20", "dan", 2),
            )
        )
    )
    done = settle(read_trades(tmp_path / "t.csv"), {("bob", "ACME"): 1}, DAY)
    assert done.settled == [1]
    done = settle(read_trades(tmp_path / "t.csv"), {("bob", "ACME"): 2}, DAY)
    assert done.settled == [0, 1]


def test_what_comes_back_brings_back_what_hangs_on_it(tmp_path):
    """Each passes on what the one before delivers; a large sale had taken all of them out."""
    rows = [
        ("dan", "ann", "ACME", 9, 0),
        ("bob", "ann", "ACME", 2, 0),
        ("cat", "bob", "ACME", 2, 0),
        ("dan", "cat", "ACME", 2, 0),
    ]
    done = settle(trades_of(tmp_path, rows), {("ann", "ACME"): 2}, DAY)
    assert (done.settled, done.fails) == ([1, 2, 3], [(0, "ann", "ACME", 0)])


def test_a_ring_that_was_taken_out_is_put_back_as_a_whole(tmp_path):
    """Ann's sale to dan cannot settle; the ring of three in which all pass on what they get can."""
    rows = [
        ("dan", "ann", "ACME", 5, 0),
        ("bob", "ann", "ACME", 5, 100),
        ("cat", "bob", "ACME", 5, 100),
        ("ann", "cat", "ACME", 5, 100),
    ]
    done = settle(trades_of(tmp_path, rows), {}, DAY, penalty_ppm=0)
    assert (done.settled, done.fails) == ([1, 2, 3], [(0, "ann", "ACME", 0)])


@given(
    ROWS,
    st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(["ACME", "COIN", "USD"])),
        st.integers(0, 120),
    ),
)
def test_no_failed_trade_could_have_settled_with_the_others(tmp_path_factory, rows, balances):
    """Each failed trade is tried with all that settled, against balances alone; and whoever it
    names as short is."""
    done = settle(trades_of(tmp_path_factory.mktemp("rows"), rows), balances, DAY, penalty_ppm=0)
    for fail in done.fails:
        buyer, seller, asset, units, cash = rows[fail.at]
        lacks = []
        if done.balances.get((seller, asset), 0) < units:
            lacks.append((seller, asset))
        if done.balances.get((buyer, "USD"), 0) < cash:
            lacks.append((buyer, "USD"))
        assert (fail.short, fail.asset) in lacks


@given(ROWS)
def test_nothing_fails_where_everybody_has_enough(tmp_path_factory, rows):
    trades = trades_of(tmp_path_factory.mktemp("rows"), rows)
    rich = {(who, what): 10**6 for who in NAMES for what in ("ACME", "COIN", "USD")}
    assert settle(trades, rich, DAY).fails == []


def test_what_is_not_due_waits_and_what_was_due_before_is_settled(tmp_path):
    trades = trades_of(tmp_path, [("ann", "bob", "ACME", 1, 1)])
    start = {("ann", "USD"): 1, ("bob", "ACME"): 1}
    early = settle(trades, start, date(2026, 11, 23))
    assert (early.settled, early.fails, early.transfers) == ([], [], [])
    assert settle(trades, start, date(2026, 12, 24)).settled == [0]


def test_nothing_moves_before_everything_is_reserved():
    nets = {("ann", "USD"): -5, ("bob", "USD"): 5, ("bob", "ACME"): -1, ("ann", "ACME"): 1}
    poor = {("ann", "USD"): 5}
    with pytest.raises(SettlementError, match="bob has 0 ACME where 1 are due"):
        reserve(nets, poor)
    balances = {("ann", "USD"): 5, ("bob", "ACME"): 1}
    pending = reserve(nets, balances)
    for wrong in (pending[:1], [replace_units(one) for one in pending]):
        with pytest.raises(SettlementError, match="the pending obligations"):
            post(nets, wrong, balances)
    gone = {("ann", "USD"): 5}
    with pytest.raises(SettlementError, match="bob has 0 ACME"):
        post(nets, pending, gone)
    with pytest.raises(SettlementError, match="USD: the nets do not sum to 0"):
        post(nets | {("bob", "USD"): 6}, pending, balances)
    assert (balances, gone) == ({("ann", "USD"): 5, ("bob", "ACME"): 1}, {("ann", "USD"): 5})


def replace_units(transfer):
    return transfer._replace(units=transfer.units + 1)


def test_what_fails_is_carried_in_a_file_and_settles_later(tmp_path):
    """Once its seller has what it owes; the penalty that could not be paid is still owed."""
    trades = trades_of(tmp_path, [("ann", "bob", "ACME", 2, 10_000)])
    first = settle(trades, {("ann", "USD"): 10_000}, DAY)
    assert first.owed == [(1, "bob", "ann", "USD", 1)]
    write_settlement(tmp_path / "day1", trades, first)
    fails = (tmp_path / "day1" / "fails.csv").read_text().splitlines()
    assert fails[1] == "1,2026-11-24,ann,bob,ACME,2,USD,10000,bob,ACME,1"
    with pytest.raises(SettlementError, match="day1 already exists"):
        write_settlement(tmp_path / "day1", trades, first)
    with pytest.raises(SettlementError, match=r"row 2, trade_id: 1 already exists"):
        with_carried(trades, tmp_path / "day1")
    new = trades_of(tmp_path, [], "new.csv")
    balances = read_balances(tmp_path / "day1" / "balances.csv") | {("bob", "ACME"): 2}
    both, owed = with_carried(new, tmp_path / "day1"), read_owed(tmp_path / "day1")
    second = settle(both, balances, date(2026, 11, 25), owed=owed)
    assert (second.settled, second.fails, second.owed) == ([0], [], [])
    assert second.balances[("bob", "USD")] == 9_999
    assert second.balances[("ann", "USD")] == 1
    again = settle(both, {("ann", "USD"): 10_000}, date(2026, 11, 25), owed=owed)
    assert again.owed == owed * 2


def test_what_is_not_due_yet_is_carried_and_nothing_settles_twice(tmp_path):
    (tmp_path / "trades.csv").write_text(
        HEADER + "1,2026-11-23,24/7,ann,bob,COIN,1,USD,5\n2,2026-11-23,XNYS,ann,bob,ACME,1,USD,7\n"
    )
    trades = read_trades(tmp_path / "trades.csv")
    start = {("ann", "USD"): 100, ("bob", "COIN"): 9, ("bob", "ACME"): 9}
    first = settle(trades, start, date(2026, 11, 23))
    assert (first.settled, first.waiting(len(trades))) == ([0], [1])
    write_settlement(tmp_path / "day1", trades, first)
    with pytest.raises(SettlementError, match=r"settled.csv: row 2, trade_id: 1 already exists"):
        with_carried(trades, tmp_path / "day1")
    both = with_carried(trades_of(tmp_path, [], "new.csv"), tmp_path / "day1")
    second = settle(both, first.balances, DAY)
    assert (second.settled, second.waiting(len(both))) == ([0], [])
    assert second.balances["ann", "USD"] == 88
    assert second.balances["ann", "ACME"] == second.balances["ann", "COIN"] == 1


def test_balances_past_64_bits_are_read_again(tmp_path):
    trades = trades_of(tmp_path, [("ann", "bob", "ACME", 1, 2**63 - 1)])
    start = {("ann", "USD"): 2**63 - 1, ("bob", "ACME"): 1, ("bob", "USD"): 2**63 - 1}
    done = settle(trades, start, DAY)
    write_settlement(tmp_path / "day1", trades, done)
    read = read_balances(tmp_path / "day1" / "balances.csv")
    assert read == done.balances
    assert read["bob", "USD"] == 2**64 - 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("member,asset\n", "row 1 must be member,asset,balance_units"),
        ("member,asset,balance_units\nann,USD,-1\n", "row 2, balance_units: -1 is negative"),
        ("member,asset,balance_units\nann,USD,1\nann,USD,1\n", "row 3: ann has USD twice"),
        ("member,asset,balance_units\nclearing,USD,1\n", "row 2, member: clearing is not a member"),
    ],
)
def test_balances_that_are_not_right_are_named(text, word, tmp_path):
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(SettlementError) as caught:
        read_balances(tmp_path / "b.csv")
    assert word in str(caught.value)


def test_debts_and_odd_penalties_are_refused(tmp_path):
    trades = trades_of(tmp_path, [])
    with pytest.raises(SettlementError, match="ann has -1 USD"):
        settle(trades, {("ann", "USD"): -1}, DAY)
    with pytest.raises(SettlementError, match="millionths"):
        settle(trades, {}, DAY, penalty_ppm=1_000_001)
