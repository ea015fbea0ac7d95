"""Keep every command's stamps and every long step of a run: what the reports take apart.

A recorded run costs 56 bytes of memory a command and one clock reading a step; a run that is not
recorded pays one branch a step for the possibility.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime import loop
from openoutcry.runtime.shared import PROBE_CAPACITY, Shared

KINDS = (*TOPOLOGY.stamp_kinds, *TOPOLOGY.kept_kinds)
THRESHOLD_NS = 5_000


@dataclass(frozen=True)
class Stall:
    """A fault on purpose: every ``every_ns`` the stage does nothing for ``length_ns``."""

    stage: str
    length_ns: int
    every_ns: int


@dataclass(frozen=True)
class Step:
    """A step of a process that took longer than the threshold, CLOCK_MONOTONIC ns.

    ``stage`` is ``idle`` for the loop's own wait between two turns.
    """

    process: str
    stage: str
    start_ns: int
    end_ns: int


@dataclass
class Recording:
    """Given to a run to be filled.

    ``stamps``: int64[commands, 7] by KINDS, row i of the command with sequence i + 1; ``durable``
    is 0 without a journal.  ``groups``: the run's processes with stages, core and pid.
    """

    threshold_ns: int = THRESHOLD_NS
    stall: Stall | None = None
    stamps: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 7), np.int64))
    steps: list[Step] = field(default_factory=list)
    steps_not_kept: int = 0
    groups: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self, probe: npt.NDArray[np.int64], index: dict[str, int]) -> int:
        """Set one process's probe up; returns its address.  ``index``: of each stage in the table.
        What a predecessor of the process had noted stays."""
        probe[loop.PROBE_THRESHOLD // 8] = self.threshold_ns
        probe[loop.PROBE_CAPACITY // 8] = PROBE_CAPACITY
        stall = self.stall
        probe[loop.PROBE_STALL_STAGE // 8] = index[stall.stage] if stall else loop.NO_STALL
        if stall:
            probe[loop.PROBE_STALL_EVERY // 8] = stall.every_ns
            probe[loop.PROBE_STALL_NS // 8] = stall.length_ns
        return int(probe.ctypes.data)

    def fill(self, shared: Shared, commands: int, groups: list[dict[str, Any]]) -> None:
        """Copy everything out of the shared memory of a run that has ended."""
        self.groups = groups
        table = shared.table
        none = np.zeros(commands, np.int64)
        columns = [
            shared.stamps_of(kind)[1 : commands + 1] if shared.has_stamps(kind) else none
            for kind in KINDS
        ]
        self.stamps = np.stack(columns, axis=1)
        names = {**dict(enumerate(table.names)), loop.IDLE_STEP: "idle"}
        for group in groups:
            compiled = [name for name in group["stages"] if name in table.compiled]
            if not compiled:
                continue
            probe = shared.probe(min(table.index[name] for name in compiled))
            count = int(probe[loop.PROBE_COUNT // 8])
            kept = min(count, PROBE_CAPACITY)
            self.steps_not_kept += count - kept
            first = loop.PROBE_ROWS // 8
            for stage, start, end in probe[first : first + 3 * kept].reshape(-1, 3).tolist():
                self.steps.append(Step(group["process"], names[stage], start, end))

    def column(self, kind: str) -> npt.NDArray[np.int64]:
        """One kind of stamps, by command."""
        return self.stamps[:, KINDS.index(kind)]

    def spans(self) -> dict[str, npt.NDArray[np.int64]]:
        """Each stage's ns by command, as the latency table names them, and ``whole``."""
        return {
            row.name: self.column(row.until) - self.column(row.since) for row in TOPOLOGY.measured
        }
