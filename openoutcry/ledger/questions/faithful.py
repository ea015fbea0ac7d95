"""What the given SQL answers, in one form for every database."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from openoutcry.ledger.questions.engines import opened, store_of
from openoutcry.wire.errors import QuestionsError

TABLES = "schema_and_data.sql"
ORDERED_BY = {
    "q1": ("market_id", "minute_bucket"),
    "q2": ("net_balance",),
    "q3": ("executed_at",),
    "q3_sanity": ("order_id",),
    "q4": ("type",),
    "q5": ("trade_id",),
}
"""Columns by which the questions order. Rows equal there come in the order of all their columns."""


@dataclass(frozen=True)
class Answer:
    """The names of the columns, and a tuple of as many values for each row.

    A value is an int, str, ``Decimal`` without trailing zeros, or None; a moment is a text like
    2024-10-01 09:11:00."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(
    folder: Path,
    address: str = "duckdb",
    as_of: datetime | None = None,
    only: str | None = None,
    store: str | None = None,
) -> dict[str, Answer]:
    """The answers to the files q1.sql, q3_sanity.sql … of a folder, by their names without .sql.

    address: see ``engines.opened``.

    as_of: what NOW() says (naive, UTC); None: the present, the same for every question.

    only: one question's name; None: all that are there.

    store: a venue's own store, which is asked instead of the folder's books.

    Raises ``QuestionsError``.
    """
    paths = {path.stem: path for path in sorted(folder.glob("q*.sql"))}
    if only is not None and only in paths:
        paths = {only: paths[only]}
    elif only is not None or not paths:
        raise QuestionsError(f"{folder}: no {only or 'q1'}.sql is there")
    moment = as_of or datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with closing(store_of(store)) if store else opened(folder / TABLES, address) as engine:
        return {name: _answer(name, *engine.ask(path, moment)) for name, path in paths.items()}


def _answer(question: str, names: list[str], rows: list[tuple[Any, ...]]) -> Answer:
    """Return the answer in one form: the union of two questions has its names from the first, in
    lower case."""
    lower = tuple(name.lower() for name in names)
    plain = [tuple(_value(value) for value in row) for row in rows]
    first = [lower.index(name) for name in ORDERED_BY.get(question, ()) if name in lower]
    columns = [*first, *(at for at in range(len(lower)) if at not in first)]
    plain.sort(key=lambda row: [_sortable(row[at]) for at in columns])
    return Answer(lower, plain)


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, float):
        raise QuestionsError(f"a float where money is meant: {value!r}")
    return value


def plain_decimal(value: Decimal) -> Decimal:
    """Without trailing zeros, without an exponent, and 0 without a sign."""
    if value == 0:
        return Decimal(0)
    short = value.normalize()
    return short if short.as_tuple().exponent <= 0 else short.quantize(Decimal(1))  # type: ignore[operator]


def _sortable(value: Any) -> tuple[int, Any]:
    """Return a sort key with None first, as in MySQL."""
    return (0, 0) if value is None else (1, value)
