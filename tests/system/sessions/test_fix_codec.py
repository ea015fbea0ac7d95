"""The FIX kernels read and write what the plain reference does: frames, fields, numbers, times, the
messages of orders in every form good and bad, and the reports that answer them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.order_entry.fix_codec import DECIMALS
from tests.support.order_entry.fix_codec_shared import (
    BASE,
    CODEC,
    NEW,
    TIME,
    check_decoding,
    messages,
    order_message,
)


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_a_stream_is_cut_into_the_messages_it_was_made_of(parts, data):
    """Split anywhere, coalesced, with rubbish between: whole messages come out as they went in."""
    parts = [part for part in parts if CODEC.parse(part) is not None]
    junk = b"rubbish"
    stream = junk.join([b"", *parts]) if data.draw(st.booleans()) else b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    held, frames = b"", []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        held += stream[begin:end]
        while (size := CODEC.frame(held)) > 0:
            frames.append(held[:size])
            held = held[size:]
    assert [part for part in frames if CODEC.parse(part) is not None] == parts


# Messages of orders

PRICES = st.sampled_from(["12.34", "0.01", "-3", "12.345", "1e5", "", "+1", "9" * 19, "1.", ".5"])
FIELDS = {
    1: st.sampled_from(["ACC", "A" * 16, "A" * 17]),
    11: st.text("ABC123", min_size=1, max_size=38),
    18: st.lists(st.sampled_from("6GMPRaoEZ"), max_size=5).map(" ".join),
    21: st.sampled_from(["1", "3", "12"]),
    38: st.sampled_from(["100", "1", "0", "-5", "100.00", "0.5", "x", "9" * 19]),
    40: st.sampled_from(["1", "2", "3", "4", "K", "P", "J", "Z", "22"]),
    41: st.text("ABC123", min_size=1, max_size=37),
    44: PRICES,
    54: st.sampled_from(["1", "2", "5", "6", "7", "x", "12"]),
    55: st.sampled_from([*DECIMALS, "NONE", "TOOLONGNAME"]),
    59: st.sampled_from(["0", "1", "2", "3", "4", "5", "6", "7", "8", "00"]),
    60: st.sampled_from([TIME, TIME[:17], "20261301-00:00:00", "now"]),
    97: st.sampled_from(["Y", "N"]),
    99: PRICES,
    110: st.sampled_from(["0", "10", "-1", "x"]),
    111: st.sampled_from(["0", "10", "100", "1000", "-1", "1.5"]),
    126: st.sampled_from([TIME, "20270101"]),
    432: st.sampled_from(["20270101", "20271301", "x"]),
    152: PRICES,
    211: PRICES,
    530: st.sampled_from(["1", "7", "3", "77"]),
    584: st.text("ABC123", min_size=1, max_size=38),
    585: st.sampled_from(["7", "1"]),
    836: st.sampled_from(["0", "1", "2", "3"]),
    1102: st.sampled_from(["12.50", "x", "1.23456"]),
    1107: st.sampled_from(["1", "2", "3", "4", "6", "M", "I", "7", "66"]),
    1109: st.sampled_from(["U", "D", "x", "UD"]),
    2964: st.sampled_from(["1", "2", "3", "4", "x"]),
    5550: st.sampled_from(["Y", "Y", "N", "x", "YY"]),
}


@st.composite
def order_messages(draw):
    """Any message of orders, a few of its fields other than they should be, or gone."""
    fields = dict(BASE)
    for tag in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=6)):
        fields[tag] = draw(FIELDS[tag])
    for tag in draw(st.lists(st.sampled_from(sorted(NEW)), max_size=1)):
        del fields[tag]
    return order_message(
        draw(st.sampled_from(["D", "D", "D", "G", "F", "H", "q", "AF", "V"])), fields
    )


@given(order_messages())
def test_messages_of_orders_are_decoded_as_the_reference_decodes_them(data):
    check_decoding(data)
