"""What every gateway test shares."""

from typing import Any

import pytest

from tests.support.gateway_fpga.simulate import SIMULATORS, WAVEFORMS

ON_EACH = ["icarus", pytest.param("verilator", marks=[pytest.mark.long, pytest.mark.fpga])]
"""`make test` runs on Icarus, `make fpga` on both: Verilator takes longer to build a model than the
bench takes to run."""
assert [ON_EACH[0], *ON_EACH[1].values] == list(SIMULATORS)


def pytest_generate_tests(metafunc: Any) -> None:
    """A test that asks for ``simulator``, and does not say which, runs once on each."""
    marked = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "simulator" in metafunc.fixturenames and not any("simulator" in names for names in marked):
        metafunc.parametrize("simulator", ON_EACH)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for path in WAVEFORMS:
        terminalreporter.write_line(f"waveform: {path}")
