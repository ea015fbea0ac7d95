"""Random histories on an EVM node; tests/support/custody/evm_histories.py runs a thousand."""

from collections.abc import Iterator

import pytest

from tests.support.custody.anvil import Anvil, anvil
from tests.support.custody.evm_histories import run

pytest.importorskip("coincurve", reason="custody's libraries are not installed")


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.mark.promise(
    "Through reorganisations to depth 10, replacements, double spends and kills at any statement, "
    "chain and core agree to the unit, and each withdrawal is paid once",
    group="custody",
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 4))]
)
def test_history(chain: Anvil, seed: int) -> None:
    run(chain, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_further_histories(chain: Anvil, seed: int) -> None:
    run(chain, seed)
