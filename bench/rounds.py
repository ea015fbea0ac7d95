"""Interleaved rounds: every figure once a round, noisy rounds repeated, an interruption survived.

A round that a hypervisor or other people's work disturbed beyond a bound is measured again, a
bounded number of times. What was seen is written into the document; nothing is hidden. Control-C
ends the measuring, not the result: whole rounds are kept and the document is marked.
"""

import os
import queue
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from openoutcry.bench.own_processes import OwnProcesses
from openoutcry.bench.results import Document, Result, document, missing, summarise
from openoutcry.host.processes import handling

STEAL_BOUND = 0.02
"""Share of the cores' time taken by the hypervisor above which a round is noisy."""
OTHERS_BOUND = 0.10
"""Share of the cores' time used by processes that are not ours, above which a round is noisy."""

MIGRATIONS_BOUND = 20.0
"""Moves of this process from core to core, a second, above which a round is noisy."""
MIGRATIONS = re.compile(r"^se\.nr_migrations\s*:\s*(\d+)", re.M)

LONG_S = 10.0
"""More than so much time left is said."""

T = TypeVar("T")
Add = Callable[..., None]
Figures = dict[tuple[str, str, str], dict[str, float]]


@dataclass
class Noise:
    """Disturbances of a stretch of time: shares of all cores' time, and our own moves from core to
    core a second (None: not known)."""

    steal: float | None
    others: float | None
    migrations_per_s: float | None = None

    @property
    def too_much(self) -> bool:
        """Return whether any of them is above its bound."""
        return (
            (self.steal or 0.0) > STEAL_BOUND
            or (self.others or 0.0) > OTHERS_BOUND
            or (self.migrations_per_s or 0.0) > MIGRATIONS_BOUND
        )


class NoiseWatch:
    """Reads the kernel's accounts at its making and at each look; intervals of some tenths of a
    second and more (the accounts are kept in hundredths)."""

    def __init__(self, stat: str = "/proc/stat") -> None:
        self.stat, self.own = stat, OwnProcesses()
        self.last = self._read()
        self.moved = self._moves()

    def poll(self) -> Noise:
        """The noise since the last look."""
        before, self.last = self.last, self._read()
        moves = self._moved()
        if before is None or self.last is None:
            return Noise(None, None)
        passed, stolen, busy, ours = (b - a for a, b in zip(before, self.last, strict=True))
        if passed <= 0:
            return Noise(0.0, 0.0)
        return Noise(max(0.0, stolen / passed), max(0.0, (busy - ours) / passed), moves)

    def _moved(self) -> float | None:
        """Moves a second since the last look."""
        (count, at), self.moved = self.moved, self._moves()
        if count is None or self.moved[0] is None:
            return None
        return (self.moved[0] - count) / max(self.moved[1] - at, 1e-3)

    @staticmethod
    def _moves() -> tuple[int | None, float]:
        """Return how often this process has moved, where the kernel counts it, and the time."""
        try:
            match = MIGRATIONS.search(Path("/proc/self/sched").read_text())
        except OSError:
            match = None
        return (int(match[1]) if match else None), time.monotonic()

    def _read(self) -> tuple[float, float, float, float] | None:
        """All cores' seconds: passed, stolen, busy, and those of our processes."""
        try:
            words = Path(self.stat).read_text().split("\n")[0].split()[1:9]
        except OSError:
            return None
        if len(words) < 8:
            return None
        second = os.sysconf("SC_CLK_TCK")
        user, nice, system, idle, wait, hard, soft, stolen = (int(word) / second for word in words)
        busy = user + nice + system + hard + soft
        return busy + idle + wait + stolen, stolen, busy, self.own.seconds()


