"""The codec once more, slow and plainly right: what the kernels are compared with.

``parse`` and ``decode`` say what a message means, as plain Python values; ``report`` makes the
body of an ExecutionReport from an order's state.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from openoutcry.order_entry.fix import groups, instructions, live42, words
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    REDUCE_ONLY,
    CommandKind,
    OrderType,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.order_types import ORDER_TYPES as ROWS

SOH = b"\x01"
LARGEST = 2**62
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INVALID, MISSING, NOT_FOR_TYPE, EMPTY, RANGE, FORM, TWICE, ORDER = 0, 1, 2, 4, 5, 6, 13, 14
BAD_TYPE, GROUP_ORDER, GROUP_COUNT, NOT_FOLLOWED = 11, 15, 16, 99
OWN_TAGS = {
    1102: words.ACTIVATION_SLOT,
    1107: words.TRIGGER_BY_SLOT,
    1109: words.DIRECTION_SLOT,
    2964: words.SELF_TRADE_SLOT,
    5500: words.WITH_MARGIN_SLOT,
    5550: words.SLIDE_SLOT,
}
"""Tags above all others that are read, by the number that stands for them in tables."""
SELF_TRADE_TAG, SLIDE_TAG, DIRECTION_TAG = 2964, 5550, 1109
TRIGGER_TAG, ACTIVATION_TAG = 1107, 1102
MEMBERS = {tag for members in groups.GROUPS.values() for tag in members}
SINGLE_TAGS = {*words.HEADER_TAGS, *words.SINGLE_TAGS, *OWN_TAGS} - MEMBERS
SIDES, TYPES, TIFS = "123456789ABCDEFG", "123456789DEGIJKLMP", "01234567"
AUX_FREE = (
    OrderType.LIMIT,
    OrderType.POST_ONLY,
    OrderType.POST_ONLY_SLIDE,
    OrderType.MARKET_TO_LIMIT,
    OrderType.HIDDEN,
    OrderType.ALL_OR_NONE,
)


class Garbled(Exception):
    """It is passed over."""


class Rejected(Exception):
    """It is rejected: SessionRejectReason and tag."""

    def __init__(self, reason: int, tag: str) -> None:
        super().__init__(reason, tag)
        self.reason, self.tag = reason, tag


class Refused(Exception):
    """It is refused."""


def checksum(data: bytes) -> bytes:
    return b"%03d" % (sum(data) % 256)


def message(fields: list[tuple[int, str | bytes]], begin: str = "FIX.4.4") -> bytes:
    """A whole message of these fields, BodyLength and CheckSum made for them."""
    body = b"".join(
        b"%d=%s\x01" % (tag, value.encode("latin-1") if isinstance(value, str) else value)
        for tag, value in fields
    )
    head = b"8=%s\x019=%d\x01" % (begin.encode(), len(body)) + body
    return head + b"10=%s\x01" % checksum(head)


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """(tag, value) of each field of a message without data."""
    pairs = (part.partition(b"=") for part in data.split(SOH)[:-1])
    return [(tag, value) for tag, _, value in pairs]


def parse(data: bytes) -> tuple[dict[int, str], tuple[int, str] | None]:
    """The fields of a message (the first of those that stand twice) and its first error, if any.

    Raises :class:`Garbled`.
    """
    match = re.fullmatch(
        rb"8=FIX[^\x01]{1,10}\x019=(\d{1,5})\x01(35=.*\x01)10=(\d\d\d)\x01", data, re.DOTALL
    )
    if not match or len(match[2]) != int(match[1]) or checksum(data[:-7]) != match[3]:
        raise Garbled
    fields: dict[int, str] = {}
    pairs: list[tuple[int, str]] = []
    errors: list[tuple[int, str]] = []
    body, length, at = False, 0, 0
    while at < len(data):
        equals, end = data.find(b"=", at), data.find(SOH, at)
        if equals < 0 or end < equals or not re.fullmatch(rb"-?\d{1,18}", data[at:equals]):
            raise Garbled
        name = data[at:equals].decode()
        tag = int(name)
        if not (0 < tag <= 956 or tag in OWN_TAGS or tag > 5000) or name[0] == "0":
            errors.append((INVALID, name))
            tag = 0
        if length and tag != DATA_OF[length]:
            errors.append((MISSING, str(DATA_OF[length])))
        if tag in words.DATA_TAGS and length != words.DATA_TAGS[tag]:
            errors.append((MISSING, str(words.DATA_TAGS[tag])))
        elif length and tag == DATA_OF[length] and re.fullmatch(r"\d{1,18}", last := pairs[-1][1]):
            end = equals + 1 + int(last)
            if data[end : end + 1] != SOH:
                errors.append((RANGE, str(length)))
                break
        value = data[equals + 1 : end].decode("latin-1")
        length = tag if tag in DATA_OF else 0
        if length and value and not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            errors.append((count_reason(value), name))
        if not value:
            errors.append((EMPTY, name))
        elif tag in fields and tag in SINGLE_TAGS:
            errors.append((TWICE, name))
        elif tag in words.HEADER_TAGS and body:
            errors.append((ORDER, name))
        body = body or tag not in words.HEADER_TAGS
        if tag not in fields or tag not in SINGLE_TAGS:
            fields[tag] = value
        pairs.append((tag, value))
        at = end + 1
    if not errors:
        try:
            check_groups(pairs)
        except Rejected as rejected:
            errors.append((rejected.reason, rejected.tag))
    return fields, errors[0] if errors else None


DATA_OF = {length: data for data, length in words.DATA_TAGS.items()}


def count_reason(text: str) -> int:
    """Why this is not a number of things."""
    return RANGE if re.fullmatch(r"-\d{1,18}", text, re.ASCII) else FORM


def check_groups(pairs: list[tuple[int, str]]) -> None:
    """Raises :class:`Rejected` for the first fault of the repeating groups."""
    at = 0
    while at < len(pairs):
        tag = pairs[at][0]
        for counter, members in groups.GROUPS.items():
            if tag in members and tag not in groups.ELSEWHERE:
                raise Rejected(MISSING, str(counter))
        at = behind_field(pairs, at)


def behind_field(pairs: list[tuple[int, str]], at: int) -> int:
    """Where what follows a field begins, and its group, if it counts one."""
    counter, text = pairs[at]
    if counter not in groups.GROUPS:
        return at + 1
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise Rejected(count_reason(text), str(counter))
    members, entries, at = groups.GROUPS[counter], 0, at + 1
    used: list[int] = []
    while at < len(pairs) and pairs[at][0] in members:
        tag = pairs[at][0]
        rank = members.index(tag)
        if rank == 0:
            entries, used = entries + 1, []
            if entries > int(text):
                raise Rejected(GROUP_COUNT, str(counter))
        elif entries == 0:
            raise Rejected(GROUP_ORDER, str(tag))
        elif rank in used:
            raise Rejected(TWICE, str(tag))
        elif rank < used[-1]:
            raise Rejected(GROUP_ORDER, str(tag))
        used.append(rank)
        at = behind_field(pairs, at)
    if entries != int(text):
        raise Rejected(GROUP_COUNT, str(counter))
    return at


def decimal(text: str, decimals: int, refusal: Refusal, tag: int) -> int:
    """A number times 10**decimals; raises Rejected or Refused."""
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text, re.ASCII):
        raise Rejected(FORM, str(tag))
    scaled = Decimal(text).scaleb(decimals) if len(text) < 25 else Decimal(text) * 10**decimals
    if scaled != int(scaled) or abs(scaled) > LARGEST:
        raise Refused(refusal)
    return int(scaled)


def timestamp(text: str) -> int:
    """ns since the epoch; raises ValueError."""
    match = re.fullmatch(r"(\d{8}-\d\d:\d\d:)(\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?", text, re.ASCII)
    if not match or int(match[2]) > 60 or not 1970 <= int(text[:4]) <= 2261:
        raise ValueError(text)
    minute = datetime.strptime(match[1] + "00", "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    seconds = (minute - EPOCH) // timedelta(seconds=1)
    if match[2] == "60":
        return (seconds + 59) * 10**9 + 999_999_999
    return (seconds + int(match[2])) * 10**9 + int((match[3] or "0").ljust(9, "0"))


@dataclass
class Decoded:
    """What a message of orders means: fields of the ORDER record and of the metadata."""

    order: dict[str, int | bytes] = field(default_factory=dict)
    metadata: dict[str, int | bytes] = field(default_factory=dict)
    own: bytearray = field(default_factory=lambda: bytearray(24))
    term: dict[str, int] = field(default_factory=dict)
    reduces: bool = False

    def refuse(self, refusal: Refusal) -> None:
        self.metadata.setdefault("refused", int(refusal))


@dataclass(frozen=True)
class Decoder:
    """``decimals``: of a tick, by symbol."""

    decimals: Mapping[str, int]
    utc_offset_ns: int = 0
    self_trade: SelfTrade = SelfTrade.ALLOW

    def decode(self, fields: Mapping[int, str]) -> Decoded:
        """Raises :class:`Rejected` for what is rejected at the session's level."""
        result = Decoded()
        kind = fields[35]
        result.metadata["message"] = ord("A") if kind == "AF" else ord(kind[0])
        result.metadata["client_seq"] = int(fields[34])
        result.metadata["flags"] = 2 if fields.get(97) == "Y" else 0
        if kind in instructions.FIELDS_44:
            require_taken(fields, kind)
        if kind in ("q", "AF"):
            self._mass(fields, result, kind)
        elif kind in ("D", "F", "G", "H"):
            self._one(fields, result, kind)
        else:
            if not re.fullmatch(r"[A-Za-z0-9]+", kind):
                raise Rejected(BAD_TYPE, "")
            result.own[: len(kind)] = kind.encode("latin-1")
            result.refuse(Refusal.UNSUPPORTED_MESSAGE)
        if "refused" in result.metadata:
            result.order["kind"] = 0
        return result

    def _one(self, fields: Mapping[int, str], result: Decoded, kind: str) -> None:
        result.metadata["token"] = _name(fields, 11)
        if kind in ("F", "G"):
            result.metadata["orig"] = _name(fields, 41)
        _text(_need(fields, 55), 55)
        _side(fields, result)
        self._symbol(fields, result)
        if kind == "H":
            result.refuse(Refusal.STATUS)
            return
        _need(fields, 60)
        _time(fields, 60)
        commands = {"D": CommandKind.NEW, "F": CommandKind.CANCEL, "G": CommandKind.REPLACE}
        if kind != "F":
            self._order(fields, result)
            if kind == "G" and result.order.get("aux"):
                result.metadata["flags"] = int(result.metadata["flags"]) | 4
        result.order["kind"] = int(commands[kind])

    def _mass(self, fields: Mapping[int, str], result: Decoded, kind: str) -> None:
        result.metadata["token"] = _name(fields, 11 if kind == "q" else 584)
        scope = _need(fields, 530 if kind == "q" else 585)
        if len(scope) != 1 or not " " <= scope <= "~":
            raise Rejected(FORM, str(530 if kind == "q" else 585))
        result.own[0] = ord(scope)
        if kind == "AF":
            result.refuse(Refusal.MASS_STATUS if scope == "7" else Refusal.MASS_STATUS_SCOPE)
            return
        if 54 in fields:
            _side(fields, result)
        if scope == "1":
            _text(_need(fields, 55), 55)
            self._symbol(fields, result)
        elif scope != "7":
            result.refuse(Refusal.MASS_CANCEL_SCOPE)
        result.order["kind"] = int(CommandKind.MASS_CANCEL)

    def _symbol(self, fields: Mapping[int, str], result: Decoded) -> None:
        symbol = fields[55]
        if len(symbol) <= 8:
            result.order["symbol"] = symbol.encode("latin-1")
        if symbol not in self.decimals:
            result.refuse(Refusal.UNKNOWN_SYMBOL)

    def _order(self, fields: Mapping[int, str], result: Decoded) -> None:
        places = self.decimals.get(fields[55], 0)
        _number(fields, 38, 0, Refusal.QUANTITY, result, "qty_lots")
        kind = _one_of(fields, 40, TYPES)
        tif = _one_of(fields, 59, TIFS) if 59 in fields else ""
        letters = _letters(fields, result)
        for place, text in ((0, fields.get(21, "")), (2, kind), (3, tif)):
            result.own[place] = (ord(text) if len(text) == 1 else 255) if text else 0
        account = fields.get(1, "").encode("latin-1")
        if len(account) > 16:
            raise Rejected(RANGE, "1")
        _text(fields.get(1, ""), 1)
        result.own[8 : 8 + len(account)] = account
        trails = kind == "P" and set(letters) == {"a"}
        _require_used(fields, kind, tif, trails)
        if DIRECTION_TAG in fields:
            _one_of(fields, DIRECTION_TAG, "UD")
        if TRIGGER_TAG in fields:
            _one_of(fields, TRIGGER_TAG, "123456MI")
        slides = SLIDE_TAG in fields and _one_of(fields, SLIDE_TAG, "YN") == "Y"
        try:
            order_type, aux = _type(fields, result, kind, letters, places)
            if slides:
                if order_type is not OrderType.POST_ONLY:
                    raise Refused
                order_type = OrderType.POST_ONLY_SLIDE
        except Refused as refused:
            order_type, aux = None, 0
            result.refuse(refused.args[0] if refused.args else Refusal.UNSUPPORTED)
        result.order["order_type"] = int(order_type or 0)
        result.order["aux"] = aux
        trails_to_limit = order_type in (
            OrderType.TRAILING_STOP_LIMIT,
            OrderType.TRAILING_STOP_LIMIT_BPS,
        )
        if kind in "24" or (kind == "P" and "a" not in letters) or trails_to_limit:
            _number(fields, 44, places, Refusal.PRICE, result, "price_ticks")
        if TRIGGER_TAG in fields or ACTIVATION_TAG in fields:
            _trigger(fields, result, places)
        self._time_in_force(fields, result, tif, order_type)

    def _time_in_force(
        self, fields: Mapping[int, str], result: Decoded, tif: str, order_type: OrderType | None
    ) -> None:
        named = {"": 1, "0": 1, "1": 4, "2": 6, "3": 2, "4": 3, "6": 5, "7": 7}
        value = int(TimeInForce(named.get(tif, 1)))
        if tif == "5":
            result.refuse(Refusal.UNSUPPORTED)
        if tif == "6":
            expiry = self._expiry(fields)
            if order_type in AUX_FREE:
                result.order["aux"] = expiry
            else:
                value = int(TimeInForce.GTC)
                if order_type is None or value not in ROWS[order_type].times_in_force:
                    result.refuse(Refusal.UNSUPPORTED)
                _term(fields, result, order_type=Term.EXPIRY, aux=expiry)
        if SELF_TRADE_TAG not in fields:
            value |= self.self_trade << 4
        else:
            modes = (SelfTrade.CANCEL_NEWEST, SelfTrade.CANCEL_OLDEST, SelfTrade.CANCEL_BOTH)
            mode = _one_of(fields, SELF_TRADE_TAG, "123")
            value |= modes[int(mode) - 1] << 4
        result.order["time_in_force"] = value | REDUCE_ONLY * result.reduces

    def _expiry(self, fields: Mapping[int, str]) -> int:
        if 126 in fields:
            return _time(fields, 126)
        if 432 not in fields:
            raise Rejected(MISSING, "126")
        date = fields[432]
        if not re.fullmatch(r"\d{8}", date, re.ASCII):
            raise Rejected(FORM, "432")
        try:
            start = timestamp(f"{date}-00:00:00")
        except ValueError:
            raise Rejected(FORM, "432") from None
        return start + 86_400 * 10**9 - self.utc_offset_ns


