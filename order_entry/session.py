"""A session's block: 4,096 bytes in shared memory that say everything about it.

The first 512 bytes are common, words of int64 at the offsets below; from PROTOCOL_WORDS to 1,024
the protocol keeps its own; from SIDE on stands what goes out beside the stream (a heartbeat, the
answer to a login).  Addresses in a block are the same in every process of the run: they are mapped
before it forks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, mul_wrapping

BLOCK_BYTES = 4096
PROTOCOL_WORDS = 512
NAME = 480
"""16 bytes: the session's name, padded with spaces."""
OWN_ROWS = 496
"""Ends of the list of the session's live rows (rows.py): places of the first and the last, four
bytes each."""
ASKED_AGAIN = 504
"""Messages that what came last has sent again: they are charged like messages that come."""
SIDE = 1024
LOGINS = 2048
"""A word for each reason of the doorman's: logins that were refused for it; of index 0 those that
named no session."""
LOCKED_UNTIL_NS = 3072
"""CLOCK_MONOTONIC until which some address is locked out, as of the last failure."""
(
    INDEX,  # from 1
    PARTICIPANT,
    PROTOCOL,
    FD,  # of the connection, -1 without one
    STATE,  # DISCONNECTED, CONNECTED, ENDING
    GENERATION,  # connections so far
    IN_SEQ,  # FIX: next MsgSeqNum that is expected
    OUT_SEQ,  # FIX: next MsgSeqNum that is sent
    LAST_IN_NS,  # CLOCK_MONOTONIC
    LAST_OUT_NS,
    SYMBOLS,  # address of the symbol table, see below
    SYMBOL_MASK,
    INSTRUMENTS,  # address of its rows by instrument index
    INSTRUMENT_COUNT,
    DAY_START_NS,  # local midnight of the trading day, ns since the epoch
    RX_TS_NS,  # while encoding: sequenced time of the causing command, ns since the epoch
    CAUSE_SEQ,  # and its sequence
    STREAM,  # address of the stream store (stream.py)
    SENT_BYTES,  # of the stream, to this connection
    SIDE_LENGTH,  # bytes at SIDE that are still to be sent,
    SIDE_AT,  # from here on
    INPUT,  # address of the bytes received,
    INPUT_LENGTH,  # how many there are,
    INPUT_CAPACITY,
    HEARTBEAT_NS,
    TIMEOUT_NS,
    GRACE_NS,
    CANCEL_MODE,  # spec.CancelOnDisconnect
    LOST_NS,  # since when (it may be negative) it is lost and its orders wait for their fate, 0 not
    THROTTLE_NS,  # a token each, 0 no throttle
    THROTTLE_BURST,  # tokens the bucket holds
    THROTTLE_AT,  # when the bucket was or will be empty by count: theoretical arrival time, ns
    THROTTLE_POLICY,
    MAX_OPEN,  # 0 no limit
    OPEN_ORDERS,  # sent and not yet done
    QUEUE_BYTES,  # unsent bytes after which a reader is disconnected
    ALONE,  # 1: its participant's orders come by no other one, nor by packets
    MESSAGES,  # counters from here on: application messages,
    REFUSED,  # those of them that were refused,
    THROTTLED,
    FAULTS,  # connections ended because of what came
    SLOW,  # and because nobody read
    ENTRY,  # while encoding: entries of the stream so far
    LOGGED_OUT,  # 1: it went in order, or never came; 0: its connection lives or was lost
    DIRTY,  # it is on the list of those that have something to be sent
    CAUGHT_UP,  # bytes of the stream when this connection began
    PENDING,  # whole messages may wait at INPUT
    SWEEP,  # next row to look at, from 1 on, while orders are cancelled one by one, 0 none
    SWEEP_END,
    NAMED,  # while encoding a refusal: row of the order that its message names, 0 none
    SWITCH,  # the operator asks: SWITCH_OFF, SWITCH_ON, 0 nothing
    KILLED,  # the operator has switched the session off
    EXCESS_AT,  # as THROTTLE_AT, of the bucket for what the throttle's has no token for
    SOURCE,  # whence the connection comes: 16 bytes of an IPv6 address (IPv4: mapped),
    SOURCE_LOW,  # of which this is the second half,
    SOURCE_PORT,  # and its port
    UNTOLD,  # 1: the journal has not been told yet of this connection
    EVENT_SEQ,  # while encoding a refusal: sequence of the event that tells of it
    WAITING_SINCE,  # since when what came has had to wait for a token or for room, 0 it has not
    SELF_TRADE,  # a SelfTrade: of each order whose message names none
) = range(0, 8 * 60, 8)
SWITCH_OFF, SWITCH_ON = 1, 2
DISCONNECTED, CONNECTED, ENDING = range(3)
FIX44, FIX42, FIX_DROP_COPY = (
    int(one) for one in (Protocol.FIX44, Protocol.FIX42, Protocol.FIX_DROP_COPY)
)

