"""Figures of one kind of attack in docs/evidence/security.json, each with where it comes from."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from openoutcry.host.commit import commit
from openoutcry.host.info import host_info, processor
from openoutcry.report.evidence import EVIDENCE
from openoutcry.wire.atomic_file import write_atomically


def keep_rows(kind: str, key: str, rows: list[dict[str, Any]], command: str, seed: int) -> None:
    """Put rows of a kind into the place of those with the same ``key``; others stay, and each says
    where it comes from."""
    path = EVIDENCE / "security.json"
    document = json.loads(path.read_text())
    known = document["figures"].setdefault("kinds", {}).get(kind, {}).get("rows", [])
    origin = {
        "command": command,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": processor(host_info()),
        "load": round(os.getloadavg()[0], 1),
    }
    new = {row[key]: row | origin for row in rows}
    kept = [new.pop(row[key], row) for row in known]
    document["figures"]["kinds"][kind] = {"rows": [*kept, *new.values()]}
    write_atomically(path, json.dumps(document, indent=1) + "\n")
