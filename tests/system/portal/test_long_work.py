"""Long work of the portal: each user has a share of it, and a bound of requests that wait."""

import ast
import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry import PACKAGE
from openoutcry.portal.portfolio.desk import TOO_MANY, WAITING, BooksError, Desk

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
