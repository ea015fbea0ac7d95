"""Each kind of user has a page with the five commands he needs, and all of them are run here, with
fewer orders and rounds."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import free_port
from user_commands import (
    DOCS,
    PORT,
    ROOT,
    commands,
    copy_of_the_tree,
    kill_whole_pipeline,
    listening,
    python_blocks,
    run,
)

from openoutcry.bench.results import read_document
from openoutcry.report.goals import PIPELINE_ROWS

PAGES = sorted(path.name for path in DOCS.glob("for-*.md"))
FEWER_ORDERS = " --orders 2000"
ONE_ROUND = " --rounds 1 --quick"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("clone"))


@pytest.fixture
def clone_first(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands import the copy of the tree, not the installed package."""
    monkeypatch.setenv("PYTHONPATH", str(clone))
    return clone


def test_each_kind_of_user_has_a_page_with_five_commands() -> None:
    users = ("benchmarkers", "contributors", "hardware-engineers", "operators", "participants")
    assert [f"for-{user}.md" for user in users] == PAGES
    assert {page: len(commands(page)) for page in PAGES} == dict.fromkeys(PAGES, 5)
    index, readme = (DOCS / "index.md").read_text(), (ROOT / "README.md").read_text()
    assert all(f"({page})" in index and f"(docs/{page})" in readme for page in PAGES)


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


def test_participants_trade_and_ask_what_became_of_their_orders(tmp_path: Path) -> None:
    port = free_port()
    exchange, send, send_file, audit, replay = (
        line.replace(PORT, str(port)) for line in commands("for-participants.md")
    )
    for block in python_blocks(DOCS / "for-participants.md"):
        (tmp_path / "make_orders.py").write_text(block)
        run(f"{sys.executable} make_orders.py", tmp_path)
    with listening(exchange, tmp_path, port):
        assert "2,000 acknowledged, 0 unanswered" in run(send + FEWER_ORDERS, tmp_path)
        assert "2 acknowledged, 0 unanswered" in run(send_file, tmp_path)
    rows = json.loads(run(f"{audit} --json", tmp_path))
    assert {row["order_id"] for row in rows} >= {900_001, 900_002}
    assert "equal" in run(replay, tmp_path)


def test_operators_resume_after_a_kill_and_repair_a_damaged_block(tmp_path: Path) -> None:
    port = free_port()
    start, top, resume, verify, repair = (
        line.replace(PORT, str(port)) for line in commands("for-operators.md")
    )
    send = f"outcry send --to 127.0.0.1:{port} --rate 20000{FEWER_ORDERS}"
    with listening(start, tmp_path, port) as pipeline:
        run(send, tmp_path)
        assert str(pipeline.pid) in run(top, tmp_path)
        kill_whole_pipeline(pipeline, port)
    with listening(resume, tmp_path, port):
        assert "2,000 acknowledged" in run(f"{send} --seed 2", tmp_path)
    assert "sound" in run(verify, tmp_path)
    segment = min((tmp_path / "day").glob("segment-*.ocj"))
    with segment.open("r+b") as file:
        file.seek(3 * 4096 + 200)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    run(verify, tmp_path, status=1)
    run(repair, tmp_path)
    assert "sound" in run(verify, tmp_path)


@pytest.mark.long
def test_contributors_check_compile_and_run_their_change(clone_first: Path, tmp_path: Path) -> None:
    rules, lint, generate, compile_kernels, inline = commands("for-contributors.md")
    run(rules, clone_first)
    run(lint, clone_first)
    run(generate, clone_first)
    run(compile_kernels, clone_first)
    assert "state and events equal" in run(inline + FEWER_ORDERS, tmp_path)


def test_contributors_add_a_stage_from_the_page_alone(clone_first: Path, tmp_path: Path) -> None:
    """Its two files, as they stand there: inline, as processes, and killed, the stage sees every
    command once."""
    files = re.findall(
        r"`(\w+\.py)` (?:is the row's|adds the row)", (DOCS / "for-contributors.md").read_text()
    )
    assert files == ["tally.py", "try_tally.py"]
    for name, block in zip(files, python_blocks(DOCS / "for-contributors.md"), strict=True):
        (tmp_path / name).write_text(block)
    for _ in range(5):  # a busy machine may let a run of a second end before it is killed
        printed = run(f"{sys.executable} {files[1]}", tmp_path)
        rows = [line.split() for line in printed.splitlines()]
        assert [row[0] for row in rows] == ["inline", "processes", "processes"]
        assert len({row[1] for row in rows}) == 1
        assert int(rows[0][1]) > 0
        assert all(row[2:4] == ["0", "0"] for row in rows)
        assert rows[0][4] == rows[1][4] == "0"
        if rows[2][4] == "1":
            return
    raise AssertionError("the stage was never killed in time")
