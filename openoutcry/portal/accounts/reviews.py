"""Reviews of identities by a vendor: a class that the operator names (``[identity] reviewer``).

The vendor is asked in a thread, so that a slow one keeps nothing else waiting.  One that does not
answer, or has not decided yet, is asked again; meanwhile a person may decide.  Matches of the list
of sanctions are for people alone.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from openoutcry.portal.accounts.identities import Identities, Said, submission_of
from openoutcry.portal.database import DatabaseError, Row
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.text import printable

LOOK_S = 5.0
"""Seconds between two looks for submissions."""
FIRST_S, LONGEST_S = 30.0, 1_800.0
"""Seconds after which a vendor is asked about a submission again; each time twice as long."""
VENDOR = "the reviewer"
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Paper:
    """A paper of a user; ``read`` raises :class:`OSError`."""

    kind: str
    media_type: str
    read: Callable[[], bytes]


class Reviewer(Protocol):
    """Decides, or leaves it to a person.  It is made without arguments and called in a thread."""

    def decide(
        self, reference: str, said: Said, papers: Sequence[Paper]
    ) -> tuple[bool, str] | None:
        """Accepted or not, and why, which the user sees; None: not decided yet.

        ``reference``: of the submission, the same each time that it is asked about.  Any error
        means that it is asked again."""


def reviewer_of(name: str) -> Reviewer | None:
    """The reviewer ``package.module:Class``; None for no name: people review all by hand.  Raises
    :class:`OutcryError`."""
    if not name:
        return None
    module, _, kind = name.partition(":")
    try:
        made: Reviewer = getattr(import_module(module), kind)()
    except Exception as error:
        raise OutcryError(f"[identity] reviewer {name!r}: {printable(repr(error))}") from None
    if not callable(getattr(made, "decide", None)):
        raise OutcryError(f"[identity] reviewer {name!r}: it has no method decide")
    return made


class Reviews:
    """Asks the vendor about what is submitted."""

    def __init__(self, identities: Identities, reviewer: Reviewer) -> None:
        self.identities, self.reviewer = identities, reviewer
        self._due_s: dict[str, float] = {}
        self._pause_s: dict[str, float] = {}

    async def run(self) -> None:
        """Ask about each submission until it is decided; until cancelled."""
        while True:
            try:
                await self.ask_about_all()
            except DatabaseError as error:
                log.error("%s", error)
            await asyncio.sleep(LOOK_S)

    async def ask_about_all(self) -> None:
        """Ask about each submission that is due."""
        rows = {
            submission_of(row): row for row in await self.identities.waiting() if not row["hits"]
        }
        for gone in self._due_s.keys() - rows.keys():
            del self._due_s[gone], self._pause_s[gone]
        for reference, row in rows.items():
            if time.monotonic() >= self._due_s.get(reference, 0.0):
                await self._ask_about(reference, row)

    async def _ask_about(self, reference: str, row: Row) -> None:
        names = "wanted", "name", "born", "country", "address"
        said = Said(*(row[name] for name in names))
        papers = [Paper(*one) for one in await self.identities.readable(row["user_id"])]
        decided = None
        try:
            decided = await in_thread(lambda: self.reviewer.decide(reference, said, papers))
            if decided is not None:
                is_accepted, why = bool(decided[0]), printable(str(decided[1]).strip())[:500]
        except Exception as error:  # whatever a vendor's program raises
            decided = None
            log.error("the reviewer has failed and is asked again: %s", printable(repr(error)))
        if decided is None:
            pause_s = self._pause_s.get(reference, FIRST_S / 2) * 2
            self._pause_s[reference] = pause_s = min(pause_s, LONGEST_S)
            self._due_s[reference] = time.monotonic() + pause_s
            return
        terms = row["user_id"], is_accepted, row["wanted"], why, VENDOR, row["submitted_at"]
        try:
            await self.identities.decide(*terms)
        except OutcryError as error:
            log.warning("a person has decided meanwhile: %s", error)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Done in a thread that does not keep the portal from its end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def finish(give: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            give(value)

    def run() -> None:
        try:
            outcome = future.set_result, work()
        except Exception as error:
            outcome = future.set_exception, error
        try:
            loop.call_soon_threadsafe(finish, *outcome)
        except RuntimeError:
            return  # the portal has ended

    threading.Thread(target=run, name="reviewer", daemon=True).start()
    return await future
