"""Open a file of market data, say what is in it, and write it in another format."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from openoutcry.tape.dbn import DbnTape, DbnWriter, part_of
from openoutcry.tape.files import Progress, checked_file, unpacked
from openoutcry.tape.fit import Fit, Losses
from openoutcry.tape.formats import FORMATS, ROWS, Format
from openoutcry.tape.itch import MESSAGE_TYPES, ItchTape, ItchWriter
from openoutcry.tape.levels import LevelsOf
from openoutcry.tape.lobster import LobsterTape, LobsterWriter
from openoutcry.tape.npz import NpzTape, NpzWriter
from openoutcry.tape.parquet import ParquetTape, ParquetWriter
from openoutcry.tape.records import BY_ORDER, LEVEL, Array, Header, Tape
from openoutcry.tape.tardis import BEGIN as TARDIS_BEGIN
from openoutcry.tape.tardis import TardisTape, TardisWriter
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import FlowError

ALL = "all"
"""Allows every loss."""
BEGIN_BYTES = 1 << 12
WHOLE_FILES = {b"PAR1": "parquet", b"PK\x03\x04": "npz"}
"""Begins of files that are packed by their own format."""
LOBSTER_ROW = re.compile(rb"[0-9.]+,[1-7],[0-9]+,-?[0-9]+,-?[0-9]+,-?1\r?(\n|$)")


class Writer(Protocol):
    """A file that is being written."""

    def write(self, kind: str, records: Array) -> None:
        """Append records."""

    def close(self) -> None:
        """Write what is left."""

    def abort(self) -> None:
        """Close the file: it is not wanted."""


TAPES: dict[str, Callable[..., Tape]] = {
    "parquet": ParquetTape,
    "dbn": DbnTape,
    "lobster": LobsterTape,
    "itch": ItchTape,
    "tardis": TardisTape,
    "npz": NpzTape,
}
WRITERS: dict[str, Callable[..., Writer]] = {
    "parquet": ParquetWriter,
    "dbn": DbnWriter,
    "lobster": LobsterWriter,
    "itch": ItchWriter,
    "tardis": TardisWriter,
    "npz": NpzWriter,
}
OF_A_DAY = ("lobster", "itch")
"""Families whose times count from midnight."""
"""By family: the part of a format's name before its schema."""


def family_of(name: str) -> str:
    """Return the part of a format's name before its schema."""
    return name.partition("-")[0]


def family_in(path: Path) -> str:
    """Return the family of the format that a file's content has.  Raises :class:`FlowError` where
    it is none."""
    with suppress(OSError), path.open("rb") as raw:
        magic = raw.read(4)
        if magic in WHOLE_FILES:
            return WHOLE_FILES[magic]
    with unpacked(path) as (file, _):
        begin = file.read(BEGIN_BYTES)
    if begin.startswith(b"DBN"):
        return "dbn"
    if begin.startswith(TARDIS_BEGIN):
        return "tardis"
    if LOBSTER_ROW.match(begin):
        return "lobster"
    if begin[2:3] in MESSAGE_TYPES and begin[:2] in (
        b"\0\0",
        MESSAGE_TYPES[begin[2:3]].size_bytes.to_bytes(2, "big"),
    ):
        return "itch"
    names = ", ".join(dict.fromkeys(map(family_of, FORMATS)))
    raise FlowError(f"{path}: its content is of no format that is read: {names}")


@dataclass(frozen=True)
class Reading:
    """How a file is read: what it may not say itself."""

    name: str = ""
    """Of its format, or the family; otherwise it is found by the content."""
    midnight_ns: int = 0
    """From which times are counted."""
    symbol: str = ""
    """Of the instrument of a file that names none."""
    progress: Progress | None = None


def open_tape(path: Path, how: Reading = Reading()) -> Tape:
    """Open a file.  Raises :class:`FlowError`."""
    family = family_of(how.name) or family_in(checked_file(path, raw=True))
    if family not in TAPES:
        raise FlowError(f"{how.name} is no format that is read: {', '.join(TAPES)}")
    more = (how.midnight_ns, how.symbol) if family in OF_A_DAY else ()
    if not more and how.midnight_ns:
        raise FlowError(f"{path}: its times have a date: no midnight can be given")
    return TAPES[family](path, how.progress, *more)


def target_row(header: Header, path: Path, name: str = "") -> Format:
    """Return the format of the file to write: the first one of the name or family, or of the
    path's suffix, that says the records of ``header``.  Raises :class:`FlowError`."""
    rows = [row for row in ROWS if row.writes]
    if name:
        found = [row for row in rows if name in (row.name, family_of(row.name))]
        what = name
    else:
        found = [row for row in rows if path.name.endswith(row.suffixes)]
        what = f"the suffix of {path.name}"
    if not found:
        names = ", ".join(row.name for row in rows)
        raise FlowError(f"{what} is no format that is written; these are: {names}")
    fitting = [row for row in found if says(row, header)]
    if not fitting:
        raise FlowError(
            f"{header.format} has records of {', '.join(header.kinds)}"
            f"{' about ' + header.about if header.about else ''}, which {what} does not say"
        )
    return fitting[0]


def says(row: Format, header: Header) -> bool:
    """Return whether a format says the main records of a header."""
    kind = header.kinds[0]
    if kind not in row.kinds:
        return False
    if kind == "event":
        if header.about in row.about:
            return True
        # Of orders the trades can be said alone, and the levels that they make.
        return header.about == BY_ORDER
    return row.levels in (None, header.levels)


