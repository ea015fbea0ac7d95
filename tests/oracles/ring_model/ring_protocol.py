"""The ring's protocol, a program for each kernel: publish, poll, release, claim, repair.

A ring of two slots whose records have two words, so that wrapping and torn records are near.
"""

from collections.abc import Callable
from typing import Any

from tests.oracles.ring_model.ring_explorer import Scenario
from tests.oracles.ring_model.ring_steps import (
    Code,
    Dead,
    Facts,
    Good,
    Program,
    acquire,
    add,
    death_of,
    differs_from,
    fence,
    futex_wake,
    is_dead,
    is_stamp_of,
    load,
    reached,
    release,
    say,
    settled,
    store,
    swap,
    wait_for,
    wait_relaxed,
)

CAPACITY = 2
NOBODY = 99  # stands for layout.FREE
Flaws = frozenset[str]
"""What is wrong with the protocol on purpose; each name stands at the line that it spoils."""
NONE: Flaws = frozenset()


def stamp(seq: int) -> str:
    return f"stamp {seq % CAPACITY}"


def payload(seq: int) -> tuple[str, str]:
    """A record's two words."""
    return f"a {seq % CAPACITY}", f"b {seq % CAPACITY}"


def ring_words(*more: str, **values: int) -> dict[str, int]:
    """The words of a ring of two slots, and more."""
    words = {f"{what} {slot}": 0 for what in ("stamp", "a", "b") for slot in range(CAPACITY)}
    return words | dict.fromkeys(("hint", "claimed", *more), 0) | values


def write(seq: int, consumers: tuple[str, ...], me: str, flaws: Flaws) -> Code:
    """``publish``: the record, then its stamp."""

    def too_early(facts: Facts, dead: Dead) -> bool:
        gone = seq - CAPACITY
        unread = any(("done", name, gone) not in facts for name in consumers)
        missing = ("published", gone) not in facts and ("buried", gone) not in facts
        return gone > 0 and (unread or missing)

    def wrong(facts: Facts, dead: Dead) -> bool:
        return ("published", seq) in facts or ("buried", seq) in facts

    yield say(("overwrites", seq - CAPACITY), too_early)
    a, b = payload(seq)
    yield store(a, seq)
    if "stamp before payload" in flaws:
        yield release(stamp(seq), seq)
    yield store(b, seq)
    if "stamp before payload" not in flaws:
        yield store(stamp(seq), seq) if "relaxed publish" in flaws else release(stamp(seq), seq)
    yield say(("published", seq), wrong)


def gating(cursors: tuple[str, ...], flaws: Flaws) -> Code:
    """``gating_cursor``: (lowest, the first word that has it)."""
    lowest, slowest = NOBODY, ""
    if "pool read after its workers" in flaws:
        cursors = tuple(reversed(cursors))
    if "gating by one consumer" in flaws:
        cursors = cursors[:1]
    for cursor in cursors:
        value = yield acquire(cursor)
        if value < lowest:
            lowest, slowest = value, cursor
    return lowest, slowest


def gate(cursors: tuple[str, ...], detached: bool, flaws: Flaws) -> Code:
    """:func:`gating` for a claim; ``detached``: on a ring where a reader has been detached."""
    lowest, slowest = yield from gating(cursors, flaws)
    if "fence only when no reader gates" in flaws:
        detached = lowest == NOBODY
    if detached and "no fence in the gate" not in flaws:
        yield fence()
        lowest, slowest = yield from gating(cursors, flaws)
    return lowest, slowest


def wait_for_room(seq: int, cursors: tuple[str, ...], flaws: Flaws, detached: bool = False) -> Code:
    """The last sequence there is room for, once that is ``seq`` or more."""
    while True:
        lowest, slowest = yield from gate(cursors, detached, flaws)
        if lowest == NOBODY:
            return seq - 1 + CAPACITY
        slack = CAPACITY + (1 if "one slot too many" in flaws else 0)
        if lowest + slack >= seq or ("room below nothing" in flaws and lowest + slack < seq - 1):
            return lowest + slack
        yield wait_relaxed(slowest, differs_from(lowest))


# One producer and its consumers


