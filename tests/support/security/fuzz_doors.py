"""Random and mutated input at every door that reads outside bytes in Python or in kernels.

Sessions and logins are fuzzed at a venue in one thread (:class:`InlineVenue`), pages at a server.
What must hold: nothing is raised, nothing is written to standard error by a door, a session that
says what is right is answered as before, and each refused login is counted.  Order packets have a
fuzz of their own (``shim_fuzz``, ``test_hostile_packets``), and so has the feed's server
(``session_fuzz``).
"""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import HANDED_S, REASONS
from openoutcry.order_entry.spec import Protocol
from tests.support.adversary import session_noise as noise
from tests.support.order_entry.sessions_venue import PASSWORD, session
from tests.support.security.flights import Line, fly
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

SIZES = {
    "row_capacity": 1 << 12,
    "token_capacity": 1 << 16,
    "stream_entries": 1 << 20,
    "stream_bytes": 1 << 27,
}
A_VENUE = 20_000
"""Messages that one venue takes: a day's streams and tokens are bounded."""
A_WRITE = 50
BEGIN = {Protocol.FIX44: "FIX.4.4", Protocol.FIX42: "FIX.4.2"}
MAKERS = {Protocol.OUCH42: noise.ouch42, Protocol.OUCH50: noise.ouch50}
DOORS = (Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44, Protocol.FIX42)


class Fault(AssertionError):
    """A door let something through."""


def messages(rng: random.Random, protocol: Protocol, good: noise.Maker, count: int) -> bytes:
    """So many, of which most are nearly right and some are anything."""
    out = bytearray()
    for _ in range(count):
        what = rng.random()
        if what < 0.9:
            out += good(rng)
        elif what < 0.97:
            out += noise.spoiled(rng, good(rng))
        elif protocol in BEGIN:
            out += noise.noise(rng, 200)
        else:
            out += rng.choice((noise.noise(rng, 200), noise.any_packet(rng), noise.login(rng)))
    return bytes(out)


class Talker:
    """A session of an inline venue that logs in again whenever it is put out."""

    def __init__(self, venue: InlineVenue, protocol: Protocol, rng: random.Random) -> None:
        self.venue, self.protocol, self.rng = venue, protocol, rng
        self.line: Any = None
        self.logins = 0
        self.fix = noise.FixNoise("FUZZ", PASSWORD, BEGIN[protocol]) if protocol in BEGIN else None
        if self.fix is not None:
            self.fix.target, self.fix.clock = "OUTCRY", lambda: venue.clock.now_ns() / 1e9
        self.good: noise.Maker = self.fix or MAKERS[protocol]

    def log_in(self) -> None:
        self.venue.clock.advance(HANDED_S)
        self.line, self.logins = self.venue.dial(self.protocol), self.logins + 1
        if self.fix is not None:
            self.line.sendall(self.fix.logon())
        else:
            self.line.sendall(soupbin.login_packet(soupbin.LoginRequest("FUZZ", PASSWORD, "", 0)))
        if not self.hear():
            raise Fault(f"login {self.logins} over {self.protocol.name} is refused")

    def say(self, count: int) -> None:
        if self.line is None:
            self.log_in()
        data = messages(self.rng, self.protocol, self.good, count)
        for piece in noise.pieces(self.rng, data):
            try:
                self.line.sendall(piece)
            except OSError:
                break
            if not self.hear():
                break
        else:
            return
        self.line.close()
        self.line = None

    def hear(self) -> bool:
        """Whether the connection goes on."""
        try:
            while self.line.recv(1 << 18):
                pass
        except Silence:
            return True
        except OSError:
            pass
        return False


def fuzz_sessions(protocol: Protocol, count: int, seed: int | str) -> dict[str, int]:
    """``count`` messages behind logins; what was done."""
    done = {"messages": 0, "logins": 0, "answers": 0}
    for number, size in enumerate(parts(count, A_VENUE)):
        rows = [
            session("FUZZ", 1, protocol=int(protocol), timeout_ms=600_000_000),
            session("CALM", 2, timeout_ms=600_000_000),
        ]
        with InlineVenue(rows, sizes=SIZES) as venue:
            faults = watched(venue)
            rng = random.Random(f"{seed} {protocol.name} {number}")
            talker, calm = Talker(venue, protocol, rng), venue.client("CALM")
            for at in range(0, size, A_WRITE):
                talker.say(min(A_WRITE, size - at))
                if at % 1_000 == 0:
                    calm.enter(f"c{number}x{at}", shares=1, price=1, time_in_force=0)
                    if [calm.message()[0], calm.message()[0]] != ["A", "C"]:
                        raise Fault("another session is answered otherwise")
                    done["answers"] += 1
            done["messages"] += size
            done["logins"] += talker.logins
            if faults:
                raise Fault(f"{protocol.name}: {faults[:3]}")
    return done


