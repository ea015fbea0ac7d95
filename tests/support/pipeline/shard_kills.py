"""Matchers of a run that die, one after the other."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.journal.replay import replay
from openoutcry.pipeline.run import run
from tests.support.deaths import drawn


def run_with_deaths(
    options: Callable[..., Any],
    is_same: Callable[[dict[str, Any]], None],
    commands: int,
    stages: tuple[str, ...],
    durability: str,
    folder: Path,
) -> None:
    """Run with a death of each stage at each place; ``options`` takes the journal and the deaths,
    ``is_same`` judges the result, and a replay of the journal its state."""
    journal = folder / "j" if durability == "durable" else None
    deaths = drawn(random.Random(durability), stages, commands)
    result = run(options(journal=journal, durability=durability, deaths=deaths))
    is_same(result)
    assert len(result["restarts"]) == len(deaths), deaths
    if journal is not None:
        assert replay(journal)["equal"] is True
