"""The limits of load of every listener: how often, how many at once, and in which turn.

A limit counts for an owner: an address (wire/peers.py), a name that has logged in, or a
connection.  A :class:`Budget` limits how often something comes, :class:`Places` how many things an
owner holds, and :class:`Turns` how much long work is under way.
"""

import asyncio
import fcntl
import os
import secrets
import weakref
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.peers import HERE
from openoutcry.wire.token_bucket import paid_until, wait_for_token

MAX_OWNERS = 1 << 16
"""Owners whose budgets are remembered; of more, the one that came longest ago is forgotten."""
AGAIN_S = 1.0
LOOK_S = 0.02
"""Seconds between two looks whether an owner's turn in another process has ended."""
OWNER_BYTES, MAX_NUMBER = 5, 1 << 16
"""Bytes of an owner's digest, and places of one owner; together the offset of a byte in a file."""
Thing = TypeVar("Thing", bound=Hashable)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Rate:
    """So many in a second, and so many at once after a pause."""

    per_s: float
    at_once: int

    @property
    def each_ns(self) -> int:
        """Time of one."""
        return round(1e9 / self.per_s)


class Budget:
    """What one owner may do; times are seconds of one monotonic clock."""

    def __init__(self, rate: Rate) -> None:
        self.each_ns, self.at_once = rate.each_ns, rate.at_once
        self._paid_ns = 0

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until the owner may do one more; 0: it may now."""
        wait_ns = wait_for_token(self._paid_ns, int(now_s * 1e9), self.each_ns, self.at_once)
        return max(0, wait_ns) / 1e9

    def spend(self, now_s: float, count: int = 1) -> float:
        """Charge ``count``, also beyond the budget; return the seconds until it is paid for."""
        now_ns = int(now_s * 1e9)
        self._paid_ns = paid_until(self._paid_ns, now_ns, count * self.each_ns)
        return max(0, self._paid_ns - now_ns - self.each_ns * self.at_once) / 1e9

    def take(self, now_s: float) -> bool:
        """Charge one if the budget has it; return whether it had."""
        if self.wait_s(now_s) > 0.0:
            return False
        self.spend(now_s)
        return True

    async def wait(self) -> None:
        """Wait until there is one more, and charge it: who gives up meanwhile is not charged."""
        loop = asyncio.get_running_loop()
        while (wait_s := self.wait_s(loop.time())) > 0.0:
            await asyncio.sleep(wait_s)
        self.spend(loop.time())

    async def rest(self, count: int = 1) -> None:
        """Charge ``count``, and wait until it is paid for: what a client sends meanwhile is not
        read."""
        await asyncio.sleep(self.spend(asyncio.get_running_loop().time(), count))


class Budgets:
    """A budget of one rate for each owner."""

    def __init__(self, rate: Rate, most: int = MAX_OWNERS) -> None:
        self.rate, self.most = rate, most
        self._of: dict[Hashable, Budget] = {}

    def of(self, owner: Hashable) -> Budget:
        """Return an owner's budget; it is the one that came last from here on."""
        budget = self._of.pop(owner, None)
        if budget is None:
            budget = Budget(self.rate)
            if len(self._of) >= self.most:
                del self._of[next(iter(self._of))]
        self._of[owner] = budget
        return budget

    def forget(self, owner: Hashable) -> None:
        """Forget an owner that is gone."""
        self._of.pop(owner, None)


LEAST_S = 0.25
"""So long a connection has for its request before it gives way to a newer one; else one that has
come is closed before its request could be read."""


