"""OUCH 5.0 in plain Python: the same as ouch50_in.py and ouch50_out.py, read from the specification
a second time."""

from typing import Any

from openoutcry.order_entry import faults, ouch, risk_reasons
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.ouch import Refusal
from openoutcry.order_entry.ouch50_out import OTHER
from openoutcry.order_entry.rows import DONE, SENT
from openoutcry.wire.enums import (
    AUX_HALVES,
    OPEN_KNOWN,
    CommandKind,
    ErrorBit,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.messages import OPTIONS50, OUCH50
from openoutcry.wire.words import REASONS, RULES, SELF_TRADE, number
from tests.oracles.order_entry import ouch42
from tests.oracles.order_entry.ouch42 import (
    MARKET_PRICES,
    MAX_PRICE,
    SHOWN,
    check_text,
    demand,
    u32,
)
from tests.oracles.order_entry.world import Row, World, new_metadata, new_order, reduce_or_modify

NO_INDEX = bytes([2, 28, 0])
"""UserRefIdx of 0, the option that says nothing."""
BY_TAG = {option.tag: option for option in OPTIONS50}
PEGS = {
    "M": OrderType.PEG_MIDPOINT,
    "m": OrderType.PEG_MIDPOINT,
    "R": OrderType.PEG_PRIMARY,
    "P": OrderType.PEG_MARKET,
}
REFUSED_OPTIONS = (
    "discretion_price",
    "discretion_price_type",
    "discretion_peg_offset",
    "random_reserves",
)
OWN = ("clordid", "display", "capacity", "iso", "side", "time_in_force", "cross")
WIDTHS = (14, 1, 1, 1, 1, 1, 1)


def own_bytes(fields: dict[str, Any]) -> bytes:
    text = "".join(fields.get(n, "\0" * w) for n, w in zip(OWN, WIDTHS, strict=True))
    return text.encode("latin-1") + int(fields.get("quantity", 0)).to_bytes(4, "little")


def own_fields(own: bytes) -> dict[str, Any]:
    text = own.decode("latin-1")
    letters = dict(zip(OWN[1:], text[14:20], strict=True))
    return letters | {"clordid": text[:14], "quantity": int.from_bytes(own[20:24], "little")}


def name(user_ref: int) -> bytes:
    return user_ref.to_bytes(4, "little").ljust(40, b"\0")


def read_options(data: bytes, replacing: bool) -> tuple[dict[str, Any], bool]:
    """The options that came before the first that is malformed, and whether none is."""
    options: dict[str, Any] = {}
    at = 0
    while at < len(data):
        size = data[at]
        if size < 2 or at + 1 + size > len(data):
            return options, False
        option, value = BY_TAG.get(data[at + 1]), data[at + 2 : at + 1 + size]
        if option is None or not (option.replaces if replacing else option.enters):
            return options, False
        if option.field.name in options or len(value) != option.field.size_bytes:
            return options, False
        if option.field.name == "firm" and not all(32 <= byte <= 126 for byte in value):
            return options, False
        text = option.field.size > 0
        signed = option.field.ctype == "i32"
        options[option.field.name] = (
            value.decode("latin-1") if text else int.from_bytes(value, "big", signed=signed)
        )
        at += 1 + size
    return options, True


def has_options(tail: bytes) -> bool:
    """Whether a message that has no option but an index of 0 has another, or a malformed one."""
    return tail[2:] not in (b"", NO_INDEX)


def unsupported(options: dict[str, Any]) -> Refusal:
    """Return why the last of the unsupported options is refused."""
    refusal = Refusal.NONE
    for key, value in options.items():
        if key == "route":
            refusal = Refusal.ROUTE
        elif key == "handle_inst" and value != " ":
            refusal = Refusal.RETAIL if value in "OTQ" else Refusal.CROSS
        elif (
            (key == "trade_now" and value not in "N ")
            or key in (*REFUSED_OPTIONS, "side")
            or (key == "user_ref_index" and value)
        ):
            refusal = Refusal.OPTION
    return refusal


def option_bytes(options: dict[str, Any]) -> bytes:
    """A new order's options as its metadata keeps them."""
    letters = "".join(options.get(n, "\0") for n in ("customer", "price_type", "post_only"))
    numbers = (options.get(n, 0) for n in ("expire_time", "min_qty", "max_floor", "peg_offset"))
    return (
        letters.encode("latin-1")
        + bytes([unsupported(options)])
        + b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)
        + options.get("firm", "\0\0\0\0").encode("latin-1")
    )


