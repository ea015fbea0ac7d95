"""The session region: a segment of memory with blocks, rows, metadata and tokens of all sessions.

::

    byte 0      the words below
    then        blocks, from index 0 (unused) | documents of sessions | bytes received, a buffer a
                session | order rows | metadata and the commands they belong to, by lane sequence
                | drop copies | tokens

Everything that must outlive the process of the sessions is here or in the stream stores; what the
journal does not have yet, it has from here.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry import (
    command_metadata,
    documents,
    ouch,
    rows,
    session,
    shm_layout,
    sums,
    tokens,
)
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.layout import Layout, area, i64


class RegionHeader(Layout, size_bytes=4096):
    """The words at the beginning of the session region."""

    session_count: int = i64("sessions")
    blocks: int = i64("address of the sessions' blocks")
    rows: int = i64("address of the order rows")
    row_mask: int = i64("their number, less one")
    metadata: int = i64("address of the metadata")
    orders: int = i64("address of their commands")
    metadata_mask: int = i64("their number, less one")
    tokens: int = i64("address of the table of tokens")
    last_number: int = i64("last number that an order was given")
    lane_seq: int = i64("last command of the lane that rows and tokens know")
    list_end: int = i64(
        "last command of the list that is being put on the lane: what of it is not there yet is at "
        "``orders`` and ``metadata``",
        atomic=True,
    )
    event_seq: int = i64("last event that rows and streams know")
    unreported_events: int = i64(
        "events of sessions' orders whose row or store had no room for them"
    )
    day_begin: int = i64("ns since the epoch: streams and tokens are of what came from then on")
    day_begun: int = i64("1: the day has begun")
    answered_seq: int = i64("commands of the lane before this one have been answered")
    copy_count: int = i64("drop copies")
    copy_masks: int = i64(
        "address of a word a participant: a bit for each drop copy that reports it"
    )
    fix_copies: int = i64("a bit for each drop copy over FIX")
    sums: int = i64("address of the executed lots of orders without a session (sums.py)")
    sums_mask: int = i64("its entries, less one")
    waiting: int = i64("address of what waits at the core's speed bump (copies.py), 0: it has none")
    waiting_lanes: int = i64("address of a byte a lane sequence: 1: its command waits")
    reported_upto: int = i64("last of the lane's commands that an event was reported of")
    at_lane_seq: int = i64("lane sequence of the command whose event is at hand")
    entry: int = i64("of the command that enters: its entry, 0: no session has sent it,")
    entry_left: int = i64("and events of it that are still to come")
    fee: int = i64("of the event at hand: what its fill cost, as wire/notes.py has it, or 0")
    stage_process: int = i64("process that has the connections, as a word of ring/identity.py")


HEAD_BYTES = RegionHeader.size_bytes
SESSION_COUNT = RegionHeader.offset("session_count")
BLOCKS = RegionHeader.offset("blocks")
ROWS = RegionHeader.offset("rows")
ROW_MASK = RegionHeader.offset("row_mask")
METADATA = RegionHeader.offset("metadata")
ORDERS = RegionHeader.offset("orders")
METADATA_MASK = RegionHeader.offset("metadata_mask")
TOKENS = RegionHeader.offset("tokens")
LAST_NUMBER = RegionHeader.offset("last_number")
LANE_SEQ, LIST_END = RegionHeader.offset("lane_seq"), RegionHeader.offset("list_end")
EVENT_SEQ = RegionHeader.offset("event_seq")
UNREPORTED_EVENTS = RegionHeader.offset("unreported_events")
DAY_BEGIN = RegionHeader.offset("day_begin")
DAY_BEGUN = RegionHeader.offset("day_begun")
ANSWERED_SEQ = RegionHeader.offset("answered_seq")
COPY_COUNT = RegionHeader.offset("copy_count")
COPY_MASKS = RegionHeader.offset("copy_masks")
FIX_COPIES = RegionHeader.offset("fix_copies")
SUMS = RegionHeader.offset("sums")
SUMS_MASK = RegionHeader.offset("sums_mask")
WAITING = RegionHeader.offset("waiting")
WAITING_LANES = RegionHeader.offset("waiting_lanes")
REPORTED_UPTO = RegionHeader.offset("reported_upto")
AT_LANE_SEQ = RegionHeader.offset("at_lane_seq")
ENTRY = RegionHeader.offset("entry")
ENTRY_LEFT = RegionHeader.offset("entry_left")
STAGE_PROCESS = RegionHeader.offset("stage_process")


class WaitingCommand(Layout, size_bytes=256):
    """A command that waits at the speed bump."""

    seq: int = i64("its sequence, 0: a free place")
    lane: int = i64("its lane sequence")
    rx: int = i64("when it came, ns since the epoch")
    order: int = area(64, "its record", at=64)
    metadata: int = area(128, "its metadata")


WAIT_SEQ = WaitingCommand.offset("seq")
WAIT_LANE = WaitingCommand.offset("lane")
WAIT_ORDER = WaitingCommand.offset("order")
WAIT_METADATA = WaitingCommand.offset("metadata")

WAIT_BYTES = 256
COPY_SESSIONS = 1024
"""Index of the session of each drop copy, MAX_COPIES words."""
MAX_COPIES = 62
INPUT_BYTES = 1 << 16
ORDER_BYTES = 64
PARTICIPANTS = 1 << 16


class Sizes(NamedTuple):
    """Capacities: rows, metadata and tokens are powers of two."""

    sessions: int
    rows: int
    metadata: int
    tokens: int
    copies: bool = False
    """Whether there are drop copies,"""
    sums: bool = False
    """and some over FIX."""
    waiting: int = 0
    """Commands that may wait at the core's speed bump."""


