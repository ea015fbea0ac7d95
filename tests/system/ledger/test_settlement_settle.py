"""Delivery against payment: both legs or neither, every unit accounted for, fails carried."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.settlement.settle import (
    DELIVER,
    PENALTY,
    PENDING,
    POST,
    settle,
)
from openoutcry.ledger.settlement.trades import CLEARING
from tests.support.ledger.settlement_settle import DAY, NAMES, ROWS, trades_of


def replayed(balances, transfers):
    """Balances after the transfers alone; what is pending moves nothing and comes before posts."""
    after, phases = dict(balances), []
    for phase, payer, payee, asset, units in transfers:
        assert units > 0
        phases.append(phase)
        if phase != PENDING:
            after[payer, asset] = after.get((payer, asset), 0) - units
            after[payee, asset] = after.get((payee, asset), 0) + units
            assert after[payer, asset] >= 0
    order = [PENDING, POST, DELIVER, PENALTY]
    assert phases == sorted(phases, key=order.index)
    assert phases.count(PENDING) == phases.count(POST)
    return {key: units for key, units in after.items() if units}


BALANCES = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["ACME", "COIN", "USD"])),
    st.integers(0, 120),
)


@given(ROWS, BALANCES)
def test_no_unit_is_lost_and_each_trade_has_both_legs_or_none(tmp_path_factory, rows, balances):
    """Against the obvious: the settled trades one after the other, then the penalties."""
    trades = trades_of(tmp_path_factory.mktemp("rows"), rows)
    done = settle(trades, balances, DAY, penalty_ppm=50_000)
    assert sorted([*done.settled, *(one.at for one in done.fails)]) == list(range(len(rows)))
    expected = defaultdict(int, balances)
    for at in done.settled:
        buyer, seller, asset, units, cash = rows[at]
        for who, what, change in (
            (buyer, asset, units),
            (seller, asset, -units),
            (buyer, "USD", -cash),
            (seller, "USD", cash),
        ):
            expected[who, what] += change
    assert all(units >= 0 for units in expected.values())
    for fail in done.fails:
        buyer, seller, asset, _, cash = rows[fail.at]
        assert (fail.short, fail.asset) in ((seller, asset), (buyer, "USD"))
        if fail.at + 1 not in {claim.trade_id for claim in done.owed}:
            expected[fail.short, "USD"] -= fail.penalty_units
            expected[buyer if fail.short == seller else seller, "USD"] += fail.penalty_units
        assert fail.penalty_units == round(cash * 5 / 100) or cash % 20
    left = {key: units for key, units in expected.items() if units}
    assert {key: units for key, units in done.balances.items() if units} == left
    assert replayed(balances, done.transfers) == left
    assert not any(CLEARING in key for key in done.balances)
    assert settle(trades, dict(reversed(balances.items())), DAY, penalty_ppm=50_000) == done
