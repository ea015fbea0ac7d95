"""The matcher in the formats of Flash One's matching-engine benchmark: its workload in, the report
stream by which it judges an engine out.

Formats: docs/METHODOLOGY.md of github.com/flash1-dev/matching-engine-benchmark. A workload is what
its ``generator`` writes: 16 bytes of header, then messages of 40. The reports of all messages are a
line each, ordered by (sequence number, type) and as they came within that. The SHA-256 of the
lines, joined by newlines, is to be the one that is published for the workload.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import Engine
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import ORDER_DTYPE, make_instruments

Array = npt.NDArray[Any]
MAGIC, VERSION = 0x4D4542575F303031, 1
HEADER_DTYPE = np.dtype([("magic", "<u8"), ("version", "<u4"), ("count", "<u4")])
MESSAGE_DTYPE = np.dtype(
    [
        ("type", "u1"),
        ("side", "u1"),
        ("ioc", "u1"),
        ("pad", "u1"),
        ("quantity", "<u4"),
        ("sequence_number", "<u8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("reserved", "<i8"),
    ]
)
NEW, CANCEL, MODIFY = range(3)
KINDS = np.array([CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE], np.uint8)
ORDER_ACK, TRADE, CANCEL_ACK, MODIFY_ACK, CANCEL_REJECT, MODIFY_REJECT = range(6)
SYMBOL, PARTICIPANT = b"FLASH1", 1
CHUNK_COMMANDS = 1 << 16


class WorkloadError(OutcryError):
    """The file is not a workload of that benchmark, or none that the format has reports for."""


def report_stream(workload: Path, out: Path | None) -> str:
    """Run the workload through the matcher; returns its line of the benchmark's
    ``correctness_hash.txt``, and writes the reports to ``out`` if there is one.

    Raises :class:`WorkloadError` naming the file and the message that is wrong.
    """
    orders = orders_of(read_workload(workload), workload)
    text = "\n".join(report_lines(orders, np.concatenate(list(events_of(orders))), workload))
    if out is not None:
        write_atomically(out, text)
    return f"{hashlib.sha256(text.encode()).hexdigest()}  {workload.stem}_reports.txt"


def record_events(workload: Path, out: Path) -> None:
    """Write the events of the workload's messages, of which each is known by its number and type
    as in ``matcher/c_library/harness_adapter.c``."""
    messages = read_workload(workload)
    orders = orders_of(messages, workload)
    orders["seq"] = (messages["sequence_number"] << 2 | messages["type"]) + 1
    with out.open("wb") as file:
        for events in events_of(orders):
            file.write(events.data)


def events_of(orders: Array) -> Iterator[Array]:
    """The events that the orders cause in an empty book, a chunk at a time."""
    engine = Engine(make_instruments([SYMBOL]), max(1, int(np.sum(orders["kind"] == KINDS[NEW]))))
    for first in range(0, len(orders), CHUNK_COMMANDS):
        yield engine.process(orders[first : first + CHUNK_COMMANDS]).copy()


def read_workload(path: Path) -> Array:
    """The messages, as MESSAGE_DTYPE."""
    data = path.read_bytes()
    if len(data) < HEADER_DTYPE.itemsize:
        raise WorkloadError(f"{path}: {len(data)} bytes, less than a workload's header")
    header = np.frombuffer(data, HEADER_DTYPE, 1)[0]
    if header["magic"] != MAGIC or header["version"] != VERSION:
        raise WorkloadError(f"{path}: not a workload of version {VERSION} of the benchmark")
    body = len(data) - HEADER_DTYPE.itemsize
    if header["count"] == 0 or body != int(header["count"]) * MESSAGE_DTYPE.itemsize:
        raise WorkloadError(f"{path}: {body} bytes of messages, its header says {header['count']}")
    return np.frombuffer(data, MESSAGE_DTYPE, offset=HEADER_DTYPE.itemsize)


def orders_of(messages: Array, path: Path) -> Array:
    """The messages as commands of one participant in one instrument.  A modify is a replace: with
    a new price or more lots, as all are there, it is a cancel and a new order."""
    checks: tuple[tuple[str, Array], ...] = (
        ("type", messages["type"] > MODIFY),
        ("side", messages["side"] > 1),
        ("sequence_number", messages["sequence_number"] != np.arange(len(messages))),
        ("order_id", (messages["order_id"] == 0) | (messages["order_id"] >= 2**63)),
        ("quantity", (messages["type"] != CANCEL) & (messages["quantity"] == 0)),
    )
    for field, wrong in checks:
        if np.any(wrong):
            row = int(np.argmax(wrong))
            raise WorkloadError(f"{path}: message {row}: {field} is {messages[field][row]}")
    orders = np.zeros(len(messages), ORDER_DTYPE)
    orders["kind"] = KINDS[messages["type"]]
    orders["side"] = np.where(messages["side"] == 0, Side.BUY, Side.SELL)
    orders["order_type"] = OrderType.LIMIT
    orders["time_in_force"] = np.where(messages["ioc"] == 1, TimeInForce.IOC, TimeInForce.GTC)
    orders["symbol"] = SYMBOL
    orders["participant"] = PARTICIPANT
    orders["order_id"] = messages["order_id"]
    orders["price_ticks"] = messages["price_ticks"]
    orders["qty_lots"] = messages["quantity"]
    orders["seq"] = messages["sequence_number"] + 1  # ours begin at 1
    return orders


def report_lines(orders: Array, events: Array, path: Path) -> Iterator[str]:
    """The reports of the events that the orders caused, in the benchmark's order."""
    types = _report_types(orders, events, path)
    kept = types >= 0
    types, events = types[kept], events[kept]
    by_message = np.lexsort((types, events["cause_seq"]))  # stable
    types, events = types[by_message], events[by_message]
    names = ("order_id", "contra_id", "price_ticks", "qty_lots")
    columns = (events["cause_seq"] - 1, events["side"] - 1, *(events[name] for name in names))
    rows: Iterable[tuple[int, ...]] = zip(*(column.tolist() for column in columns), strict=True)
    for kind, row in zip(types.tolist(), rows, strict=True):
        yield LINES[kind](*row)


