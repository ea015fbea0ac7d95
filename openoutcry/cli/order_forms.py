"""What an order of ``outcry client`` may say after its price, and how each protocol says it.

The words make an :class:`OrderType` and a :class:`TimeInForce`.  What a protocol calls these is in
``wire/words.py``.  What it has no word for is refused before anything is sent.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from openoutcry.client.prices import decimal_price
from openoutcry.wire.enums import OrderType, SelfTrade, Side, Term, TimeInForce, TriggerBy
from openoutcry.wire.order_types import PEGS, STOPS, TAKE_PROFITS, TIMES_IN_FORCE, TRAILING
from openoutcry.wire.words import (
    ORDER_TYPES,
    SELF_TRADE,
    TERMS,
    TIMES,
    TRIGGERS,
    WordError,
    name_of,
    value,
)

FORMS = """  WORDs follow PRICE (or `market`), as many as make sense together:
  ioc fok gtc day at-open at-close until=WHEN  (over FIX 20261130-22:00:00, over OUCH seconds)
  post-only slide hidden all-or-none iceberg=LOTS min=LOTS to-limit budget=MONEY
  stop=PRICE take-profit=PRICE trail=DISTANCE trail-bps=N  peg=own|opposite|mid offset=DISTANCE
  reduce-only self-trade=newest|oldest|both
  of a stop by=last|own-quote|opposite-quote|mid|mark|index, of a trailing one activation=PRICE"""
"""Help of these words."""
TIMES_BY_WORD: dict[str, TimeInForce] = {
    name_of(tif).lower().replace("_", "-"): tif for tif in TimeInForce if tif != TimeInForce.GTD
}
SELF_TRADE_BY_WORD = {
    "newest": SelfTrade.CANCEL_NEWEST,
    "oldest": SelfTrade.CANCEL_OLDEST,
    "both": SelfTrade.CANCEL_BOTH,
}
PEGS_BY_WORD = {
    "own": OrderType.PEG_PRIMARY,
    "opposite": OrderType.PEG_MARKET,
    "mid": OrderType.PEG_MIDPOINT,
}
TRIGGERS_BY_WORD = {name_of(by).lower().replace("_", "-"): by for by in TriggerBy}
FLAGS = ("post-only", "slide", "hidden", "all-or-none", "to-limit", "reduce-only")
AMOUNTS = (
    *("iceberg", "min", "budget", "stop", "take-profit", "trail", "trail-bps", "peg", "offset"),
    *("until", "self-trade", "by", "activation"),
)
TYPES: dict[frozenset[str], tuple[OrderType | None, OrderType | None]] = {
    frozenset(words.split()): (priced, unpriced)
    for words, priced, unpriced in (
        ("", OrderType.LIMIT, OrderType.MARKET),
        ("post-only", OrderType.POST_ONLY, None),
        ("slide", OrderType.POST_ONLY_SLIDE, None),
        ("hidden", OrderType.HIDDEN, None),
        ("all-or-none", OrderType.ALL_OR_NONE, None),
        ("iceberg", OrderType.ICEBERG, None),
        ("min", OrderType.MIN_QTY, None),
        ("to-limit", None, OrderType.MARKET_TO_LIMIT),
        ("budget", OrderType.LIMIT_BUDGET, OrderType.MARKET_BUDGET),
        ("stop", OrderType.STOP_LIMIT, OrderType.STOP),
        ("stop post-only", OrderType.POST_ONLY_STOP_LIMIT, None),
        ("take-profit", OrderType.TAKE_PROFIT_LIMIT, OrderType.TAKE_PROFIT),
        ("trail", OrderType.TRAILING_STOP_LIMIT, OrderType.TRAILING_STOP),
        ("trail-bps", OrderType.TRAILING_STOP_LIMIT_BPS, OrderType.TRAILING_STOP_BPS),
    )
}
"""The order types with and without a price, by the words that make them."""


@dataclass(frozen=True)
class Form:
    """An order's type and time in force, and the values that go with them, by their words."""

    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    values: dict[str, str] = field(default_factory=dict)
    reduce_only: bool = False
    self_trade: SelfTrade = SelfTrade.ALLOW

    @property
    def has_trigger(self) -> bool:
        """Whether a stop names its price, or a trailing one its activation price."""
        return "by" in self.values or "activation" in self.values

    @property
    def expires_by_term(self) -> bool:
        """Whether it is good till date, and its type does not go with GTD."""
        return self.time_in_force == TimeInForce.GTD and (
            TimeInForce.GTD not in TIMES_IN_FORCE[self.order_type]
        )


