"""What processors make of loads and stores: x86-TSO, and a weaker release/acquire memory.

``Tso``   x86-TSO (Sewell et al., CACM 53(7), 2010): a process has a queue of its stores that only
          itself sees; its loads look there first; a locked instruction or a fence waits until it is
          empty.
``Weak``  release/acquire by messages and views (after Kang et al., POPL 2017, without promises): a
          location is a row of messages, and a process may read any that is not older than what it
          has seen.  Only an acquire load of a release store carries the writer's view over; a
          read-modify-write takes the newest message; fences are ordered among themselves.  What it
          leaves out is a store that overtakes an earlier load of the same process: that is explored
          as a program in which the two have changed places.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from tests.oracles.ring_model.ring_steps import New


class Memory(Protocol):
    name: str
    start: Any

    def load(self, m: Any, p: int, word: int, acquire: bool) -> list[tuple[int, Any]]: ...
    def store(self, m: Any, p: int, word: int, value: int, release: bool) -> list[Any]: ...
    def modify(self, m: Any, p: int, word: int, new: New) -> list[tuple[int, Any]]: ...
    def fence(self, m: Any, p: int) -> list[Any]: ...
    def prove(self, m: Any, p: int, dead: int) -> list[Any]: ...
    def drain(self, m: Any, p: int) -> list[Any]: ...
    def tidy(self, m: Any, readers: Iterable[int]) -> Any: ...
    def newest(self, m: Any, word: int) -> int: ...
    def unseen(self, word: str) -> bool: ...


class Tso:
    """State: (values, a queue of stores a process)."""

    name = "x86-TSO"

    def __init__(self, initial: tuple[int, ...], processes: int, contended: frozenset[int]) -> None:
        self.start = (initial, ((),) * processes)

    def load(self, m: Any, p: int, word: int, acquire: bool) -> list[tuple[int, Any]]:
        for at, value in reversed(m[1][p]):
            if at == word:
                return [(value, m)]
        return [(m[0][word], m)]

    def store(self, m: Any, p: int, word: int, value: int, release: bool) -> list[Any]:
        return [(m[0], put(m[1], p, (*m[1][p], (word, value))))]

    def modify(self, m: Any, p: int, word: int, new: New) -> list[tuple[int, Any]]:
        if m[1][p]:
            return []
        old = m[0][word]
        value = new(old)
        return [(old, m if value is None else (put(m[0], word, value), m[1]))]

    def fence(self, m: Any, p: int) -> list[Any]:
        return [] if m[1][p] else [m]

    def prove(self, m: Any, p: int, dead: int) -> list[Any]:
        return [] if m[1][dead] or m[1][p] else [m]

    def drain(self, m: Any, p: int) -> list[Any]:
        """The oldest of the process's queued stores reaches memory."""
        if not m[1][p]:
            return []
        (word, value), *rest = m[1][p]
        return [(put(m[0], word, value), put(m[1], p, tuple(rest)))]

    def newest(self, m: Any, word: int) -> int:
        return int(m[0][word])

    def unseen(self, word: str) -> bool:
        """A store to the word is no step for others: all go to the process's own queue."""
        return True

    def tidy(self, m: Any, readers: Iterable[int]) -> Any:
        return m


