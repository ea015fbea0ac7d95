"""The port tables and timing diagrams of docs/fpga-ports.md, made from source."""

import re

import pytest

from openoutcry.gateway_fpga.tools.diagrams import Diagram, drawn
from openoutcry.gateway_fpga.tools.ports import MODULES, RTL, Row, markdown, rows_of

TEXT = """module small #(
    // Bits of a word.
    parameter WIDTH = 8
) (
    input  wire             clk,
    // What it counts
    // so far.
    output reg  [WIDTH-1:0] count,
    input  wire             go{end}
);
"""


def test_a_port_has_the_comment_before_it_or_after_it(tmp_path):
    """And the next one has it no more."""
    (tmp_path / "small.v").write_text(TEXT.format(end=" // a word"))
    assert rows_of("small", tmp_path) == [
        Row("WIDTH", "parameter", "8", "Bits of a word."),
        Row("clk", "input", "1", ""),
        Row("count", "output", "[WIDTH-1:0]", "What it counts so far."),
        Row("go", "input", "1", "a word"),
    ]


def test_a_line_that_is_neither_is_named(tmp_path):
    """No port is left out of a table without a word."""
    (tmp_path / "small.v").write_text(TEXT.format(end=", stop"))
    with pytest.raises(ValueError, match="small: 'input  wire             go, stop' is neither"):
        rows_of("small", tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_every_port_of_a_module_is_in_its_table(module):
    """As many as the source has lines that begin with a direction."""
    text = (RTL / f"{module}.v").read_text()
    ports = re.findall(r"^    (?:input|output) ", text, re.MULTILINE)
    rows = [row for row in rows_of(module) if row.kind != "parameter"]
    assert len(rows) == len(ports) == len({row.name for row in rows})


def test_the_signals_of_a_stream_or_window_are_one_row():
    """With each signal of a stream and its width; every other port has its own row."""
    page = markdown()
    for module in MODULES:
        lines = page.partition(f"### {module}\n")[2].partition("\n###")[0].splitlines()
        lines = [line for line in lines if line.startswith("| `")]
        bundles = set()
        for row in rows_of(module):
            bundle = re.match(r"[sm]_(axis|axil)_", row.name)
            if bundle is None:
                assert f"| `{row.name}` | {row.kind} |" in page
                continue
            bundles.add(bundle[0])
            (line,) = (one for one in lines if one.startswith(f"| `{bundle[0]}*` |"))
            signal = f"`{row.name.removeprefix(bundle[0])}` `{row.width}`"
            assert bundle[1] == "axil" or signal in line
            assert bundle[1] == "axil" or row.meaning in line
        others = [row for row in rows_of(module) if not row.name.startswith(tuple(bundles))]
        assert len(lines) == len(others) + len(bundles)


def test_a_diagram_draws_levels_edges_and_values():
    """Four characters a cycle; inputs first."""
    diagram = Diagram("one", "top", "", {"valid": "0110", "data": ".aab"}, {"ready": "1111"})
    assert drawn(diagram).splitlines() == [
        "cycle     0   1   2   3",
        "in  valid ____/‾‾‾‾‾‾‾\\___",
        "in  data      <=a===a=<=b=",
        "out ready ‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾",
    ]
    with pytest.raises(ValueError, match=r"signals of \[3, 4\] cycles"):
        Diagram("two", "top", "", {"valid": "0110"}, {"ready": "111"})
