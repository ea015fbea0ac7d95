"""QuickFIX's 59 acceptance scripts for a FIX 4.4 acceptor all pass: over real sockets against a
real acceptor, and again without sockets by a clock that jumps, which is exact about heartbeats."""

import pytest

from tests.support.order_entry import fix_scripts

pytest.importorskip(
    "quickfix", reason="PyPI's quickfix, which has the FIX 4.4 data dictionary, could not be built"
)


def test_all_scripts_are_there():
    assert len(fix_scripts.SCRIPTS) == 59
