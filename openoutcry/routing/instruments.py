"""Venues, and one instrument at several of them: integers of declared scales.

An :class:`Instrument` has the scales in which the router counts; a :class:`Listing` says how one
venue counts the same instrument, and which orders that venue accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.errors import OutcryError

BUY, SELL = 1, -1
"""Sides of an order: signs, so that ``side * price`` is what a worse price has more of."""
PART = 1_000_000
"""Fees and shares are in millionths."""
MAX_FEE_PPM = 500_000
MAX_PRICE = (1 << 62) // (PART + MAX_FEE_PPM)
"""A price times one plus its fee, in millionths, is exact in 64 bits."""
MAX_QUANTITY = 1 << 53
MAX_VENUES = 16
MAX_DECIMALS = 12


class RoutingError(OutcryError):
    """A venue, an instrument or an order cannot be used; the message names it."""


def side_named(text: str) -> int:
    """BUY or SELL, by its name.  Raises :class:`RoutingError`."""
    try:
        return {"buy": BUY, "sell": SELL}[text]
    except KeyError:
        raise RoutingError(f"side {text!r} is neither buy nor sell") from None


def name_of_side(side: int) -> str:
    """Return ``buy`` or ``sell``."""
    return "buy" if side == BUY else "sell"


def scaled(text: str | Decimal | int, decimals: int, what: str) -> int:
    """A positive decimal number in units of 10^-decimals.

    Raises :class:`RoutingError` for what is not one, or has more decimals."""
    try:
        value = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        raise RoutingError(f"{what} {text!r} is not a number") from None
    if not value.is_finite() or value != value.to_integral_value():
        raise RoutingError(f"{what} {text} has more than {decimals} decimals")
    if not 0 < value < 1 << 62:
        raise RoutingError(f"{what} {text} is not positive, or too large")
    return int(value)


@dataclass(frozen=True)
class Instrument:
    """An instrument, and the scales in which the router counts its prices and quantities."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    quantity_decimals: int

    def price(self, text: str | Decimal) -> int:
        """A price in the router's units.  Raises :class:`RoutingError`."""
        value = scaled(text, self.price_decimals, f"{self.symbol}: price")
        if value > MAX_PRICE:
            raise RoutingError(f"{self.symbol}: price {text} is above what 64 bits carry")
        return value

    def quantity(self, text: str | Decimal) -> int:
        """A quantity in the router's units.  Raises :class:`RoutingError`."""
        value = scaled(text, self.quantity_decimals, f"{self.symbol}: quantity")
        if value > MAX_QUANTITY:
            raise RoutingError(f"{self.symbol}: quantity {text} is above what 64 bits carry")
        return value

    def price_text(self, price: int) -> str:
        """Return a price as decimal text."""
        return decimal_text(price, self.price_decimals)

    def quantity_text(self, quantity: int) -> str:
        """Return a quantity as decimal text."""
        return decimal_text(quantity, self.quantity_decimals)