def require_taken(fields: Mapping[int, str], kind: str) -> None:
    """Raises :class:`Rejected` for the lowest field that the venue does not take."""
    defined = instructions.tags_of(instructions.FIELDS_44[kind])
    taken = instructions.FOLLOWED.keys() | instructions.INFORMATION.keys()
    if kind == "AF":
        taken -= instructions.NOT_OF_AF
    numbers = {OWN_TAGS.get(tag, tag): tag for tag in fields}
    for number in sorted(numbers):
        tag = numbers[number]
        is_of_all = tag in (0, *words.HEADER_TAGS, *words.TRAILER_TAGS)
        if is_of_all or (tag > 5000 and tag not in OWN_TAGS):
            continue
        if number not in defined:
            raise Rejected(NOT_FOR_TYPE, str(tag))
        only = instructions.ONLY_AS.get(number, b"").decode()
        if number not in taken and not (len(fields[tag]) == 1 and fields[tag] in only):
            raise Rejected(NOT_FOLLOWED, str(tag))


def _term(fields: Mapping[int, str], result: Decoded, **values: int) -> None:
    """The order has a term: no second one, and none of a replace."""
    if result.term or fields[35] == "G":
        result.refuse(Refusal.UNSUPPORTED)
    result.term = {name: int(value) for name, value in values.items() if value}


