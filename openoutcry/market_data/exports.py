"""The feed of a journal as others keep it: Databento's DBN (MBO), hftbacktest's arrays,
Tardis.dev's files, trades.

All come from one pass over the messages, order by order: what each says as additions, cancels,
fills and trades (:func:`market_by_order`).
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from openoutcry.market_data.book import ITCH_DECIMALS
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50

DAY_NS = 86_400_000_000_000
DATASET = "OUTCRY.ITCH"
DBN_DECIMALS = 9
"""A unit of DBN's prices is 1e-9, one of ours 1e-4."""
ADD, CANCEL, FILL, TRADE = "A", "C", "F", "T"


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
        """Times of publication, ns since the epoch."""

    @property
    def causes(self) -> bytes:
        """The same messages with the number of the causing command in place of the time; empty if
        not requested."""


class Step(NamedTuple):
    """One step of an order or a trade, as DBN's MBO schema has it."""

    ts_ns: int
    sequence: int
    """Sequence of the message that reports it."""
    action: str
    """A add, C cancel (of ``shares``), F fill (of the resting order), T trade (of the
    aggressor)."""
    side: str
    """B, S; N where the message does not say."""
    price: int
    shares: int
    order: int
    """0: of a trade."""
    locate: int
    left: int
    """Remaining shares of the order; 0: it is gone."""
    event: int
    """The command that caused it; 0 if not requested."""
    match: int = 0
    price_decimals: int = ITCH_DECIMALS
    """Decimals of the price."""
    cross: bool = False
    """The trade is an auction's volume."""


TIME_AT, TIME_END = FRAME_BYTES + 5, FRAME_BYTES + 11
"""Where the time of a message is, counted from its length."""


