"""The venue file's contracts as the core trades them: each ``[[contract]]`` is an instrument
that is paid from margin accounts.

``derivatives/tables.py`` reads the rows themselves.  Here each one is fitted to its instrument, and
what the core does not have is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.derivatives.contracts import Contract, lot_value
from openoutcry.derivatives.tables import read_contracts
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.contract_layout import MAX_PRICE
from openoutcry.venue.spot_tables import is_spot
from openoutcry.wire import toml_tables
from openoutcry.wire.toml_tables import Key, KeyPath, Tables

CONTRACT_SAYS = {
    "multiplier": "[[contract]] sets the value of a tick",
    "leveraged": "[[contract]] sets how it is paid",
    "announced": "a contract is listed later by a [[series]]",
}
"""Keys of ``[[instrument]]`` that a contract's has not, and why."""
CONTRACT_KEYS = {"margin_bps": Key(toml_tables.integer(1, 10_000), None)}
"""Keys of ``[[instrument]]`` that only a contract's has."""


@dataclass(frozen=True)
class ContractTerms:
    """A contract, and its initial margin in 1/10,000 of a lot's value (0: ``margin`` says it)."""

    contract: Contract
    margin_bps: int = 0

    @property
    def is_leveraged(self) -> bool:
        """Return whether its gains are paid and not its price."""
        return not self.contract.is_option

    @property
    def multiplier(self) -> int:
        """The multiplier by which limits count: of an inverse contract they count lots
        times ticks."""
        inverse = self.contract.inverse and not self.contract.is_option
        return 1 if inverse else self.contract.multiplier

    def terms(self) -> list[int]:
        """The terms in the order of ``risk.region.CONTRACT_TERMS``."""
        one = self.contract
        numbers = one.kind, int(one.inverse), one.multiplier, one.expiry_ns
        return [*numbers, one.strike_ticks, one.strike_multiplier, self.margin_bps]

    def delivery(self) -> list[int]:
        """Units of the delivered asset a lot; empty: it is settled in cash."""
        return [self.contract.delivered_units] if self.contract.physical else []


def read_terms(
    tables: Tables, assets: Mapping[str, int], symbols: Sequence[str]
) -> dict[str, ContractTerms]:
    """The contracts by symbol; mistakes are noted."""
    rows = {row.get("symbol"): (path, row) for path, row in tables.given_rows("instrument")}
    given = {row.get("symbol"): path for path, row in tables.given_rows("contract")}
    found = {}
    for contract in read_contracts(tables, assets):
        path = given[contract.symbol]
        if contract.symbol not in symbols or contract.symbol not in rows:
            tables.wrong((*path, "symbol"), f"there is no [[instrument]] {contract.symbol!r}")
            continue
        before = len(tables.mistakes)
        place, row = rows[contract.symbol]
        terms = ContractTerms(contract, _whole(row.get("margin_bps")))
        _check(tables, path, place, row, terms, assets)
        if len(tables.mistakes) == before:
            found[contract.symbol] = terms
    _check_others(tables, rows, given)
    return found


def _check_others(
    tables: Tables, rows: Mapping[Any, tuple[KeyPath, Mapping[str, Any]]], given: Mapping[Any, Any]
) -> None:
    for symbol, (path, row) in rows.items():
        if "margin_bps" in row and symbol not in given:
            tables.wrong(
                (*path, "margin_bps"), "applies only to a contract: there is no [[contract]]"
            )
    for path, row in tables.given_rows("limits"):
        if "opening_position" in row and row.get("instrument") in given:
            tables.wrong(
                (*path, "opening_position"),
                "a contract starts without positions, because long and short must be equal",
            )


def _check(
    tables: Tables,
    path: KeyPath,
    place: KeyPath,
    row: Mapping[str, Any],
    terms: ContractTerms,
    assets: Mapping[str, int],
) -> None:
    """A contract against its row of ``[[instrument]]``."""
    contract = terms.contract
    if is_spot(row):
        tables.wrong((*place, "settlement"), "a contract is paid from margin accounts")
    for name, why in CONTRACT_SAYS.items():
        if name in row:
            tables.wrong((*place, name), f"does not apply to a contract: {why}")
    money = row.get("asset", next(iter(assets), ""))
    if money != contract.asset:
        tables.wrong((*path, "asset"), f"{contract.symbol} is quoted in {money}")
    if terms.margin_bps and "margin" in row:
        tables.wrong((*place, "margin"), "margin_bps already sets it")
    lowest = row.get("min_price_ticks")
    if terms.margin_bps and type(lowest) is int and lowest < 1:
        tables.wrong(
            (*place, "margin_bps"),
            f"follows the price, so it would be nothing at 0, and min_price_ticks is {lowest}; "
            "set margin, an amount of money for each lot, or min_price_ticks = 1",
        )
    if terms.margin_bps and contract.is_option:
        tables.wrong((*place, "margin_bps"), "the margin of an option is an amount; set margin")
    if type(row.get("price_distance_bps")) is not int:
        tables.wrong(
            (*place, "price_distance_bps"),
            "is missing: a contract needs it, a price band around its mark for every order",
        )
    _check_prices(tables, place, row, contract)


def _check_prices(
    tables: Tables, place: KeyPath, row: Mapping[str, Any], contract: Contract
) -> None:
    """The core keeps every mark and every trade within its integers."""
    inverse = contract.inverse and not contract.is_option
    # What is delivered is paid for: no price below 0.
    least = 1 if inverse else 0 if contract.is_option or contract.physical else -MAX_PRICE
    for name in ("min_price_ticks", "max_price_ticks", "reference_price_ticks"):
        value = row.get(name)
        if type(value) is not int:
            tables.wrong((*place, name), "is missing: a contract needs it")
        elif not least <= value <= MAX_PRICE:
            tables.wrong((*place, name), f"must be {least} to {MAX_PRICE} for this contract")
        elif abs(lot_value(contract, value)) > LARGEST:
            tables.wrong((*place, name), "makes a lot worth more than 2^62")


def _whole(value: Any) -> int:
    return value if type(value) is int else 0
