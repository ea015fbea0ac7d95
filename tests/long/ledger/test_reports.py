"""Reports of a ledger: at any sequence, from a checkpoint or the begin, in every format."""

import pytest

from tests.oracles.ledger_as_of import measured


@pytest.mark.long
def test_as_of_any_sequence_of_ten_million_commands(tmp_path):
    figures = measured(tmp_path / "day", 10_000_000)
    assert figures["commands"] > 10_000_000
    assert figures["checkpoints"] == 40
