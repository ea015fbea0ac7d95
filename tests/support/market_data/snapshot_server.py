"""A snapshot port in a test: the real logins, and messages that the test chooses."""

import contextlib
import socket
import time
from collections.abc import Iterator

from openoutcry.market_data.glimpse import give
from openoutcry.market_data.snapshot_logins import SnapshotLogins
from tests.support.waiting import BOUND_S, LOOK_S


def serve_next(listener: socket.socket, session: str, messages: Iterator[bytes]) -> None:
    """Give one snapshot, or close one client that has not logged in as it should."""
    listener.setblocking(False)
    logins, has_come, until_s = SnapshotLogins(listener), False, time.monotonic() + BOUND_S
    with contextlib.closing(logins.epoll):
        while time.monotonic() < until_s:
            logins.epoll.poll(LOOK_S)
            logins.poll(session)
            login = logins.take(lambda address: 0)
            if login is not None:
                with login.connection, contextlib.suppress(OSError):
                    give(login.connection, session, messages)
                return
            if has_come and not len(logins.logins.silent):
                return
            has_come |= len(logins.logins.silent) > 0