def _trigger(fields: Mapping[int, str], result: Decoded, places: int) -> None:
    is_buy = result.order.get("side") == Side.BUY
    of_quotes = {"1": TriggerBy.OPPOSITE_QUOTE, "3": TriggerBy.OWN_QUOTE}
    if not is_buy:
        of_quotes = {"1": TriggerBy.OWN_QUOTE, "3": TriggerBy.OPPOSITE_QUOTE}
    others = {"2": TriggerBy.LAST, "6": TriggerBy.MID, "M": TriggerBy.MARK, "I": TriggerBy.INDEX}
    by = fields.get(TRIGGER_TAG, "")
    aux, price = int((of_quotes | others).get(by, 0)), 0
    if fields[35] == "G" or by in ("4", "5"):
        result.refuse(Refusal.UNSUPPORTED)
    if ACTIVATION_TAG in fields:
        aux |= HAS_ACTIVATION
        try:
            price = decimal(fields[ACTIVATION_TAG], places, Refusal.PRICE, ACTIVATION_TAG)
        except Refused:
            result.refuse(Refusal.PRICE)
    _term(fields, result, order_type=Term.TRIGGER, price_ticks=price, aux=aux)


def _require_used(fields: Mapping[int, str], kind: str, tif: str, trails: bool) -> None:
    """Raises :class:`Rejected` for a field that such an order does not have."""
    unused = {44: kind not in "24P", 99: kind not in "34", 126: tif != "6", 432: tif != "6"}
    unused |= {211: kind != "P", 836: kind != "P", DIRECTION_TAG: kind not in "34"}
    unused |= {TRIGGER_TAG: kind not in "34" and not trails, ACTIVATION_TAG: not trails}
    for tag, is_unused in unused.items():
        if is_unused and tag in fields:
            raise Rejected(NOT_FOLLOWED, str(tag))


