"""What the tests of core hooks in several tiers share."""

from typing import Any

import numpy as np
import pytest

from openoutcry.pipeline.run import run
from tests.support.pipeline import core_hooks as core

KEYS = ("commands", "events", "state_hash", "event_hash")


def commands(count: int = core.COMMANDS) -> Any:
    (orders,) = core.flow(count).chunks(count)
    orders["seq"] = np.arange(1, count + 1)
    return orders


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The flow inline, its journal, and what its replay says."""
    return run(core.options(tmp_path_factory.mktemp("inline") / "j", topology="inline"))


def same(result: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}
