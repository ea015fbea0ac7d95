"""Bounds on the exchange operator's TIME commands, checked before sequencing.

A TIME can never be undone: one far ahead expires every GTD order there is.  So the clock of this
host bounds it where commands enter, once; whatever is sequenced a replay takes as it is.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.pipeline.contract.work import PipelineError
from openoutcry.wire.enums import CommandKind

MAX_AHEAD_NS = 24 * 3600 * 1_000_000_000


def bounded_times(
    chunks: Iterable[npt.NDArray[Any]], name: str, now_ns: int
) -> Iterator[npt.NDArray[Any]]:
    """The chunks of the source ``name``; raises :class:`PipelineError` at a TIME more than a day
    ahead of ``now_ns`` (since the epoch)."""
    count = 0
    for chunk in chunks:
        ahead = (chunk["kind"] == CommandKind.TIME) & (chunk["aux"] > now_ns + MAX_AHEAD_NS)
        if ahead.any():
            at = int(np.argmax(ahead))
            raise PipelineError(
                f"{name}, command {count + at + 1}: TIME {int(chunk['aux'][at])} is more than a "
                "day ahead of this host's clock: it would expire every GTD order, and time never "
                "goes back"
            )
        count += len(chunk)
        yield chunk
