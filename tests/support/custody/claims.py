"""Seeds of a long run in a folder, shared by several processes, which mostly wait for their nodes.

Each process writes what it has done into its own file, and takes seeds that no other one has."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def tallies(folder: Path) -> list[dict[str, Any]]:
    """What all processes have done, without what failed: that is done again."""
    rows = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [row for row in rows if not row.get("failure")]


def claimed(folder: Path, seeds: Iterable[int]) -> Iterator[int]:
    """Yields the seeds that nothing has done and no process that runs has taken."""
    claims = folder / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    done = {row["seed"] for row in tallies(folder)}
    for path in claims.iterdir():
        if int(path.name) not in done and not Path(f"/proc/{path.read_text()}").exists():
            path.unlink(missing_ok=True)
    for seed in seeds:
        if seed not in done and _take(claims / str(seed)):
            yield seed


def _take(path: Path) -> bool:
    try:
        with path.open("x") as out:
            out.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True
