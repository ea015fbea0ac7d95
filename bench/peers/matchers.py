"""The matcher's peers from Python's side: books from PyPI, each in its environment.

A peer runs as ``PYTHON match_NAME.py FILE`` and prints how long the operations of FILE took.  FILE
is made here from the commands of a flow: what happened to the book.  Before it is timed, each must
keep the book that our engine has after the same operations.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.host.processes import PeerError, die_with_parent
from openoutcry.matcher import Engine
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    EventFlag,
    EventKind,
    Side,
)
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.records import make_instruments

SOURCES = Path(__file__).resolve().parent
SETUP = SOURCES / "setup_matchers.sh"
ENVIRONMENTS = CACHE_ROOT / "matcher-peers"
TIMEOUT_S = 600
CHECK_COMMANDS = 4_000
SYMBOL = b"OUTCRY"

DELETE, ADD, UPDATE = range(3)
"""Operations of a book."""

Array = npt.NDArray[Any]


PEERS = ("nautilus_book",)


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
    rows = book_rows(commands)

    def measure() -> float:
        return run(name, rows)["took_ns"] / len(commands)

    return measure


def check(name: str, commands: Array) -> None:
    """Compare the peer's book with ours."""
    if run(name, book_rows(commands))["book"] != _book_after(commands):
        raise PeerError(f"{name}: it has another book than our matcher after the same operations")


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


def book_rows(commands: Array) -> Array:
    """Rows (op, id, side, price, qty) for a book that does not match: orders that come to rest,
    change, and go."""
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
    queues: dict[int, dict[int, dict[int, int]]] = {
        enum_numbers.SIDE_BUY: {},
        enum_numbers.SIDE_SELL: {},
    }
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
        # What the book's program receives adds up to our engine's book.
        assert summed == depth[name], name
    return sides


def _depth(commands: Array) -> dict[str, list[tuple[int, int, int]]]:
    engine = Engine(make_instruments([SYMBOL]))
    engine.process(commands)
    return engine.depth(SYMBOL, len(commands))
