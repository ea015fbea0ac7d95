"""Clients that others wrote trade with the acceptor: QuickFIX's engine through a line that is cut
in the middle of messages loses nothing and doubles nothing; simplefix reads what we write."""

import socket

import pytest

from tests.oracles.fix_acceptor import Acceptor, Server
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry import fix_clients as shared
from tests.support.order_entry.fix_clients import check_trade
from tests.support.order_entry.fix_venue import Acknowledger, venue_session
from tests.support.waiting import BOUND_S

warm = shared.warm


def test_quickfix_loses_nothing_on_a_line_that_is_cut(tmp_path):
    """Each side asks for what it missed and is given it; numbers agree at the end."""
    check_trade(tmp_path, 200, [700, 9_001, 20_003])


def test_simplefix_reads_what_we_write_and_we_what_it_writes():
    simplefix = pytest.importorskip("simplefix")
    acceptor = Acceptor({("VENUE", "FIRM"): venue_session()}, Acknowledger())
    with Server(acceptor) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), BOUND_S)
        with connection:
            parser, answers = simplefix.FixParser(), []
            for number, fields in enumerate(
                (
                    [(35, "A"), (98, 0), (108, 30)],
                    [
                        (35, "D"),
                        (11, "A1"),
                        (55, "GOLD"),
                        (54, 1),
                        (38, 5),
                        (40, 2),
                        (44, "1.25"),
                        (60, "20260105-09:30:00.000"),
                    ],
                    [(35, "1"), (112, "HELLO")],
                    [(35, "5")],
                ),
                1,
            ):
                message = simplefix.FixMessage()
                message.append_pair(8, "FIX.4.4", header=True)
                message.append_pair(35, fields[0][1], header=True)
                message.append_pair(34, number, header=True)
                message.append_pair(49, "FIRM", header=True)
                message.append_utc_timestamp(52, precision=3, header=True)
                message.append_pair(56, "VENUE", header=True)
                for tag, value in fields[1:]:
                    message.append_pair(tag, value)
                connection.sendall(message.encode())
            while data := connection.recv(4096):
                parser.append_buffer(data)
            while (answer := parser.get_message()) is not None:
                answers.append(answer)
    assert [answer.get(35) for answer in answers] == [b"A", b"8", b"0", b"5"]
    assert [answer.get(34) for answer in answers] == [b"1", b"2", b"3", b"4"]
    assert (answers[1].get(11), answers[1].get(44), answers[1].get(39)) == (b"A1", b"1.25", b"0")
    assert answers[2].get(112) == b"HELLO"
    assert reference.parse(answers[1].encode())[1] is None
