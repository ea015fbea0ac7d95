"""QuickFIX's 59 acceptance scripts for a FIX 4.4 acceptor all pass: over real sockets against a
real acceptor, and again without sockets by a clock that jumps, which is exact about heartbeats."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.oracles.fix_acceptor import conformance_acceptor
from tests.support.order_entry import fix_acceptance as shared
from tests.support.order_entry import fix_scripts
from tests.support.order_entry.fix_acceptance import SLOW, run_over_tcp

dictionary = shared.dictionary

pytest.importorskip(
    "quickfix", reason="PyPI's quickfix, which has the FIX 4.4 data dictionary, could not be built"
)


@pytest.mark.parametrize("path", fix_scripts.SCRIPTS, ids=lambda path: path.stem)
def test_script_passes_by_a_clock_that_jumps(path, dictionary):
    """No time passes but what the script waits for, so a heartbeat comes when it must."""
    fix_scripts.run(path, fix_scripts.InMemory(conformance_acceptor(dictionary)))


def test_scripts_pass_over_sockets(dictionary):
    """Each against an acceptor of its own that listens on a loopback port, and whose timers are
    slow, so that no heartbeat comes between where the machine is busy."""
    paths = [path for path in fix_scripts.SCRIPTS if path.name not in SLOW]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: run_over_tcp(path, dictionary, 8), paths)) == [None] * 57


def test_a_wrong_answer_fails_the_script(tmp_path, dictionary):
    """The judge itself: another text, a field too many, another order of fields."""
    good = (fix_scripts.HERE / "fix44" / "4b_ReceivedTestRequest.def").read_text()
    for wrong in (
        good.replace("E8=FIX.4.4\x019=59\x0135=0\x01", "E8=FIX.4.4\x019=58\x0135=0\x01"),
        good.replace("112=HELLO\x0110=0", "112=HALLO\x0110=0"),
        good.replace("112=HELLO\x0110=0", "112=HELLO\x01113=1\x0110=0"),
    ):
        assert wrong != good
        path = tmp_path / "wrong.def"
        path.write_text(wrong)
        with pytest.raises(fix_scripts.Mismatch, match=r"wrong.def:\d+: expected"):
            fix_scripts.run(path, fix_scripts.InMemory(conformance_acceptor(dictionary)))
