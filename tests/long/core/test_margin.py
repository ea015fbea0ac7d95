"""Portfolio margin over many portfolios: kernel against reference, credit against the optimum."""

import pytest

from openoutcry.report.evidence import read_evidence
from tests.long.core import margin_in_core
from tests.long.core.margin_portfolios import Block
from tests.support.credit_optimum import figures


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_kernels_give_the_reference_s_numbers(first):
    """100,000 portfolios; ``python -m tests.long.core.margin_portfolios`` runs any number."""
    for number in range(first, first + 25):
        Block(number).run()


def test_credit_is_never_more_than_the_optimum():
    """1,000 portfolios against HiGHS; ``docs/evidence/margin_credit.json`` has the same figures."""
    pytest.importorskip("scipy", reason="scipy is not installed: pip install scipy")
    kept = read_evidence("margin_credit")["figures"]
    assert kept["too_much"] == 0
    assert kept["portfolios"] == 1_000
    found = figures(kept["seed"], kept["portfolios"])
    assert found == pytest.approx(kept, abs=0.1)


def test_the_core_accepts_and_refuses_as_the_plain_margin():
    """20,000 portfolios; ``python -m tests.long.core.margin_in_core`` runs any number."""
    blocks = [margin_in_core.Block(number) for number in range(20)]
    for block in blocks:
        block.run()
    assert min(sum(one.refused for one in blocks), sum(one.accepted for one in blocks)) > 1_000
