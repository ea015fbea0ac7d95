"""Where the chain was, noted next to a journal: a start need not read the whole stream."""

import json
import os
from pathlib import Path

from openoutcry.replica.chain import Tip

PLACE_FILE = "replicated.json"
HAND_OVER_FILE = "hand-over"
"""Next to the journal of a venue that is stopped so that a standby takes over at once."""


def read_place(journal: Path, journal_id: int) -> Tip:
    """The tip that was noted for this journal; else the chain's begin."""
    try:
        document = json.loads((journal / PLACE_FILE).read_text())
        if document.pop("journal_id") != journal_id:
            return Tip()
        for name in ("hash", "block_hash"):
            document[name] = bytes.fromhex(document[name])
        return Tip(journal_id=journal_id, **document)
    except (OSError, ValueError, TypeError, KeyError):
        return Tip()


def write_place(journal: Path, tip: Tip) -> None:
    """Note the tip, whole or not at all; an older one only costs time."""
    document = tip._asdict() | {"hash": tip.hash.hex(), "block_hash": tip.block_hash.hex()}
    new = journal / f"{PLACE_FILE}.new"
    new.write_text(json.dumps(document))
    os.replace(new, journal / PLACE_FILE)