def _offsets(sizes: Sizes) -> tuple[dict[str, int], int]:
    parts = {
        "blocks": (sizes.sessions + 1) * session.BLOCK_BYTES,
        "documents": (sizes.sessions + 1) * documents.ROW_BYTES,
        "input": (sizes.sessions + 1) * INPUT_BYTES,
        "rows": sizes.rows * rows.ROW_BYTES,
        "metadata": sizes.metadata * command_metadata.METADATA_BYTES,
        "orders": sizes.metadata * ORDER_BYTES,
        "copies": 8 * PARTICIPANTS if sizes.copies else 0,
        "sums": 2 * sizes.rows * sums.ENTRY_BYTES if sizes.sums else 0,
        "waiting": sizes.waiting * WAIT_BYTES,
        "lanes": sizes.metadata if sizes.waiting else 0,
        "tokens": 4096 + tokens.memory_bytes(sizes.tokens, sizes.sessions),
    }
    at, offsets = HEAD_BYTES, {}
    for name, size in parts.items():
        offsets[name] = at
        at += -(-size // 4096) * 4096
    return offsets, at


def region_bytes(sizes: Sizes) -> int:
    """Bytes that the segment needs."""
    return _offsets(sizes)[1]


class SessionRegion:
    """The segment's memory, laid out."""

    def __init__(self, memory: npt.NDArray[np.int64], sizes: Sizes) -> None:
        """``memory``: zeroed words, ``region_bytes`` of them in bytes."""
        self.sizes = sizes
        self.words = memory
        self.address = memory.ctypes.data
        self._at = _offsets(sizes)[0]
        address = {name: self.address + offset for name, offset in self._at.items()}
        self._set(SESSION_COUNT, sizes.sessions)
        self._set(BLOCKS, address["blocks"])
        self._set(ROWS, address["rows"])
        self._set(ROW_MASK, sizes.rows - 1)
        self._set(METADATA, address["metadata"])
        self._set(ORDERS, address["orders"])
        self._set(METADATA_MASK, sizes.metadata - 1)
        self._set(TOKENS, address["tokens"])
        self._set(COPY_MASKS, address["copies"])
        self._set(SUMS, address["sums"])
        self._set(SUMS_MASK, 2 * sizes.rows - 1)
        if sizes.waiting:
            self._set(WAITING, address["waiting"])
            self._set(WAITING_LANES, address["lanes"])
        self.clear()
        for index in range(1, sizes.sessions + 1):
            block = self.block(index)
            block[session.INDEX // 8] = index
            block[session.FD // 8] = -1
            block[session.INPUT // 8] = address["input"] + index * INPUT_BYTES
            block[session.INPUT_CAPACITY // 8] = INPUT_BYTES

    def _set(self, word: int, value: int) -> None:
        self.words[word // 8] = value

    def __getitem__(self, word: int) -> int:
        return int(self.words[word // 8])

    def block(self, index: int) -> npt.NDArray[np.int64]:
        """The words of a session's block."""
        at = (self._at["blocks"] + index * session.BLOCK_BYTES) // 8
        return self.words[at : at + session.BLOCK_BYTES // 8]

    def copy_to(self, index: int, participants: Iterable[int], fix: bool = False) -> None:
        """The session ``index`` is a drop copy about these participants; ``fix``: over FIX."""
        place = self[COPY_COUNT]
        self._set(FIX_COPIES, self[FIX_COPIES] | fix << place)
        self._set(COPY_SESSIONS + 8 * place, index)
        masks = self.words[self._at["copies"] // 8 :][:PARTICIPANTS]
        for participant in participants:
            masks[participant] |= 1 << place
        self._set(COPY_COUNT, place + 1)

    @property
    def rows(self) -> npt.NDArray[Any]:
        """The order rows, as a view of the region."""
        at = self._at["rows"] // 8
        return self.words[at : at + self.sizes.rows * rows.ROW_BYTES // 8].view(rows.ROW_DTYPE)

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The tokens that are taken, an entry of words each, in the order in which they came."""
        at = self._at["tokens"] // 8
        entries = (self.words[at + tokens.TABLE_ENTRIES // 8] - self.address) // 8
        width, count = tokens.ENTRY_BYTES // 8, self.words[at]
        return self.words[entries : entries + width * count].reshape(-1, width)

    @property
    def documents(self) -> npt.NDArray[np.int64]:
        """The documents of sessions while the venue trades (documents.py), as words."""
        begin = self._at["documents"] // 8
        return self.words[begin : begin + (self.sizes.sessions + 1) * documents.ROW_BYTES // 8]

    @property
    def sums(self) -> npt.NDArray[np.int64]:
        """The table of sums, as words."""
        begin, end = self._at["sums"] // 8, self._at["waiting"] // 8
        return self.words[begin:end].reshape(-1, sums.ENTRY_BYTES // 8)

    @property
    def waiting(self) -> npt.NDArray[np.int64]:
        """The commands that wait at the core's speed bump, as words, an entry a place in
        its queue."""
        begin = self._at["waiting"] // 8
        count = self.sizes.waiting * WAIT_BYTES // 8
        return self.words[begin : begin + count].reshape(-1, WAIT_BYTES // 8)

    def mark_waiting(self) -> None:
        """Match the lane's bytes, and what was reported, with the waiting commands."""
        lanes = self.waiting[self.waiting[:, WAIT_SEQ // 8] != 0, WAIT_LANE // 8]
        begin, end = self._at["lanes"] // 8, self._at["tokens"] // 8
        if len(lanes):
            self.words[begin:end].view(np.uint8)[lanes & self[METADATA_MASK]] = 1
            self._set(ANSWERED_SEQ, min(self[ANSWERED_SEQ], int(lanes.min()) - 1))

    def clear(self) -> None:
        """Remove all orders, tokens and reports: a rebuild from the journal begins there."""
        begin, end = self._at["rows"] // 8, self._at["metadata"] // 8
        self.words[begin:end] = 0
        begin, end = self._at["sums"] // 8, self._at["tokens"] // 8
        self.words[begin:end] = 0
        at = self._at["tokens"] // 8
        if self.words[at]:
            self.words[at + 512 :] = 0
        table = self.words[at : at + tokens.TABLE_BYTES // 8]
        tokens.prepare_table(table, self.address + 8 * at + 4096, self.sizes.tokens)
        for word in (
            LAST_NUMBER,
            LANE_SEQ,
            EVENT_SEQ,
            UNREPORTED_EVENTS,
            DAY_BEGUN,
            ANSWERED_SEQ,
            REPORTED_UPTO,
            AT_LANE_SEQ,
            ENTRY,
            ENTRY_LEFT,
        ):
            self._set(word, 0)
        for index in range(1, self.sizes.sessions + 1):
            block = self.block(index)
            block[session.OPEN_ORDERS // 8] = block[session.STATE // 8] = 0
            block[session.OWN_ROWS // 8] = 0
            block[session.KILLED // 8] = 0
            if block[session.PROTOCOL // 8] == Protocol.OUCH50:
                block[ouch.LAST_USER_REF_WORD // 8] = block[ouch.DISABLED_WORD // 8] = 0
            elif block[session.PROTOCOL // 8] == Protocol.SHM:
                block[shm_layout.APPLIED_REQUEST // 8] = 0
            block[session.LOGGED_OUT // 8] = 1
