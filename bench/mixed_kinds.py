"""``python -m openoutcry.bench.mixed_kinds``: what the mixed stream costs by kind and type of
command, as evidence for docs/matcher-performance.md.

Each command is timed by itself, in several passes over the same commands.  Its time is the fastest
pass, without interrupts, less what reading the counter takes.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench import matcher_loops as loops
from openoutcry.flow.mixed import MixedFlow
from openoutcry.host import tsc
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import CommandKind, OrderType

SEED, COMMANDS, WARM, PASSES = 1, 200_000, 60_000, 6

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Row:
    """The commands of one kind; of new orders, of one type."""

    name: str
    count_share: float
    mean_ns: float
    p50_ns: float
    p99_ns: float
    time_share: float


def rows_of(commands: Array, took_ns: Array) -> list[Row]:
    """A row for each kind and type there is, the one that takes most time first."""
    is_new = commands["kind"] == CommandKind.NEW
    types = np.where(is_new, commands["order_type"], 0)
    rows = []
    pairs = set(zip(commands["kind"].tolist(), types.tolist(), strict=True))
    for kind, order_type in sorted(pairs):
        one = took_ns[(commands["kind"] == kind) & (types == order_type)]
        name = CommandKind(kind).name + (f" {OrderType(order_type).name}" if order_type else "")
        p50, p99 = np.percentile(one, [50, 99])
        rows.append(
            Row(
                name,
                len(one) / len(commands),
                float(one.mean()),
                float(p50),
                float(p99),
                float(one.sum() / took_ns.sum()),
            )
        )
    return sorted(rows, key=lambda row: -row.time_share)


def measure() -> list[Row]:
    """Time the mixed stream."""
    loaded = loops.load(MixedFlow(COMMANDS + WARM, SEED), WARM)
    ticks = np.min([loaded.single_ticks() for _ in range(PASSES)], axis=0)
    took_ns = np.maximum(0.0, (ticks - tsc.timer_ticks()) / tsc.ticks_per_ns())
    return rows_of(loaded.commands[WARM:], took_ns)


if __name__ == "__main__":
    figures = {"rows": [asdict(row) for row in measure()]}
    print(write_evidence("mixed_kinds", figures, "python -m openoutcry.bench.mixed_kinds"))
