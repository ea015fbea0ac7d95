"""The demo names what it lacks before it starts anything."""

import pytest

from openoutcry.custody import demo
from openoutcry.custody.errors import CustodyError


def test_each_missing_program_has_a_line_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "litecoind", lambda: None)
    monkeypatch.setattr(demo, "SOFTHSM", tmp_path / "none.so")
    with pytest.raises(CustodyError) as error:
        demo.run(tmp_path, lambda text: None)
    assert str(error.value).splitlines() == [
        "Litecoin Core is not here: apt-get install litecoind",
        "SoftHSM is not here: apt-get install softhsm2",
    ]
    assert list(tmp_path.iterdir()) == []
