"""Choose the owner that gives way when all places of a kind are taken: the one that has most of
them."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

Waiting = TypeVar("Waiting")


def oldest_of_most(waiting: Mapping[Waiting, str]) -> Waiting:
    """Return the first of the owner that has most; ``waiting``: owners, the oldest first."""
    ((most, _),) = Counter(waiting.values()).most_common(1)
    return next(one for one, owner in waiting.items() if owner == most)
