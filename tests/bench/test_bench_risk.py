"""bench risk: from a kill to the last cancel's release, in a run of its own."""

import pytest

from openoutcry.bench.kill import kill_ms


@pytest.mark.parametrize("durable", [False, True])
def test_every_open_order_is_cancelled_and_released(durable, tmp_path, monkeypatch):
    """The figure is of a run that lost nothing and left nothing open: else it raises."""
    monkeypatch.chdir(tmp_path)
    assert kill_ms(durable, quick=True) > 0
    assert not list(tmp_path.iterdir())