def read_form(price: str, words: list[str]) -> Form:
    """Raises ``ValueError`` naming the word that there is not, or those that make no order."""
    given: dict[str, str] = {}
    tif: TimeInForce | None = None
    for word in words:
        name, sign, text = word.partition("=")
        if word in TIMES_BY_WORD:
            if tif is not None:
                raise ValueError(f"{word!r} is a second time in force")
            tif = TIMES_BY_WORD[word]
        elif word in FLAGS or (name in AMOUNTS and sign and text):
            if name in given:
                raise ValueError(f"{name!r} is there twice")
            given[name] = text
        else:
            raise ValueError(f"{word!r} is unknown after the price")
    if "until" in given:
        if tif is not None:
            raise ValueError("`until` is a second time in force")
        tif = TimeInForce.GTD
    kind = frozenset(given) - {
        *("until", "reduce-only", "self-trade", "offset", "peg", "by", "activation")
    }
    order_type = TYPES.get(kind, (None, None))[price == "market"]
    if "peg" in given:
        order_type = None if kind or price == "market" else PEGS_BY_WORD.get(given["peg"])
    if order_type is None or ("offset" in given and order_type not in PEGS):
        raise ValueError(f"{' '.join([price, *words])!r} makes no order")
    if tif is None:
        times = TIMES_IN_FORCE[order_type]
        tif = TimeInForce.DAY if TimeInForce.DAY in times else times[0]
    if "self-trade" in given and given["self-trade"] not in SELF_TRADE_BY_WORD:
        raise ValueError(f"self-trade={given['self-trade']} is unknown")
    if given.get("by", "last") not in TRIGGERS_BY_WORD:
        raise ValueError(f"by={given['by']} is unknown")
    if ("by" in given and order_type not in STOPS) or (
        "activation" in given and order_type not in TRAILING
    ):
        raise ValueError(f"{' '.join([price, *words])!r} makes no order")
    mode = SELF_TRADE_BY_WORD.get(given.get("self-trade", ""), SelfTrade.ALLOW)
    return Form(order_type, tif, given, "reduce-only" in given, mode)


def said(table: Any, door: str, member: Any) -> str:
    """The word of a member.  Raises ``ValueError`` if the protocol has none."""
    try:
        word: str = table.say(door, member)
    except WordError as error:
        raise ValueError(str(error)) from None
    return word


def require_terms(form: Form, door: str) -> None:
    """Raises ``ValueError`` if the protocol has no word for a trigger's own price, or the order has
    two terms."""
    if form.has_trigger:
        said(TERMS, door, Term.TRIGGER)
    if form.expires_by_term and form.has_trigger:
        raise ValueError("an order has `until` or a named price, not both")


def whole(text: str, what: str) -> int:
    """Raises ``ValueError`` for anything but plain digits."""
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise ValueError(f"{what}={text} is not a whole number")
    return int(text)


def decimal_text(text: str) -> str:
    """A price or a distance as FIX has it.  Raises ``ValueError``."""
    return f"{decimal_price(text):f}"


def fix_fields(form: Form, side: Side) -> dict[str, Any]:
    """Return the fields of a NewOrderSingle, by ``t`` and their tag, without those of every order.
    Raises ``ValueError``."""
    values, fields = form.values, {}
    require_terms(form, "FIX")
    for cell in said(ORDER_TYPES, "FIX D", form.order_type).split():
        tag, _, word = cell.partition("=")
        fields[tag] = word or _fix_value(tag, form, side)
    if form.order_type in PEGS and "offset" in values:
        fields["211"] = decimal_text(values["offset"])
    fields.pop("44", None)
    if form.time_in_force != TimeInForce.DAY:
        fields["59"] = said(TIMES, "FIX", form.time_in_force)
    if "until" in values:
        fields["126"] = values["until"]
    if "by" in values:
        fields["1107"] = said(TRIGGERS, _fix_side(side), TRIGGERS_BY_WORD[values["by"]])
    if "activation" in values:
        fields["1102"] = decimal_text(values["activation"])
    if form.reduce_only:
        fields["18"] = f"{fields['18']} E" if "18" in fields else "E"
    if form.self_trade != SelfTrade.ALLOW:
        fields["2964"] = said(SELF_TRADE, "FIX", form.self_trade)
    return {f"t{tag}": word for tag, word in fields.items()}


