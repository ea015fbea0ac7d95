"""The drill finds nothing lost, and would find it."""

import json
import os
from pathlib import Path

import pytest
from replica_cluster import append, new_journal

from openoutcry.bench.drill import judged
from openoutcry.bench.drill_client import DrillClient


def client(acknowledged: dict[int, int], doubled: list[int]) -> DrillClient:
    return DrillClient((("127.0.0.1", 1),), 1, acknowledged=acknowledged, doubled=doubled)


def test_what_is_lost_doubled_or_reordered_is_counted(tmp_path: Path) -> None:
    writer = new_journal(tmp_path / "journal")
    append(writer, 2, 5, order_id=True)  # order n is command n
    writer.abandon()
    for answered, doubled, counts in (
        ({1: 1, 4: 4, 10: 10}, [], (0, 0, 0)),
        ({1: 1, 2: 3}, [], (1, 0, 0)),
        ({11: 11}, [], (1, 0, 0)),
        ({2: 2, 5: 5}, [5], (0, 1, 0)),
        ({2: 5, 5: 2}, [], (2, 0, 1)),
    ):
        report = judged(client(answered, doubled), tmp_path / "journal")
        assert (report["lost"], report["doubled"], report["reordered"]) == counts


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a drill makes a network: it needs root")
def test_every_kind_of_fault_once(outcry, tmp_path: Path) -> None:
    done = outcry("drill", "--report", "drill.json", timeout_s=3_600)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "drill.json").read_text())
    assert len({fault["kind"] for fault in document["faults"]}) == 15
    assert document["acknowledged"] > 1_000
    assert "lost 0, doubled 0, reordered 0" in done.stdout


@pytest.mark.long
def test_a_drill_of_two_faults_leaves_nothing(outcry, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a drill makes a network: it needs root")
    kinds = "kill follower,corrupt follower"
    done = outcry("drill", "--faults", "2", "--kinds", kinds, "--json", timeout_s=3_600)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert (document["lost"], document["doubled"], document["reordered"]) == (0, 0, 0)
    assert document["hashes_equal"]
    assert document["nodes_equal"]
    assert document["acknowledged"] >= 200
    assert "found before it served" in document["faults"][0]["note"] + document["faults"][1]["note"]
    assert not list(tmp_path.iterdir())
