"""LOBSTER: order-by-order messages of one NASDAQ stock, as sold by lobsterdata.com.

Prices stay in the file's own unit, dollars times 10,000, as ticks with a step of 1. A coarser tick
would not do: some stocks are quoted finer than a cent, and hidden orders trade between cents.

| message | becomes |
|---|---|
| 1 new | NEW limit, day |
| 2 reduce | REDUCE |
| 3 delete | CANCEL |
| 4 execution of a visible order | NEW limit, immediate-or-cancel, on the other side, at that price and size: the book must find the resting order by itself |
| 5 execution of a hidden order, 6 cross trade, 7 halt | nothing; counted |

Orders that rested before the recording starts are known only from a seed book: each of its
levels becomes one synthetic order.  A message about an identifier that was never seen is then a
REDUCE of the synthetic order at its side and price.
"""  # noqa: E501

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from openoutcry.flow.commands import (
    AGGRESSOR_ID,
    SEED_ID,
    Command,
    as_recorded,
    command,
    in_chunks,
    opposite,
)
from openoutcry.flow.in_turn import RecordedBook
from openoutcry.flow.source import Array
from openoutcry.tape.files import Progress, checked_file
from openoutcry.tape.lobster import (
    CROSS_TRADE,
    DELETE,
    EXECUTION,
    HALT,
    HIDDEN_EXECUTION,
    NEW,
    REDUCE,
    Message,
    messages_of,
    read_book,
)
from openoutcry.tape.records import ASK, BID
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import make_instruments

KIND_NAMES = {
    NEW: "new",
    REDUCE: "reduce",
    DELETE: "delete",
    EXECUTION: "execution of a visible order",
    HIDDEN_EXECUTION: "execution of a hidden order (no command)",
    CROSS_TRADE: "cross trade (no command)",
    HALT: "halt (no command)",
}

SIDES = {BID: Side.BUY, ASK: Side.SELL}
UNSEEN = "… of these, about orders that are in neither the file nor the seed book"

NO_PRICE = 9_999_999_999
"""Is written, with either sign, where a book has no such level."""


class Step(NamedTuple):
    """A message and what it becomes."""

    message: Message | None
    """None: the synthetic orders of the seed book."""
    commands: list[Command]
    maker_id: int | None
    """Execution of a visible order: the identifier in our commands of the order that the
    recording says was filled; None where it was never seen."""


