"""A random market, said three times: as records of a tape, and plainly as LOBSTER and as ITCH."""

import random
import struct
from typing import Any, NamedTuple

import numpy as np

from openoutcry.tape.records import EVENT, Array, Header, Symbol
from tests.support.flow.itch import stamped

SYMBOLS = {1: Symbol("AAA", 4), 2: Symbol("BBB", 4)}


class Op(NamedTuple):
    """What happened: add, part, whole, execution, hidden, replace."""

    what: str
    ts_ns: int
    instrument: int
    side: str
    price: int
    qty: int
    order: int = 0
    new: int = 0
    had: int = 0
    """Price of the order that is replaced."""
    gone: int = 0
    """Quantity of the order that is replaced."""
    match: int = 0


def drawn(
    seed: int, count: int, instruments: int = 2, in_turn: bool = False
) -> tuple[list[Op], dict[int, list[Any]]]:
    """Random steps, and the orders that are open after them: instrument, side, price, quantity.
    With ``in_turn`` the best and oldest order is executed."""
    draw, ts_ns, last, match = random.Random(seed), 34_200 * 10**9, 0, 0
    orders: dict[int, list[Any]] = {}
    ops = []
    for _ in range(count):
        ts_ns += draw.randrange(0, 10**6)
        what = draw.choice(["add", "add", "part", "whole", "execution", "hidden", "replace"])
        if not orders and what != "hidden":
            what = "add"
        side, instrument = draw.choice("BA"), draw.randint(1, instruments)
        price = 100_000 + draw.randint(1, 999) * (-1 if side == "B" else 1)
        qty = draw.randint(2, 500)
        if what == "add":
            last += 1
            orders[last] = [instrument, side, price, qty]
            ops.append(Op(what, ts_ns, *orders[last], order=last))
            continue
        match += 1
        if what == "hidden":
            ops.append(Op(what, ts_ns, instrument, "N", price, qty, match=match))
            continue
        order = draw.choice(list(orders))
        if what == "execution" and in_turn:
            alike = [one for one in orders if orders[one][:2] == orders[order][:2]]
            sign = -1 if orders[order][1] == "B" else 1
            order = min(alike, key=lambda one: (sign * orders[one][2], one))
        instrument, side, had, open_qty = orders[order]
        if what == "part" and open_qty == 1:
            what = "whole"
        if what == "replace":
            last += 1
            ops.append(Op(what, ts_ns, instrument, side, price, qty, order, last, had, open_qty))
            del orders[order]
            # A replacement keeps its order's side.
            orders[last] = [instrument, side, price, qty]
            continue
        most = open_qty - 1 if what == "part" else open_qty
        taken = open_qty if what == "whole" else draw.randint(1, most)
        ops.append(Op(what, ts_ns, instrument, side, had, taken, order, match=match))
        orders[order][3] -= taken
        if not orders[order][3]:
            del orders[order]
    return ops, orders


def header(about: str = "orders", instruments: int = 2) -> Header:
    """The header of such a tape."""
    symbols = {number: SYMBOLS[number] for number in range(1, instruments + 1)}
    return Header("test", ("event",), about, symbols)


def records_of(ops: list[Op], matches: bool = True) -> Array:
    """The records, as Databento says them."""
    rows = []
    other = {"B": "A", "A": "B"}

    def row(op: Op, action: str, side: str, price: int, qty: int, order: int, **more: int) -> None:
        one = np.zeros((), EVENT)
        one["ts_ns"], one["instrument"], one["order_id"] = op.ts_ns, op.instrument, order
        one["action"], one["side"], one["price"], one["qty"] = action, side, price, qty
        for name, value in more.items():
            one[name] = value
        rows.append(one)

    for op in ops:
        match = op.match if matches else 0
        if op.what == "add":
            row(op, "A", op.side, op.price, op.qty, op.order)
        elif op.what in ("part", "whole"):
            row(op, "C", op.side, op.price, op.qty, op.order)
        elif op.what == "execution":
            row(op, "T", other[op.side], op.price, op.qty, 0, match_id=match)
            row(op, "F", op.side, op.price, op.qty, op.order, match_id=match)
            row(op, "C", op.side, op.price, op.qty, op.order)
        elif op.what == "hidden":
            row(op, "T", "N" if matches else "A", op.price, op.qty, 0, match_id=match, detail=1)
        else:
            row(op, "C", op.side, op.had, op.gone, op.order, detail=6)
            row(op, "A", op.side, op.price, op.qty, op.new, detail=6)
    return np.array(rows, EVENT)


def lobster_of(ops: list[Op]) -> str:
    """The rows of a LOBSTER file.  A replacement is a deletion and a new order."""
    kinds = {"add": 1, "part": 2, "whole": 3, "execution": 4, "hidden": 5}
    lines = []
    for op in ops:
        time = f"{op.ts_ns // 10**9}.{op.ts_ns % 10**9:09}".rstrip("0").rstrip(".")
        sign = -1 if op.side == "A" else 1
        if op.what == "replace":
            lines.append(f"{time},3,{op.order},{op.gone},{op.had},{sign}")
            lines.append(f"{time},1,{op.new},{op.qty},{op.price},{sign}")
        else:
            lines.append(f"{time},{kinds[op.what]},{op.order},{op.qty},{op.price},{sign}")
    return "".join(line + "\n" for line in lines)


def itch_of(ops: list[Op]) -> list[bytes]:
    """The messages of ITCH 5.0, each after its length, without the directory."""
    messages = []
    for op in ops:
        code = SYMBOLS[op.instrument].name.encode().ljust(8)
        letter = b"S" if op.side == "A" else b"B"
        kind, body = {
            "add": (
                b"A",
                struct.pack(">QcI8sI", op.order, letter, op.qty, code, op.price),
            ),
            "part": (b"X", struct.pack(">QI", op.order, op.qty)),
            "whole": (b"D", struct.pack(">Q", op.order)),
            "execution": (b"E", struct.pack(">QIQ", op.order, op.qty, op.match)),
            "hidden": (
                b"P",
                struct.pack(">QcI8sIQ", 0, b"B", op.qty, code, op.price, op.match),
            ),
            "replace": (b"U", struct.pack(">QQII", op.order, op.new, op.qty, op.price)),
        }[op.what]
        message = kind + struct.pack(">HH", op.instrument, 0) + bytes(6) + body
        messages.append(stamped(struct.pack(">H", len(message)) + message, op.ts_ns))
    return messages


class MemoryTape:
    """Records as a tape, in chunks of any size."""

    def __init__(self, head: Header, records: Array, cuts: list[int] | None = None) -> None:
        self.header, self.unread = head, dict[str, int]()
        self._records, self._cuts = records, cuts or []

    def chunks(self):
        """Yield the pieces between the cuts."""
        for part in np.split(self._records, self._cuts):
            if len(part):
                yield "event", part


def read(tape) -> Array:
    """All events of a tape."""
    return np.concatenate([records for kind, records in tape.chunks() if kind == "event"])
