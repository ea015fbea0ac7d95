"""A session that sends far more than its rate, where the excess is rejected: of what the kernels
admit against counted tokens, and of a venue whose sequence takes no more than twice the rate."""

import select
import socket
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions_venue import PASSWORD, Client, Venue, enter

from openoutcry.client.fix import utc_text
from openoutcry.journal import JournalReader
from openoutcry.order_entry import apply as a
from openoutcry.order_entry import doorman, hall, notes, session, soupbin
from openoutcry.order_entry.fix import reference
from openoutcry.order_entry.reference.throttle import Throttle
from openoutcry.order_entry.spec import Protocol, ThrottlePolicy
from openoutcry.pipeline.stages import session_commands as commands
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.messages import OUCH42, OUCH50

RATE, BURST, COUNT = 200, 20, 4_000
LIMITS = {"throttle_per_s": RATE, "throttle_burst": BURST, "queue_bytes": 1 << 24}
SLOW = {"throttle_per_s": 1, "throttle_burst": 3}
FEW = {"throttle_per_s": 1, "throttle_burst": 2}
PROTOCOLS = [Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44]
SESSIONS = [
    {"name": f"{kind}{int(protocol)}", "participant": 100 * place + int(protocol) + 1,
     "protocol": int(protocol), **limits}
    for protocol in PROTOCOLS
    for place, (kind, limits) in enumerate(
        {"F": LIMITS, "S": SLOW, "C": FEW, "K": LIMITS}.items()
    )
]  # fmt: skip
OWNER = {row["name"]: row["participant"] for row in SESSIONS}


