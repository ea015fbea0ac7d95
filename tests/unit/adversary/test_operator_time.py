"""The exchange operator's clock has a bound: a TIME beyond it never becomes a command."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import MAX_AHEAD_NS, Options, run
from openoutcry.runtime.work import PipelineError
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import ORDER_DTYPE


class FlowWithTime(GeneratedFlow):
    """A generated flow whose 151st command is a TIME."""

    aux = 0

    def chunks(self) -> Iterator[np.ndarray]:
        orders = np.concatenate(list(super().chunks()))
        orders[150] = np.zeros(1, ORDER_DTYPE)[0]
        orders["kind"][150], orders["aux"][150] = CommandKind.TIME, self.aux
        yield orders[:100]
        yield orders[100:]


def run_with_time(folder: Path, aux: int) -> dict[str, int]:
    flow = FlowWithTime("normal", 300, 5)
    flow.aux = aux
    journal = folder / "j"
    result = run(Options(source=flow, topology="inline", verify=False, journal=journal))
    return dict(result["event_kinds"])


@pytest.mark.promise(
    "A command with invalid fields is rejected by name and leaves no trace in the book. So is"
    " a TIME more than a day ahead of the host's clock, where the operator's commands enter",
    group="network",
)
@pytest.mark.parametrize("ahead_ns", [MAX_AHEAD_NS + 10**12, 2**62])
def test_a_time_far_ahead_is_refused_before_anything_is_sequenced(
    tmp_path: Path, ahead_ns: int
) -> None:
    """Named with its source and place; no journal is begun."""
    aux = min(time.time_ns() + ahead_ns, 2**63 - 1)
    with pytest.raises(PipelineError, match=f"command 151: TIME {aux} is more than a day ahead"):
        run_with_time(tmp_path, aux)
    assert list(tmp_path.iterdir()) == []


def test_a_time_within_the_bound_is_a_command(tmp_path: Path) -> None:
    assert run_with_time(tmp_path, time.time_ns() + MAX_AHEAD_NS - 10**12)["COMPLETED"] == 1