class Places(Generic[Thing]):
    """Things that owners hold: ``most`` in all, ``each`` of one owner.

    Addresses of this host may hold all of them: a proxy on it speaks for all its clients."""

    def __init__(self, most: int, each: int | None = None) -> None:
        self.most, self.each = most, most if each is None else each
        self._held: dict[str, dict[Thing, None]] = {}
        """By owner, the oldest first."""
        self._owner: dict[Thing, str] = {}

    def __len__(self) -> int:
        return len(self._owner)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self._owner)

    def __contains__(self, thing: Thing) -> bool:
        return thing in self._owner

    def counts(self) -> dict[str, int]:
        """Return how many each owner holds."""
        return {owner: len(things) for owner, things in self._held.items()}

    def is_full(self) -> bool:
        """Return whether all places are taken."""
        return len(self._owner) >= self.most

    def is_full_of(self, owner: str) -> bool:
        """Return whether an owner has its share."""
        return owner not in HERE and len(self._held.get(owner, ())) >= self.each

    def owner(self, thing: Thing) -> str | None:
        """Return whose it is; None: it holds no place."""
        return self._owner.get(thing)

    def of(self, owner: str) -> list[Thing]:
        """Return what an owner holds, the oldest first."""
        return list(self._held.get(owner, ()))

    def oldest_of_most(self) -> Thing:
        """Return the oldest thing of the owner that holds most: it gives way to another one."""
        most = max(self._held, key=lambda owner: len(self._held[owner]))
        return next(iter(self._held[most]))

    def take(self, owner: str, thing: Thing) -> None:
        """Hold a place, whether or not there is one."""
        self.leave(thing)
        self._held.setdefault(owner, {})[thing] = None
        self._owner[thing] = owner

    def leave(self, thing: Thing) -> bool:
        """Give a thing's place back; return whether it held one.  The cost is the same however many
        there are: thousands may end at once."""
        owner = self._owner.pop(thing, None)
        if owner is None:
            return False
        del self._held[owner][thing]
        if not self._held[owner]:
            del self._held[owner]
        return True

    @contextmanager
    def place(self, owner: str, thing: Thing) -> Iterator[bool]:
        """Hold a place for the block, if there is one; the block learns whether."""
        has_place = not (self.is_full() or self.is_full_of(owner))
        if has_place:
            self.take(owner, thing)
        try:
            yield has_place
        finally:
            self.leave(thing)


class Logins(Generic[Thing]):
    """Connections by what they do: ``most`` that say nothing, and ``most`` whose login or request
    has come whole and is worked on; ``each`` of one owner, for each of the two.

    For one more of either kind the oldest of its kind gives way: of the owner, if it has its share,
    or of the owner that has most.  So those that say nothing, however many and from however many
    addresses, end none that is worked on."""

    def __init__(self, most: int, each: int | None = None) -> None:
        self.silent, self.checked = Places[Thing](most, each), Places[Thing](most, each)

    def __contains__(self, thing: Thing) -> bool:
        return thing in self.silent or thing in self.checked

    def __len__(self) -> int:
        return len(self.silent) + len(self.checked)

    def came(self, owner: str, thing: Thing) -> Thing | None:
        """Count a new connection; return the one that gives way to it."""
        return self._taken(self.silent, owner, thing)

    def begun(self, thing: Thing) -> Thing | None:
        """Count a connection whose login or request has come whole; return the one that gives way
        to it."""
        return self._moved(self.silent, self.checked, thing)

    def rests(self, thing: Thing) -> Thing | None:
        """Count a connection that has its answer, and says nothing more; return the one that gives
        way to it."""
        return self._moved(self.checked, self.silent, thing)

    def leave(self, thing: Thing) -> bool:
        """Forget a connection that has logged in or ended; return whether it was one of these."""
        return self.silent.leave(thing) or self.checked.leave(thing)

    def _moved(self, before: Places[Thing], after: Places[Thing], thing: Thing) -> Thing | None:
        owner = before.owner(thing)
        if owner is None:
            return None
        before.leave(thing)
        return self._taken(after, owner, thing)

    def _taken(self, places: Places[Thing], owner: str, thing: Thing) -> Thing | None:
        oldest = None
        if places.is_full_of(owner):
            oldest = places.of(owner)[0]
        elif places.is_full():
            oldest = places.oldest_of_most()
        if oldest is not None:
            places.leave(oldest)
        places.take(owner, thing)
        return oldest


class TurnsError(OutcryError):
    """Too much of one owner waits; ``wait_s`` until it is worth another try."""

    wait_s = AGAIN_S


@dataclass
class Turn:
    """A turn that an owner holds."""

    pause_s: float = 0.0
    """So long after its end the owner has its turn back; others do not wait for it."""
    has_failed: bool = False
    """Nothing came of it, as of a wrong password: the owner's next turns are behind the others'."""


