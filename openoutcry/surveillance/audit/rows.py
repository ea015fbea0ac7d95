"""Rows of the audit trail from commands, what their sessions noted of them, and their events.

An order's rows carry what is known of the order: its entry, type, session, client's name of it.
That is carried from part to part for the orders that stay open.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal.tables import commands_of
from openoutcry.order_entry.command_metadata import FLAG_INTERNAL, LOGGED_IN, METADATA_DTYPE
from openoutcry.order_entry.shm_layout import name_text
from openoutcry.order_entry.spec import Protocol
from openoutcry.surveillance.audit.columns import ACTION_CODES, ACTION_OF_EVENT, SESSION_ACTIONS
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import EventKind
from openoutcry.wire.records import ORDER_DTYPE

Array = npt.NDArray[Any]
NEW, CANCELLED, EXPIRED = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.EVENT_KIND_CANCELLED,
    enum_numbers.EVENT_KIND_EXPIRED,
)
ACCEPTED, DELAYED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_DELAYED
FILLED, REJECTED = enum_numbers.EVENT_KIND_FILLED, enum_numbers.EVENT_KIND_REJECTED
BROKEN = enum_numbers.EVENT_KIND_BROKEN
ENDED_BY_QTY = [int(k) for k in (EventKind.FILLED, EventKind.REDUCED, EventKind.REPLACED)]

SESSION_METADATA_DTYPE = np.dtype(
    [
        ("session", "<u2"),
        ("source", "<u4"),
        ("message", "u1"),
        ("refused", "u1"),
        ("internal", "?"),
        ("token", "S40"),
    ]
)
"""A session's metadata of a command: its index (0: no session), its source address' index and the
message's type byte. Then why the session layer refused it, whether it is the layer's own, and the
token."""
OPEN_DTYPE = np.dtype(
    [
        ("instrument", "<u2"),
        ("order_id", "<i8"),
        ("entry_seq", "<i8"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("session", "<u2"),
        ("source", "<u4"),
        ("token", "S40"),
    ]
)
WAITING_DTYPE = np.dtype([("command", ORDER_DTYPE), ("told", SESSION_METADATA_DTYPE)])


def session_metadata_of(notes: Array, sources: "Sources") -> Array:
    """SESSION_METADATA_DTYPE of the notes of consecutive commands (METADATA_DTYPE)."""
    out = np.zeros(len(notes), SESSION_METADATA_DTYPE)
    out["session"], out["message"] = notes["session"], notes["message"]
    out["refused"] = notes["refused"]
    out["internal"] = notes["flags"] & FLAG_INTERNAL != 0
    tokens = np.ascontiguousarray(notes["token"]).view("S40")
    for width in np.unique(notes["token_bytes"]).tolist():
        rows = notes["token_bytes"] == width
        # FIX and OUCH pad nothing but with spaces; what follows the length is another's.
        out["token"][rows] = tokens[rows].astype(f"S{width}") if width else b""
    out["token"] = np.char.rstrip(out["token"])
    numbered = (notes["protocol"] == Protocol.SHM) & (notes["token_bytes"] > 0)
    if numbered.any():
        words = np.ascontiguousarray(notes["token"][numbered]).view(np.uint8).reshape(-1, 40)
        out["token"][numbered] = [name_text(row.tobytes()).encode() for row in words]
    nameless = (out["token"] == b"") & (notes["client_seq"] > 0) & ~out["internal"]
    if nameless.any():
        out["token"][nameless] = notes["client_seq"][nameless].astype("S20")
    at = 0
    for index in np.flatnonzero(out["internal"]).tolist():
        out["source"][at:index] = sources.now(notes["session"][at:index])
        sources.update(notes[index])
        at = index
    out["source"][at:] = sources.now(notes["session"][at:])
    return out


@dataclass
class Sources:
    """Whence each session is connected, as the commands along the journal say."""

    names: list[str] = field(default_factory=lambda: [""])
    """Addresses by their index; 0: unknown."""
    current: dict[int, int] = field(default_factory=dict)

    def now(self, sessions: Array) -> Array:
        """Return the source address of each session, uint32 of the shape of ``sessions``."""
        table = np.zeros(int(sessions.max(initial=0)) + 1, np.uint32)
        for session, source in self.current.items():
            if session < len(table):
                table[session] = source
        return table[sessions]

    def update(self, note: Any) -> None:
        """An internal note: a connection that came; a session that was lost or
        logged out has no connection."""
        session, message = int(note["session"]), int(note["message"])
        if message == LOGGED_IN:
            self.current[session] = self._index(source_text(bytes(note["own"])))
        elif message in (ord("Z"), ord("D")):
            self.current.pop(session, None)

    def new_run(self) -> None:
        """Note that another process took over: every connection is gone."""
        self.current.clear()

    def _index(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def source_text(own: bytes) -> str:
    """``192.0.2.7:41234`` or ``[2001:db8::7]:41234`` of a LOGGED_IN note's own bytes; empty: a
    journal of before it was noted."""
    from ipaddress import IPv6Address

    if not any(own):
        return ""
    address, port = IPv6Address(own[:16]), int.from_bytes(own[16:24], "little")
    mapped = address.ipv4_mapped
    return f"{mapped}:{port}" if mapped else f"[{address}]:{port}"


class PartInput(NamedTuple):
    """Commands in a row (ORDER_DTYPE), what the sessions noted of each (SESSION_METADATA_DTYPE),
    and their events."""

    commands: Array
    session_metadata: Array
    events: Array


class Joined(NamedTuple):
    """The cause, the order's command and what is known of the order, of each event.

    All are arrays of the events' length; ``order`` sorts them by participant, order and time."""

    events: Array
    cause: Array
    """Index of the causing command in the part's commands."""
    own: Array
    """The event's own command (ORDER_DTYPE): its cause, or the one that had waited."""
    own_notes: Array
    entry: Array
    """OPEN_DTYPE of its order; entry_seq 0: it belongs to none that is known."""
    action: Array
    order: Array


