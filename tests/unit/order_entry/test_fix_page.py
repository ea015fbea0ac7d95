"""docs/fix.md is true: its conversations take place with an acceptor and with a venue, its messages
are taken."""

import re

import numpy as np

from openoutcry.matcher.constants import MAX_DISPLAY_SLICES
from openoutcry.order_entry.fix import text
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.spec import Protocol
from tests import ROOT
from tests.oracles.fix_acceptor import Acceptor, Connection
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.fix_codec import Codec
from tests.support.order_entry.fix_quickfix import fault
from tests.support.order_entry.fix_venue import Acknowledger, venue_session
from tests.support.order_entry.sessions_venue import PASSWORD, session
from tests.support.venue.clients import utc_text
from tests.support.venue.inline import InlineVenue

PAGE = (ROOT / "docs" / "fix.md").read_text()
MORE = (ROOT / "tests/support/order_entry/fix_examples.md").read_text()
TIME = "20231114-22:13:20.000"
NOW_NS = 1_700_000_000 * 10**9
WITH_TIME = ("D", "G", "F", "q")
BEGIN = b"8=FIX.4.4\x01"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE + MORE, re.M | re.S)


def fields(line: str) -> list[tuple[int, str]]:
    """Tags and values of a line in which ``|`` ends a field."""
    return [(int(tag), value) for tag, value in re.findall(r"(\d+)=([^|]*)\|", line)]


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
        order, metadata = codec.decode(message(line, number))
        assert metadata["refused"] in (0, Refusal.STATUS, Refusal.MASS_STATUS), line
        assert (order["kind"] > 0) == (metadata["refused"] == 0)


def test_every_order_with_a_term_is_taken():
    codec, lines = Codec(), blocks("fix-terms")[0].splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        _, metadata = codec.decode(message(line, number))
        assert (metadata["refused"], len(codec.term()) > 0) == (0, True), line


def test_every_message_about_a_list_is_taken():
    """In turn: a bracket and an OCO list enter, one is asked for and cancelled."""
    lines = blocks("fix-lists")[0].replace("=GOLD", "=ACME").splitlines()
    assert [line[:5] for line in lines] == ["35=E|", "35=E|", "35=M|", "35=K|"]
    sessions = [session("FIRM", 1, protocol=int(Protocol.FIX44))]
    with InlineVenue(sessions) as venue, venue.fix("FIRM") as firm:
        for line, status in zip(lines, "3336", strict=True):
            kind, *rest = fields(line)
            firm.send(kind[1], tuple(rest))
            while (answer := firm.next()).kind == "8":
                pass
            assert (answer.kind, answer[431]) == ("N", status), line


class Wire:
    """A logged-on connection, message by message as they stand on the wire."""

    def __init__(self, venue, name):
        self.name, self.number, self.data, self.faults = name, 0, b"", []
        self.venue, self.socket = venue, venue.dial(Protocol.FIX44)
        self.send("A", [(98, "0"), (108, "600"), (554, PASSWORD)])
        assert self.next()[35] == "A"

    def send(self, kind, body):
        self.number += 1
        header = [
            (35, kind),
            (34, str(self.number)),
            (49, self.name),
            (52, utc_text(self.venue)),
            (56, "OUTCRY"),
        ]
        whole = reference.message([*header, *body])
        self.faults.append((kind, fault(whole)))
        self.socket.sendall(whole)
        if kind == "4":
            self.number = int(dict(body)[36]) - 1

    def next(self):
        """The next whole message, as a dictionary."""
        while not re.search(rb"\x0110=\d{3}\x01", self.data):
            more = self.socket.recv(1 << 16)
            assert more, "the venue has closed the connection"
            self.data += more
        size = re.search(rb"\x0110=\d{3}\x01", self.data).end()
        whole, self.data = self.data[:size], self.data[size:]
        assert whole.startswith(BEGIN)
        assert fault(whole) == "", whole
        return reference.parse(whole)[0]


def test_every_message_comes_as_the_page_says():
    sessions = [
        session(name, number, protocol=int(Protocol.FIX44))
        for number, name in enumerate(("FIRM", "OTHER"), start=1)
    ]
    seen, sent = set(), set()
    with InlineVenue(sessions) as venue:
        wires = {name: Wire(venue, name) for name in ("FIRM", "OTHER")}
        for line in blocks("fix-live")[0].splitlines():
            name, way, text = re.fullmatch(r"(\w+)([<>]) (.*)", line).groups()
            (_, kind), *body = fields(text)
            if way == ">":
                sent.add(kind)
                wires[name].send(kind, body + [(60, utc_text(venue))] * (kind in WITH_TIME))
                continue
            seen.add(kind)
            message = wires[name].next()
            wanted = {35: kind, **dict(body)}
            assert {tag: message.get(tag, "") for tag in wanted} == wanted, (line, message)
            assert kind != "5" or 58 not in message, "logged out as asked"
        for wire in wires.values():
            wire.socket.close()
    faults = [(kind, said) for wire in wires.values() for kind, said in wire.faults if said]
    assert [kind for kind, _ in faults] == ["V"], "which the venue does not take"
    assert sent == {"D", "G", "F", "q", "H", "AF", "V", "1", "2", "4", "5"}
    assert seen == {"8", "9", "r", "j", "3", "0", "5"}


def test_the_decimals_of_a_second_are_those_that_are_taken():
    (said,) = re.findall(r"with ([\d, ]+ or \d) decimals of a second", PAGE)
    taken = set()
    for decimals in range(13):
        written = f"20231114-22:13:20.{'7' * decimals}".removesuffix(".")
        data = np.frombuffer(written.encode() + bytes(64), np.uint8)
        if text.read_timestamp(data.ctypes.data, len(written)) != text.BAD:
            taken.add(decimals)
    assert taken == {int(number) for number in re.findall(r"\d+", said)}


def test_the_bound_on_an_icebergs_slices_is_the_matchers():
    assert f"`111` shown quantity, at least a {MAX_DISPLAY_SLICES}th of `38`" in PAGE
    matcher = (ROOT / "docs" / "matcher.md").read_text()
    assert f"display quantity, at least 1/{MAX_DISPLAY_SLICES} of the whole" in matcher
