"""bench/perf.py: what perf says is read, and a machine without it gets notes instead of figures."""

import shutil

import pytest

from openoutcry.bench import perf


@pytest.mark.long
@pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed")
def test_a_profiled_run_names_the_stage_loop():
    """perf finds the stage loop by its name, counts context switches for each process, and leaves
    no map file behind."""
    from openoutcry.pipeline.compile import compile_kernels

    compile_kernels(lambda label, done, total: None)
    profile = perf.profile()
    assert "run_stages" in {name for name, _ in profile["functions"]}
    assert all("context-switches" in row["counters"] for row in profile["processes"])
    assert "run_stages" in profile["flame"]
