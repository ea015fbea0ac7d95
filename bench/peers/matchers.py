"""The matcher's peers: three books from PyPI, each in an environment of its own.

A peer runs as ``PYTHON match_NAME.py FILE`` and prints how long the operations of FILE took.  FILE
is made here from the commands of a flow, in what the peers understand: new orders and cancels (the
matchers), or what happened to the book (nautilus).  Before it is timed, each must make the trades,
or keep the book, that our engine makes of the same operations.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.host.processes import PeerError, die_with_parent
from openoutcry.matcher import Engine
from openoutcry.wire.enums import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.records import ORDER_DTYPE, make_instruments

SOURCES = Path(__file__).resolve().parent
SETUP = SOURCES / "setup_matchers.sh"
ENVIRONMENTS = CACHE_ROOT / "matcher-peers"
TIMEOUT_S = 600
CHECK_COMMANDS = 4_000
SYMBOL = b"OUTCRY"

CANCEL, REST, TAKE = range(3)
"""Operations of a matcher: TAKE is a new order whose rest is cancelled."""
DELETE, ADD, UPDATE = range(3)
"""Operations of a book."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Peer:
    """``package``: what pip installs.  ``is_book``: it only keeps what others have matched."""

    package: str
    is_book: bool


PEERS = {
    "lightmatchingengine": Peer("lightmatchingengine", False),
    "pyorderbook": Peer("pyorderbook", False),
    "nautilus_book": Peer("nautilus_trader", True),
}


def interpreter(name: str) -> Path:
    """The Python of the peer's environment, there or not."""
    return ENVIRONMENTS / name / "bin" / "python"


def prepare(name: str, commands: Array) -> Callable[[], float]:
    """Check the peer on the first commands, and return what times all of ``commands`` (ORDER_DTYPE
    in one instrument, LIMIT, MARKET and POST_ONLY only): ns a command.

    Raises :class:`PeerMissing` if it is not installed, :class:`PeerError` if it does not do what
    our engine does.
    """
    python = interpreter(name)
    if not python.exists():
        raise PeerMissing(f"no {python}: outcry bench matcher --setup")
    check(name, commands[:CHECK_COMMANDS])
    rows = operations(name, commands)

    def measure() -> float:
        return run(name, rows)["took_ns"] / len(commands)

    return measure


def check(name: str, commands: Array) -> None:
    """Compare the peer's trades, or its book, with ours."""
    rows = operations(name, commands)
    document = run(name, rows)
    is_same = (
        document["book"] == _book_after(commands)
        if PEERS[name].is_book
        else document["trades"] == trades(rows)
    )
    if not is_same:
        raise PeerError(f"{name}: it does something else than our matcher with the same operations")


def operations(name: str, commands: Array) -> Array:
    """The rows (op, id, side, price, qty) that the peer is given for ``commands``."""
    return book_rows(commands) if PEERS[name].is_book else matcher_rows(commands)


def run(name: str, rows: Array) -> dict[str, Any]:
    """Give ``rows`` to the peer; returns what it prints."""
    with tempfile.NamedTemporaryFile(suffix=".ops") as file:
        file.write(rows.tobytes())
        file.flush()
        command = [str(interpreter(name)), str(SOURCES / f"match_{name}.py"), file.name]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, preexec_fn=die_with_parent
        )
    if done.returncode:
        raise PeerError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def matcher_rows(commands: Array) -> Array:
    """New orders and cancels: all that a plain matcher knows.

    LIMIT and POST_ONLY rest, IOC, FOK and MARKET take, the last at any price.  A replace or reduce
    that our engine carries out is a cancel and a new order.
    """
    changed = _changes(commands)
    rows = []
    for c in commands.tolist():
        price, qty, _, order_id, *_, kind, side, order_type, tif, seq = c
        if kind == CommandKind.NEW:
            takes = order_type == OrderType.MARKET or tif != TimeInForce.DAY
            if order_type == OrderType.MARKET:
                price = 2**40 if side == Side.BUY else 1
            rows.append((TAKE if takes else REST, order_id, side, price, qty))
        elif kind == CommandKind.CANCEL:
            rows.append((CANCEL, order_id, side, 0, 0))
        elif seq in changed:
            rows.append((CANCEL, order_id, side, 0, 0))
            rows.append((REST, order_id, side, *changed[seq]))
    known = set()
    # A cancel of an order the peer has never seen would be no work for it.
    kept = []
    for row in rows:
        if row[0] != CANCEL:
            known.add(row[1])
        if row[1] in known:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _changes(commands: Array) -> dict[int, tuple[int, int]]:
    """By the command's seq: price and open quantity after each replace and reduce."""
    events = Engine(make_instruments([SYMBOL])).process(commands)
    kinds = (EventKind.REPLACED, EventKind.REDUCED)
    rows = events[np.isin(events["kind"], kinds)]
    fields = ("cause_seq", "price_ticks", "leaves_lots")
    columns = [rows[field].tolist() for field in fields]
    return {seq: (price, qty) for seq, price, qty in zip(*columns, strict=True)}


