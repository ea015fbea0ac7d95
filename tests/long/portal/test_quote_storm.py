"""A small storm of requests for quotes; `python -m tests.support.portal.quote_storm` has 10,000."""

import pytest

from tests.support.portal.quote_storm import run


@pytest.mark.long
def test_requests_under_kills_trade_once_with_both_consents(tmp_path):
    figures = run(400, tmp_path / "storm.json", seed=11)
    assert figures["requests"] >= 400
    assert figures["kills"] >= 2
    assert figures["trades"] > 50
    names = "twice", "without_consent", "differ", "replays_differ"
    assert [figures[name] for name in names] == [0, 0, 0, 0]
