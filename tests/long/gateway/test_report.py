"""The static report: what the RTL is made of, without running it."""

import pytest

from openoutcry.gateway_fpga.tools.report import FILES, TOP, depths, structure

NEVER = None
EXPECTED = {
    "outcry_skid": {"s_axis_tready": NEVER, "m_axis_tdata": 1, "m_axis_tvalid": NEVER},
    "outcry_timestamp": {"s_axis_tready": NEVER, "m_axis_tdata": 1, "m_axis_tvalid": NEVER},
    "outcry_arbiter": {"s_axis_tready": NEVER, "m_axis_tdata": 1, "m_axis_tvalid": NEVER},
    "outcry_packet_fifo": {"m_axis_tdata": 2, "m_axis_tvalid": NEVER},
    # Whether a frame is taken is what the parser reads from it, through all seven registers (its
    # bench asserts them); whether an order is left out of it is known one register earlier.
    "outcry_udp_parser": {"s_axis_tready": 5, "m_axis_tdata": 5, "m_axis_tvalid": 6},
    "outcry_validator": {"s_axis_tready": NEVER, "m_axis_tdata": 4, "m_axis_tvalid": NEVER},
}


@pytest.mark.parametrize("module", FILES)
def test_registers_from_data_to_each_output(module):
    """As many as the module's latency says; where data decides nothing, it does not arrive."""
    assert depths(module) == EXPECTED[module]


@pytest.mark.long
@pytest.mark.fpga
def test_no_latch_no_loop_no_loose_net():
    """In the whole design, flattened, by Yosys: half a minute; Verilator's warnings, below, are
    asked for the same each time."""
    assert structure(TOP) is None
