"""Portfolio margin over many portfolios: kernel against reference, credit against the optimum."""

import pytest

from tests.long.core import margin_in_core
from tests.long.core.margin_portfolios import Block
from tests.support.credit_optimum import credits_and_optima, is_credited


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_kernels_give_the_reference_s_numbers(first):
    """100,000 portfolios; ``python -m tests.long.core.margin_portfolios`` runs any number."""
    for number in range(first, first + 25):
        Block(number).run()


def test_credit_is_never_more_than_the_optimum():
    """1,000 portfolios against HiGHS.  Half have credit to give; of those a fifth get less than
    the best, because an earlier offset used up delta that a later one would pay more for."""
    pytest.importorskip("scipy", reason="scipy is not installed: pip install scipy")
    rows = list(credits_and_optima(56, 1_000))
    assert all(is_credited(credit, most) for credit, most in rows)
    best = [(credit, most) for credit, most in rows if most > 10]
    less = [credit / most for credit, most in best if credit < most * 0.999 - 10]
    assert (len(best), len(less)) == (501, 98)
    assert sum(credit / most for credit, most in best) / len(best) == pytest.approx(
        0.853, abs=0.001
    )


def test_the_core_accepts_and_refuses_as_the_plain_margin():
    """20,000 portfolios; ``python -m tests.long.core.margin_in_core`` runs any number."""
    blocks = [margin_in_core.Block(number) for number in range(20)]
    for block in blocks:
        block.run()
    assert min(sum(one.refused for one in blocks), sum(one.accepted for one in blocks)) > 1_000
