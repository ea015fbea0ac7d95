"""The stage that takes packets from a port, killed while they come."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalReader
from openoutcry.pipeline.top import RunningPipeline
from tests.support.dpdk_shim.shim_wire import needs_shim
from tests.support.dpdk_shim.udp_runs import queued_bytes
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, SPREAD, free_port, published_pipeline
from tests.support.waiting import BOUND_S, wait_until

ORDERS, PER_PACKET, CLUMP = 24_000, 10, 64
KILLS = 3
QUEUE_BYTES = 1 << 16
BURST_RECORDS = 64 * PER_PACKET


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Connected to a port of this host that nobody has yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
        connected.connect(("127.0.0.1", free_port()))
        yield connected


def numbered_packets() -> list[bytes]:
    """Commands of the generated flow, each with an order id of its own, in one sender's packets."""
    orders = np.concatenate(list(GeneratedFlow("normal", ORDERS, 1).chunks()))
    orders["order_id"] = np.arange(1, ORDERS + 1)
    return build_packets(orders, 5, 1, 0, PER_PACKET)


def send(client: socket.socket, packets: list[bytes]) -> None:
    """In clumps, so that a burst is full; slower than the pipeline is, however busy the machine."""
    port = client.getpeername()[1]
    for at in range(0, len(packets), CLUMP):
        while queued_bytes(port) > QUEUE_BYTES:
            time.sleep(0.01)
        for data in packets[at : at + CLUMP]:
            client.send(data)
        time.sleep(0.01)


def started(
    process: "subprocess.Popen[str]", client: socket.socket, first: bytes
) -> RunningPipeline:
    """Knock with the first packet until the pipeline has answered; its copies are doubles."""

    def answered() -> RunningPipeline | None:
        assert process.poll() is None, process.communicate()[1]
        with suppress(ConnectionRefusedError):
            client.send(first)
        return published_pipeline(process.pid)

    pipeline = wait_until(answered, "the pipeline has answered the first packet")
    assert pipeline is not None
    return pipeline


def kill_receive(pipeline: RunningPipeline) -> int:
    """SIGKILL the process of the receive stage, which is not the one of the kill before."""
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    (pid,) = [row["pid"] for row in rows if row["name"] == "receive"]
    os.kill(pid, signal.SIGKILL)

    def restarted() -> bool:
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        return any(row["name"] == "receive" and row["alive"] and row["pid"] != pid for row in rows)

    wait_until(restarted, "receive is restarted")
    return int(pid)


def wait_until_idle(pipeline: RunningPipeline, port: int) -> None:
    """Until nothing waits at the port and no event has come for a second."""
    deadline, last, since = time.monotonic() + BOUND_S, -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 1:
        events = pipeline.positions()["events"]
        if events != last or queued_bytes(port):
            last, since = events, time.monotonic()
        time.sleep(0.05)


def run_and_kill(
    client: socket.socket, packets: list[bytes], folder: Path
) -> tuple[dict[str, Any], list[int], str]:
    """The result, the killed processes and what was said about them.  All packets are sent once
    while the stage is killed, then all once more, as a participant does who missed replies."""
    port = f"udp:127.0.0.1:{client.getpeername()[1]}"
    command = [*OUTCRY, "run", "--port", port, "--journal", str(folder / "j"), *SPREAD, "--json"]
    with warm_outcry.Process(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        pipeline = started(process, client, packets[0])
        killed, part = [], len(packets) // KILLS
        for number in range(KILLS):
            send(client, packets[number * part : (number + 1) * part - CLUMP])
            for data in packets[(number + 1) * part - CLUMP : (number + 1) * part]:
                client.send(data)
            killed.append(kill_receive(pipeline))
        send(client, packets)
        wait_until_idle(pipeline, client.getpeername()[1])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, err
    return json.loads(out), killed, err


def test_a_killed_receive_stage_loses_nothing_that_was_sequenced(
    client: socket.socket, tmp_path: Path
) -> None:
    """Killed three times while full bursts come: what was sequenced is matched and in the journal,
    once; sent again, all is there but the packet that each kill had in its hands; the account says
    how much was published and not counted, and the run says who died."""
    needs_shim()
    packets = numbered_packets()
    result, killed, stderr = run_and_kill(client, packets, tmp_path)
    parts = [orders["order_id"] for _, orders in JournalReader(tmp_path / "j").chunks()]
    ids = np.concatenate(parts)
    assert result["commands"] == len(ids)
    assert len(np.unique(ids)) == len(ids)
    assert 0 <= len(packets) * PER_PACKET - len(ids) <= KILLS * PER_PACKET
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["replay"]["equal"] is True
    account = result["source"]["account"]
    assert account["unaccounted"] == 0
    assert account["device_dropped"] == 0
    assert account["records_not_sequenced"] == 0
    assert 0 <= account["records_uncounted"] <= KILLS * BURST_RECORDS
    assert account["records"] + account["records_uncounted"] == len(ids)
    assert [restart["pid"] for restart in result["restarts"]] == killed
    assert all("SIGKILL" in restart["why"] for restart in result["restarts"])
    said = " ".join(stderr.split())  # lines break where a pid's width moves them
    for pid in killed:
        assert f"(pid {pid}) killed by SIGKILL: restarted" in said
