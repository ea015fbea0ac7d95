"""A session's block: 4,096 bytes in shared memory that say everything about it.

The first 512 bytes are common, words of int64 at the offsets below.  The protocol keeps its words
from PROTOCOL_WORDS to 1,024.  What goes out in addition to the stream (a heartbeat, the answer to a
login) is stored from SIDE on.  Addresses in a block are the same in every process of the run: they
are mapped before it forks.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.projections import (
    RISK_ROW_BYTES,
    RiskInstrument,
    RiskState,
    SpotAsset,
    SpotRules,
)
from openoutcry.order_entry import constants
from openoutcry.order_entry.spec import PaidIn
from openoutcry.wire.asset_names import WITH_DECIMALS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, area, i64
from openoutcry.wire.memory import copy64, mul_wrapping, not_inlined, store_i64
from openoutcry.wire.rule_changes import SLOT, RulesBlock, is_slot, row_in
from openoutcry.wire.symbols import CODE_BYTES, MAX_ASSET_NAME, MAX_SYMBOL, PREFIX

BLOCK_BYTES = 4096
PROTOCOL_WORDS = 512


class SessionBlock(Layout, size_bytes=4096):
    """A session's block."""

    index: int = i64("index of the session, from 1")
    participant: int = i64("its participant")
    protocol: int = i64("a ``Protocol``")
    fd: int = i64("of the connection, -1 without one")
    state: int = i64("DISCONNECTED, CONNECTED, ENDING")
    generation: int = i64("connections so far")
    in_seq: int = i64("FIX: next MsgSeqNum that is expected")
    out_seq: int = i64("FIX: next MsgSeqNum that is sent")
    last_in_ns: int = i64("when something came last, CLOCK_MONOTONIC")
    last_out_ns: int = i64("when something was sent last")
    symbols: int = i64("address of the symbol table")
    symbol_mask: int = i64("its entries, less one")
    instruments: int = i64("address of its rows by instrument index")
    instrument_count: int = i64("how many there are")
    day_start_ns: int = i64("local midnight of the trading day, ns since the epoch")
    rx_ts_ns: int = i64(
        "while encoding: sequenced time of the causing command, ns since the epoch,"
    )
    cause_seq: int = i64("and its sequence")
    stream: int = i64("address of the stream store (stream.py)")
    sent_bytes: int = i64("bytes of the stream that this connection was sent")
    side_length: int = i64("bytes at ``side`` that are still to be sent,")
    side_at: int = i64("from here on")
    input: int = i64("address of the bytes received")
    input_length: int = i64("how many there are")
    input_capacity: int = i64("how many fit")
    heartbeat_ns: int = i64("a heartbeat is sent after this long without another message")
    timeout_ns: int = i64("a connection that sends nothing for this long is lost")
    grace_ns: int = i64("orders of a lost connection are kept for this long")
    cancel_mode: int = i64("spec.CancelOnDisconnect")
    lost_ns: int = i64(
        "since when (it may be negative) its connection is lost and its orders wait, 0: not"
    )
    throttle_ns: int = i64("time a token, 0: no throttle")
    throttle_burst: int = i64("tokens that the bucket holds")
    throttle_at: int = i64(
        "theoretical arrival time: when the bucket was or will be empty by count"
    )
    throttle_policy: int = i64("what happens to a message without a token")
    max_open: int = i64("most open orders, 0: no limit")
    open_orders: int = i64("orders sent and not yet done")
    queue_bytes: int = i64("unsent bytes after which a slow reader is disconnected")
    sole_order_source: int = i64(
        "1: its participant's orders come by no other session and not by packets"
    )
    messages: int = i64("application messages so far")
    refused: int = i64("of these, refused ones")
    throttled: int = i64("of these, refused or delayed by the throttle")
    faults: int = i64("connections ended because of what came")
    slow: int = i64("connections ended because the client did not read")
    entry: int = i64("while encoding: entries of the stream so far")
    logged_out: int = i64(
        "1: the client logged out, or never logged in; 0: its connection lives or was lost"
    )
    dirty: int = i64("1: it is on the list of those that have something to send")
    stream_bytes_at_login: int = i64("bytes of the stream when this connection began")
    pending: int = i64("1: whole messages may wait at ``input``")
    sweep: int = i64(
        "next row to look at, from 1 on, while orders are cancelled one by one; 0: none are"
    )
    sweep_end: int = i64("row after the last one")
    named: int = i64("while encoding a refusal: row of the order that its message names, 0: none")
    switch: int = i64("what the operator asks for: SWITCH_OFF, SWITCH_ON, 0: nothing")
    killed: int = i64("1: the operator has switched the session off")
    excess_at: int = i64("as ``throttle_at``, of the bucket for what the throttle has no token for")
    source: int = i64("first half of the peer's IPv6 address (IPv4: mapped)")
    source_low: int = i64("and the second half")
    source_port: int = i64("the peer's port")
    login_unjournaled: int = i64("1: the journal does not know of this connection yet")
    event_seq: int = i64("while encoding a refusal: sequence of the event that reports it")
    waiting_since: int = i64(
        "since when input has had to wait for a token or for room, 0: it has not"
    )
    self_trade: int = i64("SelfTrade of orders whose message names none")
    name: int = area(16, "the session's name, padded with spaces")
    side: int = area(
        1024, "what goes out in addition to the stream: heartbeats, answers to logins", at=1024
    )
    logins: int = area(
        1024,
        "refused logins: a word a reason of the acceptor's; of index 0 those that named no session",
    )
    locked_until_ns: int = i64(
        "CLOCK_MONOTONIC until which an address is locked out, as of the last failure"
    )
    names: int = i64("address of the table of symbols longer than a record's field")
    name_mask: int = i64("its entries, less one")
    fee: int = i64("while encoding: of a fill what it cost, as wire/notes.py has it, or 0")
    duplicates: int = i64("messages of OUCH that were ignored: their name was used before")
    day_ns: int = i64(
        "after so long ``day_start_ns`` counts again, of sessions over several days; 0: it does not"
    )
    list_row: int = i64("number of the first order of the list whose legs are being sent")
    list_left: int = i64("legs of it that are still to come, 0: none")
    slots_from: int = i64("the first instrument that had no symbol at the journal's begin")
    order_types: int = i64("a bit for each OrderType that it may enter, by its number")
    times_in_force: int = i64("a bit for each TimeInForce that it may enter")
    lists: int = i64("1: it may enter lists of orders")
    quotes: int = i64("1: it may enter quotes")
    quote_key: int = area(40, "while a quote is worked on: the token of one of its sides")
    pulled: int = i64("instruments that the cancel of all quotes at hand is done with")


