"""Rebuild from a journal alone, and say whether it comes to what the run recorded."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.block import BlockHeader
from openoutcry.journal.event_hash import hash_text
from openoutcry.journal.events import NO_LIMIT, events_of, starting_point
from openoutcry.journal.state_layout import other_layout
from openoutcry.matcher import Engine
from openoutcry.wire.records import INSTRUMENT, PLAIN_INSTRUMENT_BYTES

MAX_BOOKS = 64
MASK = 2**64 - 1


def instruments_to_json(instruments: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Rows of an instrument table as JSON can hold them.  What was added to the record later is
    left out where it is 0, so that the table of a venue without it is the same text as ever."""
    names = [f.name for f in INSTRUMENT.fields if not f.name.startswith("reserved")]
    later = {n for n in names if INSTRUMENT.offsets[n] >= PLAIN_INSTRUMENT_BYTES}
    return [
        {
            n: row[n].decode() if n == "symbol" else int(row[n])
            for n in names
            if n not in later or row[n]
        }
        for row in instruments
    ]


def instrument_changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """Return in words how a table of instruments (:func:`instruments_to_json`) differs from that of
    a journal, "" if it does not."""
    old, new = ({row["symbol"]: row for row in rows} for rows in (before, now))
    changes = [f"{symbol} is not in the file now" for symbol in old if symbol not in new]
    changes += [f"{symbol} is new" for symbol in new if symbol not in old]
    for symbol in [symbol for symbol in old if symbol in new]:
        for field in {**old[symbol], **new[symbol]}:
            was, is_now = old[symbol].get(field, 0), new[symbol].get(field, 0)
            if was != is_now:
                changes.append(f"{field} of {symbol} was {was}, not {is_now}")
    if not changes and before != now:
        changes.append(f"their order was {', '.join(old)}, not {', '.join(new)}")
    return "; ".join(changes)


class EventDigests:
    """Compares the event hashes in the journal with those of the replay."""

    def __init__(self, from_seq: int) -> None:
        self.checked = 0
        self.verified_seq = from_seq
        self.wrong_seq: int | None = None
        self._ends: dict[int, int] = {}

    def block_ended(self, seq: int, chain: int) -> None:
        """Note the chained hash of all events up to a command, where a block of the journal
        ends."""
        self._ends[seq] = chain & MASK

    def compare(self, header: BlockHeader, last_seq: int) -> None:
        """``header`` may carry the hash at the end of an earlier block; the replay has come to
        ``last_seq``."""
        seq = header.events_seq
        if not self.verified_seq < seq <= last_seq or self.wrong_seq is not None:
            return
        if self._ends.get(seq) != header.events_hash:
            self.wrong_seq = seq
            return
        self.checked += 1
        self.verified_seq = seq
        for end in [end for end in self._ends if end <= seq]:
            del self._ends[end]


EVIDENCE = "commands", "events", "state_hash", "event_hash"
"""What a run leaves evidence of."""


def replay(
    directory: str | Path,
    until_seq: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Feed the journal's commands to a fresh matcher, or to the newest checkpoint (at or
    before ``until_seq``) where the journal's begin was retired.

    Returns:

    ``commands``, ``events``, ``state_hash``, ``event_hash``, ``seconds``
        of this replay
    ``recorded``
        the evidence that the run left, or None
    ``event_digests``, ``verified_seq``
        event hashes in the journal that were compared, and up to which command
    ``wrong_seq``
        the first command that differs, or None
    ``equal``
        whether all that can be compared agrees with the evidence and the digests.  None without
        evidence to compare with: the run was cut short, or ``until_seq`` ends before it
    ``not_compared``
        why the hash of the state was not compared, though it differs: another release wrote it,
        whose state has another layout.  '' if it was

    Raises ``JournalError`` for a journal that cannot be read, ends before ``until_seq``, or whose
    begin was retired with no checkpoint left.
    """
    reader = JournalReader(directory)
    started = time.monotonic()
    # A whole journal from its begin, so that all of it is compared.
    point = starting_point(reader, until_seq if reader.first_seq > 1 else None)
    engine, digests = point.engine, EventDigests(point.seq)
    limit = NO_LIMIT if until_seq is None else until_seq
    for batch in events_of(reader, point, until_seq=limit):
        digests.compare(batch.header, batch.after_seq)
        if batch.ends_block:
            digests.block_ended(point.seq, point.chain)
        if progress and len(batch.commands):
            progress(point.seq)
    if until_seq is not None and engine.last_seq < until_seq:
        ends = f"the journal ends at sequence {engine.last_seq}"
        raise JournalError(f"{directory}: {ends}, before {until_seq}")
    recorded = reader.evidence
    result = {
        "path": str(directory),
        "from_seq": point.seq + 1,
        "commands": engine.last_seq,
        "events": engine.event_count,
        "state_hash": engine.state_hash(),
        "event_hash": hash_text(point.chain),
        "seconds": time.monotonic() - started,
        "torn": reader.torn,
        "recorded": recorded,
        "event_digests": digests.checked,
        "verified_seq": digests.verified_seq,
        "wrong_seq": digests.wrong_seq,
        "equal": None if digests.wrong_seq is None else False,
        "not_compared": "",
    }
    if recorded is not None and (until_seq is None or recorded["commands"] == engine.last_seq):
        differing = [key for key in EVIDENCE if recorded[key] != result[key]]
        if differing == ["state_hash"] and digests.wrong_seq is None:
            result["not_compared"] = other_layout(recorded)
        is_same = not differing or bool(result["not_compared"])
        result["equal"] = is_same and digests.wrong_seq is None
    return result


Books = dict[str, dict[str, list[list[int]]]]


def depth_of(engine: Engine, levels: int) -> Books:
    """The books that are not empty as JSON can hold them; of more than 64, the fullest 64."""
    books = {}
    for symbol in engine.instruments["symbol"]:
        sides = engine.depth(symbol, levels)
        if sides["bids"] or sides["asks"]:
            books[bytes(symbol).decode()] = {
                side: [[int(v) for v in level] for level in sides[side]]
                for side in ("bids", "asks")
            }
    return fullest(books)


def fullest(books: Books) -> Books:
    """Return the 64 fullest books."""
    orders = {s: sum(row[2] for side in b.values() for row in side) for s, b in books.items()}
    fullest = set(sorted(books, key=lambda s: -orders[s])[:MAX_BOOKS])
    return {symbol: book for symbol, book in books.items() if symbol in fullest}
