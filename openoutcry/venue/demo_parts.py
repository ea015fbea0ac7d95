"""The processes of a demonstration: commands of ours, each with a log in the folder."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openoutcry.venue.days import read_status
from openoutcry.wire.errors import OutcryError

WAIT_S, LOOK_S = 1_800.0, 0.05
"""A venue that is cold compiles its kernels first: minutes on a busy machine."""
OUTCRY = [sys.executable, "-m", "openoutcry"]


class Parts:
    """Runs the commands of a demonstration in ``folder``; what goes wrong is an error of ``kind``,
    a class of :class:`OutcryError`."""

    def __init__(self, folder: Path, kind: type[OutcryError] = OutcryError) -> None:
        self.folder, self.kind = folder, kind
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str, *words: str, fds: Sequence[int] = ()) -> None:
        """Start ``outcry WORDS``, whose output goes to ``NAME.log``; it inherits ``fds``.

        Control-C of the terminal does not reach it: :meth:`stop` ends the parts in order."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*OUTCRY, *words],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                pass_fds=tuple(fds),
                process_group=0,
            )

    def require_alive(self) -> None:
        """Raise the error of the kind for a part that has ended, with its log."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise self.kind(f"{name} ended: {(self.folder / f'{name}.log').read_text()}")

    def wait(self, what: str, true: Callable[[], Any]) -> Any:
        """Return what ``true`` returns once it is true.  Raises the error of the kind for a part
        that ends, or after WAIT_S."""
        until = time.monotonic() + WAIT_S
        while not (value := true()):
            self.require_alive()
            if time.monotonic() > until:
                raise self.kind(f"after {WAIT_S:.0f} s still not true: {what}")
            time.sleep(LOOK_S)
        return value

    def outcry(self, *words: str) -> str:
        """Run ``outcry WORDS`` to its end and return its output.  Raises the error of the kind."""
        done = subprocess.run(
            [*OUTCRY, *words], cwd=self.folder, capture_output=True, text=True, timeout=WAIT_S
        )
        if done.returncode:
            raise self.kind(f"outcry {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder that its owner alone may read, and return its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def stop(self) -> None:
        """End all parts, the last one first."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def is_trading(folder: Path) -> bool:
    """Return whether the venue of a folder is open, and in continuous trading."""
    status = read_status(folder / "journal")
    return (
        status is not None
        and status["state"] == "open"
        and set(status["phases"].values()) == {"CONTINUOUS"}
    )