def _need(fields: Mapping[int, str], tag: int) -> str:
    if tag not in fields:
        raise Rejected(MISSING, str(tag))
    return fields[tag]


def _one_of(fields: Mapping[int, str], tag: int, allowed: str) -> str:
    value = _need(fields, tag)
    if len(value) != 1 or value not in allowed:
        raise Rejected(RANGE, str(tag))
    return value


def _name(fields: Mapping[int, str], tag: int) -> bytes:
    value = _need(fields, tag)
    if len(value) > 36:
        raise Rejected(RANGE, str(tag))
    return _text(value, tag)


def _text(value: str, tag: int) -> bytes:
    if not all(" " <= letter <= "~" for letter in value):
        raise Rejected(FORM, str(tag))
    return value.encode("latin-1")


def _time(fields: Mapping[int, str], tag: int) -> int:
    try:
        return timestamp(fields[tag])
    except ValueError:
        raise Rejected(FORM, str(tag)) from None


def _number(
    fields: Mapping[int, str], tag: int, places: int, refusal: Refusal, result: Decoded, name: str
) -> None:
    try:
        result.order[name] = decimal(_need(fields, tag), places, refusal, tag)
    except Refused:
        result.refuse(refusal)


def _side(fields: Mapping[int, str], result: Decoded) -> None:
    side = _one_of(fields, 54, SIDES)
    result.own[1] = ord(side)
    if side in "1256":
        result.order["side"] = int(Side.BUY if side == "1" else Side.SELL)
    else:
        result.refuse(Refusal.UNSUPPORTED)


