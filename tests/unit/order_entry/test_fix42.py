"""FIX 4.2 in one thread: what is told is 4.2 by QuickFIX's dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.client import ClientError
from openoutcry.order_entry.fix import live42
from openoutcry.order_entry.spec import Protocol
from tests.oracles.fix_dictionary import Dictionary
from tests.oracles.order_entry.fix import translate42
from tests.support.order_entry.sessions_clients import take
from tests.support.order_entry.sessions_venue import PASSWORD
from tests.support.venue.inline import InlineVenue

OLD, NEW = int(Protocol.FIX42), int(Protocol.FIX44)
SESSIONS = [
    {"name": "OLD", "participant": 1, "protocol": OLD},
    {"name": "NEW", "participant": 2, "protocol": NEW},
]


@pytest.fixture
def venue():
    with InlineVenue(SESSIONS) as venue:
        yield venue


def old(venue, **options):
    return venue.fix("OLD", protocol=Protocol.FIX42, **({"version": "4.2"} | options))


def test_every_message_that_4_2_has_is_answered_in_its_words(venue):
    check, received = Dictionary("FIX42"), []
    with old(venue, prefix="A") as one, venue.fix("NEW", prefix="B") as two:

        def answer(count, *tags):
            messages = take(one, count)
            received.extend(messages)
            return [tuple(message.get(tag) for tag in tags) for message in messages]

        first = one.buy("ACME", 100, "12.34", t21="1")
        assert answer(1, 35, 20, 150, 39, 151) == [("8", "0", "0", "0", "100")]
        two.sell("ACME", 40, "12.34")
        assert answer(1, 20, 150, 39, 32, 14) == [("0", "1", "1", "40", "40")]
        second = one.replace(first, "ACME", "1", 90, "12.40", t21="1")
        assert answer(1, 150, 39, 11, 41) == [("5", "1", second, first)]
        one.status(second, "ACME", "1")
        assert answer(1, 20, 150, 39, 14) == [("3", "1", "1", "40")]
        two.sell("ACME", 50, "12.34")
        assert answer(1, 150, 39, 151) == [("2", "2", "0")]
        third = one.sell("BOLT", 7, "99", t21="1")
        fourth = one.replace(third, "BOLT", "2", 8, "99", t21="1")
        one.cancel(fourth, "BOLT", "2")
        assert answer(3, 150, 39) == [("0", "0"), ("5", "5"), ("4", "4")]
        one.cancel(fourth, "BOLT", "2")
        one.enter("1", "NOPE", 5, "1", t21="1")
        one.enter("1", "ACME", 0, "1", t21="1")
        assert answer(3, 35, 39, 102, 103) == [
            ("9", "4", "0", ""),
            ("8", "8", "", "1"),
            ("8", "8", "", "0"),
        ]
        one.mass_cancel()
        one.mass_status()
        assert answer(2, 35, 372, 380) == [("j", "q", "3"), ("j", "AF", "3")]
        one.enter("1", "ACME", 5, "1", t40="K")
        one.enter("1", "ACME", 5, "1", t59="7")
        assert answer(2, 35, 371, 373) == [("3", "40", "5"), ("3", "59", "5")]
        one.send("D", ((11, "X1"), (11, "X2")))
        assert answer(1, 35, 371, 373) == [("3", "11", "")], "4.2 has no code for that"
    for message in received:
        assert check.fault(message.raw.replace(b"\x01372=AF\x01", b"\x01372=D\x01")) is None


def test_a_connection_of_4_4_or_a_wrong_word_gets_no_answer(venue):
    for version, word in (("4.4", PASSWORD), ("4.2", "wrong")):
        with pytest.raises(ClientError, match="closed the connection"):
            old(venue, password=word, version=version)


FIELDS = st.sampled_from(
    (
        b"37=1",
        b"11=C1",
        b"17=9",
        b"103=99",
        b"103=1",
        b"102=6",
        b"102=1",
        b"55=GOLD",
        b"58=a text",
        b"6=12.3",
        b"",
        b"151=0",
    )
)
REPORTS = st.tuples(st.sampled_from("0F45CLDI8"), st.sampled_from("01248C")).map(
    lambda pair: b"150=%s\x0139=%s" % (pair[0].encode(), pair[1].encode())
)


@given(st.lists(FIELDS, max_size=8), st.one_of(st.none(), REPORTS), st.lists(FIELDS, max_size=8))
def test_the_words_of_4_2_are_the_references(before, report, after):
    parts = [b"35=8", *before, *([report] if report else []), *after]
    body = b"".join(part + b"\x01" for part in parts if part)
    source = np.frombuffer(body + bytes(80), np.uint8)
    out = np.zeros(len(body) + 128, np.uint8)
    size = live42.translate(source.ctypes.data, len(body), out.ctypes.data)
    assert out[:size].tobytes() == translate42(body)
