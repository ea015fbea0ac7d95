"""Each kind of user has a page with the five commands he needs, and all of them are run here, with
fewer orders and rounds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from openoutcry.bench.results import read_document
from openoutcry.report.goals import PIPELINE_ROWS
from tests.support.documents import user_pages as shared
from tests.support.documents.user_pages import FEWER_ORDERS
from tests.support.user_commands import (
    ROOT,
    commands,
    run,
)

clone = shared.clone
clone_first = shared.clone_first
ONE_ROUND = " --rounds 1 --quick"


@pytest.mark.long
def test_benchmarkers_find_the_tail_and_compare_two_builds(tmp_path: Path) -> None:
    doctor, measure, jitter, bench, compare = commands("for-benchmarkers.md")
    assert "governor" in run(doctor, tmp_path)
    assert "sent -> replied" in run(measure + FEWER_ORDERS, tmp_path)
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert "core" in run(jitter + ONE_ROUND, tmp_path)
    printed = json.loads(run(f"{bench}{ONE_ROUND} --json", tmp_path))
    check_the_pipelines_document(tmp_path / "before.json", printed)
    shutil.copy(tmp_path / "before.json", tmp_path / "after.json")
    assert "cannot tell" in run(compare, tmp_path)


def check_the_pipelines_document(path: Path, printed: Any) -> None:
    """It is what --json prints, tells of the tail, and has every figure that README's table
    shows."""
    document = read_document(path)
    assert document == printed
    assert "tail" in json.dumps(document)
    names = {row["name"] for row in document["results"] + document["missing"]}
    assert {name for name, _, _, _ in PIPELINE_ROWS} <= names
    assert all(row["median"] > 0 and row["samples"] == 1 for row in document["results"])


@pytest.mark.long
def test_hardware_engineers_run_the_rtl_and_its_bench(clone_first: Path, tmp_path: Path) -> None:
    pipeline, bench, waveform, generate, prove = commands("for-hardware-engineers.md")
    golden = pipeline.replace("rtl", "golden")
    hashes = {
        json.loads(run(f"{line}{FEWER_ORDERS} --json", tmp_path))["state_hash"]
        for line in (pipeline, golden)
    }
    assert len(hashes) == 1
    run(f"{bench} -k icarus-8 --basetemp {tmp_path / 'bench'}", clone_first)
    shown = run(f"{waveform} --basetemp {tmp_path / 'waves'}", clone_first)
    path = next(line for line in shown.splitlines() if line.startswith("waveform: "))
    assert Path(path.removeprefix("waveform: ")).stat().st_size > 500
    run(generate, clone_first)
    generated = ("docs/wire.md", "docs/registers.md")
    assert all(
        (clone_first / name).read_bytes() == (ROOT / name).read_bytes() for name in generated
    )
    assert "skid_order_kept" in run(prove, clone_first)


@pytest.mark.long
def test_contributors_check_compile_and_run_their_change(clone_first: Path, tmp_path: Path) -> None:
    rules, lint, generate, compile_kernels, inline = commands("for-contributors.md")
    run(rules, clone_first)
    run(lint, clone_first)
    run(generate, clone_first)
    run(compile_kernels, clone_first)
    assert "state and events equal" in run(inline + FEWER_ORDERS, tmp_path)
