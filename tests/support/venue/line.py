"""The client's end of a connection to an inline venue: reading and sending let the venue go on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.venue.inline import InlineVenue

TICK_S = 0.005


class Silence(AssertionError):
    """The venue has nothing more to say."""


class Line:
    """As a socket; no call ever waits.  What has not come when the venue is idle will not come,
    unless time passes: up to ``patience_s`` of the venue's clock at a time."""

    def __init__(self, venue: InlineVenue, end: socket.socket) -> None:
        self.venue, self.end = venue, end
        end.setblocking(False)
        self.patience_s = 0.0
        self.reads = True
        """False: the client takes nothing while it sends."""
        self._kept = bytearray()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self.end.fileno()

    def settimeout(self, timeout_s: float | None) -> None:
        """Nothing waits here."""

    def setsockopt(self, *option: Any) -> None:
        self.end.setsockopt(*option)

    def recv(self, size: int) -> bytes:
        """Raises :class:`Silence` where a socket would wait for ever."""
        if self._kept:
            data = bytes(self._kept[:size])
            del self._kept[:size]
            return data
        left_s = self.patience_s
        while True:
            try:
                return self.end.recv(size)
            except BlockingIOError:
                pass
            self.venue.step()
            try:
                return self.end.recv(size)
            except BlockingIOError:
                if left_s <= 0:
                    raise Silence("the venue has nothing more to say") from None
            left_s -= TICK_S
            self.venue.clock.advance(TICK_S)

    def send(self, data: bytes) -> int:
        """As much as there is room for, at once."""
        return self.end.send(data)

    def sendall(self, data: bytes) -> None:
        """Raises :class:`Silence` where the venue takes no more."""
        rest, blocked = memoryview(data), 0
        while rest:
            try:
                rest = rest[self.end.send(rest) :]
                blocked = 0
            except BlockingIOError:
                if blocked > 1:
                    raise Silence("the venue takes no more") from None
                blocked += 1
                self.venue.step()
                if self.reads and self._drain():
                    blocked = 0

    def _drain(self) -> int:
        """Keep what has come, so that the venue has room for more."""
        before = len(self._kept)
        try:
            while more := self.end.recv(1 << 16):
                self._kept += more
        except (BlockingIOError, ConnectionResetError):
            pass
        return len(self._kept) - before

    def close(self) -> None:
        """The venue sees it, and looks at its timers."""
        if self.end.fileno() >= 0:
            self.end.close()
            self.venue.step()
            self.venue.clock.advance(TICK_S)
