"""The table of protocol messages: sizes as the specifications have them, text packed and unpacked,
and the generated page."""

import numpy as np
import pytest

from openoutcry.wire import generate, message, messages
from openoutcry.wire.messages import OPTIONS50, OUCH42, OUCH50, PROTOCOLS, SOUPBIN

SIZES = {
    OUCH42: (
        "O49 U47 X19 M20",
        "S10 A66 U80 C28 D37 E40 B32 J24 P23 I23 T36 M28 G45",
    ),
    OUCH50: (
        "O47 U40 X9 M10 C17 D9 E9 Q1",
        "S10 A64 U68 C18 D32 E36 B36 J29 P13 I13 T30 M18 R16 X25 G17 K17 Q13",
    ),
    SOUPBIN: ("L47 L52 U1 R1 O1 +1", "A31 J2 S1 H1 Z1 +1"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_sizes_are_those_of_the_specification(protocol):
    for side, expected in zip((protocol.client, protocol.server), SIZES[protocol], strict=True):
        assert " ".join(f"{m.kind}{m.size_bytes}" for m in side) == expected
        for one in side:
            assert one.dtype().itemsize == one.size_bytes
            assert one.offsets == one.at._asdict()


def test_numbers_are_big_endian_and_text_is_padded():
    enter = OUCH42.from_client("O")
    data = enter.pack(token="A1", shares=258, price=1)
    assert data[:15] == b"OA1            "
    assert data[enter.at.shares : enter.at.shares + 4] == bytes([0, 0, 1, 2])
    assert enter.unpack(data + b"more")["token"] == "A1            "
    login = SOUPBIN.from_client("L").pack(username="bob", sequence="42")
    assert login[:7] == b"Lbob   "
    assert login[-20:] == b"42".rjust(20)
    assert np.frombuffer(data, enter.dtype())["price"][0] == 1


def test_what_does_not_fit_or_is_unknown_is_an_error():
    enter = OUCH42.from_client("O")
    for fields, why in (
        ({"token": "A" * 15}, "token 'A{15}' has 15 characters; at most 14 fit"),
        ({"symbol": "\u00e9"}, "symbol '\u00e9' is not ASCII"),
        ({"shares": -1}, "shares -1 is not 0 to 4294967295"),
        ({"shares": 1 << 32}, "shares 4294967296 is not 0 to 4294967295"),
        ({"price": 1 << 32}, "price 4294967296 is not 0 to"),
    ):
        with pytest.raises(ValueError, match=why):
            enter.pack(**fields)
    with pytest.raises(AssertionError, match="enter_order has no field 'tokn'"):
        OUCH42.from_client("O").pack(tokn="A")


def test_the_page_has_every_message_and_option():
    page = generate.messages_page("Order-entry messages", PROTOCOLS, OPTIONS50)
    for protocol in PROTOCOLS:
        for one in protocol:
            name = one.name.replace("_", " ").replace("4 10", "4.10")
            assert f"| **{one.kind}: {name}** |" in page
            assert all(f"`{field.name}`" in page for field in one.fields)
    tags = [option.tag for option in OPTIONS50]
    assert len(tags) == len(set(tags))
    assert tags == sorted(tags)


def test_a_table_with_a_gap_is_refused():
    with pytest.raises(AssertionError, match="x: 2 of 3 bytes"):
        message.Message("x", "X", 3, "", (message.Field("a", "u8", ""),))
    assert messages.PACKET_LENGTH_BYTES == 2
