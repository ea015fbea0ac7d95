"""The gateway through the open ECP5 tools."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.fusesoc import environment


def fusesoc(folder, *arguments, root=ROOT / "gateway_fpga", **changed):
    """FuseSoC's end and what it said, run in the folder; ``changed`` are environment variables, one
    of None is taken out."""
    program = Path(sysconfig.get_path("scripts")) / "fusesoc"
    found = {name: text for name, text in (environment() | changed).items() if text is not None}
    done = subprocess.run(
        [program, "--cores-root", root, "run", *arguments, "openoutcry:gateway:outcry"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=found,
    )
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


BENCH = """import cocotb

@cocotb.test()
async def fails(dut):
    assert {fails} == 0
"""


def test_a_simulation_that_fails_or_never_starts_is_an_error(tmp_path):
    """FuseSoC ends with an error for a failed test, for cocotb that finds no Python, and for a
    bench that cannot be imported, whatever an earlier run has left; with a test that passes it
    does not."""
    root = tmp_path / "core"
    bench = root / "sim" / "bench_agents.py"
    shutil.copytree(ROOT / "gateway_fpga", root)
    sim = ("--target", "sim")
    bench.write_text(BENCH.format(fails=0))
    code, output = fusesoc(tmp_path, *sim, root=root)
    assert code == 0, output
    code, output = fusesoc(tmp_path, *sim, root=root, GPI_USERS=None)
    assert code != 0
    assert "outcry: GPI_USERS is not set" in output
    bench.write_text(BENCH.format(fails=1))
    code, output = fusesoc(tmp_path, *sim, root=root)
    assert code != 0
    assert "outcry: cocotb tests failed" in output
    bench.write_text("import a_module_that_nobody_has")
    assert fusesoc(tmp_path, *sim, root=root)[0] != 0


def test_the_printed_command_finds_its_tools(tmp_path):
    """docs/fpga.md prints the command for ``lint``; it runs in an environment whose PATH has no
    Verilator, and gives FuseSoC's status."""
    command = "python -m openoutcry.gateway_fpga.tools.fusesoc lint"
    assert f"    .venv/bin/{command}\n" in (ROOT / "docs" / "fpga.md").read_text()
    bare = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    run = [sys.executable, *command.split()[1:]]
    done = subprocess.run(run, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [*run[:-1], "nowhere"], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