def decode(packet: bytes, world: World) -> tuple[int, Any, Any, dict[str, Any]]:
    """The result, the record, the metadata, and the options (of a replace only complete needs
    them)."""
    what = ouch42.classify(packet)
    if what != Kind.APPLICATION:
        return what, None, None, {}
    data = packet[3:]
    kind = chr(data[0])
    message = next((m for m in OUCH50.client if m.kind == kind), None)
    if message is None:
        return Fault.UNKNOWN_TYPE, None, None, {}
    size, counted = message.size_bytes, kind in "OU"
    tail = data[size:]
    if len(data) < size:
        return Fault.BAD_LENGTH, None, None, {}
    fields = message.unpack(data)
    if counted:
        if len(tail) != fields["appendage_bytes"]:
            return Fault.BAD_LENGTH, None, None, {}
    elif tail and (len(tail) < 2 or len(tail) != 2 + int.from_bytes(tail[:2], "big")):
        return Fault.BAD_LENGTH, None, None, {}
    order, metadata = new_order(world), new_metadata(world, 2, kind)
    if kind in "OUCDE" and fields["user_ref"] <= world.last_user_ref:
        return Kind.IGNORE, None, None, {}
    if kind in "OCDE":
        world.last_user_ref = fields["user_ref"]
    options, whole = read_options(tail, kind == "U") if counted else ({}, not has_options(tail))
    try:
        read = {"O": enter, "U": replace, "X": cancel, "M": cancel}.get(kind, other)
        read(fields, options, whole, world, order, metadata)
    except ouch42.Refused as refused:
        order["kind"] = order["side"] = order["order_type"] = order["time_in_force"] = 0
        metadata["refused"] = refused.code
        if kind == "O" and not ouch42.is_text(fields["symbol"]):
            order["symbol"] = b""
    return Kind.APPLICATION, order, metadata, options


def enter(
    fields: dict[str, Any],
    options: dict[str, Any],
    whole: bool,
    world: World,
    order: Any,
    metadata: Any,
) -> None:
    metadata["token"], metadata["token_bytes"] = name(fields["user_ref"]), 4
    metadata["client_seq"], metadata["own"] = fields["user_ref"], own_bytes(fields)
    metadata["orig"] = bytes(8) + option_bytes(options).ljust(32, b"\0")
    symbol = fields["symbol"].rstrip(" ").encode("latin-1")
    order["symbol"], order["qty_lots"] = symbol, fields["quantity"]
    demand(not world.disabled, Refusal.DISABLED)
    check_text(fields["clordid"])
    demand(whole, Refusal.OPTION)
    demand(fields["side"] in "BSTE", Refusal.SIDE)
    demand(fields["quantity"] > 0, Refusal.QTY)
    scale = world.scale(symbol)
    demand(scale > 0, Refusal.SYMBOL)
    market = fields["price"] in MARKET_PRICES
    if not market:
        demand(0 < fields["price"] <= MAX_PRICE, Refusal.PRICE)
        demand(fields["price"] % scale == 0, Refusal.PRICE)
        order["price_ticks"] = fields["price"] // scale
    tifs = {"0": TimeInForce.DAY, "5": TimeInForce.DAY, "3": TimeInForce.IOC, "6": TimeInForce.GTD}
    expire = options.get("expire_time", 0)
    demand(fields["time_in_force"] in tifs, Refusal.TIME_IN_FORCE)
    tif = tifs[fields["time_in_force"]]
    good = 0 < expire < 86_400 if tif == TimeInForce.GTD else expire == 0
    demand(good, Refusal.TIME_IN_FORCE)
    if tif == TimeInForce.GTD:
        order["aux"] = world.rx_ts_ns + expire * 1_000_000_000
    demand(fields["display"] in SHOWN | {"N"}, Refusal.DISPLAY)
    demand(fields["capacity"] in "APRO", Refusal.CAPACITY)
    demand(fields["iso"] in "YN", Refusal.ISO)
    demand(unsupported(options) == 0, unsupported(options))
    demand(options.get("customer", " ") in "RN \0", Refusal.CUSTOMER)
    order_type = OrderType.LIMIT
    if market:
        order_type = OrderType.MARKET
    elif fields["display"] == "N" and tif != TimeInForce.IOC:
        order_type = OrderType.HIDDEN
    order_type = option_type(options, order_type, tif, fields["quantity"], scale, order)
    if fields["cross"] != "N":
        demand(fields["cross"] in "OC" and tif != TimeInForce.GTD, Refusal.CROSS)
        demand(order_type in (OrderType.LIMIT, OrderType.MARKET), Refusal.CROSS)
        tif = TimeInForce.AT_OPEN if fields["cross"] == "O" else TimeInForce.AT_CLOSE
    order["kind"], order["order_type"] = CommandKind.NEW, order_type
    order["side"] = Side.BUY if fields["side"] == "B" else Side.SELL
    order["time_in_force"] = tif | world.self_trade << 4


