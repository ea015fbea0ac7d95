"""Who holds a place: entries of dead consumers, and readers that come back to a ring."""

from ring_explorer import Scenario
from ring_protocol import (
    CAPACITY,
    ENTRIES,
    NOBODY,
    Flaws,
    all_read,
    claiming_producer,
    last_published,
    look,
    producer,
    ring_words,
    stamp,
)
from ring_steps import (
    Code,
    Dead,
    Facts,
    Program,
    acquire,
    death_of,
    fence,
    is_dead,
    is_stamp_of,
    load,
    release,
    say,
    store,
    swap,
    wait_for,
)


def taker(number: int, flaws: Flaws) -> Code:
    """``take_consumer_entry``: take a dead consumer's place."""
    died = yield death_of("N1")
    if not died:
        return
    pid, start, alive = yield from holder(flaws)
    if alive:
        return
    taken = yield from take_over_entry(pid, start, number, flaws)
    if not taken:
        return
    yield say(("holds", number), _another_holds)
    yield store("start", number)
    cursor = yield acquire("cursor")
    if cursor == NOBODY:
        yield release("cursor", 1)
    cursor = yield acquire("cursor")
    yield say(("cursor", number), lambda facts, dead: cursor == NOBODY)


def detacher(number: int, flaws: Flaws) -> Code:
    """``repair(detach_consumers=True)``."""
    died = yield death_of("N1")
    if not died:
        return
    pid, start, alive = yield from holder(flaws)
    if alive or not pid:
        return
    if "detached without taking" in flaws:
        yield release("cursor", NOBODY)
        yield from take_over_entry(pid, start, 0, flaws)
        return
    taken = yield from take_over_entry(pid, start, number, flaws)
    if taken:
        yield say(("holds", number), _another_holds)
        yield release("cursor", NOBODY)
        yield say(("left", number))
        yield from take_over_entry(number, 0, 0, flaws)


def holder(flaws: Flaws) -> Code:
    """(pid, start, whether that is a living process); start 0 is believed."""
    pid = yield load("pid") if "pid read relaxed" in flaws else acquire("pid")
    start = yield load("start")
    gone = True
    if pid:
        gone = yield is_dead(f"N{pid}")
    return pid, start, not gone and start in (0, pid)


def take_over_entry(pid: int, start: int, number: int, flaws: Flaws) -> Code:
    if "dead start beside our pid" not in flaws:
        yield swap("start", start, 0)
    taken = yield swap("pid", pid, number)
    return taken


def _another_holds(facts: Facts, dead: Dead) -> bool:
    holders = [fact[1] for fact in facts if fact[0] == "holds" and ("left", fact[1]) not in facts]
    return any(not dead(f"N{holder}") for holder in holders)


def one_place(flaws: Flaws) -> Scenario:
    """A consumer is killed; two want its place, one wants to detach it."""

    def consumer() -> Code:
        yield release("cursor", 1)

    return Scenario(
        {
            "N1": consumer,
            "N2": lambda: taker(2, flaws),
            "N3": lambda: taker(3, flaws),
            "N4": lambda: detacher(4, flaws),
        },
        lambda facts, newest: True,
        {"pid": 1, "start": 1, "cursor": 0},
        victims=("N1",),
        contended=("start", "cursor"),
    )


# A reader that was detached comes back


def rejoining_reader(several: bool, flaws: Flaws) -> Code:
    """``rejoin``, then read on: from the oldest sequence that may still come."""
    while True:
        last = yield from position(several, flaws)
        cursor = last
        if several and "rejoins at claimed" not in flaws:
            cursor = yield from settled_before(last)
        yield release("A", cursor)
        if "no fence before rejoining" not in flaws:
            yield fence()
        if "joined by the first look" in flaws:
            break
        again = yield from position(several, flaws)
        if again == last:
            break
    last, again, seq = 0, 0, 1
    while seq <= cursor:
        yield say(("done", "A", seq))
        seq += 1
    cursor = 0
    while True:
        yield wait_for(stamp(seq), is_stamp_of(seq))
        yield from look(seq, "A")
        yield release("A", seq)
        seq += 1


def position(several: bool, flaws: Flaws) -> Code:
    if several:
        last = yield acquire("claimed")
    else:
        last = yield from last_published((), flaws)
    return last


def settled_before(claimed: int) -> Code:
    """The last sequence up to which everything is published or buried."""
    seq = max(0, claimed - CAPACITY)
    while seq < claimed:
        value = yield acquire(stamp(seq + 1))
        if abs(value) != seq + 1:
            break
        seq += 1
    return seq


def rejoin(flaws: Flaws, counts: tuple[tuple[int, ...], ...]) -> Scenario:
    """Several producers that nothing gates, and a reader that comes back."""
    processes: dict[str, Program] = {
        f"P{number}": _unwatched(number, counts[number - 1], flaws)
        for number in range(1, len(counts) + 1)
    }
    processes["A"] = lambda: rejoining_reader(True, flaws)
    entry_words = [f"{entry} {word}" for entry in ENTRIES for word in ("who", "first", "last")]
    return Scenario(
        processes,
        all_read(("A",), sum(map(sum, counts))),
        ring_words(*entry_words) | {"A": NOBODY},
    )


def _unwatched(number: int, counts: tuple[int, ...], flaws: Flaws) -> Program:
    return lambda: claiming_producer(number, counts, (), flaws, ("A",), f"E{number - 1}")


def rejoin_single(flaws: Flaws) -> Scenario:
    """The same with one producer and bursts."""
    return Scenario(
        {
            "P": lambda: producer(5, (), ("A",), 2, flaws),
            "A": lambda: rejoining_reader(False, flaws),
        },
        all_read(("A",), 5),
        ring_words() | {"A": NOBODY},
    )
