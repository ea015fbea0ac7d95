"""Rebuild from a journal alone, and say whether it comes to what the run recorded."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.matcher import Engine
from openoutcry.pipeline.event_hash import START, hash_array, hash_text
from openoutcry.wire import make_instruments
from openoutcry.wire.records import INSTRUMENT

# Records a step: their events stay in the cache.
STEP = 4096
MAX_BOOKS = 64


def instruments_to_json(instruments: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Rows of an instrument table as JSON can hold them."""
    names = [f.name for f in INSTRUMENT.fields if not f.name.startswith("reserved")]
    return [
        {n: row[n].decode() if n == "symbol" else int(row[n]) for n in names} for row in instruments
    ]


def replay(
    directory: str | Path,
    until_seq: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Feed the journal's commands to a fresh matcher.

    Returns ``commands``, ``events``, ``state_hash``, ``event_hash``, ``seconds``, ``recorded`` (the
    evidence the run left, or None) and ``equal``: True or False against the evidence, None where
    there is nothing to compare with (the run was cut short, or ``until_seq`` ends before its
    evidence).  Raises ``JournalError`` for a journal that cannot be read or ends before
    ``until_seq``.
    """
    reader = JournalReader(directory)
    config = reader.config
    engine = Engine(make_instruments(config["instruments"]), config["order_capacity"])
    chain = START
    started = time.monotonic()
    for _, records in reader.chunks(until_seq):
        for at in range(0, len(records), STEP):
            chain = hash_array(chain, engine.process(records[at : at + STEP]))
        if progress:
            progress(engine.last_seq)
    if until_seq is not None and engine.last_seq < until_seq:
        raise JournalError(
            f"{directory}: the journal ends at sequence {engine.last_seq}, before {until_seq}"
        )
    result = {
        "path": str(directory),
        "commands": engine.last_seq,
        "events": engine.event_count,
        "state_hash": engine.state_hash(),
        "event_hash": hash_text(chain),
        "seconds": time.monotonic() - started,
        "torn": reader.torn,
        "recorded": reader.evidence,
        "equal": None,
    }
    recorded = reader.evidence
    if recorded is not None and (until_seq is None or recorded["commands"] == engine.last_seq):
        result["equal"] = all(
            recorded[key] == result[key]
            for key in ("commands", "events", "state_hash", "event_hash")
        )
    return result


def depth_of(engine: Engine, levels: int) -> dict[str, dict[str, list[list[int]]]]:
    """The books that are not empty as JSON can hold them; of more than 64, the fullest 64."""
    books = {}
    for symbol in engine.instruments["symbol"]:
        sides = engine.depth(symbol, levels)
        if sides["bids"] or sides["asks"]:
            books[bytes(symbol).decode()] = {
                side: [[int(v) for v in level] for level in sides[side]]
                for side in ("bids", "asks")
            }
    orders = {s: sum(row[2] for side in b.values() for row in side) for s, b in books.items()}
    fullest = set(sorted(books, key=lambda s: -orders[s])[:MAX_BOOKS])
    return {symbol: book for symbol, book in books.items() if symbol in fullest}
