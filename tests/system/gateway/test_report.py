"""The static report: what the RTL is made of, without running it."""

from openoutcry.gateway_fpga.tools.report import diagram, warnings

UNUSED = {
    "s_axil_araddr": "registers are words: the two low bits of an address say nothing",
    "s_axil_awaddr": "registers are words: the two low bits of an address say nothing",
    "s_axil_arprot": "AXI-Lite has it; nobody is protected from anybody here",
    "s_axil_awprot": "AXI-Lite has it; nobody is protected from anybody here",
    "head": "Ethernet addresses and fields of packets that nothing is decided by",
    "in_participant": "with 1,024 participants the upper bits only say that one is outside",
    "in_price": "the sign is looked at one rank later",
    "in_qty": "the sign is looked at one rank later",
    **dict.fromkeys(
        [f"lack{n}" for n in range(6)] + [f"low{n}" for n in range(4)],
        "a variable of the table's making, wider than what it holds",
    ),
    "b_order": "two fields of an order decide whether it is left out",
    "flips": "27 bits in lanes of 32",
    "quarters": "27 bits in lanes of 32",
    "read_reduce_only": "either value is right",
    "terms": "numbers of 14 or 16 bits in lanes of 32",
    "price_residue": "a sum of 18 bits in a lane of 32",
    "qty_residue": "a sum of 18 bits in a lane of 32",
    "lower": "only the borrow of the difference is wanted",
    "read_products": "the top two bits of a product of 63-bit numbers are 0",
    "read_status": "word 15, row_swap, cannot be read",
    "read_time": "62 bits of nanoseconds last until 2116",
    "row_time": "62 bits of nanoseconds last until 2116",
    "this_row": "bits that fill up a row's fields to whole bytes",
}


def test_every_warning_is_explained():
    """Nets without a use are those of the list above, and nothing else is warned about."""
    names = set()
    for warning in warnings():
        assert warning.startswith("UNUSEDSIGNAL "), warning
        names.add(warning.split("'")[1])
    assert names == set(UNUSED)


def test_diagram_shows_the_stream_through_every_stage():
    """Made from the source: wire to parser to arbiter to gateway to the ring."""
    text = diagram()
    for edge in (
        "s_axis_tdata -->|s_axis_tdata| timestamp",
        "timestamp -->|stamped_tdata| parser",
        "parser -->|parsed_tdata| arbiter",
        "arbiter -->|merged_tdata| gateway",
        "gateway --> m_axis_tdata",
    ):
        assert edge in text
