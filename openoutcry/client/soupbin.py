"""A SoupBinTCP connection, client's side: logs in, keeps count, says that it lives."""

import contextlib
import ssl
import time
from collections.abc import Iterator

from openoutcry.client.logged_in import LoggedIn
from openoutcry.client.waiting import ClientError, Received, SessionEnded, connected
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.soupbin import HEARTBEAT_MS, SILENCE_MS, LoginRequest
from openoutcry.wire.messages import PACKET_LENGTH_BYTES, SOUPBIN

REASONS = {"A": "not authorised", "S": "session not available"}


class LoginRejected(ClientError):
    """The venue refused the login; ``reason`` is its letter."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"login rejected: {REASONS.get(reason, reason)}")


class SoupBinConnection:
    """A logged-in connection.  ``sequence`` is the number of the next message."""

    def __init__(
        self,
        host: str,
        port: int,
        login: LoginRequest,
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
        tls_name: str = "",
    ) -> None:
        """Connect and log in; ``tls``: for a port with a certificate, which is to name ``tls_name``
        ("": the host).

        Raises :class:`ClientError` if the venue does not answer or the login cannot be written,
        :class:`LoginRejected` if the venue refuses.
        """
        try:
            request = soupbin.login_packet(login)
        except ValueError as error:
            raise ClientError(f"login: {error}") from None
        self.socket = connected(host, port, timeout_s, tls, tls_name)
        self._sent = time.monotonic()
        beat_s, silence_s = HEARTBEAT_MS / 1000, SILENCE_MS / 1000
        self._received = Received(self.socket, beat_s, silence_s, self.keep_alive)
        self._send(request)
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
        """The next sequenced message; None after ``timeout_s`` without one (None: wait without
        end).

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
        """Close the connection without a logout."""
        self.socket.close()

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self._sent = time.monotonic()

    def _packet(self, until: float | None) -> tuple[str, bytes]:
        """The next packet's type and data; ("", b"") when it is too late."""
        packet = self._received.whole(whole_packet, until)[PACKET_LENGTH_BYTES:]
        return packet[:1].decode("latin-1"), packet[1:]


def whole_packet(data: bytearray) -> int:
    """Bytes of the first packet, 0 if it is not whole yet."""
    size = PACKET_LENGTH_BYTES + int.from_bytes(data[:PACKET_LENGTH_BYTES], "big")
    if len(data) < PACKET_LENGTH_BYTES or len(data) < size:
        return 0
    if size == PACKET_LENGTH_BYTES:
        raise ClientError("the venue sent an empty packet")
    return size


class SoupBinClient(LoggedIn):
    """A client whose session is SoupBinTCP's."""

    connection: SoupBinConnection

    @property
    def session(self) -> str:
        """Number of the session that the server named at login."""
        return self.connection.session

    @property
    def sequence(self) -> int:
        """Number of the next message; a later login with it continues where this one stopped."""
        return self.connection.sequence

    def logout(self) -> None:
        """Ask the server to end the connection."""
        self.connection.logout()
