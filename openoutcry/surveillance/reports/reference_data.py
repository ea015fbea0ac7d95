"""Reference data of reports: the codes of a venue, its instruments and its participants.

A TOML file.  No value is made up: if a report needs one that the file lacks, that is an error
naming the table and the key.
"""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import AuditError, OutcryError
from openoutcry.wire.toml_tables import Tables, meant, read_tables

LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
MIC, CURRENCY, COUNTRY = (re.compile(p) for p in (r"[A-Z0-9]{4}", r"[A-Z]{3}", r"[A-Z]{2}"))
CAPACITIES = ("DEAL", "MTCH", "AOTC")
EXAMPLE = """\
# Reference data for reports to regulators that is not in the journal.
[venue]
mic = "XOUT"
lei = "5493000IBP32UQZ0KL24"
# The default, where neither the journal nor the instrument's table names a currency.
currency = "EUR"

# A table for each instrument; decimals: of one tick and of one lot.
[instruments.{symbol}]
isin = "US0378331005"
currency = "EUR"
name = "{symbol}"
price_decimals = 2
qty_decimals = 0

# A table for each participant.  mifid_firm: it reports its transactions itself, under its own name.
[participants.{participant}]
lei = "529900T8BM49AURSDO55"
country = "DE"
capacity = "DEAL"
mifid_firm = true
direct_electronic_access = false
liquidity_provision = false
"""


@dataclass(frozen=True)
class InstrumentCodes:
    """The codes of an instrument.  ``price_decimals``: of a tick; ``qty_decimals``: of a lot."""

    isin: str
    currency: str
    name: str = ""
    classification: str = ""
    price_decimals: int = 0
    qty_decimals: int = 0


@dataclass(frozen=True)
class MemberCodes:
    """The codes of a participant.  No message names the client of an order, or the person or
    algorithm that decides and executes: ``client``, ``decision`` and ``execution`` name them where
    they are always the same."""

    lei: str
    country: str = ""
    capacity: str = "DEAL"
    mifid_firm: bool = True
    direct_electronic_access: bool = False
    liquidity_provision: bool = False
    client: str = ""
    decision: str = ""
    execution: str = "NORE"


@dataclass(frozen=True)
class Codes:
    """The content of a reference data file."""

    path: Path
    mic: str
    lei: str
    instruments: dict[str, InstrumentCodes]
    members: dict[int, MemberCodes]
    own_currency: frozenset[str] = frozenset()
    """Instruments whose own table names a currency."""
    counts: dict[str, Any] = field(default_factory=dict)
    """``[rts9]``: messages that an order type counts as; see rts9.py."""

    def instrument(self, symbol: str) -> InstrumentCodes:
        """Return an instrument's codes.  Raises :class:`AuditError` if the file lacks them."""
        if symbol not in self.instruments:
            raise AuditError(f"{self.path}: [instruments.{symbol}] is missing")
        return self.instruments[symbol]

    def member(self, number: int) -> MemberCodes:
        """Return a participant's codes.  Raises :class:`AuditError` if the file lacks them."""
        if number not in self.members:
            raise AuditError(f"{self.path}: [participants.{number}] is missing")
        return self.members[number]


def lei_is_right(text: str) -> bool:
    """ISO 17442: 20 characters whose remainder by 97 is 1, letters as 10 to 35 (ISO 7064)."""
    return bool(LEI.fullmatch(text)) and int("".join(str(int(c, 36)) for c in text)) % 97 == 1


