"""Each kind of user has a page with the five commands he needs, and all of them are run here, with
fewer orders and rounds."""

import json
import re
import sys
from pathlib import Path

from tests.support.documents import user_pages as shared
from tests.support.documents.user_pages import FEWER_ORDERS
from tests.support.processes import free_port
from tests.support.user_commands import (
    DOCS,
    PORT,
    ROOT,
    commands,
    kill_whole_pipeline,
    listening,
    python_blocks,
    run,
)

clone = shared.clone
clone_first = shared.clone_first
STAGE = ROOT / "tests/support/pipeline/stage_example.md"
LAYOUT = ROOT / "tests/support/wire/layout_example.md"


def test_participants_trade_and_ask_what_became_of_their_orders(tmp_path: Path) -> None:
    port = free_port()
    exchange, send, send_file, audit, replay = (
        line.replace(f":{PORT}", f":{port}") for line in commands("for-participants.md")
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


def test_contributors_add_a_stage_from_the_page_alone(clone_first: Path, tmp_path: Path) -> None:
    """Its two files, as they stand there: inline, as processes, and killed, the stage sees every
    command once."""
    assert f"../{STAGE.relative_to(ROOT)}" in (DOCS / "for-contributors.md").read_text()
    files = re.findall(r"`(\w+\.py)` (?:is the row's|adds the row)", STAGE.read_text())
    assert files == ["tally.py", "try_tally.py"]
    for name, block in zip(files, python_blocks(STAGE), strict=True):
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


def test_contributors_add_a_layout_from_the_page_alone(clone_first: Path, tmp_path: Path) -> None:
    (tmp_path / "day.py").write_text(python_blocks(LAYOUT)[0])
    assert run(f"{sys.executable} day.py", tmp_path).split("\n")[0] == "[520, 500] [2, 1] 2"
