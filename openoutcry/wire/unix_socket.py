"""Unix sockets of paths of any length, and a connection that waits for room in a queue."""

import fcntl
import os
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Yield a name of a path, of any length, that a socket's address has room for.

    Raises ``OSError`` if its folder cannot be opened."""
    folder = os.open(path.absolute().parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(connection: socket.socket, path: Path, timeout_s: float) -> None:
    """Connect a Unix socket, which has ``timeout_s`` as its timeout from then on.

    The kernel waits so long for room in the listener's queue, where a socket with a timeout of
    Python's is refused at once.  Raises ``OSError``; ``BlockingIOError`` when no room came."""
    seconds, part = divmod(timeout_s, 1)
    wait = struct.pack("@ll", int(seconds), int(part * 1e6))
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
    with short_name(path) as name:
        connection.connect(name)
    connection.settimeout(timeout_s)


def is_unread(connection: socket.socket) -> bool:
    """Return whether the peer of a Unix socket has not read yet what was sent to it, and is there
    still: so long the system counts the descriptors in it as this process's user's."""
    unread = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return unread != bytes(4)
