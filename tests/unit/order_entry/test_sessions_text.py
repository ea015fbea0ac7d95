"""What a participant names is printable ASCII, or refused by the protocol's own reject: nothing
else reaches the journal over FIX, and over OUCH no order of such a name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.fix.instructions import FIELDS_44, NOT_OF_AF, tags_of
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.messages import OUCH50 as OUCH50_MESSAGES
from openoutcry.wire.printable import is_printable
from tests.support.venue.inline import InlineVenue

FIX, FIX42, OUCH42, OUCH50 = (
    int(p) for p in (Protocol.FIX44, Protocol.FIX42, Protocol.OUCH42, Protocol.OUCH50)
)
ENTER = next(message for message in OUCH50_MESSAGES.client if message.kind == "O").at
HOSTILE = ["\x1b[2J", "\x00", "\x7f", "\x80", "é", "\xff\xfe", "a\tb", "a\r\nb", "\x9b31m"]


@given(st.binary(min_size=0, max_size=40))
def test_printable_is_the_range_from_the_space_to_the_tilde(text):
    data = np.frombuffer(b"\x00" + text + b"\x00", np.uint8)
    assert bool(is_printable(data.ctypes.data + 1, len(text))) == all(32 <= b <= 126 for b in text)


def firm(protocol):
    return {"name": "FIRM", "participant": 1, "protocol": protocol}


ORDER = {"11": "C", "54": "1", "38": "1", "40": "2", "44": "1.00", "55": "ACME"}


def order_fields(venue, **changed):
    fields = ORDER | {"60": "20260102-10:00:00"} | {tag[1:]: text for tag, text in changed.items()}
    return tuple((int(tag), text) for tag, text in fields.items())


FIELDS = [
    ("D", "t11"),
    ("D", "t1"),
    ("D", "t55"),
    ("F", "t41"),
    ("F", "t11"),
    ("G", "t41"),
    ("H", "t11"),
    ("H", "t55"),
    ("q", "t11"),
    ("q", "t55"),
    ("AF", "t584"),
    ("1", "t112"),
]


@pytest.mark.parametrize(("kind", "tag"), FIELDS)
def test_fix_rejects_what_is_no_text(kind, tag, tmp_path):
    """By a Reject with 373=6 that names the tag; nothing is journaled."""
    with InlineVenue([firm(FIX)], tmp_path / "journal") as venue:
        client = venue.fix("FIRM")
        before = len(venue.commands())
        for text in HOSTILE:
            common = {"t530": "1"} if kind == "q" else {"t585": "7"} if kind == "AF" else {}
            common |= {"t41": "B"} if kind in "FG" else {}
            fields = order_fields(venue, **(common | {tag: text}))
            theirs = tags_of(FIELDS_44[kind]) if kind in FIELDS_44 else {112}
            theirs -= NOT_OF_AF if kind == "AF" else set()
            client._send(kind, tuple(pair for pair in fields if pair[0] in theirs))
            answer = client.next(0)
            assert (answer.kind, answer[371], answer[373]) == ("3", tag[1:], "6"), text
        assert len(venue.commands()) == before


def test_a_long_symbol_that_is_text_is_an_unknown_one():
    with InlineVenue([firm(FIX)]) as venue:
        client = venue.fix("FIRM")
        client._send("D", order_fields(venue, t55="NO SUCH SYMBOL"))
        answer = client.next(0)
        assert (answer.kind, answer[103]) == ("8", "1")


def replaced(packet, at, text):
    raw = bytearray(packet)
    raw[at : at + len(text)] = text
    return bytes(raw)


def packed(client, method, *arguments, **fields):
    sent = []
    client.send = sent.append
    getattr(client, method)(*arguments, **fields)
    del client.send
    return sent[0]


@pytest.mark.parametrize("at", [1, 14, 36, 39])
@pytest.mark.parametrize("text", [b"\x1b", b"\x80", b"\x00", b"\x7f"])
def test_ouch_42_rejects_a_token_or_a_firm_that_is_no_text(at, text):
    with InlineVenue([firm(OUCH42)]) as venue:
        client = venue.client("FIRM")
        order = packed(client, "enter", "A1", "B", 1, price=10_000)
        client.socket.sendall(soupbin.packet("U", replaced(order, at, text)))
        assert client.message()[0] == "J"
        client.socket.sendall(soupbin.packet("U", order))
        assert client.message()[0] == "A"


@pytest.mark.parametrize("text", [b"\x1b", b"\x80", b"\x00", b"\x7f"])
def test_ouch_50_rejects_a_clordid_that_is_no_text(text):
    with InlineVenue([firm(OUCH50)]) as venue:
        client = venue.five("FIRM")
        order = packed(client, "enter", 1, "B", 1, price=10_000)
        for at in (ENTER.clordid, ENTER.clordid + 13):
            client.socket.sendall(soupbin.packet("U", replaced(order, at, text)))
            assert client.message()[0] == "J"
            order = packed(client, "enter", 2, "B", 1, price=10_000)
