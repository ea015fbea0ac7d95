"""What the tests of ring graphs in several tiers share."""

import numpy as np
import numpy.typing as npt

from openoutcry.ring import RingBuffer, WaitStrategy
from tests.support.ring.ring_processes import (
    check_whole,
)

Stamps = dict[str, npt.NDArray[np.int64]]


def stamp(
    ring: RingBuffer, name: str, after: tuple[str, ...], stamps: Stamps, strategy: WaitStrategy
) -> None:
    """Note each record in the consumer's own words before releasing it; whom it stays behind must
    have noted it already."""
    got = 0
    for batch in ring.reader(name, strategy):
        check_whole(batch, got + 1)
        seqs = batch["stamp"]
        for before in after:
            assert (stamps[before][seqs] == seqs).all(), f"{name} saw what {before} holds"
        stamps[name][seqs] = seqs
        got += len(batch)
