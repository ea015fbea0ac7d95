"""The conformance battery of Flash One's harness, and a hundred seeds, where the harness is.

OUTCRY_HARNESS names its folder, made (`make`), with at least one other engine's ``*_adapter.so`` in
it: docs/matcher-performance.md says how.
"""

import importlib.util
import os
from pathlib import Path

import pytest

from openoutcry.bench.harness import ONE_A_CALL, Harness, adapter, peers_in
from openoutcry.flow import FLOWS
from tests.support.bench.engine_abi import LoadedEngine, as_messages

VARIABLE = "OUTCRY_HARNESS"
FOLDER = Path(os.environ.get(VARIABLE, ""))
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        VARIABLE not in os.environ,
        reason=f"no harness: {VARIABLE} is not set to the folder of matching-engine-benchmark",
    ),
]
CASES, SEEDS, ORDERS = 34, 100, 10_000


@pytest.fixture(scope="module")
def engine() -> Path:
    return adapter(FOLDER.resolve())


@pytest.fixture(scope="module")
def peers() -> dict[str, Path]:
    found = peers_in(FOLDER.resolve(), None)
    assert found, f"{FOLDER}: no other engine's *_adapter.so to compare with"
    return found


def battery() -> dict[str, list[tuple[int, ...]]]:
    """The harness's cases: name, and rows of (type, side, ioc, quantity, order id, price)."""
    path = FOLDER / "scripts" / "conformance_check.py"
    spec = importlib.util.spec_from_file_location("conformance_check", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases: dict[str, list[tuple[int, ...]]] = module.EDGE_CASES
    return cases


def answers(path: Path, rows: list[tuple[int, ...]]) -> tuple[list[str], list[tuple[int, ...]]]:
    """The reports, and the book after each message: best prices, and the quantity of both sides at
    the message's price."""
    engine = LoadedEngine(path)
    states = []
    for message, row in zip(as_messages(rows), rows, strict=True):
        engine.give(message)
        price = row[-1]
        states.append((*engine.state(price, 0), engine.state(price, 1)[2]))
    engine.close()
    return engine.lines(), states


def test_every_case_of_the_battery(engine: Path, peers: dict[str, Path]) -> None:
    """All 34, with the state of the book after each message, as every other engine there has it."""
    cases = battery()
    assert len(cases) == CASES
    for name, rows in cases.items():
        ours = answers(engine, rows)
        for peer, path in peers.items():
            assert ours == answers(path, rows), f"{name}: not as {peer}"


@pytest.mark.parametrize("scenario", FLOWS)
def test_a_hundred_seeds_give_the_peers_reports(
    engine: Path, peers: dict[str, Path], scenario: str
) -> None:
    """One message a call and in batches; each seed makes a different workload."""
    name, peer = next(iter(peers.items()))
    for seed in range(1, SEEDS + 1):
        harness = Harness(FOLDER.resolve(), (-1, -1), ORDERS, seed)
        theirs = harness.run(peer, scenario).report_hash
        for environment in ((ONE_A_CALL,), ()):
            ours = harness.run(engine, scenario, environment).report_hash
            assert ours == theirs, f"{scenario}, seed {seed}: not as {name}"
        (FOLDER / f"orders_{scenario}_s{seed}_n{ORDERS}.bin").unlink()
