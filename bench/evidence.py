"""Figures that were measured once and are shown in the docs: written with where they come from.

``docs/evidence/NAME.json`` holds the figures with machine, date, commit and command; the tables in
README.md and docs are generated from these files (bench/tables.py), never typed.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.bench.results import Document, ResultError, commit
from openoutcry.pipeline.atomic_file import write_atomically
from openoutcry.pipeline.host import host_info

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence"


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


def keep_document(made: Document) -> Path:
    """Write a subject's result document as evidence, without its pictures.  Raises
    :class:`ResultError` for one that is partial."""
    if made.get("partial"):
        raise ResultError(f"{made['subject']} is partial, no evidence: {made['partial']}")
    kept: dict[str, Any] = {
        key: made[key] for key in ("command", "commit", "host", "noise") if key in made
    }
    figures = {key: made[key] for key in ("results", "missing")}
    return _write({"name": made["subject"], "figures": figures, "date": made["date"][:10], **kept})


def _write(made: dict[str, Any]) -> Path:
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    path = EVIDENCE / f"{made['name']}.json"
    write_atomically(path, json.dumps(made, indent=1) + "\n")
    return path


def read_evidence(name: str) -> dict[str, Any]:
    """Read ``docs/evidence/NAME.json``: what :func:`write_evidence` wrote, or a result document as
    ``outcry bench --out`` writes it, which says no date."""
    made: dict[str, Any] = json.loads((EVIDENCE / f"{name}.json").read_text())
    if "figures" not in made:
        made["figures"] = {"results": made.pop("results"), "missing": made.pop("missing")}
    return made
