"""The FIX codec's kernels, called from Python with the memory that they want."""

import numpy as np

from openoutcry.order_entry import command_metadata, rows
from openoutcry.order_entry import session as block
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.fix import decode, encode, scan, words
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.wire import make_instruments
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE

TERM_FIELDS = "order_type", "price_ticks", "aux"
DECIMALS = {"GOLD": 2, "OIL": 4, "BTCUSD": 8, "WHOLE": 0}
NOW_NS = 1_700_000_000_123_456_789
OWN_TAGS = {slot: tag for tag, slot in words.SLOTS}


class Codec:
    """One session's block, and what its words point to."""

    def __init__(self):
        self.symbols = block.Symbols(make_instruments(list(DECIMALS)), DECIMALS)
        self.words = np.zeros(block.BLOCK_BYTES // 8, np.int64)
        self.memory = words.Memory(self.words, "FIX.4.4", "VENUE", "FIRM", 64)
        self.fields = make_fields()
        values = {
            block.INDEX: 7,
            block.PROTOCOL: 3,
            block.RX_TS_NS: NOW_NS,
            block.CAUSE_SEQ: 99,
            block.EVENT_SEQ: 99,
            words.FIELDS: self.fields.ctypes.data,
            **self.symbols.words(),
        }
        for word, value in values.items():
            self.words[word // 8] = value
        self.address = self.words.ctypes.data
        self.buffer = np.zeros(1 << 14, np.uint8)
        self.out = np.zeros(4096, np.uint8)

    def put(self, data):
        self.buffer[: len(data)] = np.frombuffer(data, np.uint8)
        self.buffer[len(data) : len(data) + 64] = 0x31
        return self.buffer.ctypes.data

    def frame(self, data):
        return scan.frame(self.put(data), len(data))

    def parse(self, data):
        """As :func:`reference.parse`; None for a garbled message."""
        address = self.fields.ctypes.data
        if scan.parse(address, self.put(data), len(data)) != scan.WHOLE:
            return None
        fields = {}
        for tag in range(1, words.TAGS):
            entry = scan.field(address, tag)
            if entry:
                at, size = entry >> 16, entry & 0xFFFF
                name = OWN_TAGS.get(tag, tag)
                fields[name] = data[at : at + size].decode("latin-1")
        return fields, self.error()

    def error(self):
        """(reason, text of the tag) of the message's error, or None."""
        state = self.fields[:64].view(np.int64)
        if state[words.ERROR // 8] == 0:
            return None
        at, size = int(state[words.REF_TAG // 8]), int(state[words.REF_SIZE // 8])
        tag = ""
        if at:
            memory = self.buffer if at >= self.buffer.ctypes.data else self.fields
            memory = self.fields if 0 <= at - self.fields.ctypes.data < len(self.fields) else memory
            begin = at - memory.ctypes.data
            tag = memory[begin : begin + size].tobytes().decode()
        return int(state[words.ERROR // 8]) - 1, tag

    def decode(self, data):
        """(ORDER record, CommandMetadata) of a message, or its error if it is rejected."""
        order, metadata = np.zeros(1, ORDER_DTYPE), np.zeros(1, command_metadata.METADATA_DTYPE)
        assert scan.parse(self.fields.ctypes.data, self.put(data), len(data)) == scan.WHOLE
        if self.error() is not None:
            return self.error()
        result = decode.decode(
            self.buffer.ctypes.data,
            len(data),
            self.address,
            order.ctypes.data,
            metadata.ctypes.data,
        )
        if result == Kind.REJECT:
            return self.error()
        assert result == Kind.APPLICATION
        return order[0], metadata[0]

    def term(self):
        """The term of the order that was decoded last, without zeros; none: an empty one."""
        legs, at = words.FixFields.offset("legs"), words.FixFields.offset("term")
        if self.fields[legs] == 0:
            return {}
        record = self.fields[at : at + 64].view(ORDER_DTYPE)[0]
        return {name: int(record[name]) for name in TERM_FIELDS if record[name]}

    def encode(self, event, row, metadata):
        """The body that an event causes."""
        size = encode.encode(
            event.ctypes.data,
            row.ctypes.data if row is not None else 0,
            self.address,
            metadata.ctypes.data if metadata is not None else 0,
            self.out.ctypes.data,
            len(self.out),
        )
        return self.out[:size].tobytes()

    def row_of(self, data, number=1):
        """The row of a new order that was sent as this message, and its metadata."""
        order, metadata = self.decode(data)
        row = np.zeros(1, rows.ROW_DTYPE)
        for name in ("qty_lots", "price_ticks", "aux", "symbol", "side", "order_type"):
            row[name] = order[name]
        row["leaves_lots"], row["time_in_force"] = order["qty_lots"], order["time_in_force"]
        row["order_id"], row["number"] = rows.ORDER_BIT | number, number
        row["token"], row["token_bytes"] = metadata["token"], metadata["token_bytes"]
        row["own"], row["session"], row["state"] = metadata["own"], 7, rows.OPEN
        row["instrument"] = list(DECIMALS).index(order["symbol"].decode())
        return row, np.array([metadata])


def make_event(kind, **fields):
    event = np.zeros(1, EVENT_DTYPE)
    for name, value in {"kind": kind, "seq": 5, **fields}.items():
        event[name] = value
    return event
