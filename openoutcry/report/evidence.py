"""Figures that were measured once and are shown in the docs: written with where they come from.

``docs/evidence/NAME.json`` holds the figures with machine, date, commit and command; the tables in
README.md and docs are generated from these files (report/tables.py), never typed.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry import PACKAGE
from openoutcry.host.commit import commit
from openoutcry.host.info import host_info
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import OutcryError

ROOT = PACKAGE.parent
EVIDENCE = ROOT / "docs" / "evidence"


class EvidenceError(OutcryError):
    """The measurement is not evidence."""


def write_evidence(name: str, figures: dict[str, Any], command: str) -> Path:
    """Write ``docs/evidence/NAME.json``; ``command`` is what a reader types to get the same."""
    return _write(
        {
            "name": name,
            "figures": figures,
            "command": command,
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "host": host_info(),
        }
    )


def keep_document(document: Mapping[str, Any]) -> Path:
    """Write a subject's result document as evidence, without its pictures.  Raises
    :class:`EvidenceError` for one that is partial."""
    if document.get("partial"):
        raise EvidenceError(f"{document['subject']} is partial, no evidence: {document['partial']}")
    kept: dict[str, Any] = {
        key: document[key] for key in ("command", "commit", "host", "noise") if key in document
    }
    figures = {key: document[key] for key in ("results", "missing")}
    return _write(
        {"name": document["subject"], "figures": figures, "date": document["date"][:10], **kept}
    )


def _write(document: dict[str, Any]) -> Path:
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    path = EVIDENCE / f"{document['name']}.json"
    write_atomically(path, json.dumps(document, indent=1) + "\n")
    return path


def read_evidence(name: str) -> dict[str, Any]:
    """Read ``docs/evidence/NAME.json``: what :func:`write_evidence` wrote, or a result document as
    ``outcry bench --out`` writes it, which says no date."""
    document: dict[str, Any] = json.loads((EVIDENCE / f"{name}.json").read_text())
    if "figures" not in document:
        document["figures"] = {
            "results": document.pop("results"),
            "missing": document.pop("missing"),
        }
    return document
