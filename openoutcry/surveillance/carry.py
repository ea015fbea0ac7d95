"""Let surveillance go on in a journal that continues another one."""

import numpy as np

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.carried import Carried
from openoutcry.surveillance.detect.state import KEPT, Detectors
from openoutcry.surveillance.run import checkpoint_parts, folder_of, write_checkpoint
from openoutcry.wire.errors import SurveillanceError

LEVELS = 128
"""Levels that a new book begins with, of both sides."""


def carry_over(carried: Carried) -> str:
    """Write the checkpoint of surveillance with which the new journal goes on; its cases, hits and
    settings were copied.

    Raises :class:`SurveillanceError` if surveillance has begun on the old journal and has not come
    to its end."""
    folder = folder_of(carried.old)
    if not (folder / "settings.json").exists():
        return ""
    parts = checkpoint_parts(folder, carried.point.seq)
    if parts is None:
        raise SurveillanceError(
            f"{folder} has not come to command {carried.point.seq:,}: run `outcry surveillance run "
            f"{carried.old}` first"
        )
    facts, arrays = parts
    arrays = carried_arrays(arrays, Detectors(carried.config))
    write_checkpoint(folder_of(carried.new), facts, arrays, carried.point.engine.snapshot())
    return ""


def carried_arrays(
    arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]], now: Detectors
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Return the arrays of detectors for more instruments, which follow those that there were."""
    header, kept = arrays[0].copy(), dict(zip(KEPT, arrays[1:-1], strict=True))
    count = len(kept["books"])
    header[lay.INSTRUMENTS // 8] = len(now.table)
    books = now.books.copy()
    books[:count] = kept["books"]
    books[:, lay.B_STEP // 8] = now.table["price_step_ticks"]
    end = len(kept["levels"])
    for number in range(count, len(books)):
        at = end + (number - count) * LEVELS
        books[number, lay.B_LEVEL_AT // 8] = at
        books[number, (lay.B_LEVEL_AT + lay.B_ASK_LEVELS) // 8] = at + LEVELS // 2
    more = np.zeros(((len(books) - count) * LEVELS, 2), np.int64)
    links = now.links.copy()
    links[:count] = kept["links"]
    kept |= {"books": books, "levels": np.concatenate([kept["levels"], more]), "links": links}
    return [header, *(kept[name] for name in KEPT), arrays[-1]]
