"""Every file of the RTL, and every agent and tool, names its licence where tools look for it."""

from tests import ROOT

FOLDERS = ("rtl", "formal", "sva", "board", "card", "sim", "live", "agents", "tools")
SOURCES = (".v", ".vh", ".sv", ".cpp", ".xdc", ".tcl", ".sh", ".lpf")
LINE = "SPDX-License-Identifier: Apache-2.0"


def test_every_source_names_its_licence() -> None:
    """In its first two lines; the Verilog headers that are generated, too."""
    folder = ROOT / "gateway_fpga"
    files = [path for name in FOLDERS for path in (folder / name).rglob("*")]
    chosen = [path for path in files if path.suffix in SOURCES]
    chosen += [path for name in ("agents", "tools") for path in (folder / name).glob("*.py")]
    chosen += [ROOT / "wire" / f"outcry_{name}.vh" for name in ("wire", "registers")]
    assert len(chosen) > 60
    without = [
        path.name for path in chosen if LINE not in "".join(path.read_text().splitlines()[:2])
    ]
    assert without == []