# A row of the symbol table.
SYMBOL, SYMBOL_INSTRUMENT, SYMBOL_DECIMALS, SYMBOL_SCALE, SYMBOL_RULES = range(0, 40, 8)
SYMBOL_BYTES = 40
"""symbol as it stands in a record · instrument index · decimals of a tick · 10 ** (4 - decimals),
what a tick is in ten-thousandths, 0 where ticks are finer than those · address of the instrument's
row in the table of instruments, 0: it has no rules."""
SYMBOL_HASH = -7046029254386353131  # 2**64 / golden ratio, as a signed word


@kernel
def is_fix(protocol: int) -> bool:
    return (protocol == FIX44) | (protocol == FIX42) | (protocol == FIX_DROP_COPY)


@kernel
def symbol_place(symbol: int) -> int:
    return mul_wrapping(symbol, SYMBOL_HASH) >> 32 & 0x7FFFFFFF


@kernel
def find_symbol(session: int, symbol: int) -> int:
    """Address of the row of a symbol (the 8 bytes of a record's field, as a word); 0 if no
    instrument has it."""
    mask, table = load_i64(session + SYMBOL_MASK), load_i64(session + SYMBOLS)
    place = symbol_place(symbol)
    for step in range(mask + 1):
        row = table + SYMBOL_BYTES * (place + step & mask)
        row_symbol = load_i64(row + SYMBOL)
        if row_symbol == symbol:
            return row
        if row_symbol == 0:
            return 0
    return 0


@kernel
def instrument_row(session: int, instrument: int) -> int:
    """Address of the row of an instrument, by its index; 0 if there is none."""
    if instrument < 0 or instrument >= load_i64(session + INSTRUMENT_COUNT):
        return 0
    return load_i64(session + INSTRUMENTS) + SYMBOL_BYTES * instrument


class Symbols:
    """The symbol table that all sessions share."""

    def __init__(
        self, instruments: npt.NDArray[Any], price_decimals: Mapping[str, int] | None = None
    ) -> None:
        """``price_decimals``: of one tick, by symbol; 4 where nothing is said."""
        names = instruments["symbol"].astype("S8")
        words = np.frombuffer(names.tobytes(), np.int64)
        capacity = 1 << (2 * len(words) - 1).bit_length()
        self.table = np.zeros((capacity, SYMBOL_BYTES // 8), np.int64)
        self.by_index = np.zeros((len(words), SYMBOL_BYTES // 8), np.int64)
        self.instruments = np.ascontiguousarray(instruments)
        rules, row_bytes = self.instruments.ctypes.data, self.instruments.itemsize
        for index, (name, word) in enumerate(zip(names, words.tolist(), strict=True)):
            decimals = (price_decimals or {}).get(bytes(name).decode(), 4)
            scale = 10 ** (4 - decimals) if decimals <= 4 else 0
            self.by_index[index] = word, index, decimals, scale, rules + row_bytes * index
            place = int(symbol_place(word))
            while self.table[place & (capacity - 1), 0]:
                place += 1
            self.table[place & (capacity - 1)] = self.by_index[index]

    def words(self) -> dict[int, int]:
        """What stands of it in each session's block."""
        return {
            SYMBOLS: self.table.ctypes.data,
            SYMBOL_MASK: len(self.table) - 1,
            INSTRUMENTS: self.by_index.ctypes.data,
            INSTRUMENT_COUNT: len(self.by_index),
        }
