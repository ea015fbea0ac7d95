"""The proofs: that the table is whole, and that a part of it holds; `make fpga-formal` runs all."""

import pytest

from openoutcry.gateway_fpga.formal.modules import MODULES
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.formal.run import prove
from tests.support.gateway_fpga.formal import SMALL


@pytest.mark.long
@pytest.mark.parametrize("module", [name for name in MODULES if name not in SMALL])
def test_all_proofs_hold(module):
    """All properties of the large modules, by k-induction."""
    apart = [claim.name for claim in PROPERTIES if claim.module == module]
    for only in apart if MODULES[module].apart else [None]:
        proved, log, _ = prove(MODULES[module], only)
        assert proved, f"{only or module}: {log[-2000:]}"
