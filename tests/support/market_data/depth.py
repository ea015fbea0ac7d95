"""What the tests of depth in several tiers share."""

from openoutcry.market_data.depth import (
    LEVELS,
    View,
)


def drawn(rng, locate=1, symbol="GOLD"):
    """A view as a book may have it."""
    rows = [
        tuple(
            (price, rng.randrange(1, 5), rng.randrange(1, 3))
            for price in sorted(
                rng.sample(range(100, 130), rng.randrange(LEVELS + 1)), reverse=side == "B"
            )
        )
        for side in "BS"
    ]
    return View(locate, symbol, "T", *rows, rng.randrange(3), rng.randrange(3), rng.randrange(3))
