"""A small real FIX acceptor over the session kernels, with an application in Python behind them.

The live venue has its own process for this (pipeline); here a test can put any application behind
any number of sessions, over a loopback socket or without one and with a clock of its own.
"""

import ctypes
import selectors
import socket
import threading
import time

import numpy as np

from openoutcry.order_entry import session as block
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.fix import gaps, scan, send, session, words
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.order_entry.stream import Stream, append
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import epoch_offset_ns
from tests.oracles.fix_dictionary import fields_of

ROOM = 1 << 16
CLOSES = (session.Result.LOGGED_OUT, session.Result.DISCONNECT)


@kernel
def timer_due_ns(address: words.FixSession) -> int:
    """When :func:`session.on_timer` has something to do at the earliest; 2**62 if never."""
    state = address.fix_state
    since = address.logout_ns
    if state == words.NONE:
        return 1 << 62
    if state == words.AWAITED:
        return since + session.LOGON_TIMEOUT_NS
    due = since + session.LOGOUT_TIMEOUT_NS if state == words.LOGGING_OUT else 1 << 62
    if gaps.is_open(address):
        due = gaps.due_ns(address)
    interval = address.heartbeat_ns
    if interval == 0:
        return due
    test_requests = address.test_requests
    silent = (6 * interval * (test_requests + 1) + 4) // 5
    due = min(due, address.last_in_ns + silent)
    if test_requests == 0:
        due = min(due, address.last_out_ns + interval)
    return due


