"""The full feed over SoupBinTCP, for those without multicast: the same messages and numbers.

A client logs in with the number of the next message that it needs (1: the beginning, 0: new
messages only).  It receives sequenced data from there, at its pace, from the store's file.  A slow
client never delays others, and the memory for it is one piece of the file.  Source: Nasdaq,
SoupBinTCP 3.00.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openoutcry.market_data.book import Book
from openoutcry.market_data.glimpse import packet_of
from openoutcry.market_data.lines import Lines, skip
from openoutcry.market_data.mold import COUNT_SHIFT, fitting
from openoutcry.market_data.spec import Address
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import FRAME_BYTES
from openoutcry.wire.load_limits import Budget, Places, Rate
from openoutcry.wire.messages import PACKET_LENGTH_BYTES, SOUPBIN
from openoutcry.wire.peers import address_of

HEARTBEAT_S = 1.0
SILENCE_S = 15.0
"""A client that says nothing for this long is left."""
LOOK_S, MAX_LOOK_S, LOOK_SHARE = 0.002, 0.01, 32
"""The time between two looks for more messages: this share of the time since the last one, within
these bounds.  A fixed 500 looks a second took 5 % of a core of a venue in which nothing happened.
"""
PACKETS = Rate(per_s=10, at_once=10)
"""Packets of a client that are read at once, and then one in so long; it has to send a heartbeat a
second."""
LAST_S = 5.0
AGAIN_S = 1.0
"""Seconds between two attempts to connect again, or to get the next session."""
PIECE_BYTES = 1 << 16
STRIDE = 1 << 10
MAX_LOGIN = 64
MAX_CLIENTS, MAX_CLIENTS_EACH = 1_024, 128
"""In all, and of one address."""
LOGIN_BYTES = {one.size_bytes for one in SOUPBIN.client if one.kind == "L"}


class Tail:
    """A store's file, as another process writes it.

    ``kept()``: how many messages and bytes of it are valid.
    """

    def __init__(self, path: Path, kept: Callable[[], tuple[int, int]]) -> None:
        self.path, self.kept = path, kept
        self._file = -1
        self._index, self._count, self._at = array("Q"), 0, 0

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def read(self, at: int, most: int = PIECE_BYTES) -> bytes:
        """Valid bytes from there on; whole messages only."""
        if self._file < 0:
            with contextlib.suppress(FileNotFoundError):
                self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        size = min(most, self.kept()[1] - at)
        if self._file < 0 or size <= 0:
            return b""
        data = os.pread(self._file, size, at)
        view = np.frombuffer(data, np.uint8)
        return data[: int(fitting(view.ctypes.data, len(data), len(data))) & (1 << COUNT_SHIFT) - 1]

    async def walk_to(self, number: int) -> None:
        """Look for message ``number`` in pieces: others are served between two of them."""
        while self._count < number - 1 and self._walk():
            await asyncio.sleep(0)

    def _walk(self) -> bool:
        """One piece of the file further; False at its end."""
        if self._count % STRIDE == 0 and self._count // STRIDE == len(self._index):
            self._index.append(self._at)
        wanted = STRIDE - self._count % STRIDE
        data = self.read(self._at, 52 * wanted)
        view = np.frombuffer(data, np.uint8)
        count = int(fitting(view.ctypes.data, len(data), len(data))) >> COUNT_SHIFT
        step = min(wanted, count)
        self._at += int(skip(view.ctypes.data, len(data), step)) if step else 0
        self._count += step
        return step > 0

    def place_of(self, number: int) -> int | None:
        """Return where message ``number`` begins, or will begin if it is the next one; None: not
        known."""
        while self._count < number - 1:
            if not self._walk():
                return None
        stride = (number - 1) // STRIDE
        at = self._index[stride] if stride < len(self._index) else self._at
        rest = (number - 1) % STRIDE if stride < len(self._index) else 0
        data = self.read(at, 52 * rest) if rest else b""
        view = np.frombuffer(data, np.uint8)
        return at + (int(skip(view.ctypes.data, len(data), rest)) if rest else 0)


@dataclass(frozen=True)
class Kept:
    """A session that is served; ``ended()``: there will be no more of it."""

    name: str
    tail: Tail
    ended: Callable[[], bool]


class Stream:
    """Serves sessions' messages on a listening socket.

    ``sessions()``: those that can be had, the one at work last (none: logins wait); ``over()``: the
    run ends.
    """

    def __init__(self, sessions: Callable[[], list[Kept]], over: Callable[[], bool]) -> None:
        self.sessions, self.over = sessions, over
        self.clients = self.refused = 0
        self.places: Places[asyncio.StreamWriter] = Places(MAX_CLIENTS, MAX_CLIENTS_EACH)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[Kept, tuple[int, asyncio.Event]] = {}
        """Sessions whose clients wait for what comes after that many bytes."""

    async def serve(self, listener: socket.socket) -> None:
        """Serve until the run is over, or until cancelled; no client's task is left.  A client that
        has not received everything within LAST_S continues by number in the next run."""
        server = await asyncio.start_server(self._accept, sock=listener, limit=PIECE_BYTES)
        try:
            async with server:
                moved_s = time.monotonic()
                while not self.over():
                    quiet_s = time.monotonic() - moved_s
                    await asyncio.sleep(min(max(quiet_s / LOOK_SHARE, LOOK_S), MAX_LOOK_S))
                    moved_s = time.monotonic() if self._look() else moved_s
                self._look()
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=LAST_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look(self) -> bool:
        """Wake the waiting clients if there is more; returns whether: one look for all clients."""
        over, before = self.over(), len(self._waiting)
        for kept, (at, more) in list(self._waiting.items()):
            if over or kept.tail.kept()[1] > at or kept.ended():
                del self._waiting[kept]
                more.set()
        return len(self._waiting) < before

    async def _more(self, kept: Kept, at: int, timeout_s: float) -> None:
        """Wait until a session has more than ``at`` bytes, it or the run is over, or this long."""
        _, more = self._waiting.setdefault(kept, (at, asyncio.Event()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await more.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._client(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = address_of(writer.get_extra_info("peername"))
        with self.places.place(address, writer) as has_place:
            if has_place:
                await self._serve_client(reader, writer)
                return
        self.refused += 1
        writer.transport.abort()

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.clients += 1
        try:
            writer.transport.set_write_buffer_limits(high=PIECE_BYTES)
            async with asyncio.timeout(SILENCE_S):
                place = await self._login(reader, writer)
            if place is not None:
                listening = asyncio.create_task(self._listen(reader))
                telling = asyncio.create_task(self._tell(writer, *place))
                try:
                    tasks = [listening, telling]
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (listening, telling):
                        task.cancel()
                    await asyncio.gather(listening, telling, return_exceptions=True)
        except (OSError, EOFError, TimeoutError):
            return
        finally:
            self.clients -= 1
            if not writer.transport.is_closing():
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await writer.drain()
            writer.close()

    async def _packet(self, reader: asyncio.StreamReader, most: int) -> bytes:
        size = int.from_bytes(await reader.readexactly(PACKET_LENGTH_BYTES), "big")
        if not 1 <= size <= most:
            raise EOFError
        return await reader.readexactly(size)

    async def _login(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Kept, int] | None:
        """The session, and where in its file the client begins; None if the client is refused."""
        login = await self._packet(reader, MAX_LOGIN)
        if login[:1] != b"L" or len(login) not in LOGIN_BYTES:
            writer.write(packet_of("J", b"A"))
            return None
        fields = SOUPBIN.from_client("L").unpack(login[: SOUPBIN.from_client("L").size_bytes])
        session, text = fields["session"].strip(), fields["sequence"].strip()
        number = int(text) if text.isascii() and text.isdigit() else -1
        while not (sessions := self.sessions()):  # not known yet
            await asyncio.sleep(MAX_LOOK_S)
        matches = [one for one in sessions if session in ("", one.name)]
        if not matches:
            writer.write(packet_of("J", b"S"))
            return None
        kept = matches[-1]
        count = kept.tail.kept()[0]
        number = count + 1 if number == 0 or not text else number
        at = None
        if 1 <= number <= count + 1:
            await kept.tail.walk_to(number)
            at = kept.tail.place_of(number)
        if at is None:
            writer.write(packet_of("J", b"S"))
            return None
        accepted = SOUPBIN.from_server("A").pack(session=kept.name, sequence=str(number))
        writer.write(packet_of("A", accepted[1:]))
        return kept, at

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Listen until the client leaves, is silent for too long, or sends a forbidden packet."""
        pace = Budget(PACKETS)
        while True:
            async with asyncio.timeout(SILENCE_S):
                kind = (await self._packet(reader, PIECE_BYTES))[:1]
            if kind not in (b"R", b"+", b"U"):
                return
            await pace.rest()

    async def _tell(self, writer: asyncio.StreamWriter, kept: Kept, at: int) -> None:
        """Send messages to the end of the session, or of the run: then without Z, as more will
        come."""
        last_sent_s = time.monotonic()
        while True:
            over, ended, data = self.over(), kept.ended(), kept.tail.read(at)
            if data:
                at += len(data)
                writer.write(sequenced(data))
            elif ended:
                writer.write(packet_of("Z", b""))
                await writer.drain()
                return
            elif over:
                return
            elif (quiet_s := time.monotonic() - last_sent_s) >= HEARTBEAT_S:
                writer.write(packet_of("H", b""))
            else:
                await self._more(kept, at, HEARTBEAT_S - quiet_s)
                continue
            last_sent_s = time.monotonic()
            await writer.drain()


