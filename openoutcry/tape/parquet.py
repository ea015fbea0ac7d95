"""A tape as a Parquet file: a column a field, and the header in the file's metadata."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.tape.files import Progress, checked_file
from openoutcry.tape.fit import Losses
from openoutcry.tape.records import KINDS, Array, Header, Symbol, dtype_of
from openoutcry.wire.errors import FlowError
from openoutcry.wire.extras import need

KEY = b"outcry-tape"
LAYOUT = 1
"""Of the header: another one is refused."""
GROUP_RECORDS = 1 << 16
FIRST = ("record", "symbol")
"""Columns that are no fields: the kind, and the instrument's name for those who query the file."""


def _arrow() -> Any:
    arrow = need("pyarrow", "Parquet needs pyarrow", "journal", FlowError)
    need("pyarrow.parquet", "Parquet needs pyarrow", "journal", FlowError)
    return arrow


def _columns(header: Header) -> dict[str, dict[str, tuple[str, int, np.dtype[Any]]]]:
    """By kind, the columns: field, place among the levels (-1: none), its numbers.

    The fields of other kinds than events have their kind's name before theirs, where the file has
    several kinds."""
    found: dict[str, dict[str, tuple[str, int, np.dtype[Any]]]] = {}
    for kind in header.kinds:
        columns: dict[str, tuple[str, int, np.dtype[Any]]] = {}
        dtype = dtype_of(kind, header.levels)
        for name in dtype.names or ():
            if name == "levels":
                for at in range(header.levels):
                    for part in dtype[name].base.names or ():
                        columns[f"{part}_{at:02}"] = part, at, dtype[name].base[part]
            else:
                alone = len(header.kinds) == 1 or kind in ("event", "depth")
                columns[name if alone else f"{kind}_{name}"] = name, -1, dtype[name]
        found[kind] = columns
    return found


