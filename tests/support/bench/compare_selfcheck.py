"""What the tests of compare selfcheck in several tiers share."""

import time

from openoutcry.bench.matcher_loops import Loaded, batches_ns
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import monotonic_ns
from openoutcry.wire.records import RECORD_BYTES

CHUNK = 20_000


@kernel
def wait_ns(length_ns: int) -> None:
    until = monotonic_ns() + length_ns
    while monotonic_ns() < until:
        pass


def one_pass(loaded: Loaded, percent: int) -> tuple[int, int]:
    """ns of the matcher's own and ns waited: after each CHUNK commands the matcher goes on working
    for ``percent`` of the time they took, to no purpose."""
    engine = loaded.warmed()
    start = loaded.commands.ctypes.data + loaded.warm * RECORD_BYTES
    matched = waited = 0
    for first in range(0, loaded.count, CHUNK):
        at, count = start + first * RECORD_BYTES, min(CHUNK, loaded.count - first)
        took = batches_ns(engine, at, count, loaded.out)
        matched += took
        if percent:
            before = time.monotonic_ns()
            wait_ns(took * percent // 100)
            waited += time.monotonic_ns() - before
    return matched, waited
