"""What the journal does not show: related owners, linked markets, known client orders.

A file in TOML::

    [[related]]            # one beneficial owner, one household, one desk
    participants = [12, 13]
    why = "same beneficial owner"

    [[linked]]             # what moves the one moves the other; of contracts and what they are
                           # marked by it is known
    symbols = ["OUTCRY", "OUTCRYF"]

    [[client_order]]       # known to its broker before it was entered
    broker = 40
    client = 41
    symbol = "OUTCRY"
    side = "buy"
    lots = 5000
    known = 2026-11-23T14:00:00Z

    [[market_maker]]       # registered: it quotes both sides, and few of its quotes trade
    participants = [101]
    symbols = ["OUTCRY"]   # of all, if it is left out
    why = "agreement of 2026-01-05"

    [parameters]           # any of docs/surveillance.md
    spoof_repeats = 4
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.parameters import INDEX, parameters
from openoutcry.wire.errors import OutcryError, SurveillanceError
from openoutcry.wire.toml_tables import KeyPath, meant, misplaced, parse_tables, read_tables

PARTICIPANTS = 65_536
SIDES = {"buy": 1, "sell": 2}


@dataclass(frozen=True)
class ClientOrder:
    """An order that its broker knew of at ``known_ns``, ns since the epoch."""

    broker: int
    client: int
    symbol: str
    side: int
    lots: int
    known_ns: int


@dataclass(frozen=True)
class Related:
    """Participants that act for one owner, and how that is known."""

    participants: tuple[int, ...]
    why: str = ""


@dataclass(frozen=True)
class MarketMaker:
    """Participants that are registered to quote these symbols (none: all)."""

    participants: tuple[int, ...]
    symbols: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Settings:
    """The detectors' data of participants; the same settings and journal give the same hits."""

    related: tuple[Related, ...] = ()
    linked: tuple[tuple[str, str], ...] = ()
    clients: tuple[ClientOrder, ...] = ()
    parameters: dict[str, int] = field(default_factory=dict)
    market_makers: tuple[MarketMaker, ...] = ()

    def digest(self) -> str:
        """BLAKE2b over all of it."""
        told: list[Any] = [
            [[sorted(group.participants), group.why] for group in self.related],
            self.linked,
            [vars(order) for order in self.clients],
            parameters(self.parameters).tolist(),
        ]
        if self.market_makers:
            told.append(self.maker_rows())
        text = json.dumps(told, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def chosen(self) -> dict[str, str]:
        """What the file says, by its tables, each as a digest of it."""
        tables = {
            "related": [[sorted(group.participants), group.why] for group in self.related],
            "linked": self.linked,
            "client_order": [vars(order) for order in self.clients],
            "market_maker": self.maker_rows(),
            "parameters": self.parameters,
        }
        return {
            name: hashlib.blake2b(
                json.dumps(rows, sort_keys=True).encode(), digest_size=8
            ).hexdigest()
            for name, rows in tables.items()
        }

    def values(self) -> dict[str, int]:
        """Every parameter, by name."""
        return dict(zip(INDEX, parameters(self.parameters).tolist(), strict=True))

    def maker_rows(self) -> list[list[Any]]:
        """The registered market makers as JSON can hold them."""
        return [
            [list(market_maker.participants), list(market_maker.symbols), market_maker.why]
            for market_maker in self.market_makers
        ]

    def owners(self) -> npt.NDArray[np.int64]:
        """Return, by participant, the smallest number of those that belong to its owner."""
        owners = np.arange(PARTICIPANTS, dtype=np.int64)
        for group in self.related:
            numbers = set(owners[list(group.participants)].tolist())
            owners[np.isin(owners, list(numbers))] = min(numbers)
        return owners

    def related_to(self, participant: int) -> list[int]:
        """The others of its owner."""
        owners = self.owners()
        members: list[int] = np.flatnonzero(owners == owners[participant]).tolist()
        return [other for other in members if other != participant]

    def links(self, symbols: list[str], contracts: Iterable[int] = ()) -> npt.NDArray[np.int64]:
        """Return, by instrument, the one that it is linked with, or -1.

        Of ``contracts`` (indices) that the settings do not name it is the instrument with the
        longest symbol that theirs begins with."""
        links = np.full(len(symbols), -1, np.int64)
        for pair in self.linked:
            a, b = (_index(symbols, symbol, "linked") for symbol in pair)
            links[a], links[b] = b, a
        of_contracts = set(contracts)
        spot = {symbols[at]: at for at in range(len(symbols)) if at not in of_contracts}
        for contract in sorted(of_contracts):
            named = [symbol for symbol in spot if symbols[contract].startswith(symbol)]
            if named and links[contract] < 0:
                link_contract(links, contract, spot[max(named, key=len)])
        return links

    def client_rows(self, symbols: list[str]) -> npt.NDArray[np.int64]:
        """The declared orders as the kernels read them; one row of zeros without any."""
        rows = np.zeros((max(len(self.clients), 1), lay.CLIENT_BYTES // 8), np.int64)
        for row, order in zip(rows, self.clients, strict=False):
            instrument = _index(symbols, order.symbol, "client_order")
            row[:] = (
                order.broker,
                order.client,
                instrument,
                order.side,
                order.lots,
                order.known_ns,
                lay.NONE,
                0,
            )
        return rows


def detectors_digest() -> str:
    """Return a digest of the detectors' code: another release may find other hits."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    text = b"".join(path.read_bytes() for path in files)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def link_contract(links: npt.NDArray[np.int64], contract: int, spot: int) -> None:
    """Link a contract with what it is marked by, and that with the first of its contracts."""
    links[contract] = spot
    if links[spot] < 0:
        links[spot] = contract


def link_indices(
    links: npt.NDArray[np.int64], symbols: list[str], named: Iterable[str], text: str
) -> None:
    """Link contracts by a document of the rules of indices: each with the first of the venue's
    instruments among the sources of its index.  Those in ``named`` stay as they are."""
    try:
        rows = json.loads(text)["indices"]
        pairs = [(list(row["contracts"]), sorted(row["weights"])) for row in rows]
    except (ValueError, KeyError, TypeError):
        return
    for contracts, sources in pairs:
        own = [source for source in sources if source in symbols]
        for contract in contracts if own else ():
            if contract in symbols and contract not in named:
                link_contract(links, symbols.index(contract), symbols.index(own[0]))


def _index(symbols: list[str], symbol: str, what: str) -> int:
    if symbol not in symbols:
        raise SurveillanceError(f"{what}: the journal has no instrument {symbol!r}")
    return symbols.index(symbol)


def read_settings(path: Path | None) -> Settings:
    """Return the settings in a file; without a file no participants are related.

    Raises :class:`SurveillanceError` naming file, table and field."""
    if path is None:
        return Settings()
    try:
        tables = read_tables(path, lambda mistakes: SurveillanceError(str(mistakes[0])))
    except SurveillanceError as error:
        raise SurveillanceError(f"{path}: {error}") from None
    except OutcryError as error:
        raise SurveillanceError(str(error)) from None
    try:
        return _settings(tables.document)
    except SurveillanceError as error:
        line = tables.line_of_error(error)
        raise SurveillanceError(f"{path}: line {line}: {error}") from None


def settings_of_text(text: str) -> Settings:
    """Like :func:`read_settings`, for the text itself."""
    tables = parse_tables(text, lambda mistakes: SurveillanceError(str(mistakes[0])))
    return _settings(tables.document)


def _wrong(path: KeyPath, text: str) -> OutcryError:
    return misplaced(SurveillanceError(text), path)


def _key(where: str) -> KeyPath:
    """Return the path of the entry ``client_order 2``."""
    name, _, number = where.partition(" ")
    return name, int(number) - 1


def _settings(data: dict[str, Any]) -> Settings:
    known = {"related", "linked", "client_order", "market_maker", "parameters"}
    unknown = sorted(set(data) - known)
    if unknown:
        text = f"unknown table {unknown[0]!r}: there are {', '.join(sorted(known))}"
        raise _wrong((unknown[0],), text + meant(unknown[0], known))
    lists = ((name, list, f"[[{name}]]") for name in sorted(known - {"parameters"}))
    for name, kind, shown in (("parameters", dict, "[parameters]"), *lists):
        if not isinstance(data.get(name, kind()), kind):
            raise _wrong((name,), f"{name} must be written as {shown}")
    changed = data.get("parameters", {})
    try:
        parameters(changed)
    except SurveillanceError as error:
        raise misplaced(error, ("parameters", str(error).split()[0])) from None
    related = tuple(
        _related(row, f"related {at}") for at, row in enumerate(data.get("related", []), start=1)
    )
    linked: list[tuple[str, str]] = []
    for at, row in enumerate(data.get("linked", []), start=1):
        symbols = _field(row, "symbols", list, f"linked {at}")
        if len(symbols) != 2 or symbols[0] == symbols[1]:
            raise _wrong(("linked", at - 1), f"linked {at}: symbols are {symbols!r}, not two")
        again = [symbol for symbol in symbols if any(symbol in pair for pair in linked)]
        if again:
            raise _wrong(
                ("linked", at - 1), f"linked {at}: {again[0]!r} is already linked with another"
            )
        linked.append((str(symbols[0]), str(symbols[1])))
    clients = tuple(
        _client(row, f"client_order {at}")
        for at, row in enumerate(data.get("client_order", []), start=1)
    )
    makers = tuple(
        _maker(row, f"market_maker {at}")
        for at, row in enumerate(data.get("market_maker", []), start=1)
    )
    return Settings(related, tuple(linked), clients, changed, makers)


def _maker(row: dict[str, Any], where: str) -> MarketMaker:
    numbers = _field(row, "participants", list, where)
    symbols = _field({"symbols": [], **row}, "symbols", list, where)
    if not numbers:
        raise _wrong(_key(where), f"{where}: participants are [], not one or more")
    why = _field(row, "why", str, where)
    if not why.strip():
        raise _wrong(_key(where), f"{where}: why is empty: it is the reason of what is suppressed")
    makers = tuple(_participant(number, where) for number in numbers)
    return MarketMaker(makers, tuple(str(symbol) for symbol in symbols), why.strip())


def _related(row: dict[str, Any], where: str) -> Related:
    numbers = _field(row, "participants", list, where)
    group = tuple(_participant(number, where) for number in numbers)
    if len(set(group)) < 2:
        raise _wrong(_key(where), f"{where}: participants are {numbers!r}, not two or more")
    return Related(group, str(row.get("why", "")))


def _client(row: dict[str, Any], where: str) -> ClientOrder:
    side = _field(row, "side", str, where)
    known = _field(row, "known", datetime, where)
    lots = _field(row, "lots", int, where)
    if side not in SIDES:
        raise _wrong(_key(where), f"{where}: side is {side!r}, neither buy nor sell")
    if known.tzinfo is None:
        raise _wrong(_key(where), f"{where}: known is {known}, without an offset from UTC")
    if not 0 < lots < 2**40:
        raise _wrong(_key(where), f"{where}: lots is {lots}, not 1 to 2**40")
    known_ns = int(known.timestamp()) * 10**9 + known.microsecond * 1000
    if not 0 <= known_ns < 2**63:
        raise _wrong(_key(where), f"{where}: known is {known}, not 1970 to 2262")
    return ClientOrder(
        _participant(_field(row, "broker", int, where), where),
        _participant(_field(row, "client", int, where), where),
        _field(row, "symbol", str, where),
        SIDES[side],
        lots,
        known_ns,
    )


def _field(row: dict[str, Any], name: str, kind: type, where: str) -> Any:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _wrong(_key(where), f"{where}: {name} is missing or no {kind.__name__}")
    return value


def _participant(number: Any, where: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < PARTICIPANTS:
        raise _wrong(_key(where), f"{where}: participant {number!r} is not 0 to 65535")
    return number
