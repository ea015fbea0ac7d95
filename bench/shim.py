"""The packet shim's figures: DPDK compared with kernel sockets, AF_XDP with a blocking recv.

Each round takes every figure once, ours and the peers' one after the other, each in a separate
process (DPDK can be started once a process). What each does is in bench/shim_loops.py.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.wire.errors import OutcryError

TIMEOUT_S = 120
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
HUGE_PAGES_WANTED = 192
LAST_WORDS = 400
"""Two processes of 64 MiB each, and what the EAL takes for itself (2 MiB pages)."""


class ShimBenchError(OutcryError):
    """A measured program failed."""


# Metric, unit, better, our program with its count, the peers' with theirs.
METRICS: tuple[tuple[str, str, str, tuple[str, int], dict[str, tuple[str, int]]], ...] = (
    (
        "packet_ns_net_ring", "ns", "lower", ("net_ring", 4_000_000),
        {
            "with_udp_checksums": ("net_ring_summed", 4_000_000),
            "recvmmsg": ("recvmmsg", 200_000),
            "af_packet": ("af_packet", 200_000),
        },
    ),
    ("packet_ns_net_ring_bare", "ns", "lower", ("net_ring_bare", 4_000_000), {}),
    ("packets_memif", "1/s", "higher", ("memif", 20_000_000), {}),
    (
        "packet_ns_pcap", "ns", "lower", ("pcap", 4_000_000),
        {"no_huge_pages": ("pcap_no_huge_pages", 4_000_000)},
    ),
    (
        "one_way_p50_af_xdp", "ns", "lower", ("one_way_af_xdp", 2_000),
        {"recv": ("one_way_recv", 2_000)},
    ),
)  # fmt: skip
QUICK = 10


def bench_shim(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``lost`` is how many packets, of all runs, were handed over and neither came in nor were counted
    by a reason.  A figure that cannot be taken here is listed in ``missing`` with the reason.
    """
    gathered = Rounds(rounds, progress)
    gone: dict[str, str] = {}
    """By what cannot be taken here: why.  A program that failed once is not tried again."""

    def one_round(number: int, add: Add) -> None:
        lost, taken = 0.0, False
        for name, unit, better, ours, peers in METRICS:
            programs = [("ours", ours), *peers.items()]
            for who, (program, count) in rotated(programs, number):
                label = _label(name, who)
                if label in gone or name in gone:
                    continue
                progress(f"  {label}")
                try:
                    figures = measure(program, count // (QUICK if quick else 1), folder)
                except ShimBenchError as error:
                    gone[label] = str(error)
                    continue
                add(name, unit, better, figures["per_s"] if unit == "1/s" else figures["ns"], who)
                lost, taken = lost + figures["lost"], True
        if taken:
            add("lost", "count", "lower", lost)
        else:
            gathered.miss("lost", "not one of the programs could run here")

    with huge_pages() as refused, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if refused:
            gone["huge pages"] = refused
        gathered.run(one_round)
    for (name, _, _), by_whom in gathered.figures.items():
        for who in [who for who in by_whom if _label(name, who) in gone or name in gone]:
            del by_whom[who]
    gathered.figures = {key: by_whom for key, by_whom in gathered.figures.items() if by_whom}
    for label, why in gone.items():
        gathered.miss(label, why)
    return gathered.document("shim", command)


def _label(name: str, who: str) -> str:
    return name if who == "ours" else f"{name} against {who}"


def measure(program: str, count: int, folder: Path) -> dict[str, float]:
    """Run one program; raises :class:`ShimBenchError` with what it said."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [sys.executable, "-m", "openoutcry.bench.shim_loops", program, str(count), own]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ShimBenchError(f"{program}: no end after {TIMEOUT_S} s") from None
    if done.returncode:
        raise ShimBenchError(f"{program}: {last_words(done.stderr)}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def last_words(output: str) -> str:
    """The error that a program ended with, and what DPDK said of it; not the way to it."""
    lines = output.strip().splitlines() or ["no word"]
    end = lines[-1].removeprefix("openoutcry.dpdk_shim.spec.PortError: ")
    layer = dict.fromkeys(line for line in lines[:-1] if line.startswith("EAL: "))
    return "; ".join([*layer, end])[-LAST_WORDS:]


@contextmanager
def huge_pages() -> Iterator[str]:
    """Reserve huge pages for a while and give them back; yields why not, or nothing."""
    try:
        before = int(HUGE_PAGES.read_text())
    except OSError as error:
        yield f"none to be seen: {HUGE_PAGES}: {error.strerror}"
        return
    if before >= HUGE_PAGES_WANTED:
        yield ""
        return
    if not os.access(HUGE_PAGES, os.W_OK):
        yield f"none can be reserved: sudo sysctl vm.nr_hugepages={HUGE_PAGES_WANTED}"
        return
    try:
        HUGE_PAGES.write_text(str(HUGE_PAGES_WANTED))
        got = int(HUGE_PAGES.read_text())
        yield "" if got >= HUGE_PAGES_WANTED else f"only {got} of {HUGE_PAGES_WANTED} are free"
    finally:
        HUGE_PAGES.write_text(str(before))
