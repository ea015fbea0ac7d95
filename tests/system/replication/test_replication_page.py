"""The commands of docs/replication.md do what the page says, in its order; what is refused is
refused in the page's words."""

import json
import time
from pathlib import Path

import pytest

from openoutcry.operations.metrics import VenueMetrics
from tests.support.pipeline.outcry_command import nothing_left_behind
from tests.support.processes import find_pipeline
from tests.support.replica.replica_cluster import Frozen, replicated_run
from tests.support.user_commands import commands, run
from tests.support.waiting import BOUND_S, wait_until

__all__ = ["nothing_left_behind"]


@pytest.mark.usefixtures("nothing_left_behind")
def test_the_pages_commands(tmp_path: Path) -> None:
    up, replicated, status, copy, restore, replay, resync, down = commands("replication.md")
    run(up, tmp_path)
    try:
        result = run(replicated, tmp_path)
        assert "on a majority of the replicas" in result
        shown = json.loads(run(f"{status} --json", tmp_path))
        (stream,) = shown["streams"]
        assert (stream["venue"], stream["last_seq"]) == ("DAY", 20_000)
        deadline = time.monotonic() + BOUND_S  # two of three have it; the third is on its way
        while {row["streams"][0]["last_seq"] for row in shown["nodes"]} != {20_000}:
            assert time.monotonic() < deadline, shown["nodes"]
            shown = json.loads(run(f"{status} --json", tmp_path))
        run(copy, tmp_path)
        restored = run(restore, tmp_path)
        assert "vouched for up to command 20,000" in restored
        state = restored.rpartition("state ")[2].strip()
        assert state in result
        assert state in run(replay, tmp_path)
        assert "DAY block" in run(resync, tmp_path)
        # A second journal does not get into the first one's stream, and leaves nothing.
        other = replicated.replace("--journal day", "--journal other")
        run(other, tmp_path, status=1)
        assert not (tmp_path / "other").exists()
        again = replicated.replace("--orders 20000", "--orders 30000") + " --resume --json"
        document = json.loads(run(again, tmp_path))
        assert (document["commands"], document["lost"]) == (30_000, 0)
        assert document["replay"]["equal"] is True
        spans = {row["span"]: row["count"] for row in document["stages"]}
        assert spans["sequenced -> replicated"] == spans["sequenced -> released"] == 10_000
    finally:
        assert "3 nodes ended" in run(down, tmp_path)


REPLICATED = ("run", "--orders", "10", "--durability", "replicated")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*REPLICATED, "--journal", "j"), "--nats CLUSTER need each other"),
        (("run", "--nats", "nowhere", "--journal", "j"), "--nats CLUSTER need each other"),
        ((*REPLICATED, "--nats", "nats://127.0.0.1:1"), "needs --journal DIR"),
        ((*REPLICATED, "--nats", "nats://127.0.0.1:1", "--journal", "j"), "refused"),
        ((*REPLICATED, "--nats", "nowhere", "--journal", "j"), "neither URLs"),
        (("run", "--orders", "10", "--policy", "both"), "only --durability replicated has any"),
        (("cluster", "down", "nowhere"), "there is no cluster"),
        (("cluster", "backup", "restore", "nowhere", "j"), "No such file or directory"),
        (("cluster", "drill", "--kinds", "kill nobody"), "unknown kind"),
    ],
)
def test_bad_input_is_reported_and_leaves_nothing(
    words: tuple[str, ...], message: str, outcry, tmp_path: Path
) -> None:
    done = outcry(*words)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_without_the_quorum_nothing_is_released_and_then_it_continues(
    cluster, tmp_path: Path
) -> None:
    """Also told by the metrics."""
    running, _ = replicated_run(cluster, tmp_path, "CUTS", orders=12_000, rate=1_500)
    pipeline = find_pipeline(running.pid)
    at = pipeline.table.index["replica"]

    def lease_s() -> float:
        until_ns = pipeline.control.stage(at).safe_until_ns
        return (until_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9

    events = pipeline.rings["events"]

    def waits() -> bool:
        safe_seq = pipeline.control.stage(at).safe_seq
        return lease_s() < 0 and safe_seq < int(pipeline.rings["sequenced"].published)

    with Frozen(cluster, 2):
        wait_until(waits)
        (released,) = events.views(int(events.cursors["gate"][0]), 1)
        assert int(released["cause_seq"][0]) <= pipeline.control.stage(at).safe_seq
        metrics = {
            sample.name: sample.value
            for family in VenueMetrics().collect()
            for sample in family.samples
            if sample.labels.get("venue") == str(running.pid)
        }
        assert metrics["outcry_replica_lease_seconds"] < 0
        assert metrics["outcry_replica_lag_commands"] > 0
    out, err = running.communicate(timeout=BOUND_S)
    assert running.returncode == 0, err
    assert "cut off from the quorum" in err
    assert "the quorum answers again" in err
    document = json.loads(out)
    assert (document["commands"], document["lost"], document["duplicated"]) == (12_000, 0, 0)