INDEX = SessionBlock.offset("index")
PARTICIPANT = SessionBlock.offset("participant")
PROTOCOL = SessionBlock.offset("protocol")
FD = SessionBlock.offset("fd")
STATE = SessionBlock.offset("state")
GENERATION = SessionBlock.offset("generation")
IN_SEQ = SessionBlock.offset("in_seq")
OUT_SEQ = SessionBlock.offset("out_seq")
DAY_START_NS = SessionBlock.offset("day_start_ns")
RX_TS_NS = SessionBlock.offset("rx_ts_ns")
CAUSE_SEQ = SessionBlock.offset("cause_seq")
STREAM = SessionBlock.offset("stream")
SIDE_LENGTH = SessionBlock.offset("side_length")
INPUT = SessionBlock.offset("input")
INPUT_LENGTH = SessionBlock.offset("input_length")
INPUT_CAPACITY = SessionBlock.offset("input_capacity")
GRACE_NS = SessionBlock.offset("grace_ns")
LOST_NS = SessionBlock.offset("lost_ns")
THROTTLE_NS = SessionBlock.offset("throttle_ns")
THROTTLE_BURST = SessionBlock.offset("throttle_burst")
THROTTLE_AT = SessionBlock.offset("throttle_at")
THROTTLE_POLICY = SessionBlock.offset("throttle_policy")
OPEN_ORDERS = SessionBlock.offset("open_orders")
SOLE_ORDER_SOURCE = SessionBlock.offset("sole_order_source")
MESSAGES = SessionBlock.offset("messages")
REFUSED = SessionBlock.offset("refused")
THROTTLED = SessionBlock.offset("throttled")
DUPLICATES = SessionBlock.offset("duplicates")
FAULTS = SessionBlock.offset("faults")
SLOW = SessionBlock.offset("slow")
LOGGED_OUT = SessionBlock.offset("logged_out")
DIRTY = SessionBlock.offset("dirty")
PENDING = SessionBlock.offset("pending")
SWEEP = SessionBlock.offset("sweep")
SWITCH = SessionBlock.offset("switch")
KILLED = SessionBlock.offset("killed")
EXCESS_AT = SessionBlock.offset("excess_at")
SOURCE = SessionBlock.offset("source")
EVENT_SEQ = SessionBlock.offset("event_seq")
WAITING_SINCE = SessionBlock.offset("waiting_since")
SELF_TRADE = SessionBlock.offset("self_trade")
NAME = SessionBlock.offset("name")
SIDE = SessionBlock.offset("side")
LOGINS = SessionBlock.offset("logins")
LOCKED_UNTIL_NS = SessionBlock.offset("locked_until_ns")
LIST_ROW, LIST_LEFT = SessionBlock.offset("list_row"), SessionBlock.offset("list_left")

