"""What a market's statistics are at any moment, from a receiver's book alone.

Prices have four decimals; sums are exact.  Of an interval they are ``bars.py``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from openoutcry.market_data.book import Book
from openoutcry.wire.errors import FeedError


@dataclass(frozen=True)
class Statistics:
    """Statistics of one instrument since the beginning of the stream."""

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
    """Price at which the auction would trade as of the last I; 0: at none."""
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
    statistics = {}
    for instrument in book.instruments():
        bids, asks = (book.levels(instrument.locate, side, 1) for side in "BS")
        statistics[instrument.symbol] = Statistics(
            instrument.symbol,
            instrument.state,
            instrument.open_price,
            instrument.high,
            instrument.low,
            instrument.last_price,
            instrument.volume,
            instrument.turnover,
            instrument.trades,
            asks[0][0] - bids[0][0] if bids and asks else None,
            instrument.near_price,
            instrument.paired,
            instrument.imbalance,
            instrument.direction,
        )
    return statistics


def index_of(
    book: Book, weights: Mapping[str, int], closes: Mapping[str, int], base: int = 1_000
) -> Fraction:
    """The index of some instruments, exactly: ``base`` times what they are worth, last price by
    weight, over what they were at their previous closes, as the market-wide breaker has it.  What
    has not traded yet counts at its close.

    Raises :class:`FeedError` for an instrument that the stream does not have, or without a close.
    """
    instruments = {instrument.symbol: instrument for instrument in book.instruments()}
    now = before = 0
    for symbol, weight in weights.items():
        if symbol not in instruments or closes.get(symbol, 0) <= 0:
            raise FeedError(f"index: {symbol} is not in the stream, or has no previous close")
        instrument = instruments[symbol]
        now += weight * (instrument.last_price if instrument.trades else closes[symbol])
        before += weight * closes[symbol]
    if before <= 0:
        raise FeedError("index: its instruments have no weight")
    return Fraction(base * now, before)
