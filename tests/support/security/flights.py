"""Many connections to one address at once, all in one thread: while one waits for an answer that
does not come, the others talk."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

FLIGHTS = 48
DIAL_S = 20.0
ANSWER_S = 0.1
"""How long a request waits for its answer before the next one is sent."""
MAX_FAILED_DIALS = 200
"""In a row, of all flights: the door takes no connections any more."""
MAX_READ = 1 << 16


class DoorClosed(AssertionError):
    """The door takes no connections any more."""


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        """Send, without waiting."""
        self.writer.write(data)

    async def hear(self, wait_s: float = ANSWER_S) -> bytes | None:
        """What has come; None: nothing came in time; empty: the other side has closed."""
        try:
            async with asyncio.timeout(wait_s):
                return await self.reader.read(MAX_READ)
        except TimeoutError:
            return None
        except OSError:
            return b""


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
    failed = 0

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
                await talk(rng, Line(reader, writer))
            writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(FLIGHTS):
            group.create_task(one(number))


def drawn(rng: random.Random, source: str) -> str:
    """An address; each ``{}`` of it is drawn."""
    return source.format(*(rng.randrange(1, 255) for _ in range(source.count("{}"))))
