"""The power goes at any moment: what is found has everything acknowledged, in order, once."""

import pytest

from tests.support.journal.journal_power_cuts import cut_often


@pytest.mark.promise(
    "What was acknowledged survives SIGKILL of the whole pipeline at any moment, and a power "
    "cut with any subset of unsynced sectors. So it does in a run from the network without "
    "`--journal`",
    group="files",
)
def test_two_hundred_power_cuts(tmp_path, orders):
    """At any call, with any subset of the unsynced sectors and names on the disk, sometimes twice:
    nothing acknowledged is lost, nothing wrong is served, and the journal goes on."""
    assert cut_often(tmp_path, orders, 1, 200) == 200
