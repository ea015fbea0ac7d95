"""Markets of another style, with acts and without: makers and noise takers are left alone, two who
trade with each other alone are found, and one trade at the end hides no mark of the close."""

import pytest

from tests.support.surveillance.foreign_markets import MARKER, ONE, OTHER, STYLES, ForeignMarket

HALF_HOUR_S = 1_800
LEAST_BPS = 5.0


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("lots_follow", [0.0, 0.03])
def test_honest_days(style: str, lots_follow: float) -> None:
    market = ForeignMarket(101, lots_follow)
    traders = STYLES[style](market)
    for _ in range(4):
        market.day(HALF_HOUR_S, traders)
    patterns = {name for name, _ in market.found}
    assert patterns <= {"SUSPICIOUS_VOLUME"}
    assert len(market.took) > 200


@pytest.mark.parametrize("style", STYLES)
def test_two_who_meet_whatever_the_size_and_direction(style: str) -> None:
    market = ForeignMarket(102)
    market.day(2 * HALF_HOUR_S, [*STYLES[style](market), market.pre_arranged(240)])
    assert {who for name, who in market.found if name == "WASH_PAIR"} == {(ONE, OTHER)}


def test_a_mark_of_the_close_is_not_hidden_by_the_last_trade() -> None:
    """Of acts that took half of the last minute and moved the mid by 5 bps."""
    effective, seen = 0, 0
    for style in STYLES:
        for seed in range(103, 107):
            market = ForeignMarket(seed, 0.03)
            middles: list[float | None] = []
            market.day(HALF_HOUR_S, [*STYLES[style](market), *market.mark(middles)])
            if market.moved_bps(middles) >= LEAST_BPS:
                effective += 1
                seen += ("MARKING_CLOSE", (MARKER,)) in market.found
    assert effective >= 6
    assert seen == effective