def producer(
    total: int,
    consumers: tuple[str, ...],
    cursors: tuple[str, ...],
    burst: int,
    flaws: Flaws,
    heir_of: str = "",
    published: int = 0,
    blocking: bool = False,
    detached: bool = False,
) -> Code:
    """``publish_burst`` again and again; the gating cursor is looked at only at the end of what it
    last allowed.  ``heir_of``: goes on from the slots after that process was killed."""
    seq, allowed = published + 1, published
    if heir_of:
        killed = yield death_of(heir_of)
        if not killed:
            return
        seq = yield from last_published(cursors, flaws)
        seq, allowed = seq + 1, seq
    while seq <= total:
        if allowed < seq:
            allowed = yield from wait_for_room(seq, cursors, flaws, detached)
            seq = min(seq, allowed + 1)
        last = min(seq + burst - 1, allowed, total)
        if "hint before slots" in flaws:
            yield release("hint", last)
        while seq <= last:
            yield from write(seq, consumers, "", flaws)
            seq += 1
        if "hint before slots" not in flaws:
            yield release("hint", last)
        if blocking:
            yield from wake_waiters(flaws)


def wake_waiters(flaws: Flaws) -> Code:
    if "no fence before the look" not in flaws:
        yield fence()
    waiting = yield acquire("waiting")
    if waiting:
        if "mark cleared last" not in flaws:
            yield release("waiting", 0)
        yield add("wake", 1)
        if "mark cleared last" in flaws:
            yield release("waiting", 0)
        yield futex_wake()


def last_published(cursors: tuple[str, ...], flaws: Flaws) -> Code:
    seq = yield acquire("hint")
    lowest, _ = yield from gating(cursors, flaws)
    if lowest != NOBODY:
        seq = max(seq, lowest)
    while "hint is the truth" not in flaws:
        value = yield acquire(stamp(seq + 1))
        if value != seq + 1:
            break
        seq += 1
    return seq


def reader(
    name: str, flaws: Flaws, after: tuple[str, ...] = (), batch: int = 1, heir_of: str = ""
) -> Code:
    """``available``, a look at the records, ``release``: for ever.  Its cursor is its name."""
    cursor = 0
    if heir_of:
        killed = yield death_of(heir_of)
        if not killed:
            return
        cursor = yield acquire(name)
    while True:
        yield from stay_behind(after, cursor + 1, flaws)
        count = yield from wait_for_records(cursor + 1, batch if not after else 1, flaws)
        if count == 0:
            cursor += 1
            yield say(("done", name, cursor))
            yield release(name, cursor)
            continue
        if "released before the look" in flaws:
            yield release(name, cursor + count)
        last = cursor + count
        while cursor < last:
            cursor += 1
            yield from look(cursor, name, after)
        if "released before the look" not in flaws:
            yield release(name, cursor)


def stay_behind(after: tuple[str, ...], seq: int, flaws: Flaws) -> Code:
    """``barrier``."""
    for other in after:
        if "barrier left out" not in flaws:
            yield wait_for(other, reached(seq))


def wait_for_records(seq: int, batch: int, flaws: Flaws) -> Code:
    """How many from ``seq`` on; 0 for a tombstone."""
    look_at = wait_relaxed if "relaxed poll" in flaws else wait_for
    value = yield look_at(stamp(seq), is_stamp_of(seq))
    if value == -seq:
        return 0
    if batch == 1:
        return 1
    value = yield acquire(stamp(seq + 1))
    return 2 if value == seq + 1 else 1


def look(seq: int, name: str, after: tuple[str, ...] = ()) -> Code:
    """Read a record and say that it was whole, published, and not before its time."""
    a, b = payload(seq)
    first = yield load(a)
    second = yield load(b)

    def wrong(facts: Facts, dead: Dead) -> bool:
        early = any(("done", other, seq) not in facts for other in after)
        return (first, second) != (seq, seq) or ("published", seq) not in facts or early

    yield say(("read", name, seq, first, second), wrong)
    yield say(("done", name, seq))


def all_read(consumers: tuple[str, ...], total: int = 0) -> Good:
    """Every claimed sequence is published or buried, every published one read by every consumer,
    and ``total`` of them at least."""

    def good(facts: Facts, newest: Callable[[str], int]) -> bool:
        published = {fact[1] for fact in facts if fact[0] == "published"}
        buried = {fact[1] for fact in facts if fact[0] == "buried"}
        claimed = {fact[1] for fact in facts if fact[0] == "owns"}
        done = {fact[1:] for fact in facts if fact[0] == "done"}
        return (
            claimed <= published | buried
            and all((name, seq) in done for name in consumers for seq in published | buried)
            and published | buried >= set(range(1, total + 1))
        )

    return good


