"""A journal that another one continues, as those are told who keep state beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.journal.events import Point


@dataclass(frozen=True)
class Carried:
    """What those are given who keep state beside the journal that they must let go on."""

    old: Path
    new: Path
    config: Mapping[str, Any]
    """Of the new journal."""
    point: Point
    """The new core after the last command of the old journal."""


Follower = Callable[[Carried], str]
"""Writes the state with which somebody who follows the journal goes on; returns a note, or "".
Raises an ``OutcryError`` if the venue cannot be carried over because of it."""
