"""bench/perf.py: what perf says is read, and a machine without it gets notes instead of figures."""

import subprocess
from contextlib import contextmanager

import pytest

from openoutcry.bench import perf

FAKE_PERF = """#!/bin/sh
case "$1 $2" in
"stat --topdown") echo "retiring 40.0%" > "$4" ;;
"c2c record") [ -z "$NO_C2C" ] || exit 129; touch "$4" ;;
"c2c report") echo "Shared Data Cache Line Table" ;;
esac
"""


@pytest.mark.parametrize("refused", [False, True])
def test_topdown_and_c2c_are_taken_where_the_counters_are(tmp_path, monkeypatch, refused):
    """What perf says is shown; what it refuses is a note.  (perf is a stand-in here: no machine of
    ours has these counters.)"""
    tool = tmp_path / "bin" / "perf"
    tool.parent.mkdir()
    tool.write_text(FAKE_PERF)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    monkeypatch.setenv("NO_C2C", "1" if refused else "")

    @contextmanager
    def attached(arguments):
        code = subprocess.run(arguments([11, 12])).returncode
        yield [[], code]

    monkeypatch.setattr(perf, "_attached", attached)
    outputs, notes = perf._deeper(tmp_path)
    assert "retiring" in outputs["perf stat --topdown"]
    assert ("perf c2c" in outputs) is not refused
    assert bool(notes) is refused
