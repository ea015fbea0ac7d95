"""Clients that others wrote trade with the acceptor: QuickFIX's engine through a line that is cut
in the middle of messages loses nothing and doubles nothing; simplefix reads what we write."""

import time

from openoutcry.order_entry import session as block
from tests.oracles.fix_acceptor import Acceptor, Connection
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry import fix_clients as shared
from tests.support.order_entry.fix_venue import Acknowledger, venue_session

warm = shared.warm


def test_no_other_client_sets_the_numbers_of_a_session():
    """A SequenceReset or a Logon with ResetSeqNumFlag of a wrong CompID changes none of them."""
    for kind, seq, fields, kinds in (
        ("4", 2, [(36, "500"), (123, "N")], [b"3", b"5"]),
        ("A", 1, [(98, "0"), (108, "30"), (141, "Y")], [b"5"]),
    ):
        one = venue_session()
        acceptor = Acceptor({("VENUE", "FIRM"): one}, Acknowledger())
        now_ns = time.monotonic_ns()
        connection = Connection(acceptor, now_ns)
        sent = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())

        def say(kind, seq, sender, fields, connection=connection, now_ns=now_ns, sent=sent):
            head = [(35, kind), (34, str(seq)), (49, sender), (56, "VENUE"), (52, sent)]
            return connection.receive(reference.message([*head, *fields]), now_ns)

        say("A", 1, "FIRM", [(98, "0"), (108, "30")])
        numbers = one[block.IN_SEQ], one[block.OUT_SEQ]
        answer = say(kind, seq, "EVIL", fields)
        parts = [dict(reference.split(part)) for part in answer.split(b"8=FIX.4.4\x01")[1:]]
        assert [part[b"35"] for part in parts] == kinds
        assert parts[0].get(b"373", b"9") == b"9", "CompID problem"
        assert one[block.IN_SEQ] <= numbers[0] + 1
        assert one[block.OUT_SEQ] == numbers[1] + len(kinds)