def convert(
    source: Path,
    out: Path,
    to_name: str = "",
    symbol: str | None = None,
    allowed: Collection[str] = (),
    how: Reading = Reading(),
) -> dict[str, Any]:
    """Write ``source`` in another format; return ``records``, ``bytes``, ``format`` and
    ``losses``.

    ``out`` appears whole, and only if each loss is ``allowed`` (by its name, or ``all``);
    otherwise ``refused`` names the others.  ``symbol`` chooses one instrument.  Raises
    :class:`FlowError`.
    """
    return write_tape(open_tape(source, how), out, to_name, symbol, allowed)


def write_tape(
    tape: Tape,
    out: Path,
    to_name: str = "",
    symbol: str | None = None,
    allowed: Collection[str] = (),
) -> dict[str, Any]:
    """Write a tape, as :func:`convert` does."""
    if out.exists() and not out.is_file():
        raise FlowError(f"{out} exists and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise FlowError(f"{out}: there is no folder {out.absolute().parent}")
    chosen = _chosen(tape.header, symbol)
    row = target_row(chosen, out, to_name)
    if not row.has_symbols and len(chosen.symbols) > 1:
        names = ", ".join(one.name for one in list(chosen.symbols.values())[:8])
        raise FlowError(f"{row.name} holds one instrument: name it (--symbol) of {names}")
    losses = Losses()
    levels = None
    if chosen.about == BY_ORDER and BY_ORDER not in row.about and LEVEL in row.actions:
        levels = LevelsOf(tape)
        tape = levels
        chosen = replace(chosen, kinds=levels.header.kinds, about=levels.header.about)
    fit = Fit(row, chosen, losses)
    count = 0
    try:
        with replacing(out) as part:
            writer = WRITERS[family_of(row.name)](part, fit.header, losses)
            try:
                for kind, records in _of(tape, chosen):
                    fitted = fit.fitted(kind, records)
                    if fitted is not None and len(fitted):
                        writer.write(kind, fitted)
                        count += len(fitted)
            except BaseException:
                writer.abort()
                raise
            writer.close()
            if levels is not None:
                losses.add("orders", levels.orders, "orders are said as the levels they make")
            for name, lost in tape.unread.items():
                losses.add(name, lost, f"{tape.header.format} says it, and no record does")
            refused = sorted(set(losses.counts) - set(allowed)) if ALL not in allowed else []
            size_bytes = part.stat().st_size
            if refused:
                raise _Refused
    except _Refused:
        size_bytes = 0
    except OSError as error:
        raise FlowError(f"{out}: cannot write: {error.strerror or error}") from None
    return {
        "path": str(out),
        "from": tape.header.format,
        "format": row.name,
        "records": count,
        "bytes": size_bytes,
        "losses": losses.rows(),
        "refused": refused,
    }


class _Refused(Exception):
    """A loss is not allowed: the file is not put to its place."""


def _chosen(header: Header, symbol: str | None) -> Header:
    if symbol is None:
        return header
    found = {number: one for number, one in header.symbols.items() if one.name == symbol}
    if not found:
        names = ", ".join(one.name for one in list(header.symbols.values())[:8])
        raise FlowError(f"{symbol} is not among the instruments: {names}")
    return Header(
        header.format,
        header.kinds,
        header.about,
        found,
        header.levels,
        header.origin | part_of(header.origin),
        header.other,
    )


def _of(tape: Tape, chosen: Header) -> Iterator[tuple[str, Array]]:
    """The records of the chosen instruments."""
    if len(chosen.symbols) == len(tape.header.symbols):
        yield from tape.chunks()
        return
    numbers = list(chosen.symbols)
    for kind, records in tape.chunks():
        yield kind, records[np.isin(records["instrument"], numbers)]


def info(tape: Tape) -> dict[str, Any]:
    """Return what is in a file: format, span of times, records by kind, instruments with decimals,
    and gaps."""
    counts: Counter[str] = Counter()
    by_number: Counter[int] = Counter()
    first = last = before_ns = None
    backwards = longest_ns = missing = 0
    sequence = 0
    for kind, records in tape.chunks():
        if kind in ("event", "depth"):
            for action, count in zip(
                *np.unique(records["action"], return_counts=True), strict=True
            ):
                counts[f"{kind} {action.decode()}"] += int(count)
            numbers = records["sequence"][records["sequence"] > 0].astype(np.int64)
            if len(numbers):
                steps = np.diff(numbers, prepend=sequence or numbers[0])
                missing += int((steps[steps > 1] - 1).sum())
                sequence = int(numbers[-1])
        else:
            counts[kind] += len(records)
        by_number.update(
            dict(
                zip(
                    *map(np.ndarray.tolist, np.unique(records["instrument"], return_counts=True)),
                    strict=True,
                )
            )
        )
        times = records["ts_ns"][records["ts_ns"] >= 0]
        if not len(times):
            continue
        steps = np.diff(times, prepend=times[0] if before_ns is None else before_ns)
        backwards += int((steps < 0).sum())
        longest_ns = max(longest_ns, int(steps.max()))
        before_ns = int(times[-1])
        first = int(times.min()) if first is None else min(first, int(times.min()))
        last = int(times.max()) if last is None else max(last, int(times.max()))
    header = tape.header
    return {
        "format": header.format,
        "about": header.about,
        "records": sum(by_number.values()),
        "first_ns": first,
        "last_ns": last,
        "counts": dict(sorted(counts.items())),
        "instruments": [
            {
                "number": number,
                "symbol": header.symbol(number).name,
                "price_decimals": header.symbol(number).price_decimals,
                "qty_decimals": header.symbol(number).qty_decimals,
                "records": by_number[number],
            }
            for number in sorted(header.symbols.keys() | by_number.keys())
        ],
        "gaps": {
            "missing_sequences": missing,
            "times_backwards": backwards,
            "longest_silence_ns": longest_ns,
        },
        "not_read": dict(tape.unread),
    }
