"""What a request over shared memory means, said plainly: the reference of
``order_entry/shm_in.py``."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.shm_layout import Request
from openoutcry.wire.enums import CommandKind, OrderType, SelfTrade, Side, TimeInForce

LINK = (Request.HEARTBEAT, Request.LOGOUT)
UNUSED = {
    Request.ENTER: ("reserved",),
    Request.REPLACE: ("reserved", "side", "order_type"),
    Request.CANCEL: (
        *("reserved", "side", "order_type", "time_in_force", "id", "id_high"),
        *("price_ticks", "qty_lots"),
    ),
    Request.MASS_CANCEL: (
        *("reserved", "order_type", "time_in_force", "id", "id_high", "aux"),
        *("price_ticks", "qty_lots"),
    ),
}
"""Fields that must be 0 in each request, as the page's table has them."""


@dataclass
class Who:
    """The session: its participant, the ranges that a broker acts for, its symbols and its mode of
    self-trade prevention."""

    participant: int
    symbols: Sequence[bytes]
    ranges: Sequence[tuple[int, int]] = ()
    self_trade: int = 0


@dataclass
class Meaning:
    """The order's fields that are not zero, and what its metadata say."""

    order: dict[str, int | bytes] = field(default_factory=dict)
    refused: int = 0
    owner: int = 0
    name: tuple[int, int, int] | None = None
    orig: tuple[int, int, int] | None = None


def meaning_of(request: dict[str, int | bytes], who: Who) -> Meaning | None:
    """The meaning of a request of a known kind that is a command, else None."""
    kind, named = request["kind"], int(request["participant"])
    if kind in LINK or kind not in set(Request):
        return None
    meaning = Meaning()
    refusals: list[Refusal] = []
    if who.ranges:
        if any(first <= named <= last for first, last in who.ranges):
            meaning.order["participant"] = named
        else:
            refusals.append(Refusal.PARTICIPANT)
    elif named not in (0, who.participant):
        refusals.append(Refusal.PARTICIPANT)
    else:
        named = who.participant
    meaning.owner = named
    if kind in (Request.ENTER, Request.REPLACE):
        meaning.name = int(request["id"]), int(request["id_high"]), named
        if meaning.name[:2] == (0, 0):
            refusals.append(Refusal.NAME)
    if kind in (Request.REPLACE, Request.CANCEL):
        meaning.orig = int(request["orig_id"]), int(request["orig_id_high"]), named
    if any(request[name] for name in UNUSED[Request(kind)]):
        refusals.append(Refusal.UNUSED_FIELD)
    if not refusals:
        refusals += _terms(request, who, meaning)
    if refusals:
        meaning.refused = refusals[0]
    return meaning


def _terms(request: dict[str, int | bytes], who: Who, meaning: Meaning) -> list[Refusal]:
    kind, side, order_type = request["kind"], int(request["side"]), int(request["order_type"])
    mode, tif = divmod(int(request["time_in_force"]), 16)
    order, has_mode = meaning.order, mode in set(SelfTrade)
    if kind == Request.CANCEL:
        order["kind"] = CommandKind.CANCEL
        return []
    if kind == Request.REPLACE:
        if tif not in (0, 1) or not has_mode:
            return [Refusal.UNSUPPORTED]
        order |= {"kind": CommandKind.REPLACE, "time_in_force": mode << 4 | tif}
        order |= {name: request[name] for name in ("price_ticks", "qty_lots")}
        if tif:
            order["aux"], order["qty_lots"] = divmod(int(request["qty_lots"]), 1 << 32)
        return []
    if kind == Request.MASS_CANCEL:
        if side not in (0, *Side):
            return [Refusal.UNSUPPORTED]
        if request["symbol"] not in (b"", *who.symbols):
            return [Refusal.UNKNOWN_SYMBOL]
        order |= {"kind": CommandKind.MASS_CANCEL, "side": side, "symbol": request["symbol"]}
        return []
    if request["symbol"] not in who.symbols:
        return [Refusal.UNKNOWN_SYMBOL]
    order["symbol"] = request["symbol"]
    known = side in set(Side) and order_type in set(OrderType) and tif in set(TimeInForce)
    if not known or not has_mode:
        return [Refusal.UNSUPPORTED]
    order |= {"kind": CommandKind.NEW, "side": side, "order_type": order_type}
    order["time_in_force"] = tif | (mode or who.self_trade) << 4
    order |= {name: request[name] for name in ("price_ticks", "qty_lots", "aux")}
    return []
