"""Nobody gets past a limit, whatever is tried: larger replaces, icebergs, stops that elect each
other, pegs, auctions, self-trades, mass cancels; looked at after every command."""

import pytest

from tests.support.risk.risk_never_past import mixed_never_past, swarm_never_past


def test_fifty_thousand_mixed_commands_never_past_a_limit():
    mixed_never_past(50_000, 3)


def test_fifty_thousand_protected_commands_never_past_a_limit():
    mixed_never_past(50_000, 4, protection=True)


@pytest.mark.parametrize("protection", [False, True])
def test_what_waited_at_a_speed_bump_is_never_past_a_limit(protection):
    """Room for 512: most wait, some are refused for want of a place; the limits are asked when
    they enter."""
    mixed_never_past(30_000, 5 + protection, protection, delayed=512)
    counts = [swarm_never_past(seed, 1_500, delayed=64) for seed in range(100, 110)]
    assert sum(events for _, events in counts) > 5_000


def test_swarms_never_past_a_limit():
    """Small books in narrow markets: everything meets everything."""
    counts = [swarm_never_past(seed, 1_500) for seed in range(40)]
    assert sum(refused for refused, _ in counts) > 5_000
    assert sum(events for _, events in counts) > 20_000


def test_a_sliding_order_counts_at_the_price_that_was_asked():
    """A sale that slides up to behind the bid (found by a hundred million commands)."""
    assert swarm_never_past(114_884, 2_000)[1] > 0
