"""A gap of 20 % among leveraged participants: all are closed out, nothing is lost, and who had
enough is left alone."""

from openoutcry.risk import layout as lay
from tests.support.risk.contract_gap import LOTS, START, UNITS, Gap

COUNT, GAP_BPS = 400, 2_000


def test_a_gap_is_paid_by_those_called_the_fund_and_the_other_side():
    gap = Gap(COUNT, fund=5 * 10**5)
    gap.fall(GAP_BPS)
    view, balances = gap.view, gap.balances()
    assert sum(balances) == gap.paid_in
    assert view.contracts.word("covers") > 0
    assert view.contracts.word("takeovers") > 0
    assert view.deficits() == {}
    assert not view.cells[1::2, 0, lay.POSITION // 8].any()
    killed = view.participants[:, lay.FLAGS // 8] & lay.KILLED_FLAGS
    assert killed[1::2].all()
    assert not killed[0::2].any()
    assert sum(balances[1::2]) == balances[0] == 0
    # What they lost, less what they had and the fund, is what the others gained less.
    lost = COUNT // 2 * START * GAP_BPS // 10_000 * UNITS * LOTS
    had = gap.paid_in - COUNT // 2 * START * UNITS * LOTS
    assert view.contracts.word("losses") == lost - had