OWN_ROWS = 496
"""Ends of the list of the session's live rows (rows.py): places of the first and the last, four
bytes each."""
ASKED_AGAIN = 504
"""Messages that what came last has sent again: they are charged like messages that come."""
SWITCH_OFF, SWITCH_ON = 1, 2
DISCONNECTED, CONNECTED, ENDING = range(3)
FIX44, FIX42, FIX_DROP_COPY = (
    constants.PROTOCOL_FIX44,
    constants.PROTOCOL_FIX42,
    constants.PROTOCOL_FIX_DROP_COPY,
)


class SymbolRow(Layout, size_bytes=128):
    """A row of the symbol table."""

    symbol: int = i64("as it is in a record")
    instrument: int = i64("instrument index")
    decimals: int = i64("decimals of a tick")
    scale: int = i64(
        "10 ** (4 - decimals), a tick in ten-thousandths; 0: OUCH does not trade the instrument"
    )
    rules: int = i64(
        "address of the instrument's row in the table of instruments, 0: it has no rules"
    )
    first: int = i64("the symbol outside, padded with zeros: first eight characters,")
    second: int = i64("the next,")
    third: int = i64("and the last")
    quote_decimals: int = i64("of a spot instrument: decimals of the asset that pays,")
    quote: int = area(16, "and its name, padded with zeros;")
    base_decimals: int = i64("decimals of the asset that is traded,")
    base: int = area(16, "and its name")
    core: int = i64("address of the core's risk state, which has the rules in force; 0: none has")
    looked: int = i64(
        "of the first slot: 1 + ``changed_seq`` of the rules with which all slots were looked at"
    )


SYMBOL_BYTES = SymbolRow.size_bytes
SYMBOL_INSTRUMENT = SymbolRow.offset("instrument")
SYMBOL_SCALE = SymbolRow.offset("scale")
SYMBOL_NAME = SymbolRow.offset("first")
SYMBOL_QUOTE = SymbolRow.offset("quote_decimals")
SYMBOL_BASE = SymbolRow.offset("base_decimals")

SYMBOL_HASH = -7046029254386353131  # 2**64 / golden ratio, as a signed word


@kernel
def is_fix(protocol: int) -> bool:
    """Return whether the protocol's sessions speak FIX."""
    return (protocol == FIX44) | (protocol == FIX42) | (protocol == FIX_DROP_COPY)


@kernel
def symbol_place(symbol: int) -> int:
    """Return where the search for a symbol of 8 bytes begins, before masking."""
    return mul_wrapping(symbol, SYMBOL_HASH) >> 32 & 0x7FFFFFFF


@kernel
def find_symbol(session: SessionBlock, symbol: int) -> SymbolRow:
    """Address of the row of a symbol (the 8 bytes of a record's field, as a word); 0 if no
    instrument has it."""
    mask, table = session.symbol_mask, session.symbols
    place = symbol_place(symbol)
    for step in range(mask + 1):
        row = SymbolRow(table + SYMBOL_BYTES * (place + step & mask))
        row_symbol = row.symbol
        if row_symbol == 0:
            break
        if row_symbol == symbol:
            return row
    if session.slots_from < session.instrument_count:
        return find_announced(session, symbol)
    return SymbolRow(0)


