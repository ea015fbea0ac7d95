"""Run QuickFIX's acceptance scripts (quickfix_acceptance/) against an acceptor."""

import re
import socket
import time
from pathlib import Path

from tests.oracles.fix_acceptor import Connection
from tests.support.waiting import BOUND_S

HERE = Path(__file__).parent / "quickfix_acceptance"
SCRIPTS = sorted((HERE / "fix44").glob("*.def"))
SLOW = ("4a_NoDataSentDuringHeartBtInt.def", "6_SendTestRequest.def")
"""They wait for heartbeats, 12 and 34 seconds."""
PATTERNS = {
    line.split("=")[0]: re.compile(line.split("=", 1)[1])
    for line in (HERE / "fields.fmt").read_text().split()
}
SOH = "\x01"


class Mismatch(AssertionError):
    """The acceptor said something else."""


def with_times(text, now_s):
    """Put the time where the script has ``<TIME>``, ``<TIME+10>`` or ``<TIME-1>``."""

    def stamp(match):
        return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(now_s + int(match[1] or 0)))

    return re.sub(r"<TIME([+-]\d+)?>", stamp, text)


def completed(text):
    """A message with the BodyLength and CheckSum that the script leaves out."""
    head = re.match(r"8=.*?\x01", text)
    if head is None:
        return text
    has_size = re.search(r"\x019=.*?\x01", text)
    body = text[head.end() :]
    check = re.search(r"\x0110=.*\x01$", body)
    tail = check[0] if check else ""
    body = body[: len(body) - len(tail)]
    size = "" if has_size else f"9={len(body)}{SOH}"
    total = sum((head[0] + size + body).encode("latin-1")) % 256
    return head[0] + size + body + (tail or f"10={total:03d}{SOH}")


def compare(expected, received):
    """Field by field, in order; times and check sums by their pattern."""
    mine, theirs = expected.split(SOH), received.split(SOH)
    same = len(mine) == len(theirs) and all(
        one.split("=")[0] == other.split("=")[0]
        and (
            PATTERNS[one.split("=")[0]].search(other.split("=", 1)[-1])
            if one.split("=")[0] in PATTERNS
            else one == other
        )
        for one, other in zip(mine, theirs, strict=True)
    )
    if not same:
        wanted, got = (text.replace(SOH, "|") for text in (expected, received))
        raise Mismatch(f"expected {wanted}\nreceived {got}")


def run(path, transport):
    """Run one script; raises Mismatch naming file and line."""
    number = 0
    try:
        for line in path.read_bytes().decode("latin-1").split("\n"):
            line, number = line.rstrip("\r"), number + 1
            if line[:1] not in ("I", "E", "i", "e") or not line:
                continue
            who, body = 1, line[1:]
            if re.match(r"\d,", body):
                who, body = int(body[0]), body[2:]
            message = completed(with_times(body, transport.wall_s()))
            if line[0] == "I":
                transport.send(who, message.encode("latin-1"))
            elif line[0] == "E":
                compare(message, transport.receive(who).decode("latin-1"))
            elif line == f"i{line[1:-7]}CONNECT" and "DISCONNECT" not in line:
                transport.connect(who)
            elif line[0] == "i":
                transport.disconnect(who)
            else:
                transport.expect_end(who)
    except (Mismatch, OSError) as error:
        raise Mismatch(f"{path.name}:{number}: {error}") from error
    finally:
        transport.close()


class Tcp:
    """Over real sockets, in real time."""

    def __init__(self, port):
        self.port, self.sockets, self.buffers = port, {}, {}

    def wall_s(self):
        return time.time()

    def connect(self, who):
        self.sockets[who] = socket.create_connection(("127.0.0.1", self.port), BOUND_S)
        self.buffers[who] = b""

    def send(self, who, data):
        self.sockets[who].sendall(data)

    def receive(self, who):
        while True:
            message = re.match(rb"8=.*?\x0110=\d+\x01", self.buffers[who], re.DOTALL)
            if message:
                self.buffers[who] = self.buffers[who][message.end() :]
                return message[0]
            more = self.sockets[who].recv(1 << 16)
            if not more:
                raise Mismatch("the connection ended")
            self.buffers[who] += more

    def expect_end(self, who):
        try:
            more = self.buffers[who] + self.sockets[who].recv(1 << 16)
        except ConnectionResetError:
            more = b""
        if more:
            raise Mismatch(f"the connection should have ended: {more!r}")
        self.disconnect(who)

    def disconnect(self, who):
        self.sockets.pop(who).close()

    def close(self):
        for who in list(self.sockets):
            self.disconnect(who)


class InMemory:
    """No sockets, and a clock that goes on only while a script waits."""

    def __init__(self, acceptor):
        self.acceptor, self.now_ns = acceptor, 10**15
        acceptor.clock_offset_ns = time.time_ns() - self.now_ns
        self.connections, self.buffers = {}, {}

    def wall_s(self):
        return (self.now_ns + self.acceptor.clock_offset_ns) // 10**9

    def connect(self, who):
        self.connections[who] = Connection(self.acceptor, self.now_ns)
        self.buffers[who] = b""

    def send(self, who, data):
        self.buffers[who] += self.connections[who].receive(data, self.now_ns)

    def wait(self, who):
        connection = self.connections[who]
        self.now_ns = max(self.now_ns, connection.due_ns())
        self.buffers[who] += connection.timer(self.now_ns)

    def receive(self, who):
        while True:
            message = re.match(rb"8=.*?\x0110=\d+\x01", self.buffers[who], re.DOTALL)
            if message:
                self.buffers[who] = self.buffers[who][message.end() :]
                return message[0]
            if self.connections[who].closed:
                raise Mismatch("the connection ended")
            self.wait(who)

    def expect_end(self, who):
        while not self.connections[who].closed and not self.buffers[who]:
            self.wait(who)
        if self.buffers[who]:
            raise Mismatch(f"the connection should have ended: {self.buffers[who]!r}")
        self.disconnect(who)

    def disconnect(self, who):
        self.connections.pop(who).lost()

    def close(self):
        for who in list(self.connections):
            self.disconnect(who)
