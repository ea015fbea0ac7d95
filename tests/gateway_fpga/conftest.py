"""What every gateway test shares."""

from typing import Any

from simulate import SIMULATORS, WAVEFORMS


def pytest_generate_tests(metafunc: Any) -> None:
    """A test that asks for ``simulator`` runs once on each."""
    if "simulator" in metafunc.fixturenames:
        metafunc.parametrize("simulator", SIMULATORS)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for path in WAVEFORMS:
        terminalreporter.write_line(f"waveform: {path}")
