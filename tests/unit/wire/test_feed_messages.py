"""The market-data messages: sizes as the specifications have them, and bytes that others made."""

from openoutcry.tape.itch import MESSAGE_TYPES
from openoutcry.wire import generate
from openoutcry.wire.feed_messages import GLIMPSE, ITCH50, PROTOCOLS

ADD = bytes.fromhex(
    "41 0d2f 0000 0a2a8a3b9aca 000000000000c0de 42 00000064 4141504c20202020 00165c1c"
)
"""A 36-byte add order: locate 3375, 100 AAPL to buy at 146.5372."""


def test_sizes_are_those_that_the_reader_of_recorded_files_knows():
    """Two tables, written apart: one for what comes in, one for what goes out."""
    ours = {one.kind.encode(): one.size_bytes for one in ITCH50.server}
    assert len(ours) == 20
    assert ours == {kind: MESSAGE_TYPES[kind].size_bytes for kind in ours}
    assert GLIMPSE.from_server("G").size_bytes == 21


def test_fields_stand_where_the_specification_has_them():
    layout = ITCH50.from_server("A")
    row = {
        "locate": 0x0D2F,
        "tracking": 0,
        "timestamp": 0x0A2A8A3B9ACA,
        "reference": 0xC0DE,
        "side": "B",
        "shares": 100,
        "stock": "AAPL    ",
        "price": 1_465_372,
    }
    assert layout.unpack(ADD) == row
    assert layout.pack(**row) == ADD
    assert layout.at.timestamp == 5
    assert ITCH50.from_server("P").at.match == 36
    assert ITCH50.from_server("I").at.cross_type == 48


def test_the_page_has_every_message():
    page = generate.messages_page("Market-data messages", PROTOCOLS)
    for protocol in PROTOCOLS:
        for one in protocol:
            name = one.name.replace("_", " ").replace("4 10", "4.10")
            assert f"| **{one.kind}: {name}** |" in page
            assert all(f"`{field.name}`" in page for field in one.fields)
