"""The runs that resumed a journal, carried from segment to segment, so retiring loses none.

A run that resumes leaves a record where it began.  Each later segment's second block lists all
records before it, so that what is left of a journal always says who wrote it.
"""

from collections.abc import Sequence
from typing import Any

from openoutcry.journal.block import ALIGN, HEADER_BYTES, pack_json

RESUMED_BEFORE = "resumed_before"
"""The one field of such a block: the documents of ``JournalReader.resumed``, the oldest first."""
SHARE = 8
"""At most an eighth of a segment is kept."""
FRAME_BYTES = len(pack_json({RESUMED_BEFORE: []}))
BRIEF = ("seq", "ts_ns")


def pack_history(resumed: Sequence[dict[str, Any]], segment_bytes: int) -> bytes:
    """The text of the block; empty if there is nothing to carry.

    What does not fit (thousands of runs, or segments of a few sectors) first loses all but
    ``seq`` and ``ts_ns``, then goes, the oldest first.
    """
    left_bytes = segment_bytes // SHARE // ALIGN * ALIGN - HEADER_BYTES - FRAME_BYTES
    brief = [{key: row[key] for key in BRIEF if key in row} for row in resumed]
    costs = [len(pack_json(document)) + 1 for document in brief]
    while costs and sum(costs) > left_bytes:
        del brief[0], costs[0]
    left_bytes -= sum(costs)
    for back in range(1, len(brief) + 1):
        left_bytes -= len(pack_json(resumed[-back])) + 1 - costs[-back]
        if left_bytes < 0:
            break
        brief[-back] = resumed[-back]
    return pack_json({RESUMED_BEFORE: brief}) if brief else b""
