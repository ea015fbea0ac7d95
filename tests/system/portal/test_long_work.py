"""Long work of the portal: each user has a share of it, and a bound of requests that wait."""

import ast
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry import PACKAGE
from openoutcry.portal.accounts.errors import Locked
from openoutcry.portal.accounts.papers import WAITING as PAPERS_WAITING
from openoutcry.portal.accounts.papers import Papers
from openoutcry.portal.portfolio.desk import TOO_MANY, WAITING, BooksError, Desk
from openoutcry.wire.load_limits import SharedPlaces, Turns, TurnsError
from tests.support.portal.held_books import HeldBooks
from tests.support.waiting import BOUND_S, LOOK_S

BOOKKEEPER = """
import json, sys
sys.stdin.readline()
for line in sys.stdin:
    question = json.loads(line)
    if "hold" in question:
        open(question["hold"]).close()
    print(json.dumps({"number": question["number"], "name": question["name"]}), flush=True)
"""
"""Answers one question at a time, as the real one; one that has ``hold`` waits for a writer of that
pipe."""


@pytest.mark.promise(
    "Long work (portfolios, statements, tax reports, funding, analytics) goes round among users, "
    "one question of each at a time. Of one user eight wait, and more are refused",
    group="portal",
)
def test_one_user_who_asks_two_hundred_statements_delays_no_other(tmp_path: Path) -> None:
    asyncio.run(_ask_two_hundred(tmp_path / "pipe"))


async def _ask_two_hundred(pipe: Path) -> None:
    os.mkfifo(pipe)
    desk = Desk(SimpleNamespace(path=pipe), "")  # type: ignore[arg-type]
    desk.command = [sys.executable, "-c", BOOKKEEPER]
    order: list[str] = []
    refused: list[BooksError] = []

    async def ask(user: int, name: str, **more: Any) -> None:
        try:
            answer = await desk.ask(user, name=name, **more)
        except BooksError as error:
            refused.append(error)
        else:
            order.append(answer["name"])

    try:
        greedy = [asyncio.create_task(ask(1, "greedy", hold=str(pipe)))]
        greedy += [asyncio.create_task(ask(1, "greedy")) for _ in range(199)]
        while len(refused) < 200 - 1 - WAITING:
            await asyncio.sleep(0)
        others = [asyncio.create_task(ask(user, f"user {user}")) for user in (2, 3)]
        await asyncio.sleep(0)
        assert order == []  # the first question is still being answered
        await asyncio.to_thread(lambda: pipe.open("wb").close())
        await asyncio.gather(*greedy, *others)
    finally:
        await desk.close()
    assert order[:3] == ["greedy", "user 2", "user 3"]
    assert order[3:] == ["greedy"] * WAITING
    assert {(error.code, error.status) for error in refused} == {(TOO_MANY, 429)}
    assert all(error.retry_after_s >= 1 for error in refused)


def test_every_question_names_its_user() -> None:
    """Each call of a desk of books in the portal's routes begins with whose turn it is."""
    calls = []
    for path in (PACKAGE / "portal" / "native").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[0] in (
                "self.quick", "self.books", "native.slow", "native.desk",
            ):  # fmt: skip
                calls.append(ast.unparse(node.args[0]) if node.args else "")
    assert len(calls) == 6
    assert all(one in ("asking.user_id", "operator.name") for one in calls)


def test_an_owner_has_its_turns_once_over_all_processes() -> None:
    """One owner fills all its places in another process: this one refuses it and serves others.
    The places are free again once the other process is killed."""
    places = SharedPlaces()
    full, kept = os.pipe(), os.pipe()

    async def takes_all() -> None:
        turns = Turns(at_once=2, each=1, waiting=2, shared=places)

        async def work() -> None:
            async with turns.turn("a"):
                await asyncio.to_thread(os.read, kept[0], 1)

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0)
        os.write(full[1], b".")
        await asyncio.gather(*tasks)

    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            asyncio.run(takes_all())
        os._exit(1)

    async def here() -> None:
        turns, order = Turns(at_once=2, each=1, waiting=2, shared=places), list[str]()
        with pytest.raises(TurnsError):
            async with turns.turn("a"):
                order.append("a")
        async with turns.turn("b"):
            order.append("b")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        async with turns.turn("a"):
            order.append("a")
        assert order == ["b", "a"]

    os.read(full[0], 1)
    asyncio.run(here())


@pytest.mark.promise(
    "A user has its share of long work, and its bound of waiting requests, once over all web "
    "processes of a portal. A process that is killed gives back what it held",
    group="portal",
)
def test_one_share(tmp_path: Path) -> None:
    """One user asks 200 statements at once, over connections to both; another's is answered while
    all but one of them wait."""
    venue = HeldBooks(tmp_path)
    with venue:
        asyncio.run(_ask_two_processes(venue))


async def _ask_two_processes(venue: HeldBooks) -> None:
    greedy, other = venue.person(USD=10**9), venue.person(USD=10**9)
    # The history has to have both.
    while await venue.statement(other) != 200 or await venue.statement(greedy) != 200:
        await asyncio.sleep(LOOK_S)
    venue.hold(greedy)
    before = len(venue.asked(greedy))
    many = [asyncio.create_task(venue.statement(greedy)) for _ in range(200)]
    async with asyncio.timeout(BOUND_S):
        while sum(one.done() for one in many) < 200 - 1 - WAITING:
            await asyncio.sleep(LOOK_S)
    assert len(set(venue.asked(greedy)[before:])) == 2, "both processes were asked"
    count = len(venue.asked(other))
    one = asyncio.create_task(venue.statement(other))
    while len(venue.asked(other)) == count:
        await asyncio.sleep(LOOK_S)
    # It may be the next in the process in which the first one's is answered.
    while not venue.release():
        await asyncio.sleep(LOOK_S)
    assert await one == 200
    answered = [task.result() for task in many if task.done()]
    assert answered.count(200) <= 1
    assert answered.count(429) == len(answered) - answered.count(200) == 200 - 1 - WAITING
    while not all(task.done() for task in many):
        venue.release()
        await asyncio.sleep(LOOK_S)
    assert sorted(task.result() for task in many) == [200] * (1 + WAITING) + [429] * (199 - WAITING)


def test_one_users_papers_leave_others_their_turn(tmp_path: Path) -> None:
    asyncio.run(_write_papers(tmp_path))


async def _write_papers(folder: Path) -> None:
    """One user's papers take one of two threads; a bound of them waits."""
    pipe = folder / "papers" / "1" / "held"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    papers = Papers(folder / "papers")
    held = [asyncio.create_task(papers.read("1/held")) for _ in range(1 + PAPERS_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Locked):
        await papers.write("1/more", b"more")
    await papers.write("2/own", b"own")
    assert await papers.read("2/own") == b"own"
    assert not any(one.done() for one in held)
    while not all(one.done() for one in held):
        with contextlib.suppress(OSError):  # no reader at this moment
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        await asyncio.sleep(LOOK_S)