def _messages(parts: Iterable[Part]) -> Iterator[tuple[int, int, int, str, dict[str, Any]]]:
    """Each message's time (ns since the epoch), number, command, type and fields.

    A message has only its time of day.  Its day is the one nearest to its part's time.  Time stays
    the same where a command came with an earlier one."""
    latest_ns = 0
    for part in parts:
        midnight, at, sequence = part.ts_ns // DAY_NS * DAY_NS, 0, part.first_sequence
        while at < len(part.messages):
            size = int.from_bytes(part.messages[at : at + FRAME_BYTES], "big")
            message = part.messages[at + FRAME_BYTES : at + FRAME_BYTES + size]
            kind = chr(message[0])
            row = ITCH50.from_server(kind).unpack(message)
            ts_ns = midnight + row["timestamp"]
            days = (part.ts_ns - ts_ns + DAY_NS // 2) // DAY_NS
            latest_ns = max(latest_ns, ts_ns + days * DAY_NS)
            event = int.from_bytes(part.causes[at + TIME_AT : at + TIME_END], "big")
            yield latest_ns, sequence, event, kind, row
            at, sequence = at + FRAME_BYTES + size, sequence + 1


def market_by_order(parts: Iterable[Part]) -> Iterator[Step]:
    """Every step (:func:`_steps`), with the decimals that the directory announces."""
    decimals: dict[int, int] = {}
    for step in _steps(parts, decimals):
        places = decimals.get(step.locate, ITCH_DECIMALS)
        yield step if places == ITCH_DECIMALS else step._replace(price_decimals=places)


def _steps(parts: Iterable[Part], decimals: dict[int, int]) -> Iterator[Step]:
    """An execution is a trade of the taker, a fill of the resting order, and a cancel of the lots
    that no longer rest.  A replacement is a cancel and an addition; an auction's volume is one
    trade.  The decimals of instruments, by locate, are added to ``decimals``."""
    open_orders: dict[int, list[Any]] = {}  # number: side, price, shares, locate
    other = {"B": "S", "S": "B"}
    for ts_ns, sequence, event, kind, row in _messages(parts):
        locate = row["locate"]

        def step(
            action: str,
            side: str,
            price: int,
            shares: int,
            order: int = 0,
            left: int = 0,
            match: int = 0,
            now: tuple[int, int, int, int] = (ts_ns, sequence, locate, event),
        ) -> Step:
            return Step(
                now[0], now[1], action, side, price, shares, order, now[2], left, now[3], match
            )

        if kind == "S" and row["event"] == "O":
            for number, (side, price, shares, where) in open_orders.items():
                # Another session: what is displayed still is said again.
                yield Step(ts_ns, sequence, CANCEL, side, price, shares, number, where, 0, event)
            open_orders.clear()
        elif kind == "o":
            decimals[locate] = row["price_decimals"]
        elif kind in "AF":
            open_orders[row["reference"]] = [row["side"], row["price"], row["shares"], locate]
            yield step(
                ADD, row["side"], row["price"], row["shares"], row["reference"], row["shares"]
            )
        elif kind in "ECXDU":
            number = row["reference"]
            order = open_orders[number]
            side, price = order[0], order[1]
            shares = order[2] if kind in "DU" else row["shares"]
            order[2] -= shares
            if not order[2]:
                del open_orders[number]
            if kind in "EC" and (kind == "E" or row["printable"] == "Y"):
                paid = price if kind == "E" else row["price"]
                yield step(TRADE, other[side], paid, shares, match=row["match"])
                yield step(FILL, side, paid, shares, number, order[2], row["match"])
            yield step(CANCEL, side, price, shares, number, order[2])
            if kind == "U":
                new = row["new_reference"]
                open_orders[new] = [side, row["price"], row["shares"], locate]
                yield step(ADD, side, row["price"], row["shares"], new, row["shares"])
        elif kind == "P" or (kind == "Q" and row["shares"]):
            trade = step(TRADE, "N", row["price"], row["shares"], match=row["match"])
            yield trade._replace(cross=kind == "Q")


def by_event(steps: Iterable[Step]) -> Iterator[tuple[Step, bool]]:
    """Each step, and whether it is the last of its event for its instrument: an event is all that
    one command did."""
    event: list[Step] = []

    def told() -> Iterator[tuple[Step, bool]]:
        last = {step.locate: at for at, step in enumerate(event)}
        for at, step in enumerate(event):
            yield step, last[step.locate] == at

    for step in steps:
        if event and step.event != event[0].event:
            yield from told()
            event.clear()
        event.append(step)
    yield from told()


@dataclass(frozen=True)
class Arrival:
    """When a receiver has an event: a latency after it, drawn from a table for each event, and
    never before the preceding event."""

    latencies_ns: npt.NDArray[np.int64]
    """Each as likely as another."""
    seed: int = 1

    def times(self, steps: Iterable[Step]) -> Iterator[tuple[Step, int]]:
        """Each step, and its time at the receiver."""
        draw = np.random.default_rng(self.seed)
        event, arrived_ns = -1, -(2**63)
        for step in steps:
            if step.event != event:
                event = step.event
                latency_ns = int(self.latencies_ns[draw.integers(len(self.latencies_ns))])
                arrived_ns = max(arrived_ns, step.ts_ns + latency_ns)
            yield step, arrived_ns


AT_ONCE = Arrival(np.zeros(1, np.int64))
"""Where it was sent."""
MAX_DELTA_NS = 2**31 - 1


def write_dbn(
    parts: Iterable[Part], symbols: list[str], path: Path, arrival: Arrival = AT_ONCE
) -> None:
    """Databento's DBN, schema MBO: instrument ids are locates, prices have nine decimals.

    ``F_LAST`` is on the last record of an event (a command) for each instrument.  ``ts_recv`` is by
    ``arrival``, ``ts_in_delta`` the time that it took, as far as its field goes.
    """
    try:
        dbn: Any = import_module("databento_dbn")
    except ImportError:
        raise FeedError("dbn needs databento-dbn: pip install databento-dbn") from None
    sides = {"B": dbn.Side.BID, "S": dbn.Side.ASK, "N": dbn.Side.NONE}
    actions = {
        ADD: dbn.Action.ADD,
        CANCEL: dbn.Action.CANCEL,
        FILL: dbn.Action.FILL,
        TRADE: dbn.Action.TRADE,
    }
    body, begin_ns, end_ns = path.with_name(path.name + ".body"), 0, 0
    try:
        with body.open("wb") as file:
            steps, arrivals = tee(market_by_order(parts))
            times = (arrived_ns for _, arrived_ns in arrival.times(arrivals))
            for (step, last), arrived_ns in zip(by_event(steps), times, strict=True):
                begin_ns, end_ns = begin_ns or step.ts_ns, arrived_ns
                record = dbn.MBOMsg(
                    1,
                    step.locate,
                    step.ts_ns,
                    step.order,
                    _dbn_price(step, symbols),
                    step.shares,
                    actions[step.action],
                    sides[step.side],
                    arrived_ns,
                    dbn.F_LAST if last else 0,
                    0,
                    min(arrived_ns - step.ts_ns, MAX_DELTA_NS),
                    step.sequence & 0xFFFFFFFF,
                )
                file.write(bytes(record))
        metadata = dbn.Metadata(
            DATASET,
            begin_ns,
            dbn.SType.RAW_SYMBOL,
            dbn.SType.INSTRUMENT_ID,
            dbn.Schema.MBO,
            symbols,
            end=end_ns + 1,
        )
        with path.open("wb") as file, body.open("rb") as records:
            file.write(metadata.encode())
            while chunk := records.read(1 << 20):
                file.write(chunk)
    finally:
        body.unlink(missing_ok=True)


def _dbn_price(step: Step, symbols: list[str]) -> int:
    """Raises :class:`FeedError` where nine decimals are too few."""
    if step.price_decimals > DBN_DECIMALS:
        raise FeedError(
            f"instrument {symbols[step.locate - 1]}: prices with {step.price_decimals} decimals; "
            f"DBN has {DBN_DECIMALS}"
        )
    return step.price * 10 ** (DBN_DECIMALS - step.price_decimals)


EXCH, LOCAL, BUY_SIDE, SELL_SIDE = 1 << 31, 1 << 30, 1 << 29, 1 << 28
HFT_KINDS = {ADD: 10, CANCEL: 11, "M": 12, FILL: 13, TRADE: 2}
HFT_DTYPE = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
"""hftbacktest's events (its types.py)."""


def write_npz(parts: Iterable[Part], locate: int, path: Path, arrival: Arrival = AT_ONCE) -> None:
    """hftbacktest's events of one instrument: ``data`` in a compressed .npz.

    Local times are by ``arrival``.  A cancel of a part is a modification, as hftbacktest's cancel
    is of the whole.
    """
    rows = []
    for step, arrived_ns in arrival.times(market_by_order(parts)):
        if step.locate != locate:
            continue
        part = step.action == CANCEL and step.left > 0
        side = {"B": BUY_SIDE, "S": SELL_SIDE, "N": 0}[step.side]
        rows.append(
            (
                HFT_KINDS["M" if part else step.action] | EXCH | LOCAL | side,
                step.ts_ns,
                arrived_ns,
                step.price / 10**step.price_decimals,
                float(step.left if part else step.shares),
                step.order,
                0,
                0.0,
            )
        )
    with path.open("wb") as file:
        np.savez_compressed(file, data=np.array(rows, HFT_DTYPE))


TARDIS_HEAD = "exchange,symbol,timestamp,local_timestamp,"
TARDIS_SIDES = {"B": "buy", "S": "sell", "N": "unknown"}


def write_tardis_levels(
    parts: Iterable[Part], locate: int, symbol: str, path: Path, arrival: Arrival = AT_ONCE
) -> None:
    """Write the levels of one instrument as Tardis.dev's ``incremental_book_L2``: after each event
    those that it changed, the first event's as a snapshot.  Times are in us, local ones by
    ``arrival``.  Levels that cross, as before an auction, wait for the event that ends it.
    """
    steps, arrivals = tee(market_by_order(parts))
    levels: dict[tuple[str, int], int] = {}
    prices: dict[str, list[int]] = {"B": [], "S": []}
    """Of the levels, ascending."""
    changed: dict[tuple[str, int], None] = {}
    is_snapshot = "true"
    with path.open("w") as file:
        file.write(TARDIS_HEAD + "is_snapshot,side,price,amount\n")
        times = (arrived_ns for _, arrived_ns in arrival.times(arrivals))
        for (step, is_last), arrived_ns in zip(by_event(steps), times, strict=True):
            if step.locate != locate:
                continue
            if step.action in (ADD, CANCEL):
                key = step.side, step.price
                changed[key] = None
                had = levels.pop(key, 0)
                left = had + (step.shares if step.action == ADD else -step.shares)
                of_side = prices[step.side]
                if left:
                    levels[key] = left
                if left and not had:
                    insort(of_side, step.price)
                elif had and not left:
                    del of_side[bisect_left(of_side, step.price)]
            bids, asks = prices["B"], prices["S"]
            if not is_last or not changed or (bids and asks and bids[-1] >= asks[0]):
                continue
            head = f"outcry,{symbol},{step.ts_ns // 1000},{arrived_ns // 1000},{is_snapshot}"
            for side, price in changed:
                name, amount = "bid" if side == "B" else "ask", levels.get((side, price), 0)
                file.write(f"{head},{name},{_decimal(price, step.price_decimals)},{amount}\n")
            changed.clear()
            is_snapshot = "false"


def write_tardis_trades(
    parts: Iterable[Part], locate: int, symbol: str, path: Path, arrival: Arrival = AT_ONCE
) -> None:
    """Write the trades of one instrument as Tardis.dev's ``trades``, each with its aggressor's
    side."""
    with path.open("w") as file:
        file.write(TARDIS_HEAD + "id,side,price,amount\n")
        for step, arrived_ns in arrival.times(market_by_order(parts)):
            if step.locate == locate and step.action == TRADE:
                head = f"outcry,{symbol},{step.ts_ns // 1000},{arrived_ns // 1000},{step.match}"
                price = _decimal(step.price, step.price_decimals)
                file.write(f"{head},{TARDIS_SIDES[step.side]},{price},{step.shares}\n")


def _decimal(price: int, places: int) -> str:
    whole, part = divmod(price, 10**places)
    return f"{whole}.{part:0{places}d}" if places else str(whole)


def write_trades(parts: Iterable[Part], symbols: list[str], path: Path) -> None:
    """Write every published trade to a Parquet table."""
    from openoutcry.journal.tables import arrow

    pa = arrow()
    names = (
        "ts_ns",
        "symbol",
        "price",
        "shares",
        "aggressor",
        "match",
        "itch_seq",
        "price_decimals",
    )
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for step in market_by_order(parts):
        if step.action == TRADE:
            row = (
                step.ts_ns,
                symbols[step.locate - 1],
                step.price,
                step.shares,
                step.side,
                step.match,
                step.sequence,
                step.price_decimals,
            )
            for name, value in zip(names, row, strict=True):
                columns[name].append(value)
    text = {"symbol", "aggressor"}
    schema = pa.schema([(n, pa.string() if n in text else pa.int64()) for n in names])
    pa.parquet.write_table(pa.table(columns, schema), path, compression="zstd")
