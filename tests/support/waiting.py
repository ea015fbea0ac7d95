"""Wait for a condition, with the one bound that all tests have."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

BOUND_S = 900.0
"""A busy machine may hold a process up for a minute, and a venue that is cold compiles its kernels
first; a condition that takes longer than this never becomes true."""
LOOK_S = 0.001


def wait_until(condition: Callable[[], T], what: str = "the condition") -> T:
    """Return the condition's first true value; ``what`` names it in the error."""
    until = time.monotonic() + BOUND_S
    while not (value := condition()):
        assert time.monotonic() < until, f"after {BOUND_S:.0f} s still not true: {what}"
        time.sleep(LOOK_S)
    return value
