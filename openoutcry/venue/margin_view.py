"""What a participant's scenario margin is made of now, out of the core's risk state.

Margins, equity and the answer about a hypothetical order are the core's exact numbers, by the
parameters in force.  Greeks and liquidation prices are views: of the margin file's surfaces, at the
core's marks and indices.  The state is read while the core writes, so each number was true at some
time.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from openoutcry.derivatives.book import Book, Participant, read_book
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.explain import liquidation_price, position_greeks
from openoutcry.derivatives.margin import Margin, Parameters, Refused, margin, worst_margin
from openoutcry.derivatives.scenarios import in_use
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.region import View
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.venue.waterfall import place_of
from openoutcry.wire.errors import OutcryError

PARTS = (
    *("scan", "active", "intra", "credit", "short_minimum", "addon"),
    *("maintenance", "initial", "net_delta"),
)


class MarginView:
    """The margins of one venue's participants; ``symbols``: its instruments', in their order."""

    def __init__(self, spec: RiskSpec, symbols: list[str], view: View) -> None:
        """Raises :class:`OutcryError` for a venue without ``[margin]``."""
        if view.portfolio is None or view.contracts is None or spec.margin_file is None:
            raise OutcryError("the venue has no scenario margin: its file has no [margin]")
        self.spec, self.view, self.file = spec, view, spec.margin_file
        self.portfolio, self.contracts = view.portfolio, view.contracts
        self.symbols = [symbol for symbol in symbols if symbol in spec.contracts]
        self.places = [symbols.index(symbol) for symbol in self.symbols]
        """The place of each contract's instrument."""

    def document(
        self, who: int, order: tuple[str, int] | None = None, price: int | None = None
    ) -> dict[str, Any]:
        """Ready for JSON; ``order``: a hypothetical one, symbol and lots (below 0: a sale), at a
        price in ticks or at any.  Raises :class:`OutcryError` for what does not exist."""
        if not 0 < who < len(self.view.participants):
            raise OutcryError(f"there is no participant {who}")
        parameters, (positions, orders) = self.portfolio.parameters, self.held(who)
        gains = self.portfolio.gains(who)
        held = margin(parameters, positions, gains)
        worst = worst_margin(parameters, positions, orders, gains)
        limited = self.view.of(who, lay.CREDIT) != NO_LIMIT
        found: dict[str, Any] = {
            "equity": self.equity(who),
            "collateral": self.collateral(who),
            "is_limited": limited,
            "maintenance": held.maintenance,
            "initial": held.initial,
            "with_orders": worst.initial,
            "reserved": self.others(who),
            "commodities": self._commodities(parameters, held),
            "positions": self._positions(who, positions),
            "what_if": None if order is None else self.what_if(who, order, price),
        }
        return found | self._views(who, positions)

    def held(self, who: int) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """Positions and open lots of each side, by the contracts' numbers in the parameters."""
        positions, orders = {}, []
        for number, place in enumerate(self.places):
            lots, buys, sells = (
                self.view.cell(who, place, at) for at in (lay.POSITION, lay.BUY_LOTS, lay.SELL_LOTS)
            )
            if lots:
                positions[number] = lots
            orders += [(number, one) for one in (buys, -sells) if one]
        return positions, orders

    def equity(self, who: int) -> int:
        """Equity and credit, with what pledges count."""
        return self.view.equity(who) + int(self.portfolio.collateral()[who])

    def collateral(self, who: int) -> dict[str, dict[str, int]]:
        """Return what each asset that is pledged counts, and its haircuts."""
        names = self.view.wallets.names if self.view.wallets else []
        return {names[n]: asdict(line) for n, line in self.portfolio.lines(who).items()}

    def others(self, who: int) -> int:
        """Return what the participant's open orders have reserved apart from margin."""
        return self.view.of(who, lay.RESERVED) - self.portfolio.premiums(who)

    def what_if(
        self, who: int, order: tuple[str, int], price: int | None = None
    ) -> dict[str, int | bool]:
        """Return what the core's check of the order would say of margin."""
        symbol, lots = order
        if symbol not in self.symbols or not lots:
            raise OutcryError(f"{symbol}:{lots} is not lots of a contract")
        number, (positions, orders) = self.symbols.index(symbol), self.held(who)
        place, view, parameters = self.places[number], self.view, self.portfolio.parameters
        gains = self.portfolio.gains(who)
        now = worst_margin(parameters, positions, orders, gains).initial
        try:
            more = [*orders, (number, lots)]
            asked = worst_margin(parameters, positions, more, gains).initial
        except Refused as error:
            raise OutcryError(f"{symbol}: {error}") from None
        filled = positions | {number: positions.get(number, 0) + lots}
        loss = 0
        if price is not None:
            mark = self.contracts.of(place, "mark")
            value = self.contracts.value
            loss = max(0, lots * (value(place, price) - value(place, mark)))
        fees = int(view.instruments[place, lay.FEE // 8]) * abs(lots)
        others = self.others(who)
        needed, now = asked + loss + fees + others, now + others
        limited = view.of(who, lay.CREDIT) != NO_LIMIT
        return {
            "initial_with_orders": asked,
            "loss_at_once": loss,
            "needed": needed,
            "accepted": not limited or needed <= max(self.equity(who), now),
            "maintenance_if_filled": margin(parameters, filled, gains).maintenance,
        }

    def _names(self, parameters: Parameters) -> dict[int, str]:
        """Return the underlying of the contracts of each commodity."""
        return {
            row.commodity: self.spec.contracts[symbol].contract.underlying
            for symbol, row in zip(self.symbols, parameters.contracts, strict=True)
        }

    def _commodities(self, parameters: Parameters, made: Margin) -> dict[str, dict[str, Any]]:
        """Those in which the participant has a position."""
        names, found = self._names(parameters), {}
        for number, part in enumerate(made.commodities):
            if number in names and (any(part.losses) or any(part.tiers)):
                row = asdict(part)
                found[names[number]] = {name: row[name] for name in PARTS} | {
                    "scenarios": in_use(part.losses)
                }
        return found

    def _positions(self, who: int, positions: Mapping[int, int]) -> dict[str, dict[str, int]]:
        """Lots, mark and index; at which place of how many the participant would take positions
        over; of a perpetual the last funding."""
        found = {}
        for number, lots in positions.items():
            of, place = self.contracts.of, self.places[number]
            row = {"lots": lots, "mark": of(place, "mark"), "index": of(place, "index")}
            row["takeover_place"], row["takeover_of"] = place_of(self.view, who, place)
            if of(place, "period"):
                row |= {"funding_period": of(place, "period"), "funding_rate": of(place, "rate")}
            found[self.symbols[number]] = row
        return found

    def _views(self, who: int, positions: Mapping[int, int]) -> dict[str, Any]:
        """Greeks and liquidation prices of each underlying with a position."""
        book = self.book()
        mine = Participant(positions={self.symbols[n]: lots for n, lots in positions.items()})
        cash = self.view.equity(who) - book.option_value(mine)
        pledged = {name: line["amount"] for name, line in self.collateral(who).items()}
        mine = replace(mine, holdings={book.asset: cash} | pledged)
        names = {book.contracts[symbol].underlying for symbol in mine.positions}
        limited = self.view.of(who, lay.CREDIT) != NO_LIMIT
        ends = {
            name: {
                "below": liquidation_price(book, mine, name, down=True),
                "above": liquidation_price(book, mine, name, down=False),
            }
            for name in sorted(names)
            if limited
        }
        greeks = {name: position_greeks(book, mine, name) for name in sorted(names)}
        return {"greeks": greeks, "liquidation": ends}

    def book(self) -> Book:
        """The margin file's book at the core's indices and marks."""
        book, prices, marks = read_book(self.file), dict[str, int](), {}
        for symbol, place in zip(self.symbols, self.places, strict=True):
            marks[symbol] = self.contracts.of(place, "mark")
            if index := self.contracts.of(place, "index"):
                prices[book.contracts[symbol].underlying] = index
        # What an asset is worth to the core does not follow its underlying by itself.
        names = self.view.wallets.names if self.view.wallets else []
        rows = {names[one.asset]: one for one in self.portfolio.parameters.collateral}
        worth = dict(book.prices) | {name: one.price for name, one in rows.items()}
        haircuts = dict(book.haircuts) | {name: one.haircut for name, one in rows.items()}
        book = replace(book, contracts=self._terms(book))
        return replace(book.moved(prices), marks=marks, prices=worth, haircuts=haircuts)

    def _terms(self, book: Book) -> dict[str, Contract]:
        """The terms in force of the book's contracts, in its order."""
        places = dict(zip(self.symbols, self.places, strict=True))
        return {
            symbol: self.contracts.terms(places[symbol], one) if symbol in places else one
            for symbol, one in book.contracts.items()
        }
