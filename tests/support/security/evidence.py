"""Figures of one kind of attack in docs/evidence/security.json, each with where it comes from."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from openoutcry.host.commit import commit
from openoutcry.host.info import host_info, processor
from openoutcry.report.evidence import EVIDENCE
from openoutcry.wire.atomic_file import write_atomically


def keep(kind: str, figures: dict[str, Any], command: str, seed: int | None = None) -> None:
    """Put the figures of a kind beside those of others, whose origin stays theirs."""
    path = EVIDENCE / "security.json"
    document = json.loads(path.read_text())
    document["figures"].setdefault("kinds", {})[kind] = {
        "figures": figures,
        "command": command,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": processor(host_info()),
        "load": round(os.getloadavg()[0], 1),
    }
    write_atomically(path, json.dumps(document, indent=1) + "\n")
