"""A connection, and its bytes, waited for in pieces: meanwhile we send what keeps it alive."""

import socket
import ssl
import time
from collections.abc import Callable

from openoutcry.wire.errors import OutcryError


class ClientError(OutcryError):
    """A failure between us and the venue, in words."""


class SessionEnded(ClientError):
    """The connection or the session is over."""


class Unreachable(ClientError):
    """Nothing listens at an address, or what listens there ends the connection before an answer."""


def connected(
    host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None, tls_name: str = ""
) -> socket.socket:
    """A connection to the venue; ``tls_name``: what its certificate is to name, "": the host.

    Raises :class:`ClientError`, of it :class:`Unreachable` without a connection."""
    where = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return connection
        try:
            return tls.wrap_socket(connection, server_hostname=tls_name or host)
        except (OSError, ValueError):
            connection.close()
            raise
    except ssl.SSLCertVerificationError as error:
        raise ClientError(
            f"{where}: the certificate is not trusted: {error.verify_message} "
            f"({error.reason or 'verification failed'})"
        ) from None
    except ssl.SSLError as error:
        why = (error.reason or str(error)).replace("_", " ").lower()
        raise ClientError(f"{where}: no TLS: {why}") from None
    except OSError as error:
        raise Unreachable(f"{where}: {error.strerror or error}") from None
    except ValueError as error:  # a host's name that cannot be one
        raise ClientError(f"{where}: {error}") from None


class Received:
    """Bytes that a connection has received, in ``data``."""

    def __init__(
        self, connection: socket.socket, every_s: float, silence_s: float, live: Callable[[], None]
    ) -> None:
        """Calls ``live`` at least every ``every_s``.  The venue may be silent for ``silence_s``; 0:
        without end."""
        self.connection, self.every_s, self.silence_s, self.live = (
            connection,
            every_s,
            silence_s,
            live,
        )
        self.data = bytearray()
        self.heard_s = time.monotonic()

    def take(self, size: int) -> bytes:
        """The first ``size`` bytes, which are there."""
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    def whole_now(self, size_of: Callable[[bytearray], int]) -> bytes:
        """The first message, if it is whole; else b""."""
        return self.take(size_of(self.data))

    def whole(self, size_of: Callable[[bytearray], int], until_s: float | None) -> bytes:
        """The first message; b"" when it is too late.  ``size_of`` gives its bytes, 0 while it is
        not whole."""
        while not (size := size_of(self.data)):
            if not self.more(until_s):
                return b""
        return self.take(size)

    def more(self, until_s: float | None) -> bool:
        """Wait for bytes, at most until then (None: without end); false when it is too late.

        Raises :class:`SessionEnded` when nothing more can come."""
        now_s = time.monotonic()
        wait_s = self.every_s if until_s is None else min(self.every_s, until_s - now_s)
        # Not the shortest timeout: the kernel's is a millisecond.
        self.connection.settimeout(max(wait_s, 0.0))
        try:
            data = self.connection.recv(1 << 16)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            self.connection.settimeout(None)
            self.live()
            now_s = time.monotonic()
            if self.silence_s and now_s - self.heard_s > self.silence_s:
                raise SessionEnded(f"the venue was silent for {self.silence_s:g} seconds") from None
            return until_s is None or now_s < until_s
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self.connection.settimeout(None)
        self._took(data)
        return True

    def more_now(self) -> None:
        """Take what has come by now, if anything has; nothing is waited for.

        Raises :class:`SessionEnded` when nothing more can come."""
        if isinstance(self.connection, ssl.SSLSocket):
            # What TLS has decrypted already does not make the socket readable again.
            while self.more(time.monotonic()):
                pass
            return
        try:
            data = self.connection.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self._took(data)

    def _took(self, data: bytes) -> None:
        if not data:
            raise SessionEnded("the venue closed the connection")
        self.data += data
        self.heard_s = time.monotonic()
        self.live()
