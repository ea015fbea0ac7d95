"""A pipeline holds every directory of its journal, and is kept out of those that others hold."""

from pathlib import Path
from typing import Any

import pytest

import openoutcry.pipeline.run as module
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalError, JournalLock
from openoutcry.journal.lock import InUse
from openoutcry.journal.repair import repair
from openoutcry.pipeline.run import Options, run


def options(journal: Path, orders: int = 2_000, **more: Any) -> Options:
    flow = GeneratedFlow("normal", orders, 5)
    return Options(
        source=flow, orders=orders, seed=5, topology="inline", journal=journal, verify=False, **more
    )


@pytest.mark.promise(
    "One writer: a second pipeline is kept out of each directory of a journal in use, also "
    "when the file `lock` is removed. A superseded writer, or one whose directory is removed,"
    " moved, replaced or cut, acknowledges nothing more",
    group="files",
)
def test_every_directory_is_locked(tmp_path, monkeypatch):
    """While a pipeline starts, new or resumed, nobody can repair or take either directory;
    afterwards both are free."""
    a, b = tmp_path / "a", tmp_path / "b"
    make, seen = module.make_journal, []

    def looking(*arguments: Any) -> Any:
        for path in (a, b):
            for take in (JournalLock, repair):
                with pytest.raises(InUse):
                    take(path)
        seen.append(1)
        return make(*arguments)

    monkeypatch.setattr(module, "make_journal", looking)
    run(options(a, copies=(b,)))
    run(options(a, resume=True))
    run(options(b, resume=True))
    assert len(seen) == 3
    for path in (a, b):
        assert repair(path) == []


def test_a_directory_in_use_keeps_the_pipeline_out(tmp_path):
    """A copy that another pipeline holds refuses the run, new or resumed, and a new one leaves
    nothing behind; a copy that is gone is not made again by locking it."""
    a, b = tmp_path / "a", tmp_path / "b"
    with JournalLock(b), pytest.raises(InUse, match=f"{b} is in use"):
        run(options(a, copies=(b,)))
    assert not a.exists()
    with pytest.raises(JournalError, match="given twice"):
        run(options(a, copies=(b, tmp_path / "c" / ".." / "b")))
    run(options(a, copies=(b,)))
    for mine, other in ((a, b), (b, a)):
        with JournalLock(other), pytest.raises(InUse, match=f"{other} is in use"):
            run(options(mine, resume=True))
    b.rename(tmp_path / "away")
    with pytest.raises(JournalError, match="too few copies"):
        run(options(a, resume=True))
    assert not b.exists()
