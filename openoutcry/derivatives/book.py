"""The margin file: underlyings, contracts with their marks, offsets, haircuts and participants.

:func:`read_book` gives a :class:`Book`, from which margin's parameters are computed.  Participants
are those of the file, or a journal's (``outcry margin --journal``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from openoutcry.derivatives.collateral import (
    PART,
    Gain,
    Haircut,
    Hedge,
    Line,
    Price,
    collateral,
    gain_of,
)
from openoutcry.derivatives.contracts import MAX_PRICE_TICKS, Contract, lot_value
from openoutcry.derivatives.margin import (
    MAX_TIERS,
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    SpreadCharge,
)
from openoutcry.derivatives.marks import Smile, Surface, option_mark
from openoutcry.derivatives.scenarios import SCENARIOS, Scan, lot_delta, moves, risk_array
from openoutcry.derivatives.tables import CONTRACT, expiry, read_contracts
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, KeyPath, Mistake, Tables, read_tables

UNITS = toml_tables.integer(0, 2**50)
AMOUNT = toml_tables.integer(-(2**60), 2**60)
SHARE = toml_tables.integer(0, PART)
MOVE = toml_tables.integer(-PART, 100 * PART)
NUMBERS = toml_tables.list_of(toml_tables.integer(0, 2**50))


def whole_numbers(value: Any) -> dict[str, int]:
    """A table of names and whole numbers, of any sign."""
    if not isinstance(value, dict) or any(type(one) is not int for one in value.values()):
        raise ValueError("must be a table of names and whole numbers")
    return dict(value)


def rows_of_numbers(value: Any) -> tuple[tuple[int, ...], ...]:
    """A list of lists of whole numbers."""
    return toml_tables.list_of(NUMBERS)(value)


MARGIN = {
    "asset": Key(toml_tables.text(16)),
    "now": Key(expiry),
}
UNDERLYING = {
    "name": Key(toml_tables.text(24)),
    "price_ticks": Key(toml_tables.integer(1, MAX_PRICE_TICKS)),
    "scan_ticks": Key(toml_tables.integer(1, MAX_PRICE_TICKS)),
    "volatility_scan": Key(SHARE, 0),
    "volatility_terms": Key(rows_of_numbers, ()),
    "extreme_thirds": Key(toml_tables.integer(3, 30), 6),
    "extreme_share": Key(SHARE, 330_000),
    "extended": Key(toml_tables.list_of(MOVE), ()),
    "extended_factor": Key(toml_tables.integer(0, 100 * PART), PART),
    "unit": Key(toml_tables.integer(1, 2**40)),
    "addon": Key(UNITS, 0),
    "volume": Key(toml_tables.integer(1, 2**30), 0),
    "liquidity": Key(rows_of_numbers, ()),
    "initial": Key(toml_tables.integer(PART, 100 * PART), PART),
    "short_minimum": Key(UNITS, 0),
    "spreads": Key(rows_of_numbers, ()),
    "pledges_hedge": Key(toml_tables.boolean, False),
}
CONTRACT_HERE = {
    **CONTRACT,
    "mark_ticks": Key(toml_tables.integer(1, MAX_PRICE_TICKS), 0),
    "tier": Key(toml_tables.integer(0, MAX_TIERS - 1), 0),
}
SMILE = {
    "underlying": Key(toml_tables.text(24)),
    "expiry": Key(expiry),
    "ratios": Key(NUMBERS),
    "volatilities": Key(NUMBERS),
}
OFFSET = {
    "legs": Key(toml_tables.list_of(toml_tables.text(64))),
    "rate": Key(SHARE),
}
ASSET = {
    "name": Key(toml_tables.text(16)),
    "price": Key(NUMBERS, (1, 1)),
    "tiers": Key(rows_of_numbers, ((0, 0),)),
    "share": Key(SHARE, PART),
    "concentrated": Key(SHARE, 0),
}
PARTICIPANT = {
    "number": Key(toml_tables.integer(0, 65_535)),
    "holdings": Key(whole_numbers, {}),
    "positions": Key(whole_numbers, {}),
    "orders": Key(toml_tables.list_of(whole_numbers), ()),
}


@dataclass(frozen=True)
class Underlying:
    """An underlying: its price and what its margin is made of."""

    price_ticks: int
    scan: Scan
    unit: int
    short_minimum: int
    risk: CommodityRisk
    pledges_hedge: bool = False
    """What is held of the asset of the same name moves in the scenarios with it."""


@dataclass(frozen=True)
class Participant:
    """A participant's amounts of assets, lots of contracts and open orders."""

    holdings: Mapping[str, int] = field(default_factory=dict)
    """Variation up to the marks has been paid into them."""
    positions: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Book:
    """Everything that a margin file says."""

    asset: str
    now_ns: int
    underlyings: Mapping[str, Underlying]
    contracts: Mapping[str, Contract]
    marks: Mapping[str, int]
    tiers: Mapping[str, int]
    surfaces: Mapping[str, Surface]
    offsets: tuple[Offset, ...]
    prices: Mapping[str, Price]
    haircuts: Mapping[str, Haircut]
    participants: Mapping[int, Participant]

    def parameters(self) -> Parameters:
        """Margin's parameters, with every contract's risk array at the book's prices."""
        numbers = {name: number for number, name in enumerate(self.underlyings)}
        rows = []
        for symbol, contract in self.contracts.items():
            own = self.underlyings[contract.underlying]
            surface = self.surfaces.get(contract.underlying)
            rows.append(
                ContractRisk(
                    numbers[contract.underlying],
                    self.tiers[symbol],
                    risk_array(
                        contract,
                        self.marks[symbol],
                        own.price_ticks,
                        own.scan,
                        surface,
                        self.now_ns,
                    ),
                    lot_delta(contract, own.price_ticks, surface, self.now_ns, own.unit),
                    own.short_minimum if contract.is_option else 0,
                )
            )
        risks = tuple(own.risk for own in self.underlyings.values())
        return Parameters(tuple(rows), risks, self.offsets)

    def numbers(self) -> dict[str, int]:
        """Each contract's number in the parameters."""
        return {symbol: number for number, symbol in enumerate(self.contracts)}

    def positions_of(self, participant: Participant) -> dict[int, int]:
        """A participant's positions as margin takes them."""
        numbers = self.numbers()
        return {numbers[symbol]: lots for symbol, lots in participant.positions.items() if lots}

    def orders_of(self, participant: Participant) -> list[tuple[int, int]]:
        """A participant's open orders as margin takes them."""
        numbers = self.numbers()
        return [(numbers[symbol], lots) for symbol, lots in participant.orders]

    def equity(self, participant: Participant) -> int:
        """Collateral after haircuts, and the options at their marks."""
        lines = self.lines_of(participant)
        return sum(line.counts for line in lines.values()) + self.option_value(participant)

    def hedges(self) -> dict[str, Hedge]:
        """Return, by asset that hedges, what a unit gains in the scenarios of its underlying.

        Raises ``ValueError`` if its price is too large."""
        found = {}
        for number, (name, own) in enumerate(self.underlyings.items()):
            if own.pledges_hedge:
                price, gains = self.prices[name], []
                tick = Fraction(price.numerator, price.denominator * own.price_ticks)
                for move, _, share in moves(own.scan, own.price_ticks):
                    ticks = max(1, own.price_ticks + move) - own.price_ticks
                    gains.append(tick * ticks * share / PART)
                gains += [Fraction()] * (SCENARIOS - len(gains))
                found[name] = Hedge.exact(number, gains, tick * PART / own.unit)
        return found

    def gains_of(self, participant: Participant) -> dict[int, Gain]:
        """Return what a participant's holdings gain in the scenarios, as margin takes it."""
        lines = self.lines_of(participant)
        hedges = self.hedges().items()
        return {one.commodity: gain_of(one, lines[name]) for name, one in hedges if name in lines}

    def lines_of(self, participant: Participant) -> dict[str, Line]:
        """Each asset's part of a participant's collateral."""
        return collateral(participant.holdings, self.prices, self.haircuts, self.asset)

    def option_value(self, participant: Participant) -> int:
        """Return what closing the participant's options at their marks would bring, or cost."""
        return sum(
            lots * lot_value(self.contracts[symbol], self.marks[symbol])
            for symbol, lots in participant.positions.items()
            if self.contracts[symbol].is_option
        )

    def moved(self, prices: Mapping[str, int], volatility: int = 0) -> "Book":
        """The book with other prices of underlyings.

        Futures move as many ticks, options are marked by the surface with ``volatility`` added, and
        collateral that has an underlying's name is worth its price.  Holdings stay: variation of
        futures is not paid yet.
        """
        underlyings = {
            name: replace(own, price_ticks=prices.get(name, own.price_ticks))
            for name, own in self.underlyings.items()
        }
        marks = {}
        for symbol, contract in self.contracts.items():
            own = self.underlyings[contract.underlying]
            price_ticks = underlyings[contract.underlying].price_ticks
            if contract.is_option:
                surface = self.surfaces[contract.underlying]
                marks[symbol] = option_mark(contract, surface, price_ticks, self.now_ns, volatility)
            else:
                marks[symbol] = max(1, self.marks[symbol] + price_ticks - own.price_ticks)
        collateral_prices = dict(self.prices)
        for name, own in self.underlyings.items():
            if name in collateral_prices:
                now, price = underlyings[name].price_ticks, collateral_prices[name]
                collateral_prices[name] = Price.rounded(
                    price.numerator * now, price.denominator * own.price_ticks
                )
        return replace(self, underlyings=underlyings, marks=marks, prices=collateral_prices)


