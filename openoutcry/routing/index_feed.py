"""Sources of an index outside the venue: the middle of each book that a router's connectors
follow."""

from collections.abc import Callable, Mapping

from openoutcry.routing.connector import Connector
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, SELL, Market

Report = Callable[[str, int], object]
"""Takes a source's name and its price in ticks."""


class IndexFeed:
    """Follows the venues of a market.  A venue without a live book of two sides reports nothing, so
    that the index drops it once it is stale."""

    def __init__(
        self, market: Market, connectors: Mapping[str, Connector], decimals: int, report: Report
    ) -> None:
        """``decimals``: of a price of the index, whose last one is a tick."""
        self.market, self.connectors, self.report = market, connectors, report
        self.depth = Depth(market)
        self.more = decimals - market.instrument.price_decimals

    def step(self, now_ns: int) -> None:
        """Bring the books up to date, and report what they say."""
        best: list[dict[int, int]] = []
        for number, venue in enumerate(self.market.venues):
            self.connectors[venue.name].follow(self.depth, number, now_ns)
        for side in (BUY, SELL):
            prices: dict[int, int] = {}
            for level in self.depth.take_side(side, now_ns):
                prices.setdefault(level.venue, level.price)
            best.append(prices)
        for number, venue in enumerate(self.market.venues):
            if number in best[0] and number in best[1]:
                self.report(venue.name, self.ticks(best[0][number] + best[1][number]))

    def ticks(self, both: int) -> int:
        """The middle in ticks, half a tick upwards; ``both``: ask and bid together."""
        if self.more >= 0:
            both *= 10**self.more
            return (both + 1) // 2
        unit = 2 * 10**-self.more
        return (2 * both + unit) // (2 * unit)
