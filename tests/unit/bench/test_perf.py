"""bench/perf.py: what perf says is read, and a machine without it gets notes instead of figures."""

import shutil
from collections import Counter

import numpy as np

from openoutcry.bench import perf
from openoutcry.bench.perf import code_size, events_here, flame_graph, folded, stat_rows
from openoutcry.runtime import loop
from openoutcry.wire.kernel import kernel

STAT = """front-11;211.57;msec;task-clock;211;100.00;0.2;CPUs utilized
front-11;85;;context-switches;211;100.00;;
front-11;<not supported>;;cycles;0;100.00;;
front-11;5;;minor-faults:u;211;100.00;;
back-12;7;;context-switches;211;100.00;;
"""
SCRIPT = """python    11   100.5:
\t        7fcf4 __vdso_clock_gettime+0x12 ([vdso])
\t        7fcc0 run_stages+0x400 (/tmp/perf-11.map)

python    11   100.6:
\t        7fcc0 run_stages+0x410 (/tmp/perf-11.map)

sleep    99   100.7:
\t        abc0 [unknown] ([kernel.kallsyms])
"""


def test_counters_are_read_by_thread():
    """Numbers by event; what the machine does not count is left out, not zero."""
    assert stat_rows(STAT) == {
        11: {"task-clock": 211.57, "context-switches": 85.0, "minor-faults": 5.0},
        12: {"context-switches": 7.0},
    }


def test_samples_become_stacks():
    """Outermost frame first, under the process they belong to."""
    assert folded(SCRIPT.splitlines(), {11: "front"}) == Counter(
        {
            ("front", "run_stages", "__vdso_clock_gettime"): 1,
            ("front", "run_stages"): 1,
            ("sleep", "[unknown]"): 1,
        }
    )


def test_the_flame_graph_gives_each_frame_its_share():
    """Half of the samples, half of the width; names are escaped."""
    text = str(flame_graph(Counter({("a", "<b>"): 3, ("a",): 3})))
    assert "<title>a 100.0 %</title>" in text
    assert "<title>&lt;b&gt; 50.0 %</title>" in text
    assert 'width="480.0"' in text


def test_a_machine_says_which_counters_it_has(monkeypatch):
    """With hardware counters they come first; without, only software events, with the reason."""
    monkeypatch.setattr(perf, "open_counter", lambda *event, in_kernel=False: None)
    events, description = events_here()
    assert "cycles" in events
    assert description.startswith("Hardware")

    def software_only(kind, number, in_kernel=False):
        return "No such file or directory" if kind == perf.HARDWARE else None

    monkeypatch.setattr(perf, "open_counter", software_only)
    events, description = events_here()
    assert "cycles" not in events
    assert "task-clock" in events
    assert "No such file" in description


def test_events_of_the_kernel_are_not_promised_to_whom_it_is_closed(monkeypatch):
    """At perf_event_paranoid 2 without rights a count of switches would be 0, whatever happened."""

    def own_code_only(kind, number, in_kernel=False):
        return "Permission denied" if in_kernel else None

    monkeypatch.setattr(perf, "open_counter", own_code_only)
    events, description = events_here()
    assert {"cycles", "task-clock", "minor-faults"} <= set(events)
    assert not {"context-switches", "cpu-migrations"} & set(events)
    assert "closed to us (Permission denied)" in description


def test_where_no_event_counts_none_is_promised(monkeypatch):
    """A seccomp filter refuses software events too: no figures, no run, one note with why."""
    monkeypatch.setattr(perf, "open_counter", lambda *event: "Operation not permitted")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/perf")
    monkeypatch.setattr(perf, "run", None)
    profile = perf.profile()
    assert profile["notes"] == [profile["kind"]]
    assert profile["kind"].startswith("No events")
    assert "Operation not permitted" in profile["kind"]
    assert (profile["processes"], profile["functions"], profile["flame"]) == ([], [], "")


def test_without_perf_there_are_notes_and_no_figures(monkeypatch):
    """Nothing fails and nothing is made up."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    profile = perf.profile()
    assert profile["notes"] == ["perf is not installed: sudo apt-get install linux-perf"]
    assert (profile["processes"], profile["functions"], profile["flame"]) == ([], [], "")


def test_compiled_kernels_have_an_address_a_size_and_a_name(tmp_path, monkeypatch):
    """The map that perf reads names a kernel at the address its code has."""

    @kernel
    def named(a):
        return a + 1

    assert named(1) == 2
    monkeypatch.setattr(loop, "named", named, raising=False)
    (symbol,) = [row for row in perf.kernel_symbols() if row[2] == "named"]
    (compiled,) = named.overloads.values()
    assert symbol[0] == compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    assert 0 < code_size(compiled.library) < 1 << 20
    monkeypatch.setattr(perf, "map_path", lambda pid: tmp_path / f"perf-{pid}.map")
    lines = perf.write_map(1).read_text().splitlines()
    assert f"{symbol[0]:x} {symbol[1]:x} named" in lines
    assert np.all([len(line.split()) == 3 for line in lines])