@kernel_outlined
def find_announced(session: SessionBlock, symbol: int) -> SymbolRow:
    """Like :func:`find_symbol`, among the instruments that had no symbol at the journal's begin.
    What has been taken is in the table, so they are looked at once for each change of rules."""
    not_inlined()
    first = SymbolRow(session.instruments + SYMBOL_BYTES * session.slots_from)
    core = RiskState(first.core)
    if core == 0 or core.magic == 0 or core.rules_at == 0:
        return SymbolRow(0)
    changes = 1 + RulesBlock(core + core.rules_at).changed_seq
    if first.looked == changes:
        return SymbolRow(0)
    for index in range(session.slots_from, session.instrument_count):
        row = SymbolRow(session.instruments + SYMBOL_BYTES * index)
        if is_slot(row.symbol):
            take_symbol(session, row)
        if row.symbol == symbol:
            return row
    first.looked = changes
    return SymbolRow(0)


@kernel_outlined
def take_symbol(session: SessionBlock, row: SymbolRow) -> None:
    """Take symbol and assets of an instrument that had none from the core, if it has them."""
    not_inlined()
    core = RiskState(row.core)
    if core == 0 or core.magic == 0 or core.rules_at == 0:
        return
    symbol = row_in(RulesBlock(core + core.rules_at), row.instrument).symbol
    if symbol == row.symbol:
        return
    rules = RiskInstrument(core + core.instrument_at + RISK_ROW_BYTES * row.instrument)
    pair = SpotRules(core + rules.spot_at)
    row.first = symbol
    put_asset(row + SYMBOL_QUOTE, SpotAsset(core + pair.quote_at))
    put_asset(row + SYMBOL_BASE, SpotAsset(core + pair.base_at))
    row.symbol = symbol
    mask, table = session.symbol_mask, session.symbols
    place = symbol_place(symbol)
    for step in range(mask + 1):
        free = SymbolRow(table + SYMBOL_BYTES * (place + step & mask))
        if free.symbol == 0:
            copy64(free, row)
            copy64(free + 64, row + 64)
            return


@kernel
def take_now(session: SessionBlock, row: SymbolRow) -> None:
    """:func:`take_symbol` for Python, which cannot call an outlined kernel."""
    take_symbol(session, row)


@kernel
def put_asset(at: int, asset: SpotAsset) -> None:
    """Put an asset's decimals, and its name, which may be in three words (``asset_names``), at the
    address ``at``."""
    more = asset.decimals >> 8
    store_i64(at, asset.decimals & 0xFF)
    store_i64(at + 8, asset.name)
    store_i64(at + 16, 0)
    if more == 0:
        return
    name, rest = Bytes(at + 8), asset.rest
    for place in range(PREFIX, 16):
        later = place - PREFIX
        in_more = later < WITH_DECIMALS
        shift = 8 * (later if in_more else later - WITH_DECIMALS)
        name[place] = ((more if in_more else rest) >> shift) & 0xFF


@kernel
def name_place(first: int, second: int, third: int) -> int:
    """Return where the search for a longer name, three words, begins, before masking."""
    return symbol_place(
        mul_wrapping(mul_wrapping(first, SYMBOL_HASH) ^ second, SYMBOL_HASH) ^ third
    )


@kernel
def find_name(session: SessionBlock, first: int, second: int, third: int) -> SymbolRow:
    """Address of the row of a symbol of more than 8 characters; 0 if no instrument has it."""
    mask, table = session.name_mask, session.names
    place = name_place(first, second, third)
    for step in range(mask + 1):
        row = SymbolRow(table + SYMBOL_BYTES * (place + step & mask))
        if row.first == 0:
            return SymbolRow(0)
        if row.first == first and row.second == second and row.third == third:
            return row
    return SymbolRow(0)


