"""A line language for commands and events, and what runs scripts in it.

A script has commands at the start of their lines and, indented below each, the events it causes::

    INSTRUMENT market_band_ticks=3 options=MARKET_REST_STAYS
    NEW id=1 BUY 5@100 IOC p7 DECREMENT
    NEW id=2 SELL 9@101 ICEBERG aux=3
    NEW id=3 BUY 5 TRAILING_STOP trail=10/2
    REPLACE id=1 4@99
    TIME 500
    PHASE PRE_OPEN ref=100

Words that are the name of a command, side, type, time in force or self-trade mode stand for it;
``5@100`` is a quantity and a price, ``p7`` a participant (1 if none is named, the exchange
operator in TIME and PHASE); ``trigger``, ``display``, ``min``, ``offset`` and ``until`` are all
``aux``; ``known=5`` says what open quantity a REPLACE's sender knew of, ``known=5/2`` that and the
new aux.
"""

import re
from typing import Any

import numpy as np

from openoutcry.wire import (
    ORDER_DTYPE,
    Allocation,
    CommandKind,
    EventFlag,
    EventKind,
    InstrumentOption,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    make_instruments,
)
from openoutcry.wire.enums import (
    AUX_HALVES,
    HAS_ACTIVATION,
    LEGS_SHIFT,
    NEW_DAY,
    OPEN_KNOWN,
    REDUCE_ONLY,
    SELF_TRADE_SHIFT,
    Contingency,
    Term,
    TriggerBy,
)
from openoutcry.wire.records import NO_INSTRUMENT, NO_PRICE

AUX = {
    OrderType.STOP: 105,
    OrderType.STOP_LIMIT: 105,
    OrderType.POST_ONLY_STOP_LIMIT: 105,
    OrderType.TAKE_PROFIT: 95,
    OrderType.TAKE_PROFIT_LIMIT: 95,
    OrderType.MIN_QTY: 1,
    OrderType.ICEBERG: 1,
    OrderType.MARKET_BUDGET: 300,
    OrderType.LIMIT_BUDGET: 300,
    OrderType.TRAILING_STOP: 5,
    OrderType.TRAILING_STOP_BPS: 500,
    OrderType.TRAILING_STOP_LIMIT: 5,
    OrderType.TRAILING_STOP_LIMIT_BPS: 500,
}
"""A valid ``aux`` of each order type that needs one, for a buy around 100."""

SYMBOLS = ["A", "BB", "CCCCCCCC"]
FIELDS = {
    "id": "order_id",
    "err": "error_code",
    "kind": "kind",
    "side": "side",
    "type": "order_type",
    "tif": "time_in_force",
    "aux": "aux",
    "trigger": "aux",
    "budget": "aux",
    "display": "aux",
    "min": "aux",
    "offset": "aux",
    "until": "aux",
    "list": "price_ticks",
    "other": "aux",
}
PRICES = {"max": 2**63 - 1, "min": -(2**63)}
"""The prices of orders that trade at any."""
SHOWN_FLAGS = [f for f in EventFlag if f != EventFlag.LAST]
NAMED = {"allocation": Allocation, "initial_phase": Phase}