def _letters(fields: Mapping[int, str], result: Decoded) -> str:
    letters = fields.get(18, "").replace(" ", "")
    result.own[4 : 4 + len(letters[:4])] = letters[:4].encode("latin-1")
    if "o" in letters:
        result.metadata["flags"] = int(result.metadata["flags"]) | 1
    own = "oE" if fields[35] == "D" else "o"
    result.reduces = "E" in letters and "E" in own
    return "".join(one for one in letters if one not in own) + ("?" if len(letters) > 4 else "")


def _type(
    fields: Mapping[int, str], result: Decoded, kind: str, letters: str, places: int
) -> tuple[OrderType, int]:
    """Order type and aux; raises Refused for what there is not here."""
    instructions = "".join(sorted(set(letters)))
    extra = [tag for tag in (110, 111) if tag in fields]
    if 152 in fields:
        types = {"1": OrderType.MARKET_BUDGET, "2": OrderType.LIMIT_BUDGET}
        if kind not in types or instructions or extra:
            raise Refused
        return types[kind], decimal(fields[152], places, Refusal.PRICE, 152)
    if kind == "P":
        return _pegged(fields, result, instructions, places)
    if kind == "2":
        return _limit(fields, result, instructions, extra)
    stops = {"3": OrderType.STOP, "4": OrderType.STOP_LIMIT, "46": OrderType.POST_ONLY_STOP_LIMIT}
    if kind + instructions in stops and not extra:
        trigger = decimal(_need(fields, 99), places, Refusal.PRICE, 99)
        own = "U" if result.order.get("side") == Side.BUY else "D"
        if fields.get(DIRECTION_TAG, own) == own:
            return stops[kind + instructions], trigger
        if instructions:
            raise Refused
        return (OrderType.TAKE_PROFIT if kind == "3" else OrderType.TAKE_PROFIT_LIMIT), trigger
    if instructions or extra:
        raise Refused
    plain = {"1": OrderType.MARKET, "K": OrderType.MARKET_TO_LIMIT}
    if kind not in plain:
        raise Refused
    return plain[kind], 0


