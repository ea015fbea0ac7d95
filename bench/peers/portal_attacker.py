"""Two attackers of a portal, from a separate address, at a steady rate.

``python -m openoutcry.bench.peers.portal_attacker PORT connections RATE COUNT`` holds COUNT
connections, and opens those again that the portal closes; each asks in its turn.  With ``orders
RATE API_KEY SECRET`` it enters orders of one account instead.  It stops and continues by signals
(SIGSTOP, SIGCONT).  It prints a line once it is ready, and at SIGTERM its answers by status.
"""

import json
import re
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from openoutcry.bench import portal_live as live

ADDRESS = "127.0.0.3"
ORDER_CONNECTIONS = 8
TURN_S = 0.002
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
ASKS = b"GET /api/v3/time HTTP/1.1\r\nhost: portal\r\n\r\n"


class Attacker:
    """Asks over its connections, one after the other, and reads what comes."""

    def __init__(self, port: int, count: int, request: Callable[[], bytes]) -> None:
        self.port, self.request = port, request
        self.sockets: list[socket.socket | None] = [None] * count
        self.statuses: Counter[str] = Counter()
        self.poll, self.place, self.is_over = select.epoll(), 0, False
        self._of: dict[int, int] = {}

    def run(self, rate: float) -> None:
        """Run until it is stopped. Requests missed while it was suspended are not made up for."""
        due_s = time.monotonic()
        while not self.is_over:
            now_s = time.monotonic()
            if now_s - due_s > 0.1:
                due_s = now_s
            while due_s <= now_s:
                self._ask()
                due_s += 1 / rate
            for file, _ in self.poll.poll(TURN_S):
                self._read(file)

    def _ask(self) -> None:
        self.place = (self.place + 1) % len(self.sockets)
        one = self.sockets[self.place] or self._open()
        if one is not None:
            with suppress(OSError):
                one.send(self.request())

    def _open(self) -> socket.socket | None:
        one = socket.socket()
        one.setblocking(False)
        one.bind((ADDRESS, 0))
        if one.connect_ex(("127.0.0.1", self.port)) not in (0, 115):
            one.close()
            return None
        self.sockets[self.place], self._of[one.fileno()] = one, self.place
        self.poll.register(one, select.EPOLLIN)
        return one

    def _read(self, file: int) -> None:
        place = self._of[file]
        one, data = self.sockets[place], b""
        assert one is not None
        with suppress(OSError):
            data = one.recv(1 << 16)
        self.statuses.update(status.decode() for status in STATUS.findall(data))
        if not data:
            self.statuses["closed"] += 1
            self.poll.unregister(file)
            one.close()
            self.sockets[place] = None
            del self._of[file]


def main() -> None:
    """Attack until SIGTERM."""
    port, kind, rate, *more = sys.argv[1:]
    if kind == "orders":
        person = live.Person("", 0, *more)
        attacker = Attacker(
            int(port),
            ORDER_CONNECTIONS,
            lambda: live.rest_order(person),
        )
    else:
        count = int(more[0])
        live.allow_files(count + 100)
        attacker = Attacker(int(port), count, lambda: ASKS)

    def end(number: int, frame: object) -> None:
        attacker.is_over = True

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    attacker.run(float(rate))
    print(json.dumps(attacker.statuses))


if __name__ == "__main__":
    main()
