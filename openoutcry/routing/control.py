"""Change a parent while its router runs in another process: a socket next to the file of parents.

A request is a line of JSON: the parent's number, and its new ``state``, ``quantity`` or ``limit``
as text.  The answer is a line too: the parent as it is then, or the error.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from openoutcry.routing.instruments import RoutingError
from openoutcry.routing.parents import ACTIVE, ENDED, PAUSED
from openoutcry.routing.router import Router
from openoutcry.wire.closing import Closing
from openoutcry.wire.load_limits import LEAST_S
from openoutcry.wire.unix_socket import connect, short_name

STATES = (ACTIVE, PAUSED, ENDED)
MAX_BYTES = 1_000
MAX_LINKS = 16
"""Requests that have begun and are not whole; another one takes the place of the oldest, which has
had LEAST_S."""
ANSWER_S = 30.0
NO_LINE = "no whole line came"


class Control(Closing):
    """The router's side, for its own user alone."""

    def __init__(self, store: Path) -> None:
        """Raises :class:`RoutingError` if the socket cannot be made."""
        self._path = _path(store)
        self._socket = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)  # of a router that was killed
            with short_name(self._path) as name:
                self._socket.bind(name)
            self._socket.listen()
        except OSError as error:
            raise RoutingError(f"{self._path}: {error}") from None
        finally:
            os.umask(before)
        self._socket.setblocking(False)
        self._links: dict[socket.socket, bytearray] = {}
        """Connections, and what has come of the request of each."""
        self._since_s: dict[socket.socket, float] = {}

    def serve(self, router: Router) -> None:
        """Answer the requests that are whole.  None is waited for."""
        if self._has_room():
            with suppress(BlockingIOError):
                link, _ = self._socket.accept()
                link.setblocking(False)
                self._links[link], self._since_s[link] = bytearray(), time.monotonic()
        for link, data in list(self._links.items()):
            if self._has_answered(router, link, data):
                self._drop(link)
        if len(self._links) > MAX_LINKS:
            self._drop(next(iter(self._links)))

    def _has_room(self) -> bool:
        """Return whether another link may come: the oldest of too many gives way to it."""
        if len(self._links) < MAX_LINKS:
            return True
        return self._since_s[next(iter(self._links))] <= time.monotonic() - LEAST_S

    def _has_answered(self, router: Router, link: socket.socket, data: bytearray) -> bool:
        """Read on; returns whether the request is over."""
        try:
            part = link.recv(MAX_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True
        data += part
        if part and len(data) <= MAX_BYTES and not data.endswith(b"\n"):
            return False
        try:
            if not data.endswith(b"\n"):
                raise ValueError(NO_LINE)
            answer = self._do(router, json.loads(data))
        except (RoutingError, ValueError, KeyError, TypeError, RecursionError) as error:
            answer = {"error": str(error)}
        with suppress(OSError):
            link.sendall(json.dumps(answer).encode() + b"\n")
        return True

    def _drop(self, link: socket.socket) -> None:
        del self._links[link], self._since_s[link]
        link.close()

    def _do(self, router: Router, asked: Mapping[str, Any]) -> dict[str, Any]:
        instrument, number = router.market.instrument, asked["parent"]
        parent = router.store.parents.get(number)
        if parent is None or parent.terms.symbol != instrument.symbol or parent.state == ENDED:
            raise RoutingError(f"order {number} does not run here")
        changes: dict[str, Any] = {}
        if asked.get("quantity"):
            changes["quantity"] = instrument.quantity(asked["quantity"])
        if asked.get("limit"):
            changes["limit"] = instrument.price(asked["limit"])
        if asked.get("state"):
            if asked["state"] not in STATES:
                raise RoutingError(f"a state is one of {', '.join(STATES)}")
            changes["state"] = asked["state"]
        if not changes:
            raise RoutingError("a change has a state, a quantity or a limit")
        router.change(parent, time.time_ns(), **changes)
        return {
            "parent": number,
            "state": parent.state,
            "quantity": instrument.quantity_text(parent.quantity),
            "limit": instrument.price_text(parent.limit),
            "filled": instrument.quantity_text(parent.filled),
        }

    def close(self) -> None:
        """Close the socket, and remove it."""
        for link in list(self._links):
            self._drop(link)
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ask(store: Path, **asked: Any) -> dict[str, Any]:
    """Ask the router of a file of parents for a change; returns the parent as it is then.

    Raises :class:`RoutingError` if none runs, or it refuses."""
    path = _path(store)
    with socket.socket(socket.AF_UNIX) as link:
        try:
            connect(link, path, ANSWER_S)
            link.sendall(json.dumps(asked).encode() + b"\n")
            answer: dict[str, Any] = json.loads(_line(link))
        except (FileNotFoundError, ConnectionRefusedError):
            raise RoutingError(f"{store}: no order runs now") from None
        except (OSError, ValueError) as error:
            raise RoutingError(f"{path}: {error}") from None
    if "error" in answer:
        raise RoutingError(answer["error"])
    return answer


def _path(store: Path) -> Path:
    return store.with_name(f"{store.name}.control")


def _line(link: socket.socket) -> bytes:
    """A whole line.  Raises ``ValueError`` for one that is too long or ends early."""
    data = b""
    while not data.endswith(b"\n"):
        part = link.recv(MAX_BYTES)
        data += part
        if not part or len(data) > MAX_BYTES:
            raise ValueError(NO_LINE)
    return data
