"""Readers that sleep, and publishers that wake them."""

from tests.oracles.ring_model.ring_explorer import Scenario
from tests.oracles.ring_model.ring_protocol import (
    Flaws,
    all_read,
    look,
    producer,
    ring_words,
    stamp,
    wake_waiters,
)
from tests.oracles.ring_model.ring_steps import (
    Code,
    acquire,
    fence,
    futex_sleep,
    load,
    release,
    say,
)
from tests.oracles.ring_model.ring_workers import POOL, pool_words, worker


def sleeping_reader(
    name: str, flaws: Flaws, after: tuple[str, ...] = (), done_by: tuple[str, ...] = ()
) -> Code:
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
        if ready > 0:
            yield from look(seq, name, done_by or after)
        else:
            yield say(("done", name, seq))
        yield release(name, seq)
        yield from wake_waiters(flaws)


def is_ready(seq: int, after: tuple[str, ...]) -> Code:
    """The stamp, once there is a record or a tombstone to read; else 0."""
    ready = yield acquire(stamp(seq))
    if ready not in (seq, -seq):
        return 0
    for other in after:
        value = yield acquire(other)
        if value < seq:
            return 0
    return ready


def sleepers(flaws: Flaws, total: int = 2, graph: bool = False) -> Scenario:
    """Two readers that sleep, side by side or B behind A."""
    return Scenario(
        {
            "P": lambda: producer(total, ("A", "B"), ("A", "B"), 1, flaws, blocking=True),
            "A": lambda: sleeping_reader("A", flaws),
            "B": lambda: sleeping_reader("B", flaws, ("A",) if graph else ()),
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


def sleeper_behind_a_tombstone(flaws: Flaws) -> Scenario:
    """B sleeps behind A, which only passes over a tombstone."""

    def passes_over() -> Code:
        yield say(("done", "A", 1))
        yield release("A", 1)
        if "tombstone passed in silence" not in flaws:
            yield from wake_waiters(flaws)

    return Scenario(
        {"A": passes_over, "B": lambda: sleeping_reader("B", flaws, ("A",))},
        all_read(("A", "B"), 1),
        ring_words("A", "B", "wake", "waiting") | {stamp(1): -1},
        facts=frozenset({("buried", 1)}),
    )


def sleeper_behind_a_pool(flaws: Flaws) -> Scenario:
    """B sleeps behind a pool in which one worker is late with its attempt to take what the other
    takes: it lowers its cursor, and raises it again."""
    words, facts = pool_words(0, 1)
    return Scenario(
        {
            "V0": lambda: worker("V0", "W0", flaws, late=True, blocking=True),
            "V1": lambda: worker("V1", "W1", flaws, blocking=True),
            "B": lambda: sleeping_reader("B", flaws, POOL, ("pool",)),
        },
        all_read(("pool", "B"), 1),
        words | {"B": 0, "wake": 0, "waiting": 0},
        facts=facts,
    )
