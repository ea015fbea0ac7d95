"""The demo names what it lacks before it starts anything."""

from types import SimpleNamespace

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


def test_it_says_what_is_compiled_before_it_starts_anything(monkeypatch, tmp_path):
    said = []

    class Stopped(demo.Demo):
        def _spawn(self, *command):
            raise CustodyError(f"{command[0]} would start after {len(said)} line")

    monkeypatch.setattr(demo, "missing_programs", list)
    monkeypatch.setattr(demo, "free_port", lambda: 1)
    monkeypatch.setattr(demo, "RegtestNode", lambda folder: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(demo, "Demo", Stopped)
    with pytest.raises(CustodyError, match="venue would start after 1 line"):
        demo.run(tmp_path, said.append)
    assert "compiles the kernels of gateway, matcher, risk checks and sessions" in said[0]
