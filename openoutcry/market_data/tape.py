"""The feed of a journal as a tape, which other people's formats are written from.

Its messages are read as those of a file of ITCH (``tape/itch.py``).  The records also have the
number of their message, the time at a receiver, and a flag on the last one of each command.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from openoutcry.market_data.files import JournalFeed, instruments_of
from openoutcry.tape.convert import write_tape
from openoutcry.tape.fit import DAY_NS
from openoutcry.tape.itch import DECIMALS, TIME, ItchRecords
from openoutcry.tape.records import EVENT, LAST, Array, Header, Rows, Symbol
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import FRAME_BYTES

NAMES = EVENT.names or ()
RX, INSTRUMENT, FLAGS, DELTA = map(NAMES.index, ("rx_ts_ns", "instrument", "flags", "in_delta_ns"))
MAX_DELTA_NS = 2**31 - 1


class Part(Protocol):
    """A part of :class:`files.JournalFeed`."""

    @property
    def first_sequence(self) -> int:
        """Sequence number of the first message."""

    @property
    def messages(self) -> bytes:
        """Messages of ITCH, each after its length."""

    @property
    def ts_ns(self) -> int:
        """Time of publication, ns since the epoch."""

    @property
    def causes(self) -> bytes:
        """The same messages with the number of the causing command in place of the time."""


@dataclass(frozen=True)
class Arrival:
    """When a receiver has an event: a latency after it, drawn from a table for each event, and
    never before the preceding event."""

    latencies_ns: npt.NDArray[np.int64]
    """Each as likely as another."""
    seed: int = 1

    def draws(self) -> Iterator[int]:
        """Yield a latency for each event."""
        draw = np.random.default_rng(self.seed)
        while True:
            yield int(self.latencies_ns[draw.integers(len(self.latencies_ns))])


AT_ONCE = Arrival(np.zeros(1, np.int64))
"""Where it was sent."""


class FeedTape:
    """The parts of a feed as a tape.  ``symbols`` are the instruments, by locate.

    A message has only its time of day.  Its day is the one nearest to its part's time.  Time stays
    the same where a command came with an earlier one."""

    def __init__(
        self, parts: Iterable[Part], symbols: Mapping[int, Symbol], arrival: Arrival = AT_ONCE
    ) -> None:
        self.header = Header("journal", ("event", "definition", "status"), symbols=dict(symbols))
        self.unread: dict[str, int] = {}
        self._parts, self._arrival = parts, arrival

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        event, rows = _Event(self._arrival), Rows()
        records = ItchRecords(event)
        self.unread = records.unread
        latest_ns, cause = 0, 0
        for part in self._parts:
            midnight, at, sequence = part.ts_ns // DAY_NS * DAY_NS, 0, part.first_sequence
            while at < len(part.messages):
                size = int.from_bytes(part.messages[at : at + FRAME_BYTES], "big")
                begin = at + FRAME_BYTES
                message = part.messages[begin : begin + size]
                ts_ns = midnight + int.from_bytes(message[TIME], "big")
                days = (part.ts_ns - ts_ns + DAY_NS // 2) // DAY_NS
                latest_ns = max(latest_ns, ts_ns + days * DAY_NS)
                of = part.causes[begin + TIME.start : begin + TIME.stop]
                if (number := int.from_bytes(of, "big")) != cause:
                    event.end(rows)
                    cause = number
                records.said(f"message {sequence}", message[:1], message, latest_ns, sequence)
                at, sequence = begin + size, sequence + 1
            yield from rows.taken()
        event.end(rows)
        yield from rows.taken(end=True)


class _Event(Rows):
    """The records of one command, until its end."""

    def __init__(self, arrival: Arrival) -> None:
        super().__init__()
        self._draws, self._arrived_ns = arrival.draws(), -(2**63)
        self._of_event: list[tuple[str, tuple[Any, ...]]] = []

    def add(self, kind: str, row: tuple[Any, ...]) -> None:
        """Keep a record."""
        self._of_event.append((kind, row))

    def end(self, rows: Rows) -> None:
        """Append the records to ``rows``, with the flag and the receiver's time."""
        of_event, self._of_event = self._of_event, []
        if not of_event:
            return
        latency_ns = next(self._draws)
        sent_ns = of_event[0][1][0]
        self._arrived_ns = max(self._arrived_ns, sent_ns + latency_ns)
        last = {row[INSTRUMENT]: at for at, (kind, row) in enumerate(of_event) if kind == "event"}
        for at, (kind, given) in enumerate(of_event):
            row = list(given)
            row[RX] = self._arrived_ns
            if kind == "event":
                row[FLAGS] |= LAST if last[row[INSTRUMENT]] == at else 0
                row[DELTA] = min(self._arrived_ns - row[0], MAX_DELTA_NS)
            rows.add(kind, tuple(row))


def journal_tape(
    directory: Path,
    decimals: Mapping[str, int] | None = None,
    session: int | None = None,
    arrival: Arrival = AT_ONCE,
) -> FeedTape:
    """Return a journal's feed as a tape; the arguments are those of ``files.write_feed``."""
    feed, places = JournalFeed(directory, decimals, session, causes=True), decimals or {}
    symbols = {
        locate: Symbol(name, max(DECIMALS, places.get(name, DECIMALS)))
        for locate, name in enumerate(instruments_of(directory), start=1)
    }
    return FeedTape(feed.parts(), symbols, arrival)


def export(
    directory: Path,
    out: Path,
    to_name: str = "",
    symbol: str | None = None,
    allowed: Collection[str] = (),
    decimals: Mapping[str, int] | None = None,
    session: int | None = None,
    arrival: Arrival = AT_ONCE,
) -> dict[str, Any]:
    """Write a journal's feed in a format of others, as ``tape.convert.write_tape`` does.

    Raises :class:`FeedError`, or what reading and writing raise.
    """
    if symbol is not None and symbol not in instruments_of(directory):
        raise FeedError(f"{symbol} is not among the journal's instruments")
    tape = journal_tape(directory, decimals, session, arrival)
    return write_tape(tape, out, to_name, symbol, allowed)
