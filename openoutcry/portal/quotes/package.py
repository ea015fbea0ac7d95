"""Several instruments that are asked for as one: a request for quotes of several legs.

Its quantity is a whole number of packages.  Its price is what one package costs in the quote asset
of its legs: each leg's price times its quantity, sold legs below 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.routing.rfq import MAX_LEGS, Leg

MAX_PACKAGES = 1_000_000


@dataclass(frozen=True)
class Package:
    """The legs' markets, and the lots of each in a package, below 0 where it is sold."""

    markets: tuple[Market, ...]
    ratios: tuple[int, ...]
    symbol: str = ""

    @classmethod
    def of(cls, legs: Sequence[Leg], market_of: Callable[[str], Market]) -> "Package":
        """The package of a request."""
        return cls(tuple(market_of(leg.symbol) for leg in legs), tuple(leg.ratio for leg in legs))

    def require_one(self, packages: int) -> None:
        """Raises :class:`InvalidRequest` for legs that can have no common price, or that no orders
        could have."""
        if not 2 <= len(self.markets) <= MAX_LEGS:
            raise InvalidRequest(f"legs: 2 to {MAX_LEGS}; without: one instrument")
        if len({one.quote for one in self.markets}) != 1:
            raise InvalidRequest("legs: all are quoted in one asset")
        for market in self.markets:
            if market.inverse_units:
                text = f"legs: {market.symbol} is an inverse contract; ask for quotes of it alone"
                raise InvalidRequest(text)
        for market, ratio in zip(self.markets, self.ratios, strict=True):
            if not market.takes_lots(abs(ratio) * packages):
                raise InvalidRequest(f"quantity: no order of {market.symbol} may have it")

    def value(self, prices: Sequence[int]) -> int:
        """Return what a package costs at these prices of its legs, in units of the quote asset."""
        rows = zip(self.markets, self.ratios, prices, strict=True)
        return sum(ratio * price * market.tick_units for market, ratio, price in rows)

    def price(self, units: int) -> str:
        """The price of a package as text."""
        return text_of(units, self.markets[0].quote_decimals)

    def quantity(self, packages: int) -> str:
        """A number of packages as text."""
        return str(packages)

    def prices(self, prices: Sequence[int]) -> list[str]:
        """The legs' prices as text."""
        return [one.price(price) for one, price in zip(self.markets, prices, strict=False)]


def packages_of(text: str) -> int:
    """Raises :class:`InvalidRequest`."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 7):
        raise InvalidRequest("quantity: a whole number of packages is expected")
    if not 1 <= int(text) <= MAX_PACKAGES:
        raise InvalidRequest(f"quantity: 1 to {MAX_PACKAGES} packages")
    return int(text)
