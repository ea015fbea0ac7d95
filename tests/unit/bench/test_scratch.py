"""A bench leaves nothing in the folder from which it is run, however it ends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from openoutcry.bench import operations, sessions
from openoutcry.bench.scratch import scratch_folder
from openoutcry.wire import OutcryError

NO_PID = 1 << 23
"""Above every process number of Linux."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ended_by(end: Callable[[], object]) -> None:
    with scratch_folder("kill") as folder:
        (folder / "journal").mkdir()
        end()


def test_a_folder_is_gone_after_an_error_and_after_sigterm() -> None:
    with pytest.raises(ZeroDivisionError):
        ended_by(lambda: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        ended_by(lambda: signal.raise_signal(signal.SIGTERM))
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert list(Path().iterdir()) == []


@pytest.mark.promise(
    "A bench that was killed leaves nothing for long, and one without its extra ends in one line",
    group="disasters",
)
def test_what_a_killed_bench_left_is_removed_by_the_next() -> None:
    """Only folders of the same subject, and of processes that have ended."""
    stale = Path(f".bench-kill-{NO_PID}-x")
    kept = [
        Path(f".bench-kill-{os.getpid()}-x"),
        Path(f".bench-risk-{NO_PID}-x"),
        Path(".bench-kill-mine"),
    ]
    for path in (stale, *kept):
        path.mkdir()
        (path / "file").touch()
    with scratch_folder("kill"):
        assert not stale.exists()
    assert all(path.is_dir() for path in kept)


@pytest.mark.promise(
    "A bench that was killed leaves nothing for long, and one without its extra ends in one line",
    group="disasters",
)
@pytest.mark.parametrize("bench", [sessions.bench_sessions, operations.bench_operations])
def test_a_missing_extra_is_said_in_one_line_before_anything_is_done(
    bench: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*names: object) -> None:
        raise OutcryError("passwords need argon2-cffi: pip install 'openoutcry[venue]'")

    monkeypatch.setattr(sessions, "password_hasher", missing)
    monkeypatch.setattr(operations, "require_console", missing)
    said: list[str] = []
    with pytest.raises(OutcryError, match="pip install"):
        bench(1, True, "command", said.append)  # type: ignore[operator]
    assert said == []
