"""Risk in partitions: the kernels are the plain reference, and no order is let in that a core which
sees everything would have refused."""

from collections import Counter

import pytest

from tests.support.risk.partitions import govern
from tests.support.risk.risk_core import bits

DIVIDED = {
    "OPEN_ORDERS",
    "GROSS_POSITION",
    "GROUP_GROSS_POSITION",
    "EXPOSURE_BUY",
    "EXPOSURE_SELL",
    "CAPITAL",
}


@pytest.mark.parametrize(
    ("partitions", "seed"),
    [(4, 2), *(pytest.param(*row, marks=pytest.mark.long) for row in ((2, 1), (7, 3)))],
)
def test_mixed_commands_in_partitions_are_never_past_a_limit(partitions, seed):
    """Every verdict, what it tells and every word as in the reference; the sum of the parts at
    every command; and the core that sees everything lets in whatever was let in."""
    both = govern(partitions, seed, 2_500)
    refusals = Counter(name for one in both.verdicts if one & 0xFF for name in bits(one))
    assert len(DIVIDED & set(refusals)) >= 4, refusals
    assert set(refusals) >= {"MAX_QTY", "POSITION_LONG"}, refusals
    assert both.verdicts.count(0) > 500
    assert both.plain.rebalances > 40
