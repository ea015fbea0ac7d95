"""A portal's desk of requests for quotes, with a real database and a venue that the test plays."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

from openoutcry.portal.database import Database
from openoutcry.portal.quotes.quotes import Quotes
from openoutcry.portal.trading.instruments import Market
from tests.support.portal.people import fresh_database

ROW = {"price_step_ticks": 1, "qty_step_lots": 1, "min_qty_lots": 1, "max_qty_lots": 10**6}
ROW |= {"min_price_ticks": 1, "max_price_ticks": 10**8}
MARKET = Market(0, "BTC-USD", b"BTC-USD", "BTCUSD", "BTC", "USD", 8, 6, 2, 10_000, 1, ROW)
ETHER = Market(1, "ETH-USD", b"ETH-USD", "ETHUSD", "ETH", "USD", 8, 6, 2, 100_000, 10, ROW)
CLIENT, FIRST, SECOND = 1000, 1001, 1002


class Desk:
    """The venue's: each reference once."""

    def __init__(self):
        self.booked, self.error = {}, None

    def __call__(self, request):
        if self.error is not None:
            raise self.error
        self.booked.setdefault(request["reference"], request)
        return {"seq": 7}


def portal_of(url, desk):
    """A process of the portal: the desk of its database."""
    every = [MARKET, ETHER]
    markets = SimpleNamespace(every=every, by_symbol={one.symbol: one for one in every})
    mirror = SimpleNamespace(is_open=True, markets=markets)
    return Quotes(Database(url), mirror, (FIRST, SECOND), 60_000, desk)


@asynccontextmanager
async def exchange_of(postgresql):
    """A portal's desk of quotes with a new, empty database, and the venue's desk."""
    desk = Desk()
    quotes = portal_of(fresh_database(postgresql), desk)
    try:
        await quotes._beat()
        yield quotes, desk
    finally:
        await quotes.database.close()
