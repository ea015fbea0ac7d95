"""What a field of a report may be, and a check of every row before it is written.

The same is given as JSON Schema (draft 2020-12), so that a receiver can check the file with
another program.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.wire import decimals as decimals_of
from openoutcry.wire.errors import AuditError

Row = dict[str, str]
DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
TIME = rf"{DATE}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{{6}}Z"
LEI, ISIN, MIC = r"[A-Z0-9]{18}[0-9]{2}", r"[A-Z]{2}[A-Z0-9]{9}[0-9]", r"[A-Z0-9]{4}"
CURRENCY, COUNTRY, BOOLEAN = r"[A-Z]{3}", r"[A-Z]{2}", "true|false"
DECIMAL = r"-?\d{1,18}(\.\d{1,17})?"
WHOLE = r"\d{1,50}"


def alphanumeric(most: int) -> str:
    """{ALPHANUM-n} of the regulations."""
    return rf"[A-Za-z0-9 ._\-]{{1,{most}}}"


def one_of(*codes: str) -> str:
    """One of these codes."""
    return "|".join(codes)


@dataclass(frozen=True)
class Field:
    """A numbered field of a regulation's table: its name here, what it may be (a regular
    expression over the whole text), whether it may be empty."""

    number: int
    name: str
    pattern: str
    optional: bool = False

    def fits(self, value: str) -> bool:
        """Return whether a value is one that the field may have."""
        return (self.optional and value == "") or re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Table:
    """A report's fields in their order."""

    title: str
    source: str
    fields: tuple[Field, ...]

    @property
    def names(self) -> list[str]:
        """The fields' names, in their order."""
        return [field.name for field in self.fields]

    def checked(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they come; raises :class:`AuditError` naming row, field and value of the
        first that is not as the schema says."""
        names = self.names
        for number, row in enumerate(rows, 1):
            if list(row) != names:
                raise AuditError(f"{self.title}: row {number} lacks the fields of the schema")
            for field in self.fields:
                if not field.fits(row[field.name]):
                    raise AuditError(
                        f"{self.title}: row {number}: field {field.number} {field.name} = "
                        f"{row[field.name]!r} is not {field.pattern}"
                    )
            yield row

    def as_csv(self, rows: Iterable[Row]) -> bytes:
        """Checked, with the fields' names above."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.checked(rows))
        return out.getvalue().encode()

    def json_schema(self) -> dict[str, Any]:
        """Return the schema of one row, in which every value is a text."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            "description": self.source,
            "type": "object",
            "required": self.names,
            "additionalProperties": False,
            "properties": {
                field.name: {
                    "type": "string",
                    "description": f"field {field.number}",
                    "pattern": f"^({field.pattern}){'?' * field.optional}$",
                }
                for field in self.fields
            },
        }


def read_csv(table: Table, data: bytes) -> list[Row]:
    """Read and check what :meth:`Table.as_csv` wrote."""
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    return list(table.checked(rows))


def decimal_text(units: int, decimals: int) -> str:
    """``-1250`` with 2 decimals is ``-12.5``: no zeros that say nothing."""
    text = decimals_of.decimal_text(units, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def time_text(ts_ns: int) -> str:
    """UTC to the microsecond, as RTS 25 asks of a venue whose gateway answers within 1 ms."""
    from datetime import UTC, datetime

    seconds, rest = divmod(ts_ns, 1_000_000_000)
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"


def blank(names: Sequence[str]) -> Row:
    """A row in which nothing is said."""
    return dict.fromkeys(names, "")
