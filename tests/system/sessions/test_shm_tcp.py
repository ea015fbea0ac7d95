"""Sessions over shared memory whose participant is on another host: the same records over TCP."""

import os
import random
import signal
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from openoutcry.client import ClientError, SessionEnded
from openoutcry.client.shm import ShmClient, ShmRefused
from openoutcry.host.processes import named_children
from openoutcry.journal import JournalReader
from openoutcry.order_entry import shm_login
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.shm_layout import End, Reply
from openoutcry.order_entry.shm_out import FIRST_REFUSAL
from openoutcry.wire.enums import OrderType, Reason, SelfTrade, Side, TimeInForce
from tests.support.certificates import self_signed
from tests.support.order_entry.sessions_venue import KEY, Venue
from tests.support.order_entry.shm_storms import SIZES, row
from tests.support.waiting import BOUND_S, wait_until

HERE = ("127.0.0.0/8",)


def far(name, number, **more):
    return row(name, number, networks=HERE, rings=True, **more)


class Between:
    """A host between a client and the venue.  It keeps the client's last bytes, and makes something
    else of the next ones of either side, once."""

    def __init__(self, port):
        self.port, self.listener = port, socket.create_server(("127.0.0.1", 0))
        self.spoils, self.last, self.is_done = {}, b"", threading.Event()
        self.ends, self.threads = [], []
        self.begin(self.listen)

    def begin(self, work, *terms):
        self.threads.append(threading.Thread(target=work, args=terms))
        self.threads[-1].start()

    def listen(self):
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                venue = socket.create_connection(("127.0.0.1", self.port))
                self.ends += client, venue
                self.begin(self.move, client, venue, "client")
                self.begin(self.move, venue, client, "venue")

    def spoil(self, side, change):
        self.is_done.clear()
        self.spoils[side] = change

    def move(self, source, to, side):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if side == "client":
                    self.last = data
                if change := self.spoils.pop(side, None):
                    data = change(data)
                    self.is_done.set()
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self.listener.getsockname()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        for end in (self.listener, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self.threads:
            thread.join()


ROWS = [
    far("EVIL", 1, cancel_on_disconnect=0, takeover=1),
    far("GOOD", 2, cancel_on_disconnect=0),
    row("NEAR", 3, rings=True),
    row("ELSEWHERE", 4, networks=("192.0.2.0/24",), rings=True),
    far("SILENT", 5, timeout_ms=1_000),
    far("SLOW", 6, queue_bytes=1 << 12),
    far("BROKER", 9, acts_for=[(10, 12)]),
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    with Venue(ROWS, folder / "journal", shm=str(folder / "s"), tcp=True, sizes=SIZES) as venue:
        venue.at, venue.good = ("127.0.0.1", venue.ports["SHM"]), 0
        yield venue
        report = venue.stop()
    assert (report["result"]["lost"], report["replay"]["equal"]) == (0, True)


def logged_in(at, name, **terms):
    """A client, once the venue knows that the connection before has ended."""

    def client():
        with suppress(ShmRefused):
            return ShmClient(at, name, KEY, **terms)

    return wait_until(client, f"{name} is logged in")


def is_calm(venue):
    """Another session's order is answered."""
    venue.good += 1
    with logged_in(venue.at, "GOOD") as good:
        good.enter(f"calm-{venue.good}", Side.BUY, "BOLT", 1, 1, time_in_force=TimeInForce.IOC)
        assert good.next(BOUND_S).kind == Reply.ACCEPTED


# Orders.


def send_all(client, seed):
    """Requests of every kind, type and time in force, whether or not the venue takes them; returns
    all replies.  Each waits for all that the one before has caused: a venue says of an order that
    has just gone why it has, or that there is none."""
    draw, replies, names = random.Random(seed), [], []
    every = [(kind, tif) for kind in OrderType for tif in TimeInForce]
    draw.shuffle(every)

    def settle():
        number, until_s = client.mass_cancel("BOLT", participant=10), time.monotonic() + BOUND_S
        while not replies or number not in replies[-1]["request"]:
            replies.append(client.poll_array().copy())
            assert time.monotonic() < until_s

    for number, (kind, tif) in enumerate(every * 2, start=1):
        participant = draw.randrange(10, 14)
        name = f"name-{number}" if draw.random() < 0.6 else number << draw.choice((0, 64, 100))
        aux = draw.choice((0, 1, 5, 100, 10_000, 1 << 62))
        terms = {"order_type": kind, "time_in_force": tif, "aux": aux, "participant": participant}
        terms["self_trade"] = draw.choice(list(SelfTrade))
        side, lots = draw.choice(list(Side)), draw.randrange(1, 50)
        client.enter(name, side, "ACME", lots, draw.randrange(9_990, 10_010), **terms)
        names.append((name, participant))
        settle()
        other, participant = draw.choice(names)
        if draw.random() < 0.3:
            new = f"new-{number}" if draw.random() < 0.5 else number + 5_000
            aux = draw.choice((None, 0, 7))
            client.replace(other, new, 20, 10_000, participant=participant, aux=aux)
            names.append((new, participant))
        elif draw.random() < 0.3:
            client.cancel(other, id=draw.choice((0, f"c-{number}")), participant=participant)
        elif draw.random() < 0.02:
            client.mass_cancel("ACME", participant=participant)
        settle()
    return np.concatenate(replies)


def outcome(folder, at_of, **more):
    """Every reply and command of such requests, apart from times and heartbeats."""
    rows = [far("BROKER", 9, acts_for=[(10, 12)], cancel_on_disconnect=0)]
    with Venue(rows, folder / "journal", **more) as venue:
        at, tls = at_of(venue)
        with ShmClient(at, "BROKER", KEY, tls=tls) as client:
            replies = send_all(client, 3)
        with logged_in(at, "BROKER", first_reply=1, tls=tls) as client:
            again = wait_until(lambda: client.poll_array().tobytes(), "they come again")
            assert replies.tobytes().startswith(again)
        assert venue.stop()["replay"]["equal"] is True
    replies["rx_ts_ns"] = 0
    replies["request"] = np.unique(replies["request"], return_inverse=True)[1]
    commands = np.concatenate([rows for _, rows in JournalReader(folder / "journal").chunks()])
    commands = commands[commands["kind"] != 0].copy()
    commands["rx_ts_ns"] = commands["seq"] = 0
    return replies, commands


@pytest.mark.promise(
    "Orders over TCP, of every form, are those over shared memory: the same requests cause the "
    "same commands and replies",
    group="venue",
)
def test_the_same_requests_cause_the_same_commands_and_replies_as_over_shared_memory(tmp_path):
    """Over TLS, and in shared memory."""
    paths = self_signed(tmp_path / "c.pem", tmp_path / "k.pem")
    context = ssl.create_default_context(cafile=str(paths[0]))
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    at = str(tmp_path / "s")
    near, commands = outcome(tmp_path / "near", lambda venue: (at, None), shm=at)
    over_tcp, commands_over_tcp = outcome(
        tmp_path / "far",
        lambda venue: (("127.0.0.1", venue.ports["SHM"]), context),
        tcp=True,
        tls=[str(path) for path in paths],
    )
    assert set(near["kind"]) >= {ord(kind) for kind in "AJECUN"}
    assert set(near["participant"]) >= {10, 11, 12, 13}
    assert over_tcp.tobytes() == near.tobytes()
    assert commands_over_tcp.tobytes() == commands.tobytes()


def test_a_broker_acts_for_no_other_participant(venue):
    with logged_in(venue.at, "BROKER") as broker:
        for participant, kind in ((10, Reply.ACCEPTED), (13, Reply.REJECTED), (2, Reply.REJECTED)):
            broker.enter(f"of-{participant}", Side.BUY, "ACME", 1, 1, participant=participant)
            told = broker.next(BOUND_S)
            assert (told.kind, told.id) == (kind, f"of-{participant}")
        assert told.reason == FIRST_REFUSAL + Refusal.PARTICIPANT
    is_calm(venue)


# Logins.


@pytest.mark.promise(
    "A session over shared memory may log in over TCP from the networks that it names, by its key, "
    "which is never sent. A frame that was changed, left out, sent again or is another "
    "connection's ends the connection, and no other",
    group="venue",
)
@pytest.mark.smoke
def test_a_login_over_tcp_needs_the_key_and_an_address_that_the_session_names(venue):
    for name, key in (("EVIL", bytes(32)), ("NEAR", KEY), ("ELSEWHERE", KEY), ("NOBODY", KEY)):
        with pytest.raises(ShmRefused, match="not authorised"):
            ShmClient(venue.at, name, key)
    ShmClient(venue.document["shm"], "NEAR", KEY).logout()
    with pytest.raises(ShmRefused, match="not available"):
        ShmClient(venue.at, "EVIL", KEY, day="20251231")
    with pytest.raises(SessionEnded, match="number"):
        ShmClient(venue.at, "EVIL", KEY, first_reply=1 << 40)
    is_calm(venue)


def dialled(venue):
    end = socket.create_connection(venue.at)
    return end, end.recv(shm_login.CHALLENGE.size, socket.MSG_WAITALL)


def test_a_login_that_was_listened_to_is_of_no_use_to_another_connection(venue):
    with ExitStack() as held:
        first, asked = dialled(venue)
        held.enter_context(first)
        sent = shm_login.login(KEY, asked, "EVIL", bytes(32))
        second, other = dialled(venue)
        held.enter_context(second)
        assert other != asked
        second.sendall(sent)
        told = second.recv(shm_login.ANSWER.size, socket.MSG_WAITALL)
        assert shm_login.read_answer(KEY, sent, told)[0] == "A"
        first.sendall(sent[:100])
        first.shutdown(socket.SHUT_WR)
        assert first.recv(1) == b"", "half a login is none"
    is_calm(venue)


def test_bytes_that_are_no_login_end_the_connection(venue):
    for data in (b"x" * 128, bytes(4096), b"GET / HTTP/1.1\r\n\r\n" * 20):
        end, _ = dialled(venue)
        with end:
            end.sendall(data)
            with suppress(ConnectionResetError):
                assert end.recv(1) == b""
    is_calm(venue)


def test_a_login_on_the_hosts_own_socket_cannot_be_passed_on_to_tcp():
    with pytest.raises(shm_login.ShmLoginError, match="no challenge"):
        shm_login.read_challenge(shm_login.challenge(bytes(32)), shm_login.TCP_MAGIC)
    with pytest.raises(shm_login.ShmLoginError, match="no challenge"):
        shm_login.read_challenge(shm_login.challenge(bytes(32), shm_login.TCP_MAGIC))


# Frames.


def flipped(at):
    """With another bit at a byte."""

    def change(data):
        changed = bytearray(data)
        changed[at] ^= 1
        return bytes(changed)

    return change


SPOILS = {
    "size": flipped(0),
    "size that is too large": flipped(3),
    "kind": flipped(4),
    "quantity": flipped(4 + 48),
    "tag": flipped(-1),
    "twice": lambda data: data + data,
    "noise": lambda data: bytes(84),
    "of no slot": lambda data: bytes(4) + data[-16:],
    "left out": lambda data: b"",
}


def until_the_end(client, told=None):
    while True:
        for message in client.poll():
            (told if told is not None else []).append(message.id)


@pytest.mark.promise(
    "A session over shared memory may log in over TCP from the networks that it names, by its key, "
    "which is never sent. A frame that was changed, left out, sent again or is another "
    "connection's ends the connection, and no other",
    group="venue",
)
@pytest.mark.parametrize("spoil", [*SPOILS, "an earlier one", "another connection's"])
def test_a_frame_that_is_not_the_next_one_ends_its_connection_by_name(venue, spoil):
    names = [f"{spoil[:20].replace(' ', '-')}-{place}" for place in range(3)]
    between = Between(venue.at[1])
    with between as at:
        with logged_in(at, "EVIL") as other:
            other.heartbeat()
            wait_until(lambda: len(between.last) == 84, "it has come")
            frames = {"another connection's": between.last}
        evil = logged_in(at, "EVIL")
        before = evil.enter(names[0], Side.BUY, "ACME", 1, 10_000)
        assert evil.next(BOUND_S).id == names[0]
        frames["an earlier one"] = between.last
        between.spoil("client", SPOILS.get(spoil, lambda data: frames[spoil]))
        evil.enter(names[1], Side.BUY, "ACME", 1, 10_000)
        assert between.is_done.wait(BOUND_S)
        evil.enter(names[2], Side.BUY, "ACME", 1, 10_000)  # of "size" the rest, which is too late
        told, taken = [], [names[1]] if spoil == "twice" else []
        with pytest.raises(SessionEnded, match="sequence"):
            until_the_end(evil, told)
    is_calm(venue)
    with logged_in(venue.at, "EVIL", first_reply=evil.next_reply) as again:
        assert again.taken_before == before + 2 * len(taken), "an order and its name"
        if told != taken:
            told.append(again.next(BOUND_S).id)
        assert (told, again.poll()) == (taken, [])


def test_the_venues_frames_are_checked_as_well(venue):
    between = Between(venue.at[1])
    with between as at:
        evil = logged_in(at, "EVIL")
        between.spoil("venue", flipped(50))
        evil.enter("once", Side.BUY, "ACME", 1, 10_000)
        with pytest.raises(SessionEnded, match="what came is not from the venue: a frame has"):
            until_the_end(evil)
        evil.close()
    with logged_in(venue.at, "EVIL", first_reply=evil.next_reply) as again:
        assert again.next(BOUND_S).id == "once", "what was not read comes again"
    is_calm(venue)


def test_a_stranger_in_the_venues_place_is_not_believed(venue):
    listener = socket.create_server(("127.0.0.1", 0))

    def pose():
        end, _ = listener.accept()
        with end:
            end.sendall(shm_login.challenge(bytes(32), shm_login.TCP_MAGIC))
            sent = end.recv(shm_login.LOGIN.size, socket.MSG_WAITALL)
            end.sendall(shm_login.answer(bytes(32), shm_login.read_login(sent), "20260102"))

    thread = threading.Thread(target=pose)
    thread.start()
    with listener, pytest.raises(ClientError, match="not from a venue that has the session's key"):
        ShmClient(listener.getsockname(), "EVIL", KEY)
    thread.join()


# Ends.


def test_a_silent_participant_is_lost_and_its_orders_go(venue):
    silent = logged_in(venue.at, "SILENT")
    silent.enter(1, Side.BUY, "ACME", 1, 9_000)
    wait_until(lambda: silent.connection.look() or silent.end is not End.NONE, "its end")
    assert silent.end is End.SILENT
    with logged_in(venue.at, "SILENT", first_reply=1) as again:
        told = [again.next(BOUND_S) for _ in range(2)]
        assert [(one.kind, one.id) for one in told] == [(Reply.ACCEPTED, 1), (Reply.CANCELED, 1)]
        assert told[1].reason == Reason.DISCONNECTED


def test_a_participant_that_does_not_read_is_ended_and_holds_nobody_up(venue):
    slow = logged_in(venue.at, "SLOW")
    slow.enter(1, Side.BUY, "BOLT", 20_000, 10_000)
    assert slow.next(BOUND_S).kind == Reply.ACCEPTED
    slow.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
    with logged_in(venue.at, "GOOD") as good:
        for number in range(100_000, 120_000):
            while good.room < 1:
                good.poll_array()
            good.enter(number, Side.SELL, "BOLT", 1, 10_000, time_in_force=TimeInForce.IOC)
            good.poll_array()
        wait_until(lambda: not (good.keep_alive() or good.poll_array().size), "all is answered")
    with pytest.raises(SessionEnded, match="slow"):
        until_the_end(slow)
    is_calm(venue)


def test_a_second_login_takes_over_and_the_first_can_say_nothing_more(venue):
    first = logged_in(venue.at, "EVIL")
    first.enter("first", Side.BUY, "ACME", 1, 10_000)
    assert first.next(BOUND_S).id == "first"
    with logged_in(venue.at, "EVIL", first_reply=first.next_reply) as second:
        with pytest.raises(SessionEnded, match="taken over"):
            until_the_end(first)
        first.has_ended = False
        first.put(first._request.ctypes.data)
        second.enter("second", Side.BUY, "ACME", 1, 10_000)
        assert second.next(BOUND_S).id == "second"
        assert second.poll() == []


def test_what_the_process_that_relays_has_not_passed_on_had_no_effect(venue):
    evil = logged_in(venue.at, "EVIL")
    evil.enter("before", Side.BUY, "ACME", 1, 10_000)
    assert evil.next(BOUND_S).id == "before"
    taken = evil.next_request - 1
    (pid,) = (pid for name, pid in named_children(venue.process.pid) if "acceptor" in name)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text(), "it is stopped")
    lost = evil.enter("lost", Side.BUY, "ACME", 1, 10_000)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SessionEnded):
        until_the_end(evil)

    def again():
        with suppress(ClientError):
            return ShmClient(venue.at, "EVIL", KEY, first_reply=evil.next_reply, day=evil.day)

    with wait_until(again, "another takes its place") as client:
        assert taken <= client.taken_before < lost
        assert client.next_request == client.taken_before + 1
        client.enter("lost", Side.BUY, "ACME", 1, 10_000)
        told = client.next(BOUND_S)
        assert (told.kind, told.id) == (Reply.ACCEPTED, "lost"), "its name is free"
    is_calm(venue)
