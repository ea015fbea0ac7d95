"""The conversation of docs/fix.md with every message is had with a venue, over sockets."""

import re
import socket

from openoutcry.client.fix import utc_text
from openoutcry.order_entry.fix import reference
from openoutcry.order_entry.spec import Protocol
from tests.support.order_entry.fix_page import blocks, fields
from tests.support.order_entry.sessions_clients import PATIENCE_S
from tests.support.order_entry.sessions_venue import PASSWORD, Venue

WITH_TIME = ("D", "G", "F", "q")
BEGIN = b"8=FIX.4.4\x01"


class Wire:
    """A logged-on connection, message by message as they stand on the wire."""

    def __init__(self, venue, name):
        self.name, self.number, self.data = name, 0, b""
        self.socket = socket.create_connection(("127.0.0.1", venue.ports["FIX44"]), PATIENCE_S)
        self.send("A", [(98, "0"), (108, "600"), (554, PASSWORD)])
        assert self.next()[35] == "A"

    def send(self, kind, body):
        self.number += 1
        header = [(35, kind), (34, str(self.number)), (49, self.name), (52, utc_text()),
                  (56, "OUTCRY")]  # fmt: skip
        self.socket.sendall(reference.message([*header, *body]))
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
        return reference.parse(whole)[0]


def test_every_message_comes_as_the_page_says(tmp_path):
    sessions = [
        {"name": name, "participant": number, "protocol": int(Protocol.FIX44)}
        for number, name in enumerate(("FIRM", "OTHER"), start=1)
    ]
    seen, sent = set(), set()
    with Venue(sessions, tmp_path / "journal") as venue:
        wires = {name: Wire(venue, name) for name in ("FIRM", "OTHER")}
        for line in blocks("fix-live")[0].splitlines():
            name, way, text = re.fullmatch(r"(\w+)([<>]) (.*)", line).groups()
            (_, kind), *body = fields(text)
            if way == ">":
                sent.add(kind)
                wires[name].send(kind, body + [(60, utc_text())] * (kind in WITH_TIME))
                continue
            seen.add(kind)
            message = wires[name].next()
            wanted = {35: kind, **dict(body)}
            assert {tag: message.get(tag, "") for tag in wanted} == wanted, (line, message)
            assert kind != "5" or 58 not in message, "logged out as asked"
        for wire in wires.values():
            wire.socket.close()
    assert sent == {"D", "G", "F", "q", "H", "AF", "V", "1", "2", "4", "5"}
    assert seen == {"8", "9", "r", "j", "3", "0", "5"}
