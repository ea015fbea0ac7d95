"""Kills under load; `python -m tests.support.portal.portal_kills --kills 1000` has the many."""

import pytest

from tests.support.portal.portal_kills import VICTIMS, run


@pytest.mark.long
def test_kills_under_load_lose_and_double_no_order_and_streams_have_no_hole(tmp_path):
    figures = run(len(VICTIMS), tmp_path / "kills.json", seed=7)
    assert figures["of"] == dict.fromkeys(VICTIMS, 1)
    assert figures["orders"] >= len(VICTIMS)
    assert (figures["lost"], figures["doubled"], figures["holes"]) == (0, 0, 0)
    assert figures["streams"] > len(VICTIMS), "streams were taken up again"
    again = run(len(VICTIMS) + 1, tmp_path / "kills.json", seed=7)
    assert again["kills"] == len(VICTIMS) + 1, "it continues where the file ends"
    assert (again["lost"], again["doubled"]) == (0, 0)
