"""The sessions' figures: what it costs to read an OUCH 4.2 order, and to write its acknowledgement.

``ouch_decode_ns`` is from the bytes of a SoupBinTCP packet to an order record and its note,
``ouch_encode_ns`` from an ACCEPTED event to the packet: kernels over different orders in a ring.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.order_entry import notes, ouch42, rows, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import EventKind
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import monotonic_ns, store_i64
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.records import RECORD_BYTES

CALLS, QUICK_CALLS = 5_000_000, 200_000
ORDERS = 1024
"""Different orders, a power of two: tokens, sides, prices, quantities, instruments."""
INSTRUMENTS = 64
SLOT = 128
"""Bytes for each packet in and out."""

Array = npt.NDArray[Any]


@kernel
def decode_loop(packets: int, session: int, orders: int, of_notes: int, count: int) -> int:
    """ns that ``count`` packets took; below zero if one was not an order."""
    start, wrong = monotonic_ns(), 0
    for index in range(count):
        place = index & (ORDERS - 1)
        packet, order = packets + SLOT * place, orders + RECORD_BYTES * place
        for offset in range(0, RECORD_BYTES, 8):
            store_i64(order + offset, 0)
        size = ouch42.frame(packet, SLOT)
        note = of_notes + notes.NOTE_BYTES * place
        if ouch42.decode(packet, size, session, order, note) != soupbin.APPLICATION:
            wrong += 1
    took = monotonic_ns() - start
    return -1 if wrong else took


@kernel
def encode_loop(events: int, of_rows: int, session: int, out: int, count: int) -> int:
    """ns that ``count`` acknowledgements took; below zero if one was not written."""
    start, wrong = monotonic_ns(), 0
    for index in range(count):
        place = index & (ORDERS - 1)
        packet = out + SLOT * place
        row = of_rows + rows.ROW_BYTES * place
        event = events + RECORD_BYTES * place
        size = ouch42.encode(event, row, session, 0, packet + soupbin.HEADER_BYTES, SLOT)
        if size <= 0:
            wrong += 1
        soupbin.sequenced(packet, size)
    took = monotonic_ns() - start
    return -1 if wrong else took


class Orders:
    """The orders of the loops, in memory as the stages have them."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        instruments = make_instruments([f"SYM{k}" for k in range(INSTRUMENTS)])
        self.symbols = session_block.Symbols(instruments)
        self.session = np.zeros(session_block.BLOCK_BYTES // 8, np.int64)
        for offset, word in (self.symbols.words() | {session_block.INDEX: 1}).items():
            self.session[offset // 8] = word
        self.packets = np.zeros((ORDERS, SLOT), np.uint8)
        self.orders = np.zeros(ORDERS, ORDER_DTYPE)
        self.notes = np.zeros(ORDERS, notes.NOTE_DTYPE)
        self.out = np.zeros((ORDERS, SLOT), np.uint8)
        enter = OUCH42.from_client("O")
        for number in range(ORDERS):
            message = enter.pack(
                token=f"ORD{number:011d}", side="BS"[number & 1],
                symbol=f"SYM{number % INSTRUMENTS}",
                shares=int(generator.integers(1, 1000)), time_in_force=99_999, firm="FIRM",
                price=int(generator.integers(1, 2_000_000)), display="Y", capacity="P", iso="N",
                cross="N", customer=" ",
            )  # fmt: skip
            packet = np.frombuffer(soupbin.packet("U", message), np.uint8)
            self.packets[number, : len(packet)] = packet
        self.decode(ORDERS)
        self.rows = np.zeros(ORDERS, rows.ROW_DTYPE)
        self.events = np.zeros(ORDERS, EVENT_DTYPE)
        for name in ("qty_lots", "price_ticks", "symbol", "side", "order_type", "time_in_force"):
            self.rows[name] = self.orders[name]
        for name in ("token", "own"):
            self.rows[name] = self.notes[name]
        self.events["kind"] = EventKind.ACCEPTED
        for name in ("qty_lots", "price_ticks", "side"):
            self.events[name] = self.orders[name]
        self.events["instrument"] = np.arange(ORDERS) % INSTRUMENTS
        self.events["seq"] = np.arange(ORDERS) + 1

    def decode(self, calls: int) -> float:
        """ns a packet."""
        took = decode_loop(
            self.packets.ctypes.data, self.session.ctypes.data, self.orders.ctypes.data,
            self.notes.ctypes.data, calls,
        )  # fmt: skip
        assert took >= 0, "a packet of the bench is no order"
        return took / calls

    def encode(self, calls: int) -> float:
        """ns an acknowledgement."""
        took = encode_loop(
            self.events.ctypes.data, self.rows.ctypes.data, self.session.ctypes.data,
            self.out.ctypes.data, calls,
        )  # fmt: skip
        assert took >= 0, "an acknowledgement of the bench was not written"
        return took / calls


def bench_sessions(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    calls = QUICK_CALLS if quick else CALLS
    gathered = Rounds(rounds, progress)
    orders = Orders(seed=1)
    orders.encode(ORDERS)

    def one(number: int, add: Add) -> None:
        costs = [("ouch_decode_ns", orders.decode), ("ouch_encode_ns", orders.encode)]
        for name, measure in rotated(costs, number):
            add(name, "ns", "lower", measure(calls), "ours")

    gathered.run(one)
    return gathered.document("sessions", command)