def trades(rows: Array) -> list[list[int]]:
    """[taker, maker, price, quantity] of every trade that our engine makes of matcher rows."""
    orders = np.zeros(len(rows), ORDER_DTYPE)
    orders["symbol"] = SYMBOL
    orders["participant"] = 1
    orders["kind"] = np.where(rows[:, 0] == CANCEL, CommandKind.CANCEL, CommandKind.NEW)
    orders["order_type"] = OrderType.LIMIT
    orders["time_in_force"] = np.where(rows[:, 0] == TAKE, TimeInForce.IOC, TimeInForce.DAY)
    for column, field in enumerate(("order_id", "side", "price_ticks", "qty_lots"), start=1):
        orders[field] = rows[:, column]
    orders["seq"] = np.arange(1, len(orders) + 1)
    events = Engine(make_instruments([SYMBOL])).process(orders)
    fills = events[(events["kind"] == EventKind.FILLED) & (events["flags"] & EventFlag.MAKER != 0)]
    fields = ("contra_id", "order_id", "price_ticks", "qty_lots")
    return [list(row) for row in zip(*(fills[f].tolist() for f in fields), strict=True)]


def book_rows(commands: Array) -> Array:
    """What a book that does not match is told: orders that come to rest, change, and go."""
    events = Engine(make_instruments([SYMBOL])).process(commands)
    resting: dict[int, tuple[int, int]] = {}
    rows = []
    arriving: tuple[int, int, int, int] | None = None
    for e in events.tolist():
        order_id, _, price, _, leaves, _, _, _, kind, _, side, flags, _ = e
        if kind == EventKind.ACCEPTED:
            arriving = (order_id, side, price, leaves)
        elif kind == EventKind.REPLACED and not flags & EventFlag.KEPT_PLACE:
            rows.append((DELETE, order_id, *resting.pop(order_id), 0))
            arriving = (order_id, side, price, leaves)
        elif kind == EventKind.FILLED and not flags & EventFlag.MAKER:
            assert arriving is not None
            arriving = (*arriving[:3], leaves)
        elif kind == EventKind.CANCELLED and arriving is not None:
            arriving = None
        elif order_id in resting and kind in _ON_RESTING:
            side, price = resting[order_id]
            rows.append((UPDATE if leaves else DELETE, order_id, side, price, leaves))
            if not leaves:
                del resting[order_id]
        if flags & EventFlag.LAST:
            if arriving is not None and arriving[3]:
                order_id, side, price, leaves = arriving
                resting[order_id] = side, price
                rows.append((ADD, order_id, side, price, leaves))
            arriving = None
    return np.array(rows, dtype=np.int64)


_ON_RESTING = (EventKind.FILLED, EventKind.CANCELLED, EventKind.REDUCED, EventKind.REPLACED)


def _book_after(commands: Array) -> dict[str, list[list[Any]]]:
    """Every order that is left, as the book's program prints it."""
    rows = book_rows(commands)
    queues: dict[int, dict[int, dict[int, int]]] = {int(Side.BUY): {}, int(Side.SELL): {}}
    for op, order_id, side, price, qty in rows.tolist():
        queue = queues[side].setdefault(price, {})
        if op == DELETE:
            del queue[order_id]
        else:
            queue[order_id] = qty
    depth = _depth(commands)
    sides = {}
    for name, side in (("bids", Side.BUY), ("asks", Side.SELL)):
        half = {price: queue for price, queue in queues[side].items() if queue}
        levels = sorted(half, reverse=side == Side.BUY)
        sides[name] = [[price, [list(item) for item in half[price].items()]] for price in levels]
        summed = [(p, sum(half[p].values()), len(half[p])) for p in levels]
        # What it was told is what our engine has.
        assert summed == depth[name], name
    return sides


def _depth(commands: Array) -> dict[str, list[tuple[int, int, int]]]:
    engine = Engine(make_instruments([SYMBOL]))
    engine.process(commands)
    return engine.depth(SYMBOL, len(commands))
