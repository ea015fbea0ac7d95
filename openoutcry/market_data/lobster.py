"""A journal as LOBSTER's message file of one instrument: the orders that were published."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from openoutcry.market_data.exports import ADD, CANCEL, DAY_NS, FILL, Part, Step, market_by_order
from openoutcry.market_data.files import JournalFeed, instruments_of
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import FeedError

NEW, REDUCE, DELETE, EXECUTION, HIDDEN, CROSS = range(1, 7)


def write_lobster(directory: Path, out: Path, symbol: str | None) -> dict[str, Any]:
    """Write the messages of ``symbol`` (None: of the only instrument) to ``out``, whole or not at
    all; returns ``rows`` and ``bytes``.

    A line each: seconds after midnight (UTC), type, order, size, price in ticks, direction.  An
    order has the number that the feed gives it; a replacement is a deletion and a new one.
    Raises :class:`FeedError`, or ``JournalError`` as reading does.
    """
    if out.exists() and not out.is_file():
        raise FeedError(f"{out} exists and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise FeedError(f"{out}: there is no folder {out.absolute().parent}")
    symbols = instruments_of(directory)
    if symbol is None and len(symbols) > 1:
        raise FeedError(f"LOBSTER files hold one instrument: give --symbol ({symbols[0]}, …)")
    if symbol is not None and symbol not in symbols:
        raise FeedError(f"{symbol} is not among the journal's instruments")
    locate = 1 + (symbols.index(symbol) if symbol is not None else 0)
    rows = 0
    try:
        with replacing(out) as beside:
            with beside.open("w") as file:
                for line in lines_of(JournalFeed(directory).parts(), locate):
                    file.write(line)
                    rows += 1
            size_bytes = beside.stat().st_size
    except OSError as error:
        raise FeedError(f"{out}: cannot write: {error.strerror}") from None
    return {"path": str(out), "format": "lobster", "rows": rows, "bytes": size_bytes}


def lines_of(parts: Iterable[Part], locate: int) -> Iterator[str]:
    """The lines of one instrument."""
    filled = 0
    for step in market_by_order(parts):
        if step.locate != locate:
            continue
        if step.action == FILL:
            filled = step.sequence
        elif step.action == CANCEL and step.sequence == filled:
            continue  # the same execution
        kind = _kind(step)
        if kind:
            second, ns = divmod(step.ts_ns % DAY_NS, 1_000_000_000)
            # The side of a hidden execution is not published.
            direction = -1 if step.side == "S" else 1
            yield (
                f"{second}.{ns:09d},{kind},{step.order},{step.shares},{step.price},{direction}\n"
            )


def _kind(step: Step) -> int:
    """LOBSTER's type; 0: it has none for the step."""
    if step.action == ADD:
        return NEW
    if step.action == CANCEL:
        return REDUCE if step.left else DELETE
    if step.action == FILL:
        return EXECUTION
    if step.side == "N":
        return CROSS if step.cross else HIDDEN
    return 0