class Orders:
    """State that is carried from part to part: orders that are open, commands that wait."""

    def __init__(self) -> None:
        self.open = np.zeros(0, OPEN_DTYPE)
        self.waiting = np.zeros(0, WAITING_DTYPE)

    def join(self, part: PartInput) -> Joined:
        """The rows of a part, from its first command on; followed by what is carried."""
        own_seq = commands_of(part.events)
        first = int(part.commands["seq"][0])
        known = np.concatenate([self.waiting["command"], part.commands])
        session_metadata = np.concatenate([self.waiting["told"], part.session_metadata])
        waited = len(self.waiting)
        place = own_seq - first + waited
        early = own_seq < first
        if early.any():
            place[early] = np.searchsorted(self.waiting["command"]["seq"], own_seq[early])
        own, own_notes = known[place], session_metadata[place]
        entry = self._entries(part.events, own, own_notes, own_seq)
        self._wait(part.events, known, session_metadata)
        action = ACTION_OF_EVENT[part.events["kind"]]
        internal = own_notes["internal"] & (own["kind"] == 0)
        for message, name in SESSION_ACTIONS.items():
            action[internal & (own_notes["message"] == message)] = ACTION_CODES[name]
        by_order = np.argsort(part.events["order_id"], kind="stable")
        by_who = np.argsort(part.events["participant"][by_order], kind="stable")
        cause = part.events["cause_seq"] - first
        return Joined(part.events, cause, own, own_notes, entry, action, by_order[by_who])

    def _entries(self, events: Array, own: Array, session_metadata: Array, own_seq: Array) -> Array:
        """Return what is known of each event's order, and the orders that are open after
        the last."""
        carried, count = len(self.open), len(events)
        kinds = np.concatenate([np.zeros(carried, np.uint8), events["kind"]])
        is_new = (events["kind"] == ACCEPTED) & (own["kind"] == NEW)
        is_entry = np.concatenate([np.ones(carried, bool), is_new])
        leaves = np.concatenate([np.ones(carried, np.int64), events["leaves_lots"]])
        is_end = (kinds == CANCELLED) | (kinds == EXPIRED)
        is_end |= np.isin(kinds, ENDED_BY_QTY) & (leaves == 0)
        entries = np.zeros(carried + count, OPEN_DTYPE)
        entries[:carried] = self.open
        mine = entries[carried:]
        mine["instrument"], mine["order_id"] = events["instrument"], events["order_id"]
        mine["entry_seq"], mine["order_type"] = own_seq, own["order_type"]
        mine["time_in_force"], mine["token"] = own["time_in_force"], session_metadata["token"]
        mine["session"], mine["source"] = session_metadata["session"], session_metadata["source"]

        sort = np.lexsort((entries["order_id"], entries["instrument"]))
        where = np.arange(len(sort))
        ids, instruments = entries["order_id"][sort], entries["instrument"][sort]
        begins = np.ones(len(sort), bool)
        begins[1:] = (ids[1:] != ids[:-1]) | (instruments[1:] != instruments[:-1])
        group = np.maximum.accumulate(np.where(begins, where, 0))
        came = np.maximum.accumulate(np.where(is_entry[sort], where, -1))
        ended = np.maximum.accumulate(np.where(is_end[sort], where, -1))
        ended_before = np.concatenate([[-1], ended[:-1]])
        belongs = (came >= group) & (ended_before < came)
        last = np.append(begins[1:], True)[: len(sort)]
        stays = last & (came >= group) & (ended < came)
        self.open = entries[sort[came[stays]]]

        matched = np.zeros(len(sort), OPEN_DTYPE)
        matched[sort] = np.where(belongs, entries[sort[came]], np.zeros(1, OPEN_DTYPE))
        out: Array = matched[carried:]
        # What was refused, and what waits, is a separate order, whatever else has its number.
        alone = ((events["kind"] == REJECTED) | (events["kind"] == DELAYED)) & (own["kind"] == NEW)
        out[alone] = mine[alone]
        return out

    def _wait(self, events: Array, known: Array, session_metadata: Array) -> None:
        """Commands that wait at a speed bump after this part."""
        if not len(self.waiting) and not (events["kind"] == DELAYED).any():
            return
        delayed = events["cause_seq"][events["kind"] == DELAYED]
        entered = events["contra_id"][events["kind"] == EventKind.ENTERED]
        seqs = np.concatenate([self.waiting["command"]["seq"], delayed])
        seqs = np.setdiff1d(seqs, entered)
        place = np.searchsorted(known["seq"], seqs)
        out = np.zeros(len(seqs), WAITING_DTYPE)
        out["command"], out["told"] = known[place], session_metadata[place]
        self.waiting = out


assert METADATA_DTYPE.itemsize == 128
