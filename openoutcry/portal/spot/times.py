"""Moments of an answer: milliseconds since 1970, or microseconds where a client asks for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from openoutcry.portal.spot.errors import INVALID_TIME_UNIT, ApiError

FINE = ContextVar("FINE", default=False)
"""Whether the answer that is being made has microseconds."""


def is_fine(unit: str) -> bool:
    """Return whether a client's word for a unit means microseconds; nothing is milliseconds. Raises
    :class:`ApiError`."""
    if unit in ("", "MILLISECOND", "millisecond"):
        return False
    if unit in ("MICROSECOND", "microsecond"):
        return True
    text = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    raise ApiError(INVALID_TIME_UNIT, text)


@contextmanager
def in_unit(fine: bool) -> Iterator[None]:
    """Answers made within have this unit."""
    token = FINE.set(fine)
    try:
        yield
    finally:
        FINE.reset(token)


def of_ns(time_ns: int) -> int:
    """A moment that is known in nanoseconds."""
    return time_ns // 1_000 if FINE.get() else time_ns // 1_000_000


def of_ms(time_ms: int) -> int:
    """A moment that is known in milliseconds."""
    return time_ms * 1_000 if FINE.get() else time_ms


def end_of_ms(time_ms: int) -> int:
    """The last moment of this millisecond."""
    return time_ms * 1_000 + 999 if FINE.get() else time_ms


def now() -> int:
    """This moment."""
    return of_ns(time.time_ns())