@dataclass(frozen=True)
class Listing:
    """An instrument at one venue.  Steps and limits are in the venue's units of 10^-decimals; its
    price and quantity have at most as many decimals as the router's."""

    venue: str
    instrument: Instrument
    symbol: str
    """Name at the venue."""
    price_decimals: int
    quantity_decimals: int
    price_step: int = 1
    lot: int = 1
    """Quantities of orders are multiples of it."""
    min_quantity: int = 1
    min_notional: int = 0
    """Least price times quantity, in the product of the venue's units."""
    max_quantity: int = MAX_QUANTITY
    """Largest quantity of one order of the router there."""

    def __post_init__(self) -> None:
        for what, ours, theirs in (
            ("price", self.instrument.price_decimals, self.price_decimals),
            ("quantity", self.instrument.quantity_decimals, self.quantity_decimals),
        ):
            if not 0 <= theirs <= ours <= MAX_DECIMALS:
                raise RoutingError(
                    f"{self.venue}: {self.symbol}: {what}_decimals {theirs} must be 0 to {ours}, "
                    "those of the instrument"
                )
        for what, value in (
            ("price_step", self.price_step),
            ("lot", self.lot),
            ("min_quantity", self.min_quantity),
        ):
            if value < 1:
                raise RoutingError(f"{self.venue}: {self.symbol}: {what} {value} is below 1")

    @property
    def price_factor(self) -> int:
        """The router's price units in one of the venue's."""
        return int(10 ** (self.instrument.price_decimals - self.price_decimals))

    @property
    def quantity_factor(self) -> int:
        """The router's quantity units in one of the venue's."""
        return int(10 ** (self.instrument.quantity_decimals - self.quantity_decimals))

    def lot_units(self) -> int:
        """The lot in the router's units."""
        return self.lot * self.quantity_factor

    def least(self, price: int) -> int:
        """The smallest order that the venue accepts at a price, in the router's units."""
        factor = self.price_factor * self.quantity_factor
        by_notional = -(-self.min_notional * factor // max(price, 1))
        lot = self.lot_units()
        least = max(self.min_quantity * self.quantity_factor, by_notional)
        return -(-least // lot) * lot

    def most(self) -> int:
        """The largest order that the router may send there, in its units."""
        return min(self.max_quantity * self.quantity_factor, MAX_QUANTITY)

    def rounded_price(self, side: int, price: int) -> int:
        """The price of the venue's grid that is no worse for the order, in the router's units; 0
        if the grid has no such price."""
        step = self.price_step * self.price_factor
        return price // step * step if side == BUY else -(-price // step) * step


MEASURED = -1
"""Latency of a venue that the router measures: half of its quickest answer to an order."""


@dataclass(frozen=True)
class Venue:
    """The router's data of a venue itself."""

    name: str
    maker_ppm: int = 0
    taker_ppm: int = 0
    """Fees, in millionths of price times quantity; negative: a rebate."""
    order_fee: int = 0
    """Additional cost of an order, in price units times quantity units of the router."""
    latency_ns: int = MEASURED
    """Latency from the router to the venue's book; a sweep is timed by it."""
    stale_ns: int = 3_000_000_000
    """A feed that was silent for longer is not traded on."""
    timeout_ns: int = 2_000_000_000
    """A child that is not answered for so long makes the venue suspect."""
    shown_ppm: int = PART
    """Share of displayed quantity that the router expects to reach."""

    def __post_init__(self) -> None:
        for what, fee in (("maker_ppm", self.maker_ppm), ("taker_ppm", self.taker_ppm)):
            if abs(fee) > MAX_FEE_PPM:
                raise RoutingError(f"{self.name}: {what} {fee} is beyond {MAX_FEE_PPM:,}")
        if not 0 < self.shown_ppm <= PART:
            raise RoutingError(f"{self.name}: shown_ppm {self.shown_ppm} is not 1 to {PART:,}")


@dataclass(frozen=True)
class Market:
    """An instrument, and the venues that list it: the order of both is the venues' numbers."""

    instrument: Instrument
    venues: tuple[Venue, ...]
    listings: tuple[Listing, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.venues) <= MAX_VENUES:
            raise RoutingError(
                f"{self.instrument.symbol}: {len(self.venues)} venues, not 1 to {MAX_VENUES}"
            )
        names = [venue.name for venue in self.venues]
        if names != [listing.venue for listing in self.listings] or len(set(names)) < len(names):
            raise RoutingError(f"{self.instrument.symbol}: each venue needs one listing")
        if any(listing.instrument != self.instrument for listing in self.listings):
            raise RoutingError(f"{self.instrument.symbol}: a listing names another instrument")

    def number(self, venue: str) -> int:
        """The number of a venue.  Raises :class:`RoutingError`."""
        for number, one in enumerate(self.venues):
            if one.name == venue:
                return number
        raise RoutingError(f"{self.instrument.symbol} is not listed at {venue}")


def market_of(
    instrument: Instrument, venues: Mapping[str, Venue], listings: list[Listing]
) -> Market:
    """The market of an instrument: its listings, and their venues by name."""
    own = [listing for listing in listings if listing.instrument == instrument]
    return Market(instrument, tuple(venues[listing.venue] for listing in own), tuple(own))
