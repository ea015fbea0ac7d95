"""One open-loop run of the pipeline, every command's stamps kept, the warm-up kept apart.

Command i is due at first + i / rate whether or not the pipeline keeps up. Its latency counts from
then: a pipeline that falls behind cannot hide it (no coordinated omission).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.flow import GeneratedFlow
from openoutcry.flow.mixed import MixedFlow
from openoutcry.pipeline.recording import Recording, Stall
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY

SEED = 1
WARM_S = 0.2
WARM_SHARE = 0.2
"""The warm-up lasts WARM_S, and at most this share of the run."""
MAX_ORDERS = 3_000_000
MIN_ORDERS = 2_000
STAGE_SPANS = tuple(stage.name for stage in TOPOLOGY.path)
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}

Ns = npt.NDArray[np.int64]


class SpansDoNotAddUp(AssertionError):
    """A command's stage spans are not its whole: no figure of the run may be shown."""


@dataclass
class Paced:
    """A run at a rate.  ``warm`` commands came before those that count."""

    rate: int
    result: dict[str, Any]
    recording: Recording
    warm: int

    def spans(self) -> dict[str, Ns]:
        """Spans in ns of the commands that count, by stage, and ``whole`` and ``release``."""
        return {name: values[self.warm :] for name, values in self.recording.spans().items()}

    def warm_up(self) -> Ns:
        """The whole span of the commands that do not count."""
        return self.recording.spans()["whole"][: self.warm]

    @property
    def achieved(self) -> float:
        """Commands a second from the first counted intended time to the last reply."""
        intended = self.recording.column("intended")[self.warm :]
        took = int(self.recording.column("replied").max() - intended[0])
        return len(intended) * 1e9 / took


def percentiles(values: Ns) -> dict[str, float]:
    """p50, p90, p99, p999 and max, exact."""
    figures = {name: float(np.percentile(values, at)) for name, at in PERCENTILES.items()}
    return figures | {"max": float(values.max())}


def flow(name: str, orders: int) -> Any:
    """A generated flow by the name its figures carry."""
    if name == "mixed":
        return MixedFlow(orders, SEED)
    return GeneratedFlow(name, orders, SEED)


def paced(
    rate: int,
    seconds: float,
    durability: str,
    *,
    topology: str = "processes",
    gateway: str = "golden",
    flow_name: str = "normal",
    stall: Stall | None = None,
) -> Paced:
    """Run at ``rate`` for ``seconds`` after the warm-up; check that the spans add up.

    Raises KeyboardInterrupt if the run was interrupted, AssertionError if anything was lost or
    doubled, :class:`SpansDoNotAddUp` naming the command if a span is missing.
    """
    orders = min(MAX_ORDERS, max(MIN_ORDERS, int(rate * (seconds + WARM_S))))
    recording = Recording(stall=stall)
    options = Options(
        source=flow(flow_name, orders),
        orders=orders,
        seed=SEED,
        rate=rate,
        topology=topology,
        durability=durability,
        gateway=gateway,
        verify=False,
        recording=recording,
    )
    result = checked(run(options))
    check_spans(recording)
    return Paced(rate, result, recording, min(int(rate * WARM_S), int(orders * WARM_SHARE)))


def checked(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a run that lost and doubled nothing and was not interrupted."""
    if result["interrupted"]:
        raise KeyboardInterrupt
    if result["lost"] or result["duplicated"]:
        raise AssertionError(f"lost {result['lost']}, duplicated {result['duplicated']}")
    return result


def check_spans(recording: Recording) -> None:
    """Every command has every stamp, none goes back in time, and |whole - sum of stages| is 0 ns:
    neighbouring stages share a stamp, so no timer's resolution enters."""
    journaled = bool(recording.column("durable").any())
    stamps = recording.stamps if journaled else recording.stamps[:, :-1]
    spans = recording.spans()
    total = sum(np.maximum(spans[name], 0) for name in STAGE_SPANS)
    wrong = np.asarray((stamps <= 0).any(axis=1) | (total != spans["whole"]))
    if wrong.any():
        seq = int(np.flatnonzero(wrong)[0]) + 1
        raise SpansDoNotAddUp(
            f"{int(wrong.sum())} of {len(wrong)} commands have spans that do not add up, first "
            f"command {seq}: {recording.stamps[seq - 1].tolist()}"
        )
