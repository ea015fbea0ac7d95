"""A door for market data over FIX with a journal's day behind it, and a client's book rebuilt from
W and X by a plain rule."""

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from openoutcry.market_data.book import Book
from openoutcry.venue.contract_figures import Figures
from openoutcry.venue.market_data_door import DataDoor
from openoutcry.venue.market_data_messages import SEQUENCE, Security
from tests.support.market_data.feed_support import PlainBook, fields, unframed

Levels = dict[str, int]
"""Size by the text of the price."""


def levels_of(book: PlainBook, locate: int, depth: int = 10**9) -> tuple[Levels, Levels]:
    """The best levels of both sides, as a client of FIX knows them."""
    sides: list[Levels] = []
    for side in "BS":
        found: Levels = {}
        for price, shares in book.queue(locate, side):
            text = f"{price // 10_000}.{price % 10_000:04}"
            if text not in found and len(found) == depth:
                break
            found[text] = found.get(text, 0) + shares
        sides.append(found)
    return sides[0], sides[1]


@dataclass
class Day:
    """A day of a journal's feed, and what is true after each message that was published."""

    symbols: Mapping[str, int]
    """Locates."""
    book: Book = field(default_factory=Book)
    plain: PlainBook = field(default_factory=PlainBook)
    sequence: int = 0
    truth: dict[int, dict[str, tuple[Levels, Levels]]] = field(default_factory=dict)
    trades: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    """Number, price and size of each printed trade, by symbol."""

    def take(self, messages: Sequence[bytes]) -> None:
        """Take messages, and keep what is true after them."""
        for message in messages:
            self._note_trade(fields(message))
            self.plain.apply(message)
        self.book.apply(b"".join(len(one).to_bytes(2, "big") + one for one in messages))
        self.sequence += len(messages)
        self.truth[self.sequence] = {
            name: levels_of(self.plain, locate) for name, locate in self.symbols.items()
        }

    def _note_trade(self, row: dict[str, Any]) -> None:
        kind = row["kind"]
        if kind == "E":
            price = self.plain.orders[row["reference"]][2]
        elif is_printed(row):
            price = row["price"]
        else:
            return
        name = next((one for one, locate in self.symbols.items() if locate == row["locate"]), "")
        rows = self.trades.setdefault(name, [])
        rows.append((str(row["match"]), price, row["shares"]))


def is_printed(row: dict[str, Any]) -> bool:
    """Return whether a message, other than E, is a trade that counts."""
    kind = row["kind"]
    if kind == "C":
        return bool(row["printable"] == "Y")
    return bool((kind == "P" and row["reference"] == 0) or (kind == "Q" and row["shares"]))


@dataclass
class Rebuilt:
    """What a client makes of the messages of one request."""

    books: dict[str, tuple[Levels, Levels]] = field(default_factory=dict)
    statistics: dict[tuple[str, str], str] = field(default_factory=dict)
    """Price or size by symbol and MDEntryType."""
    trades: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    moments: list[tuple[str, int, tuple[Levels, Levels]]] = field(default_factory=list)
    """Symbol, sequence of the feed, and the book after each message."""
    snapshots: int = 0

    def take(self, message: Sequence[tuple[str, str]]) -> None:
        """Take a W or an X, as its fields in their order."""
        head = dict(message)
        kind, sequence, symbol = head["35"], int(head[str(SEQUENCE)]), head["55"]
        first = "269" if kind == "W" else "279"
        entries: list[dict[str, str]] = []
        for tag, value in message:
            if tag == first:
                entries.append({})
            if entries and tag != "10":
                entries[-1][tag] = value
        if kind == "W":
            self.books[symbol] = {}, {}
            self.snapshots += 1
        for entry in entries:
            self._take(symbol, entry.get("279", "0"), entry)
        bids, asks = self.books.setdefault(symbol, ({}, {}))
        self.moments.append((symbol, sequence, (dict(bids), dict(asks))))

    def _take(self, symbol: str, action: str, entry: dict[str, str]) -> None:
        kind = entry["269"]
        if kind in "01":
            side = self.books[symbol][int(kind)]
            assert (entry["270"] in side) == (action != "0"), (action, entry)
            if action == "2":
                del side[entry["270"]]
            else:
                side[entry["270"]] = int(entry["271"])
        elif kind == "2" and "278" in entry:
            assert action == "0"
            row = entry["278"], entry["270"], entry["271"]
            self.trades.setdefault(symbol, []).append(row)
        elif kind != "2":
            if action == "2":
                del self.statistics[symbol, kind]
            else:
                self.statistics[symbol, kind] = entry.get("270") or entry["271"]


def pairs(text: str) -> list[tuple[str, str]]:
    """The fields of a message, in their order."""
    return [
        (tag, value) for tag, _, value in (one.partition("=") for one in text.split("\x01")) if tag
    ]


class ServedDoor:
    """A door in a loop of its own thread.  ``with`` begins and ends it."""

    def __init__(
        self,
        symbols: Mapping[str, int],
        figures: Callable[[], Mapping[str, Figures]] = dict,
        interval_ms: int = 1,
        securities: Mapping[str, Security] | None = None,
    ) -> None:
        self.day = Day(symbols)
        known = securities or {name: Security(name, "USD", 4) for name in symbols}
        self.door = DataDoor("VENUE", known, figures, interval_ms)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "ServedDoor":
        self._thread.start()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.run(self.door.start(listener)).result()
        self.port = listener.getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self.door.stop()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Any) -> "Future[Any]":
        """Run a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def publish(self, messages: Sequence[bytes], steps: random.Random | None = None) -> None:
        """Publish messages, in steps of some: the door's clients run between two of them."""

        async def work() -> None:
            at = 0
            while at < len(messages):
                count = steps.randrange(1, 40) if steps else len(messages)
                self.day.take(messages[at : at + count])
                self.door.publish(self.day.book, self.day.sequence)
                at += count
                await asyncio.sleep(0.002)

        self.run(work()).result()


def messages_of(parts: Any) -> list[bytes]:
    """All messages of a journal's feed."""
    return [one for part in parts for one in unframed(part.messages)]
