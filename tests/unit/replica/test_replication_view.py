"""The console's view of replication over a real cluster of three nodes, with a real primary and a
hot standby, which takes over: the API, and what Chromium shows of it in both themes at 390 px and
at a desk's width.  Nodes that do not answer are stopped processes."""

from pathlib import Path

import pytest


@pytest.mark.parametrize("text", ["{", "[]", '{"role": 1, "lag_blocks": "x"}'])
def test_a_standbys_file_may_hold_anything(tmp_path: Path, text: str) -> None:
    from openoutcry.console.replication import standby_row

    assert standby_row(tmp_path) is None
    (tmp_path / "standby.json").write_text(text)
    row = standby_row(tmp_path)
    assert row is not None
    assert row["level"] is False
