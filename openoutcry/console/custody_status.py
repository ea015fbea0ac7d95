"""What custody says of itself in a file of the journal's folder: chains, what waits, breaker."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.venue.movement_desk import CUSTODY_STATUS

SILENT_S = 30
"""Custody writes every 10 s: after this time it does not run."""
MAX_BYTES = 1_000_000
NONE: dict[str, Any] = {"present": False, "silent_s": 0, "fault": ""}


def custody_status(journal: Path, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """``present``: this venue has a custody; ``silent_s``: for how long it has written nothing, 0
    while it runs; ``fault``: why its file could not be read."""
    path = journal / CUSTODY_STATUS
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MAX_BYTES))
        age_s = max(0, int(clock() - path.stat().st_mtime))
    except FileNotFoundError:
        return NONE
    except (OSError, ValueError) as error:
        return NONE | {"present": True, "fault": f"{path.name}: {error}"}
    if not isinstance(document, dict):
        return NONE | {"present": True, "fault": f"{path.name}: not a status"}
    return document | {"present": True, "silent_s": age_s if age_s > SILENT_S else 0, "fault": ""}
