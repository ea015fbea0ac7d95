"""What every gateway test shares."""

from typing import Any

from simulate import SIMULATORS, WAVEFORMS


def pytest_generate_tests(metafunc: Any) -> None:
    """A test that asks for ``simulator``, and does not say which, runs once on each."""
    marked = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "simulator" in metafunc.fixturenames and not any("simulator" in names for names in marked):
        metafunc.parametrize("simulator", SIMULATORS)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for path in WAVEFORMS:
        terminalreporter.write_line(f"waveform: {path}")
