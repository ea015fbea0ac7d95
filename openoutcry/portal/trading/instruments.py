"""Instruments and amounts in the words of the API: decimal text outside, whole numbers inside."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from openoutcry.derivatives.contracts import Contract
from openoutcry.ledger.books import MARGIN
from openoutcry.risk.region import View
from openoutcry.venue.announced import pair_of
from openoutcry.venue.file import VenueFile
from openoutcry.wire.decimals import AmountError, decimal_text, units_of
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.rule_changes import SLOT
from openoutcry.wire.symbols import bare, code_of

AVERAGE_DECIMALS = 4
"""Places that an average price has more than the instrument's prices, at most."""

text_of = decimal_text


def rate_text(millionths: int) -> str:
    """A rate in millionths as a decimal fraction: 1000 is ``0.00100000``."""
    return text_of(millionths * 100, 8)


def worth(price_ticks: int, inverse_units: int) -> int:
    """Return what a lot is worth at a price, in steps of its market's ``tick_units``.

    That is the ticks.  Of an inverse contract it is units of what it is paid in, rounded down as in
    the core."""
    return inverse_units // max(price_ticks, 1) if inverse_units else price_ticks


OF_RULES = (
    "price_step",
    "qty_step",
    "min_lots",
    "max_lots",
    "_price_limits",
    "worst_buy_ticks",
)
"""What a market keeps that follows from its row of the instrument table."""


@dataclass(eq=False)
class Market:
    """An instrument: two assets, and what its ticks and lots are worth.  Of a contract the base
    asset is the contract itself, in whole lots.  Its terms are those in force
    (:meth:`Markets.follow`)."""

    index: int
    symbol: str
    """The venue's, as ``BTC-USD``."""
    code: bytes
    """The same in records."""
    name: str
    """The API's, as ``BTCUSD``."""
    base: str
    quote: str
    base_decimals: int
    quote_decimals: int
    price_decimals: int
    lot_units: int
    tick_units: int
    """Units of the quote asset a tick and lot; 1 of an inverse contract."""
    row: Any
    """Its row of the instrument table, with the rules in force."""
    contract: Contract | None = None
    """Terms of a contract; None: a spot instrument."""
    inverse_units: int = 0
    """The multiplier of an inverse future or perpetual; 0: a lot is worth its price."""

    @cached_property
    def price_step(self) -> int:
        """In ticks."""
        return max(1, int(self.row["price_step_ticks"]))

    @cached_property
    def qty_step(self) -> int:
        """In lots."""
        return max(1, int(self.row["qty_step_lots"]))

    @cached_property
    def min_lots(self) -> int:
        """The smallest order, in lots."""
        return max(self.qty_step, int(self.row["min_qty_lots"]))

    @cached_property
    def max_lots(self) -> int:
        """The largest order, in lots; 2^40 if the venue sets none."""
        return int(self.row["max_qty_lots"]) or 1 << 40

    @cached_property
    def _price_limits(self) -> tuple[int, int]:
        return int(self.row["min_price_ticks"]), int(self.row["max_price_ticks"])

    @cached_property
    def worst_buy_ticks(self) -> int:
        """The price that a buy without one reserves: as far as its market band goes past the
        highest price."""
        return self._price_limits[1] + int(self.row["market_band_ticks"])

    def take(self, row: Any) -> None:
        """Take another row of the instrument table: its rules have changed."""
        self.row = row
        for name in OF_RULES:
            self.__dict__.pop(name, None)

    def price(self, ticks: int) -> str:
        """A price in ticks as decimal text in the quote asset."""
        return text_of(ticks, self.price_decimals)

    @property
    def amount_step(self) -> str:
        """The smallest amount of the quote asset."""
        return text_of(1, self.quote_decimals)

    def quantity(self, lots: int) -> str:
        """A quantity in lots as decimal text in the base asset."""
        return text_of(lots * self.lot_units, self.base_decimals)

    def amount(self, tick_lots: int) -> str:
        """Show a sum of what lots are worth (:func:`worth`) as an amount of the quote asset."""
        return text_of(tick_lots * self.tick_units, self.quote_decimals)

    def value(self, ticks: int, lots: int) -> str:
        """Return what lots are worth at a price, as an amount of the quote asset."""
        return self.amount(worth(ticks, self.inverse_units) * lots)

    def average(self, tick_lots: int, lots: int) -> str:
        """Return the average price of lots whose worths (:func:`worth`) sum to ``tick_lots``, cut
        off ``AVERAGE_DECIMALS`` places after the instrument's, as FIX has it in tag 6.

        Of an inverse contract it is the price at which all lots have that worth."""
        above, below = tick_lots, lots
        if self.inverse_units:
            above, below = self.inverse_units * lots, tick_lots
        scaled = abs(above) * 10**AVERAGE_DECIMALS // max(below, 1)
        text = text_of(-scaled if above < 0 else scaled, self.price_decimals + AVERAGE_DECIMALS)
        zeros = len(text) - len(text.rstrip("0"))
        shown = text[: len(text) - min(zeros, AVERAGE_DECIMALS)]
        return shown.removesuffix(".")

    def fee(self, units: int, asset: str) -> str:
        """A fee as decimal text in its own asset, negative for a rebate."""
        return text_of(units, self.base_decimals if asset == self.base else self.quote_decimals)

    @property
    def multiplier(self) -> str:
        """Return what a quantity of 1 is worth at a price of 1, in the quote asset."""
        if self.inverse_units:
            return text_of(self.inverse_units, self.quote_decimals + self.price_decimals)
        return self.amount(10**self.price_decimals)

    def ticks_of(self, text: str) -> int:
        """Raises :class:`AmountError`."""
        return units_of(text, self.price_decimals)

    def lots_of(self, text: str) -> int:
        """Raises :class:`AmountError` if it is not a whole number of lots."""
        lots, rest = divmod(units_of(text, self.base_decimals), self.lot_units)
        if rest:
            raise AmountError("not a whole number of lots")
        return lots

    def takes_lots(self, lots: int) -> bool:
        """Return whether an order may have this quantity."""
        return self.min_lots <= lots <= self.max_lots and lots % self.qty_step == 0

    def takes_ticks(self, ticks: int) -> bool:
        """Return whether an order may have this price."""
        low, high = self._price_limits
        return low <= ticks <= high and ticks % self.price_step == 0


