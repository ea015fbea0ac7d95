"""What the tests of kills in several tiers share."""

from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.deaths import Death
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run

ORDERS, SEED = 4_000, 9


def options(orders: int = ORDERS, **more: Any) -> Options:
    return Options(
        source=GeneratedFlow("normal", orders, SEED), orders=orders, seed=SEED,
        housekeeping_cores=0, order_capacity=1 << 14, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """The same orders inline, without a death."""
    return run(options(topology="inline", durability="none"))


def check_same(result: dict[str, Any], undisturbed: dict[str, Any], context: object) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], f"{context}: {key}"
    assert (result["lost"], result["duplicated"]) == (0, 0), context
    if result["journal"]:
        assert result["replay"]["equal"] is True, context


def run_with(deaths: tuple[Death, ...], wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Run with these deaths: each happens, once, and the result is the wanted one."""
    result = run(options(deaths=deaths, **more))
    check_same(result, wanted, deaths)
    assert len(result["restarts"]) == len(deaths), deaths
    assert all(row["why"] == "killed by SIGKILL" for row in result["restarts"]), deaths
    return result
