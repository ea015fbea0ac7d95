"""The sessions' figures: what a participant sees, and what a message costs.

``ouch_ack_*`` is from an order's sending to the last byte of its acknowledgement, one session over
loopback, in memory. Its peer ``tcp_echo`` is a bare echo in C of the same sizes in the same rounds.
The same with every limit of risk set is ``ouch_ack_risk_*``; none of the limits rejects an order.

``ouch_orders_*`` are orders a second (immediate or cancel: two messages back) through the whole
venue, of 64 sessions that each have many under way.

``fix_ack_p50`` is the acknowledgement of a D by its 8. Its peers are the echo and a QuickFIX
acceptor that answers the same bytes.

``journal_bytes`` is what a command of those sessions takes in the journal, compared with one that
came as a packet.

``*_decode_ns`` is from the bytes of a message to an order record and its metadata, ``*_encode_ns``
from an ACCEPTED event to the message. Both are of kernels over different orders in a ring, the
least of PASSES stretches.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench import sessions_fix
from openoutcry.bench import sessions_live as live
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.client.fix import write_message
from openoutcry.order_entry import command_metadata, ouch42, rows, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import encode as fix_encode
from openoutcry.order_entry.fix import scan, words
from openoutcry.order_entry.fix import send as fix_send
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import EventKind
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import monotonic_ns, store_i64
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES

CALLS, QUICK_CALLS = 100_000, 20_000
PASSES = 50
"""This many stretches of calls, of which the shortest counts: others' work makes them longer only.
"""
ORDERS = 1024
"""Different orders, a power of two: tokens, sides, prices, quantities, instruments."""
INSTRUMENTS = 64
SLOT = 128
"""Bytes for each packet in and out."""
FIX_SLOT = 512
NOW_NS = 1_767_605_400_123_000_000
FIX_TIME = "20260105-09:30:00.123"
ACKS, QUICK_ACKS, ACK_BLOCKS = 5_000, 300, 5
"""Orders of a block of the acknowledgements, and blocks."""
SESSIONS = 64
ORDERS_EACH, QUICK_ORDERS_EACH = 20_000, 500

Miss = Callable[[str, str], None]


@kernel
def decode_loop(
    packets: int, session: SessionBlock, orders: int, of_metadata: int, count: int
) -> int:
    """ns that ``count`` packets took; below zero if one was not an order. ``packets``, ``orders``
    and ``of_metadata``: addresses of ORDERS packets, records and metadata."""
    start, wrong = monotonic_ns(), 0
    for index in range(count):
        place = index & (ORDERS - 1)
        packet, order = packets + SLOT * place, OrderRecord(orders + RECORD_BYTES * place)
        for offset in range(0, RECORD_BYTES, 8):
            store_i64(order + offset, 0)
        size = soupbin.frame(packet, SLOT)
        metadata = of_metadata + command_metadata.METADATA_BYTES * place
        if ouch42.decode(packet, size, session, order, metadata) != soupbin.APPLICATION:
            wrong += 1
    took = monotonic_ns() - start
    return -1 if wrong else took


@kernel
def encode_loop(events: int, of_rows: int, session: SessionBlock, out: int, count: int) -> int:
    """ns that ``count`` acknowledgements took; below zero if one was not written. ``events``,
    ``of_rows`` and ``out``: addresses of ORDERS events, order rows and packets."""
    start, wrong = monotonic_ns(), 0
    for index in range(count):
        place = index & (ORDERS - 1)
        packet = out + SLOT * place
        row = OrderRow(of_rows + rows.ROW_BYTES * place)
        event = EventRecord(events + RECORD_BYTES * place)
        size = ouch42.encode(
            event, row, session, CommandMetadata(0), packet + soupbin.HEADER_BYTES, SLOT
        )
        if size <= 0:
            wrong += 1
        soupbin.sequenced(packet, size)
    took = monotonic_ns() - start
    return -1 if wrong else took


@kernel
def fix_decode_loop(
    messages: int,
    sizes: int,
    fields: FixFields,
    session: FixSession,
    orders: int,
    of_metadata: int,
    count: int,
) -> int:
    """Like :func:`decode_loop`, for FIX: framed, parsed, decoded. ``messages`` and ``sizes``:
    addresses of the messages and of a word each; the others as there."""
    start, wrong = monotonic_ns(), 0
    for index in range(count):
        place = index & (ORDERS - 1)
        message, order = messages + FIX_SLOT * place, OrderRecord(orders + RECORD_BYTES * place)
        for offset in range(0, RECORD_BYTES, 8):
            store_i64(order + offset, 0)
        size = scan.frame(message, Words(sizes)[place])
        if scan.parse(fields, message, size) != scan.WHOLE:
            wrong += 1
        metadata = CommandMetadata(of_metadata + command_metadata.METADATA_BYTES * place)
        command_metadata.clear_metadata(metadata)
        if fix_decode.decode(message, size, session, order, metadata) != soupbin.APPLICATION:
            wrong += 1
    took = monotonic_ns() - start
    return -1 if wrong else took


@kernel
def fix_encode_loop(
    events: int,
    of_rows: int,
    session: FixSession,
    of_metadata: int,
    fields: int,
    out: int,
    count: int,
) -> int:
    """Like :func:`encode_loop`, for FIX: the report's body, and the message around it.
    ``of_metadata``: address of their metadata."""
    start, wrong = monotonic_ns(), 0
    body = fields + words.BODY
    for index in range(count):
        place = index & (ORDERS - 1)
        event, row = (
            EventRecord(events + RECORD_BYTES * place),
            OrderRow(of_rows + rows.ROW_BYTES * place),
        )
        metadata = CommandMetadata(of_metadata + command_metadata.METADATA_BYTES * place)
        size = fix_encode.encode(event, row, session, metadata, body, words.REASONS - words.BODY)
        if size <= 0:
            wrong += 1
        fix_send.write(session, body, size, index + 1, 0, NOW_NS, out + FIX_SLOT * place)
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
        self.metadata = np.zeros(ORDERS, command_metadata.METADATA_DTYPE)
        self.out = np.zeros((ORDERS, SLOT), np.uint8)
        enter = OUCH42.from_client("O")
        for number in range(ORDERS):
            message = enter.pack(
                token=f"ORD{number:011d}",
                side="BS"[number & 1],
                symbol=f"SYM{number % INSTRUMENTS}",
                shares=int(generator.integers(1, 1000)),
                time_in_force=99_999,
                firm="FIRM",
                price=int(generator.integers(1, 2_000_000)),
                display="Y",
                capacity="P",
                iso="N",
                cross="N",
                customer=" ",
            )
            packet = np.frombuffer(soupbin.packet("U", message), np.uint8)
            self.packets[number, : len(packet)] = packet
        self.decode(ORDERS)
        self.rows = np.zeros(ORDERS, rows.ROW_DTYPE)
        self.events = np.zeros(ORDERS, EVENT_DTYPE)
        for name in ("qty_lots", "price_ticks", "symbol", "side", "order_type", "time_in_force"):
            self.rows[name] = self.orders[name]
        for name in ("token", "own"):
            self.rows[name] = self.metadata[name]
        self.events["kind"] = EventKind.ACCEPTED
        for name in ("qty_lots", "price_ticks", "side"):
            self.events[name] = self.orders[name]
        self.events["instrument"] = np.arange(ORDERS) % INSTRUMENTS
        self.events["seq"] = np.arange(ORDERS) + 1

    def decode(self, calls: int) -> float:
        """ns a packet."""
        took = decode_loop(
            self.packets.ctypes.data,
            SessionBlock.of(self.session.ctypes.data),
            self.orders.ctypes.data,
            self.metadata.ctypes.data,
            calls,
        )
        assert took >= 0, "a packet of the bench is not an order"
        return took / calls

    def encode(self, calls: int) -> float:
        """ns an acknowledgement."""
        took = encode_loop(
            self.events.ctypes.data,
            self.rows.ctypes.data,
            SessionBlock.of(self.session.ctypes.data),
            self.out.ctypes.data,
            calls,
        )
        assert took >= 0, "an acknowledgement of the bench was not written"
        return took / calls


class FixOrders:
    """The same orders as FIX 4.4 has them: NewOrderSingle in, ExecutionReport out."""

    def __init__(self, ouch: Orders) -> None:
        self.session = ouch.session.copy()
        self.memory = words.Memory(self.session, "FIX.4.4", "VENUE", "FIRM", 64)
        self.fields = make_fields()
        values = {
            session_block.PROTOCOL: Protocol.FIX44,
            session_block.RX_TS_NS: NOW_NS,
            words.FIELDS: self.fields.ctypes.data,
        }
        for word, value in values.items():
            self.session[word // 8] = value
        self.messages = np.full((ORDERS, FIX_SLOT), ord("1"), np.uint8)
        self.sizes = np.zeros(ORDERS, np.int64)
        for number in range(ORDERS):
            order = ouch.orders[number]
            price = int(order["price_ticks"])
            message = write_message(
                [
                    (35, "D"),
                    (34, str(number + 1)),
                    (49, "FIRM"),
                    (52, FIX_TIME),
                    (56, "VENUE"),
                    (11, f"ORD{number:011d}"),
                    (55, order["symbol"].decode()),
                    (54, str(int(order["side"]))),
                    (38, str(int(order["qty_lots"]))),
                    (40, "2"),
                    (44, f"{price // 10_000}.{price % 10_000:04d}"),
                    (59, "0"),
                    (60, FIX_TIME),
                ]
            )
            self.messages[number, : len(message)] = np.frombuffer(message, np.uint8)
            self.sizes[number] = len(message)
        self.orders = np.zeros(ORDERS, ORDER_DTYPE)
        self.metadata = np.zeros(ORDERS, command_metadata.METADATA_DTYPE)
        self.out = np.zeros((ORDERS, FIX_SLOT), np.uint8)
        self.decode(ORDERS)
        self.rows = ouch.rows.copy()
        self.rows["leaves_lots"] = self.rows["qty_lots"]
        for name in ("token", "own", "token_bytes"):
            self.rows[name] = self.metadata[name]
        self.rows["order_id"] = rows.ORDER_BIT | (np.arange(ORDERS) + 1)
        self.rows["instrument"] = np.arange(ORDERS) % INSTRUMENTS
        self.events = ouch.events.copy()
        self.events["leaves_lots"] = self.events["qty_lots"]
        self.events["order_id"] = self.rows["order_id"]

    def decode(self, calls: int) -> float:
        """ns a message."""
        took = fix_decode_loop(
            self.messages.ctypes.data,
            self.sizes.ctypes.data,
            FixFields.of(self.fields.ctypes.data),
            FixSession.of(self.session.ctypes.data),
            self.orders.ctypes.data,
            self.metadata.ctypes.data,
            calls,
        )
        assert took >= 0, "a message of the bench is not an order"
        return took / calls

    def encode(self, calls: int) -> float:
        """ns a report."""
        took = fix_encode_loop(
            self.events.ctypes.data,
            self.rows.ctypes.data,
            FixSession.of(self.session.ctypes.data),
            self.metadata.ctypes.data,
            self.fields.ctypes.data,
            self.out.ctypes.data,
            calls,
        )
        assert took >= 0, "a report of the bench was not written"
        return took / calls


def bench_sessions(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    password_hasher()  # the venues that are measured need it: said at once, in one line
    calls = QUICK_CALLS if quick else CALLS
    gathered = Rounds(rounds, progress)
    progress("compiling")
    orders = Orders(seed=1)
    orders.encode(ORDERS)
    fix = FixOrders(orders)
    fix.encode(ORDERS)

    def one(number: int, add: Add) -> None:
        costs = [
            ("ouch_decode_ns", orders.decode),
            ("ouch_encode_ns", orders.encode),
            ("fix_decode_ns", fix.decode),
            ("fix_encode_ns", fix.encode),
        ]
        for name, measure in rotated(costs, number):
            least = min(measure(calls) for _ in range(PASSES))
            add(name, "ns", "lower", least, "ours")
        for measure_live in rotated(
            [_acknowledgements, _risk_acknowledgements, _fix_acknowledgements, _throughput], number
        ):
            measure_live(quick, add, gathered.miss)

    gathered.run(one)
    return gathered.document("sessions", command)


def _acknowledgements(quick: bool, add: Add, miss: Miss) -> None:
    _ouch_acknowledgements(quick, add, "ouch_ack", risk=False)


def _risk_acknowledgements(quick: bool, add: Add, miss: Miss) -> None:
    _ouch_acknowledgements(quick, add, "ouch_ack_risk", risk=True)


def _ouch_acknowledgements(quick: bool, add: Add, metric: str, *, risk: bool) -> None:
    """Blocks of orders to the venue and to the echo, one after the other, in turns."""
    count = QUICK_ACKS if quick else ACKS
    ours: list[npt.NDArray[np.int64]] = []
    theirs: list[npt.NDArray[np.int64]] = []
    with (
        live.venue(1, "none", ACK_BLOCKS * count, risk=risk) as port,
        live.log_in(port, "S1") as client,
        live.tcp_echo(live.ORDER_BYTES, live.ACCEPTED_BYTES) as echo,
    ):
        for block in range(ACK_BLOCKS):
            packets = live.order_packets(1 + block * count, count, 99_999, 10_000)
            for times, peer in rotated([(ours, client), (theirs, echo)], block):
                times.append(live.latencies(peer, packets))
    # The first block of each is its warm-up.
    for times, who in ((ours, "ours"), (theirs, "tcp_echo")):
        latencies_ns = np.concatenate(times[1:])
        for figure in (50, 99):
            add(
                f"{metric}_p{figure}",
                "ns",
                "lower",
                float(np.percentile(latencies_ns, figure)),
                who,
            )


def _fix_acknowledgements(quick: bool, add: Add, miss: Miss) -> None:
    """The same of FIX.  QuickFIX gets the same messages."""
    count = QUICK_ACKS if quick else ACKS
    peers: dict[str, socket.socket] = {}
    with ExitStack() as stack:
        port = stack.enter_context(live.venue(1, "none", ACK_BLOCKS * count, "FIX44"))
        peers["ours"] = stack.enter_context(sessions_fix.log_on(port))
        try:
            peers["quickfix"] = stack.enter_context(sessions_fix.quickfix())
        except PeerMissing as why:
            miss("fix_ack_p50 against quickfix", str(why))
        # The first block of each is its warm-up, and says how long an answer is.
        packets = sessions_fix.order_packets(2, count)
        sizes = {who: sessions_fix.latencies(peer, packets)[1] for who, peer in peers.items()}
        echo = stack.enter_context(live.tcp_echo(packets.shape[1], sizes["ours"]))
        live.latencies(echo, packets, sizes["ours"])
        times: dict[str, list[npt.NDArray[np.int64]]] = {who: [] for who in [*peers, "tcp_echo"]}
        for block in range(1, ACK_BLOCKS):
            packets = sessions_fix.order_packets(2 + block * count, count)
            for who in rotated(list(times), block):
                if who == "tcp_echo":
                    times[who].append(live.latencies(echo, packets, sizes["ours"]))
                else:
                    times[who].append(sessions_fix.latencies(peers[who], packets)[0])
    for who, blocks in times.items():
        add("fix_ack_p50", "ns", "lower", float(np.median(np.concatenate(blocks))), who)


def _throughput(quick: bool, add: Add, miss: Miss) -> None:
    count = QUICK_ORDERS_EACH if quick else ORDERS_EACH
    sizes: list[float] = []
    for name, durability in (("memory", "none"), ("durable", "durable")):
        hook = (lambda path: sizes.append(live.journal_bytes(path))) if name == "durable" else None
        with live.venue(SESSIONS, durability, SESSIONS * count, on_end=hook) as port:
            per_s = live.orders_per_s(port, SESSIONS, count)
        add(f"ouch_orders_{name}", "1/s", "higher", per_s)
    add("journal_bytes", "count", "lower", sizes[0])
    packets = live.packets_journal_bytes(SESSIONS * QUICK_ORDERS_EACH)
    add("journal_bytes", "count", "lower", packets, "packets")
