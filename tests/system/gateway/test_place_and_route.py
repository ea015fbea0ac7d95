"""The gateway through the open ECP5 tools."""

import os
import subprocess
import sysconfig
from pathlib import Path

import find_libpython
import pytest
from cocotb_tools.config import pygpi_entry_point

from openoutcry.gateway_fpga.tools.evidence import ROOT
from tests.support.gateway_fpga.simulate import tools_on_path


def fusesoc(folder, *arguments):
    """FuseSoC's end and what it said, run in the folder."""
    program = Path(sysconfig.get_path("scripts")) / "fusesoc"
    with tools_on_path():
        done = subprocess.run(
            [program, "--cores-root", ROOT, "run", *arguments, "openoutcry:gateway:outcry"],
            cwd=folder, capture_output=True, text=True, check=False,
            env={
                **os.environ,
                "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
                "GPI_USERS": f"{find_libpython.find_libpython()};{pygpi_entry_point()}",
            },
        )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("lint", []),
        ("ulx3s", ["--setup"]),
        ("ecp5", ["--setup"]),
        ("formal", ["--setup"]),
        ("vivado", ["--setup"]),
        pytest.param("sim", [], marks=pytest.mark.long),
    ],
)
def test_fusesoc_takes_the_core_file(tmp_path, target, steps):
    """FuseSoC lints the design with Verilator, simulates it with Icarus and cocotb, and lays out
    the builds for which there is no tool here, no warning."""
    code, output = fusesoc(tmp_path, *steps, "--target", target)
    assert code == 0, output
    assert "WARNING" not in output
    assert list(tmp_path.glob(f"build/*/{target}/Makefile"))
    if target == "sim":
        assert "FAIL=0" in output


def test_without_a_target_fusesoc_says_which_there_are(tmp_path):
    """And ends with an error."""
    code, output = fusesoc(tmp_path)
    assert code != 0
    assert "--target sim, lint, formal, ecp5, vivado or ulx3s" in output