@dataclass
class Rounds:
    """Gathers the figures of a subject's rounds and sums them up."""

    count: int
    progress: Callable[[str], None] = lambda text: None
    figures: dict[tuple[str, str, str], dict[str, list[float]]] = field(default_factory=dict)
    missing: list[dict[str, str]] = field(default_factory=list)
    partial: str | None = None
    repeated: int = 0
    noises: list[Noise] = field(default_factory=list)
    watch: Callable[[], NoiseWatch] = NoiseWatch

    def run(self, one: Callable[[int, Add], None]) -> None:
        """Call ``one(number, add)`` for each round; ``add(name, unit, better, value, who="ours")``.

        A noisy round is taken again, at most ``count // 2`` times in all. KeyboardInterrupt, or a
        failure of the system or of a program that was started, drops that round and ends the
        rounds; before the first whole one it is passed on. What :class:`OutcryError` says (a
        message lost, two ways that disagree) is always passed on: no figure is reported with it.
        """
        watch = self.watch()
        done, began_s = 0, time.monotonic()
        try:
            with terminable() as came, watch.own.watching():
                while done < self.count and not came:
                    self.progress(self._next(done, time.monotonic() - began_s))
                    done += self._attempt(one, done, watch)
            if came:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not done:
                raise
            self.partial = f"interrupted in round {done + 1} of {self.count}"
        except (OSError, subprocess.SubprocessError, queue.Empty) as error:
            if not done:
                raise
            why = str(error) or type(error).__name__
            self.partial = f"failed in round {done + 1} of {self.count}: {why}"

    def _next(self, done: int, elapsed_s: float) -> str:
        """Return which round begins, and how long it and the later ones will take if that is more
        than ten seconds."""
        text = f"round {done + 1} of {self.count}"
        tries = done + self.repeated
        left_s = elapsed_s / tries * (self.count - done) if tries else 0.0
        if left_s <= LONG_S:
            return text
        left = f"{left_s:.0f} s" if left_s < 120 else f"{left_s / 60:.0f} min"
        return f"{text}, about {left} left"

    def _attempt(self, one: Callable[[int, Add], None], number: int, watch: NoiseWatch) -> bool:
        """One try at a round; whether its figures are kept."""
        figures = _one_round(one, number)
        noise = watch.poll()
        if noise.too_much and self.repeated < self.count // 2:
            self.repeated += 1
            self.progress(f"round {number + 1} was noisy ({_share(noise)}): repeating it")
            return False
        self.noises.append(noise)
        self._keep(figures)
        return True

    def _keep(self, figures: Figures) -> None:
        for key, by_whom in figures.items():
            for who, value in by_whom.items():
                self.figures.setdefault(key, {}).setdefault(who, []).append(value)

    def miss(self, name: str, why: str) -> None:
        """Name a figure that cannot be taken, once."""
        entry = missing(name, why)
        if entry not in self.missing:
            self.missing.append(entry)

    def results(self) -> list[Result]:
        """Every figure; one that some rounds could not give is not missing."""
        names = {name for name, _, _ in self.figures}
        self.missing[:] = [entry for entry in self.missing if entry["name"] not in names]
        rows = []
        for (name, unit, better), by_whom in self.figures.items():
            peers = {who: values for who, values in by_whom.items() if who != "ours"}
            rows.append(summarise(name, unit, better, by_whom["ours"], peers))
        return rows

    def document(
        self, subject: str, command: str, details: Mapping[str, Any] | None = None
    ) -> Document:
        """The result document of these rounds."""
        # The results first: what has a figure is taken off the missing.
        results = self.results()
        return document(
            subject, results, self.missing, command, conditions=self.conditions(), details=details
        )

    def conditions(self) -> dict[str, Any]:
        """Return the conditions that the document records in addition to the figures: ``noise``
        always, ``partial`` if it is so."""
        seen = {
            "steal": [noise.steal for noise in self.noises],
            "others": [noise.others for noise in self.noises],
            "migrations_per_s": [noise.migrations_per_s for noise in self.noises],
            "rounds_repeated": self.repeated,
            "noisy_rounds_kept": sum(noise.too_much for noise in self.noises),
        }
        return {"noise": seen} | ({"partial": self.partial} if self.partial else {})


def rotated(everybody: Sequence[T], number: int) -> list[T]:
    """All of them, beginning with another one each round."""
    start = number % len(everybody)
    return [*everybody[start:], *everybody[:start]]


def _one_round(one: Callable[[int, Add], None], number: int) -> Figures:
    figures: Figures = {}

    def add(name: str, unit: str, better: str, value: float, who: str = "ours") -> None:
        figures.setdefault((name, unit, better), {})[who] = value

    one(number, add)
    return figures


def _share(noise: Noise) -> str:
    parts = []
    if (noise.steal or 0.0) > STEAL_BOUND:
        parts.append(f"{noise.steal:.0%} stolen")
    if (noise.others or 0.0) > OTHERS_BOUND:
        parts.append(f"{noise.others:.0%} used by others")
    if (noise.migrations_per_s or 0.0) > MIGRATIONS_BOUND:
        parts.append(f"moved {noise.migrations_per_s:.0f} times a second")
    return ", ".join(parts)


@contextmanager
def terminable() -> Iterator[list[int]]:
    """SIGTERM ends a measurement as Control-C does: by every clean-up there is.

    Yields the signals that came. The exception is lost where one comes inside a fork hook or a
    finaliser (Python prints "Exception ignored in" and continues); the list is not.
    """
    came: list[int] = []

    def leave(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    heeded = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    with handling(leave, *heeded):
        yield came
