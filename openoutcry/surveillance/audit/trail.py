"""Ask an audit trail: an order's life, a participant's hour, what happened to a symbol."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from openoutcry.journal.tables import arrow
from openoutcry.surveillance.audit.build import GROUP_ROWS, files_of, read_plan
from openoutcry.surveillance.audit.chain import Link, read_chain
from openoutcry.surveillance.audit.columns import ACTION_CODES, entry_of, schema
from openoutcry.surveillance.audit.index import PartIndex
from openoutcry.wire.errors import AuditError

NO_TIME = (-(2**63), 2**63 - 1)
Spans = list[tuple[int, int]]


class Trail:
    """A finished trail; what a build adds meanwhile is not seen.  Answers are arrow tables of
    :func:`columns.schema`, rows in the sequence's order.

    The files are read without being checked: that is :func:`verify.verify`'s.
    """

    def __init__(self, folder: Path, symbols: Iterable[str] = ()) -> None:
        """``symbols``: the journal's instruments in their order, for questions by symbol."""
        plan = read_plan(folder)
        if plan is None:
            raise AuditError(f"{folder} holds no audit trail: make one with `outcry audit build`")
        self.folder, self.journal_id = folder, plan.journal_id
        self.symbols = list(symbols)
        self.links = read_chain(folder)
        self._indices: dict[str, PartIndex] = {}

    def order(self, order: int | str, symbol: str | None = None) -> Any:
        """Every row of an order, by its id or its UUID; of an id that several orders had (of other
        instruments, or one after the other) those of all.

        Raises :class:`AuditError` if it is missing, or if the UUID is another journal's.
        """
        entry = None
        if isinstance(order, str) and not order.lstrip("-").isdigit():
            entry, order_id = self._named(order)
        else:
            order_id = int(order)
        parts = [
            (link, self._index(link).order(order_id))
            for link in self.links
            if link.min_order_id <= order_id <= link.max_order_id
        ]
        table = self._rows((link, spans) for link, spans in parts if spans)
        compute = arrow().compute
        if entry is not None:
            table = table.filter(compute.equal(table["entry_seq"], entry))
        if symbol is not None:
            table = table.filter(compute.equal(table["symbol"].cast("string"), symbol))
        if not table.num_rows:
            raise AuditError(f"{self.folder}: no order {order} is in this trail")
        return table

    def _named(self, text: str) -> tuple[int, int]:
        """An order's entry and id, by its UUID."""
        try:
            uuid = UUID(text)
        except ValueError:
            raise AuditError(f"{text!r} is neither an order's id nor its UUID") from None
        entry = entry_of(self.journal_id, uuid.bytes)
        link = next((k for k in self.links if entry and k.first_seq <= entry <= k.last_seq), None)
        if entry is None or link is None:
            raise AuditError(f"{text} is not an order of this trail's journal")
        table = arrow().parquet.read_table(
            files_of(self.folder, link)[0],
            columns=["entry_seq", "order_id"],
            filters=[("entry_seq", "=", entry)],
            partitioning=None,
        )
        if not table.num_rows:
            raise AuditError(f"{text} is not an order of this trail's journal")
        return entry, table["order_id"][0].as_py()

    def participant(self, number: int, from_ns: int = NO_TIME[0], to_ns: int = NO_TIME[1]) -> Any:
        """A participant's rows from ``from_ns`` on and before ``to_ns`` (ingress, ns since the
        epoch)."""
        parts = ((link, self._index(link).participant(number)) for link in self._of(from_ns, to_ns))
        return self._rows(parts, from_ns, to_ns)

    def symbol(
        self,
        symbol: str,
        actions: Iterable[str],
        from_ns: int = NO_TIME[0],
        to_ns: int = NO_TIME[1],
        instruments: Iterable[str] = (),
    ) -> Any:
        """Rows of a symbol with one of these actions, from ``from_ns`` on and before ``to_ns``.
        ``instruments``: the journal's symbols in their order.

        Raises :class:`AuditError` for an unknown name.
        """
        known = list(instruments) or self.symbols
        if symbol not in known:
            raise AuditError(f"{symbol} is not among the journal's instruments")
        unknown = [name for name in actions if name not in ACTION_CODES]
        if unknown:
            names = ", ".join(name for name in ACTION_CODES if name)
            raise AuditError(f"{unknown[0]} is not an action: {names}")
        codes = [ACTION_CODES[name] for name in actions]
        number = known.index(symbol)
        parts = (
            (link, _spans(self._index(link).symbol(number, codes)))
            for link in self._of(from_ns, to_ns)
        )
        return self._rows(parts, from_ns, to_ns)

    def day(self, day: str) -> Iterable[Any]:
        """The rows of a day (``2026-11-22``), a table for each part in the sequence's order.

        Raises :class:`AuditError` for a day that is not in the trail.
        """
        links = [link for link in self.links if link.day == day]
        if not links:
            days = sorted({link.day for link in self.links})
            raise AuditError(f"{self.folder} has no day {day}: {', '.join(days) or 'it is empty'}")
        for link in links:
            yield _sorted(self._rows([(link, [(0, link.rows)])]))

    def _of(self, from_ns: int, to_ns: int) -> list[Link]:
        return [k for k in self.links if k.last_ts_ns >= from_ns and k.first_ts_ns < to_ns]

    def _index(self, link: Link) -> PartIndex:
        if link.name not in self._indices:
            self._indices[link.name] = PartIndex(files_of(self.folder, link)[1])
        return self._indices[link.name]

    def _rows(
        self,
        parts: Iterable[tuple[Link, Spans]],
        from_ns: int = NO_TIME[0],
        to_ns: int = NO_TIME[1],
    ) -> Any:
        """These rows of those parts, by sequence."""
        pa = arrow()
        tables = [schema().empty_table()]
        for link, spans in parts:
            if spans:
                table = self._spans_of(link, spans)
                if link.first_ts_ns < from_ns or link.last_ts_ns >= to_ns:
                    ts_ns = table["ts_ns"].to_numpy()
                    table = table.filter(pa.array((ts_ns >= from_ns) & (ts_ns < to_ns)))
                tables.append(table)
        return _sorted(pa.concat_tables(tables))

    def _spans_of(self, link: Link, spans: Spans) -> Any:
        """Rows of a part: only the groups that hold them are read."""
        pa = arrow()
        path = files_of(self.folder, link)[0]
        groups = sorted(
            {g for at, n in spans for g in range(at // GROUP_ROWS, (at + n - 1) // GROUP_ROWS + 1)}
        )
        place = {group: index * GROUP_ROWS for index, group in enumerate(groups)}
        try:
            with pa.parquet.ParquetFile(path) as file:
                table = file.read_row_groups(groups, use_threads=len(groups) > 8)
        except (OSError, pa.ArrowException) as error:
            raise AuditError(f"{path}: cannot read: {error}") from None
        if len(spans) == 1:
            at, count = spans[0]
            return table.slice(place[at // GROUP_ROWS] + at % GROUP_ROWS, count)
        rows = np.concatenate(
            [place[at // GROUP_ROWS] + at % GROUP_ROWS + np.arange(count) for at, count in spans]
        )
        return table.take(pa.array(rows))


def operators_cancels(table: Any) -> set[int]:
    """Return the commands among a part's rows by which the operator cancelled all orders: no
    participant receives a report of their end."""
    compute = arrow().compute
    mass_cancels = compute.equal(table["command"].cast("string"), "MASS_CANCEL")
    ended = compute.equal(table["action"].cast("string"), "COMPLETE")
    nobodys = compute.equal(table["participant"], 0)
    of_operator = compute.and_(compute.and_(mass_cancels, ended), nobodys)
    return set(table.filter(of_operator)["seq"].to_pylist())


def _spans(rows: Any) -> Spans:
    """Rows in a row, one after the other, as (first, count) that lie in one group each."""
    if not len(rows):
        return []
    cuts = np.flatnonzero((np.diff(rows.astype(np.int64)) != 1) | (rows[1:] % GROUP_ROWS == 0)) + 1
    begins = np.concatenate([[0], cuts])
    counts = np.diff(np.append(begins, len(rows)))
    return list(zip(rows[begins].tolist(), counts.tolist(), strict=True))


def _sorted(table: Any) -> Any:
    if table.num_rows < 2:
        return table
    seqs = table["event_seq"].to_numpy()
    if (seqs[1:] > seqs[:-1]).all():
        return table
    return table.take(arrow().array(np.argsort(seqs, kind="stable")))
