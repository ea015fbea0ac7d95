"""Figures of one kind of attack in docs/evidence/security.json, each with where it comes from."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from openoutcry.host.commit import commit
from openoutcry.host.info import host_info, processor
from openoutcry.report.evidence import EVIDENCE
from openoutcry.wire.atomic_file import write_atomically

PATH = EVIDENCE / "security.json"


def origin(command: str) -> dict[str, Any]:
    """Where figures come from: to be asked for before anything is written."""
    return {"command": command, "commit": commit(), "machine": processor(host_info())}


def kept_row(kind: str, key: str, name: str) -> dict[str, Any]:
    """The row of that name; nothing if there is none."""
    rows = _document()["figures"].get("kinds", {}).get(kind, {}).get("rows", [])
    return next((row for row in rows if row[key] == name), {})


def keep_part(
    kind: str,
    key: str,
    name: str,
    figures: dict[str, int],
    known: dict[str, Any],
    since: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Add a part's figures to those of the row as it is ``known``, put it into the document in
    place of the one of that name, and return it.  Its ``parts`` say how many messages were sent
    from which commit."""
    today, load = datetime.now(UTC).date().isoformat(), round(os.getloadavg()[0], 1)
    part = {"commit": since["commit"], "date": today, "load": load}
    parts = known.get("parts") or (
        [{one: known[one] for one in ("messages", *part)}] if known else []
    )
    if parts and parts[-1]["commit"] == part["commit"]:
        *parts, last = parts
        part |= {"messages": last["messages"], "load": max(load, last["load"])}
    part["messages"] = part.get("messages", 0) + figures["messages"]
    sums = {one: known.get(one, 0) + count for one, count in figures.items()}
    row = {key: name, **sums, **since, "seed": seed, "date": today, "load": part["load"]}
    row["parts"] = [*parts, part]
    document = _document()
    kinds = document["figures"].setdefault("kinds", {}).setdefault(kind, {"rows": []})
    rows = [row if one[key] == name else one for one in kinds["rows"]]
    kinds["rows"] = rows if row in rows else [*rows, row]
    write_atomically(PATH, json.dumps(document, indent=1) + "\n")
    return row


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(PATH.read_text())
    return document
