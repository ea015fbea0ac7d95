"""The timing diagrams of docs/fpga-ports.md, run on the modules that they show."""

import pytest

from openoutcry.gateway_fpga.tools.diagrams import DIAGRAMS
from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize("toplevel", sorted({diagram.toplevel for diagram in DIAGRAMS}))
def test_diagrams(toplevel, tmp_path):
    """Cycle by cycle: what is driven, and what the module answers."""
    (parameters,) = {
        tuple(diagram.parameters.items()) for diagram in DIAGRAMS if diagram.toplevel == toplevel
    }
    simulate("icarus", toplevel, "bench_diagrams", tmp_path, parameters=dict(parameters))
