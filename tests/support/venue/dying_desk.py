"""A served venue whose machine is gone once so many commands of an operator's request are on its
disk: a file in the venue's folder says how many."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.venue.operator_lane import OperatorLane
from openoutcry.venue.requests import FRAMING

NAME = "dies-after"


def die_where_told(folder: Path) -> None:
    """From now on the file is looked at before each request's commands go on the lane."""
    put, poll = OperatorLane.put, OperatorLane.poll
    last: list[int] = []

    def put_some(lane: OperatorLane, records: npt.NDArray[Any]) -> int:
        path = folder / NAME
        if last or not path.exists() or not (records["order_type"] == FRAMING[0]).any():
            return put(lane, records)
        count = int(path.read_text())
        path.unlink()
        last.append(put(lane, records[:count]))
        return last[0] + len(records) - count

    def poll_or_die(lane: OperatorLane) -> None:
        poll(lane)
        if last and lane.is_processed(last[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    OperatorLane.put, OperatorLane.poll = put_some, poll_or_die  # type: ignore[method-assign]
