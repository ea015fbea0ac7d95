"""scripts/bench_interleaved.py: two checkouts measured in alternation, for `bench compare`."""

import subprocess
import sys
from pathlib import Path

from openoutcry.bench.compare import compare
from openoutcry.bench.results import read_document
from tests import ROOT
from tests.support.waiting import BOUND_S

SCRIPT = ROOT / "scripts" / "bench_interleaved.py"


def test_two_checkouts_leave_documents_that_can_be_compared(tmp_path: Path) -> None:
    """The same one twice: as many rounds of each as were asked for, with the same figures."""
    done = subprocess.run(
        [sys.executable, SCRIPT, ROOT, ROOT, "2", "cores", "--quick"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["round 1 of 2", "round 2 of 2"]
    documents = [read_document(tmp_path / f"cores-{name}.json") for name in ("before", "now")]
    assert all(len(row["rounds"]) == 2 for document in documents for row in document["results"])
    assert len(compare(*documents)) == len(documents[0]["results"])


def test_a_build_that_cannot_measure_ends_it(tmp_path: Path) -> None:
    """Its own words are shown, and no document is left."""
    done = subprocess.run(
        [sys.executable, SCRIPT, ROOT, ROOT, "2", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert list(tmp_path.iterdir()) == []
