"""What a request over shared memory means, said plainly: the reference of
``order_entry/shm_in.py``."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.shm_layout import Request
from openoutcry.wire.enums import CommandKind, OrderType, SelfTrade, Side, TimeInForce

LINK = (
    *(Request.HEARTBEAT, Request.LOGOUT, Request.NAME, Request.LIST, Request.TERMS),
    *(Request.QUOTE, Request.QUOTE_CANCEL),
)
"""What is no command of one order."""
UNUSED: dict[Request, tuple[str, ...]] = {
    Request.ENTER: (),
    Request.REPLACE: ("side", "order_type"),
    Request.CANCEL: ("side", "order_type", "time_in_force", "price_ticks", "qty_lots"),
    Request.MASS_CANCEL: (
        *("names", "order_type", "time_in_force", "id", "id_high", "aux"),
        *("price_ticks", "qty_lots"),
    ),
}
"""Fields that must be 0 in each request, as the page's table has them."""


IN_TEXT = {
    Request.ENTER: {1: "id"},
    Request.REPLACE: {1: "id", 2: "orig_id"},
    Request.CANCEL: {1: "id", 2: "orig_id"},
    Request.LIST: {1: "id"},
}
"""Which names of a request may be text, by the bit of ``names``; each takes a further slot."""
Name = tuple[int, int, int] | tuple[bytes, int]
"""A name of numbers or in text, and whose it is."""


def texts_of(request: dict[str, int | bytes]) -> list[str]:
    """The names of a request that are text, in the order of its further slots."""
    bits = IN_TEXT.get(request["kind"], {})  # type: ignore[call-overload]
    return [name for bit, name in bits.items() if int(request["names"]) & bit]


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
    name: Name | None = None
    orig: Name | None = None


def meaning_of(
    request: dict[str, int | bytes], who: Who, slots: Sequence[bytes] = ()
) -> Meaning | None:
    """The meaning of a request of a known kind that is a command, else None.  ``slots``: its
    further ones, each without its sequence."""
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
    names: dict[str, Name | None] = {}
    for name, slot in zip(texts_of(request), slots, strict=True):
        text, _, rest = slot[8:44].partition(b"\0")
        is_name = bool(text) and all(32 < byte < 127 for byte in text) and not rest.strip(b"\0")
        names[name] = (text, named) if is_name else None
        if not is_name:
            refusals.append(Refusal.NAME)
        elif (slot[1:8] + slot[44:]).strip(b"\0") or request[name] or request[f"{name}_high"]:
            refusals.append(Refusal.UNUSED_FIELD)
    if kind != Request.MASS_CANCEL and "id" not in names:
        names["id"] = int(request["id"]), int(request["id_high"]), named
        if names["id"][:2] == (0, 0):
            names["id"] = None
            if kind != Request.CANCEL:
                refusals.append(Refusal.NAME)
    if kind in (Request.REPLACE, Request.CANCEL) and "orig_id" not in names:
        names["orig_id"] = int(request["orig_id"]), int(request["orig_id_high"]), named
    meaning.name, meaning.orig = names.get("id"), names.get("orig_id")
    if int(request["names"]) not in (0, *_sums(IN_TEXT.get(Request(kind), {}))):
        refusals.append(Refusal.UNUSED_FIELD)
    if any(request[name] for name in UNUSED[Request(kind)]):
        refusals.append(Refusal.UNUSED_FIELD)
    if not refusals:
        refusals += _terms(request, who, meaning)
    if refusals:
        meaning.refused = refusals[0]
    return meaning


def _sums(bits: dict[int, str]) -> range:
    return range(1, sum(bits) + 1)


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
