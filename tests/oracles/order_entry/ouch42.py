"""OUCH 4.2 in plain Python: the same as ouch42_in.py and ouch42_out.py, read from the specification
a second time."""

from typing import Any

from openoutcry.order_entry import risk_reasons
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.ouch import WORDS, Refusal
from openoutcry.order_entry.rows import DONE, SENT
from openoutcry.wire.enums import (
    OPEN_KNOWN,
    CommandKind,
    ErrorBit,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.words import REASONS, RULES
from tests.oracles.order_entry.world import Row, World, new_metadata, new_order, reduce_or_modify

ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ")
MARKET_PRICES = (0x7FFFFFFF, 0x77359400)
MAX_PRICE = 1_999_999_900
DISPLAYS = {
    "Y": OrderType.LIMIT,
    "A": OrderType.LIMIT,
    "Z": OrderType.LIMIT,
    "N": OrderType.HIDDEN,
    "n": OrderType.HIDDEN,
    "P": OrderType.POST_ONLY_SLIDE,
    "L": OrderType.POST_ONLY_SLIDE,
    "M": OrderType.PEG_MIDPOINT,
    "m": OrderType.PEG_MIDPOINT,
}
SHOWN = {"Y", "A", "Z"}
OWN = ("firm", "display", "capacity", "iso", "cross", "customer", "side")


class Refused(Exception):
    def __init__(self, code: Refusal) -> None:
        self.code = code


def demand(holds: bool, code: Refusal) -> None:
    if not holds:
        raise Refused(code)


def own_bytes(fields: dict[str, Any]) -> bytes:
    """The 24 bytes of metadata that are the protocol's."""
    text = "".join(fields.get(name, "\0" * (4 if name == "firm" else 1)) for name in OWN)
    numbers = (fields.get("time_in_force", 0), fields.get("min_qty", 0), fields.get("shares", 0))
    return text.encode("latin-1") + bytes(2) + b"".join(n.to_bytes(4, "little") for n in numbers)


def own_fields(own: bytes) -> dict[str, Any]:
    """And back."""
    text = own.decode("latin-1")
    numbers = [int.from_bytes(own[k : k + 4], "little") for k in (12, 16, 20)]
    letters = dict(zip(OWN[1:], text[4:10], strict=True))
    return letters | {
        "firm": text[:4],
        "time_in_force": numbers[0],
        "min_qty": numbers[1],
        "shares": numbers[2],
    }


def classify(packet: bytes) -> int:
    """What a whole packet is, as soupbin.classify."""
    kind, data = chr(packet[2]), packet[3:]
    if kind == "U":
        return Kind.APPLICATION if data else Fault.BAD_LENGTH
    if kind == "+":
        return Kind.DEBUG
    if kind == "L":
        return Kind.LOGIN if len(data) in (46, 51) else Fault.BAD_LENGTH
    if kind not in "RO":
        return Fault.UNKNOWN_TYPE
    if data:
        return Fault.BAD_LENGTH
    return Kind.HEARTBEAT if kind == "R" else Kind.LOGOUT


def decode(packet: bytes, world: World) -> tuple[int, Any, Any]:
    """The result, the order record and the metadata; these two are None unless it is
    APPLICATION."""
    what = classify(packet)
    if what != Kind.APPLICATION:
        return what, None, None
    data = packet[3:]
    kind = chr(data[0])
    message = next((m for m in OUCH42.client if m.kind == kind), None)
    if message is None:
        return Fault.UNKNOWN_TYPE, None, None
    if len(data) != message.size_bytes:
        return Fault.BAD_LENGTH, None, None
    fields = message.unpack(data)
    order, metadata = new_order(world), new_metadata(world, 1, kind)
    read = {"O": enter, "U": replace, "X": cancel, "M": cancel}[kind]
    try:
        read(fields, world, order, metadata)
    except Refused as refused:
        order["kind"] = order["side"] = order["order_type"] = order["time_in_force"] = 0
        metadata["refused"] = refused.code
        if kind == "O" and not is_text(fields["symbol"]):
            order["symbol"] = b""
    return Kind.APPLICATION, order, metadata


def token_of(text: str) -> bytes:
    return text.encode("latin-1").ljust(40, b"\0")


def check_token(token: str) -> None:
    demand(set(token) <= ALPHANUMERIC and token.strip() != "", Refusal.TOKEN)


def is_text(*texts: str) -> bool:
    return all(" " <= letter <= "~" for text in texts for letter in text)


def check_text(*texts: str) -> None:
    demand(is_text(*texts), Refusal.TOKEN)


def enter(fields: dict[str, Any], world: World, order: Any, metadata: Any) -> None:
    metadata["token"], metadata["token_bytes"] = token_of(fields["token"]), 14
    metadata["own"] = own_bytes(fields)
    symbol = fields["symbol"].rstrip(" ").encode("latin-1")
    order["symbol"], order["qty_lots"] = symbol, fields["shares"]
    check_token(fields["token"])
    check_text(fields["firm"])
    demand(fields["side"] in "BSTE", Refusal.SIDE)
    demand(fields["shares"] > 0, Refusal.QTY)
    scale = world.scale(symbol)
    demand(scale > 0, Refusal.SYMBOL)
    market = fields["price"] in MARKET_PRICES
    if not market:
        demand(0 < fields["price"] <= MAX_PRICE, Refusal.PRICE)
        demand(fields["price"] % scale == 0, Refusal.PRICE)
        order["price_ticks"] = fields["price"] // scale
    tif = time_in_force(fields, world, order)
    order_type = type_of(fields["display"], tif, market)
    demand(fields["capacity"] in "APRO", Refusal.CAPACITY)
    demand(fields["iso"] in "YN", Refusal.ISO)
    minimum = fields["min_qty"]
    if market:
        demand(minimum == 0, Refusal.MIN_QTY)
        demand(tif != TimeInForce.GTD, Refusal.TIME_IN_FORCE)
        order_type = OrderType.MARKET
    elif minimum:
        plain = order_type == OrderType.LIMIT and tif != TimeInForce.GTD
        demand(plain and minimum <= fields["shares"], Refusal.MIN_QTY)
        order_type = OrderType.MIN_QTY
        order["aux"] = minimum
    if fields["cross"] != "N":
        demand(fields["cross"] in "OC", Refusal.CROSS)
        demand(order_type in (OrderType.LIMIT, OrderType.MARKET), Refusal.CROSS)
        demand(tif != TimeInForce.GTD, Refusal.CROSS)
        tif = TimeInForce.AT_OPEN if fields["cross"] == "O" else TimeInForce.AT_CLOSE
    demand(fields["customer"] in "RN ", Refusal.CUSTOMER)
    order["kind"], order["order_type"] = CommandKind.NEW, order_type
    order["side"] = Side.BUY if fields["side"] == "B" else Side.SELL
    order["time_in_force"] = tif | world.self_trade << 4


def time_in_force(fields: dict[str, Any], world: World, order: Any) -> TimeInForce:
    seconds = fields["time_in_force"]
    if seconds == 0:
        return TimeInForce.IOC
    if seconds in (99_998, 99_999):
        return TimeInForce.DAY
    demand(seconds < 86_400, Refusal.TIME_IN_FORCE)
    order["aux"] = world.rx_ts_ns + seconds * 1_000_000_000
    return TimeInForce.GTD


def type_of(display: str, tif: TimeInForce, market: bool) -> OrderType:
    demand(display in DISPLAYS, Refusal.DISPLAY)
    order_type = DISPLAYS[display]
    if order_type == OrderType.HIDDEN and tif == TimeInForce.IOC:
        order_type = OrderType.LIMIT
    if order_type in (OrderType.POST_ONLY_SLIDE, OrderType.PEG_MIDPOINT):
        demand(not market and tif != TimeInForce.IOC, Refusal.DISPLAY)
    if order_type == OrderType.PEG_MIDPOINT:
        demand(tif != TimeInForce.GTD, Refusal.TIME_IN_FORCE)
    return order_type


def replace(fields: dict[str, Any], world: World, order: Any, metadata: Any) -> None:
    metadata["orig"], metadata["orig_bytes"] = token_of(fields["token"]), 14
    metadata["token"], metadata["token_bytes"] = token_of(fields["new_token"]), 14
    names = ("display", "iso", "time_in_force", "min_qty", "shares")
    metadata["own"] = own_bytes({name: fields[name] for name in names})
    order["qty_lots"], order["price_ticks"] = fields["shares"], fields["price"]
    check_token(fields["new_token"])
    demand(fields["shares"] > 0, Refusal.QTY)
    demand(0 < fields["price"] <= MAX_PRICE, Refusal.PRICE)
    demand(fields["iso"] in "YN", Refusal.ISO)
    demand(fields["min_qty"] == 0, Refusal.MIN_QTY)


def cancel(fields: dict[str, Any], world: World, order: Any, metadata: Any) -> None:
    metadata["orig"], metadata["orig_bytes"] = token_of(fields["token"]), 14
    metadata["own"] = own_bytes(
        {name: fields[name] for name in ("side", "shares") if name in fields}
    )
    demand(fields.get("side", "B") in "BSTE", Refusal.SIDE)


def complete(order: Any, metadata: Any, row: Row | None, world: World) -> int:
    """Finish U, X and M, in place; APPLICATION or IGNORE."""
    if row is None or row.record["state"] == DONE:
        return Kind.IGNORE
    record, sizes = row.record, row.sizes
    order["order_id"], order["symbol"] = record["order_id"], record["symbol"]
    old = own_fields(record["own"].tobytes())
    new = own_fields(metadata["own"].tobytes())
    sent = record["state"] == SENT
    size = (old["shares"] if sent else int(record["qty_lots"])) - sizes.reduced - sizes.unasked
    if chr(metadata["message"]) == "U":
        executed = old["shares"] - int(record["qty_lots"]) if sent else int(record["cum_lots"])
        known = max(size - executed, 0)
        return complete_replace(order, metadata, record, old, new, executed, known, world)
    return reduce_or_modify(order, metadata, record, old, new, "shares", size)


def complete_replace(
    order: Any,
    metadata: Any,
    record: Any,
    old: dict[str, Any],
    new: dict[str, Any],
    executed: int,
    known: int,
    world: World,
) -> int:
    kept = {name: old[name] for name in ("firm", "capacity", "cross", "customer", "side")}
    metadata["own"] = own_bytes(new | kept)
    liable = new["shares"]
    try:
        if metadata["refused"]:
            raise Refused(Refusal(int(metadata["refused"])))
        demand(record["order_type"] != OrderType.MARKET, Refusal.REPLACE)
        same_display = new["display"] == old["display"] or {new["display"], old["display"]} <= SHOWN
        demand(same_display, Refusal.DISPLAY)
        days = {new["time_in_force"], old["time_in_force"]} <= {99_998, 99_999}
        demand(new["time_in_force"] == old["time_in_force"] or days, Refusal.TIME_IN_FORCE)
        scale, price = world.scale(record["symbol"].item()), int(order["price_ticks"])
        demand(scale > 0 and price % scale == 0, Refusal.PRICE)
        order["price_ticks"] = price // scale
        demand(liable > executed, Refusal.QTY)
        possible = world.is_possible(record["symbol"].item(), price // scale, liable - executed)
        demand(possible, Refusal.QTY)
        order["kind"], metadata["refused"] = CommandKind.REPLACE, 0
        order["time_in_force"] = world.self_trade << 4 | OPEN_KNOWN
        order["aux"] = known
    except Refused as refused:
        gone = refused.code in (Refusal.QTY, Refusal.PRICE)
        order["kind"] = CommandKind.CANCEL if gone else 0
        metadata["refused"] = 0 if gone else refused.code
    order["qty_lots"] = max(liable - executed, 0)
    return Kind.APPLICATION


def say(kind: str, world: World, token: bytes, **fields: Any) -> bytes:
    message = OUCH42.from_server(kind)
    return message.pack(timestamp=world.timestamp, token=token[:14], **fields)


def u32(lots: int) -> int:
    return min(max(int(lots), 0), 2**32 - 1)


def encode(event: Any, row: Row, metadata: Any, world: World) -> bytes:
    """What the event is to its session; changes the row's sizes and reference."""
    kind = EventKind(int(event["kind"]))
    token = row.record["token"].tobytes()
    if kind == EventKind.REJECTED:
        return rejected(event, row, metadata, world)
    if kind == EventKind.ACCEPTED:
        row.sizes.reference = int(event["seq"])
        return say("A", world, token, **standing(event, row, world, u32(event["qty_lots"])))
    if kind == EventKind.REPLACED:
        if metadata is None:
            return b""
        if not (event["flags"] & EventFlag.KEPT_PLACE and row.sizes.reference):
            row.sizes.reference = int(event["seq"])
        fields = standing(event, row, world, u32(event["leaves_lots"]))
        return say("U", world, token, previous_token=metadata["orig"].tobytes()[:14], **fields)
    if kind == EventKind.FILLED:
        return say(
            "E",
            world,
            token,
            shares=u32(event["qty_lots"]),
            price=world.price(event),
            liquidity=liquidity(event, row),
            match=match_number(event),
        )
    if kind in (EventKind.CANCELLED, EventKind.REDUCED, EventKind.EXPIRED):
        return canceled(event, row, metadata, world)
    if kind == EventKind.BROKEN:
        return say("B", world, token, match=int(event["contra_id"]), reason=b"S")
    if kind in (EventKind.REPEGGED, EventKind.REFRESHED, EventKind.CONVERTED):
        if event["flags"] & EventFlag.WAITING:
            return b""
        row.sizes.reference = int(event["seq"])
        display = own_fields(row.record["own"].tobytes())["display"]
        return say(
            "T",
            world,
            token,
            price=world.price(event),
            display=display.encode("latin-1"),
            reference=int(event["seq"]),
        )
    return b""


def standing(event: Any, row: Row, world: World, shares: int) -> dict[str, Any]:
    """The fields of Accepted and Replaced."""
    own = own_fields(row.record["own"].tobytes())
    names = ("side", "firm", "display", "capacity", "iso", "cross")
    text = {name: own[name].encode("latin-1") for name in names}
    market = row.record["order_type"] == OrderType.MARKET
    return text | {
        "shares": shares,
        "symbol": row.record["symbol"].item(),
        "state": "L",
        "bbo_weight": " ",
        "price": MARKET_PRICES[0] if market else world.price(event),
        "time_in_force": own["time_in_force"],
        "min_qty": own["min_qty"],
        "reference": row.sizes.reference,
    }


def match_number(event: Any) -> int:
    if event["flags"] & EventFlag.AUCTION:
        first = event["side"] == Side.BUY
    else:
        first = bool(event["flags"] & EventFlag.MAKER)
    return int(event["seq"]) - (0 if first else 1)


def liquidity(event: Any, row: Row) -> str:
    if event["flags"] & EventFlag.AUCTION:
        crosses = {TimeInForce.AT_OPEN: "O", TimeInForce.AT_CLOSE: "C"}
        return crosses.get(int(row.record["time_in_force"]) & 15, "H")  # type: ignore[call-overload,no-any-return]
    if not event["flags"] & EventFlag.MAKER:
        return "R"
    if row.record["order_type"] == OrderType.PEG_MIDPOINT:
        return "k"
    dark = event["flags"] & EventFlag.HIDDEN or row.record["order_type"] == OrderType.HIDDEN
    return "J" if dark else "A"


def canceled(event: Any, row: Row, metadata: Any, world: World) -> bytes:
    token, gone = row.record["token"].tobytes(), u32(event["qty_lots"])
    reason = Reason(int(event["reason"]))
    if event["leaves_lots"] != 0:
        name = "unasked" if reason == Reason.SELF_TRADE else "confirmed"
        setattr(row.sizes, name, getattr(row.sizes, name) + int(event["qty_lots"]))
    if reason == Reason.SELF_TRADE:
        number = int(event["order_id"]) & ((1 << 62) - 1)
        taker = metadata is not None and int(metadata["row"]) == number
        return say(
            "D",
            world,
            token,
            shares=gone,
            reason="Q",
            prevented=gone,
            price=world.price(event),
            liquidity="R" if taker else "A",
        )
    message = None if metadata is None else chr(metadata["message"])
    if event["kind"] == EventKind.REDUCED and message == "M":
        side = own_fields(metadata["own"].tobytes())["side"]
        return say("M", world, token, side=side, shares=u32(event["leaves_lots"]))
    letter = REASONS.say("OUCH cancel", reason)
    if message is not None and reason in (Reason.NONE, Reason.USER, Reason.MASS_CANCEL):
        letter = "Z" if message == "\0" else "U"
    return say("C", world, token, shares=gone, reason=letter)


def rejected(event: Any, row: Row | None, metadata: Any, world: World) -> bytes:
    message = "" if metadata is None else chr(metadata["message"])
    reason = Reason(int(event["reason"]))
    if message == "O" or (message == "U" and reason != Reason.UNKNOWN_ORDER):
        letter = REASONS.say("OUCH 4.2", reason)
        if reason == Reason.GATEWAY:
            bits = [bit for bit in ErrorBit if int(event["contra_id"]) >> bit & 1]
            letter = RULES.say("OUCH 4.2", bits[0]) if bits else "O"
        elif reason == Reason.RISK:
            letter = risk_reasons.letter(int(event["contra_id"]))
        return say("J", world, metadata["token"].tobytes(), reason=letter)
    if message not in ("X", "M") or reason == Reason.UNKNOWN_ORDER:
        return b""
    if row is not None:
        row.sizes.returned += int(event["qty_lots"])
    return say("I", world, metadata["orig"].tobytes())


def refuse(metadata: Any, order: Any, world: World, record: Any = None) -> bytes:
    """The answer to a command that did not reach the core; ``record``: of the open order that it
    names."""
    message, code = chr(metadata["message"]), int(metadata["refused"])
    if message in ("O", "U"):
        letters = {int(k): letter for k, letter in WORDS.column("OUCH 4.2").items()}
        return say("J", world, metadata["token"].tobytes(), reason=letters.get(code, "O"))
    if message not in ("X", "M"):
        return b""
    if message == "M" and code == Refusal.MODIFIED:
        side = own_fields(metadata["own"].tobytes())["side"]
        if record is None:
            return b""
        shares = u32(record["leaves_lots"])
        return say("M", world, metadata["orig"].tobytes(), side=side, shares=shares)
    return say("I", world, metadata["orig"].tobytes())