def option_type(
    options: dict[str, Any],
    plain: OrderType,
    tif: TimeInForce,
    quantity: int,
    scale: int,
    order: Any,
) -> OrderType:
    price_type, post_only = options.get("price_type", "\0"), options.get("post_only", "\0")
    minimum, floor = options.get("min_qty", 0), options.get("max_floor", 0)
    offset = options.get("peg_offset", 0)
    demand(post_only in "NP\0", Refusal.POST_ONLY)
    if price_type in "L\0":
        demand(offset == 0, Refusal.PEG)
    else:
        demand(price_type in PEGS, Refusal.PEG)
        alone = post_only != "P" and minimum == 0 and floor == 0
        demand(plain != OrderType.MARKET and tif == TimeInForce.DAY and alone, Refusal.PEG)
        demand(offset % scale == 0, Refusal.PEG)
        order["aux"] = offset // scale
        return PEGS[price_type]
    limit = plain == OrderType.LIMIT
    if post_only == "P":
        alone = minimum == 0 and floor == 0
        demand(limit and tif != TimeInForce.IOC and alone, Refusal.POST_ONLY)
        return OrderType.POST_ONLY_SLIDE
    if minimum:
        fits = minimum <= quantity and floor == 0
        demand(limit and tif != TimeInForce.GTD and fits, Refusal.MIN_QTY)
        order["aux"] = minimum
        return OrderType.MIN_QTY
    if floor:
        demand(limit and tif == TimeInForce.DAY and floor < quantity, Refusal.MAX_FLOOR)
        order["aux"] = floor
        return OrderType.ICEBERG
    return plain


def replace(
    fields: dict[str, Any],
    options: dict[str, Any],
    whole: bool,
    world: World,
    order: Any,
    metadata: Any,
) -> None:
    metadata["orig"], metadata["orig_bytes"] = name(fields["orig_user_ref"]), 4
    metadata["token"], metadata["token_bytes"] = name(fields["user_ref"]), 4
    if fields["orig_user_ref"] == 0:
        metadata["orig_bytes"] = 0
    metadata["client_seq"] = fields["user_ref"]
    kept = ("clordid", "display", "iso", "time_in_force", "quantity")
    metadata["own"] = own_bytes({key: fields[key] for key in kept})
    order["qty_lots"], order["price_ticks"] = fields["quantity"], min(fields["price"], 2**63 - 1)
    demand(not world.disabled, Refusal.DISABLED)
    check_text(fields["clordid"])
    demand(whole, Refusal.OPTION)
    demand(fields["quantity"] > 0, Refusal.QTY)
    demand(0 < fields["price"] <= MAX_PRICE, Refusal.PRICE)
    demand(fields["iso"] in "YN", Refusal.ISO)
    demand(options.get("min_qty", 0) == 0, Refusal.MIN_QTY)
    demand(options.get("expire_time", 0) == 0, Refusal.TIME_IN_FORCE)
    demand(unsupported(options) == 0, unsupported(options))


def cancel(
    fields: dict[str, Any],
    options: dict[str, Any],
    whole: bool,
    world: World,
    order: Any,
    metadata: Any,
) -> None:
    metadata["orig"], metadata["orig_bytes"] = (
        name(fields["user_ref"]),
        4 if fields["user_ref"] else 0,
    )
    metadata["own"] = own_bytes({key: fields[key] for key in ("side", "quantity") if key in fields})
    demand(fields.get("side", "B") in "BSTE", Refusal.SIDE)
    demand(whole, Refusal.OPTION)


