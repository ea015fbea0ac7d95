"""Random markets of one instrument, and random levels at their venues."""

from openoutcry.routing.depth import LIVE, Depth
from openoutcry.routing.instruments import Instrument, Listing, Market, Venue

GOLD = Instrument("GOLD/USD", "GOLD", "USD", price_decimals=4, quantity_decimals=2)


def random_market(rng, count, order_fees=(0, 0, 50), lots=(1, 1, 5, 10), most=10**9):
    """Venues with fees, lots and minimums; some count in fewer decimals than the router."""
    venues, listings = [], []
    for number in range(count):
        name = f"V{number}"
        venues.append(
            Venue(
                name,
                taker_ppm=rng.choice([0, 100, 500, 2_500, -50]),
                order_fee=rng.choice(order_fees),
                stale_ns=1_000,
            )
        )
        lot = rng.choice(lots)
        listings.append(
            Listing(
                name,
                GOLD,
                "GOLD",
                price_decimals=rng.choice([2, 4]),
                quantity_decimals=rng.choice([0, 2]),
                lot=lot,
                min_quantity=rng.choice([1, 10, 20]),
                max_quantity=most,
            )
        )
    return Market(GOLD, tuple(venues), tuple(listings))


def random_side(rng, listing, side, levels, lots=6, spread=4):
    """(price, quantity) in the venue's units, best first, around 100."""
    unit = 10**listing.price_decimals
    price = 100 * unit - side * rng.randint(0, 3) * unit // 100
    rows = []
    for _ in range(levels):
        price -= side * rng.randint(1, spread) * unit // 100
        rows.append((price, listing.lot * rng.randint(1, lots)))
    return rows


def filled_depth(rng, market, levels=5, lots=6):
    """A depth in which every venue is live, with asks and bids."""
    depth = Depth(market, levels)
    for number, listing in enumerate(market.listings):
        depth.set_status(number, LIVE, 0)
        asks = random_side(rng, listing, -1, rng.randint(0, levels), lots)
        bids = random_side(rng, listing, 1, rng.randint(0, levels), lots)
        assert depth.set_levels(number, bids, asks, 0)
    return depth
