"""The proofs: that the table is whole, and that a part of it holds; `make fpga-formal` runs all."""

import pytest

from openoutcry.gateway_fpga.formal.modules import MODULES
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.formal.run import caught, prove
from tests.support.gateway_fpga.formal import QUICK


@pytest.mark.parametrize("module", QUICK)
def test_quick_proofs_hold(module):
    """All properties of the small modules, by k-induction."""
    proved, log, _ = prove(MODULES[module])
    assert proved, log[-2000:]


@pytest.mark.parametrize("module", QUICK)
def test_a_proof_notices_a_broken_module(module):
    """The first property of each fails on its broken variant, and by its own assertion."""
    claim = next(claim for claim in PROPERTIES if claim.module == module)
    noticed, log = caught(MODULES[module], claim)
    assert noticed, log[-2000:]
