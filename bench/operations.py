"""What being watched costs a venue, and how long the red button takes.

``throughput_watched`` is a whole run as fast as it goes while its metrics are served and read once
a second, beside the same run alone (``unwatched``); ``p99_watched`` the wire -> acknowledgement p99
at a paced rate, the same way.  ``button_to_last_cancel`` is from the kill's commands on the
operator's lane to the release of the last of 100,000 cancels, each durable.  ``first_paint`` is
the console's page in Chromium (``first_paint.py``), where there is one.
"""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from openoutcry.bench.first_paint import Page, missing, page_of_a_venue
from openoutcry.bench.kill import kill_ns
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from openoutcry.wire import OutcryError

ORDERS, QUICK_ORDERS = 20_000_000, 500_000
PACED, QUICK_PACED = 400_000, 20_000
RATE = 100_000
SCRAPE_S = 1.0
PAINTS = 5
TIMEOUT_S = 60.0


def bench_operations(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    scrapes: list[int] = []
    unpainted = missing()
    if unpainted:
        progress(f"first_paint is not measured: {unpainted}")

    def one(number: int, add: Add) -> None:
        for who in rotated(("ours", "unwatched"), number):
            with _watched(who == "ours") as seen:
                fast = _run(QUICK_ORDERS if quick else ORDERS, 0)
                paced = _run(QUICK_PACED if quick else PACED, RATE)
            scrapes.extend(seen)
            add("throughput_watched", "1/s", "higher", float(fast["commands_per_s"]), who)
            (whole,) = (row for row in paced["stages"] if row["name"] == "whole")
            add("p99_watched", "ns", "lower", float(whole["p99"]), who)
        add("button_to_last_cancel", "ns", "lower", float(kill_ns(True, quick)))
        if not unpainted:
            with page_of_a_venue() as page:
                add("first_paint", "ns", "lower", _paint(page))

    gathered.run(one)
    return gathered.document("operations", command, {"scrapes": len(scrapes)})


def _paint(page: Page) -> float:
    """The median of some loads, behind one that starts the browser's processes."""
    page.first_paint_ns()
    return median(page.first_paint_ns() for _ in range(PAINTS))


def _run(count: int, rate: int) -> dict[str, Any]:
    source = GeneratedFlow("normal", count, 3)
    result = run(Options(source=source, orders=count, seed=3, topology="processes", rate=rate,
                         durability="none", verify=False))  # fmt: skip
    if result["lost"] or result["duplicated"]:
        raise OutcryError("bench operations: a run lost or doubled commands")
    return result


@contextmanager
def _watched(on: bool) -> Iterator[list[int]]:
    """The metrics of every pipeline served by a process of its own, and read once a second, if
    ``on``; what is given gets the bytes of each reading."""
    seen: list[int] = []
    if not on:
        yield seen
        return
    command = [sys.executable, "-m", "openoutcry", "metrics", "--address", "127.0.0.1:0"]
    done = threading.Event()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = server.stderr.readline().strip()
        try:
            if not url.startswith("http"):
                raise OutcryError(f"bench operations: {url}")

            def scrape() -> None:
                while not done.wait(SCRAPE_S if seen else 0):
                    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
                        seen.append(len(answer.read()))

            reader = threading.Thread(target=scrape)
            reader.start()
            try:
                yield seen
            finally:
                done.set()
                reader.join()
            if not seen:
                raise OutcryError("bench operations: nobody read the metrics")
        finally:
            server.terminate()
