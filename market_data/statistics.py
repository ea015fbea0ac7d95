"""What a market's statistics are at any moment, from a receiver's book alone.

Prices have four decimals; sums are exact.  Of an interval they are ``bars.py``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from openoutcry.market_data.book import Book
from openoutcry.market_data.errors import FeedError


@dataclass(frozen=True)
class Statistics:
    """Of one instrument since the stream's begin."""

    symbol: str
    state: str
    open: int
    high: int
    low: int
    last: int
    volume: int
    turnover: int
    """Sum of price times shares, modulo 2**64."""
    trades: int
    """An auction is one, of all its volume."""
    spread: int | None
    """Best ask less best bid; below 0 in a call phase; None where a side is empty."""
    indicative_price: int
    """At which the auction would trade as of the last I; 0: at none."""
    paired: int
    imbalance: int
    direction: str
    """B, S, N (none) or O (nothing would trade)."""

    @property
    def vwap(self) -> Fraction | None:
        """Price by volume, exactly; None before the first trade."""
        return Fraction(self.turnover, self.volume) if self.volume else None


def statistics_of(book: Book) -> dict[str, Statistics]:
    """Every instrument's, by symbol."""
    found = {}
    for one in book.instruments():
        bids, asks = (book.levels(one.locate, side, 1) for side in "BS")
        found[one.symbol] = Statistics(
            one.symbol, one.state, one.open_price, one.high, one.low, one.last_price, one.volume,
            one.turnover, one.trades, asks[0][0] - bids[0][0] if bids and asks else None,
            one.near_price, one.paired, one.imbalance, one.direction,
        )  # fmt: skip
    return found


def index_of(
    book: Book, weights: Mapping[str, int], closes: Mapping[str, int], base: int = 1_000
) -> Fraction:
    """The index of some instruments, exactly: ``base`` times what they are worth, last price by
    weight, over what they were at their previous closes, as the market-wide breaker has it.  What
    has not traded yet stands at its close.

    Raises :class:`FeedError` for an instrument that the stream does not have, or without a close.
    """
    found = {one.symbol: one for one in book.instruments()}
    now = before = 0
    for symbol, weight in weights.items():
        if symbol not in found or closes.get(symbol, 0) <= 0:
            raise FeedError(f"index: {symbol} is not in the stream, or has no previous close")
        one = found[symbol]
        now += weight * (one.last_price if one.trades else closes[symbol])
        before += weight * closes[symbol]
    if before <= 0:
        raise FeedError("index: its instruments have no weight")
    return Fraction(base * now, before)
