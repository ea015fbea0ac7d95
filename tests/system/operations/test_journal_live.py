"""``outcry journal`` beside a pipeline that commits many small blocks a second."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from openoutcry.__main__ import main
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, find_pipeline
from tests.support.waiting import BOUND_S

COUNTS = """
select count(*) n, max(seq) last, count(distinct o.written_ts_ns) blocks,
       (select count(distinct cause_seq) from events) caused,
       (select count(*) from audit where verdict is null) untold
from orders o
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A pipeline of processes with a journal ``day``: 200 orders a second for over an hour."""
    command = "run --orders 1000000 --rate 200 --journal day --topology processes --json"
    with warm_outcry.Process(
        [*OUTCRY, *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        try:
            find_pipeline(process.pid)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=BOUND_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def outcry(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def outcry_json(*arguments: object) -> Any:
    return json.loads(outcry(*arguments, "--json"))


def test_every_reader_ends_next_to_a_running_pipeline(
    tmp_path: Path, live: subprocess.Popen[str]
) -> None:
    """Queries, listings, verifications and exports each end where the journal stood when they
    began, without a gap and without calling the block that is being written torn; the next one
    sees more, and after the end all is there."""
    day = tmp_path / "day"
    reached = 0
    for _ in range(2):
        row = {"n": 0, "blocks": 0}
        while row["n"] <= reached or row["blocks"] < 2:  # as soon as there is more
            (row,) = outcry_json("journal", "sql", day, COUNTS)
            assert row["n"] == row["last"] == row["caused"]
            assert row["untold"] == 0
        reached = row["last"]
        listed = outcry_json("journal", "ls", day)
        assert (listed["commands"] >= reached, listed["torn"]) == (True, None)
        verified = outcry_json("journal", "verify", day)
        assert (verified["sound"], verified["torn"]) == (True, "")
        assert verified["last_seq"] >= listed["last_seq"]
        reached = verified["last_seq"]
    outcry("journal", "export", day, "--format", "parquet", "--out", tmp_path / "o.parquet")
    seqs = pq.read_table(tmp_path / "o.parquet")["seq"].to_pylist()
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= reached
    report = CliRunner().invoke(main, ["clock", "report", str(day)])
    assert "clock evidence" in report.output, "what there is, or that no daemon ran"
    assert live.poll() is None, "it was running all the time"
    live.send_signal(signal.SIGINT)
    result = json.loads(live.communicate(timeout=BOUND_S)[0])
    assert (result["lost"], result["duplicated"]) == (0, 0)
    verified = outcry_json("journal", "verify", day)
    assert (verified["sound"], verified["last_seq"]) == (True, result["commands"])
    (row,) = outcry_json("journal", "sql", day, COUNTS)
    assert row["n"] == row["last"] == row["caused"] == result["commands"] >= reached
