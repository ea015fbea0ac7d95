"""What tests need to run the real command beside themselves."""

import itertools
import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ring import list_segments
from tests.support.waiting import BOUND_S, wait_until

OUTCRY = [sys.executable, "-m", "openoutcry"]
SPREAD = ("--housekeeping-cores", "0")
"""Stages in as many processes as there are cores, so that one dies while others live."""

LEFT_BOUND_S, LEFT_LOOK_S = BOUND_S / 10, 0.1


WORKERS = 8
"""Workers of pytest-xdist that have separate ports: one may be taken between its choice and its
use, or while a venue that had it is down."""


def _own_ports() -> Iterator[int]:
    """Those of this worker, for ever, from any of them on."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS
    ports = range(first // 2 + worker, first, WORKERS)
    start = random.SystemRandom().randrange(len(ports))
    return itertools.cycle([*ports[start:], *ports[:start]])


_ports = _own_ports()


def choose_other_ports() -> None:
    """Processes that are forked from one would all choose the same."""
    global _ports
    _ports = _own_ports()


def free_port() -> int:
    """A port of TCP and UDP that nobody has, another one each time, below those that the system
    gives to outgoing connections: one of these would take it while what listens there is down."""
    for port in _ports:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


def left_behind() -> set[str]:
    """Names of shared memory of ours whose owner is dead; a pipeline that runs beside the tests
    leaves nothing behind yet."""
    return {name for name, owner in list_segments() if not owner.alive()}


def left_since(before: set[str], part: str = "") -> set[str]:
    """Shared memory, with ``part`` in its name, that is left behind since ``before`` for good.

    The pipelines of another worker's test, or of another program, may be killed meanwhile: what
    they leave goes when they are started again, or when that test ends."""
    left = {name for name in left_behind() - before if part in name}
    since = time.monotonic()
    while left and time.monotonic() - since < LEFT_BOUND_S:
        time.sleep(LEFT_LOOK_S)
        left &= left_behind()
    return left


def alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def ended(pid: int) -> bool:
    """It is gone, or a child that nobody has waited for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def started_by(pid: int, words: str) -> list[psutil.Process]:
    """What lives below ``pid`` and has ``words`` in its command: not what has just ended,
    even if its parent has not waited for it yet."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if words in " ".join(child.cmdline()):
                found.append(child)
    return found


def is_stopped(pid: int) -> bool:
    """A signal has stopped all of its threads."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return {text.rpartition(")")[2].split()[0] for text in states} == {"T"}


def published_pipeline(pid: int) -> RunningPipeline | None:
    """The pipeline whose supervisor is ``pid``, if it has published events."""
    for pipeline in running():
        if pipeline.owner.pid == pid and pipeline.positions()["events"] > 0:
            return pipeline
    return None


def find_pipeline(pid: int) -> RunningPipeline:
    """Wait until the pipeline whose supervisor is ``pid`` has published its first events."""

    def published() -> RunningPipeline | None:
        assert not ended(pid), f"the pipeline of pid {pid} has ended"
        return published_pipeline(pid)

    pipeline = wait_until(published, f"the pipeline of pid {pid} has published events")
    assert pipeline is not None
    return pipeline


def stage_pids(pipeline: RunningPipeline) -> list[int]:
    return sorted({row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]})
