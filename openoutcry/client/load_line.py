"""The connection of a load's session: what goes out and what comes in, without waiting."""

import contextlib
import socket

from openoutcry.client.waiting import ClientError


class LoadLine:
    """``out`` is still to be sent; ``data`` came and is not read yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.out, self.data = bytearray(), bytearray()

    def flush(self) -> None:
        """Send what the socket takes."""
        if self.out:
            with contextlib.suppress(BlockingIOError):
                del self.out[: self.socket.send(self.out)]

    def arrived(self) -> bool:
        """Return whether something new is in ``data``.  Raises :class:`ClientError` at the end."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        if not data:
            raise ClientError("the venue closed a connection during the load")
        self.data += data
        return True
