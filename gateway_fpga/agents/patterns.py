# SPDX-License-Identifier: Apache-2.0
"""Idle and back-pressure patterns: when a source offers nothing and when a sink takes nothing."""

import itertools
import random
from collections.abc import Callable, Iterator

PATTERNS: dict[str, Callable[[random.Random], Iterator[bool]] | None] = {
    "never": None,
    "every_second": lambda _: itertools.cycle((True, False)),
    "mostly": lambda _: itertools.cycle((True, True, True, True, False)),
    "random": lambda dice: iter(lambda: dice.random() < 0.5, None),
    "bursts": lambda dice: (
        held for _ in itertools.count() for held in [dice.random() < 0.5] * dice.randint(1, 12)
    ),
}
"""True is a cycle in which the side holds back: no valid from a source, no ready from a sink."""


def pattern(name: str, seed: int) -> Iterator[bool] | None:
    """A fresh pattern for ``set_pause_generator``; None never holds back."""
    factory = PATTERNS[name]
    return factory(random.Random(seed)) if factory else None
