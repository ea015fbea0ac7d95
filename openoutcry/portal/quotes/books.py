"""Books that are made of others: an instrument over several venues, or priced through others.

A synthetic book is made of the portal's own markets, as the mirror has them.  A consolidated one is
of the venues that a router's file names (``docs/routing.md``); their feeds are read in a thread.
"""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

from openoutcry.portal.trading.instruments import Market as OwnMarket
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.routing.connector import Connector
from openoutcry.routing.depth import HALTED, LIVE, Depth
from openoutcry.routing.instruments import (
    BUY,
    SELL,
    Instrument,
    Listing,
    Market,
    Venue,
)
from openoutcry.routing.settings import Settings, read_settings
from openoutcry.routing.synthetic_spec import SyntheticBook
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.errors import OutcryError

LEVELS = 20
NAP_S, RETRY_S = 0.02, 5.0
"""Seconds between two looks at the feeds, and after they could not be opened."""
CONSOLIDATED, SYNTHETIC = "consolidated", "synthetic"
FEE_DECIMALS = 6
log = logging.getLogger("outcry.portal")


class MadeBooks:
    """Every book that this portal makes."""

    def __init__(
        self, mirror: Mirror, synthetic: tuple[SyntheticBook, ...] = (), routes: Path | None = None
    ) -> None:
        """Raises :class:`OutcryError` for a book that cannot be made."""
        self.mirror = mirror
        self._own: dict[str, Depth] = {}
        self._seq = -1
        self.synthetic = {one.symbol: one.made(self._depth_of) for one in synthetic}
        self.settings: Settings | None = read_settings(routes) if routes else None
        self.consolidated: dict[str, Depth] = {}
        if self.settings is not None:
            settings = self.settings
            self.consolidated = {
                symbol: Depth(settings.market(symbol)) for symbol in settings.instruments
            }

    def names(self) -> list[tuple[str, str]]:
        """Kind and symbol of every book."""
        made = [(SYNTHETIC, one) for one in self.synthetic]
        return made + [(CONSOLIDATED, one) for one in self.consolidated]

    def has(self, kind: str, symbol: str) -> bool:
        return symbol in (self.synthetic if kind == SYNTHETIC else self.consolidated)

    def shown(self, kind: str, symbol: str) -> dict[str, Any]:
        """The book as the stream has it; prices of a synthetic one are after fees."""
        now_ns = time.time_ns()
        if kind == SYNTHETIC:
            self._refresh(now_ns)
            book = self.synthetic[symbol]
            one = book.instrument
            rows = {
                name: [
                    [one.price_text(level.price), one.quantity_text(level.quantity)]
                    for level in book.take_side(side, now_ns)[:LEVELS]
                ]
                for name, side in (("bids", SELL), ("asks", BUY))
            }
            return {**rows, "venues": {}}
        depth = self.consolidated[symbol]
        market = depth.market
        one = market.instrument
        levels = {
            name: [
                [
                    one.price_text(level.price),
                    one.quantity_text(level.quantity),
                    market.venues[level.venue].name,
                    decimal_text(abs(level.key), one.price_decimals + FEE_DECIMALS),
                ]
                for level in depth.take_side(side, now_ns, LEVELS)
            ]
            for name, side in (("bids", SELL), ("asks", BUY))
        }
        states = {one.name: depth.status(n, now_ns) for n, one in enumerate(market.venues)}
        return {**levels, "venues": states}

    # Synthetic

    def _depth_of(self, symbol: str) -> Depth:
        market = next((one for one in self.mirror.markets.all if one.symbol == symbol), None)
        if market is None:
            raise OutcryError(f"[[synthetic]]: the venue has no spot instrument {symbol!r}")
        if symbol not in self._own:
            self._own[symbol] = Depth(own_market(market, self.mirror.file.name), LEVELS)
        return self._own[symbol]

    def _refresh(self, now_ns: int) -> None:
        """Take over the mirror's books."""
        if self.mirror.seq == self._seq:
            for depth in self._own.values():
                depth.heard(0, now_ns)
            return
        self._seq = self.mirror.seq
        for market in self.mirror.markets.all:
            if market.symbol not in self._own:
                continue
            depth = self._own[market.symbol]
            sides = [
                [(price, lots * market.lot_units) for price, lots, _ in rows]
                for rows in self.mirror.depth(market.code, LEVELS)
            ]
            is_trading = self.mirror.is_trading(market.index)
            depth.set_status(0, LIVE if is_trading else HALTED, now_ns)
            depth.set_levels(0, sides[0], sides[1], now_ns)

    # Consolidated

    async def run(self) -> None:
        """Follow the venues' feeds; until cancelled."""
        if self.settings is None:
            return
        while True:
            connectors: dict[str, dict[str, Connector]] = {}
            try:
                for symbol, depth in self.consolidated.items():
                    connectors[symbol] = await asyncio.to_thread(
                        self.settings.connectors, depth.market
                    )
                while True:
                    await asyncio.to_thread(self._follow, connectors)
                    await asyncio.sleep(NAP_S)
            except (OutcryError, OSError) as error:
                log.error("consolidated books: %s", error)
            finally:
                for made in connectors.values():
                    for connector in made.values():
                        connector.close()
            await asyncio.sleep(RETRY_S)

    def _follow(self, connectors: dict[str, dict[str, Connector]]) -> None:
        for symbol, depth in self.consolidated.items():
            for number, venue in enumerate(depth.market.venues):
                connectors[symbol][venue.name].follow(depth, number, time.time_ns())


def own_market(market: OwnMarket, name: str) -> Market:
    """A market of the portal's venue alone, without fees: they are the caller's."""
    decimals = market.price_decimals, market.base_decimals
    instrument = Instrument(market.symbol, market.base, market.quote, *decimals)
    listing = Listing(name, instrument, market.symbol, *decimals, lot=market.lot_units)
    return Market(instrument, (Venue(name),), (listing,))
