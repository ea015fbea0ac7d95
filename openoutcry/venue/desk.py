"""The exchange operator's desk: a socket in the journal's folder that takes the operators' requests
while the venue is open.

A process that may write to the socket (it is its owner's alone) may stop things.  Opening the whole
market again takes two of the file's operators, each with a password.  A request is one line of
JSON, and so is the answer::

    {"do": "kill", "what": "participant", "name": "7"}
    {"done": ["participant 7 killed", "…"], "commands": 2, "durable": true}

A request becomes commands on the operator's lane, sequenced and journaled.  The desk answers when
the core has processed them and, where the venue is durable, the disk has them.  The answer says
what the core says: the desk has read in the core's state that a limit is set.
"""

import json
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.faults import Faults
from openoutcry.wire.load_limits import LEAST_S
from openoutcry.wire.unix_socket import connect, short_name

NAME = "desk.sock"
MAX_REQUEST = 1 << 16
MAX_CLIENTS = 16
ANSWER_S = 60.0
"""As long as a client waits for the core."""
SEE_FORCE = "; see what is in force with `outcry venue limits show`"


PARTICIPANT_KNOWN, UNAVAILABLE = "participant_known", "unavailable"
"""Codes of refusals that programs act on: the number of a participant is taken; and the venue has
not decided yet, so the same request is to be asked again."""


class DeskError(OutcryError):
    """A request to the exchange operator's desk that cannot be carried out; ``code``: of what
    another program acts on, "" of all others."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


def nothing_follows() -> "Work | None":
    """Return no further work, after a request that is complete at once."""
    return None


@dataclass(eq=False)
class Work:
    """Work of a request: commands for the lane, and how to see that they did what they should."""

    records: npt.NDArray[Any]
    done: list[str]
    refused: Callable[[], str] = lambda: ""
    """Called once the core has processed the commands: why they failed, or nothing."""
    follow: Callable[[], "Work | None"] = nothing_follows
    """Work that follows, if any."""
    more: dict[str, Any] = field(default_factory=dict)
    """Notified as well."""
    ready: Callable[[], bool] = lambda: True
    """Called once the core has processed the commands: whether the rest is done, too."""
    begun: Callable[[], None] = lambda: None
    """Called when the commands are on the lane."""
    ended: Callable[[], None] = lambda: None
    """Called when the request is answered, with the last work that followed or an error."""
    framing: int = 0
    """How many of the commands only carry the reference."""


@dataclass(eq=False)
class _Client:
    connection: socket.socket | None
    """None: the venue itself asks."""
    since_s: float = field(default_factory=time.monotonic)
    received: bytearray = field(default_factory=bytearray)
    work: Work | None = None
    target: int = 0
    """The operator's lane, up to here, is what was asked."""
    commands: int = 0
    done: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    ended: Callable[[], None] = lambda: None
    answered: Callable[[dict[str, Any]], None] = lambda answer: None

    def has_asked(self) -> bool:
        """Return whether a request has come whole."""
        return b"\n" in self.received


