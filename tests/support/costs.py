"""What each test costs: processor time, its processes included, as a table and as evidence.

    python -m tests.support.costs FILE.jsonl [FILE …] [--evidence]

The files are what ``pytest --costs FILE.jsonl`` writes, a line a test (one file a worker).  Totals
have what tests share, too: ``shared_s`` of the test that sets it up, and of the one that ends it.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from openoutcry.report.evidence import write_evidence

DEAREST = 100


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Totals by folder, and the dearest tests."""
    folders: Counter[str] = Counter()
    for row in rows:
        path = row["test"].partition("::")[0]
        folders["/".join(path.split("/")[1:-1])] += row["processor_s"] + row.get("shared_s", 0)
    dearest = sorted(rows, key=lambda row: -row["processor_s"])[:DEAREST]
    return {
        "tests": len(rows),
        "processor_s": round(sum(folders.values()), 1),
        "folders": {name: round(total, 1) for name, total in folders.most_common()},
        "dearest": dearest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/suite.json")
    given = parser.parse_args()
    lines = [line for path in given.files for line in path.read_text().splitlines()]
    result = figures([json.loads(line) for line in lines])
    for row in result["dearest"]:
        print(f"{row['processor_s']:8.2f} s  {row['test']}")
    for name, total in result["folders"].items():
        print(f"{total:8.1f} s  {name}")
    print(f"{result['processor_s']:8.1f} s  {result['tests']} tests")
    if given.evidence:
        write_evidence("suite", result, "make test check ARGS=--costs=build/costs.jsonl")


if __name__ == "__main__":
    main()
