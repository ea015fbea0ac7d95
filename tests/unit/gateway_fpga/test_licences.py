"""Every file of the gateway names its licence where tools look for it."""

from tests import ROOT

SOURCES = (".py", ".h", ".v", ".vh", ".sv", ".cpp", ".xdc", ".tcl", ".sh", ".lpf")
LINE = "SPDX-License-Identifier: Apache-2.0"


def test_every_source_names_its_licence() -> None:
    """In its first two lines."""
    chosen = [path for path in (ROOT / "gateway_fpga").rglob("*") if path.suffix in SOURCES]
    assert len(chosen) > 80
    without = [
        path.name for path in chosen if LINE not in "".join(path.read_text().splitlines()[:2])
    ]
    assert without == []