class Weak:
    """State: (messages a location, a view a process, the fences' view).

    A message is (value, view it carries or None, True if it must stay right behind the one
    before).  Views are message numbers by location; a location's row begins at number ``base``.
    ``contended``: locations that processes store to without having seen each other's stores; there
    a store may land before messages that its process has not seen.
    """

    name = "release/acquire"

    def __init__(self, initial: tuple[int, ...], processes: int, contended: frozenset[int]) -> None:
        bottom = (0,) * len(initial)
        rows = tuple((0, ((value, None, False),)) for value in initial)
        self.start = (rows, (bottom,) * processes, bottom)
        self.contended = contended

    def load(self, m: Any, p: int, word: int, acquire: bool) -> list[tuple[int, Any]]:
        base, row = m[0][word]
        view = m[1][p]
        reads = []
        for number in range(max(view[word], base), base + len(row)):
            value, carried, _ = row[number - base]
            seen = put(view, word, number)
            if acquire and carried is not None:
                seen = _join(seen, carried)
            reads.append((value, (m[0], put(m[1], p, seen), m[2])))
        return reads

    def store(self, m: Any, p: int, word: int, value: int, release: bool) -> list[Any]:
        base, row = m[0][word]
        end = base + len(row)
        outcomes = [self._append(m, p, word, value, release, False)]
        if word in self.contended:
            for number in range(m[1][p][word] + 1, end):
                if not row[number - base][2]:
                    outcomes.append(self._insert(m, p, word, number, value, release))
        return outcomes

    def _append(self, m: Any, p: int, word: int, value: int, release: bool, tied: bool) -> Any:
        base, row = m[0][word]
        view = put(m[1][p], word, base + len(row))
        message = (value, view if release else None, tied)
        return (put(m[0], word, (base, (*row, message))), put(m[1], p, view), m[2])

    def _insert(self, m: Any, p: int, word: int, number: int, value: int, release: bool) -> Any:
        """As message ``number``; those from there on move up by one."""

        def moved(view: Any) -> Any:
            return put(view, word, view[word] + 1) if view and view[word] >= number else view

        rows = tuple(
            (base, tuple((v, moved(carried), tied) for v, carried, tied in row))
            for base, row in m[0]
        )
        views = tuple(moved(view) for view in m[1])
        base, row = rows[word]
        view = put(m[1][p], word, number)
        message = (value, view if release else None, False)
        row = (*row[: number - base], message, *row[number - base :])
        return (put(rows, word, (base, row)), put(views, p, view), moved(m[2]))

    def modify(self, m: Any, p: int, word: int, new: New) -> list[tuple[int, Any]]:
        """Acquire the newest message, release the next: less than sequentially consistent."""
        base, row = m[0][word]
        old, carried, _ = row[-1]
        view = put(m[1][p], word, base + len(row) - 1)
        seen = (m[0], put(m[1], p, _join(view, carried) if carried else view), m[2])
        value = new(old)
        return [(old, seen if value is None else self._append(seen, p, word, value, True, True))]

    def fence(self, m: Any, p: int) -> list[Any]:
        view = _join(m[1][p], m[2])
        return [(m[0], put(m[1], p, view), view)]

    def prove(self, m: Any, p: int, dead: int) -> list[Any]:
        """System calls on both sides: all that was stored before is seen."""
        view = tuple(base + len(row) - 1 for base, row in m[0])
        return [(m[0], put(m[1], p, view), m[2])]

    def drain(self, m: Any, p: int) -> list[Any]:
        return []

    def newest(self, m: Any, word: int) -> int:
        return int(m[0][word][1][-1][0])

    def unseen(self, word: str) -> bool:
        """A store to the word is no step for others: they may go on reading the one before."""
        return word[:2] in ("a ", "b ")

    def tidy(self, m: Any, readers: Iterable[int]) -> Any:
        """Forget the messages, and the parts of views, that nobody can come to any more."""
        views = [m[1][p] for p in readers]
        if not views:
            return m
        floor = tuple(map(min, *views)) if len(views) > 1 else views[0]
        if all(low <= base for low, (base, _) in zip(floor, m[0], strict=True)):
            return m

        def raised(view: Any) -> Any:
            return view and tuple(map(max, view, floor))

        def shortened(low: int, base: int, row: Any) -> Any:
            kept = row[max(0, low - base) :]
            return max(base, low), tuple((v, raised(carried), tied) for v, carried, tied in kept)

        rows = tuple(shortened(low, *row) for low, row in zip(floor, m[0], strict=True))
        return (rows, tuple(map(raised, m[1])), raised(m[2]))


def put(row: Any, at: int, value: Any) -> Any:
    return (*row[:at], value, *row[at + 1 :])


def _join(a: Any, b: Any) -> Any:
    return tuple(map(max, a, b))
