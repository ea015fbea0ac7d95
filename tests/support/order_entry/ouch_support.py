"""A session's block in memory, the OUCH kernels called with plain bytes, and the reference beside
them."""

import numpy as np

from openoutcry.order_entry import command_metadata, ouch, rows
from openoutcry.order_entry import session as session_block
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from tests.oracles.order_entry.world import Row, World

SYMBOLS = ["AAPL", "MSFT", "OUTCRY12", "BRK.A", "CHF6"]
DECIMALS = {"MSFT": 2, "BRK.A": 0, "CHF6": 6}
RULES = {
    "BRK.A": {
        "price_step_ticks": 2,
        "min_price_ticks": 2,
        "max_price_ticks": 100_000,
        "band1_from_ticks": 1_000,
        "band1_step_ticks": 10,
        "qty_step_lots": 2,
        "min_qty_lots": 4,
        "max_qty_lots": 1_000_000,
    }
}
"""One of the instruments has steps and limits."""
DAY = 1_790_000_000_000_000_000
ROOM = 4096


class Session:
    """One session of a venue, as kernels see it (``block``) and the reference (``world``)."""

    def __init__(self, codec, self_trade=0, index=3):
        self.codec = codec
        instruments = make_instruments(
            [{"symbol": name, **RULES.get(name, {})} for name in SYMBOLS]
        )
        self.symbols = session_block.Symbols(instruments, DECIMALS)
        self.block = np.zeros(session_block.BLOCK_BYTES // 8, np.int64)
        self.world = World(
            {name.encode(): DECIMALS.get(name, 4) for name in SYMBOLS},
            [name.encode() for name in SYMBOLS],
            session=index,
            self_trade=self_trade,
            day_start_ns=DAY,
            rx_ts_ns=DAY + 34_200_000_000_123,
            rules={row["symbol"]: row for row in instruments if row["symbol"].decode() in RULES},
        )
        for offset, value in self.symbols.words().items():
            self[offset] = value
        self[session_block.INDEX] = index
        self[session_block.DAY_START_NS] = DAY
        self[session_block.RX_TS_NS] = self.world.rx_ts_ns
        self[ouch.SELF_TRADE_WORD] = self_trade

    def __getitem__(self, offset):
        return int(self.block[offset // 8])

    def __setitem__(self, offset, value):
        self.block[offset // 8] = value

    @property
    def address(self):
        return self.block.ctypes.data

    def decode(self, packet):
        """(result, order, metadata) of a whole packet; the metadata begins as whatever stood
        there."""
        data = np.frombuffer(packet, np.uint8).copy()
        order, metadata = np.zeros((), ORDER_DTYPE), np.zeros((), command_metadata.METADATA_DTYPE)
        np.ndarray(command_metadata.METADATA_BYTES, np.uint8, metadata)[:] = 0xA5
        order["participant"], order["rx_ts_ns"] = 7, self.world.rx_ts_ns
        result = self.codec.decode(
            data.ctypes.data, len(data), self.address, order.ctypes.data, metadata.ctypes.data
        )
        return result, order, metadata

    def complete(self, order, metadata, row):
        address = 0 if row is None else row.ctypes.data
        return self.codec.complete(order.ctypes.data, metadata.ctypes.data, address, self.address)

    def encode(self, event, row, metadata=None):
        out = np.full(ROOM, 0xEE, np.uint8)
        size = self.codec.encode(
            event.ctypes.data,
            0 if row is None else row.ctypes.data,
            self.address,
            0 if metadata is None else metadata.ctypes.data,
            out.ctypes.data,
            ROOM,
        )
        assert size >= 0
        assert (out[size:] == 0xEE).all()
        return out[:size].tobytes()

    def refuse(self, metadata, order, row=None):
        """``row``: of the order that the message names, if it is still open."""
        self[session_block.SessionBlock.offset("named")] = 0 if row is None else row.ctypes.data
        out = np.full(ROOM, 0xEE, np.uint8)
        size = self.codec.refuse(
            metadata.ctypes.data, order.ctypes.data, self.address, out.ctypes.data, ROOM
        )
        assert size >= 0
        assert (out[size:] == 0xEE).all()
        return out[:size].tobytes()


def unsequenced(message):
    """A client's packet with a message in it."""
    return (len(message) + 1).to_bytes(2, "big") + b"U" + message


def sequenced(message):
    return (len(message) + 1).to_bytes(2, "big") + b"S" + message


def make_row(order, metadata, number=1, state=rows.OPEN, order_id=None):
    """The row of an order that was decoded."""
    row = np.zeros((), rows.ROW_DTYPE)
    row["order_id"] = order_id if order_id is not None else rows.ORDER_BIT | number
    for name in ("qty_lots", "price_ticks", "aux", "symbol", "side", "order_type"):
        row[name] = order[name]
    row["time_in_force"], row["leaves_lots"] = order["time_in_force"], order["qty_lots"]
    for name in ("session", "protocol", "token_bytes", "client_seq", "token", "own"):
        row[name] = metadata[name]
    row["state"], row["number"] = state, number
    row["instrument"] = SYMBOLS.index(order["symbol"].item().decode() or SYMBOLS[0])
    return row


def reference_row(row):
    """The same for the reference, which keeps its own words."""
    plain_row = Row(row.copy())
    words = row["more"].tobytes()
    numbers = [int.from_bytes(words[8 * k : 8 * k + 8], "little", signed=True) for k in range(5)]
    sizes = plain_row.sizes
    sizes.sent, sizes.confirmed, sizes.returned, sizes.unasked, sizes.reference = numbers
    return plain_row


def words_of(row):
    """What a reference's row keeps, as bytes of ``more``."""
    sizes = row.sizes
    numbers = (sizes.sent, sizes.confirmed, sizes.returned, sizes.unasked, sizes.reference)
    return b"".join(n.to_bytes(8, "little", signed=True) for n in numbers)


def make_event(kind, **fields):
    event = np.zeros((), EVENT_DTYPE)
    event["kind"], event["seq"], event["participant"] = kind, 1001, 7
    for name, value in fields.items():
        event[name] = value
    return event
