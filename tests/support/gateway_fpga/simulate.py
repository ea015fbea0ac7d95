"""Run a cocotb bench of tests/system/gateway on Icarus or Verilator: how all gateway benches run.

A bench is a module of ``@cocotb.test`` functions (``bench_x.py``) beside the pytest file that calls
:func:`simulate` (``test_x.py``).
"""

from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools import simulate as runner
from openoutcry.gateway_fpga.tools.simulate import RTL, SIMULATORS, WAVEFORMS, tools_on_path
from tests import ROOT

__all__ = ["BENCHES", "ROOT", "RTL", "SIMULATORS", "WAVEFORMS", "simulate", "tools_on_path"]

BENCHES = "tests.system.gateway"


def simulate(simulator: str, toplevel: str, bench: str, folder: Path, **options: Any) -> None:
    """``runner.simulate`` with the tests' benches by their short names, several with commas."""
    modules = ",".join(name if "." in name else f"{BENCHES}.{name}" for name in bench.split(","))
    runner.simulate(simulator, toplevel, modules, folder, **options)
