"""Contracts under hostile commands, looked at after each: a piece of what the long test runs."""

import pytest

from tests.support.risk.contract_loop import hostile_contracts


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_hostile_commands_create_nothing_and_liquidate_nobody_solvent(seed):
    """A margin of each lot, scenario margin, and that with collateral."""
    figures = hostile_contracts(20_000, seed)
    assert min(figures[name] for name in ("accepted", "called", "batches")) > 3, figures