def parse_command(line: str, seq: int) -> np.ndarray:
    """One order record from a line such as ``NEW id=1 BUY 5@100 IOC p7 sym=BB``."""
    order = np.zeros(1, dtype=ORDER_DTYPE)
    order["seq"], order["symbol"], order["participant"] = seq, SYMBOLS[0], 1
    order["order_type"], order["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    mode = reduces = 0
    for word in line.split():
        if word in CommandKind.__members__:
            order["kind"] = CommandKind[word]
            if word in ("TIME", "PHASE"):
                order["participant"] = 0
        elif word in Side.__members__:
            order["side"] = Side[word]
        elif word in OrderType.__members__:
            order["order_type"] = OrderType[word]
        elif word in TimeInForce.__members__:
            order["time_in_force"] = TimeInForce[word]
        elif word in SelfTrade.__members__:
            mode = SelfTrade[word]
        elif word == "REDUCE_ONLY":
            reduces = REDUCE_ONLY
        elif word in Phase.__members__:
            order["aux"] = Phase[word]
        elif word in Term.__members__:
            order["order_type"] = Term[word]
        elif word in TriggerBy.__members__:
            order["aux"] |= TriggerBy[word]
        elif word in Contingency.__members__:
            order["aux"] |= Contingency[word]
        elif word == "everybody":
            order["aux"], order["participant"] = 1, 0
        elif word == "new_day":
            order["aux"], order["participant"] = NEW_DAY, 0
        elif word == "everywhere":
            order["symbol"] = b""
        elif "=" in word:
            _parse_field(order, *word.split("="))
        elif word[0] == "p":
            order["participant"] = int(word[1:])
        elif order["kind"] == CommandKind.TIME:
            order["aux"] = int(word)
        else:
            qty, _, price = word.partition("@")
            order["qty_lots"] = int(qty)
            order["price_ticks"] = PRICES[price] if price in PRICES else int(price or 0)
    order["time_in_force"] |= mode << SELF_TRADE_SHIFT | reduces
    return order


def _parse_field(order: np.ndarray, name: str, value: str) -> None:
    if name == "sym":
        order["symbol"] = value
    elif name == "ref":
        order["qty_lots"], order["price_ticks"] = 1, int(value)
    elif name == "leg":
        leg, _, legs = value.partition("/")
        order["qty_lots"] = int(leg)
        order["aux"] |= int(legs) << LEGS_SHIFT
    elif name == "activation":
        order["aux"] |= HAS_ACTIVATION
        order["price_ticks"] = int(value)
    elif name == "trail":
        distance, _, step = value.partition("/")
        order["aux"] = int(distance) | int(step or 0) << 32
    elif name == "known":
        known, _, aux = value.partition("/")
        order["aux"] = int(known) | int(aux or 0) << 32
        order["time_in_force"] = OPEN_KNOWN | (AUX_HALVES if aux else 0)
    else:
        order[FIELDS[name]] = PRICES[value] if value in PRICES else int(value)


def parse_instrument(line: str) -> dict[str, Any]:
    """A row for make_instruments from ``INSTRUMENT sym=A qty_step_lots=5 tick_table=0:1,100:5``."""
    row: dict[str, Any] = {"symbol": SYMBOLS[0]}
    for word in line.split()[1:]:
        name, value = word.split("=")
        if name == "sym":
            row["symbol"] = value
        elif name == "tick_table":
            row[name] = [tuple(map(int, band.split(":"))) for band in value.split(",")]
        elif name == "options":
            row[name] = sum(InstrumentOption[option] for option in value.split("+"))
        else:
            row[name] = NAMED[name][value] if name in NAMED else int(value)
    return row


def show_price(price: int, missing: str = "min") -> str:
    """A price as it is written; ``missing`` is what NO_PRICE, the lowest number, means."""
    return missing if price == NO_PRICE else "max" if price == PRICES["max"] else str(price)


def format_event(event: Any) -> str:
    """An event as a line; zero, NONE and participant 1 are left out."""
    kind = EventKind(event["kind"])
    qty, price, leaves = (int(event[f]) for f in ("qty_lots", "price_ticks", "leaves_lots"))
    contra = int(event["contra_id"])
    if kind == EventKind.PHASE_CHANGED:
        words = [
            kind.name,
            f"{Phase(contra).name} -> {Phase(qty).name}",
            f"ref={show_price(price, 'none')}",
        ]
        contra = 0
    elif kind in (EventKind.INDICATIVE, EventKind.UNCROSSED):
        words = [kind.name, f"{qty}@{show_price(price, 'none')}", f"surplus={leaves}"]
        words += [Side(event["side"]).name] if event["side"] else []
    elif kind == EventKind.COMPLETED and event["order_id"]:
        words, contra = [kind.name, f"id={event['order_id']}", Term(contra).name], 0
        if leaves:
            legs, contingency = divmod(leaves, 1 << LEGS_SHIFT)
            words += [Contingency(contingency).name, f"list={price}", f"leg={qty}/{legs}"]
    elif kind == EventKind.COMPLETED:
        words = [kind.name, f"{qty} gone"]
        words += ["everywhere"] if event["instrument"] == NO_INSTRUMENT else []
    else:
        shown = show_price(price)
        words = [kind.name, f"id={event['order_id']}", f"{qty}@{shown}", f"leaves={leaves}"]
    if contra:
        words.append(f"contra={show_price(contra, 'none')}")
    if event["reason"]:
        words.append(Reason(event["reason"]).name)
    words += [flag.name for flag in SHOWN_FLAGS if event["flags"] & flag and flag.name]
    is_operator = kind in (EventKind.PHASE_CHANGED, EventKind.INDICATIVE, EventKind.UNCROSSED)
    if event["participant"] != (0 if is_operator else 1):
        words.append(f"p{event['participant']}")
    return " ".join(words)


def as_entered(command: str) -> str:
    """The event of an order that is accepted as it was entered."""
    order = parse_command(command, 0)[0]
    qty, price = int(order["qty_lots"]), int(order["price_ticks"])
    words = ["ACCEPTED", f"id={order['order_id']}", f"{qty}@{show_price(price)}", f"leaves={qty}"]
    words += [f"p{order['participant']}"] if order["participant"] != 1 else []
    return " ".join(words)


def page_script(text: str) -> str:
    """The script of a page's example, with what the page leaves out.

    Commands without events may share a line, with ``;`` between them.  A NEW whose first event is
    neither ACCEPTED, REJECTED nor COMPLETED is accepted as it was entered.
    ``TRADE 5@100 id=2 leaves=0 id=4 leaves=8`` is a fill of the maker and a fill of the taker;
    with AUCTION at its end, of the buyer and the seller.
    """
    lines = [part for line in text.splitlines() for part in _commands(line)]
    whole: list[str] = []
    owners: dict[str, str] = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        words = line.split()
        if line.startswith("NEW "):
            (order_id,) = [word for word in words if word.startswith("id=")]
            named = [word for word in words if re.fullmatch(r"p\d+", word)]
            owners[order_id] = f" {named[0]}" if named else ""
        if words[:1] == ["TRADE"]:
            whole += [f"    {fill}" for fill in _fills(words[1:], owners)]
        else:
            whole.append(line)
        answered = following.strip().startswith(
            ("ACCEPTED ", "REJECTED ", "COMPLETED ", "REPLACED ")
        )
        if line.startswith("NEW ") and not answered:
            whole.append("    " + as_entered(line))
    return "\n".join(whole)


def _commands(line: str) -> list[str]:
    return line.split("; ") if line.startswith("NEW ") else [line]


def _fills(words: list[str], owners: dict[str, str]) -> list[str]:
    """The two events of ``5@100 id=2 leaves=0 id=4 leaves=8``."""
    at, first, first_leaves, second, second_leaves, *auction = words
    flags = (" AUCTION", " AUCTION") if auction else (" MAKER", "")
    pairs = ((first, first_leaves, second), (second, second_leaves, first))
    return [
        f"FILLED {own} {at} {leaves} contra={other.removeprefix('id=')}{flag}{owners[own]}"
        for (own, leaves, other), flag in zip(pairs, flags, strict=True)
    ]


class Script:
    """Runs scripts of commands (not indented), each followed by its events (indented).

    ``engine`` is an engine, or a class to make one of for the instruments of the script.
    """

    def __init__(self, engine: Any, order_capacity: int = 64) -> None:
        self.make = engine if isinstance(engine, type) else None
        self.order_capacity = order_capacity
        self.engine = engine
        if self.make is not None:
            self.engine = self.make(make_instruments(SYMBOLS), order_capacity)
        self.seq = 0

    def with_instruments(self, rows: list[dict[str, Any]]) -> None:
        assert self.make is not None, "INSTRUMENT lines need a script that makes its engine"
        assert self.seq == 0, "INSTRUMENT lines come first"
        self.engine = self.make(make_instruments(rows), self.order_capacity)

    def send(self, line: str) -> np.ndarray:
        """The events of one command."""
        self.seq += 1
        events = self.engine.process(parse_command(line, self.seq))
        last = (events["flags"] & EventFlag.LAST) != 0
        assert last.tolist() == [False] * (len(events) - 1) + [True]
        assert (events["cause_seq"] == self.seq).all()
        return events

    def run(self, text: str) -> None:
        expected: list[str] = []
        transcript: list[str] = []
        lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
        for line in [line for line in lines if line.startswith("CAPACITY")]:
            self.order_capacity = int(line.split()[1])
            lines.remove(line)
        rows = [parse_instrument(line) for line in lines if line.startswith("INSTRUMENT")]
        if rows or text.strip().startswith("CAPACITY"):
            self.with_instruments(rows or [{"symbol": symbol} for symbol in SYMBOLS])
        for line in lines[len(rows) :]:
            expected.append(line.strip() if line[0] != " " else "    " + line.strip())
            if line[0] == " ":
                continue
            transcript.append(line.strip())
            transcript += ["    " + format_event(event) for event in self.send(line)]
        assert transcript == expected
