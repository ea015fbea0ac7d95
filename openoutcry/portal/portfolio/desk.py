"""Asks the bookkeeper's process, which is started when it is first asked, and again after it ended.

Questions and answers are lines of JSON on its standard input and output.  It ends when the portal
does: its input ends then.

Users take turns: a user that asks much waits for its own answers.  The
processes of a portal have a desk each, and a user has one turn at all of them together.
"""

import asyncio
import contextlib
import itertools
import json
import math
import sys
from typing import Any, TextIO

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.portfolio.bookkeeper import DISAGREES, NOT_READY, TOO_LARGE
from openoutcry.venue.file import VenueFile
from openoutcry.wire.load_limits import SharedPlaces, Turns, TurnsError

PATIENCE_S = 120.0
LINE_BYTES = 1 << 27
WAITING = 8
"""Questions of one user that wait; further ones are refused."""
TOO_MANY = "too_many_requests"
STATUS = {NOT_READY: 503, DISAGREES: 409, TOO_LARGE: 422, TOO_MANY: 429}


class BooksError(AccountError):
    """A question that has no answer; ``code`` says why."""

    def __init__(self, code: str, text: str, *, retry_after_s: int = 0) -> None:
        super().__init__(text, retry_after_s=retry_after_s)
        self.code, self.status = code, STATUS.get(code, 503)


class Desk:
    """One process and its questions, one at a time."""

    def __init__(self, file: VenueFile, url: str, places: SharedPlaces | None = None) -> None:
        """``url``: of the portal's database; ``places``: of the portal's processes, if several."""
        self.command = [sys.executable, "-m", "openoutcry", "portal", "books", str(file.path)]
        self.url = url
        self._process: asyncio.subprocess.Process | None = None
        self._turns = Turns(1, 1, WAITING, places)
        self._numbers = itertools.count(1)

    async def ask(self, user: int | str, **question: Any) -> dict[str, Any]:
        """``user``: whose turn it is, its id or an operator's name.  Raises :class:`BooksError`."""
        try:
            async with self._turns.turn(f"user {user}"):
                answer = await self._patient(question)
        except TurnsError as error:
            wait_s = math.ceil(error.wait_s)
            raise BooksError(TOO_MANY, str(error), retry_after_s=wait_s) from None
        if "code" in answer:
            raise BooksError(answer["code"], answer["detail"])
        return answer

    async def _patient(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask(question)
        except (OSError, ValueError, TimeoutError) as error:
            await self._stop()
            text = f"the books do not answer now: {error or 'no answer'}"
            raise BooksError(NOT_READY, text) from None

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        number = next(self._numbers)
        process.stdin.write((json.dumps(question | {"number": number}) + "\n").encode())
        await process.stdin.drain()
        while line := await process.stdout.readline():
            answer = json.loads(line)
            # An earlier one belongs to a client that went away.
            if answer.pop("number") == number:
                return dict(answer)
        raise OSError("their process has ended")

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=pipe, stdout=pipe, limit=LINE_BYTES
            )
            assert self._process.stdin is not None
            # The URL may hold a password: neither arguments nor environment are a place for it.
            self._process.stdin.write(f"{self.url}\n".encode())
        return self._process

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                self._process.kill()
            await self._process.wait()
        self._process = None

    async def close(self) -> None:
        """Kill the process that answers, if it runs; the next question starts another."""
        await self._stop()


def serve_questions(file: VenueFile, source: TextIO, out: TextIO) -> None:
    """The process: answer each line of ``source`` until it ends."""
    import psycopg

    from openoutcry.portal.database import DatabaseError
    from openoutcry.portal.history.projector import connected
    from openoutcry.portal.portfolio.bookkeeper import Bookkeeper
    from openoutcry.wire.errors import OutcryError

    url, keeper = source.readline().strip(), None
    while line := source.readline():
        question = json.loads(line)
        try:
            with connected(url) as connection:
                if keeper is None:
                    keeper = Bookkeeper(file, connection)
                keeper.connection = connection
                answer = keeper.answer(question)
        except (DatabaseError, psycopg.Error, OutcryError, OSError) as error:
            answer = {"code": NOT_READY, "detail": f"the books cannot be read: {error}"}
        out.write(json.dumps(answer | {"number": question["number"]}) + "\n")
        out.flush()
