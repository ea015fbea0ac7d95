"""A spot market and its perpetual, linked by the venue's own data: acts that gain elsewhere than
where they press are found; arbitrage, hedges, index funds and liquidations are left alone."""

import pytest

from tests.support.surveillance.foreign_products import ACTOR, ACTS, PARTS, played


@pytest.mark.parametrize("name", ACTS)
def test_acts_that_have_an_effect_are_found(name: str) -> None:
    _, patterns, who = ACTS[name]
    markets = [played(name, seed) for seed in range(700, 706)]
    effective = [market for market in markets if market.effective]
    found = [
        market
        for market in effective
        if any(name in patterns and set(them) <= set(who) for name, them in market.found)
    ]
    assert effective
    assert len(found) >= 0.8 * len(effective)


def test_honest_days() -> None:
    """What is left are sellers in a hurry in the last minute, who do make the close."""
    found = [(seed, *hit) for seed in range(710, 722) for hit in set(played("", seed).found)]
    others = [one for one in found if one[1] not in ("SUSPICIOUS_VOLUME", "MARKING_CLOSE")]
    assert not {who for _, _, them in found for who in them} & {ACTOR, *PARTS}
    assert not others
    assert len(found) <= 4