def one_producer(flaws: Flaws, consumers: int = 1, total: int = 4, burst: int = 1) -> Scenario:
    names = ("A", "B")[:consumers]
    return Scenario(
        {"P": lambda: producer(total, names, names, burst, flaws)}
        | {name: _reader(name, flaws, batch=burst) for name in names},
        all_read(names, total),
        ring_words(*names),
    )


def _reader(name: str, flaws: Flaws, **more: Any) -> Program:
    return lambda: reader(name, flaws, **more)


def graph(flaws: Flaws) -> Scenario:
    """B stays behind A."""
    return Scenario(
        {
            "P": lambda: producer(3, ("A", "B"), ("A", "B"), 1, flaws),
            "A": _reader("A", flaws),
            "B": _reader("B", flaws, after=("A",)),
        },
        all_read(("A", "B"), 3),
        ring_words("A", "B"),
    )


def producer_killed(flaws: Flaws) -> Scenario:
    """The only producer, killed anywhere, and a successor."""
    return Scenario(
        {
            "P": lambda: producer(4, ("A",), ("A",), 2, flaws),
            "Q": lambda: producer(4, ("A",), ("A",), 2, flaws, heir_of="P"),
            "A": _reader("A", flaws),
        },
        all_read(("A",), 4),
        ring_words("A"),
        victims=("P",),
    )


def reader_killed(flaws: Flaws) -> Scenario:
    """A consumer, killed anywhere, and a successor at its cursor: nothing is lost, what was read
    but not released is read again."""
    return Scenario(
        {
            "P": lambda: producer(3, ("A",), ("A",), 1, flaws),
            "A": _reader("A", flaws),
            "heir": _reader("A", flaws, heir_of="A"),
        },
        all_read(("A",), 3),
        ring_words("A"),
        victims=("A",),
    )


# Several producers, and repair

ENTRIES = ("E0", "E1")
"""A process's number stands in the entry's word "who"; the name of process n is Pn."""


def claiming_producer(
    number: int,
    counts: tuple[int, ...],
    consumers: tuple[str, ...],
    flaws: Flaws,
    cursors: tuple[str, ...] = (),
    entry: str = "",
) -> Code:
    detached = bool(cursors)
    cursors = cursors or consumers
    if not entry:
        entry = yield from register(number)
    for index in range(len(counts)):
        first = yield from claim(f"P{number}", entry, counts[index], cursors, flaws, detached)
        for seq in range(first, first + counts[index]):
            yield from write(seq, consumers, f"P{number}", flaws)


def register(number: int) -> Code:
    """``take_producer_entry``; with two entries and two producers one is always to be had."""
    for entry in ENTRIES:
        taken = yield swap(f"{entry} who", 0, number)
        if taken:
            yield store(f"{entry} last", 0)
            return entry
    raise RuntimeError("more producers than entries")


def claim(
    me: str, entry: str, count: int, cursors: tuple[str, ...], flaws: Flaws, detached: bool
) -> Code:
    while True:
        last = yield acquire("claimed")
        lowest, slowest = yield from gate(cursors, detached, flaws)
        missing = 0 if lowest + CAPACITY - last >= count else NOBODY
        if lowest == NOBODY:
            missing = yield from not_settled(last, count, flaws)
        if missing:
            if "stale claim" not in flaws:
                yield release(f"{entry} last", 0)
            # No room is an answer; this caller asks again when there may be.
            if lowest != NOBODY:
                yield wait_relaxed(slowest, differs_from(lowest))
            else:
                yield wait_relaxed(stamp(missing), settled(missing))
            continue
        if "claim written after" not in flaws:
            yield store(f"{entry} first", last + 1)
            yield release(f"{entry} last", last + count)
        swapped = yield swap("claimed", last, last + count)
        if swapped:
            for seq in range(last + 1, last + count + 1):
                yield say(("owns", seq, me))
            if "claim written after" in flaws:
                yield store(f"{entry} first", last + 1)
                yield release(f"{entry} last", last + count)
            return last + 1


def not_settled(last: int, count: int, flaws: Flaws) -> Code:
    """``may_claim`` when no consumer gates: 0, or a sequence of the lap before that is neither
    published nor buried."""
    if "no reader gates" in flaws:
        return 0
    for seq in range(max(1, last - CAPACITY + 1), last - CAPACITY + count + 1):
        value = yield acquire(stamp(seq))
        if abs(value) != seq:
            return seq
    return 0


