"""Many histories in several processes, each of which has every n-th seed: which one does not
matter."""

import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from openoutcry.host.processes import fork_reporting, outcome
from openoutcry.wire.errors import OutcryError
from tests.support.replica.simulator import Findings, simulate

SAY_S = 10.0
LOOK_S = 0.05
JOB_WORDS = 16
TOLD_EVERY = 100


class Progress(NamedTuple):
    """Progress of all processes together."""

    histories: int
    steps: int
    violations: int


def simulate_all(
    seeds: range, jobs: int, deadline_s: float, progress: Callable[[Progress], None]
) -> Findings:
    """The histories of ``seeds`` in ``jobs`` processes, as many as there are by ``deadline_s`` (of
    the monotonic clock).  ``progress`` is called every ten seconds.

    Raises :class:`OutcryError` if a process ends without its findings.
    """
    words = np.frombuffer(mmap.mmap(-1, 8 * JOB_WORDS * jobs), np.int64).reshape(jobs, JOB_WORDS)
    children = [
        fork_reporting(partial(_run, seeds[job::jobs], deadline_s, words[job]))
        for job in range(jobs)
    ]
    findings, reported_s = Findings(), time.monotonic()
    for pid, fd in children:
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(LOOK_S)
            if time.monotonic() - reported_s >= SAY_S:
                reported_s = time.monotonic()
                progress(Progress(*words.sum(axis=0)[:3].tolist()))
        document = outcome(fd)
        os.close(fd)
        if "error" in document or not document:
            raise OutcryError(document.get("error", "a process of the simulation was killed"))
        _add(findings, document)
    findings.violations.sort()
    return findings


def _run(seeds: range, deadline_s: float, words: Any) -> dict[str, Any]:
    def in_time() -> Iterator[int]:
        for seed in seeds:
            if time.monotonic() >= deadline_s:
                return
            yield seed

    def tell(findings: Findings) -> None:
        words[:3] = findings.histories, findings.steps, len(findings.violations)

    findings = simulate(in_time(), tell, TOLD_EVERY)
    tell(findings)
    return asdict(findings)


def _add(findings: Findings, document: dict[str, Any]) -> None:
    for field in fields(Findings):
        if field.name == "violations":
            findings.violations += [(seed, text) for seed, text in document["violations"]]
        else:
            setattr(findings, field.name, getattr(findings, field.name) + document[field.name])
