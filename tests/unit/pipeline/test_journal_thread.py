"""Inline with a journal that nobody waits for: it is written in a thread beside the loop."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalError, JournalWriter
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.worker import CompiledStages
from tests.support.processes import left_behind, left_since

ORDERS = 300_000


def options(journal: Path, durability: str = "async") -> Options:
    return Options(
        source=GeneratedFlow("normal", ORDERS, 7),
        orders=ORDERS,
        seed=7,
        rate=0,
        journal=journal,
        topology="inline",
        durability=durability,
    )


def test_a_slow_journal_in_parallel_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower than the loop, whose ring then is full: the same run as without a journal, all of it
    in the journal when it ends, and no thread left."""
    append, blocks = JournalWriter.append, []

    def slow(self: JournalWriter, *what: Any, **more: Any) -> None:
        time.sleep(0.005)
        blocks.append(threading.current_thread().name)
        append(self, *what, **more)

    bare = run(options(tmp_path / "none", "none"))
    monkeypatch.setattr(JournalWriter, "append", slow)
    result = run(options(tmp_path / "j"))
    for key in ("state_hash", "event_hash", "commands", "events"):
        assert result[key] == bare[key]
    assert result["replay"]["equal"] is True
    assert result["replay"]["commands"] == ORDERS
    assert set(blocks) == {"journal"}
    assert "journal" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("durability", "left"), [("none", {False}), ("async", {False}), ("durable", {True})]
)
def test_the_loop_goes_back_to_python_only_for_a_stage_of_pythons(
    durability: str, left: set[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle one, when the journal waits for its turn; otherwise the next order would wait for
    half a turn of Python's."""
    run_group, asked = CompiledStages.run, []

    def noted(self: CompiledStages, slice_ns: int, leave_idle: bool) -> int:
        asked.append(leave_idle)
        return run_group(self, slice_ns, leave_idle)

    monkeypatch.setattr(CompiledStages, "run", noted)
    paced = replace(options(tmp_path / "j", durability), orders=200, rate=10_000)
    assert run(paced)["commands"] == 200
    assert set(asked) == left


def test_a_parallel_journal_that_fails_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own words, and with nothing left behind: no thread, no shared memory."""
    append, before = JournalWriter.append, left_behind()

    def fails(self: JournalWriter, first_seq: int, *what: Any, **more: Any) -> None:
        if first_seq > 50_000:
            raise JournalError("segment-000000.ocj: byte 8192: cannot write: no such luck")
        append(self, first_seq, *what, **more)

    monkeypatch.setattr(JournalWriter, "append", fails)
    with pytest.raises(JournalError, match="no such luck"):
        run(options(tmp_path / "j"))
    assert "journal" not in [thread.name for thread in threading.enumerate()]
    assert not left_since(before)
