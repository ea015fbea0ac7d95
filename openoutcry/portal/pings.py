"""Pings of WebSockets, as Binance documents them."""

from collections.abc import Callable
from typing import Any

PING_S, PONG_S = 20.0, 60.0
"""Seconds between two pings of a WebSocket, and without a pong until it is cut."""


class Pings:
    """Pings that are text: nautilus-trader answers no others, and would be cut.  There is one each
    PING_S, also while another one waits for its pong; without any pong for PONG_S the connection is
    cut.  A part of uvicorn's protocol, before :class:`Weighed`."""

    _ping: bytes | None = None
    _unanswered: tuple[bytes, ...] = ()
    heard: Callable[[], None] | None = None
    """Called for each ping and pong of the client."""
    idle_frames: int
    pong_timer: Any
    schedule_ping: Any

    def send_keepalive_ping(self) -> None:
        """Send one, and begin the minute for a pong where no other waits."""
        deadline = self.pong_timer
        super().send_keepalive_ping()  # type: ignore[misc]
        if self.pong_timer is deadline or self._ping is None:
            return  # the connection has ended
        self._unanswered += (self._ping,)
        if deadline is not None:
            self.pong_timer.cancel()
            self.pong_timer = deadline
        self.schedule_ping()

    def hear_now(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` for each ping and pong of the client from now on."""
        self.heard = heard

    def handle_ping(self) -> None:
        """Answer, and say that it came."""
        super().handle_ping()  # type: ignore[misc]
        if self.heard is not None:
            self.heard()

    def handle_pong(self, event: Any) -> None:
        """End the wait.  Of the pings that wait any may be answered; uvicorn knows the last one."""
        self.idle_frames += 1
        if bytes(event.data) in self._unanswered and self.pong_timer is not None:
            self._ping, self._unanswered = None, ()
            self.pong_timer.cancel()
            self.pong_timer = None
        if self.heard is not None:
            self.heard()

    @property
    def pending_ping_payload(self) -> bytes | None:
        """The last ping's text, by which uvicorn knows its pong."""
        return self._ping

    @pending_ping_payload.setter
    def pending_ping_payload(self, payload: bytes | None) -> None:
        self._ping = payload if payload is None else payload.hex().encode()
