"""A server of the cluster, or another client of it, that sends what is no NATS and no JetStream:
the connection counts as lost, or the message as not there, and nothing else is raised."""

import json
import random
import socket
import time
from types import SimpleNamespace

import pytest

from openoutcry.replica.access import Access, Server
from openoutcry.replica.actions import Apply, Lease, Timing
from openoutcry.replica.chain import Tip
from openoutcry.replica.driver import WRONG_NUMBER, lease_of
from openoutcry.replica.jetstream import JetStream, Refused, Subscription, answered, number_of
from openoutcry.replica.link import MAX_LINE_BYTES, Link, Message
from openoutcry.replica.message import GENESIS, NO_CHECK, Blocks, Kind, pack, sealed, unpack
from openoutcry.replica.message import Message as Block
from openoutcry.replica.standby import Standby
from openoutcry.wire.errors import ReplicaError, Unreachable


class NearLink(Link):
    """Its server is the other end of a pair of sockets."""

    def _open(self, access, server):
        ours, self.far = socket.socketpair()
        self._begun_s = time.monotonic()
        self.far.sendall(b"PONG\r\n")
        return ours


@pytest.fixture
def link():
    server = Server("127.0.0.1", 4222, False)
    made = NearLink(Access((server,)), server)
    yield made
    made.close()
    made.far.close()


def said(link, data):
    """What came of these bytes."""
    link.far.sendall(data)
    link.wait(0)
    messages = []
    while (message := link.take()) is not None:
        messages.append(message)
    return messages


def test_what_is_right_is_read(link):
    (message,) = said(link, b"MSG a.b 7 reply 5\r\nhello\r\n")
    assert (message.subject, message.sid, message.reply) == ("a.b", 7, "reply")
    assert message.data == b"hello"
    head = b"NATS/1.0 503\r\nA: b\r\n\r\n"
    (message,) = said(link, b"HMSG a 7 %d %d\r\n%s\r\n" % (len(head), len(head), head))
    assert (message.status, message.headers) == ("503", {"A": "b"})


@pytest.mark.promise(
    "Nonsense of a server or client of the replication cluster costs its connection or its message "
    "alone. No process of the venue or of a standby ends by it",
    group="doors",
)
@pytest.mark.parametrize(
    "data",
    [
        b"MSG\r\n",
        b"MSG a\r\n",
        b"MSG a b\r\n",
        b"MSG a 1 -5\r\n\r\n",
        b"MSG a x 0\r\n\r\n",
        b"MSG a 1 99999999999999999999\r\n",
        b"MSG a 1 1000000000\r\n",
        b"MSG \xff 1 0\r\n\r\n",
        b"HMSG\r\n",
        b"HMSG 5\r\n",
        b"HMSG a 1 9 5\r\n0123456789\r\n",
        b"HMSG a 1 -1 5\r\n01234\r\n",
        b"NONSENSE\r\n",
        b"\0\r\n",
        b"x" * (MAX_LINE_BYTES + 1),
        b"PING " + b"x" * (MAX_LINE_BYTES + 1) + b"\r\n",
    ],
)
def test_what_is_no_message_loses_the_connection(link, data):
    with pytest.raises(Unreachable):
        said(link, data)


def test_random_bytes_of_a_server_raise_nothing_else():
    rng = random.Random(47)
    server, lost = Server("127.0.0.1", 4222, False), 0
    words = (b"MSG", b"HMSG", b"PING", b"PONG", b"+OK", b"-ERR", b"INFO", b"a.b", b"1", b"-1", b"0")
    words += (b"5", b"12", b"\r\n", b"hello", b"\xff", b"{}", b"NATS/1.0 503", b"x: y", b"'Auth'")
    for _ in range(400):
        link = NearLink(Access((server,)), server)
        data = b" ".join(rng.choice(words) for _ in range(rng.randrange(1, 30))) + b"\r\n"
        try:
            said(link, data)
        except ReplicaError:
            lost += 1
        finally:
            link.close()
            link.far.close()
    assert lost > 100


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"error": 1}',
        b'{"error": {"code": "x"}}', b'{"error": {"err_code": []}}', b'{"error": [1]}',
    ],
)  # fmt: skip
def test_what_is_no_answer_of_jetstream_is_as_none(data):
    with pytest.raises(Unreachable):
        answered(data)