class SharedPlaces:
    """Numbered places of owners in several processes; made before the processes begin.

    A place is held while its byte of a file in memory is locked.  The kernel releases the locks of
    a process that ends, however it ends."""

    def __init__(self) -> None:
        self._file = os.memfd_create("places", os.MFD_CLOEXEC)
        self._secret = secrets.token_bytes(16)
        self._held: set[int] = set()
        """Bytes that this process has locked: its own locks do not keep it out."""
        weakref.finalize(self, os.close, self._file)

    def take(self, owner: str, numbers: range) -> int | None:
        """Hold the first free one of an owner's places; return its byte, None: none is free."""
        digest = blake2b(owner.encode(), digest_size=OWNER_BYTES, key=self._secret).digest()
        first = int.from_bytes(digest, "little") * MAX_NUMBER
        for byte in range(first + numbers.start, first + numbers.stop):
            if byte in self._held:
                continue
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except (BlockingIOError, PermissionError):  # another process holds it
                continue
            self._held.add(byte)
            return byte
        return None

    def leave(self, byte: int) -> None:
        """Give a place back."""
        self._held.discard(byte)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)


class Turns:
    """Long work in turns: ``at_once`` in all, ``each`` of one owner; ``waiting`` more of it wait.

    Turns go round among owners: an owner that waits for its own turn is behind all others.  Of all
    owners whose last turn failed, one at a time waits for a turn or has it: however many fail, the
    others wait for one of them.  With ``shared`` an owner has its turns and its waiting work once
    over all processes."""

    def __init__(
        self, at_once: int, each: int, waiting: int, shared: SharedPlaces | None = None
    ) -> None:
        assert shared is None or 2 * each + waiting <= MAX_NUMBER
        self.at_once, self.each, self.waiting, self._shared = at_once, each, waiting, shared
        self._all, self._failing = asyncio.Semaphore(at_once), asyncio.Semaphore(1)
        self._failed: dict[str, None] = {}
        """Owners whose last turn failed, in the order in which they did."""
        self._own: dict[str, asyncio.Semaphore] = {}
        self._count: dict[str, int] = {}
        """Turns of each owner that are under way or wait."""

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[Turn]:
        """Hold a turn of an owner for the block.  Raises :class:`TurnsError`."""
        # A proxy on this host speaks for all its clients.
        is_proxy = owner in HERE
        each, waiting = (self.at_once, 1 << 62) if is_proxy else (self.each, self.waiting)
        shared, held = None if is_proxy else self._shared, list[int]()
        has_room = self._count.get(owner, 0) < each + waiting
        if has_room and shared is not None:
            # The owner's first places are its turns, the others all its work.
            place = shared.take(owner, range(each, 2 * each + waiting))
            has_room = place is not None
            held += [place] if place is not None else []
        if not has_room:
            raise TurnsError("too many requests wait for their turn: try again later")
        own = self._own.setdefault(owner, asyncio.Semaphore(each))
        self._count[owner] = self._count.get(owner, 0) + 1
        turn, is_held = Turn(), False
        try:
            await own.acquire()
            is_held = True
            if shared is not None:
                while (place := shared.take(owner, range(each))) is None:
                    await asyncio.sleep(LOOK_S)
                held.append(place)
            async with self._failing if owner in self._failed else nullcontext(), self._all:
                try:
                    yield turn
                finally:
                    if not is_proxy:
                        self._note(owner, turn.has_failed)
        finally:
            if turn.pause_s:
                loop = asyncio.get_running_loop()
                loop.call_later(turn.pause_s, self._end, owner, own, is_held, held)
            else:
                self._end(owner, own, is_held, held)

    def _note(self, owner: str, has_failed: bool) -> None:
        self._failed.pop(owner, None)
        if has_failed:
            self._failed[owner] = None
            if len(self._failed) > MAX_OWNERS:
                del self._failed[next(iter(self._failed))]

    def _end(self, owner: str, own: asyncio.Semaphore, is_held: bool, held: list[int]) -> None:
        for place in held:
            assert self._shared is not None
            self._shared.leave(place)
        if is_held:
            own.release()
        self._count[owner] -= 1
        if not self._count[owner]:
            del self._count[owner], self._own[owner]


class Threads:
    """Threads for work that waits for another process, in turns of its owners: one owner's work
    keeps no other waiting, and none waits for threads of other work."""

    def __init__(self, name: str, at_once: int, each: int, waiting: int) -> None:
        self._turns = Turns(at_once, each, waiting)
        self._pool = ThreadPoolExecutor(at_once, name)

    async def run(self, owner: str, work: Callable[..., Made], *terms: object) -> Made:
        """Return what ``work`` does; an owner of ``HERE`` waits for no turn of its own.  Raises
        :class:`TurnsError`."""
        async with self._turns.turn(owner):
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *terms)
