"""10,000 hostile strings through every field of text of every protocol's messages, at a venue in
one thread: nothing is raised, each is refused by the protocol or is text, and no byte of them
is a symbol of the journal, in the trail or in an answer over FIX unless it is printable."""

import random

import numpy as np
import pytest

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import HANDED_S
from openoutcry.order_entry.spec import Protocol
from openoutcry.surveillance.audit import table as trail_table
from openoutcry.surveillance.audit.build import build
from openoutcry.wire.messages import OUCH42, OUCH50
from tests.oracles.order_entry import fix as reference
from tests.support.adversary.session_noise import FIELD_TAGS, FIX_KINDS
from tests.support.order_entry.sessions_venue import PASSWORD, session
from tests.support.security.hostile_text import as_bytes, hostile
from tests.support.surveillance.audit_trail import rows_of
from tests.support.venue.clients import utc_text
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

COUNT, SEED = 10_000, 4747
SIZES = {
    "row_capacity": 1 << 14,
    "token_capacity": 1 << 15,
    "stream_entries": 1 << 18,
    "stream_bytes": 1 << 26,
}
TEXT = frozenset(range(32, 127))
HELLO = {
    Protocol.FIX44: ("FIX.4.4", [(554, PASSWORD)]),
    Protocol.FIX42: ("FIX.4.2", [(95, str(len(PASSWORD))), (96, PASSWORD)]),
}


class Door:
    """A session that says one message at a time and logs in again whenever it is put out."""

    def __init__(self, venue, protocol):
        self.venue, self.protocol, self.line, self.said = venue, protocol, None, 0
        self.name, self.logins = protocol.name, 0
        self.heard = bytearray()

    def log_in(self):
        self.venue.clock.advance(HANDED_S)  # the connection before counts for so long
        self.line, self.number = self.venue.dial(self.protocol), 1
        self.logins += 1
        if self.protocol in HELLO:
            begin, secret = HELLO[self.protocol]
            self.line.sendall(self.fix("A", [(98, "0"), (108, "30"), *secret, (141, "Y")], begin))
        else:
            login = soupbin.LoginRequest(self.name, PASSWORD, "", 0)
            self.line.sendall(soupbin.login_packet(login))
        assert self.hear(), f"login {self.logins}: {bytes(self.heard[-300:])!r}"

    def fix(self, kind, fields, begin=None):
        now = utc_text(self.venue)
        head = [(35, kind), (34, str(self.number)), (49, self.name), (52, now), (56, "OUTCRY")]
        self.number += 1
        return reference.message([*head, *fields], begin or HELLO[self.protocol][0])

    def say(self, data):
        self.line.sendall(data)
        self.said += 1
        if not self.hear():
            self.line.close()
            self.line = None

    def hear(self):
        """Whether the connection goes on."""
        try:
            while data := self.line.recv(1 << 16):
                self.heard += data
        except Silence:
            return True
        except OSError:
            pass
        return False


def ouch(table, enter):
    """Every message with one field of text of it replaced: makers of bytes, by field."""
    for message in table.client:
        for field in message.fields:
            if field.ctype == "alpha":
                at, size = message.offsets[field.name], field.size
                yield (message.kind, field.name), maker(message, enter, at, size)


def maker(message, enter, at, size):
    def make(text, count):
        body = bytearray(enter(message, count))
        body[at : at + size] = text[:size].ljust(size)
        return soupbin.packet("U", bytes(body))

    return make


def plain(message, count):
    """A message that would be taken, as far as it can be."""
    letters = {
        "token": f"T{count}",
        "new_token": f"N{count}",
        "side": "B",
        "symbol": "ACME",
        "display": "Y",
        "capacity": "P",
        "iso": "N",
        "cross": "N",
        "customer": "R",
        "clordid": f"C{count}",
    }
    values = {}
    for field in message.fields:
        if field.ctype == "alpha":
            values[field.name] = letters.get(field.name, "")
        else:
            values[field.name] = {"user_ref": count, "price": 10_000}.get(field.name, 1)
    if message.kind == "O" and "appendage_bytes" in values:
        values |= {"appendage_bytes": 0, "time_in_force": "3"}
    elif "appendage_bytes" in values:
        values |= {"appendage_bytes": 0, "time_in_force": "3", "orig_user_ref": 1}
    return message.pack(**values)


def fix_fields(door):
    for kind in FIX_KINDS:
        for tag in FIELD_TAGS:
            yield (kind, tag), fix_maker(door, kind, tag)


def fix_maker(door, kind, tag):
    def make(text, count):
        fields = [(11, f"f{count}"), (55, "ACME"), (54, "1"), (60, "20260102-10:00:00")]
        fields += [(38, "1"), (40, "2"), (44, "1.00"), (59, "3")]
        fields = [(number, text if number == tag else value) for number, value in fields]
        if all(number != tag for number, _ in fields):
            fields.append((tag, text))
        return door.fix(kind, fields)

    return make


@pytest.mark.promise(
    "What a protocol calls text is printable ASCII or refused by the protocol. Nothing else in a "
    "field of a message becomes a symbol of the journal, part of the audit trail or of an answer "
    "over FIX",
    group="text",
)
@pytest.mark.parametrize("protocol", ["OUCH42", "OUCH50", "FIX44", "FIX42"])
def test_hostile_text_in_any_field_is_refused_or_text(protocol, tmp_path, monkeypatch):
    kind = Protocol[protocol]
    rows = [session(protocol, 1, protocol=int(kind), cancel_on_disconnect=0)]
    with InlineVenue(rows, tmp_path / "journal", sizes=SIZES, order_capacity=1 << 14) as venue:
        door = Door(venue, kind)
        tables = {Protocol.OUCH42: OUCH42, Protocol.OUCH50: OUCH50}
        made = ouch(tables[kind], plain) if kind in tables else fix_fields(door)
        fields = list(made)
        assert len(fields) >= 10
        rng = random.Random(SEED)
        for count, text in enumerate(hostile(COUNT, SEED), 1):
            if door.line is None:
                door.log_in()
            _, make = fields[count % len(fields)] if count % 3 else rng.choice(fields)
            door.say(make(as_bytes(text), count))
        assert door.said == COUNT
        if kind in HELLO:
            fields = set(bytes(door.heard).split(b"\x01"))
            assert [field for field in fields if not set(field) <= TEXT] == []
        commands = venue.commands()
        strange = [one for one in np.unique(commands["symbol"]) if not set(one) <= TEXT]
        assert strange == []
        assert len(commands) > 100
    if kind in HELLO:
        # OUCH answers with the name as it came, and the journal has what is answered.
        monkeypatch.setattr(trail_table, "text_of", None)  # it is called for what is no text alone
    build(tmp_path / "journal", close=True)
    names = {row["client_order_id"] for row in rows_of(tmp_path / "journal").to_pylist()} - {None}
    assert len(names) > 10
    assert all(name.isprintable() for name in names)
