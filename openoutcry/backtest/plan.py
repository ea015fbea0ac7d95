"""What is to be run: days x strategies x parameters x latencies, cut into tasks."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from openoutcry.backtest.inputs import hashes_of
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.routed import RoutedStrategy, is_routed, load_routed_strategy
from openoutcry.backtest.run import Terms
from openoutcry.backtest.strategy import Strategy, load_strategy
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import BacktestError

INPUTS = "inputs"
"""In plan.json: hash of each file that the plan reads."""
RUNS_A_TASK = 16
"""Runs over the same day that one task makes; fixed, so that a task is the same on every
machine."""


@dataclass(frozen=True)
class Wanted:
    """One run of a day: number in the day, strategy, parameters, latency."""

    run: int
    strategy: str
    parameters: Mapping[str, int]
    latency: str


@dataclass(frozen=True)
class Task:
    """A part of the runs of one day."""

    day: int
    part: int

    @property
    def name(self) -> str:
        """Its name, by which tasks sort as they are planned."""
        return f"day{self.day:05d}-part{self.part:04d}"


@dataclass(frozen=True)
class Plan:
    """Days, strategies and latencies as they are written on the command line."""

    days: tuple[str, ...]
    strategies: tuple[str, ...]
    parameters: Mapping[str, tuple[int, ...]]
    """Values of each parameter; every combination is run."""
    latencies: tuple[str, ...] = ("constant:0:0",)
    seed: int = 1
    maker_fee: int = 0
    taker_fee: int = 0
    limits: tuple[Mapping[str, Any], ...] = ()

    @property
    def terms(self) -> Terms:
        """The fees and limits of the strategy's orders."""
        return Terms(self.maker_fee, self.taker_fee, self.limits)

    def runs(self) -> list[Wanted]:
        """The runs of one day, the same for each."""
        names = list(self.parameters)
        grid = [
            dict(zip(names, values, strict=True))
            for values in product(*(self.parameters[name] for name in names))
        ]
        combinations = product(self.strategies, grid, self.latencies)
        return [Wanted(number, *one) for number, one in enumerate(combinations)]

    def runs_of(self, task: Task) -> list[Wanted]:
        """Return the runs of a task."""
        first = task.part * RUNS_A_TASK
        return self.runs()[first : first + RUNS_A_TASK]

    def tasks_of(self, day: int) -> list[Task]:
        """Return the tasks into which a day's runs are divided."""
        return [Task(day, part) for part in range(-(-len(self.runs()) // RUNS_A_TASK))]

    def seed_of(self, day: int, wanted: Wanted) -> int:
        """Return the seed of this run's latencies; it depends only on the plan."""
        text = f"{self.seed} {self.days[day]} {wanted.latency}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1

    def check(self) -> None:
        """Raise :class:`BacktestError` now for what every run would."""
        if not self.days:
            raise BacktestError("a backtest needs a day")
        _ = self.terms
        for text in self.latencies:
            parse_latency(text)
        for load in dict.fromkeys(loader(day) for day in self.days):
            for wanted in self.runs():
                load(wanted.strategy).check(wanted.parameters)

    def as_json(self) -> str:
        """The plan as a JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def loader(day: str) -> Callable[[str], Strategy | RoutedStrategy]:
    """Return what loads a strategy of a day: one of several venues needs another kind."""
    return load_routed_strategy if is_routed(day) else load_strategy


def read_plan(folder: Path) -> Plan:
    """The plan of a folder of results.  Raises :class:`BacktestError` without one."""
    try:
        fields = json.loads((folder / "plan.json").read_text())
        if isinstance(fields, dict):
            fields.pop(INPUTS, None)
    except (OSError, json.JSONDecodeError) as error:
        raise BacktestError(f"{folder} has no plan of a backtest: {error}") from error
    try:
        for name in ("days", "strategies", "latencies", "limits"):
            fields[name] = tuple(fields[name])
        fields["parameters"] = {name: tuple(row) for name, row in fields["parameters"].items()}
        return Plan(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise BacktestError(f"{folder} has no plan of a backtest in plan.json: {error}") from None


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write the plan into a new folder, with the hashes of the files that it reads; of a folder
    that has one, see that it is this one.

    Raises :class:`BacktestError` if the folder holds the results of another, or of other files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inputs = hashes_of(plan.days, plan.strategies, plan.latencies)
    path = folder / "plan.json"
    if not path.exists():
        document = json.loads(plan.as_json()) | {INPUTS: inputs}
        write_atomically(path, json.dumps(document, indent=1, sort_keys=True) + "\n")
        return
    if read_plan(folder).as_json() != plan.as_json():
        raise BacktestError(f"{folder} holds the results of another plan: plan.json says which")
    before = json.loads(path.read_text()).get(INPUTS, {})
    for name in sorted(before.keys() | inputs.keys()):
        if before.get(name) != inputs.get(name):
            raise BacktestError(
                f"{folder} holds the results of another {name}, which has changed since: give "
                "another --out"
            )


def path_of(where: str) -> str:
    """A strategy's file as every worker can find it."""
    file, colon, name = where.rpartition(":")
    return f"{Path(file).resolve()}{colon}{name}" if file.endswith(".py") else where


def parse_parameters(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """``NAME=VALUE,VALUE,…`` or ``NAME=FIRST..LAST``.  Raises :class:`BacktestError`."""
    parameters = {}
    for text in texts:
        name, _, values = text.partition("=")
        try:
            first, dots, last = values.partition("..")
            row = range(int(first), int(last) + 1) if dots else map(int, values.split(","))
            parameters[name] = tuple(row)
        except ValueError:
            raise BacktestError(
                f"parameter {text!r} is not NAME=VALUE,… in whole numbers"
            ) from None
        if not parameters[name]:
            raise BacktestError(f"parameter {text!r} has no value")
    return parameters
