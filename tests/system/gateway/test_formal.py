"""The proofs: that the table is whole, and that a part of it holds; `make fpga-formal` runs all."""

import pytest

from openoutcry.gateway_fpga.formal.modules import MODULES
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.formal.run import caught, prove

SMALL = {
    "outcry_skid": (),
    "outcry_packet_fifo": pytest.mark.long,
    "outcry_timestamp": pytest.mark.long,
    "outcry_udp_parser_data": pytest.mark.long,
}
"""Proofs of seconds; the three that take the most of them are run with the long ones."""
QUICK = [pytest.param(name, marks=marks) for name, marks in SMALL.items()]


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


@pytest.mark.long
@pytest.mark.parametrize("module", [name for name in MODULES if name not in SMALL])
def test_all_proofs_hold(module):
    """All properties of the large modules, by k-induction."""
    apart = [claim.name for claim in PROPERTIES if claim.module == module]
    for only in apart if MODULES[module].apart else [None]:
        proved, log, _ = prove(MODULES[module], only)
        assert proved, f"{only or module}: {log[-2000:]}"
