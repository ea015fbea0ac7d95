"""A strategy: three callbacks over arrays of int64, as numba kernels or as plain Python.

Each is called as ``(view, state, desk)`` (``layout.py`` has the words): what the market is, what
the strategy remembers, and its orders.  Its parameters are the first words of its state, in the
order in which they are named.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from openoutcry.backtest.callback import callback_address
from openoutcry.backtest.checked import check_kernels_of
from openoutcry.backtest.latency import in_range
from openoutcry.backtest.layout import LONGEST_NS, NEVER, NOTHING
from openoutcry.wire.errors import BacktestError

Words = npt.NDArray[np.int64]
Callback = Callable[[Words, Words, Words], Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Strategy:
    """A strategy to run. A callback that is not there is never called."""

    name: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Names and defaults."""
    state_words: int = 64
    on_book: Callback | None = None
    """The best prices or their quantities have changed (once a time stamp)."""
    on_event: Callback | None = None
    """An own order was accepted, filled, cancelled, rejected."""
    on_timer: Callback | None = None
    interval_ns: int = 0
    """Interval of the timer; a parameter named ``interval_ns`` takes precedence."""

    def state(self, given: Mapping[str, int]) -> Words:
        """A new state with these parameters.  Raises :class:`BacktestError` for an unknown one, and
        for one that is not an int64."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise BacktestError(f"{self.name} has no parameter {unknown[0]!r}: it has {known}")
        values = [int(given.get(name, value)) for name, value in self.parameters.items()]
        if len(values) > self.state_words:
            raise BacktestError(f"{self.name}: {len(values)} parameters, {self.state_words} words")
        for name, value in zip(self.parameters, values, strict=True):
            in_range(f"{self.name}: parameter {name}", value, NOTHING, NEVER)
        state = np.zeros(self.state_words, np.int64)
        state[: len(values)] = values
        return state

    def check(self, parameters: Mapping[str, int]) -> None:
        """Raise :class:`BacktestError` for parameters that it cannot run with."""
        self.state(parameters)
        self.interval(parameters)

    def interval(self, given: Mapping[str, int]) -> int:
        """ns between two timers; 0: none."""
        own = self.parameters.get("interval_ns", self.interval_ns)
        value = int(given.get("interval_ns", own)) if "interval_ns" in self.parameters else own
        if value < 0 or (self.on_timer is not None and value == 0):
            raise BacktestError(f"{self.name}: on_timer needs an interval of 1 ns or more")
        in_range(f"{self.name}: interval_ns", value, 0, LONGEST_NS)
        return value if self.on_timer is not None else 0

    def addresses(self) -> list[int]:
        """Return the addresses of ``on_book``, ``on_event`` and ``on_timer`` that the driver calls:
        0 for none, 1 for a callback that Python calls. Raises :class:`BacktestError` for a mixture,
        and for a kernel that does not compile.
        """
        from openoutcry.backtest.layout import IN_PYTHON

        given = (self.on_book, self.on_event, self.on_timer)
        compiled = [hasattr(one, "py_func") for one in given if one is not None]
        if not compiled:
            raise BacktestError(f"{self.name} has no callback")
        if any(compiled) and not all(compiled):
            raise BacktestError(f"{self.name}: its callbacks are all kernels, or all plain Python")
        for one in given if not compiled[0] else ():
            if isinstance(one, FunctionType):
                check_kernels_of(one)
        try:
            return [
                0 if one is None else callback_address(one) if compiled[0] else IN_PYTHON
                for one in given
            ]
        except NumbaError as error:
            raise BacktestError(f"strategy {self.name} does not compile: {error}") from error

    def in_python(self) -> "Strategy":
        """The same as plain Python: what its kernels were compiled from."""
        plain = {
            name: getattr(getattr(self, name), "py_func", getattr(self, name))
            for name in ("on_book", "on_event", "on_timer")
        }
        return Strategy(
            self.name, self.parameters, self.state_words, **plain, interval_ns=self.interval_ns
        )


def load_strategy(text: str) -> Strategy:
    """``FILE.py:NAME`` or ``MODULE:NAME``; without a module one of ``strategies.py``.

    Raises :class:`BacktestError` without one.
    """
    return load_named(text, Strategy, "openoutcry.backtest.strategies")


def load_named(text: str, kind: type[Kind], ours: str) -> Kind:
    """The strategy of a kind that ``text`` names; without a module one of the module ``ours``.
    Raises :class:`BacktestError`."""
    where, _, name = text.rpartition(":")
    try:
        module = _module(where, ours)
    except (ImportError, OSError, SyntaxError) as error:
        raise BacktestError(f"strategy {text!r}: {error}") from error
    strategy = getattr(module, name, None)
    if not isinstance(strategy, kind):
        have = [key for key, value in vars(module).items() if isinstance(value, kind)]
        raise BacktestError(
            f"{where or 'openoutcry'} has no strategy {name!r}: it has {', '.join(have) or 'none'}"
        )
    return strategy


def _module(where: str, ours: str) -> ModuleType:
    if not where:
        return import_module(ours)
    if not where.endswith(".py"):
        return import_module(where)
    path = Path(where).resolve()
    name = f"outcry_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
