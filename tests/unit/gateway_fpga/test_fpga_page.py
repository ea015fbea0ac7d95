"""docs/fpga.md says what was measured, and its table of reasons what the parser has."""

import re

import pytest

from openoutcry.gateway_fpga.tools.page import PAGE
from openoutcry.wire.registers import FRAME_OUTCOMES, PARSER_OUTCOMES
from tests.support.gateway_fpga.simulators import counts


def test_every_reason_of_the_parser_is_explained():
    """But those that docs/packets.md explains, each at its number."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    own = [n for n in range(len(FRAME_OUTCOMES)) if 0 < n < 12 or n >= len(PARSER_OUTCOMES)]
    assert rows == [(str(n), FRAME_OUTCOMES[n]) for n in own]


def test_runs_are_counted_by_bench_and_simulator(tmp_path):
    """What each simulator passed, and nothing of a run that did not."""
    case = '<testsuites><testsuite><testcase name="a"/><testcase name="b">{}</testcase>{}'
    end = "</testsuite></testsuites>"
    for name, text in [("icarus-1", ""), ("icarus-2", ""), ("verilator-1", "")]:
        (tmp_path / f"bench_x-{name}.xml").write_text(case.format(text, end))
    assert counts(tmp_path) == [
        {
            "bench": "bench_x",
            "runs": {"icarus": 2, "verilator": 1},
            "tests": {"icarus": 4, "verilator": 2},
        }
    ]
    (tmp_path / "bench_x-icarus-3.xml").write_text(case.format("<failure/>", end))
    with pytest.raises(ValueError, match=r"icarus-3\.xml: a test failed"):
        counts(tmp_path)
