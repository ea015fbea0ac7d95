"""One view over several venues: the best bid and offer of an instrument over all of them.

Each venue's stream keeps its own sequence; only the quotes that are read are merged.
"""

from collections.abc import Mapping
from typing import NamedTuple

from openoutcry.market_data.book import Book, Instrument
from openoutcry.market_data.receiver import Receiver

TRADING = "T"


class Quote(NamedTuple):
    """The best price of a side, the venues that have it, and how much each of them has."""

    price: int
    """Four decimals."""
    shares: int
    venues: tuple[str, ...]


class Best(NamedTuple):
    """Best bid and offer over all venues, None where no venue has one."""

    bid: Quote | None
    offer: Quote | None
    sequences: Mapping[str, int]
    """By venue: the last message that is in it."""

    @property
    def is_crossed(self) -> bool:
        """One venue's bid is at or above another's offer."""
        return bool(self.bid and self.offer and self.bid.price >= self.offer.price)


class Consolidated:
    """Receivers of several venues, by name, of which some have the same instruments by symbol."""

    def __init__(self, venues: Mapping[str, Receiver]) -> None:
        self.venues = dict(venues)

    def poll(self, timeout_s: float) -> int:
        """Take in what has come on all of them; returns how many packets."""
        packets = sum(venue.poll(0) for venue in self.venues.values())
        if packets or not self.venues:
            return packets
        share_s = timeout_s / len(self.venues)
        return sum(venue.poll(share_s) for venue in self.venues.values())

    def best(self, symbol: str) -> Best:
        """Return the best quotes of an instrument. Venues that do not have it, or do not trade it
        continuously now, have no quote."""
        places = {name: self._place(one.book, symbol) for name, one in self.venues.items()}
        quotes: list[Quote | None] = []
        for side, sign in (("B", 1), ("S", -1)):
            tops = {
                name: top[0]
                for name, place in places.items()
                if place is not None and place.state == TRADING
                if (top := self.venues[name].book.levels(place.locate, side, 1))
            }
            price = max((row[0] * sign for row in tops.values()), default=None)
            if price is None:
                quotes.append(None)
                continue
            shares = {name: row[1] for name, row in tops.items() if row[0] == price * sign}
            quotes.append(Quote(price * sign, sum(shares.values()), tuple(sorted(shares))))
        sequences = {name: one.lines.next_sequence - 1 for name, one in self.venues.items()}
        return Best(quotes[0], quotes[1], sequences)

    @staticmethod
    def _place(book: Book, symbol: str) -> Instrument | None:
        return next(
            (instrument for instrument in book.instruments() if instrument.symbol == symbol), None
        )
