"""What a participant's scenario margin is made of now, out of the core's risk state.

Margins, equity and the answer about a hypothetical order are the core's exact numbers, by the
parameters in force.  Greeks and liquidation prices are views: of the margin file's surfaces, at the
core's marks and indices.  They take long, and are made of what was taken of the state, without it.
The state is read while the core writes, so each number was true at some time.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from openoutcry.derivatives.book import Participant, read_book
from openoutcry.derivatives.contracts import in_force
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
        self.parameters = self.portfolio.parameters
        """Those in force: it takes long to read them."""
        self.symbols = [symbol for symbol in symbols if symbol in spec.contracts]
        self.places = [symbols.index(symbol) for symbol in self.symbols]
        """The place of each contract's instrument."""

    def document(
        self, who: int, order: tuple[str, int] | None = None, price: int | None = None
    ) -> dict[str, Any]:
        """Ready for JSON; ``order``: a hypothetical one, symbol and lots (below 0: a sale), at a
        price in ticks or at any.  Raises :class:`OutcryError` for what does not exist."""
        return self.taken(who, order, price)()

    def taken(
        self, who: int, order: tuple[str, int] | None = None, price: int | None = None
    ) -> Callable[[], dict[str, Any]]:
        """Take what a document is made of; the result makes it, and needs the state no more.
        Raises :class:`OutcryError` as :meth:`document`."""
        if not 0 < who < len(self.view.participants):
            raise OutcryError(f"there is no participant {who}")
        parameters, (positions, orders) = self.parameters, self.held(who)
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
        views = self._views(who, positions, found["collateral"])
        return lambda: found | views()

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
        place, view, parameters = self.places[number], self.view, self.parameters
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
        found, means = {}, self.view.means_of_all() if positions else None
        for number, lots in positions.items():
            of, place = self.contracts.of, self.places[number]
            row = {"lots": lots, "mark": of(place, "mark"), "index": of(place, "index")}
            row["takeover_place"], row["takeover_of"] = place_of(self.view, who, place, means)
            if of(place, "period"):
                row |= {"funding_period": of(place, "period"), "funding_rate": of(place, "rate")}
            found[self.symbols[number]] = row
        return found

    def _views(
        self, who: int, positions: Mapping[int, int], collateral: Mapping[str, dict[str, int]]
    ) -> Callable[[], dict[str, Any]]:
        """Take what greeks and liquidation prices of each underlying with a position are made of,
        and return what makes them."""
        of, names = self.contracts.of, self.view.wallets.names if self.view.wallets else []
        marks = {symbol: of(n, "mark") for symbol, n in zip(self.symbols, self.places, strict=True)}
        index = {
            symbol: of(n, "index") for symbol, n in zip(self.symbols, self.places, strict=True)
        }
        held = {self.symbols[n]: lots for n, lots in positions.items()}
        terms = {self.symbols[n]: self.contracts.adjusted(self.places[n]) for n in positions}
        # What an asset is worth to the core does not follow its underlying by itself.
        rows = {names[one.asset]: one for one in self.parameters.collateral}
        equity, limited = self.view.equity(who), self.view.of(who, lay.CREDIT) != NO_LIMIT

        def made() -> dict[str, Any]:
            """Make a view of the margin file's book with these positions' contracts: others change
            nothing, and each takes as long."""
            book = read_book(self.file)
            prices = {book.contracts[symbol].underlying: at for symbol, at in index.items() if at}
            worth = dict(book.prices) | {name: one.price for name, one in rows.items()}
            haircuts = dict(book.haircuts) | {name: one.haircut for name, one in rows.items()}
            contracts = {one: in_force(book.contracts[one], *terms[one]) for one in held}
            book = replace(book, contracts=contracts).moved(prices)
            book = replace(book, marks=marks, prices=worth, haircuts=haircuts)
            mine = Participant(positions=held)
            pledged = {name: line["amount"] for name, line in collateral.items()}
            cash = {book.asset: equity - book.option_value(mine)}
            mine = replace(mine, holdings=cash | pledged)
            names = sorted({contract.underlying for contract in contracts.values()})
            ends = {
                name: {
                    "below": liquidation_price(book, mine, name, down=True),
                    "above": liquidation_price(book, mine, name, down=False),
                }
                for name in names
                if limited
            }
            greeks = {name: position_greeks(book, mine, name) for name in names}
            return {"greeks": greeks, "liquidation": ends}

        return made
