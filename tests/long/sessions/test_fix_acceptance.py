"""QuickFIX's 59 acceptance scripts for a FIX 4.4 acceptor all pass: over real sockets against a
real acceptor, and again without sockets by a clock that jumps, which is exact about heartbeats."""

import pytest

from tests.support.order_entry import fix_acceptance as shared
from tests.support.order_entry import fix_scripts
from tests.support.order_entry.fix_acceptance import SLOW, run_over_tcp

dictionary = shared.dictionary

pytest.importorskip(
    "quickfix", reason="PyPI's quickfix, which has the FIX 4.4 data dictionary, could not be built"
)


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_scripts_that_wait_pass_over_sockets(name, dictionary):
    run_over_tcp(fix_scripts.HERE / "fix44" / name, dictionary)