class ParquetTape:
    """A Parquet file that :class:`ParquetWriter` wrote.  Raises :class:`FlowError`."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = checked_file(path, raw=True)
        self._progress = progress
        self.unread: dict[str, int] = {}
        self._arrow = _arrow()
        try:
            self._file = self._arrow.parquet.ParquetFile(path, page_checksum_verification=True)
            facts = json.loads((self._file.schema_arrow.metadata or {})[KEY])
            self.header = _header(facts)
        except KeyError:
            raise FlowError(f"{path} is a Parquet file of something else: not a tape") from None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise FlowError(f"{path}: {error}") from None
        self._by_kind = _columns(self.header)
        expected = {name for columns in self._by_kind.values() for name in columns} | set(FIRST)
        if set(self._file.schema_arrow.names) != expected:
            wrong = min(set(self._file.schema_arrow.names) ^ expected)
            raise FlowError(f"{path}: column {wrong}: not of a tape's columns, or missing")
        if set(facts["kinds"]) - set(KINDS):
            raise FlowError(f"{path}: unknown kinds of records {facts['kinds']}")

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        size, groups = self.path.stat().st_size, self._file.num_row_groups
        for group in range(groups):
            try:
                table = self._file.read_row_group(group)
                for kind, begin, end in _runs(table["record"].to_pylist()):
                    if kind not in self._by_kind:
                        raise FlowError(f"{self.path}: row group {group}: unknown kind {kind!r}")
                    yield kind, self._taken(kind, table.slice(begin, end - begin))
            except (OSError, ValueError, TypeError) as error:
                raise FlowError(f"{self.path}: row group {group}: {error}") from None
            if self._progress:
                self._progress(size * (group + 1) // groups, size)

    def _taken(self, kind: str, table: Any) -> Array:
        records = np.zeros(len(table), dtype_of(kind, self.header.levels))
        for name, (field, at, _) in self._by_kind[kind].items():
            column = table[name]
            if column.null_count:
                raise FlowError(f"{self.path}: column {name} has no value in a record of {kind}")
            values: Any = column.to_numpy()
            if at >= 0:
                records["levels"][field][:, at] = values
            elif records.dtype[field].kind == "S":
                text = np.array(values.tolist(), "S")
                if text.dtype.itemsize > records.dtype[field].itemsize:
                    raise FlowError(
                        f"{self.path}: column {name}: more than "
                        f"{records.dtype[field].itemsize} characters"
                    )
                records[field] = text
            else:
                records[field] = values
        return records


def _runs(names: list[str]) -> Iterator[tuple[str, int, int]]:
    """Each run of rows of the same kind."""
    begin = 0
    for at in range(1, len(names) + 1):
        if at == len(names) or names[at] != names[begin]:
            yield names[begin], begin, at
            begin = at


def _header(facts: dict[str, Any]) -> Header:
    if facts["layout"] != LAYOUT:
        raise ValueError(f"a tape of layout {facts['layout']}; {LAYOUT} is read")
    symbols = {int(number): Symbol(*one) for number, one in facts["symbols"].items()}
    return Header(
        "parquet",
        tuple(facts["kinds"]),
        facts["about"],
        symbols,
        int(facts["levels"]),
        facts["origin"],
        Symbol(*facts["other"]),
    )


class ParquetWriter:
    """Writes a tape to ``path``."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        self._arrow, self._header = _arrow(), header
        self._by_kind = _columns(header)
        facts = {
            "layout": LAYOUT,
            "kinds": header.kinds,
            "about": header.about,
            "symbols": {
                number: list(asdict(one).values()) for number, one in header.symbols.items()
            },
            "levels": header.levels,
            "origin": header.origin,
            "other": list(asdict(header.other).values()),
        }
        names = self._arrow.dictionary(self._arrow.int32(), self._arrow.string())
        fields = dict(zip(FIRST, (self._arrow.string(), names), strict=True))
        for columns in self._by_kind.values():
            for name, (_, _, dtype) in columns.items():
                text = dtype.kind == "S"
                fields[name] = self._arrow.string() if text else self._arrow.from_numpy_dtype(dtype)
        self._schema = self._arrow.schema(
            fields.items(), metadata={KEY: json.dumps(facts).encode()}
        )
        self._file = self._arrow.parquet.ParquetWriter(
            path, self._schema, compression="zstd", write_page_checksum=True
        )
        self._tables: list[Any] = []
        self._rows = 0

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        kinds = self._arrow.array([kind] * len(records), self._arrow.string())
        columns = dict(zip(FIRST, (kinds, self._symbols(records["instrument"])), strict=True))
        for name, (field, at, _) in self._by_kind[kind].items():
            values = records["levels"][field][:, at] if at >= 0 else records[field]
            if values.dtype.kind == "S":
                columns[name] = self._arrow.array(values.astype("U"), self._arrow.string())
            else:
                columns[name] = self._arrow.array(np.ascontiguousarray(values))
        for field in self._schema:
            if field.name not in columns:
                columns[field.name] = self._arrow.nulls(len(records), field.type)
        self._tables.append(
            self._arrow.table([columns[name] for name in self._schema.names], schema=self._schema)
        )
        self._rows += len(records)
        if self._rows >= GROUP_RECORDS:
            self._flush()

    def _symbols(self, instruments: Array) -> Any:
        """The names of instruments, which the reader takes from the header."""
        numbers, places = np.unique(instruments, return_inverse=True)
        names = [self._header.symbol(number).name for number in numbers.tolist()]
        return self._arrow.DictionaryArray.from_arrays(
            self._arrow.array(places.astype(np.int32)),
            self._arrow.array(names, self._arrow.string()),
        )

    def _flush(self) -> None:
        if self._tables:
            self._file.write_table(
                self._arrow.concat_tables(self._tables).unify_dictionaries(), GROUP_RECORDS << 1
            )
        self._tables, self._rows = [], 0

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._file.close()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()
