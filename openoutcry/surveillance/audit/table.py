"""A part's rows as an arrow table, in the order in which they are looked for."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal.projections import refusal_text
from openoutcry.journal.tables import arrow
from openoutcry.surveillance.audit.columns import (
    ACTION_NAMES,
    COMMANDS,
    REASONS,
    SELF_TRADES,
    SIDES,
    TIMES,
    TYPES,
    error_names,
    schema,
    uuids,
    words,
)
from openoutcry.surveillance.audit.rows import BROKEN, FILLED, NEW, REJECTED, Joined
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    EventFlag,
    EventKind,
    Reason,
    Side,
)
from openoutcry.wire.records import MAX_VALUE, NO_INSTRUMENT
from openoutcry.wire.text import text_of

Array = npt.NDArray[Any]
WITH_AUX = [int(k) for k in (CommandKind.NEW, CommandKind.REPLACE, CommandKind.SET_EXPIRY)]
PASSED_KINDS = [int(k) for k in (EventKind.ACCEPTED, EventKind.REPLACED)]
REFUSAL_FIELDS = ("contra_id", "price_ticks", "leaves_lots", "qty_lots")


@dataclass(frozen=True)
class Names:
    """Names in the journal's configuration, for the words of a part's rows."""

    journal_id: int
    symbols: list[str]
    sessions: list[str]
    """By their index; 0: no reason."""
    sources: list[str]
    gateway: str
    has_risk: bool
    runs_begin: list[int]


class Stamps(NamedTuple):
    """By command: when its block was written (ns), and how wrong its time may be (ns, MAX_VALUE:
    unknown)."""

    written_ts_ns: Array
    bound_ns: Array


def table_of(joined: Joined, commands: Array, stamps: Stamps, names: Names) -> Any:
    """The rows (schema of columns.py) in ``joined.order``."""
    pa = arrow()
    columns: dict[str, Any] = {}
    columns |= _when(joined, commands, stamps, names)
    columns |= _what(joined, names)
    columns |= _figures(joined)
    columns |= _how(joined, names)
    return pa.table([columns[name] for name in schema().names], schema=schema())


def _when(joined: Joined, commands: Array, stamps: Stamps, names: Names) -> dict[str, Any]:
    pa, order = arrow(), joined.order
    cause = joined.cause[order]
    ts_ns = commands["rx_ts_ns"][cause]
    bound_ns = stamps.bound_ns[cause]
    entry = joined.entry["entry_seq"][order]
    binary = np.ascontiguousarray(uuids(names.journal_id, entry))
    seq = commands["seq"][cause]
    return {
        "seq": pa.array(seq),
        "event_seq": pa.array(joined.events["seq"][order]),
        "command_seq": pa.array(joined.own["seq"][order]),
        "entry_seq": pa.array(entry, mask=entry == 0),
        "ts_ns": pa.array(ts_ns),
        "time": pa.array(ts_ns).cast(pa.timestamp("ns", "UTC")),
        "bound_ns": pa.array(bound_ns, mask=bound_ns == MAX_VALUE),
        "order_uuid": _masked(pa, binary, entry == 0),
        "latency_ns": pa.array(stamps.written_ts_ns[cause] - ts_ns),
        "run": pa.array((1 + np.searchsorted(names.runs_begin, seq)).astype(np.int16)),
    }


def _masked(pa: Any, binary: Array, mask: Array) -> Any:
    """A column of 16 bytes each, null where ``mask``."""
    bits = np.packbits(~mask, bitorder="little")
    nulls = int(mask.sum())
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(mask), [pa.py_buffer(bits), pa.py_buffer(binary)], nulls
    )


def texts_of(tokens: list[bytes]) -> Any:
    """Participants' names of orders as a column of text.  What is not printable text is stored as
    escapes: a journal may hold any bytes, and the trail of all others does not end at them."""
    pa = arrow()
    together = b"".join(tokens)
    if together.isascii() and together.decode("ascii").isprintable():
        return pa.array(tokens, pa.binary()).cast(pa.string())
    return pa.array(list(map(text_of, tokens)), pa.string())


def _what(joined: Joined, names: Names) -> dict[str, Any]:
    pa, order = arrow(), joined.order
    events = joined.events
    symbols = np.where(
        events["instrument"] == NO_INSTRUMENT, len(names.symbols), events["instrument"]
    )
    mine = _is_own(joined)
    named = mine & (joined.own_notes["token"] != b"")
    token = np.where(named, joined.own_notes["token"], joined.entry["token"])
    if token.any():
        texts = texts_of(token[order].tolist())
        texts = pa.compute.if_else(pa.compute.equal(texts, ""), None, texts)
    else:
        texts = pa.nulls(len(order), pa.string())
    return {
        "participant": pa.array(events["participant"][order]),
        "action": words(joined.action[order], ACTION_NAMES),
        "symbol": words(symbols[order], [*names.symbols, ""]),
        "order_id": pa.array(events["order_id"][order]),
        "client_order_id": texts,
        "side": words(events["side"][order], SIDES),
        "order_type": words(joined.entry["order_type"][order], TYPES),
        "time_in_force": words(
            joined.entry["time_in_force"][order] & (1 << SELF_TRADE_SHIFT) - 1, TIMES
        ),
        "self_trade": words(
            joined.entry["time_in_force"][order] >> SELF_TRADE_SHIFT & SELF_TRADE_MASK, SELF_TRADES
        ),
        "command": words(joined.own["kind"][order], COMMANDS),
    }


def _is_own(joined: Joined) -> Array:
    """Return whether the event's command is the order's own, and not that of its counterparty."""
    events, own = joined.events, joined.own
    same_order = events["order_id"] == own["order_id"]
    mine: Array = same_order & (events["participant"] == own["participant"])
    return mine


def _figures(joined: Joined) -> dict[str, Any]:
    pa, order = arrow(), joined.order
    events, own = joined.events, joined.own
    refused = events["kind"] == REJECTED
    # Of a reject by a limit the event has the limit's figures where others have the order's.
    price = np.where(refused, own["price_ticks"], events["price_ticks"])[order]
    qty = np.where(refused, own["qty_lots"], events["qty_lots"])[order]
    broken = events["kind"] == BROKEN
    leaves = np.where(refused | broken, 0, events["leaves_lots"])[order]
    fill, broken = (events["kind"] == FILLED)[order], broken[order]
    flags = events["flags"][order]
    maker = flags & EventFlag.MAKER != 0
    auction = flags & EventFlag.AUCTION != 0
    is_first = np.where(auction, events["side"][order] == Side.BUY, maker)
    match = np.where(broken, events["contra_id"][order], events["seq"][order] - ~is_first)
    no_aux = ~np.isin(own["kind"], WITH_AUX)[order]
    return {
        "price_ticks": pa.array(price),
        "qty_lots": pa.array(qty),
        "leaves_lots": pa.array(leaves),
        "aux": pa.array(own["aux"][order], mask=no_aux),
        "contra_order_id": pa.array(events["contra_id"][order], mask=~fill),
        "match": pa.array(match, mask=~(fill | broken)),
        "maker": pa.array(maker, mask=~(fill | broken)),
        "auction": pa.array(auction, mask=~(fill | broken)),
        "hidden": pa.array(flags & EventFlag.HIDDEN != 0),
        "kept_place": pa.array(flags & EventFlag.KEPT_PLACE != 0),
        "display_lots": pa.array(
            events["contra_id"][order], mask=fill | (flags & EventFlag.ICEBERG == 0)
        ),
        "waiting": pa.array(flags & EventFlag.WAITING != 0),
    }


def _how(joined: Joined, names: Names) -> dict[str, Any]:
    pa, order = arrow(), joined.order
    events, session_metadata, entry = joined.events, joined.own_notes, joined.entry
    reasons, reason_codes = _reasons(events)
    risks, risk_codes = _risk(joined, names.has_risk)
    mine = _is_own(joined)
    session = np.where(mine, session_metadata["session"], entry["session"])
    source = np.where(mine, session_metadata["source"], entry["source"])
    refusal = np.where(mine, session_metadata["refused"], 0)
    return {
        "reason": words(reason_codes[order], reasons),
        "risk_result": words(risk_codes[order], risks),
        "session_refusal": pa.array(refusal[order], mask=refusal[order] == 0),
        "session": words(session[order], names.sessions),
        "source_address": words(source[order], names.sources),
        "gateway": words(np.zeros(len(order), np.int32), [names.gateway]),
    }


def _reasons(events: Array) -> tuple[list[str], Array]:
    """The reason's name; of the gateway's verdict, which checks failed."""
    codes = np.where(events["reason"] == Reason.NONE, 0, events["reason"]).astype(np.int32)
    names = ["", *REASONS[1:]]
    rows = np.flatnonzero((events["reason"] == Reason.GATEWAY) & (events["kind"] == REJECTED))
    verdicts, place = np.unique(events["contra_id"][rows], return_inverse=True)
    codes[rows] = len(names) + place
    return [*names, *(f"GATEWAY {error_names(int(v))}" for v in verdicts)], codes


def _risk(joined: Joined, has_risk: bool) -> tuple[list[str], Array]:
    """PASSED, or what was refused with its figures; nothing where no check was asked."""
    events = joined.events
    codes = np.zeros(len(events), np.int32)
    if not has_risk:
        return [""], codes
    asks = np.isin(joined.own["kind"], [NEW, enum_numbers.COMMAND_KIND_REPLACE])
    codes[asks & np.isin(events["kind"], PASSED_KINDS)] = 1
    rows = np.flatnonzero((events["kind"] == REJECTED) & (events["reason"] == Reason.RISK))
    figures = np.stack([events[name][rows] for name in REFUSAL_FIELDS], axis=1)
    kinds, place = np.unique(figures, axis=0, return_inverse=True)
    codes[rows] = 2 + place.reshape(-1)
    return ["", "PASSED", *(f"REFUSED {refusal_text(*map(int, k))}" for k in kinds)], codes
