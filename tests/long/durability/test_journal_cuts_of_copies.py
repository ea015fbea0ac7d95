"""The power goes for all directories of a journal at once: what was acknowledged is found."""

import pytest

from tests.support.journal.journal_cuts_of_copies import POLICIES, cut_often


@pytest.mark.long
@pytest.mark.parametrize(("count", "policy"), POLICIES)
def test_a_thousand_cuts_of_several_directories(tmp_path, orders, count, policy):
    """The same, 1,000 times each."""
    cut_often(tmp_path, orders, 4, 1_000, count, policy)


@pytest.mark.long
def test_an_early_word_is_seen_by_this_test(tmp_path, orders, monkeypatch):
    """With a policy that counts one copy where a quorum is asked, some cut with a directory lost
    loses what was acknowledged: the simulation would see it."""
    import openoutcry.journal.copies as module

    monkeypatch.setattr(module, "needed", lambda policy, copies: 1)
    with pytest.raises(AssertionError, match="cut"):
        # Which copy lags is up to its thread: one try in six of 200 cuts sees nothing.
        cut_often(tmp_path, orders, 3, 2_000, 3, "quorum")