def repairer(victims: tuple[str, ...], cursors: tuple[str, ...], flaws: Flaws) -> Code:
    """``repair``, again as long as it leaves something undecided: while a living producer's claim
    covers the same sequence as a dead one's, nobody can tell whose it is."""
    for victim in victims:
        killed = yield death_of(victim)
        if not killed:
            return
    while True:
        dead = yield from registered(True)
        living: tuple[str, ...] = ()
        if "living before claimed" in flaws:
            living = yield from registered(False)
        last = yield acquire("claimed")
        if "living before claimed" not in flaws:
            living = yield from registered(False)
        undecided: tuple[int, ...] = ()
        oldest = yield from first_unread(last, cursors, flaws)
        for seq in range(oldest, last + 1):
            seen = yield acquire(stamp(seq))
            if seen in (seq, -seq):
                continue
            if "read meanwhile" not in flaws:
                now = yield acquire("claimed")
                unread = yield from first_unread(now, cursors, flaws)
                if unread > seq:
                    continue
            covered = yield from claimed_by(living, seq, flaws)
            if covered:
                undecided = (*undecided, seq)
            else:
                yield from bury(seq, seen, flaws)
        left = yield from free_entries(dead, undecided, flaws)
        if not left:
            return


def first_unread(last: int, cursors: tuple[str, ...], flaws: Flaws) -> Code:
    lowest, _ = yield from gating(cursors, flaws)
    oldest = max(0, last - CAPACITY) + 1
    return oldest if lowest == NOBODY else max(lowest + 1, oldest)


def registered(dead: bool) -> Code:
    """The entries whose processes are dead, or living."""
    entries: tuple[str, ...] = ()
    for entry in ENTRIES:
        who = yield acquire(f"{entry} who")
        if who:
            gone = yield is_dead(f"P{who}")
            if gone == dead:
                entries = (*entries, entry)
    return entries


def claimed_by(entries: tuple[str, ...], seq: int, flaws: Flaws) -> Code:
    """``claim_covers`` for any of the entries."""
    for entry in entries:
        last = yield acquire(f"{entry} last")
        first = yield acquire(f"{entry} first")
        if first <= seq <= last and "living ignored" not in flaws:
            return True
    return False


def bury(seq: int, seen: int, flaws: Flaws) -> Code:
    if "buried by a store" in flaws:
        won = True
        yield release(stamp(seq), -seq)
    else:
        won = yield swap(stamp(seq), seen, -seq)

    def wrong(facts: Facts, dead: Dead) -> bool:
        owners = [fact[2] for fact in facts if fact[:2] == ("owns", seq)]
        over = ("buried", seq) in facts or ("published", seq) in facts
        return over or not owners or not dead(owners[0])

    if won:
        yield say(("buried", seq), wrong)


def free_entries(dead: tuple[str, ...], undecided: tuple[int, ...], flaws: Flaws) -> Code:
    """Free those whose claims hold nothing undecided; how many are left."""
    left = 0
    for entry in dead:
        kept = False
        for seq in undecided:
            covers = yield from claimed_by((entry,), seq, NONE)
            kept = kept or covers
        if kept and "entry freed undecided" not in flaws:
            left += 1
            continue
        who = yield acquire(f"{entry} who")
        gone = False
        if who:
            gone = yield is_dead(f"P{who}")
        if gone:
            yield swap(f"{entry} who", who, 0)
    return left


def two_producers(
    flaws: Flaws,
    counts: tuple[tuple[int, ...], ...] = ((1, 1), (2,)),
    victims: tuple[str, ...] = (),
    repairers: int = 0,
) -> Scenario:
    """Two producers with claims of ``counts``, one reader, kills and repairs."""
    processes: dict[str, Program] = {
        f"P{number}": _claiming(number, counts[number - 1], flaws) for number in (1, 2)
    }
    processes["A"] = _reader("A", flaws)
    for index in range(repairers):
        processes[f"R{index}"] = lambda: repairer(victims, ("A",), flaws)
    entry_words = [f"{entry} {word}" for entry in ENTRIES for word in ("who", "first", "last")]
    return Scenario(
        processes,
        all_read(("A",), 0 if victims else sum(map(sum, counts))),
        ring_words("A", *entry_words),
        victims=victims,
    )


def _claiming(number: int, counts: tuple[int, ...], flaws: Flaws) -> Program:
    return lambda: claiming_producer(number, counts, ("A",), flaws)
