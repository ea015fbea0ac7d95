"""Who holds a place: entries of dead consumers, and readers that come back to a ring."""

from tests.oracles.ring_model.ring_explorer import Scenario
from tests.oracles.ring_model.ring_protocol import (
    CAPACITY,
    ENTRIES,
    NOBODY,
    Flaws,
    all_read,
    claiming_producer,
    last_published,
    look,
    producer,
    reader,
    ring_words,
    stamp,
)
from tests.oracles.ring_model.ring_steps import (
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
    settled,
    store,
    swap,
    wait_for,
)


def taker(number: int, flaws: Flaws) -> Code:
    """``take_consumer_entry``: take a dead consumer's place."""
    died = yield death_of("N1")
    if not died:
        return
    held, alive = yield from holder()
    if alive:
        return
    taken = yield swap("holder", held, -number if held < 0 else number)
    if not taken:
        return
    yield say(("holds", number), _another_holds)
    cursor = yield acquire("cursor")
    if held < 0 or cursor == NOBODY:
        yield release("holder", -number)
        yield release("cursor", 1)
        yield release("holder", number)
    cursor = yield acquire("cursor")
    yield say(("cursor", number), lambda facts, dead: cursor == NOBODY)


def detacher(number: int, flaws: Flaws) -> Code:
    """``repair(detach_consumers=True)``."""
    died = yield death_of("N1")
    if not died:
        return
    held, alive = yield from holder()
    if alive or not held:
        return
    if "detached without taking" in flaws:
        yield release("cursor", NOBODY)
        yield swap("holder", held, 0)
        return
    taken = yield swap("holder", held, -number)
    if taken:
        yield say(("holds", number), _another_holds)
        yield release("cursor", NOBODY)
        yield say(("left", number))
        yield swap("holder", -number, 0)


def holder() -> Code:
    """(what stands in the holder word, whether that is a living process)."""
    held = yield acquire("holder")
    gone = True
    if held:
        gone = yield is_dead(f"N{abs(held)}")
    return held, not gone


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
        {"holder": 1, "cursor": 0},
        victims=("N1",),
        contended=("holder", "cursor"),
    )


# A reader that was detached comes back


def rejoining_reader(
    number: int, several: bool, others: tuple[str, ...], flaws: Flaws, heir_of: str = ""
) -> Code:
    """``take_consumer_entry`` of a detached reader's place, or of that of one that died in it; then
    read on."""
    held = number
    if heir_of:
        killed = yield death_of(heir_of)
        if not killed:
            return
        held = yield from take_over(number)
    cursor = yield acquire("A")
    if held < 0 or cursor == NOBODY:
        if "no mark while coming back" not in flaws:
            yield release("holder", -number)
        cursor = yield from come_back(several, others, flaws)
        yield release("holder", number)
    held, seq = 0, 1
    while seq <= cursor:
        yield say(("done", "A", seq))
        seq += 1
    cursor = 0
    yield from read_on(seq, several, flaws)


def take_over(number: int) -> Code:
    """The holder word that was found; its mark stays."""
    while True:
        held = yield acquire("holder")
        gone = True
        if held:
            gone = yield is_dead(HOLDERS[abs(held)])
        if gone:
            taken = yield swap("holder", held, -number if held < 0 else number)
            if taken:
                return held


HOLDERS = {1: "A", 2: "heir", 3: "R"}


def come_back(several: bool, others: tuple[str, ...], flaws: Flaws) -> Code:
    """``rejoin``; returns the cursor."""
    while True:
        last = yield from position(several, others, flaws)
        cursor = last
        if several and "rejoins at claimed" not in flaws:
            cursor = yield from settled_before(last)
        yield store("joined", last)
        yield release("A", cursor)
        if "no fence before rejoining" not in flaws:
            yield fence()
        if "joined by the first look" in flaws:
            return cursor
        again = yield from position(several, others, flaws)
        if again == last:
            return cursor


def read_on(seq: int, several: bool, flaws: Flaws) -> Code:
    """``available``: over what was claimed before, then record by record."""
    joined = 0
    if several and "reads what was claimed before" not in flaws:
        joined = yield load("joined")
    while seq <= joined:
        yield wait_for(stamp(seq), settled(seq))
        yield say(("done", "A", seq))
        yield release("A", seq)
        seq += 1
    joined = 0
    while True:
        yield wait_for(stamp(seq), is_stamp_of(seq))
        yield from look(seq, "A")
        yield release("A", seq)
        seq += 1


def position(several: bool, others: tuple[str, ...], flaws: Flaws) -> Code:
    if several:
        last = yield acquire("claimed")
    else:
        last = yield from last_published(others, flaws)
    return last


def settled_before(claimed: int) -> Code:
    """The last sequence up to which everything is published or buried."""
    seq = max(0, claimed - CAPACITY)
    while seq < claimed:
        value = yield acquire(stamp(seq + 1))
        if abs(value) < seq + 1:
            break
        seq += 1
    return seq


def repair_of_reader() -> Code:
    """``repair``: who died while it came back is detached, unless somebody has its place."""
    died = yield death_of("A")
    if not died:
        return
    held = yield acquire("holder")
    if held == -1:
        taken = yield swap("holder", held, -3)
        if taken:
            yield release("A", NOBODY)
            yield swap("holder", -3, 0)


def rejoin(
    flaws: Flaws,
    counts: tuple[tuple[int, ...], ...],
    others: tuple[str, ...] = (),
    killed: bool = False,
) -> Scenario:
    """Several producers, and a reader that comes back; ``others`` are there all the time."""
    cursors = ("A", *others)
    processes: dict[str, Program] = {
        f"P{number}": _unwatched(number, counts[number - 1], others, cursors, flaws)
        for number in range(1, len(counts) + 1)
    }
    return _rejoin(processes, True, others, sum(map(sum, counts)), killed, flaws)


def _unwatched(
    number: int,
    counts: tuple[int, ...],
    others: tuple[str, ...],
    cursors: tuple[str, ...],
    flaws: Flaws,
) -> Program:
    entry = f"E{number - 1}"
    return lambda: claiming_producer(number, counts, others, flaws, cursors, entry)


def rejoin_single(
    flaws: Flaws,
    total: int = 5,
    others: tuple[str, ...] = (),
    killed: bool = False,
    repaired: bool = False,
) -> Scenario:
    """The same with one producer and bursts."""
    cursors = ("A", *others)
    processes: dict[str, Program] = {
        "P": lambda: producer(total, others, cursors, 2, flaws, detached=True)
    }
    return _rejoin(processes, False, others, total, killed, flaws, repaired)


def _rejoin(
    processes: dict[str, Program],
    several: bool,
    others: tuple[str, ...],
    total: int,
    killed: bool,
    flaws: Flaws,
    repaired: bool = False,
) -> Scenario:
    processes["A"] = lambda: rejoining_reader(1, several, others, flaws)
    if killed:
        processes["heir"] = lambda: rejoining_reader(2, several, others, flaws, "A")
    if repaired:
        processes["R"] = repair_of_reader
    for other in others:
        processes[other] = _steady(other, flaws)
    entry_words = [f"{entry} {word}" for entry in ENTRIES for word in ("who", "first", "last")]
    return Scenario(
        processes,
        all_read(("A", *others), total),
        ring_words(*entry_words, *others) | {"A": NOBODY, "holder": 1, "joined": 0},
        victims=("A",) if killed else (),
    )


def _steady(name: str, flaws: Flaws) -> Program:
    return lambda: reader(name, flaws)
