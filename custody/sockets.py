"""Requests between custody's processes: one line of JSON each way, over a Unix socket.

A socket is its owner's alone; that of the door is its group's, too.  A signer on another host is
reached by a tunnel to its socket.
"""

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError

MAX_REQUEST = 1 << 24
ANSWER_S = 60.0
LOOK_S = 0.2
Request = dict[str, Any]


class Server(Closing):
    """Answers one request after the other.  ``hidden``: what others than its owner may not do with
    the socket."""

    def __init__(
        self, path: Path, answer: Callable[[Request], Request], hidden: int = 0o177
    ) -> None:
        self.path, self.answer = path, answer
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(hidden)
        try:
            with suppress(FileNotFoundError):
                path.unlink()
            self.listener.bind(str(path))
        except OSError as error:
            raise CustodyError(f"{path}: {error}") from None
        finally:
            os.umask(before)
        self.listener.listen(16)
        self.listener.settimeout(LOOK_S)

    def close(self) -> None:
        self.listener.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    def serve(self, stop: Callable[[], bool] = lambda: False) -> None:
        while not stop():
            self.poll()

    def poll(self) -> None:
        """One request, if one comes."""
        try:
            connection, _ = self.listener.accept()
        except (TimeoutError, OSError):
            return
        with connection:
            connection.settimeout(ANSWER_S)
            with suppress(OSError):
                connection.sendall(json.dumps(self._answered(connection)).encode() + b"\n")

    def _answered(self, connection: socket.socket) -> Request:
        try:
            request = json.loads(_line(connection))
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            return self.answer(request)
        except Refused as error:
            return {"refused": error.code, "why": str(error)}
        except OutcryError as error:
            return {"error": str(error)}
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            return {"error": f"no request: {type(error).__name__} {error}"}


def ask(path: Path, request: Request, answer_s: float = ANSWER_S) -> Request:
    """Raises :class:`Refused` with the other side's word, else :class:`CustodyError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(answer_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_line(connection))
    except (OSError, ValueError) as error:
        raise CustodyError(f"{path}: no answer ({error})") from None
    if "refused" in answer:
        raise Refused(str(answer["refused"]), str(answer.get("why", "")))
    if "error" in answer:
        raise CustodyError(f"{path}: {answer['error']}")
    return dict(answer)


def _line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(1 << 16)
        if not data or len(received) + len(data) > MAX_REQUEST:
            raise ValueError("the connection was closed before a whole line")
        received += data
    return bytes(received)
