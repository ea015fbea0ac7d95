"""Many connections to one address at once, all in one thread: while one waits for an answer that
does not come, the others talk."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

FLIGHTS = 64
DIAL_S = 20.0
FIRST_S, LEAST_S, MOST_S = 0.5, 0.05, 2.0
"""How long a request waits for its answer before the next one is sent: at first, and the bounds of
TIMES the usual time.  Some requests have no answer, because they are not whole."""
TIMES, DRIFT = 4.0, 0.02
MAX_FAILED_DIALS = 200
"""In a row, of all flights: the door takes no connections any more."""
MAX_READ = 1 << 16


class DoorClosed(AssertionError):
    """The door takes no connections any more."""


class Pace:
    """How long an answer usually takes; as long as nothing comes, longer and longer."""

    def __init__(self) -> None:
        self.usual_s = FIRST_S / TIMES

    @property
    def wait_s(self) -> float:
        return min(MOST_S, max(LEAST_S, TIMES * self.usual_s))

    def heard(self, took_s: float) -> None:
        self.usual_s += DRIFT * (took_s - self.usual_s)

    def heard_nothing(self) -> None:
        self.usual_s = min(MOST_S, self.usual_s * (1 + DRIFT / TIMES))


class Line:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pace: Pace
    ) -> None:
        self.reader, self.writer, self.pace = reader, writer, pace

    def say(self, data: bytes) -> None:
        """Send, without waiting."""
        self.writer.write(data)

    async def hear(self, wait_s: float | None = None) -> bytes | None:
        """What has come; None: nothing came in time; empty: the other side has closed."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.pace.wait_s if wait_s is None else wait_s):
                data = await self.reader.read(MAX_READ)
        except TimeoutError:
            if wait_s is None:
                self.pace.heard_nothing()
            return None
        except OSError:
            return b""
        self.pace.heard(time.monotonic() - begun)
        return data


Talk = Callable[[random.Random, Line], Awaitable[None]]


def fly(
    address: tuple[str, int], seed: str, source: str, is_enough: Callable[[], bool], talk: Talk
) -> None:
    """Connect again and again, FLIGHTS times at once, and ``talk`` over each connection until it is
    enough.  ``source``: the address that a connection comes from, with ``{}`` for parts that are
    drawn for each.  Raises :class:`DoorClosed`."""
    asyncio.run(_fly(address, seed, source, is_enough, talk))


async def _fly(
    address: tuple[str, int], seed: str, source: str, is_enough: Callable[[], bool], talk: Talk
) -> None:
    failed, pace = 0, Pace()

    async def one(number: int) -> None:
        nonlocal failed
        rng = random.Random(f"{seed} {number}")
        while not is_enough():
            try:
                async with asyncio.timeout(DIAL_S):
                    here = drawn(rng, source), 0
                    reader, writer = await asyncio.open_connection(*address, local_addr=here)
            except (OSError, TimeoutError) as error:
                failed += 1
                if failed >= MAX_FAILED_DIALS:
                    raise DoorClosed(f"{failed} connections failed in a row: {error}") from None
                continue
            failed = 0
            with suppress(OSError):
                await talk(rng, Line(reader, writer, pace))
            writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(FLIGHTS):
            group.create_task(one(number))


def drawn(rng: random.Random, source: str) -> str:
    """An address; each ``{}`` of it is drawn."""
    return source.format(*(rng.randrange(1, 255) for _ in range(source.count("{}"))))