def other(
    fields: dict[str, Any],
    options: dict[str, Any],
    whole: bool,
    world: World,
    order: Any,
    metadata: Any,
) -> None:
    kind = chr(metadata["message"])
    if kind == "Q":
        metadata["client_seq"] = world.last_user_ref + 1
        demand(False, Refusal.QUERIED)
    metadata["client_seq"], metadata["token_bytes"] = fields["user_ref"], 4
    firm, symbol = fields["firm"].encode("latin-1"), fields.get("symbol", "").encode("latin-1")
    is_text = all(32 <= byte <= 126 for byte in firm)
    metadata["orig"] = bytes(28) + (firm if is_text else b"    ") + symbol.ljust(8, b"\0")
    demand(whole, Refusal.OPTION)
    if kind in "DE":
        world.disabled = kind == "D"
        demand(False, Refusal.DISABLE if world.disabled else Refusal.ENABLE)
    name_only = symbol.rstrip(b" ")
    check_text(fields["firm"], fields["symbol"])
    demand(name_only == b"" or world.scale(name_only) > 0, Refusal.SYMBOL)
    order["symbol"], order["kind"] = name_only, CommandKind.MASS_CANCEL


def complete(
    order: Any, metadata: Any, row: Row | None, world: World, options: dict[str, Any]
) -> int:
    """Finish U, X and M, in place; APPLICATION or IGNORE."""
    if row is None or row.record["state"] == DONE:
        return Kind.IGNORE
    record, sizes = row.record, row.sizes
    order["order_id"], order["symbol"] = record["order_id"], record["symbol"]
    old, new = own_fields(record["own"].tobytes()), own_fields(metadata["own"].tobytes())
    sent, qty = record["state"] == SENT, int(record["qty_lots"])
    size = (old["quantity"] if sent else qty) - sizes.reduced - sizes.unasked
    if chr(metadata["message"]) == "U":
        world.last_user_ref = int(metadata["client_seq"])
        executed = old["quantity"] - qty if sent else int(record["cum_lots"])
        known = max(size - executed, 0)
        return complete_replace(
            order, metadata, record, old, new, (executed, known), world, options
        )
    return reduce_or_modify(order, metadata, record, old, new, "quantity", size)


