"""What a venue in processes of its own holds of a session that sends far more than its rate.  What
does not need sockets of the system is in tests/unit/order_entry."""

import select
import socket

import pytest

from openoutcry.client.fix import utc_text
from openoutcry.journal import JournalReader
from openoutcry.order_entry import acceptor, session_region, soupbin
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.messages import OUCH50
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue, enter
from tests.support.waiting import BOUND_S

COUNT = 4_000
SLOW = {"throttle_per_s": 1, "throttle_burst": 3}
PROTOCOLS = [Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44]
SESSIONS = [
    {
        "name": f"S{int(protocol)}",
        "participant": int(protocol) + 1,
        "protocol": int(protocol),
        **SLOW,
    }
    for protocol in PROTOCOLS
]
OWNER = {row["name"]: row["participant"] for row in SESSIONS}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    journal = tmp_path_factory.mktemp("flood") / "journal"
    with Venue(SESSIONS, journal, durability="durable") as venue:
        yield venue


def sequenced(venue, name):
    """Records of the session's participant in the journal: its orders and their rejections."""
    chunks = JournalReader(venue.document["journal"]).chunks()
    return sum(int((orders["participant"] == OWNER[name]).sum()) for _, orders in chunks)


def fix(name, number, kind, fields):
    head = [(35, kind), (34, str(number)), (49, name), (52, utc_text()), (56, "OUTCRY")]
    return reference.message(head + fields)


class Flood:
    """Sends as much as its socket takes, and reads what it is told."""

    def __init__(self, venue, protocol, name):
        self.protocol, self.name = protocol, name
        self.data, self.sent = b"", 0
        self.kinds, self.messages = [], []
        port = venue.ports[protocol.name]
        if protocol == Protocol.FIX44:
            self.socket = socket.create_connection(("127.0.0.1", port), BOUND_S)
            logon = [(98, "0"), (108, "600"), (553, name), (554, PASSWORD)]
            self.socket.sendall(fix(name, 1, "A", logon))
        else:
            client = Client(port, name)
            self.socket, self.data = client.socket, client.data
        self.socket.setblocking(False)

    def order(self, index, rests=False):
        """Message ``index``, from 1."""
        if self.protocol == Protocol.OUCH42:
            body = enter(f"f{index}", "B", 1, "ACME", 10_000, time_in_force=99999 if rests else 0)
        elif self.protocol == Protocol.OUCH50:
            body = OUCH50.from_client("O").pack(
                user_ref=index,
                side="B",
                quantity=1,
                symbol="ACME",
                price=10_000,
                time_in_force="0" if rests else "3",
                display="Y",
                capacity="P",
                iso="N",
                cross="N",
            )
        else:
            return fix(
                self.name,
                index + 1,
                "D",
                [
                    (11, f"f{index}"),
                    (55, "ACME"),
                    (54, "1"),
                    (38, "1"),
                    (40, "2"),
                    (44, "1"),
                    (59, "0" if rests else "3"),
                    (60, utc_text()),
                ],
            )
        return soupbin.packet("U", body)

    def push(self, data, enough):
        """Until ``enough`` of what was told, or the data is gone and told about."""
        while not enough(self.kinds):
            can_read, can_send, _ = select.select(
                [self.socket], [self.socket] if self.sent < len(data) else [], [], 300
            )
            assert can_read or can_send
            if can_send:
                self.sent += self.socket.send(data[self.sent : self.sent + (1 << 14)])
            if can_read:
                more = self.socket.recv(1 << 16)
                assert more
                self.data += more
                self.understand()

    def understand(self):
        """Kinds of what came: ``A`` accepted, ``J`` beyond the rate, others by their letters."""
        if self.protocol == Protocol.FIX44:
            while (end := self.data.find(b"\x0110=")) >= 0 and len(self.data) >= end + 8:
                one, self.data = self.data[: end + 8], self.data[end + 8 :]
                kinds = {
                    b"\x01150=0\x01": "A",
                    b"\x0158=The session sends too many messages\x01": "J",
                    b"\x01150=4\x01": "C",
                }
                self.kinds.append(next((k for part, k in kinds.items() if part in one), "?"))
            return
        while len(self.data) >= 3:
            size = 2 + int.from_bytes(self.data[:2], "big")
            if len(self.data) < size:
                return
            if self.data[2:3] == b"S":
                self.kinds.append(self.data[3:4].decode())
                self.messages.append(self.data[3:size])
            self.data = self.data[size:]


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_waits_unread_is_bounded(venue, protocol):
    """The sender's own buffer aside: what a socket may hold, and what the session's does."""
    name = f"S{int(protocol)}"
    flood = Flood(venue, protocol, name)
    data = b"".join(flood.order(index) for index in range(1, COUNT + 1)) * 8
    flood.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
    flood.push(data, lambda kinds: len([k for k in kinds if k in "AJ"]) >= 8)
    taken = sequenced(venue, name) * len(flood.order(COUNT))
    assert (
        flood.sent
        <= taken + session_region.INPUT_BYTES + 2 * acceptor.UNREAD_BYTES + (1 << 16)
        < len(data)
    )
    flood.socket.close()


def test_nothing_is_lost_or_doubled_and_the_replay_is_the_same(venue):
    report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