def level_changes(before: dict[int, int], after: dict[int, int], market: Market) -> list[list[str]]:
    """Return the levels that are new or other, and with quantity 0 those that are gone."""
    gone = {price: 0 for price in before if price not in after}
    new = {price: lots for price, lots in after.items() if before.get(price) != lots}
    return [[market.price(price), market.quantity(lots)] for price, lots in (gone | new).items()]


@dataclass(frozen=True)
class Pair:
    """A spot pair that no file names."""

    index: int
    symbol: str
    base: str
    quote: str
    base_decimals: int
    quote_decimals: int
    lot_units: int
    tick_units: int
    row: Any
    """Its row of the instrument table; None where orders are not entered."""


def underlying_decimals(file: VenueFile, underlying: str) -> int:
    """Decimals of an underlying's price: those of a future or perpetual on it, if there is one."""
    rows = [contract.contract for contract in file.risk.contracts.values()]
    chosen = min((row for row in rows if row.underlying == underlying), key=lambda one: one.kind)
    return file.sessions.price_decimals[chosen.symbol]


class Markets:
    """Every spot instrument and contract of a venue; others are not traded through the portal."""

    def __init__(self, file: VenueFile) -> None:
        money = file.risk.money
        self.assets = dict(money.assets)
        """Decimals, by name."""
        self.all: list[Market] = []
        """Spot instruments."""
        self.contracts: list[Market] = []
        self._adjustments = self.changes = 0
        """``changes``: how often rules of instruments have changed."""
        self.count = len(file.symbols)
        """Rows of the instrument table."""
        self.slots: dict[int, int] = {}
        """Of each row without a symbol the decimals of its prices."""
        rows = zip(file.instruments, file.symbols, strict=True)
        for index, (row, symbol) in enumerate(rows):
            names = index, symbol, bytes(row["symbol"]), bare(symbol)
            decimals = file.sessions.price_decimals.get(symbol, 4)
            terms, contract = money.spot.get(symbol), file.risk.contracts.get(symbol)
            if symbol.startswith(SLOT):
                self.slots[index] = decimals
            elif terms is not None:
                assets = terms.base, terms.quote, self.assets[terms.base], self.assets[terms.quote]
                worth = terms.lot_units, terms.tick_units
                self.all.append(Market(*names, *assets, decimals, *worth, row))
            elif contract is not None:
                one = contract.contract
                assets = symbol, one.asset, 0, self.assets[one.asset]
                # What trades of an inverse one come to is no sum of ticks times lots.
                units = one.multiplier if one.inverse and not one.is_option else 0
                tick_units = 1 if units else one.multiplier
                market = Market(*names, *assets, decimals, 1, tick_units, row, one, units)
                self.contracts.append(market)
        self._sort()
        if len(self.by_name.keys() | self.contracts_by_name.keys()) != len(self.every):
            raise OutcryError("two instruments have the same name without their punctuation")
        if not self.all:
            raise OutcryError(f"{file.path}: the portal needs an instrument with settlement = spot")

    def _sort(self) -> None:
        """Make the tables of what there is."""
        self.by_name = {one.name: one for one in self.all}
        self.contracts_by_name = {one.name: one for one in self.contracts}
        self.every = sorted([*self.all, *self.contracts], key=lambda one: one.index)
        self.by_index = {one.index: one for one in self.every}
        self.by_symbol = {one.symbol: one for one in self.every}

    @property
    def has_slots(self) -> bool:
        """Return whether a row has no symbol yet."""
        return bool(self.slots)

    def learn(self, pair: Pair) -> None:
        """Take a pair that was announced since the venue began."""
        decimals, row = self.slots.pop(pair.index), pair.row
        self.assets |= {pair.base: pair.base_decimals, pair.quote: pair.quote_decimals}
        name = bare(pair.symbol)
        while name in self.by_name or name in self.contracts_by_name:
            # A name that programs know keeps its market; the venue's desk announces no such pair.
            name += str(pair.index)
        names = pair.index, pair.symbol, code_of(pair.symbol), name
        assets = pair.base, pair.quote, pair.base_decimals, pair.quote_decimals
        market = Market(*names, *assets, decimals, pair.lot_units, pair.tick_units, row)
        self.all = sorted([*self.all, market], key=lambda one: one.index)
        self._sort()

    def _announced(self, view: View) -> None:
        """Take the pairs that were announced since the last time."""
        assert view.rules is not None
        for index in list(self.slots):
            symbol = bytes(view.rules.table["symbol"][index]).decode()
            if symbol.startswith(SLOT):
                continue
            terms, wallets = pair_of(view, index), view.wallets
            assert wallets is not None
            decimals = (wallets.decimals(one) for one in (terms.base, terms.quote))
            places: dict[str, Any] = dict(
                zip(("base_decimals", "quote_decimals"), decimals, strict=True)
            )
            row = view.rules.table[index].copy()
            self.learn(Pair(index, symbol, **asdict(terms), **places, row=row))

    def follow(self, view: View) -> None:
        """Take the rules and terms in force: those of a contract whose underlying was split are
        others, and a row may have got its symbol."""
        if view.rules is not None and view.rules.word("changes") != self.changes:
            self.changes = view.rules.word("changes")
            self._announced(view)
            for market in self.every:
                market.take(view.rules.table[market.index].copy())
        contracts = view.contracts
        if contracts is None or contracts.adjustments() == self._adjustments:
            return
        self._adjustments = contracts.adjustments()
        for market in self.contracts:
            assert market.contract is not None
            market.contract = contracts.terms(market.index, market.contract)
            if not market.inverse_units:
                market.tick_units = market.contract.multiplier

    def decimals(self, asset: str) -> int:
        """Return an asset's, also in margin accounts (``USD-MARGIN``); 0: it has no market."""
        return self.assets.get(asset.removesuffix(MARGIN), 0)