def complete_replace(
    order: Any,
    metadata: Any,
    record: Any,
    old: dict[str, Any],
    new: dict[str, Any],
    quantities: tuple[int, int],
    world: World,
    options: dict[str, Any],
) -> int:
    """``quantities``: what is executed and what is open, as far as is known."""
    executed, known = quantities
    metadata["own"] = own_bytes(new | {key: old[key] for key in ("capacity", "cross", "side")})
    liable, order_type = new["quantity"], OrderType(int(record["order_type"]))
    scale, price = world.scale(record["symbol"].item()), int(order["price_ticks"])
    try:
        if metadata["refused"]:
            raise ouch42.Refused(Refusal(int(metadata["refused"])))
        aux = replace_aux(options, old, new, record, order_type, scale)
        demand(scale > 0 and price % scale == 0, Refusal.PRICE)
        order["price_ticks"] = price // scale
        demand(liable > executed, Refusal.QTY)
        possible = world.is_possible(record["symbol"].item(), price // scale, liable - executed)
        demand(possible, Refusal.QTY)
        tif = world.self_trade << 4 | OPEN_KNOWN
        if aux != record["aux"]:
            demand(-(2**31) <= aux < 2**31 and known < 2**32, Refusal.REPLACE)
            tif, known = tif | AUX_HALVES, aux << 32 | known
        order["kind"], metadata["refused"], order["aux"] = CommandKind.REPLACE, 0, known
        order["time_in_force"] = tif
    except ouch42.Refused as refused:
        gone = refused.code in (Refusal.QTY, Refusal.PRICE)
        order["kind"] = CommandKind.CANCEL if gone else 0
        metadata["refused"] = 0 if gone else refused.code
    order["qty_lots"] = max(liable - executed, 0)
    return Kind.APPLICATION


def replace_aux(
    options: dict[str, Any],
    old: dict[str, Any],
    new: dict[str, Any],
    record: Any,
    order_type: OrderType,
    scale: int,
) -> int:
    demand(order_type != OrderType.MARKET, Refusal.REPLACE)
    shown = {new["display"], old["display"]} <= SHOWN
    demand(new["display"] == old["display"] or shown, Refusal.DISPLAY)
    days = {new["time_in_force"], old["time_in_force"]} <= {"0", "5"}
    demand(new["time_in_force"] == old["time_in_force"] or days, Refusal.TIME_IN_FORCE)
    price_type, offset = options.get("price_type", "\0"), options.get("peg_offset", 0)
    floor, post_only = options.get("max_floor", 0), options.get("post_only", "\0")
    if post_only != "\0":
        slides = order_type == OrderType.POST_ONLY_SLIDE
        demand((post_only == "P") == slides, Refusal.POST_ONLY)
    demand(floor == 0 or order_type == OrderType.ICEBERG, Refusal.MAX_FLOOR)
    if order_type not in PEGS.values():
        demand(price_type in "L\0" and offset == 0, Refusal.PEG)
        return int(floor or record["aux"])
    if price_type == "\0" and offset == 0:
        return int(record["aux"])
    demand(price_type == "\0" or PEGS.get(price_type) == order_type, Refusal.PEG)
    demand(scale > 0 and offset % scale == 0, Refusal.PEG)
    return int(offset // scale)


def say(kind: str, world: World, user_ref: int, extra: bytes = b"", **fields: Any) -> bytes:
    message = OUCH50.from_server(kind)
    if "user_ref" in message.offsets and "user_ref" not in fields:
        fields["user_ref"] = user_ref
    if "appendage_bytes" in message.offsets:
        fields["appendage_bytes"] = len(extra)
    return message.pack(timestamp=world.timestamp, **fields) + extra


def options_out(metadata: Any) -> bytes:
    """An Accepted's options: those of the order, by tag."""
    kept = metadata["orig"].tobytes()[8:]
    little = [kept[k : k + 4][::-1] for k in (4, 8, 12, 16)]
    values = {
        2: kept[20:24],
        3: little[1],
        4: kept[0:1],
        5: little[2],
        6: kept[1:2],
        7: little[3],
        12: kept[2:3],
        15: little[0],
    }
    return b"".join(
        bytes([len(value) + 1, tag]) + value for tag, value in values.items() if any(value)
    )


def standing(event: Any, row: Row, world: World) -> dict[str, Any]:
    own = own_fields(row.record["own"].tobytes())
    market = row.record["order_type"] == OrderType.MARKET
    return {key: own[key].encode("latin-1") for key in OWN} | {
        "symbol": row.record["symbol"].item(),
        "state": "L",
        "reference": row.sizes.reference,
        "price": MARKET_PRICES[0] if market else world.price(event),
    }


def encode(event: Any, row: Row, metadata: Any, world: World) -> bytes:
    """What the event is to its session; changes the row's sizes and reference."""
    kind = EventKind(int(event["kind"]))
    user_ref = int.from_bytes(row.record["token"].tobytes()[:4], "little")
    message = "" if metadata is None else chr(metadata["message"])
    seq, quantity = int(event["seq"]), u32(event["qty_lots"])
    if kind == EventKind.REJECTED:
        return rejected(event, row, metadata, world)
    if kind == EventKind.ACCEPTED:
        row.sizes.reference = seq
        extra = b"" if metadata is None else options_out(metadata)
        return say("A", world, user_ref, extra, quantity=quantity, **standing(event, row, world))
    if kind == EventKind.REPLACED:
        if metadata is None:
            return b""
        if not (event["flags"] & EventFlag.KEPT_PLACE and row.sizes.reference):
            row.sizes.reference = seq
        orig = int.from_bytes(metadata["orig"].tobytes()[:4], "little")
        leaves = u32(event["leaves_lots"])
        fields = standing(event, row, world)
        return say("U", world, user_ref, orig_user_ref=orig, quantity=leaves, **fields)
    if kind == EventKind.FILLED:
        return say(
            "E",
            world,
            user_ref,
            quantity=quantity,
            price=world.price(event),
            liquidity=ouch42.liquidity(event, row),
            match=ouch42.match_number(event),
        )
    if kind in (EventKind.CANCELLED, EventKind.REDUCED, EventKind.EXPIRED):
        return canceled(event, row, metadata, world, user_ref)
    if kind == EventKind.REFRESHED:
        row.sizes.reference = seq
        extra = (
            bytes([9, 1]) + seq.to_bytes(8, "big") + bytes([5, 22]) + quantity.to_bytes(4, "big")
        )
        return say("R", world, user_ref, extra, reason="R")
    if kind in (EventKind.REPEGGED, EventKind.CONVERTED) and not (
        event["flags"] & EventFlag.WAITING
    ):
        row.sizes.reference = seq
        display = own_fields(row.record["own"].tobytes())["display"].encode("latin-1")
        return say("T", world, user_ref, price=world.price(event), display=display, reference=seq)
    if kind == EventKind.BROKEN:
        clordid = own_fields(row.record["own"].tobytes())["clordid"].encode("latin-1")
        match = int(event["contra_id"])
        return say("B", world, user_ref, match=match, reason=b"S", clordid=clordid)
    if kind == EventKind.COMPLETED and message == "C":
        kept = metadata["orig"].tobytes()
        ref = int(metadata["client_seq"])
        return say("X", world, ref, firm=kept[28:32], symbol=kept[32:40])
    return b""


def canceled(event: Any, row: Row, metadata: Any, world: World, user_ref: int) -> bytes:
    gone, reason = u32(event["qty_lots"]), Reason(int(event["reason"]))
    if event["leaves_lots"] != 0:
        key = "unasked" if reason == Reason.SELF_TRADE else "confirmed"
        setattr(row.sizes, key, getattr(row.sizes, key) + int(event["qty_lots"]))
    if reason == Reason.SELF_TRADE:
        number = int(event["order_id"]) & ((1 << 62) - 1)
        taker = metadata is not None and int(metadata["row"]) == number
        strategy = SELF_TRADE.say("OUCH 5.0", SelfTrade(world.self_trade))
        return say(
            "D",
            world,
            user_ref,
            quantity=gone,
            reason="Q",
            prevented=gone,
            price=world.price(event),
            liquidity="R" if taker else "A",
            strategy=strategy,
        )
    message = None if metadata is None else chr(metadata["message"])
    if event["kind"] == EventKind.REDUCED and message == "M":
        side = own_fields(metadata["own"].tobytes())["side"]
        return say("M", world, user_ref, side=side, quantity=u32(event["leaves_lots"]))
    letter = REASONS.say("OUCH cancel", reason)
    if message is not None and reason in (Reason.NONE, Reason.USER, Reason.MASS_CANCEL):
        letter = "Z" if message == "\0" else "U"
    return say("C", world, user_ref, quantity=gone, reason=letter)


def rejected(event: Any, row: Row | None, metadata: Any, world: World) -> bytes:
    message = "" if metadata is None else chr(metadata["message"])
    reason = Reason(int(event["reason"]))
    if message in ("O", "U", "C") and not (message == "U" and reason == Reason.UNKNOWN_ORDER):
        code = number(REASONS.say("OUCH 5.0", reason))
        if reason == Reason.GATEWAY:
            bits = [bit for bit in ErrorBit if int(event["contra_id"]) >> bit & 1]
            code = number(RULES.say("OUCH 5.0", bits[0])) if bits else OTHER
        elif reason == Reason.RISK:
            code = risk_reasons.code(int(event["contra_id"]), OTHER)
        return reject(metadata, code, world)
    if message not in ("X", "M") or reason == Reason.UNKNOWN_ORDER:
        return b""
    if row is not None:
        row.sizes.returned += int(event["qty_lots"])
    return say("I", world, int.from_bytes(metadata["orig"].tobytes()[:4], "little"))


def reject(metadata: Any, code: int, world: World) -> bytes:
    ours = chr(metadata["message"]) in ("O", "U")
    clordid = own_fields(metadata["own"].tobytes())["clordid"].encode("latin-1") if ours else b""
    return say("J", world, int(metadata["client_seq"]), reason=code, clordid=clordid)


def refuse(metadata: Any, order: Any, world: World, record: Any = None) -> bytes:
    message, code = chr(metadata["message"]), int(metadata["refused"])
    ref = int(metadata["client_seq"])
    if code == Refusal.QUERIED:
        return say("Q", world, 0, next_user_ref=ref)
    if code in (Refusal.DISABLE, Refusal.ENABLE):
        kind = "G" if code == Refusal.DISABLE else "K"
        return say(kind, world, ref, firm=metadata["orig"].tobytes()[28:32])
    if message in ("X", "M"):
        orig = int.from_bytes(metadata["orig"].tobytes()[:4], "little")
        if code != Refusal.MODIFIED:
            return say("I", world, orig)
        if record is None:
            return b""
        side = own_fields(metadata["own"].tobytes())["side"]
        return say("M", world, orig, side=side, quantity=u32(record["leaves_lots"]))
    columns = [table.column("OUCH 5.0") for table in (ouch.WORDS, faults.WORDS)]
    codes = {int(key): number(word) for column in columns for key, word in column.items()}
    return reject(metadata, codes.get(code, OTHER), world)
