"""The protocol of WebSockets of every listener: uvicorn's, where frames that make no message have
a price."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.http_protocol import number_of

PIECE_BYTES = 1 << 10
"""Bytes that are parsed at once: 170 frames at most."""
MAX_PAUSES = 20
"""A connection that had to wait so often without a message is cut."""
POLICY = 1008


class Weighed(WebSocketsSansIOProtocol):
    """A connection that parses no further while it waits for its budget.

    Its frames that end no message, its empty messages, pings and pongs are counted.  Beyond its
    budget, or that of its address, reading pauses, and after MAX_PAUSES the connection is cut.
    Pongs that a client does not read are not kept.
    """

    limits: ConnectionLimits
    held = b""
    number = -1
    """Of its descriptor."""
    is_waiting = False
    idle_frames = pauses = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.number = number_of(transport)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces; what is beyond the budget waits."""
        if self.is_waiting:
            self.held += data
            self.transport.pause_reading()
            return
        for at in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            self.idle_frames = 0
            super().data_received(data[at : at + PIECE_BYTES])
            now_s, peer = self.loop.time(), self.client or ("", 0)
            wait_s = self.limits.idle_frames_wait_s(peer, self.idle_frames, now_s)
            if wait_s > 0.0:
                self.wait(wait_s, data[at + PIECE_BYTES :])
                return

    def wait(self, wait_s: float, rest: bytes) -> None:
        """Read no more for this long, or never again."""
        self.pauses += 1
        if self.pauses > MAX_PAUSES:
            self.cut()
            return
        self.held, self.is_waiting = rest, True
        self.transport.pause_reading()
        self.loop.call_later(wait_s, self.go_on)

    def go_on(self) -> None:
        """Parse what was held."""
        held, self.held, self.is_waiting = self.held, b"", False
        if self.transport.is_closing():
            return
        self.data_received(held)
        if not self.is_waiting and not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def cut(self) -> None:
        """End a connection whose frames are too many."""
        self.held = b""
        if not self.close_sent and self.handshake_complete:
            self.conn.send_close(POLICY, "too many frames without a message")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": POLICY})
        self.transport.close()

    def weigh(self, event: Frame) -> None:
        """Count a frame of data that ends no message, or an empty one."""
        if event.fin and (event.data or any(self.frames)):
            self.pauses = 0
        else:
            self.idle_frames += 1

    def handle_cont(self, event: Frame) -> None:
        self.weigh(event)
        super().handle_cont(event)

    def handle_text(self, event: Frame) -> None:
        self.frames = []
        self.weigh(event)
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self.frames = []
        self.weigh(event)
        super().handle_bytes(event)

    def handle_ping(self) -> None:
        self.idle_frames += 1
        if not self.writable.is_set():
            self.conn.data_to_send()
            return
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        self.idle_frames += 1
        super().handle_pong(event)

    def connection_lost(self, error: Exception | None) -> None:
        self.held = b""
        self.limits.left(self.client or ("", 0), self.number)
        super().connection_lost(error)


def weighed(limits: ConnectionLimits) -> Any:
    """Return the protocol of WebSockets of the listeners' connections, a class that uvicorn makes
    them from."""
    return type("OfListener", (Weighed,), {"limits": limits})
