"""Orders that would bring a portfolio to weights that its owner names; nothing is sent.

Sales come first, at the best bid, then buys at the best ask, each a limit order: what the sales
bring pays for the buys.  Each asset is traded in its market with the currency.
"""

from dataclasses import dataclass
from fractions import Fraction

from openoutcry.portal.trading.instruments import Market

BPS = 10_000


@dataclass(frozen=True)
class Held:
    """An asset of the portfolio.  ``rate``: units of the currency a unit is worth."""

    asset: str
    available: int
    total: int
    rate: Fraction


@dataclass(frozen=True)
class Quote:
    """A market between an asset and the currency, with its best prices in ticks."""

    market: Market
    bid: int
    ask: int
    fee: Fraction
    """The taker's, as a part of the amount."""


@dataclass(frozen=True)
class Proposed:
    """An order that brings a holding nearer to its weight."""

    market: Market
    is_buy: bool
    lots: int
    price_ticks: int

    def worth(self, currency: str) -> int:
        """Units of the currency."""
        market = self.market
        if market.base == currency:
            return self.lots * market.lot_units
        return self.lots * self.price_ticks * market.tick_units


def proposed(
    held: list[Held],
    weights: dict[str, Fraction],
    currency: str,
    quotes: dict[str, Quote],
    tolerance_bps: int,
) -> list[Proposed]:
    """``held``: also what is only to be bought; ``weights``: of every asset that is to be held, 1
    together; ``quotes``: by the asset that is not the currency.  An asset whose part is within the
    tolerance, or without a market, is left."""
    whole = sum((one.total * one.rate for one in held), Fraction(0))
    money = Fraction(next((one.available for one in held if one.asset == currency), 0))
    missing = {
        one.asset: weights.get(one.asset, Fraction(0)) * whole - one.total * one.rate
        for one in held
        if one.asset != currency and one.asset in quotes
    }
    missing = {asset: by for asset, by in missing.items() if abs(by) * BPS > tolerance_bps * whole}
    available = {one.asset: one.available for one in held}
    orders = []
    for asset, by in missing.items():
        if by < 0:
            quote = quotes[asset]
            order = _order(quote, asset, -by, Fraction(available[asset]), is_sale=True)
            if order is not None:
                orders.append(order)
                money += order.worth(currency) * (1 - quote.fee)
    for asset, by in missing.items():
        if by > 0:
            quote = quotes[asset]
            order = _order(quote, asset, by, money, is_sale=False)
            if order is not None:
                orders.append(order)
                money -= order.worth(currency) * (1 + quote.fee)
    return orders


def _order(
    quote: Quote, asset: str, worth: Fraction, has: Fraction, is_sale: bool
) -> Proposed | None:
    """An order that moves about ``worth`` (units of the currency), and ``has`` units of what it
    pays with at most."""
    market, trades_asset = quote.market, quote.market.base == asset
    # Where the market trades the currency for the asset, a sale of the asset buys the currency.
    is_buy = is_sale != trades_asset
    price = quote.ask if is_buy else quote.bid
    if price <= 0:
        return None
    paid = price * market.tick_units
    lots = int(worth / (paid if trades_asset else market.lot_units))
    most = int(has / (paid * (1 + quote.fee) if is_buy else market.lot_units))
    lots = min(lots, most, market.max_lots) // market.qty_step * market.qty_step
    return Proposed(market, is_buy, lots, price) if lots >= market.min_lots else None
