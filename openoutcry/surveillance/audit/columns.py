"""The columns of the audit trail: a row for each thing that happened to an order.

One event of the matcher is one row.  A command causes at least one, so every command is there.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.tables import arrow
from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    EventKind,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)

ACTIONS = {
    EventKind.ACCEPTED: "NEW",
    EventKind.FILLED: "TRADE",
    EventKind.CANCELLED: "CANCEL",
    EventKind.REDUCED: "REDUCE",
    EventKind.REPLACED: "REPLACE",
    EventKind.REJECTED: "REJECT",
    EventKind.EXPIRED: "EXPIRE",
    EventKind.ELECTED: "TRIGGER",
    EventKind.REPEGGED: "REPEG",
    EventKind.REFRESHED: "REFRESH",
    EventKind.CONVERTED: "CONVERT",
    EventKind.TRIGGER_MOVED: "TRIGGER_MOVE",
    EventKind.PHASE_CHANGED: "PHASE",
    EventKind.INDICATIVE: "INDICATIVE",
    EventKind.UNCROSSED: "UNCROSS",
    EventKind.COMPLETED: "COMPLETE",
    EventKind.DELAYED: "DELAY",
    EventKind.ENTERED: "ENTER",
    EventKind.BROKEN: "BREAK",
}
"""``action`` by the event's kind."""
SESSION_ACTIONS = {
    ord("L"): "LOGIN",
    ord("Z"): "LOGOUT",
    ord("D"): "LOST",
    ord("K"): "SWITCH_OFF",
    ord("E"): "SWITCH_ON",
}
"""``action`` of what a session layer says of a connection, by its note's message."""
ACTION_NAMES = ["", *ACTIONS.values(), *SESSION_ACTIONS.values()]
ACTION_CODES = {name: code for code, name in enumerate(ACTION_NAMES)}
ACTION_OF_EVENT = np.zeros(256, np.uint8)
for _kind, _name in ACTIONS.items():
    ACTION_OF_EVENT[_kind] = ACTION_CODES[_name]
UUID_VERSION, UUID_VARIANT = 8, 2


@cache
def schema() -> Any:
    """The arrow schema of a partition's Parquet files; see docs/audit.md for each column."""
    pa = arrow()
    words, int64 = pa.dictionary(pa.int32(), pa.string()), pa.int64()
    return pa.schema([
        ("seq", int64), ("event_seq", int64), ("command_seq", int64), ("entry_seq", int64),
        ("ts_ns", int64), ("time", pa.timestamp("ns", "UTC")), ("bound_ns", int64),
        ("participant", pa.uint16()), ("action", words), ("symbol", words), ("order_id", int64),
        ("order_uuid", pa.binary(16)), ("client_order_id", pa.string()), ("side", words),
        ("order_type", words), ("time_in_force", words), ("self_trade", words),
        ("price_ticks", int64),
        ("qty_lots", int64), ("leaves_lots", int64), ("aux", int64), ("contra_order_id", int64),
        ("match", int64), ("maker", pa.bool_()), ("auction", pa.bool_()), ("hidden", pa.bool_()),
        ("kept_place", pa.bool_()), ("display_lots", int64), ("waiting", pa.bool_()),
        ("command", words), ("reason", words), ("risk_result", words),
        ("session_refusal", pa.uint8()), ("session", words), ("source_address", words),
        ("gateway", words), ("run", pa.int16()), ("latency_ns", int64),
    ])  # fmt: skip


@cache
def names_of(enum: type[Any]) -> list[str]:
    """Members' names by their numbers; "" for 0, which no member has; a number for any other."""
    known = {member.value: member.name for member in enum}
    return [known.get(code, f"{code}" if code else "") for code in range(256)]


SIDES, TYPES, TIMES = names_of(Side), names_of(OrderType), names_of(TimeInForce)
COMMANDS, REASONS = names_of(CommandKind), names_of(Reason)
SELF_TRADES = ["", *names_of(SelfTrade)[1:]]


def error_names(code: int) -> str:
    """The gateway's verdict in words."""
    return " ".join(bit.name for bit in ErrorBit if code >> bit & 1)


def words(codes: npt.NDArray[Any], names: list[str]) -> Any:
    """A dictionary column: null where the name is empty."""
    pa = arrow()
    codes = codes.astype(np.int32)
    empty = np.array([not name for name in names])
    mask = empty[codes] if len(names) else np.zeros(0, bool)
    kept = [name for name in names if name]
    place = np.cumsum(~empty) - 1
    return pa.DictionaryArray.from_arrays(
        pa.array(np.where(mask, 0, place[codes]).astype(np.int32), mask=mask),
        pa.array(kept, pa.string()),
    )


def uuids(journal_id: int, entry_seqs: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """UUIDs of version 8 (RFC 9562), (n, 16) bytes, of a journal's id and an order's sequence.

    Both can be read from the UUID, and no two orders share one.

    60 bits are the upper ones of the journal's id, 62 the sequence.
    """
    high = journal_id >> 4
    first = (high >> 12) << 16 | UUID_VERSION << 12 | high & 0xFFF
    out = np.empty((len(entry_seqs), 2), ">u8")
    out[:, 0] = first
    out[:, 1] = entry_seqs.astype(np.uint64) | np.uint64(UUID_VARIANT << 62)
    return out.view(np.uint8).reshape(-1, 16)


def entry_of(journal_id: int, uuid_bytes: bytes) -> int | None:
    """The sequence in an order's UUID; None if it is not one of this journal's."""
    seq = int.from_bytes(uuid_bytes[8:], "big") & ((1 << 62) - 1)
    return seq if uuids(journal_id, np.array([seq]))[0].tobytes() == uuid_bytes else None
