"""Waveforms on demand, as docs/gateway.md says."""

from tests.support.gateway_fpga.simulate import WAVEFORMS, simulate


def test_a_run_leaves_its_waveform(simulator, tmp_path, monkeypatch):
    """With WAVES=1 each simulator writes the signals of the run into a file, and it is noted to be
    printed."""
    monkeypatch.setenv("WAVES", "1")
    simulate(
        simulator,
        "outcry_skid",
        "bench_skid",
        tmp_path,
        parameters={"WIDTH": 8},
        tests=["full_throughput"],
    )
    waveform = WAVEFORMS.pop()
    assert waveform.parent == tmp_path
    assert waveform.stat().st_size > 500