@pytest.mark.parametrize("value", [None, "1", 1.5, [], {}, True, -1, 2**64])
def test_a_number_of_an_answer_is_a_number(value):
    with pytest.raises(Unreachable):
        number_of({"seq": value} if value is not None else {}, "seq")
    assert number_of({"seq": 7}, "seq") == 7
    with pytest.raises(Refused):
        answered(json.dumps({"error": {"err_code": 10_071, "description": "wrong"}}).encode())


def test_a_message_to_our_inbox_by_another_client_is_not_the_streams():
    """The stream's messages say their number; what says none, or nonsense, is passed over."""
    inboxes = iter(f"_INBOX.x.{n}" for n in range(99))
    near = SimpleNamespace(
        next_inbox=lambda: next(inboxes),
        subscribe=lambda subject: 7,
        unsubscribe=lambda sid: None,
        publish=lambda *words, **more: None,
    )
    subscription = Subscription(JetStream(near, "TEST"), 1)

    def take(reply, data=b"x", status="", headers=None):
        return subscription.take(Message("s", 7, reply, headers or {}, status, data))

    for reply in (
        "", "x", "$JS.ACK", "$JS.ACK.S.C.1.x.1.1.1", "$JS.ACK.S.C.1.-5.1.1.1", "." * 20,
        "$JS.ACK.S.C.1.5.1.1", "$JS.ACK.S.C.1.\u0661x.1.1.0", f"$JS.ACK.S.C.1.{'9' * 5_000}.1.1.0",
        f"$JS.ACK.S.C.1.1.1.1.{'9' * 5_000}",
    ):  # fmt: skip
        assert take(reply) is None, reply
    for value in ("x", "-1", "1e9", "", "9" * 5_000):
        assert take("", status="100", headers={"Nats-Last-Stream": value}) is None
    assert (subscription.next, subscription.last) == (1, 0)
    assert take("$JS.ACK.S.C.1.1.1.1.0") == (1, b"x")
    for data in (b"", b"[]", b"null"):
        made = Message(subscription._create_inbox, 1, "", {}, "", data)
        assert subscription.take(made) is None


LEASE = {"holder": "here/1", "epoch": 3, "nonce": 5, "position": 7, "given_up": False}
NUMBERS = "epoch", "nonce", "position"


def test_a_lease_is_of_its_types_or_none_of_ours():
    assert lease_of(json.dumps(LEASE).encode()) == Lease("here/1", 3, 5, 7, False)
    values = None, True, "7", 1.5, [], {}
    wrong = [
        LEASE | {name: one}
        for name, right in LEASE.items()
        for one in values
        if type(one) is not type(right)
    ]
    wrong += [LEASE | {name: one} for name in NUMBERS for one in (-1, 2**63, 10**30)]
    wrong += [LEASE | {"holder": "a\nb"}]
    bad = [json.dumps(one).encode() for one in wrong]
    for data in (b"", b"[" * 100_000, b"null", b"\xff", b"{}", *bad):
        with pytest.raises(ReplicaError, match="was not written by this program"):
            lease_of(data)


def test_a_refusal_with_an_endless_number_names_none():
    assert WRONG_NUMBER.search("wrong last sequence: 17")[1] == "17"
    assert WRONG_NUMBER.search(f"wrong last sequence: {'9' * 5_000}") is None


def test_an_epoch_whose_leader_is_no_text_does_not_end_a_standby():
    """Any client of the cluster that may publish can append such a message to the stream."""
    nothing = Blocks.none(0, GENESIS, 0)
    terms = Kind.EPOCH, 1, 0, 1, 0, GENESIS, 5, nothing, NO_CHECK, b"\xff\xfe/1", None
    message = sealed(Block(*terms))
    standby = Standby("here/1", Tip(), Timing(), sealed)
    standby.begin(0, 0)
    read = unpack(pack(message), 1)
    assert Apply(read) in standby.message(0, read)
