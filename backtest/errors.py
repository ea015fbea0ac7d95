"""What can go wrong with a backtest, said so that somebody can do something about it."""

from importlib import import_module
from typing import Any

from openoutcry.wire.errors import OutcryError


class BacktestError(OutcryError):
    """A day, a strategy or a plan that cannot be run."""


def in_range(what: str, value: int, least: int, most: int) -> int:
    """The value.  Raises :class:`BacktestError`, which says ``what`` it is, out of these bounds."""
    if not least <= value <= most:
        raise BacktestError(f"{what} is {value}, not {least} to {most}")
    return value


def need(module: str) -> Any:
    """Import one of the extra's packages.  Raises :class:`BacktestError` in one line without it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise BacktestError(
            f"this needs the package {package}: pip install 'openoutcry[backtest]'"
        ) from None