def _report_types(orders: Array, events: Array, path: Path) -> Array:
    """Each event's type of report; -1 for a maker's half of a trade, of which there is one report.
    What the format has no report for is an error."""
    kinds = orders["kind"][events["cause_seq"] - 1]
    types = np.full(len(events), -2, np.int64)
    simple = {
        EventKind.ACCEPTED: ORDER_ACK,
        EventKind.FILLED: TRADE,
        EventKind.CANCELLED: CANCEL_ACK,
        EventKind.REPLACED: MODIFY_ACK,
    }
    for event, report in simple.items():
        types[events["kind"] == event] = report
    rejected = events["kind"] == EventKind.REJECTED
    types[rejected & (kinds == CommandKind.CANCEL)] = CANCEL_REJECT
    types[rejected & (kinds == CommandKind.REPLACE)] = MODIFY_REJECT
    is_fill = events["kind"] == EventKind.FILLED
    types[is_fill & (events["flags"] & EventFlag.MAKER != 0)] = -1
    if np.any(types == -2):
        event = events[np.argmax(types == -2)]
        raise WorkloadError(
            f"{path}: message {event['cause_seq'] - 1}: {EventKind(event['kind']).name}, reason "
            f"{event['reason']}, for which the benchmark has no report"
        )
    return types


Line = Callable[[int, int, int, int, int, int], str]
LINES: dict[int, Line] = {
    ORDER_ACK: lambda seq, side, order, contra, price, qty: f"0,{seq},{side},{order},{price},{qty}",
    TRADE: lambda seq, side, order, contra, price, qty: f"1,{seq},{price},{qty},{contra},{order}",
    CANCEL_ACK: lambda seq, side, order, contra, price, qty: f"2,{seq},{side},{order},{price}",
    MODIFY_ACK: lambda seq, side, order, contra, price, qty: (
        f"3,{seq},{side},{order},{price},{qty}"
    ),
    CANCEL_REJECT: lambda seq, side, order, contra, price, qty: f"4,{seq},{order}",
    MODIFY_REJECT: lambda seq, side, order, contra, price, qty: f"5,{seq},{order}",
}
"""By type: a line of (message, side, order, other order of a trade, price, quantity)."""
