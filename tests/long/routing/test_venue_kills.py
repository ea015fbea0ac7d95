"""A few kills of the router, of venues and of feeds; ``kills.py`` does a thousand."""

from tests.long.routing.kills import part


def test_no_child_is_doubled_and_no_parent_overfilled(tmp_path):
    found = part(tmp_path, 2, 6)  # one venue by OUCH, one by FIX
    assert found["parents"] > 3
    assert found["lots"] > 0
