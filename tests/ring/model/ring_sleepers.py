"""Readers that sleep, and publishers that wake them."""

from ring_explorer import Scenario
from ring_protocol import Flaws, all_read, look, producer, ring_words, stamp, wake_waiters
from ring_steps import Code, acquire, fence, futex_sleep, load, release


def sleeping_reader(name: str, flaws: Flaws, after: str = "") -> Code:
    """``wait_ready`` with the strategy BLOCK and without its nap's end, then ``release``."""
    seq = 0
    while True:
        seq += 1
        while True:
            ready = yield from is_ready(seq, after)
            if ready:
                break
            seen = 0
            if "word read late" not in flaws:
                seen = yield load("wake") if "word read relaxed" in flaws else acquire("wake")
            yield release("waiting", 1)
            if "no fence before sleeping" not in flaws:
                yield fence()
            if "no second look" not in flaws:
                ready = yield from is_ready(seq, after)
                if ready:
                    break
            if "word read late" in flaws:
                seen = yield acquire("wake")
            yield futex_sleep("wake", seen)
        yield from look(seq, name, (after,) if after else ())
        yield release(name, seq)
        yield from wake_waiters(flaws)


def is_ready(seq: int, after: str) -> Code:
    value = yield acquire(stamp(seq))
    if value != seq:
        return False
    if not after:
        return True
    value = yield acquire(after)
    return value >= seq


def sleepers(flaws: Flaws, total: int = 2, graph: bool = False) -> Scenario:
    """Two readers that sleep, side by side or B behind A."""
    return Scenario(
        {
            "P": lambda: producer(total, ("A", "B"), ("A", "B"), 1, flaws, blocking=True),
            "A": lambda: sleeping_reader("A", flaws),
            "B": lambda: sleeping_reader("B", flaws, "A" if graph else ""),
        },
        all_read(("A", "B"), total),
        ring_words("A", "B", "wake", "waiting"),
    )


def sleeper(flaws: Flaws) -> Scenario:
    """One reader that sleeps, one process that wakes (a reader that releases), and a mark left by
    a sleeper that was killed."""

    return Scenario(
        {
            "P": lambda: producer(1, ("A",), ("A",), 1, flaws, blocking=True),
            "A": lambda: sleeping_reader("A", flaws),
            "W": lambda: wake_waiters(flaws),
        },
        all_read(("A",), 1),
        ring_words("A", "wake") | {"waiting": 1},
        contended=("waiting",),
    )
