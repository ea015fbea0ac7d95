"""C++ books from PyPI, whose packages bring their headers: compiled here with ``book_cpp.cpp``.

``liquibook`` matches and reports; ``limit_order_book`` matches and reports nothing. Both do less
than our matcher: no owners, no rules, no events for the acting participant. A replace at a new
price is liquibook's own; otherwise it is a cancel and a new order.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.peers.matchers import ENVIRONMENTS
from openoutcry.bench.peers.programs import PeerMissing, binary
from openoutcry.host.processes import PeerError, die_with_parent
from openoutcry.wire.enums import CommandKind, TimeInForce

TIMEOUT_S = 600
CANCEL, REST, TAKE, REPLACE, REDUCE = range(5)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answer:
    """``book``: bids, their lots, asks, their lots, at the end.  ``single_ns``: p50, p99 and p99.9
    of one operation alone, if they were asked for."""

    took_ns: float
    book: list[int]
    single_ns: list[float]


BOOKS = {
    "liquibook": ("liquibook", ("include/liquibook",)),
    "limit_order_book": (
        "limit-order-book",
        (
            "include",
            "vendor/binary-search-tree/include",
            "vendor/doubly-linked-list/include",
            "vendor/robin-map/include",
        ),
    ),
}
"""Package, and where its headers are in it."""


def program(name: str) -> Path:
    """The peer's program, compiled.  Raises :class:`PeerMissing` if its headers are not there."""
    home = ENVIRONMENTS / name
    includes = [home / folder for folder in BOOKS[name][1]]
    if not all(folder.is_dir() for folder in includes):
        raise PeerMissing(f"no {includes[0]}: outcry bench matcher --setup")
    return binary(f"book_{name}", includes)


def operations(commands: Array) -> Array:
    """The rows (operation, id, side, price, quantity) for commands of a ``flow.streams.Stream``."""
    kinds = commands["kind"]
    operation = np.select(
        [
            kinds == CommandKind.CANCEL,
            kinds == CommandKind.REPLACE,
            kinds == CommandKind.REDUCE,
            commands["time_in_force"] == TimeInForce.IOC,
        ],
        [CANCEL, REPLACE, REDUCE, TAKE],
        REST,
    )
    fields = ("order_id", "side", "price_ticks", "qty_lots")
    columns = [operation, *(commands[field] for field in fields)]
    return np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.int64)


def run(name: str, rows: Array, prefill: int, singly: bool) -> Answer:
    """Give ``rows`` to the peer, the first ``prefill`` before the clock starts."""
    with tempfile.NamedTemporaryFile(suffix=".rows") as file:
        rows.tofile(file.name)
        command = [str(program(name)), file.name, str(prefill), str(int(singly))]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, preexec_fn=die_with_parent
        )
    if done.returncode:
        raise PeerError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    document = json.loads(done.stdout)
    return Answer(document["took_ns"], document["book"], document.get("single_ns", []))