def read_book(path: Path) -> Book:
    """Read a margin file.  Raises :class:`OutcryError` with every mistake."""

    def fail(mistakes: list[Mistake]) -> OutcryError:
        return OutcryError("\n".join(f"{path}: {mistake}" for mistake in mistakes))

    tables = read_tables(path, fail)
    made = _Reader(tables).book()
    if tables.mistakes or made is None:
        raise fail(tables.mistakes)
    return made


class _Reader:
    """The parts of a margin file, one after another."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        known = (
            *("margin", "underlying", "contract", "smile"),
            *("offset", "asset", "participant"),
        )
        tables.only((), tables.document, known)

    def book(self) -> Book | None:
        tables = self.tables
        head = tables.table("margin", MARGIN)
        assets = [(path, row) for path, row in tables.rows("asset", ASSET)]
        names = {row["name"]: 0 for _, row in assets if row["name"] is not None}
        if head["asset"] is not None and head["asset"] not in names:
            tables.wrong(("margin", "asset"), f"there is no asset {head['asset']!r} ([[asset]])")
        underlyings = self.underlyings()
        contracts, marks, tiers = self.contracts(names, underlyings)
        surfaces = self.surfaces(underlyings)
        offsets = self.offsets(list(underlyings))
        prices, haircuts = self.assets(assets, head["asset"])
        participants = self.participants(contracts, names)
        for path, row in tables.rows("underlying", UNDERLYING):
            if row["pledges_hedge"] and (row["name"] not in names or row["name"] == head["asset"]):
                text = f"needs an [[asset]] {row['name']}, which is not what margin is in"
                tables.wrong((*path, "pledges_hedge"), text)
        if tables.mistakes:
            return None
        made = Book(
            head["asset"],
            head["now"],
            underlyings,
            contracts,
            marks,
            tiers,
            surfaces,
            offsets,
            prices,
            haircuts,
            participants,
        )
        for path, row in tables.given_rows("contract"):
            contract = contracts[row["symbol"]]
            if contract.is_option and contract.underlying not in surfaces:
                tables.wrong(path, f"{contract.underlying} has no [[smile]] to mark options by")
            elif not contract.is_option and not marks[contract.symbol]:
                tables.wrong(path, "mark_ticks is missing: only options are marked by a surface")
            if contract.asset != made.asset:
                tables.wrong(path, f"is settled in {contract.asset}, margin is in {made.asset}")
        if tables.mistakes:
            return None
        by_surface = made.moved({})
        given = {symbol: mark or by_surface.marks[symbol] for symbol, mark in marks.items()}
        return replace(made, marks=given)

    def checked(self, path: KeyPath, make: Any, *given: Any) -> Any:
        """Return the result of ``make``, or None and a mistake."""
        if any(value is None for value in given):
            return None
        try:
            return make(*given)
        except ValueError as error:
            self.tables.wrong(path, str(error))
            return None

    def underlyings(self) -> dict[str, Underlying]:
        found: dict[str, Underlying] = {}
        rows = self.tables.rows("underlying", UNDERLYING)
        self.tables.distinct([((*p, "name"), row["name"]) for p, row in rows], "name")
        for path, row in rows:
            if None in row.values():
                continue
            if any(len(line) != 3 for line in row["spreads"]):
                self.tables.wrong((*path, "spreads"), "each is two tiers and a charge")
                continue
            spreads = tuple(SpreadCharge((a, b), charge) for a, b, charge in row["spreads"])
            if any(len(line) != 2 or line[0] > 100 * PART for line in row["liquidity"]):
                text = f"each is a share of volume, {100 * PART} at most, and a charge"
                self.tables.wrong((*path, "liquidity"), text)
                continue
            if row["liquidity"] and not row["volume"]:
                self.tables.wrong((*path, "volume"), "is missing: liquidity is a share of it")
            terms = (
                row["scan_ticks"],
                row["volatility_scan"],
                row["extreme_thirds"],
                row["extreme_share"],
            )
            if any(len(line) != 2 or line[1] > PART for line in row["volatility_terms"]):
                text = "each is days to expiry and a volatility scan range"
                self.tables.wrong((*path, "volatility_terms"), text)
                continue
            more = {key: row[key] for key in ("volatility_terms", "extended", "extended_factor")}
            scan = self.checked(path, lambda terms=terms, more=more: Scan(*terms, **more))
            liquidity = tuple((share * row["volume"], rate) for share, rate in row["liquidity"])
            risk = CommodityRisk(spreads, row["addon"], row["initial"], liquidity)
            self.checked(path, Parameters, (), (risk,))
            if scan is None:
                continue
            found[row["name"]] = Underlying(
                row["price_ticks"],
                scan,
                row["unit"],
                row["short_minimum"],
                risk,
                row["pledges_hedge"],
            )
        return found

    def contracts(
        self, assets: Mapping[str, int], underlyings: Mapping[str, Underlying]
    ) -> tuple[dict[str, Contract], dict[str, int], dict[str, int]]:
        tables = self.tables
        rows = dict(tables.rows("contract", CONTRACT_HERE))
        before = len(tables.mistakes)
        # The rows as the venue file has them, without what is only here.
        plain = [
            {key: value for key, value in row.items() if key in CONTRACT}
            for _, row in tables.given_rows("contract")
        ]
        venue = Tables({"contract": plain}, tables.lines)
        contracts = {contract.symbol: contract for contract in read_contracts(venue, assets)}
        known = {str(mistake) for mistake in tables.mistakes}
        tables.mistakes += [one for one in venue.mistakes if str(one) not in known]
        if len(tables.mistakes) > before:
            return {}, {}, {}
        for path, row in rows.items():
            if row["underlying"] not in underlyings:
                tables.wrong((*path, "underlying"), f"there is no {row['underlying']!r}")
        by_symbol = {row["symbol"]: row for row in rows.values()}
        return (
            contracts,
            {symbol: by_symbol[symbol]["mark_ticks"] for symbol in contracts},
            {symbol: by_symbol[symbol]["tier"] for symbol in contracts},
        )

    def surfaces(self, underlyings: Mapping[str, Underlying]) -> dict[str, Surface]:
        smiles: dict[str, list[Smile]] = {}
        places: dict[str, KeyPath] = {}
        for path, row in self.tables.rows("smile", SMILE):
            if None in row.values():
                continue
            if row["underlying"] not in underlyings:
                self.tables.wrong((*path, "underlying"), f"there is no {row['underlying']!r}")
            smile = Smile(row["expiry"], row["ratios"], row["volatilities"])
            smiles.setdefault(row["underlying"], []).append(smile)
            places.setdefault(row["underlying"], path)
        found = {}
        for name, own in smiles.items():
            surface = self.checked(places[name], Surface, tuple(own), 1, 10 * PART)
            if surface is not None:
                found[name] = surface
        return found

    def offsets(self, names: list[str]) -> tuple[Offset, ...]:
        found = []
        for path, row in self.tables.rows("offset", OFFSET):
            if None in row.values():
                continue
            legs = []
            for text in row["legs"]:
                name, *rest = text.split(":")
                if name not in names or len(rest) != 2 or rest[0] not in ("long", "short"):
                    self.tables.wrong(
                        (*path, "legs"), f"{text!r} is not NAME:long:RATIO or NAME:short:RATIO"
                    )
                    continue
                ratio = int(rest[1]) if rest[1].isdecimal() and len(rest[1]) < 8 else 0
                legs.append(Leg(names.index(name), 1 if rest[0] == "long" else -1, ratio))
            if len(legs) == len(row["legs"]):
                offset = Offset(tuple(legs), row["rate"])
                parameters = (), (CommodityRisk(),) * len(names), (offset,)
                if self.checked(path, Parameters, *parameters) is not None:
                    found.append(offset)
        return tuple(found)

    def assets(
        self, rows: list[tuple[KeyPath, dict[str, Any]]], money: str
    ) -> tuple[dict[str, Price], dict[str, Haircut]]:
        prices, haircuts = {}, {}
        self.tables.distinct([((*p, "name"), row["name"]) for p, row in rows], "name")
        for path, row in rows:
            if None in row.values():
                continue
            if len(row["price"]) != 2 or row["price"][1] < 1:
                self.tables.wrong(
                    (*path, "price"), "must be two numbers: so many units for so many others"
                )
                continue
            if any(len(tier) != 2 for tier in row["tiers"]):
                self.tables.wrong((*path, "tiers"), "each is a value and a haircut")
                continue
            given = row["tiers"], row["share"], row["concentrated"]
            haircut = self.checked(path, Haircut, *given)
            if row["name"] == money and (row["price"] != (1, 1) or haircut != Haircut()):
                self.tables.wrong(path, "is what margin is in: it has no price and no haircut")
            prices[row["name"]] = Price(*row["price"])
            if haircut is not None:
                haircuts[row["name"]] = haircut
        return prices, haircuts

    def participants(
        self, contracts: Mapping[str, Contract], assets: Mapping[str, int]
    ) -> dict[int, Participant]:
        found = {}
        rows = self.tables.rows("participant", PARTICIPANT)
        self.tables.distinct([((*p, "number"), row["number"]) for p, row in rows], "number")
        for path, row in rows:
            orders = tuple(pair for one in row["orders"] for pair in one.items())
            for symbol in [*row["positions"], *(symbol for symbol, _ in orders)]:
                if contracts and symbol not in contracts:
                    self.tables.wrong(path, f"there is no contract {symbol!r}")
            for asset in row["holdings"]:
                if asset not in assets:
                    self.tables.wrong((*path, "holdings"), f"there is no asset {asset!r}")
            found[row["number"]] = Participant(row["holdings"], row["positions"], orders)
        return found