class LobsterSource:
    """A LOBSTER message file, plain or packed with gzip, zstd or xz.

    ``seed_book`` is a file whose first row is the book after the first message. Each level has ask
    price, ask size, bid price and bid size, best level first.

    ``account`` counts messages by kind, and how many of them met the seed book. It also counts
    suspicious messages that are well formed. In these, time goes backwards, the identifier of an
    open order is given again, or there are no shares (such a message becomes no command).

    ``recorded`` keeps the recording's time and order of execution (:func:`as_recorded`,
    ``in_turn.py``), and refuses time that goes backwards. Raises :class:`FlowError` naming row and
    column.
    """

    def __init__(
        self,
        path: str | Path,
        seed_book: str | Path | None = None,
        symbol: str = "LOBSTER",
        progress: Progress | None = None,
        recorded: bool = False,
    ) -> None:
        self.path = checked_file(path)
        self.recorded = recorded
        self.name = f"LOBSTER {self.path.name}"
        self.symbol = symbol.encode()
        self.instruments = make_instruments([self.symbol])
        self.count_hint: int | None = None
        self.account: dict[str, int] = {}
        self.seed = next(read_book(seed_book)) if seed_book is not None else []
        self._progress = progress

    def chunks(self) -> Iterator[Array]:
        """Yield the commands, those of the seed book first."""
        return in_chunks(command for step in self.steps() for command in step.commands)

    def steps(self) -> Iterator[Step]:
        """Yield each message with the commands it becomes, which may be none.

        With a seed book, its synthetic orders come first. The book contains a first message of kind
        new already, so what it brought is left out of its level's synthetic order.
        """
        book = RecordedBook()
        for step in self._steps():
            if not self.recorded:
                yield step
                continue
            ts_ns = step.message.ts_ns if step.message else 0
            commands = [
                as_recorded(one, ts_ns)
                for given in step.commands
                for one in book.in_turn(given, step.maker_id or 0)
            ]
            yield step._replace(commands=commands)

    def _steps(self) -> Iterator[Step]:
        counts: Counter[str] = Counter()
        self.account = counts
        seeds: dict[tuple[Side, int], int] = {}
        open_ids: set[int] = set()
        for message in self._read(counts):
            if message.row == 1 and self.seed:
                yield Step(None, self._seed_commands(message, seeds, counts), None)
                if message.kind != NEW:
                    counts["first message, contained in the seed book (no command)"] += 1
                    yield Step(message, [], None)
                    continue
            if message.qty_lots == 0 and message.kind <= EXECUTION:
                counts["suspicious: no shares (no command)"] += 1
                yield Step(message, [], None)
                continue
            counts[KIND_NAMES[message.kind]] += 1
            yield self._translate(message, seeds, open_ids, counts)

    def _read(self, counts: Counter[str]) -> Iterator[Message]:
        def backwards(row: int, time: str, last_s: float) -> None:
            if self.recorded:
                raise FlowError(
                    f"{self.path}: row {row}, column 1 (time): {time} is before the row above "
                    f"({last_s}): the rows are not in their order"
                )
            counts["suspicious: time goes backwards"] += 1

        return messages_of(self.path, self._progress, backwards)

    def _seed_commands(
        self, first: Message, seeds: dict[tuple[Side, int], int], counts: Counter[str]
    ) -> list[Command]:
        commands = []
        for side, price_ticks, qty_lots in levels_of(self.seed):
            if first.kind == NEW and (SIDES[first.side], first.price_ticks) == (side, price_ticks):
                qty_lots -= first.qty_lots
            if qty_lots > 0:
                order_id = SEED_ID + len(seeds)
                seeds[side, price_ticks] = order_id
                commands.append(
                    command(CommandKind.NEW, self.symbol, side, price_ticks, qty_lots, order_id)
                )
        counts["synthetic order of the seed book"] = len(commands)
        return commands

    def _translate(
        self,
        message: Message,
        seeds: dict[tuple[Side, int], int],
        open_ids: set[int],
        counts: Counter[str],
    ) -> Step:
        _, kind, order_id, qty_lots, price_ticks, letter, *_ = message
        symbol, side = self.symbol, SIDES[letter]
        if kind == NEW:
            if order_id in open_ids:
                counts["suspicious: the identifier of an order that is open"] += 1
            open_ids.add(order_id)
            new = command(CommandKind.NEW, symbol, side, price_ticks, qty_lots, order_id)
            return Step(message, [new], None)
        if kind > EXECUTION:
            return Step(message, [], None)
        known = order_id in open_ids
        seed_id = seeds.get((side, price_ticks))
        if kind == EXECUTION:
            aggressor = command(
                CommandKind.NEW,
                symbol,
                opposite(side),
                price_ticks,
                qty_lots,
                AGGRESSOR_ID + message.row,
                TimeInForce.IOC,
            )
            counts["… of these, executions of orders from before the recording"] += not known
            if not known and seed_id is None:
                counts[UNSEEN] += 1
            return Step(message, [aggressor], order_id if known else seed_id)
        command_kind = CommandKind.REDUCE if kind == REDUCE else CommandKind.CANCEL
        if kind == DELETE:
            open_ids.discard(order_id)
        if not known and seed_id is None:
            counts["… of these, reduces and deletes of orders never seen"] += 1
            counts[UNSEEN] += 1
        elif not known and seed_id is not None:
            counts["… of these, reduces and deletes applied to a synthetic order"] += 1
            command_kind, order_id = CommandKind.REDUCE, seed_id
        change = command(command_kind, symbol, side, price_ticks, qty_lots, order_id)
        return Step(message, [change], None)


def levels_of(row: list[int]) -> Iterator[tuple[Side, int, int]]:
    """(side, price_ticks, qty_lots) of each level that is there, asks before bids, best first."""
    for side, at in ((Side.SELL, 0), (Side.BUY, 2)):
        for price_ticks, qty_lots in zip(row[at::4], row[at + 1 :: 4], strict=True):
            if abs(price_ticks) != NO_PRICE:
                yield side, price_ticks, qty_lots
