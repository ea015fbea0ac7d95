"""A connection to one server of a NATS cluster, without threads: what comes is taken when asked.

The publisher is a loop that must never wait for anything but its clock, and its latency is a
client's latency.  A block of 64 KiB published and acknowledged takes 1.1 ms over a plain socket and
2.7 ms over nats-py's event loop.  So this module speaks the NATS client protocol itself (INFO,
CONNECT, PUB, HPUB, SUB, MSG, HMSG, PING, PONG, -ERR), and everything else in the room uses it.
"""

import contextlib
import json
import secrets
import select
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import openoutcry
from openoutcry.replica.access import Access, Server
from openoutcry.wire.errors import Absent, ReplicaError, Unreachable

CONNECT_S = 2.0
"""How long one server may take until it has taken us: all steps together."""
REACH_S = 20.0
"""How long a start goes round servers that are there and too busy for that."""
REQUEST_S = 5.0
SEND_S = 2.0
"""How long a server may not take what is sent: then the connection is given up."""
SILENT_S = 2.0
"""A server that has said nothing for this long is asked (PING)"""
GONE_S = 4.0
"""and given up if it has not answered by then, and was asked in time: a process that did not look
itself, for want of a core, asks first."""
RECEIVE_BYTES = SEND_BYTES = 1 << 18
MAX_OUT_BYTES = 32 << 20
MAX_LINE_BYTES, MAX_MESSAGE_BYTES = 1 << 16, 64 << 20
"""Longest line and message of a server: NATS has no longer line or message."""
NO_RESPONDERS = "503"


@dataclass(frozen=True)
class Message:
    """A received message: ``status`` is a code in the headers ("503": without a listener), else
    empty."""

    subject: str
    sid: int
    """The subscription to which it belongs (:meth:`Link.subscribe`)."""
    reply: str
    headers: dict[str, str]
    status: str
    data: bytes


def connect(access: Access, first: int = 0) -> "Link":
    """A connection to the first server of ``access`` that takes it, from number ``first`` on.

    Raises :class:`Unreachable` if none answers (:class:`Absent` if none is there),
    :class:`ReplicaError` if one refuses us.
    """
    why, are_absent = [], True
    for index in range(len(access.servers)):
        server = access.servers[(first + index) % len(access.servers)]
        try:
            return Link(access, server)
        except Unreachable as error:
            why.append(str(error))
            are_absent = are_absent and isinstance(error, Absent)
    raise (Absent if are_absent else Unreachable)("; ".join(why))


def reach(access: Access, first: int = 0) -> "Link":
    """Like :func:`connect`, again and again for REACH_S while a server is there: it may be busy, or
    we are."""
    deadline_s = time.monotonic() + REACH_S
    while True:
        try:
            return connect(access, first)
        except Absent:
            raise
        except Unreachable:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)