def isin_is_right(text: str) -> bool:
    """ISO 6166: the last digit by Luhn's rule over the others, letters as 10 to 35."""
    if not ISIN.fullmatch(text):
        return False
    digits = [int(d) for d in "".join(str(int(c, 36)) for c in text)]
    doubled = [2 * d if index % 2 else d for index, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def read_codes(path: Path) -> Codes:
    """Read a reference data file.

    Raises :class:`AuditError` naming the file, table and key of the first mistake.
    """
    try:
        tables = read_tables(path, lambda mistakes: AuditError(f"{path}: {mistakes[0]}"))
    except OutcryError as error:
        raise AuditError(str(error)) from None
    document, reader = tables.document, _Reader(path, tables)
    tables.only((), document, ("venue", "instruments", "participants", "rts9"))
    if tables.mistakes:
        raise AuditError(f"{path}: {tables.mistakes[0]}")
    venue = reader.table(document.get("venue", {}), "[venue]", {"mic", "lei", "currency"})
    reader.like(venue, "[venue]", "mic", MIC)
    reader.check(
        lei_is_right(str(venue.get("lei"))), "[venue] lei", venue.get("lei"), "not a valid LEI"
    )
    currency = str(venue.get("currency", ""))
    instruments = {
        symbol: reader.instrument(symbol, row, currency)
        for symbol, row in reader.tables(document, "instruments").items()
    }
    members: dict[int, MemberCodes] = {}
    for name, row in reader.tables(document, "participants").items():
        number = reader.number(name)
        reader.check(number not in members, "[participants]", name, "given twice")
        members[number] = reader.member(name, row)
    counts = reader.tables(document, "rts9")
    own = frozenset(
        symbol
        for symbol, row in reader.tables(document, "instruments").items()
        if "currency" in row
    )
    return Codes(path, str(venue["mic"]), str(venue["lei"]), instruments, members, own, counts)


class _Reader:
    """Checks tables of one file."""

    def __init__(self, path: Path, tables: Tables) -> None:
        self.path, self.document = path, tables

    def check(self, right: bool, where: str, value: Any, what: str) -> None:
        """Raise unless it is ``right``; ``where``: ``[table.name] key``."""
        if not right:
            place = re.fullmatch(r"\[?(\w+)(?:\.(.*?))?\]?(?: (\S+))?", where)
            line = self.document.line_of(tuple(filter(None, place.groups())) if place else ())
            raise AuditError(f"{self.path}: line {line}: {where} = {value!r} is {what}")

    def table(self, row: Any, where: str, names: set[str]) -> dict[str, Any]:
        self.check(isinstance(row, dict), where, row, "not a table")
        for name in row:
            self.check(
                name in names, f"{where} {name}", row[name], f"not known{meant(name, names)}"
            )
        return dict(row)

    def tables(self, document: dict[str, Any], name: str) -> dict[str, Any]:
        tables = document.get(name, {})
        self.check(isinstance(tables, dict), name, tables, "not a table")
        return dict(tables)

    def fields_of(self, row: Any, where: str, kind: type) -> dict[str, Any]:
        """A table with the fields of a class, of which those that are texts are."""
        known = {one.name: one.type for one in fields(kind)}
        values = self.table(row, where, set(known))
        for name, value in values.items():
            self.check(
                known[name] is not str or type(value) is str, f"{where} {name}", value, "not a text"
            )
        return values

    def like(self, row: dict[str, Any], where: str, name: str, pattern: re.Pattern[str]) -> None:
        value = str(row.get(name, ""))
        self.check(
            bool(pattern.fullmatch(value)), f"{where} {name}", value, f"not {pattern.pattern}"
        )

    def number(self, name: str) -> int:
        right = re.fullmatch("[0-9]{1,5}", name) and int(name) <= 65535
        self.check(bool(right), "[participants]", name, "not a participant's number")
        return int(name)

    def instrument(self, symbol: str, row: Any, currency: str) -> InstrumentCodes:
        where = f"[instruments.{symbol}]"
        values = self.fields_of(row, where, InstrumentCodes)
        values.setdefault("currency", currency)
        self.like(values, where, "currency", CURRENCY)
        isin = str(values.get("isin", ""))
        self.check(isin_is_right(isin), f"{where} isin", isin, "not a valid ISIN")
        for name in ("price_decimals", "qty_decimals"):
            value = values.get(name, 0)
            right = type(value) is int and 0 <= value <= 17
            self.check(right, f"{where} {name}", value, "not 0 to 17")
        return InstrumentCodes(**values)

    def member(self, name: str, row: Any) -> MemberCodes:
        where = f"[participants.{name}]"
        values = self.fields_of(row, where, MemberCodes)
        self.check(
            lei_is_right(str(values.get("lei"))),
            f"{where} lei",
            values.get("lei"),
            "not a valid LEI",
        )
        if values.get("country"):
            self.like(values, where, "country", COUNTRY)
        capacity = values.get("capacity", "DEAL")
        self.check(
            capacity in CAPACITIES,
            f"{where} capacity",
            capacity,
            f"not one of {', '.join(CAPACITIES)}",
        )
        for flag in ("mifid_firm", "direct_electronic_access", "liquidity_provision"):
            value = values.get(flag, False)
            self.check(type(value) is bool, f"{where} {flag}", value, "neither true nor false")
        return MemberCodes(**values)
