"""Clients that others wrote trade with the acceptor: QuickFIX's engine through a line that is cut
in the middle of messages loses nothing and doubles nothing; simplefix reads what we write."""

import os
import socket
import time

import pytest
from fix_acceptor import Acceptor, Connection, Server
from fix_quickfix import PATIENCE_S, quickfix_client, wait_until
from fix_venue import Acknowledger, CuttingProxy, venue_session

from openoutcry.order_entry import session as block
from openoutcry.order_entry.fix import reference


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Every kernel compiled: a client's own patience with a logon is ten seconds."""
    acceptor = Acceptor({("VENUE", "FIRM"): venue_session()}, Acknowledger())
    now_ns = time.monotonic_ns()
    connection, head = Connection(acceptor, now_ns), [(49, "FIRM"), (56, "VENUE")]
    sent = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    order = [(11, "W1"), (55, "GOLD"), (54, "1"), (38, "5"), (40, "2"), (44, "1.25"), (60, sent)]
    bodies = [("A", [(98, "0"), (108, "30")]), ("D", order), ("2", [(7, "1"), (16, "0")])]
    answer = b""
    for number, (kind, fields) in enumerate(bodies, start=1):
        fields = [(35, kind), (34, str(number)), *head, (52, sent), *fields]
        answer += connection.receive(reference.message(fields), now_ns)
    kinds = [dict(reference.split(one))[b"35"] for one in answer.split(b"8=FIX.4.4\x01")[1:]]
    assert kinds == [b"A", b"8", b"4", b"8"], "a gap for the logon, and the report again"


def test_nobody_else_sets_the_numbers_of_a_session():
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


def trade_through_cuts(tmp_path, count, cuts):
    """Orders sent by QuickFIX, in order, through a proxy that cuts; returns what each side saw."""
    one, application = venue_session(), Acknowledger()
    acceptor = Acceptor({("VENUE", "FIRM"): one}, application)
    with Server(acceptor) as server, CuttingProxy(server.port, cuts) as proxy:
        with quickfix_client(tmp_path, proxy.listen_port) as client:
            for number in range(count):
                client.send({
                    11: f"C{number}", 55: "GOLD", 54: "1", 38: str(number + 1), 40: "2",
                    44: "12.34", 60: "20260105-09:30:00.000", 21: "1",
                })  # fmt: skip
            wait_until(lambda: len(client.reports) >= count, "reports are missing")
            wait_until(
                lambda: client.numbers() == (one[block.OUT_SEQ], one[block.IN_SEQ]),
                "sequence numbers differ",
            )
        assert proxy.done == len(cuts)
    return application.orders, client


def check_trade(tmp_path, count, cuts):
    orders, client = trade_through_cuts(tmp_path, count, cuts)
    names = [f"C{number}" for number in range(count)]
    assert orders == names, "what the acceptor took"
    assert [name for name, _, _ in client.reports] == names, "what the client was told"
    assert {status for _, status, _ in client.reports} == {"0"}
    assert [int(qty) for _, _, qty in client.reports] == list(range(1, count + 1))
    assert client.faults == []


def test_quickfix_loses_nothing_on_a_line_that_is_cut(tmp_path):
    """Each side asks for what it missed and is given it; numbers agree at the end."""
    check_trade(tmp_path, 200, [700, 9_001, 20_003])


@pytest.mark.long
def test_quickfix_loses_nothing_of_100_000_orders(tmp_path):
    count = int(os.environ.get("OUTCRY_FIX_ORDERS", "100000"))
    check_trade(tmp_path, count, [300_001 + 77_777 * k for k in range(20)])


def test_simplefix_reads_what_we_write_and_we_what_it_writes():
    simplefix = pytest.importorskip("simplefix")
    acceptor = Acceptor({("VENUE", "FIRM"): venue_session()}, Acknowledger())
    with Server(acceptor) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
        with connection:
            parser, answers = simplefix.FixParser(), []
            for number, fields in enumerate(
                (
                    [(35, "A"), (98, 0), (108, 30)],
                    [(35, "D"), (11, "A1"), (55, "GOLD"), (54, 1), (38, 5), (40, 2),
                     (44, "1.25"), (60, "20260105-09:30:00.000")],
                    [(35, "1"), (112, "HELLO")],
                    [(35, "5")],
                ),
                1,
            ):  # fmt: skip
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