class FixSession:
    """A participant's session: what outlives its connections."""

    def __init__(self, sender, target, begin="FIX.4.4", options=0, messages=1 << 12):
        self.words = np.zeros(block.BLOCK_BYTES // 8 + 64, np.int64)
        self.address = self.words.ctypes.data
        self.memory = words.Memory(self.words, begin, sender, target, messages)
        self.fields = make_fields()
        self.stream = Stream(None, 1, entries=messages * 4, data_bytes=messages << 10)
        self.out = np.zeros(ROOM + 64, np.uint8)
        self[words.FIELDS] = self.fields.ctypes.data
        self[words.OPTIONS] = options
        self[words.ACCURACY_NS] = 120 * 10**9
        self[block.STREAM] = self.stream.address
        self.connected = False

    def __getitem__(self, word):
        return int(self.words[word // 8])

    def __setitem__(self, word, value):
        self.words[word // 8] = value

    def taken_out(self):
        """What the last call wrote."""
        return self.out[: self[words.OUT_BYTES]].tobytes()

    def say(self, body):
        """Put the body of a message on the stream."""
        data = np.frombuffer(body + bytes(8), np.uint8)
        assert append(self.stream.address, data.ctypes.data, len(body), 0) > 0


class Connection:
    """One connection: bytes in, bytes out, ``closed``; without a socket or a clock of its own."""

    def __init__(self, acceptor, now_ns):
        self.acceptor, self.session, self.closed = acceptor, None, False
        self.buffer = np.zeros(1 << 16, np.uint8)
        self.size, self.since_ns = 0, now_ns

    def receive(self, data, now_ns):
        """Take bytes; returns what is to be sent."""
        answer = b""
        for start in range(0, len(data), 4096):
            part = np.frombuffer(data[start : start + 4096], np.uint8)
            self.buffer[self.size : self.size + len(part)] = part
            self.size += len(part)
            answer += self.take_messages(now_ns)
        return answer

    def take_messages(self, now_ns):
        answer, at = b"", 0
        while not self.closed:
            length = scan.frame(self.buffer.ctypes.data + at, self.size - at)
            if length <= 0:
                self.closed = length < 0
                break
            answer += self.take(self.buffer.ctypes.data + at, length, now_ns)
            at += length
        self.buffer[: self.size - at] = self.buffer[at : self.size]
        self.size -= at
        return answer

    def take(self, message, length, now_ns):
        if self.session is None and not self.find_session(message, length, now_ns):
            self.closed = True
            return b""
        answer = b""
        while message and not self.closed:
            answer += self.take_one(message, length, now_ns)
            message = session.take_queued(self.session.address)
            length = self.session[words.QUEUED_BYTES]
        return answer

    def find_session(self, message, length, now_ns):
        """Whose logon it is; what a venue's acceptor does."""
        text = bytes(np.ctypeslib.as_array(_pointer(message), (length,)))
        names = dict(field for field in fields_of(text) if len(field) == 2)
        fix_session = self.acceptor.sessions.get((names.get(b"49"), names.get(b"56")))
        if fix_session is None or fix_session.connected:
            return False
        fix_session.connected, self.session = True, fix_session
        session.connected(fix_session.address, now_ns)
        return True

    def take_one(self, message, length, now_ns):
        one = self.session
        one[words.CLOCK_OFFSET_NS] = self.acceptor.clock_offset_ns
        out, fields = one.out.ctypes.data, one.fields.ctypes.data
        text = bytes(np.ctypeslib.as_array(_pointer(message), (length,)))
        if scan.parse(fields, message, length) == scan.WHOLE and self.acceptor.dictionary:
            self.validate(text, one)
        result = session.on_parsed(one.address, message, length, now_ns, out, ROOM)
        answer = one.taken_out()
        if result == Kind.APPLICATION:
            for body in self.acceptor.application(one, text):
                one.say(body)
        if result in CLOSES:
            self.closed = True
        elif result != session.Result.GARBLED:
            answer += self.send_more(now_ns)
        return answer

    def validate(self, text, one):
        state = one.fields.view(np.int64)[: words.FIELDS_BYTES // 8]
        fault = self.acceptor.dictionary.fault(text) if state[words.ERROR // 8] == 0 else None
        if fault and one[words.STATE] != words.AWAITED:
            reason, tag = fault
            place = words.BODY + 1024
            one.fields[place : place + len(tag or b"")] = np.frombuffer(tag or b"", np.uint8)
            state[words.ERROR // 8] = 1 + reason
            state[words.REF_TAG // 8] = one.fields.ctypes.data + place if tag else 0
            state[words.REF_SIZE // 8] = len(tag or b"")

    def send_more(self, now_ns):
        answer = b""
        while send.send_more(self.session.address, now_ns, self.session.out.ctypes.data, ROOM):
            answer += self.session.taken_out()
        return answer

    def timer(self, now_ns):
        if self.session is None:
            self.closed = now_ns - self.since_ns >= session.LOGON_TIMEOUT_NS
            return b""
        one = self.session
        result = session.on_timer(one.address, now_ns, one.out.ctypes.data)
        self.closed = result in CLOSES
        return one.taken_out()

    def due_ns(self):
        if self.session is None:
            return self.since_ns + session.LOGON_TIMEOUT_NS
        return timer_due_ns(self.session.address)

    def lost(self):
        """The connection is gone."""
        self.closed = True
        if self.session is not None:
            session.disconnected(self.session.address)
            self.session.connected = False
            self.session = None


def _pointer(address):
    return ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8))


class Acceptor:
    """Sessions by who speaks, and the application behind them.

    ``application(session, message)`` gives the bodies of its answers.
    """

    def __init__(self, sessions, application, dictionary=None):
        self.sessions = {
            (target.encode(), sender.encode()): one for (sender, target), one in sessions.items()
        }
        self.application, self.dictionary = application, dictionary
        self.clock_offset_ns = epoch_offset_ns()


class Server:
    """An acceptor that listens on a loopback port, in a thread.

    Its timers' clock may go slower than time does, for clients that a busy machine holds up.
    """

    def __init__(self, acceptor, slower=1):
        self.acceptor, self.slower = acceptor, slower
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.waker, self.woken = socket.socketpair()
        self.failure = None
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.waker.close()
        self.thread.join()
        if self.failure is not None:
            raise self.failure

    def now_ns(self):
        now_ns = time.monotonic_ns() // self.slower
        self.acceptor.clock_offset_ns = time.time_ns() - now_ns
        return now_ns

    def _run(self):
        try:
            self._serve()
        except BaseException as failure:
            self.failure = failure
        finally:
            self.listener.close()
            self.woken.close()

    def _serve(self):
        peers = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            selector.register(self.woken, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in selector.select(0.02):
                        if key.fileobj is self.woken:
                            return
                        if key.fileobj is self.listener:
                            peer, _ = self.listener.accept()
                            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                            peers[peer] = Connection(self.acceptor, self.now_ns())
                            selector.register(peer, selectors.EVENT_READ)
                        else:
                            self._read(peers, selector, key.fileobj)
                    self._timers(peers, selector)
            finally:
                for peer, connection in peers.items():
                    connection.lost()
                    peer.close()

    def _read(self, peers, selector, peer):
        connection = peers[peer]
        try:
            data = peer.recv(1 << 16)
        except ConnectionError:
            data = b""
        answer = connection.receive(data, self.now_ns()) if data else b""
        self._send(peers, selector, peer, answer, connection.closed or not data)

    def _timers(self, peers, selector):
        now_ns = self.now_ns()
        for peer, connection in list(peers.items()):
            if connection.due_ns() <= now_ns:
                answer = connection.timer(now_ns)
                self._send(peers, selector, peer, answer, connection.closed)

    def _send(self, peers, selector, peer, answer, closes):
        try:
            peer.sendall(answer)
        except ConnectionError:
            closes = True
        if closes:
            peers.pop(peer).lost()
            selector.unregister(peer)
            peer.close()


class Echo:
    """What the acceptance scripts want behind a session: orders and security definitions come
    back, a possible resend of an order that was seen does not."""

    def __init__(self):
        self.seen = set()

    def __call__(self, one, message):
        fields = fields_of(message)
        header = {b"8", b"9", b"35", b"34", b"49", b"52", b"56", b"43", b"122", b"97", b"10"}
        values = dict(fields)
        kind = values[b"35"]
        if kind not in (b"D", b"d"):
            text = b"35=j\x0145=%s\x0158=Unsupported Message Type\x01372=%s\x01380=3\x01"
            return [text % (values[b"34"], kind)]
        order = values.get(b"11")
        if kind == b"D":
            if values.get(b"97") == b"Y" and order in self.seen:
                return []
            self.seen.add(order)
        body = sorted((f for f in fields if f[0] not in header), key=lambda field: int(field[0]))
        if b"97" in values:
            body.insert(0, (b"97", values[b"97"]))
        return [b"".join(b"%s=%s\x01" % field for field in [(b"35", kind), *body])]


def conformance_acceptor(dictionary):
    """What the scripts talk to: ISLD, logged on to by TW, numbers from 1 at each logon."""
    one = FixSession("ISLD", "TW", options=words.RESET_ON_LOGON)
    return Acceptor({("ISLD", "TW"): one}, Echo(), dictionary)