def fuzz_logins(protocol: Protocol, count: int, seed: int | str) -> dict[str, int]:
    """``count`` connections whose first bytes are no login of anybody's: each is refused in
    silence or by the protocol, and counted."""
    done = {"messages": 0, "counted": 0}
    rng = random.Random(f"{seed} login {protocol.name}")
    rows = [session("FUZZ", 1, protocol=int(protocol)), session("CALM", 2)]
    with InlineVenue(rows) as venue:
        faults = watched(venue)
        fix = noise.FixNoise("FUZZ", "wrong", BEGIN[protocol]) if protocol in BEGIN else None
        for number in range(count):
            good = fix.logon() if fix is not None else noise.login(rng)
            data = rng.choice((noise.spoiled(rng, good), noise.noise(rng, 600), b"\xff" * 600))
            line = venue.dial(protocol, f"192.0.{number >> 8 & 255}.{number & 255}")
            with suppress(OSError):
                line.sendall(data)
                line.end.shutdown(socket.SHUT_WR)
            with suppress(Silence, OSError):
                while line.recv(1 << 12):
                    pass
            line.close()
            done["messages"] += 1
        venue.clock.advance(20)
        region = venue.run.work.sessions.region  # type: ignore[union-attr]
        for index in range(3):
            at = session_block.LOGINS // 8
            done["counted"] += int(sum(region.block(index)[at : at + len(REASONS)]))
        if done["counted"] != count:
            raise Fault(f"{done['counted']} of {count} refused logins are counted")
        venue.client("CALM").close()
        if faults:
            raise Fault(f"{protocol.name}: {faults[:3]}")
    return done


def watched(venue: InlineVenue) -> list[str]:
    """What the event loop of logins reports and nothing else would show."""
    faults: list[str] = []
    venue.loop.set_exception_handler(lambda loop, context: faults.append(repr(context)))
    return faults


def parts(count: int, size: int) -> Iterator[int]:
    while count > 0:
        yield min(count, size)
        count -= size


METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PRI", "\x00", "GET\x0b")
PATHS = (
    "/", "/api/login", "/api/hello", "/api/overview", "/api/orders", "/api/rules", "/ws", "//",
    "/..", "/static/../server.py", "/static/%2e%2e/server.py", "/api/market?symbol=%ff",
    "/api/candles?every_s=1e9", "*", "http://elsewhere/", "/api/\u00e9", "/" + "a" * 9_000,
)  # fmt: skip
HEADERS = (
    "host: 127.0.0.1", "host: elsewhere.example", "host: [::1", "content-length: 5",
    "content-length: -1", "content-length: 99999999999999999999", "transfer-encoding: chunked",
    "upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13",
    "sec-websocket-key: x", "origin: http://127.0.0.1", "origin: null", "cookie: \xff\xfe=\x01",
    "cookie: outcry_console=a; outcry_console=b", "expect: 100-continue",
    "content-type: application/json", "x-csrf-token: \u00ff", "range: bytes=0-,0-,0-",
    "a: " + "b" * 70_000, "accept-encoding: *;q=nan", ": x", "x\x00: y",
    "content-type: multipart/form-data; boundary=",
)  # fmt: skip
BODIES = (
    "{}", "[]", "{\"name\":", "{\"name\":\"\\ud800\",\"password\":\"\\u0000\"}", "nan",
    "[" * 5_000, "{\"name\":1e999,\"password\":[]}", "5\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n", "\x00" * 100,
)  # fmt: skip


def request(rng: random.Random) -> bytes:
    """An HTTP request, or nearly one."""
    head = [
        f"{rng.choice(METHODS)} {rng.choice(PATHS)} HTTP/{rng.choice(('1.1', '1.0', '2', '9'))}"
    ]
    head += rng.sample(HEADERS, rng.randrange(0, 8))
    data = "\r\n".join(head) + "\r\n\r\n" + (rng.choice(BODIES) if rng.random() < 0.6 else "")
    raw = data.encode("latin-1", "replace")
    what = rng.random()
    if what < 0.2:
        return noise.spoiled(rng, raw)
    return noise.noise(rng, 2_000) if what < 0.25 else raw


def fuzz_page(
    address: tuple[str, int],
    count: int,
    seed: int | str,
    source: str,
    make: Callable[[random.Random], bytes] = request,
) -> dict[str, int]:
    """``count`` requests to a page, none with a login unless ``make`` makes one."""
    done = {"messages": 0, "answers": 0, "failures": 0}

    def count_answers(data: bytes) -> None:
        done["answers"] += data.count(b"HTTP/1.1 ")
        done["failures"] += data.count(b"HTTP/1.1 5")
        if b"HTTP/1.1 5" in data:
            print(data[data.index(b"HTTP/1.1 5") :][:500])

    async def talk(rng: random.Random, line: Line) -> None:
        for _ in range(rng.randrange(1, 12)):
            if done["messages"] == count:
                break
            done["messages"] += 1
            line.say(make(rng))
            answer = await line.hear()
            if answer == b"":
                return
            count_answers(answer or b"")
        while answer := await line.hear():
            count_answers(answer)

    fly(address, f"{seed} page", source, lambda: done["messages"] >= count, talk)
    return done