def sequenced(messages: bytes) -> bytes:
    """Messages after their lengths, as packets of sequenced data."""
    out, at = bytearray(), 0
    while at < len(messages):
        size = int.from_bytes(messages[at : at + FRAME_BYTES], "big")
        out += (size + 1).to_bytes(PACKET_LENGTH_BYTES, "big") + b"S"
        out += messages[at + FRAME_BYTES : at + FRAME_BYTES + size]
        at += FRAME_BYTES + size
    return bytes(out)


class Refused(FeedError):
    """A login was."""


class StreamReceiver:
    """A client: as :class:`receiver.Receiver`, from one connection.  A lost connection is made
    again and continues by number.  With ``follow`` it also continues after the end of a session,
    with the next one as soon as that is available."""

    def __init__(
        self,
        server: Address,
        first: int = 1,
        deliver: Callable[[bytes, int], None] = lambda messages, first: None,
        follow: bool = False,
    ) -> None:
        """Raises :class:`FeedError` if there is no server, or it refuses the login."""
        self.server, self._deliver, self._follow = server, deliver, follow
        self.book, self.lines = Book(), Lines(deliver, next_sequence=first)
        self.logins = 0
        self._again = 0.0
        self._connect()

    def _connect(self) -> None:
        host, port = self.server
        try:
            self.socket = socket.create_connection(self.server, SILENCE_S)
        except OSError as error:
            raise FeedError(f"{host}:{port}: no stream: {error}") from None
        try:
            self._log_in()
        except OSError as error:
            self.socket.close()
            raise FeedError(f"{host}:{port}: no stream: {error}") from None
        except FeedError:
            self.socket.close()
            raise

    def _log_in(self) -> None:
        self._data, self._beat, lines = b"", time.monotonic(), self.lines
        session, number = lines.session.decode(), lines.next_sequence
        if lines.ended:
            session, number = "", 1
        login = SOUPBIN.from_client("L").pack(
            username="", password="", session=session, sequence=str(number)
        )
        self.socket.sendall(packet_of("L", login[1:]))
        while len(self._data) < 3 or len(self._data) < 2 + int.from_bytes(self._data[:2], "big"):
            more = self.socket.recv(PIECE_BYTES)
            if not more:
                raise FeedError("{}:{} closed the connection".format(*self.server))
            self._data += more
        size = 2 + int.from_bytes(self._data[:2], "big")
        answer, self._data = self._data[2:size], self._data[size:]
        if answer[:1] != b"A":
            host, port = self.server
            raise Refused(f"{host}:{port}: the login is refused ({answer[1:2]!r})")
        fields = SOUPBIN.from_server("A").unpack(answer)
        name = fields["session"].strip().encode()
        if self.lines.ended and name == self.lines.session:
            raise FeedError("{}:{}: the next session has not begun yet".format(*self.server))
        if self.lines.ended:
            self.lines.follow(name)
        self.lines.session, self.lines.next_sequence = name, int(fields["sequence"])
        self.logins += 1

    def _go_on(self, timeout_s: float) -> None:
        """Connect again after a loss or the end of a session, if it is time to try."""
        wanted, wait_s = self._follow or not self.lines.ended, self._again - time.monotonic()
        if not wanted or wait_s > 0:
            time.sleep(min(timeout_s, wait_s) if wanted else timeout_s)
            return
        self._again = time.monotonic() + AGAIN_S
        self.socket.close()
        try:
            self._connect()
        except Refused:
            if not self.lines.ended:
                raise
        except FeedError:
            return

    def poll(self, timeout_s: float) -> int:
        """Take in what has come, waiting for it this long; returns how many packets."""
        if self.lines.ended or self.socket.fileno() < 0:
            self._go_on(timeout_s)
            return 0
        if time.monotonic() - self._beat >= HEARTBEAT_S:
            self._beat = time.monotonic()
            with contextlib.suppress(OSError):
                self.socket.sendall(packet_of("R", b""))
        self.socket.settimeout(max(timeout_s, 1e-6))
        try:
            data = self.socket.recv(PIECE_BYTES)
        except TimeoutError:
            data = None
        except OSError:
            data = b""
        if data == b"":
            self.socket.close()
        return self._take(data or b"")

    def wait(self, timeout_s: float) -> None:
        """Until something has come, so long at most."""
        if self.socket.fileno() < 0:
            time.sleep(timeout_s)
        else:
            select.select([self.socket], [], [], timeout_s)

    def _take(self, data: bytes) -> int:
        data, at, count, messages = self._data + data, 0, 0, bytearray()
        first = self.lines.next_sequence
        while len(data) >= at + 2:
            size = int.from_bytes(data[at : at + 2], "big")
            if len(data) < at + 2 + size:
                break
            kind = data[at + 2 : at + 3]
            if kind == b"S":
                messages += (size - 1).to_bytes(FRAME_BYTES, "big") + data[at + 3 : at + 2 + size]
                self.lines.next_sequence += 1
            self.lines.ended |= kind == b"Z"
            at, count = at + 2 + size, count + 1
            if kind == b"Z":
                break
        self._data = data[at:]
        if messages:
            self.lines.taken += self.lines.next_sequence - first
            self.lines.highest = self.lines.next_sequence - 1
            self.book.apply(bytes(messages))
            self._deliver(bytes(messages), first)
        return count

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
