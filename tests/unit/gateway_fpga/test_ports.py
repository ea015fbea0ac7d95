"""The port tables and timing diagrams of docs/fpga-ports.md, made from source."""

import re

import pytest

from openoutcry.gateway_fpga.tools.diagrams import Diagram, drawn
from openoutcry.gateway_fpga.tools.ports import MODULES, RTL, Row, cells_of, markdown, rows_of

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


@pytest.mark.parametrize("module", MODULES)
def test_the_signals_of_a_stream_or_window_are_one_row(module):
    """With each signal of a stream and its width; every other port has its own row."""
    cells = {name: cell for name, *cell in cells_of(module)}
    expected = set()
    for row in rows_of(module):
        bundle = re.match(r"[sm]_(axis|axil)_", row.name)
        expected.add(f"`{bundle[0]}*`" if bundle else f"`{row.name}`")
        if bundle is None:
            assert cells[f"`{row.name}`"][0] == row.kind
        elif bundle[1] == "axis":
            _, signals, meaning = cells[f"`{bundle[0]}*`"]
            assert f"`{row.name.removeprefix(bundle[0])}` `{row.width}`" in signals
            assert row.meaning in meaning
    assert set(cells) == expected


def test_what_the_card_has_as_the_top_is_named_in_a_sentence():
    """And has no row of its own; every other port of it has."""
    section = markdown().partition("### outcry_card\n")[2].partition("\n###")[0]
    sentence, *lines = [line for line in section.splitlines() if line]
    assert sentence.startswith("As of `outcry_top`: `PORTS`, `DEPTH_LOG2`, ")
    for name, *_ in cells_of("outcry_card"):
        named = [line for line in lines if line.startswith("|") and name in line.split("|")[1]]
        assert (name in sentence) != bool(named), name
    assert any(line.startswith("| `rx_clk` |") for line in lines)


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
