"""Wait for a condition, with the one bound that all tests have."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

BOUND_S = 900.0
"""A busy machine may hold a process up for a minute, and a venue that is cold compiles its kernels
first; a condition that takes longer than this never becomes true."""
LOOK_S, MOST_S = 0.001, 0.02
"""The pause between two looks grows with the time waited: a test that asks a server all the time
takes the processor from what it waits for."""


def wait_until(condition: Callable[[], T], what: str = "the condition") -> T:
    """Return the condition's first true value; ``what`` names it in the error."""
    since = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - since
        assert waited_s < BOUND_S, f"after {BOUND_S:.0f} s still not true: {what}"
        time.sleep(min(max(LOOK_S, waited_s / 10), MOST_S))
    return value
