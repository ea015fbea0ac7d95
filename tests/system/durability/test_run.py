"""The whole chain: every topology and durability gives one answer, and says what happened."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import FLOWS, GeneratedFlow
from openoutcry.gateway_fpga import make_rules, validate_batch
from openoutcry.journal import JournalReader
from openoutcry.journal.event_hash import START, hash_array, hash_text
from openoutcry.journal.events import starting_point
from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, alive, find_pipeline, stage_pids
from tests.support.waiting import BOUND_S, wait_until

Run = Callable[..., dict[str, Any]]
ORDERS = 20_000


@pytest.mark.parametrize(
    "flow",
    [pytest.param(flow, marks=() if flow == "swing-25" else pytest.mark.long) for flow in FLOWS],
)
def test_every_way_to_run_gives_the_reference_matchers_answer(flow: str, outcry_json: Run) -> None:
    """Inline and processes, with a core to spare or none, each durability, and the replay of each
    journal: one state hash and one event hash, those of the plain-Python matcher fed with the same
    flow."""
    expected = reference_hashes(flow)
    for way in (("inline",), ("processes",), ("processes", "--housekeeping-cores", 0)):
        for durability in ("none", "async", "durable"):
            result = outcry_json(
                "run",
                "--flow",
                flow,
                "--orders",
                ORDERS,
                "--seed",
                3,
                "--topology",
                *way,
                "--durability",
                durability,
            )
            assert (result["state_hash"], result["event_hash"]) == expected
            assert (result["commands"], result["lost"], result["duplicated"]) == (ORDERS, 0, 0)
            if durability != "none":
                assert result["replay"]["equal"] is True
                assert result["replay"]["state_hash"] == result["state_hash"]


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_the_rtl_in_the_pipeline_gives_the_golden_models_answer(
    topology: str, outcry_json: Run
) -> None:
    """The very Verilog in the order path: the same state and events, the same journal."""
    results = [
        outcry_json(
            "run",
            "--flow",
            "swing-40",
            "--orders",
            ORDERS,
            "--seed",
            5,
            "--topology",
            topology,
            "--gateway",
            gateway,
        )
        for gateway in ("golden", "rtl")
    ]
    for key in ("state_hash", "event_hash", "commands", "events", "trades", "rejects"):
        assert results[0].get(key) == results[1].get(key), key
    assert [r["gateway"] for r in results] == ["golden", "rtl"]
    assert results[1]["replay"]["equal"] is True


def reference_hashes(flow: str) -> tuple[str, str]:
    """What the obvious Python matcher makes of the flow."""
    source = GeneratedFlow(flow, ORDERS, 3)
    engine = ReferenceEngine(source.instruments, 1 << 17)
    rules = make_rules(source.instruments)
    chain, seq = START, 0
    for chunk in source.chunks():
        records = chunk.copy()
        assert records.dtype == ORDER_DTYPE
        for record in records:
            seq += 1
            record["seq"] = seq
        validate_batch(records.ctypes.data, len(records), rules.ctypes.data)
        chain = hash_array(chain, engine.process(records))
    return engine.state_hash(), hash_text(chain)


def test_the_document_has_every_promised_key(outcry_json: Run) -> None:
    """The keys people script against are there, with a span and five percentiles a stage."""
    result = outcry_json("run", "--orders", 1000)
    promised = (
        "commands events trades seconds commands_per_s lost state_hash event_hash stages replay "
        "journal durability topology seed host"
    )
    assert set(promised.split()) <= set(result)
    assert [s["name"] for s in result["stages"]] == [
        "receive",
        "gateway",
        "journal",
        "matcher",
        "gate",
        "replies",
        "release",
        "whole",
    ]
    for stage in result["stages"]:
        assert "->" in stage["span"]
        assert stage["count"] == 1000
        assert stage["p50"] <= stage["p90"] <= stage["p99"] <= stage["p999"] <= stage["max"]


def test_a_paced_run_keeps_its_rate_and_counts_from_the_intended_time(outcry_json: Run) -> None:
    """2,000 commands at 4,000 a second take half a second, and no command's whole latency is less
    than the sum of nothing: it includes how late it was sent."""
    result = outcry_json("run", "--orders", 2000, "--rate", 4000, "--durability", "none")
    # Late by how busy the machine is, early never.
    assert 0.49 < result["seconds"] < 60
    receive, whole = result["stages"][0], result["stages"][-1]
    assert whole["max"] >= receive["max"]


def test_a_kept_journal_replays_to_the_same_hashes(outcry_json: Run, tmp_path: Path) -> None:
    """`outcry replay` on the journal of a run says equal; up to a sequence it says nothing to
    compare with, and two such replays agree."""
    ran = outcry_json("run", "--orders", 5000, "--journal", "day")
    again = outcry_json("replay", "day")
    assert again["equal"] is True
    assert again["state_hash"] == ran["state_hash"]
    part = outcry_json("replay", "day", "--until", 1234)
    assert (part["commands"], part["equal"]) == (1234, None)
    assert part == {**outcry_json("replay", "day", "--until", 1234), "seconds": part["seconds"]}


@pytest.mark.promise(
    "What a command costs does not depend on ids that clients choose: they are hashed"
    " with a key drawn for each journal",
    group="capacity",
)
def test_each_run_draws_an_id_key_and_its_journal_keeps_it(
    outcry_json: Run, tmp_path: Path
) -> None:
    """Two runs of one flow have different keys, a replay uses the journal's own, and every hash is
    the same."""
    runs = [outcry_json("run", "--orders", 3000, "--journal", name) for name in ("one", "two")]
    readers = [JournalReader(tmp_path / name) for name in ("one", "two")]
    keys = [reader.config["id_key"] for reader in readers]
    assert keys[0] != keys[1]
    for reader, key in zip(readers, keys, strict=True):
        engine = starting_point(reader).engine
        same = Engine(engine.instruments, engine.order_capacity, id_key=key)
        assert (engine.arena == same.arena).all()
    assert runs[0]["state_hash"] == runs[1]["state_hash"]
    assert runs[0]["event_hash"] == runs[1]["event_hash"]
    assert outcry_json("replay", "one")["equal"] is True


@pytest.mark.parametrize(
    ("topology", "number"),
    [
        ("inline", signal.SIGTERM),
        ("processes", signal.SIGINT),
        pytest.param("inline", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("processes", signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_a_signal_drains_and_stops(number: int, topology: str, tmp_path: Path) -> None:
    """The run takes no more, finishes what it took, replays its journal, leaves no segment and no
    child, and exits with 1 because not everything asked for happened."""
    command = [
        *OUTCRY,
        "run",
        "--orders",
        "1000000",
        "--rate",
        "20000",
        "--json",
        "--topology",
        topology,
        "--journal",
        "day",
    ]
    with warm_outcry.Process(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        pipeline = find_pipeline(process.pid)
        children = stage_pids(pipeline)
        wait_until(lambda: pipeline.positions()["events"], "the first events")
        process.send_signal(number)
        out, err = process.communicate(timeout=BOUND_S)
    result = json.loads(out)
    assert process.returncode == 1, err
    assert result["interrupted"]
    assert 0 < result["commands"] < 1_000_000
    assert (result["lost"], result["duplicated"], result["replay"]["equal"]) == (0, 0, True)
    assert not [pid for pid in children if alive(pid)]


def test_a_signal_to_the_whole_process_group_drains_too(tmp_path: Path) -> None:
    """What a service manager does: every process gets SIGTERM, none of the stages dies of it."""
    command = [
        *OUTCRY,
        "run",
        "--orders",
        "1000000",
        "--rate",
        "20000",
        "--json",
        "--durability",
        "none",
    ]
    with warm_outcry.Process(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        find_pipeline(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=BOUND_S)
    result = json.loads(out)
    assert process.returncode == 1, err
    assert result["interrupted"]
    assert (result["restarts"], result["lost"]) == ([], 0)


@pytest.mark.parametrize("moment", ["preparing kernels", "preparing the journal", "replaying"])
def test_sigterm_outside_the_run_unwinds(moment: str, tmp_path: Path) -> None:
    """Before and after the stages run, SIGTERM leaves no shared memory and no temporary journal.
    On busy cores it may come after the end: then the run comes again."""
    command = [*OUTCRY, "run", "--orders", "2000000", "--topology", "inline"]
    came_too_late, until_s = True, time.monotonic() + BOUND_S
    while came_too_late:
        assert time.monotonic() < until_s
        with warm_outcry.Process(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith(moment):
                    process.send_signal(signal.SIGTERM)
                    break
            process.stderr.read()
            process.wait(timeout=BOUND_S)
        assert list(tmp_path.iterdir()) == []
        came_too_late = process.returncode == 0
    assert process.returncode == 1


def test_thousands_of_instruments_end_like_one(tmp_path: Path, outcry_json: Run) -> None:
    """3,000 symbols with orders on both sides: the result is large, and arrives."""
    data = bytearray()
    for number in range(3000):
        for side, price in ((b"B", 10_000), (b"S", 10_100)):
            for step in range(3):
                signed = price - 100 * step if side == b"B" else price + 100 * step
                reference = (number * 6 + step * 2 + (side == b"S") + 1).to_bytes(8, "big")
                data += b"\x00\x24A" + bytes(10) + reference + side + (100).to_bytes(4, "big")
                data += f"S{number:<7}".encode() + signed.to_bytes(4, "big")
    (tmp_path / "day.itch").write_bytes(data)
    result = outcry_json("run", "--itch", "day.itch")
    assert (result["commands"], result["open_orders"], result["lost"]) == (18_000, 18_000, 0)
    assert len(result["depth"]) == 64


def test_top_sees_a_running_pipeline(tmp_path: Path, outcry: Callable[..., Any]) -> None:
    """Rings, stages, lag and latency of a run in another process; nothing is running afterwards."""
    command = [*OUTCRY, "run", "--orders", "1000000", "--rate", "20000"]
    with warm_outcry.Process(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        pipeline = find_pipeline(process.pid)
        maps = Path("/proc/self/maps").read_text().splitlines()
        names = (pipeline.control.segment.path, *(r.segment.path for r in pipeline.rings.values()))
        assert [line.split()[1] for line in maps if line.endswith(tuple(map(str, names)))] == [
            "r--s"
        ] * len(names)
        views = json.loads(outcry("top", "--json").stdout)["pipelines"]
        text = outcry("top", "--once").stdout
        process.send_signal(signal.SIGINT)
        process.wait(timeout=BOUND_S)
    (view,) = [v for v in views if v["pid"] == process.pid]
    assert [ring["name"] for ring in view["rings"]] == ["lane", "sequenced", "events"]
    assert {s["name"] for s in view["stages"]} >= {"receive", "gateway", "matcher", "journal"}
    assert all(s["alive"] for s in view["stages"])
    assert view["commands"] > 0
    assert view["durable_lag"] >= 0
    assert any(row["name"] == "whole" and row["p99"] > 0 for row in view["latency"])
    assert re.search(r"pipeline of pid \d+", text)
    assert "no pipeline is running" in outcry("top", "--once").stdout


def test_a_crashed_supervisor_takes_its_stages_along_and_the_next_run_cleans_up(
    tmp_path: Path, outcry: Callable[..., Any]
) -> None:
    """SIGKILL of the supervisor: no stage survives, and the next run says that it removed what was
    left in shared memory, and removes the temporary journal."""
    command = [*OUTCRY, "run", "--orders", "1000000", "--rate", "20000"]
    with warm_outcry.Process(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        children = stage_pids(find_pipeline(process.pid))
        process.kill()
    deadline = time.monotonic() + BOUND_S
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in children if alive(pid)]
    done = outcry("run", "--orders", 1000, "--durability", "none")
    assert done.returncode == 0
    assert f"left by a crashed run (pid {process.pid})" in done.stderr
    assert list(tmp_path.iterdir()) == []
