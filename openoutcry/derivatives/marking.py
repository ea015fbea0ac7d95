"""From what the contracts of an underlying are marked: an index of sources, the contracts' books,
and a surface of volatilities.

The venue marks by it, and journals the rules and each input.  An audit that gives it the same
inputs again comes to the same marks.  Rules are in the journal as a document in JSON.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.derivatives.collateral import Price
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.index import Index, IndexRules
from openoutcry.derivatives.marks import Basis, BasisRules, Smile, Surface, option_mark


@dataclass(frozen=True)
class MarkingRules:
    """The rules of an underlying."""

    underlying: str
    index: IndexRules
    basis: BasisRules
    contracts: tuple[str, ...]
    """Symbols of the contracts on it."""
    surface: Surface | None = None
    """Without one its options are not marked."""
    collateral: tuple[int, Price] | None = None
    """Of an asset with its name that may be pledged: the row in the core, and its price at an index
    of 1 tick."""

    @property
    def sources(self) -> list[str]:
        """The names of its sources, in the order of their numbers in the journal."""
        return sorted(self.index.weights)


class Marking:
    """An underlying's index and bases, and what they come to."""

    def __init__(self, rules: MarkingRules) -> None:
        self.rules, self.index = rules, Index(rules.index)
        self.bases = {symbol: Basis(rules.basis) for symbol in rules.contracts}

    def mark(self, contract: Contract, index_ticks: int, now_ns: int) -> int | None:
        """The mark of a contract; None: it is an option without a surface of volatilities."""
        if not contract.is_option:
            return self.bases[contract.symbol].mark(index_ticks)
        surface = self.rules.surface
        return None if surface is None else option_mark(contract, surface, index_ticks, now_ns)

    def price(self, index_ticks: int) -> Price | None:
        """The price of the asset with the underlying's name; None without one."""
        if self.rules.collateral is None:
            return None
        at_tick, ticks = self.rules.collateral[1], max(index_ticks, 0)
        return Price.rounded(at_tick.numerator * ticks, at_tick.denominator)


def document_of(rules: Sequence[MarkingRules], begun_ns: int) -> str:
    """The rules of a run that began then."""
    return json.dumps({"begun_ns": begun_ns, "indices": [_row(rule) for rule in rules]})


def _row(one: MarkingRules) -> dict[str, Any]:
    index, basis, surface = one.index, one.basis, one.surface
    row: dict[str, Any] = {
        "underlying": one.underlying,
        "weights": dict(index.weights),
        "least": index.least,
        "stale_ns": index.stale_ns,
        "outlier": index.outlier,
        "basis": [basis.window_ns, basis.widest, basis.furthest],
        "contracts": list(one.contracts),
    }
    if surface is not None:
        row["volatility"] = [surface.lowest, surface.highest]
        row["smiles"] = [[s.expiry_ns, s.ratios, s.volatilities] for s in surface.smiles]
    if one.collateral is not None:
        number, price = one.collateral
        row["collateral"] = [number, price.numerator, price.denominator]
    return row


def rules_in(text: str) -> tuple[list[MarkingRules], int]:
    """The rules of such a document, and when the run began.  Raises ``ValueError`` for another
    text."""
    try:
        document = json.loads(text)
        return [_rules(row) for row in document["indices"]], int(document["begun_ns"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no document of the rules of indices: {error!r}") from None


def _rules(row: Mapping[str, Any]) -> MarkingRules:
    index = IndexRules(row["weights"], row["stale_ns"], row["outlier"], row["least"])
    surface = collateral = None
    if "smiles" in row:
        smiles = tuple(Smile(when, tuple(at), tuple(of)) for when, at, of in row["smiles"])
        surface = Surface(smiles, *row["volatility"])
    if "collateral" in row:
        number, *price = row["collateral"]
        collateral = number, Price(*price)
    basis, contracts = BasisRules(*row["basis"]), tuple(row["contracts"])
    return MarkingRules(row["underlying"], index, basis, contracts, surface, collateral)