class Link:
    """One connection.  Methods raise :class:`Unreachable` once it is lost; then make another."""

    def __init__(self, access: Access, server: Server) -> None:
        self.server = server
        self.inbox = f"_INBOX.{secrets.token_hex(8)}"
        self._buffer = bytearray()
        self._at = 0
        self._out: deque[memoryview] = deque()
        self._out_bytes = 0
        self._came: deque[Message] = deque()
        self._requests: dict[str, Message | None] = {}
        self._numbers = 0
        self._sids = 1
        self._heard_s = self._sent_s = time.monotonic()
        self._pinged_s, self._ponged = 0.0, False
        self.lost = ""
        """Why, once it is."""
        self._socket = self._open(access, server)
        self._socket.setblocking(False)
        try:
            self._begin(access)
        except BaseException:
            self._socket.close()
            raise

    def _open(self, access: Access, server: Server) -> socket.socket:
        self._begun_s = time.monotonic()
        try:
            sock = socket.create_connection((server.host, server.port), CONNECT_S)
        except TimeoutError:
            raise Unreachable(f"{server.text}: no answer within {CONNECT_S:g} s") from None
        except OSError as error:
            raise Absent(f"{server.text}: {error.strerror or error}") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.settimeout(self._left_s())
            info = self._read_info(sock)
            if server.tls or info.get("tls_required"):
                sock.settimeout(self._left_s())
                sock = _in_tls(sock, access, server)
        except TimeoutError:
            sock.close()
            raise Unreachable(f"{server.text}: no answer within {CONNECT_S:g} s") from None
        except OSError as error:
            sock.close()
            raise Unreachable(f"{server.text}: {error.strerror or error}") from None
        except BaseException:
            sock.close()
            raise
        self.name = str(info.get("server_name", ""))
        self.max_payload: int = info.get("max_payload", 1 << 20)
        return sock

    def _left_s(self) -> float:
        return max(0.001, self._begun_s + CONNECT_S - time.monotonic())

    def _read_info(self, sock: socket.socket) -> dict[str, Any]:
        text = bytearray()
        while not text.endswith(b"\r\n"):
            byte = sock.recv(1)  # no further: TLS begins behind it
            if not byte or len(text) > 1 << 16:
                raise Unreachable(f"{self.server.text}: closed the connection at once")
            text += byte
        try:
            info = json.loads(text.removeprefix(b"INFO ")) if text.startswith(b"INFO ") else None
        except (ValueError, RecursionError):
            info = None
        if type(info) is not dict or type(info.get("max_payload", 0)) is not int:
            raise ReplicaError(f"{self.server.text}: is not a NATS server")
        return info

    def _begin(self, access: Access) -> None:
        hello = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "name": "openoutcry",
            "version": openoutcry.__version__,
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "user": access.user,
            "pass": access.password,
        }
        self._put(b"CONNECT " + json.dumps(hello).encode() + b"\r\nPING\r\n")
        while not self._ponged:
            if time.monotonic() > self._begun_s + CONNECT_S:
                raise Unreachable(f"{self.server.text}: no answer within {CONNECT_S:g} s")
            self.wait(0.1)
        self._put(f"SUB {self.inbox}.* 1\r\n".encode())

    # Sending

    def publish(
        self, subject: str, payload: Any, headers: dict[str, str] | None = None, reply: str = ""
    ) -> None:
        """Send one message; return before the server has it.  ``reply``: where answers go."""
        size = memoryview(payload).nbytes
        to = f"{subject} {reply}" if reply else subject
        if headers is None:
            line = f"PUB {to} {size}\r\n"
        else:
            text = "NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
            line = f"HPUB {to} {len(text)} {len(text) + size}\r\n{text}"
        self._put(line.encode(), payload, b"\r\n")

    def subscribe(self, subject: str) -> int:
        """Let messages to ``subject`` come; returns the number for :meth:`unsubscribe`."""
        self._sids += 1
        self._put(f"SUB {subject} {self._sids}\r\n".encode())
        return self._sids

    def unsubscribe(self, sid: int) -> None:
        """Let no more messages of a subscription come; ``sid``: from :meth:`subscribe`."""
        self._put(f"UNSUB {sid}\r\n".encode())

    def next_inbox(self) -> str:
        """A subject to which one answer may come: no late answer to another question does."""
        self._numbers += 1
        return f"{self.inbox}.{self._numbers}"

    def request(
        self,
        subject: str,
        payload: Any = b"",
        timeout_s: float = REQUEST_S,
        headers: dict[str, str] | None = None,
    ) -> Message:
        """Send and wait for the answer; other messages that come meanwhile are kept.

        Raises :class:`Unreachable` without a listener there, or without an answer in time.
        """
        reply = self.next_inbox()
        self._requests[reply] = None
        try:
            self.publish(subject, payload, headers, reply)
            deadline = time.monotonic() + timeout_s
            while (answer := self._requests[reply]) is None:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise Unreachable(
                        f"{self.server.text}: {subject}: no answer within {timeout_s:g} s"
                    )
                self.wait(min(left_s, 0.5))
        finally:
            del self._requests[reply]
        if answer.status == NO_RESPONDERS:
            raise Unreachable(f"{self.server.text}: {subject}: no answer from there")
        return answer

    # Receiving

    def take(self) -> Message | None:
        """The next message that came, or None."""
        return self._came.popleft() if self._came else None

    def wait(self, timeout_s: float = 0.0) -> bool:
        """Send what is to be sent, and wait up to ``timeout_s`` until something has come; says
        whether there is something to :meth:`take`."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            timeout_s = 0.0
        writers = [self._socket] if self._out else []
        try:
            readable, writable, _ = select.select([self._socket], writers, [], timeout_s)
            if writable:
                self._flush()
            if readable or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                self._receive()
        except (OSError, ValueError) as error:
            raise self._lost(str(error)) from None
        self._keep_alive()
        return bool(self._came)

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._socket.fileno()

    def close(self) -> None:
        """Send what is left, as far as it can be, and go."""
        with contextlib.suppress(OSError, Unreachable):
            self._flush()
        with contextlib.suppress(OSError):
            # A process that was forked meanwhile has the descriptor too.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _keep_alive(self) -> None:
        now_s = time.monotonic()
        if self._out and now_s - self._sent_s > SEND_S:
            raise self._lost(f"takes nothing for {SEND_S:g} s")
        silent_s = now_s - self._heard_s
        if silent_s > SILENT_S and not self._pinged_s:
            self._pinged_s = now_s
            self._put(b"PING\r\n")
        elif self._pinged_s and now_s - self._pinged_s > GONE_S - SILENT_S:
            raise self._lost(f"silent for {silent_s:.1f} s")

    def _put(self, *parts: Any) -> None:
        if not self._out:
            self._sent_s = time.monotonic()
        for part in parts:
            view = memoryview(part).cast("B")
            self._out.append(view)
            self._out_bytes += len(view)
        try:
            self._flush()
        except OSError as error:
            raise self._lost(str(error)) from None
        if self._out_bytes > MAX_OUT_BYTES:
            raise self._lost("reads more slowly than we send")

    def _flush(self) -> None:
        while self._out:
            if len(self._out) > 1:
                self._gather()
            data = self._out[0]
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            self._sent_s = time.monotonic()
            self._out_bytes -= sent
            if sent < len(data):
                self._out[0] = data[sent:]
            else:
                self._out.popleft()

    def _gather(self) -> None:
        """The first parts, up to 256 KiB, as one: each call into TLS or the kernel costs."""
        parts = [self._out.popleft()]
        size = len(parts[0])
        while self._out and size + len(self._out[0]) <= SEND_BYTES:
            parts.append(self._out.popleft())
            size += len(parts[-1])
        self._out.appendleft(memoryview(b"".join(parts)) if len(parts) > 1 else parts[0])

    def _receive(self) -> None:
        closed = False
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not data:
                closed = True
                break
            self._heard_s, self._pinged_s = time.monotonic(), 0.0
            self._buffer += data
            if len(data) < RECEIVE_BYTES and not isinstance(self._socket, ssl.SSLSocket):
                break
            if len(self._buffer) > 4 * RECEIVE_BYTES:
                break
        while self._parse():
            pass
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        if closed:  # its last words came before
            raise self._lost("closed the connection")

    def _parse(self) -> bool:
        """Take one protocol message from the buffer; false if it is not whole yet."""
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0 or end - self._at > MAX_LINE_BYTES:
            if len(self._buffer) - self._at > MAX_LINE_BYTES:
                raise self._lost("sent a line without an end, which is not NATS")
            return False
        line = bytes(self._buffer[self._at : end])
        operation, _, rest = line.partition(b" ")
        if operation in (b"MSG", b"HMSG"):
            try:
                return self._parse_message(operation == b"HMSG", rest.split(), end + 2)
            except (ValueError, IndexError):
                raise self._lost(f"sent {line[:40]!r}, which is not a NATS message") from None
        self._at = end + 2
        if operation == b"PING":
            self._put(b"PONG\r\n")
        elif operation == b"PONG":
            self._ponged = True
        elif operation == b"-ERR":
            self._refuse(rest.decode(errors="replace").strip("'"))
        elif operation not in (b"+OK", b"INFO"):
            raise self._lost(f"said {line[:40]!r}, which is not NATS")
        return True

    def _parse_message(self, with_headers: bool, words: list[bytes], begin: int) -> bool:
        total = int(words[-1])
        head = int(words[-2]) if with_headers else 0
        if not 0 <= head <= total <= MAX_MESSAGE_BYTES:
            raise ValueError(total)
        if len(self._buffer) < begin + total + 2:
            return False
        reply = words[2].decode() if len(words) == 4 + with_headers else ""
        data = bytes(self._buffer[begin + head : begin + total])
        headers, status = _headers(bytes(self._buffer[begin : begin + head]))
        self._at = begin + total + 2
        message = Message(words[0].decode(), int(words[1]), reply, headers, status, data)
        if message.subject in self._requests:
            self._requests[message.subject] = message
        else:
            self._came.append(message)
        return True

    def _refuse(self, text: str) -> None:
        if "timeout" in text.lower():  # of the authentication, too: one of the two was busy
            raise self._lost(text)
        if "authorization" in text.lower() or "authentication" in text.lower():
            raise ReplicaError(f"{self.server.text}: refuses our credentials: {text}")
        if "permissions" in text.lower():
            raise ReplicaError(f"{self.server.text}: {text}")
        raise self._lost(text)

    def _lost(self, why: str) -> Unreachable:
        self.lost = f"{self.server.text}: {why}"
        return Unreachable(self.lost)


def _in_tls(sock: socket.socket, access: Access, server: Server) -> socket.socket:
    try:
        context = ssl.create_default_context(cafile=access.authority or None)
    except (OSError, ssl.SSLError) as error:
        raise ReplicaError(f"{access.authority}: no certificates to trust: {error}") from None
    try:
        return context.wrap_socket(sock, server_hostname=server.host)
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        raise ReplicaError(f"{server.text}: its certificate is not trusted: {why}") from None
    except ssl.SSLEOFError:
        raise Unreachable(f"{server.text}: closed the connection while TLS began") from None
    except ssl.SSLError as error:
        raise ReplicaError(f"{server.text}: no TLS with it: {error.reason}") from None


def _headers(text: bytes) -> tuple[dict[str, str], str]:
    if not text:
        return {}, ""
    lines = text.decode(errors="replace").split("\r\n")
    status = lines[0].split(" ")[1] if " " in lines[0] else ""
    pairs = (line.partition(":") for line in lines[1:] if line)
    return {name.strip(): value.strip() for name, _, value in pairs}, status