def _fix_side(side: Side) -> str:
    return f"FIX {name_of(side).lower()}"


def _fix_value(tag: str, form: Form, side: Side) -> str:
    values = form.values
    if tag == "1109":
        return "U" if side == Side.SELL else "D"
    if tag == "99":
        return decimal_text(values["take-profit" if form.order_type in TAKE_PROFITS else "stop"])
    if tag == "211" and "trail-bps" in values:
        return str(whole(values["trail-bps"], "trail-bps"))
    if tag == "211":
        return decimal_text(values["trail"])
    if tag == "152":
        return decimal_text(values["budget"])
    if tag == "44":
        return ""
    name = {"111": "iceberg", "110": "min"}[tag]
    return str(whole(values[name], name))


def ouch_fields(form: Form, is_50: bool) -> dict[str, Any]:
    """Return the fields and options of an Enter Order, without those of every order.  Raises
    ``ValueError``."""
    door = "OUCH 5.0" if is_50 else "OUCH 4.2"
    if form.reduce_only or form.self_trade != SelfTrade.ALLOW:
        raise ValueError(f"{door} has neither reduce-only orders nor a self-trade mode of an order")
    values, fields = form.values, dict[str, Any]()
    require_terms(form, door)
    cell = said(ORDER_TYPES, door, form.order_type)
    name, letters = cell.partition(" ")[0], value(cell)
    if letters and cell != said(ORDER_TYPES, door, OrderType.LIMIT):
        fields[name] = letters[0]
    elif not letters and name != "price":
        word = {"max_floor": "iceberg", "min_qty": "min"}[name]
        fields[name] = whole(values[word], word)
    if "offset" in values:
        if not is_50:
            raise ValueError("OUCH 4.2 has no offset of a peg")
        fields["peg_offset"] = int(decimal_price(values["offset"]) * 10_000)
    time = said(TIMES, door, form.time_in_force)
    name, word = time.partition(" ")[0], value(time)
    if form.time_in_force == TimeInForce.GTD:
        seconds = whole(values["until"], "until")
        fields["time_in_force"] = word if is_50 else seconds
        if is_50:
            fields["expire_time"] = seconds
    elif name == "seconds":
        fields["time_in_force"] = int(word)
    else:
        fields[name] = word
    return fields


def shm_aux(form: Form) -> int:
    """Return ``aux`` of a request over shared memory, whose values are ticks and lots.  Raises
    ``ValueError``."""
    values, aux = form.values, 0
    for name in ("iceberg", "min", "budget", "stop", "take-profit", "trail", "trail-bps", "offset"):
        if name in values:
            aux = signed(values[name], name)
    if "until" in values and not form.expires_by_term:
        aux = ns_of(values["until"])
    return aux


def shm_terms(form: Form) -> dict[str, Any]:
    """Return what a request over shared memory says of the order's terms.  Raises
    ``ValueError``."""
    terms: dict[str, Any] = {}
    if form.expires_by_term:
        terms["until_ns"] = ns_of(form.values["until"])
    if "by" in form.values:
        terms["trigger_by"] = TRIGGERS_BY_WORD[form.values["by"]]
    if "activation" in form.values:
        terms["activation_ticks"] = signed(form.values["activation"], "activation")
    require_terms(form, "shared memory")
    return terms


def signed(text: str, what: str) -> int:
    """Raises ``ValueError`` for anything but digits, with a sign or not."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"{what}={text} is not a whole number of ticks or lots")
    return int(text)


def ns_of(text: str) -> int:
    """A UTC time as in FIX, in ns since the epoch.  Raises ``ValueError``."""
    try:
        at = datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"until={text} is not YYYYMMDD-HH:MM:SS") from None
    return int(at.timestamp()) * 10**9
