"""The power goes for all directories of a journal at once: what was acknowledged is found."""

import pytest

from tests.support.journal.journal_cuts_of_copies import POLICIES, cut_often


@pytest.mark.parametrize(("count", "policy"), POLICIES)
def test_ten_cuts_of_several_directories(tmp_path, orders, count, policy):
    """Two and three directories under each policy, at any call, a directory of a quorum lost with
    it at times: nothing acknowledged is lost, nothing wrong is served, the journal goes on."""
    cut_often(tmp_path, orders, 3, 10, count, policy)
