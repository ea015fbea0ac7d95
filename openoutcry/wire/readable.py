"""Wait until descriptors can be read, however many the process has open.

``select.select`` takes no descriptor from 1,024 on: a server with many connections would fail.
"""

import select
from collections.abc import Iterable


def readable(descriptors: Iterable[int], timeout_s: float) -> set[int]:
    """Return those of ``descriptors`` that can be read or have ended; none after ``timeout_s``
    seconds."""
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    return {one for one, _ in poll.poll(timeout_s * 1e3)}
