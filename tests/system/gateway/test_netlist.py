"""The gateway's modules as gates and as an ECP5's cells, under their benches."""

import pytest

from tests.support.gateway_fpga.mutate import TARGETS, copy_sources
from tests.support.gateway_fpga.netlist import simulate_netlist, synthesised
from tests.support.gateway_fpga.simulate import simulate

SKID = TARGETS["outcry_skid"]
STATE = "    always @(posedge clk) begin\n        if (rst) begin\n"
ENDS = "                skid_valid <= 1'b1;\n            end\n"
TOGGLE = "    reg odd;\n    always @(posedge clk) odd <= odd ^ take;\n"
"""A flip-flop that no reset reaches, as somebody may forget one."""
LOSES = "            if (odd) out_valid <= 1'b0;\n"
"""What it then does in half of all devices."""


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("outcry_skid", "gates"),
        ("outcry_skid", "ecp5"),
        ("outcry_packet_fifo", "gates"),
        ("outcry_packet_fifo", "ecp5"),
        ("outcry_timestamp", "gates"),
        ("outcry_arbiter", "gates"),
        pytest.param("outcry_timestamp", "ecp5", marks=pytest.mark.long),
        pytest.param("outcry_arbiter", "ecp5", marks=pytest.mark.long),
    ],
)
def test_a_netlist_does_what_its_module_does(module, kind, tmp_path):
    """The tests that notice most pass, and no unknown bit reaches what they look at."""
    target = TARGETS[module]
    simulate_netlist(target, kind, tmp_path, target.quick)


def test_gates_show_an_unknown_bit_that_rtl_hides(tmp_path):
    """A beat is lost by a flip-flop that nothing resets: in RTL ``if (odd)`` is false as long as
    ``odd`` is unknown, so only the netlist's bench fails."""
    copy_sources(SKID, tmp_path)
    source = tmp_path / "outcry_skid.v"
    text = source.read_text()
    assert text.count(STATE) == text.count(ENDS) == 1
    source.write_text(text.replace(STATE, TOGGLE + STATE).replace(ENDS, ENDS + LOSES))

    def run(*sources):
        parameters = SKID.parameters if source in sources else {}
        options = {"sources": sources, "parameters": parameters, "tests": SKID.quick}
        simulate("icarus", SKID.module, SKID.bench, tmp_path, **options)

    run(source)
    with pytest.raises(AssertionError, match=r"Logic\('X'\)|non-0/1"):
        run(*synthesised(SKID, "gates", tmp_path))
