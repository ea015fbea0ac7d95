"""Requests between custody's processes: one line of JSON each way, over a Unix socket.

A socket is its owner's alone; that of the door is its group's, too.  A signer on another host is
reached by a tunnel to its socket.  A client that sends no whole request delays no other one, and
whatever a request makes of the code that answers it, the server continues.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.faults import Faults
from openoutcry.wire.load_limits import LEAST_S
from openoutcry.wire.readable import readable
from openoutcry.wire.unix_socket import connect, short_name

MAX_REQUEST = 1 << 24
MAX_CLIENTS = 16
ANSWER_S = 60.0
REQUEST_S = 10.0
"""Seconds in which a request must come whole."""
TAKE_S = 2.0
"""Seconds in which a client must take a part of its answer."""
LOOK_S = 0.2
Request = dict[str, Any]
log = logging.getLogger("outcry.custody")


@dataclass(eq=False)
class _Client:
    connection: socket.socket
    until_s: float
    received: bytearray = field(default_factory=bytearray)


class Server(Closing):
    """Answers one request after the other.  ``hidden``: what others than its owner may not do with
    the socket."""

    def __init__(
        self, path: Path, answer: Callable[[Request], Request], hidden: int = 0o177
    ) -> None:
        self.path, self.answer = path, answer
        self.faults = Faults(str(path), log.error)
        self._clients: list[_Client] = []
        _require_free(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(hidden)
        try:
            with suppress(FileNotFoundError):
                path.unlink()
            with short_name(path) as name:
                self.listener.bind(name)
            self._made = _made(path)
        except OSError as error:
            raise CustodyError(f"{path}: {error}") from None
        finally:
            os.umask(before)
        self.listener.listen(MAX_CLIENTS)

    def close(self) -> None:
        """End every connection and remove the socket, unless another one has its name."""
        while self._clients:
            self._end(self._clients[0])
        self.listener.close()
        with suppress(FileNotFoundError):
            if _made(self.path) == self._made:
                self.path.unlink()

    def serve(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Answer requests until ``stop`` returns true, which is asked every 0.2 s at least."""
        while not stop():
            self.poll()

    def poll(self) -> None:
        """Answer the requests that are whole; wait a moment if nothing comes."""
        waiting = {one.connection.fileno(): one for one in self._clients}
        # A full server takes another client once its oldest had time for a request.
        entries = [self.listener.fileno()] if self._has_room() else []
        ready = readable([*entries, *waiting], LOOK_S)
        if entries and entries[0] in ready:
            self._accept()
        for number, client in waiting.items():
            if number in ready and client in self._clients:
                self._read(client)
        now_s = time.monotonic()
        for client in [one for one in self._clients if one.until_s < now_s]:
            self._end(client)

    def _has_room(self) -> bool:
        if len(self._clients) < MAX_CLIENTS:
            return True
        return self._clients[0].until_s <= time.monotonic() + REQUEST_S - LEAST_S

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            self._end(self._clients[0])  # the oldest has asked for nothing
        connection.setblocking(False)
        self._clients.append(_Client(connection, time.monotonic() + REQUEST_S))

    def _read(self, client: _Client) -> None:
        try:
            data = client.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        if not data or len(client.received) > MAX_REQUEST:
            self._end(client)
        elif client.received.endswith(b"\n"):
            client.connection.settimeout(TAKE_S)
            with suppress(OSError):
                client.connection.sendall(self.answered(bytes(client.received)))
            self._end(client)

    def _end(self, client: _Client) -> None:
        self._clients.remove(client)
        client.connection.close()

    def answered(self, line: bytes) -> bytes:
        """The line that answers one; it raises nothing."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            answer = self.answer(request)
        except Refused as error:
            answer = {"refused": error.code, "why": str(error)}
        except OutcryError as error:
            answer = {"error": str(error)}
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            answer = {"error": f"no request: {type(error).__name__} {error}"[:500]}
        except Exception as error:
            answer = {"error": self.faults.add(error)}
        return json.dumps(answer).encode() + b"\n"


def _made(path: Path) -> tuple[int, int]:
    """Return what a file's name stands for: the number alone is given again."""
    found = path.stat()
    return found.st_ino, found.st_ctime_ns


def _require_free(path: Path) -> None:
    """Raise :class:`CustodyError` if a process listens at a socket: to take its name from it leaves
    nobody there when one of the two ends."""
    try:
        with socket.socket(socket.AF_UNIX) as connection, short_name(path) as name:
            connection.setblocking(False)
            connection.connect(name)
    except BlockingIOError:
        pass  # its queue is full
    except OSError:
        return
    raise CustodyError(f"{path}: another process listens there")


def whole(request: Request, name: str, end: int = 2**63) -> int:
    """A number of a request below ``end``, as it was sent: no text, fraction or truth value becomes
    one."""
    value = request[name]
    if type(value) is not int or not 0 <= value < end:
        raise ValueError(f"{name} is a whole number below {end:,}")
    return value


def ask(path: Path, request: Request, answer_s: float = ANSWER_S) -> Request:
    """Raises :class:`Refused` with the other side's word, else :class:`CustodyError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connect(connection, path, answer_s)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_line(connection))
    except (OSError, ValueError, RecursionError) as error:
        raise CustodyError(f"{path}: no answer ({error})") from None
    if type(answer) is not dict:
        raise CustodyError(f"{path}: the answer is not a JSON object")
    if "refused" in answer:
        raise Refused(str(answer["refused"]), str(answer.get("why", "")))
    if "error" in answer:
        raise CustodyError(f"{path}: {answer['error']}")
    return answer


def _line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(1 << 16)
        if not data or len(received) + len(data) > MAX_REQUEST:
            raise ValueError("the connection was closed before a whole line")
        received += data
    return bytes(received)
