"""``outcry bench gateway``: from a client's socket through the whole pipeline and back, over UDP.

Open loop: order i is meant to leave at t0 + i / rate and its latency counts from then. In the same
runs, a second client waits for each answer before it sends the next and counts from when it really
sent. Its figures have the coordinated omission (Gil Tene) that hides a stall. Both meet the same
pipeline, whose matcher is stopped for STALL_S every STALL_EVERY_S.
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.bench.paced import SEED, flow
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.flow.source import Source
from openoutcry.host.processes import PeerError, fork
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.send import send
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ring import ProcessIdentity
from openoutcry.wire.free_port import free_port

RATES = (1_000, 10_000, 50_000)
QUICK_RATES = (1_000, 10_000)
SECONDS, QUICK_SECONDS = 2.0, 0.5
STALL_S, STALL_EVERY_S = 0.02, 0.2
STALLS_MIN = 3
STALLED_RATE = 2_000
MAX_COORDINATED = 100_000
"""Answers a second that no client with one order in flight reaches over UDP."""
LASTING_CHUNK = 20
FIGURES = ("p50", "p99", "p999")
START_TIMEOUT_S, STOP_TIMEOUT_S = 120.0, 30.0
WARM_ORDERS = 200


def bench_gateway(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``round_trip_PX_RATE`` is intended send to first reply at the rate. How many go through with a
    window of unanswered ones is ``orders_per_s``. The round trip while the matcher is stopped now
    and then is ``stalled_PX``. There, ``against`` is the client with the coordinated omission,
    whose ratio says how many times too small its figure is.
    """
    gathered = Rounds(rounds, progress)
    seconds = QUICK_SECONDS if quick else SECONDS

    def one(number: int, add: Add) -> None:
        for rate in QUICK_RATES if quick else RATES:
            progress(f"  {rate:,} a second")
            with listening() as (_, address):
                latency = sent(address, rate, int(rate * seconds))["latency"]
            for figure in FIGURES:
                add(f"round_trip_{figure}_{_short(rate)}", "ns", "lower", latency[figure])
        progress("  as fast as a window allows")
        with listening() as (_, address):
            add(
                "orders_per_s",
                "1/s",
                "higher",
                sent(address, None, int(50_000 * seconds))["orders_per_s"],
            )
        progress("  with a stalling matcher")
        honest, coordinated = stalled(seconds * 2)
        for figure in FIGURES:
            add(f"stalled_{figure}", "ns", "lower", honest[figure])
            add(f"stalled_{figure}", "ns", "lower", coordinated[figure], "coordinated_client")

    compile_kernels(lambda label, done, total: progress(f"compiling: {label}"))
    with listening() as (_, address):
        # The sender's kernels are compiled or read now.
        sent(address, None, WARM_ORDERS)
    gathered.run(one)
    return gathered.document("gateway", command)


def _short(rate: int) -> str:
    return f"{rate // 1000}k"


def stalled(seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Latencies of the open-loop client and of the coordinated one, each for this long among stalls
    of the same length and distance.  Raises :class:`PeerError` if one met fewer than three."""
    figures = []
    for rate, window in ((STALLED_RATE, None), (None, 1)):
        with listening() as (pipeline, address), stalls(pipeline) as met:
            source = flow("normal", int(seconds * (rate or MAX_COORDINATED)))
            result = answered(address, _lasting(source, seconds), rate, window)
        if len(met) < STALLS_MIN:
            raise PeerError(f"{len(met)} stalls in {seconds:g} s: nothing to show")
        figures.append(result["latency"])
    return figures[0], figures[1]


def _lasting(source: Source, seconds: float) -> Iterator[npt.NDArray[Any]]:
    """Return its commands for this long, a few at a time."""
    until = time.monotonic() + seconds
    for chunk in source.chunks():
        for at in range(0, len(chunk), LASTING_CHUNK):
            if time.monotonic() >= until:
                return
            yield chunk[at : at + LASTING_CHUNK]


def sent(
    address: tuple[str, int], rate: int | None, orders: int, window: int | None = None
) -> dict[str, Any]:
    """Send orders and return the sender's result; raises :class:`PeerError` unless every order was
    acknowledged."""
    return answered(address, flow("normal", orders).chunks(), rate, window)


def answered(
    address: tuple[str, int],
    chunks: Iterable[npt.NDArray[Any]],
    rate: int | None,
    window: int | None,
) -> dict[str, Any]:
    """Like :func:`sent`, for any orders."""
    result = send(chunks, to=address, rate=rate, window=window)
    if result["unanswered"] or result["stopped"]:
        raise PeerError(f"{result['unanswered']} orders unanswered: {result['stopped']}")
    return result


@contextmanager
def listening(journal: Path | None = None) -> Iterator[tuple[RunningPipeline, tuple[str, int]]]:
    """A pipeline in a separate process that listens on a free port of this host; with a journal it
    is durable.

    Its kernels are compiled before: a SIGINT in the midst of that may be lost in the compiler.
    """
    compile_kernels(lambda label, done, total: None)
    address = ("127.0.0.1", free_port(socket.SOCK_DGRAM))

    options = Options(
        ports=[parse_port("udp:{}:{}".format(*address))],
        source_kind="udp",
        durability="durable" if journal else "none",
        journal=journal,
        volatile_journal=True,
        seed=SEED,
        instruments=flow("normal", 1).instruments,
        verify=False,
    )
    with running_apart(options) as pipeline:
        yield pipeline, address


@contextmanager
def running_apart(options: Options) -> Iterator[RunningPipeline]:
    """A pipeline in a separate process, ready for input, until the body ends.  Raises
    :class:`PeerError` if it ended by itself."""

    def serve() -> None:
        run(options)

    pid = fork(serve)
    try:
        yield _started(pid)
    finally:
        status = _stopped(pid)
    if status:
        raise PeerError(f"the pipeline ended with {os.waitstatus_to_exitcode(status)}")


def _stopped(pid: int) -> int:
    """Interrupt the process and return its wait status; one that will not end is killed."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGINT)
        if not select.select([pidfd], [], [], STOP_TIMEOUT_S)[0]:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return os.waitpid(pid, 0)[1]
    finally:
        os.close(pidfd)


def _started(pid: int) -> RunningPipeline:
    """Wait until every stage of the pipeline of that process is ready for input."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        for pipeline in running():
            if pipeline.owner.pid == pid and pipeline.control.block.go:
                return pipeline
        if ProcessIdentity.of(pid) is None:
            break
        time.sleep(0.01)
    raise PeerError(f"the pipeline of process {pid} did not come up")


@contextmanager
def stalls(pipeline: RunningPipeline) -> Iterator[list[int]]:
    """Stop the matcher's process for STALL_S, every STALL_EVERY_S, while the body runs; yields when
    each began (CLOCK_MONOTONIC, ns)."""
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    (pid,) = {row["pid"] for row in rows if row["name"] == "matcher"}
    over = threading.Event()
    began: list[int] = []

    def stall() -> None:
        while not over.wait(STALL_EVERY_S - STALL_S):
            began.append(time.monotonic_ns())
            os.kill(pid, signal.SIGSTOP)
            try:
                over.wait(STALL_S)
            finally:
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield began
    finally:
        over.set()
        thread.join()