@given(
    st.integers(1, 2_000),
    st.integers(1, 6),
    st.sampled_from(ThrottlePolicy),
    st.lists(
        st.tuples(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 10**9)), st.booleans()),
        max_size=80,
    ),
)
def test_what_enters_is_rejected_or_waits_is_what_counted_tokens_say(
    interval_ns, burst, policy, offers
):
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.THROTTLE_NS // 8] = interval_ns
    block[session.THROTTLE_BURST // 8] = burst
    block[session.THROTTLE_POLICY // 8] = int(policy)
    throttle, now_ns, taken_ns = Throttle(interval_ns, burst, policy), 10**9, []
    for pause_ns, is_cancel in offers:
        now_ns += pause_ns
        verdict = "waits"
        if commands.may_enter(block.ctypes.data, now_ns):
            entered = commands.take_token(block.ctypes.data, now_ns, is_cancel)
            verdict = "enters" if entered else "rejected"
            taken_ns.append(now_ns)
        assert verdict == throttle.offer(now_ns, is_cancel)
    buckets = 1 if policy == ThrottlePolicy.QUEUE else 2
    for count, end_ns in enumerate(taken_ns, start=1):
        for before, begin_ns in enumerate(taken_ns[:count]):
            most = burst + (end_ns - begin_ns) // interval_ns
            assert count - before <= buckets * most


def test_without_a_rate_nothing_waits():
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.THROTTLE_BURST // 8] = 1
    for _ in range(100):
        assert commands.may_enter(block.ctypes.data, 5)
        assert commands.take_token(block.ctypes.data, 5, False)


@pytest.mark.parametrize(
    ("protocol", "kind", "message", "cancels"),
    [
        (Protocol.OUCH42, 0, "X", True), (Protocol.OUCH50, 0, "X", True),
        (Protocol.OUCH50, CommandKind.MASS_CANCEL, "C", True),
        (Protocol.FIX44, CommandKind.CANCEL, "F", True),
        (Protocol.FIX42, CommandKind.MASS_CANCEL, "q", True),
        (Protocol.OUCH42, CommandKind.NEW, "O", False), (Protocol.OUCH42, 0, "U", False),
        (Protocol.OUCH50, 0, "D", False), (Protocol.FIX44, 0, "X", False),
        (Protocol.FIX44, CommandKind.REPLACE, "G", False),
    ],
)  # fmt: skip
def test_what_a_cancel_is(protocol, kind, message, cancels):
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.PROTOCOL // 8] = int(protocol)
    order, note = np.zeros(64, np.uint8), np.zeros(notes.NOTE_BYTES, np.uint8)
    order[a.ORDER_KIND], note[notes.MESSAGE] = int(kind), ord(message)
    addresses = (one.ctypes.data for one in (block, order, note))
    assert bool(commands.is_cancel(*addresses)) == cancels


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
            self.socket = socket.create_connection(("127.0.0.1", port), 300)
            logon = [(98, "0"), (108, "600"), (553, name), (554, PASSWORD)]
            self.socket.sendall(fix(name, 1, "A", logon))
        else:
            client = Client(port, name)
            self.socket, self.data = client.socket, client.data
        self.socket.setblocking(False)

    def order(self, index, rests=False):
        """Message ``index``, from 1."""
        if self.protocol == Protocol.OUCH42:
            body = enter(f"f{index}", "B", 1, "ACME", 10_000,
                         time_in_force=99999 if rests else 0)  # fmt: skip
        elif self.protocol == Protocol.OUCH50:
            body = OUCH50.from_client("O").pack(
                user_ref=index, side="B", quantity=1, symbol="ACME", price=10_000,
                time_in_force="0" if rests else "3", display="Y", capacity="P", iso="N", cross="N",
            )  # fmt: skip
        else:
            return fix(self.name, index + 1, "D", [
                (11, f"f{index}"), (55, "ACME"), (54, "1"), (38, "1"), (40, "2"), (44, "1"),
                (59, "0" if rests else "3"), (60, utc_text()),
            ])  # fmt: skip
        return soupbin.packet("U", body)

    def cancel(self, index, orig):
        """Of message ``orig``, as message ``index``."""
        if self.protocol == Protocol.OUCH42:
            body = OUCH42.from_client("X").pack(token=f"f{orig}", shares=0)
        elif self.protocol == Protocol.OUCH50:
            body = OUCH50.from_client("X").pack(user_ref=orig, quantity=0)
        else:
            return fix(self.name, index + 1, "F", [
                (11, f"f{index}"), (41, f"f{orig}"), (55, "ACME"), (54, "1"), (60, utc_text()),
            ])  # fmt: skip
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
                kinds = {b"\x01150=0\x01": "A", b"\x0158=too many messages\x01": "J",
                         b"\x01150=4\x01": "C"}  # fmt: skip
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


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_flood_is_rejected_by_name_and_no_more_than_twice_the_rate_is_sequenced(venue, protocol):
    name = f"F{int(protocol)}"
    start_s = time.monotonic()
    flood = Flood(venue, protocol, name)
    data = b"".join(flood.order(index) for index in range(1, COUNT + 1))
    flood.push(data, lambda kinds: kinds.count("A") + kinds.count("J") >= 400)
    count = sequenced(venue, name)
    elapsed_s = time.monotonic() - start_s
    assert 400 <= count <= 2 * (BURST + RATE * elapsed_s) + 2, "2: who came and went is said too"
    assert flood.kinds.count("J") >= 100
    assert flood.kinds.count("A") >= 100
    flood.socket.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_waits_unread_is_bounded(venue, protocol):
    """The sender's own buffer aside: what a socket may hold, and what the session's does."""
    name = f"S{int(protocol)}"
    flood = Flood(venue, protocol, name)
    data = b"".join(flood.order(index) for index in range(1, COUNT + 1)) * 8
    flood.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
    flood.push(data, lambda kinds: len([k for k in kinds if k in "AJ"]) >= 8)
    taken = sequenced(venue, name) * len(flood.order(COUNT))
    assert flood.sent <= taken + hall.INPUT_BYTES + 2 * doorman.UNREAD_BYTES + (1 << 16) < len(data)
    flood.socket.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_cancel_beyond_the_rate_enters(venue, protocol):
    """Of five messages at once two have tokens, two those of the other bucket, of which the cancel
    enters by its; the last waits for one."""
    client = Flood(venue, protocol, f"C{int(protocol)}")
    orders = [client.order(index, rests=True) for index in (1, 2, 3)]
    data = b"".join([*orders, client.cancel(4, 1), client.cancel(5, 2)])
    client.push(data, lambda kinds: len([kind for kind in kinds if kind in "AJC"]) >= 5)
    assert [kind for kind in client.kinds if kind in "AJC"] == list("AAJCC")
    client.socket.close()


@pytest.mark.parametrize("protocol", PROTOCOLS[:2])
def test_after_a_kill_in_a_flood_each_is_told_the_same(venue, protocol):
    """Rejections are made again from the journal, as everything else."""
    name = f"K{int(protocol)}"
    flood = Flood(venue, protocol, name)
    data = b"".join(flood.order(index) for index in range(1, COUNT + 1))
    flood.push(data, lambda kinds: kinds.count("J") >= 50)
    venue.kill()
    flood.socket.close()
    venue.start()
    again = Flood(venue, protocol, name)
    again.push(b"", lambda kinds: len(kinds) >= len(flood.kinds))
    assert again.messages[: len(flood.messages)] == flood.messages
    again.socket.close()


def test_nothing_is_lost_or_doubled_and_the_replay_is_the_same(venue):
    report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
