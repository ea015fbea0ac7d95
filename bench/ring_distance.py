"""How far a reader's core is from its writer's, by its own looks at slots just written.

Processes move between cores, so it is measured again and again.  docs/bench-ring.md has what it
gives."""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import monotonic_ns, pause

FAR_NS = 70
"""Looks that take longer are at a far core's line.  Reading the clock takes some 20 ns of it, a
near core's line 20 to 30, a far one's 70 to 200."""
SAMPLE_EVERY = 64
LONGEST_NS = 500
"""A look that took longer was interrupted."""


class Distance(Layout, size_bytes=16):
    """What one reader knows of it."""

    samples: int = i64("times that it might have been measured")
    look_ns: int = i64("a look at a slot just written, with reading the clock; 0: not known yet")


@kernel
def is_sampled(distance: Distance) -> bool:
    """Return whether this time is one of those measured: the first, and every SAMPLE_EVERY-th."""
    distance.samples += 1
    return distance.samples & (SAMPLE_EVERY - 1) == 1


@kernel
def note_look(distance: Distance, took_ns: int) -> None:
    """A look that found its slot newly written took so long."""
    known_ns = distance.look_ns
    if took_ns > LONGEST_NS:
        return
    distance.look_ns = took_ns if known_ns == 0 else known_ns + (took_ns - known_ns) // 4


@kernel
def is_far(distance: Distance) -> bool:
    """Return whether the writer's core is far, as the last looks say."""
    return distance.look_ns > FAR_NS


@kernel
def pause_between_looks(distance: Distance) -> None:
    """Pause once, or about as long as a line takes from a far core."""
    if is_far(distance):
        until = monotonic_ns() + distance.look_ns
        while monotonic_ns() < until:
            pause()
    else:
        pause()
