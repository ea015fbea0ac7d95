"""Work pools: each record to one of several workers, and what a killed one held to its heir."""

from typing import Any

from tests.oracles.ring_model.ring_explorer import Scenario
from tests.oracles.ring_model.ring_protocol import (
    CAPACITY,
    NOBODY,
    Flaws,
    all_read,
    payload,
    producer,
    ring_words,
    stamp,
    wake_waiters,
)
from tests.oracles.ring_model.ring_steps import (
    Code,
    Dead,
    Facts,
    Program,
    acquire,
    death_of,
    is_dead,
    load,
    release,
    say,
    settled,
    store,
    swap,
    wait_for,
)

WORKERS = ("W0", "W1")
POOL = ("pool", *WORKERS)
"""What the producer is gated by: the pool's cursor, then its workers'."""


def worker(
    name: str,
    entry: str,
    flaws: Flaws,
    heir_of: str = "",
    late: bool = False,
    blocking: bool = False,
) -> Code:
    """``Worker``: take one record, finish it, for ever.  ``late``: it looked when the pool stood at
    0, was stopped, and goes on with its attempt."""
    if heir_of:
        killed = yield death_of(heir_of)
        if not killed:
            return
        yield swap(f"{entry} who", NUMBERS[heir_of], NUMBERS[name])
        mine = yield from unfinished_claims(entry, flaws)
        for seq in mine:
            yield from work(seq, name)
        yield release(entry, NOBODY)
    while True:
        seq = yield from claim_work(entry, flaws, late)
        late = False
        if seq:
            yield from work(seq, name)
            yield release(entry, NOBODY)
        if blocking and (seq or "failed attempt in silence" not in flaws):
            yield from wake_waiters(flaws)


def claim_work(entry: str, flaws: Flaws, late: bool = False) -> Code:
    """One record, or 0 when another worker was faster or the slot holds something else."""
    taken = 0
    if not late:
        taken = yield acquire("pool")
    seq = taken + 1
    if not late:
        value = yield wait_for(stamp(seq), settled(seq))
        if value != seq:
            return 0
    if "worker cursor set after" not in flaws:
        yield store(f"{entry} first", seq)
        yield release(f"{entry} last", seq)
        yield release(entry, taken)
    swapped = yield swap("pool", taken, seq)
    if swapped and "worker cursor set after" in flaws:
        yield store(f"{entry} first", seq)
        yield release(f"{entry} last", seq)
        yield release(entry, taken)
    if swapped:
        return seq
    yield release(entry, NOBODY)
    return 0


def work(seq: int, name: str) -> Code:
    """Read the record, do what is to be done, mark it."""
    a, b = payload(seq)
    first = yield load(a)
    second = yield load(b)

    def wrong(facts: Facts, dead: Dead) -> bool:
        others = [fact[2] for fact in facts if fact[:2] == ("worked", seq) and fact[2] != name]
        twice = ("done", "pool", seq) in facts or not all(dead(other) for other in others)
        return (first, second) != (seq, seq) or twice

    yield say(("worked", seq, name), wrong)
    yield release(f"done {seq % CAPACITY}", seq)
    yield say(("done", "pool", seq))


def unfinished_claims(entry: str, flaws: Flaws) -> Code:
    """What the dead predecessor in the entry held, now the heir's."""
    cursor = yield acquire(entry)
    if cursor == NOBODY:
        return ()
    first = yield load(f"{entry} first")
    last = yield acquire(f"{entry} last")
    last = abs(last)
    if "heirs wait for each other" not in flaws:
        yield release(f"{entry} last", -last)
    taken = yield acquire("pool")
    mine: tuple[int, ...] = ()
    for seq in range(first, min(last, taken) + 1):
        won = yield from take_over_work(entry, seq, flaws)
        if won:
            mine = (*mine, seq)
    return mine


def take_over_work(entry: str, seq: int, flaws: Flaws) -> Code:
    """Between heirs the compare-and-swap of the done mark decides; it is swapped from what was
    there before the look at the others, so one of them that has finished meanwhile shows."""
    mark = f"done {seq % CAPACITY}"
    ours = -(10 * seq + WORKERS.index(entry))
    while True:
        seen = yield acquire(mark)
        if seen == seq:
            return False
        value = yield acquire(stamp(seq))
        if value != seq and ("lapped work" not in flaws or value == -seq):
            return False
        if seen < 0 and -seen // 10 == seq:
            return seen == ours
        held = yield from held_by_another(entry, seq)
        if held:
            continue
        if "done not looked at again" in flaws:
            return True
        won = yield swap(mark, seen, ours)
        if won:
            return True


def held_by_another(entry: str, seq: int) -> Code:
    """A living worker's own claim, made or about to be made, has the record."""
    for other in WORKERS:
        if other == entry:
            continue
        who = yield acquire(f"{other} who")
        gone = yield is_dead(NAMES[who])
        if gone:
            continue
        cursor = yield acquire(other)
        first = yield load(f"{other} first")
        last = yield load(f"{other} last")
        if cursor != NOBODY and first <= seq <= last:
            return True
    return False


NAMES = {1: "V0", 2: "V1", 3: "H0", 4: "H1"}
NUMBERS = {name: number for number, name in NAMES.items()}


def pool(
    flaws: Flaws, total: int = 3, victims: tuple[str, ...] = (), taken: int = 0, published: int = 0
) -> Scenario:
    """One producer, workers V0 and V1 in the entries W0 and W1, an heir H0 or H1 for each victim.

    At the beginning ``published`` records are there and ``taken`` of them done; then V0 is late.
    """
    processes: dict[str, Program] = {
        "P": lambda: producer(total, ("pool",), POOL, 1, flaws, published=published),
        "V0": lambda: worker("V0", "W0", flaws, late=taken > 0),
        "V1": lambda: worker("V1", "W1", flaws),
    }
    for victim in victims:
        processes[victim.replace("V", "H")] = _heir(int(victim[1]), flaws)
    words, facts = pool_words(taken, published)
    return Scenario(
        processes,
        all_read(("pool",), total),
        words,
        victims=victims,
        kills=len(victims),
        facts=facts,
    )


def pool_words(taken: int, published: int) -> tuple[dict[str, int], Facts]:
    """A pool's words, and what has been done, with so many records published and done."""
    words = ring_words(*(f"{entry} {word}" for entry in WORKERS for word in ("first", "last")))
    words |= {"pool": taken, "done 0": 0, "done 1": 0}
    words |= {"W0": NOBODY, "W1": NOBODY, "W0 who": NUMBERS["V0"], "W1 who": NUMBERS["V1"]}
    facts: set[tuple[Any, ...]] = set()
    for seq in range(1, published + 1):
        words |= dict.fromkeys((stamp(seq), *payload(seq)), seq)
        facts.add(("published", seq))
    for seq in range(1, taken + 1):
        words[f"done {seq % CAPACITY}"] = seq
        facts.add(("done", "pool", seq))
    return words, frozenset(facts)


def _heir(index: int, flaws: Flaws) -> Program:
    return lambda: worker(f"H{index}", f"W{index}", flaws, heir_of=f"V{index}")