def _limit(
    fields: Mapping[int, str], result: Decoded, instructions: str, extra: list[int]
) -> tuple[OrderType, int]:
    if not extra:
        types = {"": OrderType.LIMIT, "6": OrderType.POST_ONLY, "G": OrderType.ALL_OR_NONE}
        if instructions not in types:
            raise Refused
        return types[instructions], 0
    if instructions or len(extra) == 2:
        raise Refused
    value = decimal(fields[extra[0]], 0, Refusal.QUANTITY, extra[0])
    if value < 0:
        raise Refused(Refusal.QUANTITY)
    if extra == [111]:
        if value == 0:
            return OrderType.HIDDEN, 0
        most = int(result.order.get("qty_lots", 0))
        if value > most:
            raise Rejected(RANGE, "111")
        if value == most:
            return OrderType.LIMIT, 0
        return OrderType.ICEBERG, value
    return (OrderType.MIN_QTY, value) if value else (OrderType.LIMIT, 0)


def _pegged(
    fields: Mapping[int, str], result: Decoded, instructions: str, places: int
) -> tuple[OrderType, int]:
    scope = fields.get(836, "0")
    if scope not in ("0", "1", "2"):
        raise Refused
    scale = places if scope == "0" else 0
    offset = 0
    if 211 in fields:
        offset = decimal(fields[211], scale, Refusal.PRICE, 211)
    if instructions == "a":
        if abs(offset) >= 2**32:
            raise Refused(Refusal.PRICE)
        trailing = {
            (False, False): OrderType.TRAILING_STOP,
            (False, True): OrderType.TRAILING_STOP_BPS,
            (True, False): OrderType.TRAILING_STOP_LIMIT,
            (True, True): OrderType.TRAILING_STOP_LIMIT_BPS,
        }
        return trailing[44 in fields, scope == "1"], abs(offset)
    types = {"M": OrderType.PEG_MIDPOINT, "P": OrderType.PEG_MARKET, "R": OrderType.PEG_PRIMARY}
    if scope == "1" or instructions not in types:
        raise Refused
    return types[instructions], offset if result.order.get("side") == Side.BUY else -offset


def price_text(ticks: int, decimals: int) -> str:
    """A price with exactly as many decimals."""
    return f"{Decimal(ticks).scaleb(-decimals):.{decimals}f}"


def average_text(value: int, lots: int, decimals: int) -> str:
    """An average price, cut off four places behind the instrument's."""
    if lots == 0:
        return "0"
    sign, value = ("-" if value < 0 else ""), abs(value)
    places = 0
    while places < 4 and value * 10**places % lots:
        places += 1
    digits = value * 10**places // lots
    return sign + price_text(digits, decimals + places)


def translate42(body: bytes) -> bytes:
    """The body of a FIX 4.4 message as FIX 4.2 has it: as ``live42.translate``."""
    out, kind = [], b""
    fields = [part.split(b"=", 1) for part in body.split(b"\x01")[:-1]]
    values = dict(fields)
    for tag, value in fields:
        if tag == b"150":
            kind = value
            out.append((b"20", b"3" if kind == b"I" else b"0"))
            if kind == b"F":
                value = b"2" if values[b"39"] == b"2" else b"1"
            elif kind == b"I":
                value = values[b"39"]
            elif kind == b"L":
                out += [(b"150", b"D"), (b"378", b"4")]
                continue
        elif tag == b"39" and kind == b"5" and value == b"0":
            value = b"5"
        elif tag == b"103" and int(value) > live42.LAST_ORD_REASON:
            value = b"0"
        elif tag == b"102" and int(value) > live42.LAST_CANCEL_REASON:
            value = b"2"
        elif tag == b"479":
            tag, value = b"58", b"commission in " + value
        out.append((tag, value))
    return b"".join(b"%s=%s\x01" % pair for pair in out)
