"""A SoupBinTCP connection, client's side: logs in, keeps count, says that it lives."""

import contextlib
import socket
import time
from collections.abc import Iterator

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.soupbin import HEARTBEAT_MS, SILENCE_MS, LoginRequest
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.messages import PACKET_LENGTH_BYTES, SOUPBIN

REASONS = {"A": "not authorised", "S": "session not available"}


class ClientError(OutcryError):
    """What went wrong between us and the venue, in words."""


class LoginRejected(ClientError):
    """The venue refused the login; ``reason`` is its letter."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"login rejected: {REASONS.get(reason, reason)}")


class SessionEnded(ClientError):
    """The connection or the session is over."""


class SoupBinConnection:
    """A logged-in connection.  ``sequence`` is the number of the next message."""

    def __init__(self, host: str, port: int, login: LoginRequest, timeout_s: float = 5.0) -> None:
        """Connect and log in.

        Raises :class:`ClientError` if nobody answers, :class:`LoginRejected` if the venue refuses.
        """
        try:
            self.socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise ClientError(f"{host}:{port}: {error.strerror or error}") from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = bytearray()
        self._sent = self._heard = time.monotonic()
        self._send(soupbin.login_packet(login))
        try:
            kind, data = self._packet(time.monotonic() + timeout_s)
        except SessionEnded:
            raise ClientError(f"{host}:{port} closed the connection during the login") from None
        if kind == "J":
            self.socket.close()
            raise LoginRejected(data.decode("latin-1"))
        if kind != "A":
            self.socket.close()
            raise ClientError(f"{host}:{port} answered the login with {kind or 'nothing'!r}")
        accepted = SOUPBIN.from_server("A").unpack(b"A" + data)
        self.session = accepted["session"].strip()
        self.sequence = int(accepted["sequence"])

    def send(self, message: bytes) -> None:
        """An application message, unsequenced."""
        self._send(soupbin.packet("U", message))

    def receive(self, timeout_s: float | None = None) -> bytes | None:
        """The next sequenced message; None after ``timeout_s`` without one (None: wait for ever).

        Heartbeats go out meanwhile.  Raises :class:`SessionEnded` when nothing more can come.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            kind, data = self._packet(until)
            if kind == "S":
                self.sequence += 1
                return data
            if kind == "Z":
                raise SessionEnded("the session has ended")
            if kind == "":
                return None

    def messages(self, timeout_s: float | None = None) -> Iterator[bytes]:
        """Messages until ``timeout_s`` passes without one, or the session ends."""
        while (message := self.receive(timeout_s)) is not None:
            yield message

    def keep_alive(self) -> None:
        """Say that we live, if nothing was said for a second."""
        if time.monotonic() - self._sent >= HEARTBEAT_MS / 1000:
            self._send(soupbin.CLIENT_HEARTBEAT)

    def logout(self) -> None:
        """Log out, and close."""
        with contextlib.suppress(ClientError):
            self._send(soupbin.LOGOUT_REQUEST)
        self.close()

    def close(self) -> None:
        self.socket.close()

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self._sent = time.monotonic()

    def _packet(self, until: float | None) -> tuple[str, bytes]:
        """The next packet's type and data; ("", b"") when it is too late."""
        while True:
            size = int.from_bytes(self._data[:PACKET_LENGTH_BYTES], "big")
            whole = PACKET_LENGTH_BYTES + size
            if len(self._data) >= PACKET_LENGTH_BYTES and len(self._data) >= whole:
                packet = bytes(self._data[PACKET_LENGTH_BYTES:whole])
                del self._data[:whole]
                if not packet:
                    raise ClientError("the venue sent an empty packet")
                return packet[:1].decode("latin-1"), packet[1:]
            if not self._more(until):
                return "", b""

    def _more(self, until: float | None) -> bool:
        """Wait for bytes, at most until then."""
        now = time.monotonic()
        wait = HEARTBEAT_MS / 1000 if until is None else min(HEARTBEAT_MS / 1000, until - now)
        self.socket.settimeout(max(wait, 1e-6))
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            self.socket.settimeout(None)
            self.keep_alive()
            now = time.monotonic()
            if now - self._heard > SILENCE_MS / 1000:
                raise SessionEnded("the venue was silent for 15 seconds") from None
            return until is None or now < until
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self.socket.settimeout(None)
        if not data:
            raise SessionEnded("the venue closed the connection")
        self._data += data
        self._heard = time.monotonic()
        return True
