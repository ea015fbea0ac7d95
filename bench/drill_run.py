"""A whole drill: one fault after the other, each over before the next, then the report."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.bench.drill import NODES, VENUES, Drill, Fault
from openoutcry.bench.drill_faults import FAULTS
from openoutcry.bench.drill_network import Network
from openoutcry.wire.errors import OutcryError


def run_drill(
    faults: int,
    seed: int,
    kinds: tuple[str, ...],
    rate: int,
    keep: Path | None,
    say: Callable[[str], None],
    limit_s: float = float("inf"),
) -> dict[str, Any]:
    """``faults`` faults of these ``kinds`` in a seeded order, fewer if ``limit_s`` is over before;
    returns the report.

    Raises :class:`OutcryError` where no network can be made, or the venue did not come back.
    """
    network = Network((*NODES, *VENUES))
    folder = (keep or Path(tempfile.mkdtemp(prefix="outcry-drill-"))).absolute()
    folder.mkdir(mode=0o700, exist_ok=True)
    rng = random.Random(seed)
    drill = Drill(folder, network, rate, say)
    begun_s = time.monotonic()
    good = False
    try:
        drill.begin()
        ended, diagnosis = "", {}
        try:
            _break(drill, rng, faults, kinds, begun_s, limit_s)
        except OutcryError as error:
            # What was acknowledged by then is judged all the same.
            ended, diagnosis = str(error), drill.diagnosis()
            last, now_s = drill.faults[-1], time.monotonic()
            last.note = "it did not come back"
            last.gap_s = round(drill.client.longest_gap_s(begun_s + last.at_s, now_s), 4)
            say(ended)
        report = drill.finish()
        if ended:
            report |= {"ended": ended, "diagnosis": diagnosis}
        report |= {"seed": seed, "rate": rate, "seconds": round(time.monotonic() - begun_s, 1)}
        report["passed"] = good = _passed(report)
        return report
    finally:
        drill.close()
        if keep is None and good:
            shutil.rmtree(folder, ignore_errors=True)


def _break(
    drill: Drill,
    rng: random.Random,
    faults: int,
    kinds: tuple[str, ...],
    begun_s: float,
    limit_s: float,
) -> None:
    """One fault after the other."""
    deck: list[str] = []
    for number in range(1, faults + 1):
        if time.monotonic() - begun_s > limit_s:
            break
        if not deck:
            deck = list(kinds)
            rng.shuffle(deck)
        kind = deck.pop()
        at_s = time.monotonic()
        fault = Fault(kind, "", round(at_s - begun_s, 3))
        drill.faults.append(fault)
        fault.target, fault.note = FAULTS[kind](drill, rng)
        drill.wait_steady(time.monotonic())
        fault.gap_s = round(drill.client.longest_gap_s(at_s, drill.answered_s), 4)
        fault.gap_until_whole_s = round(drill.client.longest_gap_s(at_s, time.monotonic()), 4)
        drill.say(
            f"{number}/{faults} {kind} {fault.target}: {fault.gap_s:.3f} s without an answer"
            + (f"; {fault.note}" if fault.note else "")
        )


def _passed(report: dict[str, Any]) -> bool:
    """Return whether nothing was lost, doubled or reordered, the state is the same everywhere,
    and no damage was served. (A release without a majority is not in the stream, and so counts
    as lost.)
    """
    return (
        "ended" not in report
        and not (report["lost"] or report["doubled"] or report["reordered"])
        and not report["released_by_woken"]
        and report["hashes_equal"]
        and report["nodes_equal"]
        and not any(fault["note"].endswith("NOT DETECTED") for fault in report["faults"])
    )
