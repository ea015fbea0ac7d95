"""docs/fix.md tells the truth: its conversation is had with an acceptor, its messages are taken."""

from openoutcry.order_entry.fix import reference
from openoutcry.order_entry.fix.refusals import Refusal
from tests.oracles.fix_acceptor import Acceptor, Connection
from tests.support.order_entry.fix_codec import Codec
from tests.support.order_entry.fix_page import blocks, fields
from tests.support.order_entry.fix_venue import Acknowledger, venue_session

TIME = "20231114-22:13:20.000"
NOW_NS = 1_700_000_000 * 10**9


def message(line, number):
    head, *body = fields(line)
    header = [head, (34, str(number)), (49, "FIRM"), (52, TIME), (56, "VENUE")]
    return reference.message([*header, *body])


def test_the_conversation_is_had():
    """What comes back is the page's, but for the header."""
    acceptor = Acceptor({("VENUE", "FIRM"): venue_session()}, Acknowledger())
    acceptor.clock_offset_ns = 0
    connection, number, replies = Connection(acceptor, NOW_NS), 0, []
    for line in blocks("fix")[0].splitlines():
        if line.startswith(">"):
            assert replies == []
            number += 1
            answer = connection.receive(message(line, number), NOW_NS)
            replies = [part for part in answer.split(b"8=FIX.4.4\x01") if part]
        else:
            got, _ = reference.parse(b"8=FIX.4.4\x01" + replies.pop(0))
            wanted = dict(fields(line))
            assert {tag: got[tag] for tag in got if tag not in (8, 9, 10, 34, 49, 52, 56)} == wanted
    assert (replies, connection.closed) == ([], True)


def test_every_message_of_orders_is_taken():
    codec, lines = Codec(), blocks("fix-orders")[0].splitlines()
    assert len(lines) == 7
    for number, line in enumerate(lines, 1):
        order, note = codec.decode(message(line, number))
        assert note["refused"] in (0, Refusal.STATUS, Refusal.MASS_STATUS), line
        assert (order["kind"] > 0) == (note["refused"] == 0)