@kernel
def instrument_row(session: SessionBlock, instrument: int) -> SymbolRow:
    """Address of the row of an instrument, by its index, or 0."""
    if instrument < 0 or instrument >= session.instrument_count:
        return SymbolRow(0)
    row = SymbolRow(session.instruments + SYMBOL_BYTES * instrument)
    if instrument >= session.slots_from and is_slot(row.symbol):
        take_symbol(session, row)
    return row


class Symbols:
    """The symbol table that all sessions share."""

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        price_decimals: Mapping[str, int] | None = None,
        symbols: Sequence[str] = (),
        not_by_ouch: Container[str] = (),
        paid_in: Mapping[str, PaidIn] | None = None,
    ) -> None:
        """``price_decimals``: of one tick, by symbol; 4 where nothing is said.  ``symbols``:
        outside, by instrument; none: as records have them.  OUCH does not trade the symbols in
        ``not_by_ouch``.  The assets of spot instruments are in ``paid_in``, by symbol."""
        codes = instruments["symbol"].astype("S8")
        symbols = symbols or [bytes(code).decode() for code in codes]
        words = np.frombuffer(codes.tobytes(), np.int64)
        capacity = 1 << (2 * len(words) - 1).bit_length()
        self.table = np.zeros((capacity, SYMBOL_BYTES // 8), np.int64)
        is_long = [len(symbol) > CODE_BYTES for symbol in symbols]
        self.names = np.zeros((1 << (2 * sum(is_long)).bit_length(), SYMBOL_BYTES // 8), np.int64)
        self.by_index = np.zeros((len(words), SYMBOL_BYTES // 8), np.int64)
        self.instruments = np.ascontiguousarray(instruments)
        slots = [index for index, symbol in enumerate(symbols) if symbol.startswith(SLOT)]
        self.slots_from = min(slots, default=len(symbols))
        """The first instrument that has no symbol yet."""
        rules, row_bytes = self.instruments.ctypes.data, self.instruments.itemsize
        for index, (symbol, word) in enumerate(zip(symbols, words.tolist(), strict=True)):
            decimals = (price_decimals or {}).get(symbol, 4)
            by_ouch = decimals <= 4 and symbol not in not_by_ouch
            scale = 10 ** (4 - decimals) if by_ouch else 0
            name = np.frombuffer(symbol.encode("ascii").ljust(MAX_SYMBOL, b"\0"), np.int64)
            row = self.by_index[index]
            row[:8] = word, index, decimals, scale, rules + row_bytes * index, *name
            if paid_in is not None and symbol in paid_in:
                assets = paid_in[symbol]
                for at, asset in ((SYMBOL_QUOTE, assets.quote), (SYMBOL_BASE, assets.base)):
                    text = asset.name.encode("ascii").ljust(MAX_ASSET_NAME, b"\0")
                    row[at // 8 : at // 8 + 3] = asset.decimals, *np.frombuffer(text, np.int64)
            _enter(self.table, int(symbol_place(word)), row)
            if is_long[index]:
                _enter(self.names, int(name_place(*name.tolist())), row)

    def follow(self, core: int) -> None:
        """Have the rules that change while trading from the risk state at this address."""
        for rows in (self.table, self.names, self.by_index):
            rows[rows[:, 0] != 0, SymbolRow.offset("core") // 8] = core

    def take_from(self, core: int, block: SessionBlock) -> None:
        """Take the symbols that instruments have got in the risk state at this address.  ``block``:
        of any session."""
        at = SymbolRow.offset("core") // 8
        for row in self.by_index[self.slots_from :]:
            before, row[at] = int(row[at]), core
            take_now(block, SymbolRow.of(row.ctypes.data))
            row[at] = before

    def words(self) -> dict[int, int]:
        """Return the words that each session's block holds of it."""
        return SessionBlock.words(
            symbols=self.table.ctypes.data,
            symbol_mask=len(self.table) - 1,
            instruments=self.by_index.ctypes.data,
            instrument_count=len(self.by_index),
            slots_from=self.slots_from,
            names=self.names.ctypes.data,
            name_mask=len(self.names) - 1,
        )


def _enter(table: npt.NDArray[np.int64], place: int, row: npt.NDArray[np.int64]) -> None:
    """Into the first free row from ``place`` on."""
    mask = len(table) - 1
    while table[place & mask, 0]:
        place += 1
    table[place & mask] = row
