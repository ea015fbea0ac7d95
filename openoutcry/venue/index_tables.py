"""The venue file's ``[[index]]``: from what the contracts of an underlying are marked."""

from collections.abc import Mapping
from dataclasses import dataclass

from openoutcry.derivatives.index import IndexRules
from openoutcry.derivatives.marks import BasisRules
from openoutcry.venue.contract_tables import ContractTerms
from openoutcry.wire import toml_tables
from openoutcry.wire.toml_tables import Key, KeyPath, Tables

MS_NS, BPS = 1_000_000, 100
"""Nanoseconds of a millisecond; millionths of a basis point."""
DAY_MS = 86_400_000
KEYS = {
    "underlying": Key(toml_tables.text(32)),
    "sources": Key(toml_tables.list_of(toml_tables.text(32))),
    "weights": Key(toml_tables.list_of(toml_tables.integer(1, 1_000_000)), ()),
    "least": Key(toml_tables.integer(1, 100), 1),
    "stale_ms": Key(toml_tables.integer(10, DAY_MS), 5_000),
    "outlier_bps": Key(toml_tables.integer(0, 9_999), 200),
    "every_ms": Key(toml_tables.integer(10, DAY_MS), 1_000),
    "window_ms": Key(toml_tables.integer(1, DAY_MS), 60_000),
    "widest_bps": Key(toml_tables.integer(0, 9_999), 100),
    "furthest_bps": Key(toml_tables.integer(0, 9_999), 500),
}
PRICE_DECIMALS = 2
"""Of an instrument that does not say."""


@dataclass(frozen=True)
class IndexSpec:
    """A row of ``[[index]]``."""

    underlying: str
    rules: IndexRules
    own: tuple[str, ...]
    """Sources that are instruments of the venue; all others report from outside."""
    contracts: tuple[str, ...]
    """Contracts on the underlying."""
    basis: BasisRules
    every_ns: int


def read_indices(
    tables: Tables, contracts: Mapping[str, ContractTerms], symbols: list[str]
) -> tuple[IndexSpec, ...]:
    """The indices; mistakes are noted."""
    if "index" not in tables.document:
        return ()
    decimals = {
        row.get("symbol"): row.get("decimals", PRICE_DECIMALS)
        for _, row in tables.given_rows("instrument")
    }
    rows, found = tables.rows("index", KEYS), []
    tables.distinct([((*path, "underlying"), row["underlying"]) for path, row in rows], "an index")
    for path, row in rows:
        if None in row.values():
            continue  # a mistake that is noted already
        name, sources = row["underlying"], row["sources"]
        members = tuple(s for s, one in contracts.items() if one.contract.underlying == name)
        own = tuple(source for source in sources if source in symbols)
        weights = row["weights"] or (1,) * len(sources)
        before = len(tables.mistakes)
        if not members:
            tables.wrong((*path, "underlying"), f"no contract has the underlying {name!r}")
        if not sources or len(set(sources)) < len(sources):
            tables.wrong((*path, "sources"), "must be one or more, each once")
        if len(weights) != len(sources):
            tables.wrong((*path, "weights"), "must be as many as sources")
        if sources and row["least"] > len(sources):
            tables.wrong((*path, "least"), f"must be 1 to {len(sources)}, the number of sources")
        _check_units(tables, path, contracts, own, members, decimals)
        if len(tables.mistakes) == before:
            found.append(_spec(row, own, members, dict(zip(sources, weights, strict=True))))
    return tuple(found)


def _check_units(
    tables: Tables,
    path: KeyPath,
    contracts: Mapping[str, ContractTerms],
    own: tuple[str, ...],
    members: tuple[str, ...],
    decimals: Mapping[object, object],
) -> None:
    """Whether a tick of the sources is a tick of the contracts."""
    futures = [symbol for symbol in members if not contracts[symbol].contract.is_option]
    for symbol in own:
        if symbol in contracts:
            tables.wrong((*path, "sources"), f"{symbol} is a contract: an index marks it")
            return
    units = {symbol: decimals.get(symbol) for symbol in (*own, *futures)}
    if len(set(units.values())) > 1:
        shown = ", ".join(f"{symbol} {number}" for symbol, number in units.items())
        tables.wrong((*path, "sources"), f"all need the same decimals, but they have {shown}")


def _spec(
    row: Mapping[str, int], own: tuple[str, ...], members: tuple[str, ...], weights: dict[str, int]
) -> IndexSpec:
    stale_ns, every_ns, window_ns = (
        row[name] * MS_NS for name in ("stale_ms", "every_ms", "window_ms")
    )
    rules = IndexRules(weights, stale_ns, row["outlier_bps"] * BPS, row["least"])
    basis = BasisRules(window_ns, row["widest_bps"] * BPS, row["furthest_bps"] * BPS)
    return IndexSpec(str(row["underlying"]), rules, own, members, basis, every_ns)