class Desk:
    """Listens in ``directory`` and lets ``work_of`` turn requests into work."""

    def __init__(
        self,
        directory: Path,
        work_of: Callable[[dict[str, Any]], Work],
        answering: Callable[[], None] = lambda: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """``answering``: called before each answer about what the core has had; ``note``: gets a
        line about requests that failed."""
        self.directory, self.work_of, self.answering = directory, work_of, answering
        self.clients: list[_Client] = []
        self.faults = Faults("desk", note)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with short_name(directory / NAME) as address:
            with suppress(FileNotFoundError):
                os.unlink(address)
            before = os.umask(0o177)
            try:
                self.listener.bind(address)
            finally:
                os.umask(before)
        self.listener.listen(MAX_CLIENTS)

    def close(self) -> None:
        """Answer the requests that wait with an error, and close the socket."""
        for client in self.clients:
            self._answer(client, {"error": "the venue has closed", "code": UNAVAILABLE})
        self.clients = []
        self.listener.close()
        with suppress(FileNotFoundError):
            (self.directory / NAME).unlink()

    def descriptors(self) -> list[int]:
        """Descriptors by which a request may come; one by which none may be taken is not among
        them."""
        silent = [
            client
            for client in self.clients
            if client.work is None and client.connection is not None
        ]
        fds = [one.connection.fileno() for one in silent if one.connection is not None]
        is_full = len(self.clients) >= MAX_CLIENTS and not self._that_give_way()
        return fds if is_full else [*fds, self.listener.fileno()]

    def _that_give_way(self) -> list[_Client]:
        """Return the clients that had LEAST_S for a request and sent no whole one, the oldest
        first."""
        before_s = time.monotonic() - LEAST_S
        silent = [one for one in self.clients if one.work is None and not one.has_asked()]
        return [one for one in silent if one.since_s <= before_s]

    def take(
        self,
        request: dict[str, Any],
        publish: Callable[[npt.NDArray[Any]], int],
        answered: Callable[[dict[str, Any]], None],
    ) -> None:
        """Begin a request of the venue itself; ``answered`` is called with the answer."""
        client = _Client(None, answered=answered)
        self.clients.append(client)
        self._begin(client, request, publish)

    def poll(
        self, publish: Callable[[npt.NDArray[Any]], int], is_processed: Callable[[int], bool]
    ) -> None:
        """Take requests and give answers.  ``publish`` puts records on the lane and returns the
        lane's sequence of the last; ``is_processed`` says whether the core has had up to that."""
        for _ in range(MAX_CLIENTS):
            silent = self._that_give_way()
            if len(self.clients) >= MAX_CLIENTS and not silent:
                break
            try:
                connection, _ = self.listener.accept()
            except OSError:
                break
            if len(self.clients) >= MAX_CLIENTS:
                self._gone(silent[0])
            connection.setblocking(False)
            self.clients.append(_Client(connection))
        logins: list[tuple[_Client, dict[str, Any]]] = []
        for client in list(self.clients):
            if client.work is not None:
                if is_processed(client.target) and client.work.ready():
                    self._finish(client, publish)
                continue
            if not client.has_asked():
                self._read(client)
            request = self._asked(client)
            if request is not None and request.get("do") == "log-in":
                logins.append((client, request))
            elif request is not None:
                self._begin(client, request, publish)
        if logins:
            # Its password takes a tenth of a second to check: what stops the market comes first,
            # and no more than one keeps all else waiting.
            self._begin(*logins[0], publish)

    def _read(self, client: _Client) -> None:
        assert client.connection is not None
        try:
            data = client.connection.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        if not data or len(client.received) > MAX_REQUEST:
            self._gone(client)

    def _asked(self, client: _Client) -> dict[str, Any] | None:
        """The client's request, once it is whole."""
        line, newline, _ = bytes(client.received).partition(b"\n")
        if not newline or client not in self.clients:
            return None
        try:
            return _request(line)
        except OutcryError as error:
            self._answer(client, _refusal(error))
            return None

    def _begin(
        self,
        client: _Client,
        request: dict[str, Any],
        publish: Callable[[npt.NDArray[Any]], int],
    ) -> None:
        try:
            work = self.work_of(request)
        except OutcryError as error:
            self._answer(client, _refusal(error))
            return
        except Exception as error:  # none of its commands is on the lane
            self._answer(client, {"error": self.faults.add(error)})
            return
        self._publish(client, work, publish)

    def _publish(
        self, client: _Client, work: Work, publish: Callable[[npt.NDArray[Any]], int]
    ) -> None:
        if client.work is None:
            client.ended = work.ended
        client.work = work
        client.target = publish(work.records)
        client.commands += len(work.records) - work.framing
        work.begun()

    def _finish(self, client: _Client, publish: Callable[[npt.NDArray[Any]], int]) -> None:
        assert client.work is not None
        why = client.work.refused()
        client.done += [] if why else client.work.done
        client.more |= client.work.more
        if why:
            self.answering()
            self._answer(client, {"error": why, "done": client.done})
            return
        try:
            following = client.work.follow()
        except OutcryError as error:
            self.answering()
            self._answer(client, _refusal(error) | {"done": client.done})
            return
        if following is not None:
            self._publish(client, following, publish)
            return
        self.answering()
        self._answer(client, {"done": client.done, "commands": client.commands, **client.more})

    def _answer(self, client: _Client, answer: dict[str, Any]) -> None:
        client.ended()
        client.answered(answer)
        if client.connection is not None:
            with suppress(OSError):
                client.connection.sendall(json.dumps(answer).encode() + b"\n")
        self._gone(client)

    def _gone(self, client: _Client) -> None:
        if client.connection is not None:
            client.connection.close()
        if client in self.clients:
            self.clients.remove(client)


def _refusal(error: OutcryError) -> dict[str, Any]:
    code = getattr(error, "code", "")
    return {"error": str(error)} | ({"code": code} if code else {})


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if type(request) is not dict or any(type(v) in (dict, list) for v in request.values()):
        raise DeskError("a request is one line, a JSON object of plain values")
    return request


def ask(directory: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the desk of the venue whose journal this is.

    Raises :class:`DeskError` with what the desk says.  With the code UNAVAILABLE none has answered:
    what was asked may be done or not, and is to be asked again by its reference.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connect(connection, directory / NAME, ANSWER_S)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            text = f"{directory}: the venue is not running, or is closed"
            raise DeskError(text, UNAVAILABLE) from None
        except BlockingIOError:
            text = f"{directory}: the venue's desk had too many requests for {ANSWER_S:.0f} s"
            raise DeskError(text, UNAVAILABLE) from None
        except PermissionError:
            text = f"{directory / NAME}: permission denied; connect as the venue's user"
            raise DeskError(text, UNAVAILABLE) from None
        _require_own_server(connection, directory / NAME)
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = _line(connection)
        except TimeoutError:
            text = f"no answer within {ANSWER_S:.0f} s{SEE_FORCE}"
            raise DeskError(text, UNAVAILABLE) from None
        except ConnectionError:
            text = f"the venue closed the connection without an answer{SEE_FORCE}"
            raise DeskError(text, UNAVAILABLE) from None
    if "error" in answer:
        before = f" (before that: {', '.join(answer['done'])})" if answer.get("done") else ""
        raise DeskError(answer["error"] + before, str(answer.get("code", "")))
    return answer


def _require_own_server(connection: socket.socket, path: Path) -> None:
    """A request may hold a password: only the asking user or root may read it."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    if user not in (0, os.geteuid()):
        raise DeskError(
            f"{path}: user {user} owns this socket, so nothing was sent; run the command as "
            "that user",
            UNAVAILABLE,
        )


def _line(connection: socket.socket) -> dict[str, Any]:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(MAX_REQUEST)
        if not data:
            raise ConnectionError
        received += data
    return dict(json.loads(received))
