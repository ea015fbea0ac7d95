"""A run that takes orders from the network, beside the tests; and what clients need."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from openoutcry.flow import GeneratedFlow
from openoutcry.journal.lock import held
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.journal.outsider import require_all_read
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until


def limit_orders(count: int) -> np.ndarray:
    """New orders of participant 1 that rest far from each other's prices, ids 1, 2, 3, …"""
    flow = GeneratedFlow("normal", 100, 5)
    chunk = next(flow.chunks())
    new = chunk[(chunk["kind"] == CommandKind.NEW) & (chunk["order_type"] == 1)][:1]
    orders = np.repeat(new, count)
    orders["order_id"] = np.arange(1, count + 1)
    orders["participant"] = 1
    return orders


def queued_bytes(port: int) -> int:
    """What waits in the receive queue of the UDP socket on this port, as the kernel counts it."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == port:
            return int(words[4].split(":")[1], 16)
    return 0


@contextmanager
def listening(folder: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`outcry run` with its journal in the folder `j`, killed at the end if it still runs."""
    where = [] if "--port" in arguments else ["--udp", f"127.0.0.1:{port}"]
    command = [*OUTCRY, "run", *where, "--journal", "j", "--json", *arguments]
    with warm_outcry.Process(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
    if not held(folder / "j"):
        require_all_read(folder / "j")


def started(process: subprocess.Popen[str]) -> RunningPipeline:
    """The pipeline of this supervisor, once it takes input."""

    def taking_input() -> list[RunningPipeline]:
        assert process.poll() is None, process.communicate()[1]
        return [one for one in running() if one.owner.pid == process.pid and all_beat(one)]

    return wait_until(taking_input, f"the pipeline of pid {process.pid} takes input")[0]


def all_beat(pipeline: RunningPipeline) -> bool:
    """Every stage has run."""
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    beats = [row["heartbeat_age_ns"] for row in rows]
    return bool(beats) and None not in beats


def killed(process: subprocess.Popen[str], journal: Path) -> None:
    """SIGKILL, and wait until its stages, which die with it, each a moment later, are gone too: one
    has the journal, another the port."""
    stages = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(stages, timeout=BOUND_S)
    assert not left
    assert not held(journal)


def stopped(process: subprocess.Popen[str]) -> dict[str, Any]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, err
    return dict(json.loads(out))


def replied_events(data: bytes) -> np.ndarray:
    return np.frombuffer(data[32:], EVENT_DTYPE)
