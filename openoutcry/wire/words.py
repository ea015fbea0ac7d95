"""The words of every door for what orders have in common: one table, a column a door.

A row is a member of an enumeration, a cell its word, number or letter at the door that the column
names; ``-`` says that the door has none.  A program that writes a word takes a whole column or asks
for one cell, and both raise :class:`WordError` for a member that the door cannot say.  One that
reads looks a word up among those that the door has, and answers any other with the reject of its
protocol.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Generic, TypeVar

from openoutcry.wire.enums import (
    Contingency,
    ErrorBit,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.errors import OutcryError

Member = TypeVar("Member", bound=IntEnum | str)


class WordError(OutcryError):
    """A door has no word for a member, or a member has no row."""


class Table(Generic[Member]):
    """Words of the members of one enumeration, or of names."""

    def __init__(self, members: Iterable[Member], text: str) -> None:
        """``text``: a line with the name of the table and its columns, then a line a member;
        cells are separated by ``|``.  Raises :class:`WordError`."""
        heading, *lines = ([cell.strip() for cell in line.split("|")] for line in text.split("\n"))
        self.name, *self.doors = heading
        self._rows: dict[Member, dict[str, str]] = {}
        named = {line[0]: line[1:] for line in lines}
        for member in members:
            name = name_of(member)
            if name not in named:
                doors = ", ".join(self.doors)
                raise WordError(f"wire/words.py: {name} has no row in {self.name!r}: {doors}")
            cells = named.pop(name)
            for place, door in enumerate(self.doors):
                if place >= len(cells) or not cells[place]:
                    raise WordError(
                        f"wire/words.py: {name} has no word for {door} in {self.name!r}: write it, "
                        "or - if the door does not have it"
                    )
            self._rows[member] = dict(zip(self.doors, cells, strict=True))
        if named or len(lines) != len(self._rows):
            raise WordError(f"wire/words.py: {self.name!r} has rows of nothing: {list(named)}")

    def __iter__(self) -> Iterator[Member]:
        return iter(self._rows)

    def offered(self, door: str) -> dict[Member, str]:
        """Return the words of a door, without the members that it does not have."""
        return {member: row[door] for member, row in self._rows.items() if row[door] != "-"}

    def column(self, door: str) -> dict[Member, str]:
        """Return the word of every member at a door.  Raises :class:`WordError` if it lacks one."""
        return {member: self.say(door, member) for member in self._rows}

    def say(self, door: str, member: Member) -> str:
        """Return the word of a member.  Raises :class:`WordError` if the door has none."""
        word = self._rows[member][door] if member in self._rows else "-"
        if word == "-":
            raise WordError(f"{door} has no word for {name_of(member)} ({self.name})")
        return word

    def by_word(self, door: str) -> dict[str, Member]:
        """Return the members that a door names, by their words; of several with one word the
        first."""
        named: dict[str, Member] = {}
        for member, word in self.offered(door).items():
            named.setdefault(word, member)
        return named

    def codes(
        self, door: str, size: int, read: Callable[[str], int] = ord, other: int = 0
    ) -> tuple[int, ...]:
        """Return the words of a door for a kernel, by the members' numbers: ``size`` codes, each
        made by ``read``; ``other`` for numbers without a member.  Raises :class:`WordError`."""
        codes = [other] * size
        for place, (member, word) in enumerate(self.column(door).items()):
            at = place if isinstance(member, str) else int(member)
            if not 0 <= at < size:
                name = name_of(member)
                raise WordError(f"{door} cannot say {name}: its codes end at {size - 1}")
            codes[at] = read(word)
        return tuple(codes)

    def numbers(self, door: str, size: int) -> tuple[int, ...]:
        """Return the members' numbers by the one-character words of a door, for a kernel that
        reads them: 0 for a character that means nothing.  Raises :class:`WordError` if two members
        have the same."""
        numbers = [0] * size
        for member, word in self.offered(door).items():
            if numbers[ord(word)]:
                name = name_of(member)
                raise WordError(f"{door} says {word!r} of {name} and of another ({self.name})")
            numbers[ord(word)] = int(member)
        return tuple(numbers)

    def require_read(self, door: str, members: Iterable[Member]) -> None:
        """Raise :class:`WordError` unless ``members``, which a program reads by rules of its own,
        are those that the door has."""
        members, offered = set(members), set(self.offered(door))
        if members != offered:
            names = ", ".join(sorted(name_of(one) for one in members ^ offered))
            raise WordError(f"{door} does not read what wire/words.py says of {names}")


def name_of(member: IntEnum | str) -> str:
    """Return the name of a member, or of what is none, its text."""
    return str(getattr(member, "name", member))


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the rows of a table that belongs to no enumeration of this room."""
    return tuple(line.partition("|")[0].strip() for line in text.split("\n")[1:])


def number(word: str) -> int:
    """Return the number of a cell such as ``99`` or ``0x13``."""
    return int(word, 0)


def value(word: str) -> str:
    """Return the value in a cell of a field and its value, such as ``display YAZ``."""
    return word.partition(" ")[2]


SIDES: Table[Side] = Table(
    Side,
    """\
side | FIX | OUCH 4.2 | OUCH 5.0 | Binance | /v1  | RTS 24
BUY  | 1   | B        | B        | BUY     | buy  | BUYI
SELL | 2   | S        | S        | SELL    | sell | SELL""",
)
"""FIX: Side (54), which has more values for a sale, as OUCH has more letters for it."""

ORDER_TYPES: Table[OrderType] = Table(
    OrderType,
    """\
order type              | FIX | FIX D                    | OUCH 4.2    | OUCH 5.0      | Binance           | /v1                  | RTS 9
LIMIT                   | 2   | 40=2                     | display YAZ | display YAZ   | LIMIT             | limit                | rests
MARKET                  | 1   | 40=1                     | price       | price         | MARKET            | market               | at once
POST_ONLY               | 2   | 40=2 18=6                | -           | -             | LIMIT_MAKER       | post_only            | rests
POST_ONLY_SLIDE         | 2   | 40=2 18=6 5550=Y         | display PL  | post_only P   | LIMIT             | post_only_slide      | rests
MARKET_TO_LIMIT         | K   | 40=K                     | -           | -             | LIMIT             | market_to_limit      | rests
STOP                    | 3   | 40=3 99=                 | -           | -             | STOP_LOSS         | stop                 | waits
STOP_LIMIT              | 4   | 40=4 99=                 | -           | -             | STOP_LOSS_LIMIT   | stop_limit           | waits
TRAILING_STOP           | P   | 40=P 18=a 211=           | -           | -             | STOP_LOSS         | trailing_stop        | waits
TRAILING_STOP_BPS       | P   | 40=P 18=a 836=1 211=     | -           | -             | STOP_LOSS         | trailing_stop        | waits
ICEBERG                 | 2   | 40=2 111=                | -           | max_floor     | LIMIT             | limit                | rests
HIDDEN                  | 2   | 40=2 111=0               | display Nn  | display N     | LIMIT             | hidden               | rests
PEG_PRIMARY             | P   | 40=P 18=R                | -           | price_type R  | LIMIT             | peg_primary          | rests
PEG_MARKET              | P   | 40=P 18=P                | -           | price_type P  | LIMIT             | peg_market           | rests
PEG_MIDPOINT            | P   | 40=P 18=M                | display Mm  | price_type Mm | LIMIT             | peg_midpoint         | rests
ALL_OR_NONE             | 2   | 40=2 18=G                | -           | -             | LIMIT             | all_or_none          | rests
MIN_QTY                 | 2   | 40=2 110=                | min_qty     | min_qty       | LIMIT             | limit                | rests
TRAILING_STOP_LIMIT     | P   | 40=P 18=a 211= 44=       | -           | -             | STOP_LOSS_LIMIT   | trailing_stop_limit  | waits
TRAILING_STOP_LIMIT_BPS | P   | 40=P 18=a 836=1 211= 44= | -           | -             | STOP_LOSS_LIMIT   | trailing_stop_limit  | waits
POST_ONLY_STOP_LIMIT    | 4   | 40=4 18=6 99=            | -           | -             | STOP_LOSS_LIMIT   | post_only_stop_limit | waits
MARKET_BUDGET           | 1   | 40=1 152=                | -           | -             | MARKET            | market               | at once
LIMIT_BUDGET            | 2   | 40=2 152=                | -           | -             | LIMIT             | limit                | at once
TAKE_PROFIT             | 3   | 40=3 99= 1109=           | -           | -             | TAKE_PROFIT       | take_profit          | waits
TAKE_PROFIT_LIMIT       | 4   | 40=4 99= 1109=           | -           | -             | TAKE_PROFIT_LIMIT | take_profit_limit    | waits""",
)
"""FIX: OrdType (40) of a report; FIX D: the fields that make a NewOrderSingle one of the type, with
``=`` alone where the value is an amount.  OUCH: the field that does, and its values.  Binance: the
type that an answer shows, LIMIT where that API has no such order.  RTS 9: how its messages
count."""

TIMES: Table[TimeInForce] = Table(
    TimeInForce,
    """\
time in force | FIX | OUCH 4.2      | OUCH 5.0        | Binance | Binance answer | /v1      | RTS 24
DAY           | 0   | seconds 99999 | time_in_force 0 | -       | GTC            | day      | DAVY
IOC           | 3   | seconds 0     | time_in_force 3 | IOC     | IOC            | ioc      | IOCV
FOK           | 4   | -             | -               | FOK     | FOK            | fok      | FOKV
GTC           | 1   | -             | -               | GTC     | GTC            | gtc      | GTCV
GTD           | 6   | seconds       | time_in_force 6 | GTD     | GTD            | gtd      | GTTV
AT_OPEN       | 2   | cross O       | cross O         | -       | GTC            | at_open  | DAVY
AT_CLOSE      | 7   | cross C       | cross C         | -       | GTC            | at_close | DAVY""",
)
"""FIX: TimeInForce (59).  OUCH: the field that has it, and its value.  Binance: what a request may
have, and what an answer shows of an order that came by another door."""

USUAL = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY)
"""What an order has that names none at the portal: the first of these that its type may have."""

TERMS: Table[Term] = Table(
    Term,
    """\
term    | FIX | OUCH 4.2 | OUCH 5.0 | shared memory | /v1 | Binance-shaped
LIST    | `35=E` `1385=` | -        | -        | LIST request  | POST order-lists | POST orderList/…
EXPIRY  | `59=6` | -        | -        | TERMS request | expires_ms       | goodTillDate
TRIGGER | `1107=` `1102=` | -        | -        | TERMS request | trigger_by       | stopPrice with trailingDelta
QUOTE   | -   | -        | -        | QUOTE request | -                | -""",
)
"""What is said in advance of an order: the message or field of each door."""

CONTINGENCIES: Table[Contingency] = Table(
    Contingency,
    """\
contingency | FIX 1385
OCO         | 1
OUO         | 3
OTO         | 2
OTOCO       | 100
OTOUO       | 101""",
)
"""ContingencyType (1385) of a list; brackets have numbers of our own."""

TRIGGERS: Table[TriggerBy] = Table(
    TriggerBy,
    """\
price that elects a stop | /v1 buy | /v1 sell | FIX buy | FIX sell
LAST                     | last    | last     | 2       | 2
OWN_QUOTE                | bid     | ask      | 3       | 1
OPPOSITE_QUOTE           | ask     | bid      | 1       | 3
MID                      | mid     | mid      | 6       | 6
MARK                     | mark    | mark     | M       | M
INDEX                    | index   | index    | I       | I""",
)
"""Of an order to buy, and of one to sell.  FIX: TriggerPriceType (1107), where 1 is the offer and 3
the bid; M and I are our own."""

SELF_TRADE: Table[SelfTrade] = Table(
    SelfTrade,
    """\
self-trade prevention | FIX | OUCH 5.0 | Binance      | /v1
ALLOW                 | -   | N        | NONE         | allow
CANCEL_NEWEST         | 1   | N        | EXPIRE_TAKER | cancel_taker
CANCEL_OLDEST         | 2   | O        | EXPIRE_MAKER | cancel_maker
CANCEL_BOTH           | 3   | B        | EXPIRE_BOTH  | cancel_both
DECREMENT             | -   | D        | DECREMENT    | decrement""",
)
"""FIX: SelfMatchPreventionInstruction (2964).  OUCH 5.0: the strategy of an AIQ Canceled.  Orders
of the other doors have the mode of their session."""

REASONS: Table[Reason] = Table(
    Reason,
    """\
reason                 | FIX 103 | FIX 102 | OUCH 4.2 | OUCH 5.0 | OUCH cancel | portal        | Binance reject                       | Binance expiry
NONE                   | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
GATEWAY                | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
UNKNOWN_INSTRUMENT     | 1       | 99      | S        | 0x17     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
MALFORMED              | 11      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
BAD_QTY                | 13      | 99      | Z        | 0x13     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
DUPLICATE_ID           | 6       | 99      | O        | 0x0f     | Z           | duplicate     | NONE                                 | EXCHANGE_CANCELED
UNKNOWN_ORDER          | 5       | 1       | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
NOT_OWNER              | 99      | 1       | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
WOULD_CROSS            | 99      | 99      | O        | 0x12     | Z           | would_take    | WOULD_MATCH_IMMEDIATELY              | EXCHANGE_CANCELED
BOOK_FULL              | 99      | 99      | O        | 0x0f     | Z           | book_full     | NONE                                 | EXCHANGE_CANCELED
LEVEL_OVERFLOW         | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
USER                   | 99      | 99      | O        | 0x0f     | U           | refused       | NONE                                 | EXCHANGE_CANCELED
IOC_REST               | 99      | 99      | O        | 0x0f     | I           | refused       | NONE                                 | UNFILLED_IOC_QUANTITY_EXPIRED
MARKET_REST            | 99      | 99      | O        | 0x0f     | I           | refused       | NONE                                 | INSUFFICIENT_LIQUIDITY
FOK_UNFILLABLE         | 99      | 99      | O        | 0x0f     | I           | refused       | NONE                                 | UNFILLED_FOK_ORDER_EXPIRED
REDUCED_TO_ZERO        | 99      | 99      | O        | 0x0f     | U           | refused       | NONE                                 | EXCHANGE_CANCELED
OFF_STEP               | 99      | 99      | X        | 0x1d     | Z           | price         | NONE                                 | EXCHANGE_CANCELED
OFF_LOT                | 13      | 99      | Z        | 0x13     | I           | quantity      | NONE                                 | EXCHANGE_CANCELED
PRICE_LIMIT            | 3       | 99      | X        | 0x1d     | Z           | price         | NONE                                 | EXCHANGE_CANCELED
QTY_LIMIT              | 3       | 99      | Z        | 0x13     | Z           | quantity      | NONE                                 | EXCHANGE_CANCELED
WRONG_PHASE            | 2       | 99      | C        | 0x02     | Z           | market_closed | NONE                                 | EXCHANGE_CANCELED
BAD_AUX                | 11      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
EXPIRED                | 99      | 99      | O        | 0x0f     | T           | refused       | NONE                                 | EXCHANGE_CANCELED
SELF_TRADE             | 99      | 99      | O        | 0x0f     | Q           | refused       | NONE                                 | EXCHANGE_CANCELED
MIN_QTY_UNFILLABLE     | 99      | 99      | O        | 0x0f     | I           | refused       | NONE                                 | EXCHANGE_CANCELED
DAY_END                | 99      | 99      | O        | 0x0f     | T           | refused       | NONE                                 | EXCHANGE_CANCELED
AUCTION_REST           | 99      | 99      | O        | 0x0f     | T           | refused       | NONE                                 | EXCHANGE_CANCELED
MASS_CANCEL            | 99      | 99      | O        | 0x0f     | S           | refused       | NONE                                 | EXCHANGE_CANCELED
DISCONNECTED           | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
AUCTION_EXTENDED       | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
TIME_BACKWARDS         | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
OFF_LAST               | 99      | 99      | X        | 0x1d     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
RISK                   | 3       | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
TRIGGER_ALREADY_PASSED | 99      | 99      | O        | 0x0f     | Z           | would_trigger | STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY | EXCHANGE_CANCELED
DELISTED               | 99      | 99      | O        | 0x0f     | Z           | market_closed | NONE                                 | EXCHANGE_CANCELED
CLOSE_ONLY             | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
REDUCE_ONLY            | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
RULES_CHANGED          | 99      | 99      | O        | 0x0f     | Z           | refused       | NONE                                 | EXCHANGE_CANCELED
LIST                   | 99      | 99      | O        | 0x0f     | U           | refused       | NONE                                 | OCO_TRIGGER""",
)
"""Why the core rejects or cancels an order.  FIX: OrdRejReason and CxlRejReason, 99 other; OUCH:
the reason of a Rejected, O and 0x0f other, and of a Canceled.  A reject by the gateway or a limit has
the words of its first rule or check (:data:`RULES`, :data:`CHECKS`).  Portal: a code of the order
service (:data:`PORTAL_REFUSALS`).  Binance: the reason of a rejected and of an expired order."""

REASON_TEXTS: Table[Reason] = Table(
    Reason,
    """\
reason                 | rejected | ended | FIX 58
NONE                   | - | - | The venue refused the order
GATEWAY                | the gateway's checks failed | - | The gateway refused the order
UNKNOWN_INSTRUMENT     | there is no such instrument | - | Symbol (55) is no instrument of this venue
MALFORMED              | its kind, side, type or time in force makes no sense, alone or together | - | Side (54), OrdType (40) and TimeInForce (59) make no order together
BAD_QTY                | its quantity is not above 0 | - | OrderQty (38) must be above 0
DUPLICATE_ID           | an order with its id was open | - | ClOrdID (11) is the name of an open order
UNKNOWN_ORDER          | there is no such order | - | OrigClOrdID (41) names no open order
NOT_OWNER              | the order is of another participant | - | OrigClOrdID (41) names the order of another participant
WOULD_CROSS            | it may only rest, and would have traded on arrival | it may only rest, and would have traded | ExecInst (18) lets the order only rest, and its Price (44) would trade at once
BOOK_FULL              | the book had no room for another order or price | the book had no room for another order or price | The book has no room for another order or price
LEVEL_OVERFLOW         | the quantity at its price would have passed 2**63 - 1 | the quantity at its price would have passed 2**63 - 1 | OrderQty (38) is more than the book can hold at one price
USER                   | - | its participant cancelled it | The participant cancelled the order
IOC_REST               | - | it was immediate or cancel, and this was left | TimeInForce (59) is immediate or cancel, and this quantity was left
MARKET_REST            | - | it was a market order, and nothing more could be met within its band | OrdType (40) is market, and there was no more to trade with
FOK_UNFILLABLE         | all of it had to trade at once, and there was not enough | all of it had to trade at once, and there was not enough | TimeInForce (59) is fill or kill, and not all of OrderQty (38) could trade
REDUCED_TO_ZERO        | - | it was reduced to nothing | The order was reduced to nothing
OFF_STEP               | its price is not a multiple of the price step there | - | Price (44) is not a multiple of the price step
OFF_LOT                | its quantity is not a multiple of the quantity step | what was left of its budget paid for no lot more | OrderQty (38), or what CashOrderQty (152) still pays for, is not a multiple of the quantity step
PRICE_LIMIT            | its price is outside the instrument's limits | its price is outside the instrument's limits | Price (44) is outside the instrument's limits
QTY_LIMIT              | its quantity is outside the instrument's limits | - | OrderQty (38) is outside the instrument's limits
WRONG_PHASE            | the instrument's phase does not take such an order | - | The instrument's trading phase does not take this order
BAD_AUX                | its trigger, display quantity, distance, minimum or expiry makes no sense | - | StopPx (99), MinQty (110), MaxFloor (111), CashOrderQty (152) or PegOffsetValue (211) is out of range
EXPIRED                | its time was over when it came | its time was over | ExpireTime (126) or ExpireDate (432) is over
SELF_TRADE             | - | it met an order of the same participant (self-trade prevention) | The order met an order of the same participant, and self-trade prevention removed it
MIN_QTY_UNFILLABLE     | its least quantity could not trade at once | its least quantity could not trade at once | MinQty (110) could not trade at once
DAY_END                | - | its day was over | TimeInForce (59) ended the order with its trading day
AUCTION_REST           | - | it was for one auction, and this was left after it | TimeInForce (59) is for one auction, and this quantity was left after it
MASS_CANCEL            | - | a mass cancel took it | A mass cancel removed the order
DISCONNECTED           | - | its session was lost | The session was disconnected, which cancelled the order
AUCTION_EXTENDED       | - | - | The auction was extended
TIME_BACKWARDS         | time went back | - | The venue's time went back
OFF_LAST               | trading at last takes no other price than the last | - | Price (44) must be the last price while trading at last
RISK                   | a limit or a switch refused it | a limit or a switch took it | A limit or a switch of the venue refused the order
TRIGGER_ALREADY_PASSED | the market had passed its trigger already | - | StopPx (99) is a price that the market has already passed
DELISTED               | - | its instrument was delisted | Symbol (55) was delisted, so the order was cancelled
CLOSE_ONLY             | - | its instrument takes only orders that make a position or a holding smaller | Symbol (55) takes only orders that make a position or a holding smaller, so the order was cancelled
REDUCE_ONLY            | - | the position became smaller, and it may only reduce it | OrderQty (38) is more than the position that the order may reduce
RULES_CHANGED          | open orders are off the new rules of the instrument | the price step, lot or limits of its instrument changed, and it is off them | The steps or limits of Symbol (55) changed, and the order was off the new ones, so it was cancelled
LIST                   | it is no leg that its list waits for | another order of its list traded, was elected or ended | The list of ListID (66) has ended, or does not wait for this order""",
)
"""Why an order was rejected, and why an open one ended, in a sentence that begins with "it".  FIX:
Text (58), one sentence for both that names the fields at fault with their tags."""

RULES: Table[ErrorBit] = Table(
    ErrorBit,
    """\
rule               | FIX 103 | OUCH 4.2 | OUCH 5.0 | FIX 58
PRICE_NOT_POSITIVE | 99      | X        | 0x1d | Price (44) must be above 0
PRICE_ABOVE_LIMIT  | 3       | X        | 0x1d | Price (44) is above the gateway's limit
QTY_NOT_POSITIVE   | 13      | Z        | 0x13 | OrderQty (38) must be above 0
QTY_OUT_OF_LIMITS  | 3       | Z        | 0x13 | OrderQty (38) is outside the gateway's limits
SIDE               | 11      | O        | 0x0f | Side (54) is neither buy nor sell
ORDER_TYPE         | 11      | O        | 0x0f | OrdType (40) is not offered here
TIME_IN_FORCE      | 11      | O        | 0x0f | TimeInForce (59) is not offered here
SYMBOL             | 1       | S        | 0x17 | Symbol (55) is no instrument of this venue
PRICE_STEP         | 99      | X        | 0x1d | Price (44) is not a multiple of the price step
QTY_STEP           | 13      | Z        | 0x13 | OrderQty (38) is not a multiple of the quantity step
COLLAR             | 3       | X        | 0x06 | Price (44) is outside the collar around the reference price
NOTIONAL           | 3       | n        | 0x1f | OrderQty (38) times Price (44) is above the notional limit
PARTICIPANT        | 99      | a        | 0x0c | The participant is switched off
HALTED             | 2       | H        | 0x07 | Symbol (55) is halted
RATE               | 99      | O        | 0x29 | The participant sends too many orders
KIND               | 99      | O        | 0x0f | The gateway does not know this kind of command""",
)
"""Rules of the gateway, by the first that is broken."""

CHECKS = """\
check                | figures | OUCH 4.2 | OUCH 5.0 | FIX 58
ARITHMETIC           | yes     | O        | 0x0f     | OrderQty (38) times Price (44) is more than the venue can compute
UNKNOWN_PARTICIPANT  | yes     | O        | 0x0f     | The participant has no risk limits
MARKET_KILLED        | no      | a        | 0x0c     | The operator has stopped the whole market
HALTED               | no      | H        | 0x07     | Symbol (55) is halted
GROUP_KILLED         | no      | a        | 0x0c     | The participant's group is stopped
KILLED               | no      | a        | 0x0c     | The participant is stopped
RESTRICTED           | no      | c        | 0x0f     | Symbol (55) is restricted for the participant
SHORT_SALE           | yes     | i        | 0x0f     | OrderQty (38) sells more than the participant holds or has located
SELF_TRADE           | no      | O        | 0x0f     | SelfMatchPreventionInstruction (2964) or the key self_trade must name a mode, for an own order is opposite
MAX_QTY              | yes     | m        | 0x13     | OrderQty (38) is above the limit of one order
MAX_VALUE            | yes     | n        | 0x1f     | OrderQty (38) times Price (44) is above the limit of one order
UNPRICED             | no      | O        | 0x0f     | OrdType (40) has no price, and there is none to compute its value with
PRICE_DISTANCE       | yes     | X        | 0x06     | Price (44) is too far from the reference price
PRICE_BAND           | yes     | X        | 0x06     | Price (44) is outside the price band
ADV_SHARE            | yes     | m        | 0x0f     | OrderQty (38) is above the limit's share of the average daily volume
DUPLICATE            | yes     | O        | 0x0f     | The participant repeats the same order too often
RATE                 | yes     | O        | 0x29     | The participant sends too many orders
OPEN_ORDERS          | yes     | O        | 0x0f     | The participant has too many open orders
POSITION_LONG        | yes     | m        | 0x0f     | OrderQty (38) could bring the long position above its limit
POSITION_SHORT       | yes     | m        | 0x0f     | OrderQty (38) could bring the short position above its limit
GROSS_POSITION       | yes     | m        | 0x0f     | OrderQty (38) could bring the gross position above its limit
GROUP_GROSS_POSITION | yes     | m        | 0x0f     | OrderQty (38) could bring the group's gross position above its limit
EXPOSURE_BUY         | yes     | n        | 0x0f     | The value of open buy orders would be above its limit
EXPOSURE_SELL        | yes     | n        | 0x0f     | The value of open sell orders would be above its limit
CAPITAL              | yes     | n        | 0x0f     | The value of positions and orders would be above the capital limit
LOSS                 | yes     | O        | 0x0f     | The participant's loss is above its limit
DRAWDOWN             | yes     | O        | 0x0f     | The participant's drawdown is above its limit
SPEED_BUMP_FULL      | yes     | O        | 0x0f     | The speed bump holds as many orders of the participant as it may
WITHDRAWN            | no      | O        | 0x0f     | The participant is withdrawn from the venue
BALANCE              | yes     | n        | 0x0f     | The balance does not cover the order
SUSPENDED            | no      | a        | 0x0c     | The account is suspended
CLOSED               | no      | a        | 0x0c     | The account is closed
EXPIRED              | no      | H        | 0x07     | Symbol (55) is a contract that has expired
MARGIN               | yes     | n        | 0x0f     | The margin does not cover the order
INSTRUMENT_SUSPENDED | no      | H        | 0x07     | Symbol (55) is suspended
CLOSE_ONLY           | no      | c        | 0x0f     | Symbol (55) takes only orders that make a position or a holding smaller
DELISTED             | no      | H        | 0x07     | Symbol (55) was delisted
REDUCE_ONLY          | yes     | m        | 0x0f     | OrderQty (38) is more than the position that the order may reduce"""
"""Limits and switches of ``risk/bits.py``, by the first that failed; a switch has no limit in
figures.  OUCH 4.2: a: everything is rejected; c: the symbol is restricted, or close-only; i: a short sale; m:
shares beyond a limit; n: money beyond a limit.  OUCH 5.0: as the gateway's rules of the same
kind."""

COMMON_REFUSALS = """\
refusal         | FIX           | OUCH 5.0
THROTTLED       | THROTTLED     | 0x29
TOO_MANY_OPEN   | TOO_MANY_OPEN | 0x0f
UNKNOWN_ORDER   | UNKNOWN_ORDER | 0x0f
DUPLICATE_TOKEN | DUPLICATE     | 0x0f
VENUE_FULL      | NO_ROOM       | 0x0f
NO_EFFECT       | TOO_LATE      | 0x0f
TOO_LATE        | TOO_LATE      | 0x0f
NOT_ADMITTED    | NOT_ADMITTED  | 0x0f"""
"""Why the session layer refuses a message, in every protocol (``order_entry/faults.py``).  FIX: its
own refusal of the same meaning; OUCH 4.2 says O of each."""

FIX_REFUSALS = """\
refusal             | FIX 103 | FIX 102 | FIX 58
UNKNOWN_SYMBOL      | 1       | 99      | Symbol (55) is no instrument of this venue
UNSUPPORTED         | 11      | 99      | Side (54), OrdType (40), TimeInForce (59) and ExecInst (18) are not offered here together
PRICE               | 99      | 99      | Price (44), StopPx (99), CashOrderQty (152) or PegOffsetValue (211) has too many decimals or is out of range
QUANTITY            | 13      | 99      | OrderQty (38), MinQty (110) or MaxFloor (111) is not a whole number of lots or out of range
UNKNOWN_ORDER       | 5       | 1       | ClOrdID (11) or OrigClOrdID (41) names no order of this session
DUPLICATE           | 6       | 6       | ClOrdID (11) was used before
THROTTLED           | 99      | 99      | The session sends too many messages
TOO_MANY_OPEN       | 3       | 99      | The session has too many open orders
MISMATCH            | 99      | 99      | Symbol (55), Side (54), OrdType (40), MinQty (110), CashOrderQty (152) or TimeInForce (59) is not the order's
TOO_LATE            | 4       | 0       | The order is done, or OrderQty (38) is not above what is executed
UNSUPPORTED_MESSAGE | 99      | 99      | Unsupported Message Type
STATUS              | -       | -       | -
MASS_STATUS         | -       | -       | -
NO_ROOM             | 99      | 99      | The venue cannot hold more orders
PENDING             | 99      | 3       | A replace of this order is pending
PARTICIPANT         | 99      | 99      | The session does not act for this participant
NAME                | 99      | 99      | The order has no name
NO_QUANTITY         | 13      | 99      | OrderQty (38) must be above 0
MASS_STATUS_SCOPE   | 99      | 99      | MassStatusReqType (585) other than 7 is not offered here
MASS_CANCEL_SCOPE   | 99      | 99      | MassCancelRequestType (530) other than 1 and 7 is not offered here
UNUSED_FIELD        | 99      | 99      | The request sets a field that its kind does not have, or a reserved one
LIST                | 99      | 99      | The orders make no list, or have not all one Symbol (55)
NOT_ADMITTED        | 99      | 99      | The session has no permission for orders of this OrdType (40) and TimeInForce (59), or for lists or quotes
QUOTES_DONE         | -       | -       | -"""
"""Refusals of FIX and of sessions over shared memory (``order_entry/fix/refusals.py``).  FIX says
nothing of those that are answers."""

OUCH_REFUSALS = """\
refusal       | OUCH 4.2 | OUCH 5.0 | FIX
NONE          | O        | 0x0f     | UNSUPPORTED
SIDE          | O        | 0x09     | UNSUPPORTED
QTY           | Z        | 0x13     | QUANTITY
SYMBOL        | S        | 0x17     | UNKNOWN_SYMBOL
PRICE         | X        | 0x1d     | PRICE
TIME_IN_FORCE | O        | 0x0f     | UNSUPPORTED
DISPLAY       | D        | 0x03     | UNSUPPORTED
CAPACITY      | O        | 0x0f     | UNSUPPORTED
ISO           | O        | 0x08     | UNSUPPORTED
MIN_QTY       | N        | 0x0d     | UNSUPPORTED
CROSS         | R        | 0x14     | UNSUPPORTED
CUSTOMER      | O        | 0x0f     | UNSUPPORTED
TOKEN         | O        | 0x0f     | UNSUPPORTED
OPTION        | O        | 0x0f     | UNSUPPORTED
MAX_FLOOR     | O        | 0x04     | UNSUPPORTED
PEG           | O        | 0x05     | UNSUPPORTED
ROUTE         | O        | 0x16     | UNSUPPORTED
RETAIL        | O        | 0x1a     | UNSUPPORTED
POST_ONLY     | O        | 0x0f     | UNSUPPORTED
DISABLED      | L        | 0x0c     | UNSUPPORTED
REPLACE       | O        | 0x15     | MISMATCH
MODIFIED      | O        | 0x0f     | -
QUERIED       | O        | 0x0f     | -
DISABLE       | O        | 0x0f     | -
ENABLE        | O        | 0x0f     | -"""
"""Refusals of both versions of OUCH (``order_entry/ouch.py``).  FIX: the refusal as a drop copy
reports it; it reports nothing of the four that are answers."""

PORTAL_REFUSALS = """\
code              | Binance code | Binance | /v1 status | /v1 code             | /v1
UNKNOWN_SYMBOL    | -1121        | Invalid symbol. | 404        | unknown_symbol       | there is no such instrument
UNKNOWN_ORDER     | -2013        | Order does not exist. | 404        | not_found            | there is no such order
MISSING           | -1102        | Mandatory parameter '{field}' was not sent, was empty/null, or malformed. | 422        | invalid_request      | this is needed
NOT_REQUIRED      | -1106        | Parameter '{field}' sent when not required. | 422        | invalid_request      | an order of this type has none
INVALID           | -1100        | Illegal characters found in parameter '{field}'. | 422        | invalid_request      | this value is impossible
NOT_DECIMAL       | -1100        | Illegal characters found in parameter '{field}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'. | 422        | invalid_request      | a decimal number is needed
TOO_PRECISE       | -1111        | Parameter '{field}' has too much precision. | 422        | invalid_request      | more decimals than its asset has
PRICE             | -1013        | Filter failure: PRICE_FILTER | 422        | filter_failure       | outside of the market's prices, or off their step
QUANTITY          | -1013        | Filter failure: LOT_SIZE | 422        | filter_failure       | outside of the market's quantities, or off their step
VALUE             | -1013        | Filter failure: NOTIONAL | 422        | filter_failure       | too small or too large
TRAILING_DISTANCE | -1013        | Filter failure: TRAILING_DELTA | 422        | filter_failure       | outside of the market's distances
ICEBERG_PARTS     | -1013        | Filter failure: ICEBERG_PARTS | 422        | filter_failure       | more parts than an iceberg may have
ICEBERG_EXCEEDS   | -2010        | IcebergQty exceeds QTY. | 422        | order_rejected       | more than the quantity
TOO_MANY_ORDERS   | -1013        | Filter failure: MAX_NUM_ORDERS | 422        | filter_failure       | too many open orders in this market
DUPLICATE         | -2010        | Duplicate order sent. | 409        | duplicate_order      | there is an order with this key
BALANCE           | -2010        | Account has insufficient balance for requested action. | 422        | insufficient_balance | the account's balance does not cover this
MARGIN            | -2010        | Margin is insufficient. | 422        | insufficient_margin  | the account's margin does not cover this
WOULD_TAKE        | -2010        | Order would immediately match and take. | 422        | would_take           | the order would trade at once
WOULD_TRIGGER     | -2010        | Stop price would trigger immediately. | 422        | would_trigger        | the order would trigger at once
NO_LIQUIDITY      | -2010        | Order book liquidity is less than symbol minimum quantity. | 422        | order_rejected       | there is no order to trade with
MARKET_CLOSED     | -2010        | Market is closed. | 422        | market_closed        | the market is closed
BOOK_FULL         | -2010        | This order type is currently not possible. | 422        | order_rejected       | orders of this type are not possible now
REFUSED           | -2010        | Order was rejected: {detail} | 422        | order_rejected       | the venue refused the order
NOT_CHANGED       | -2010        | Order was not changed: {detail} | 422        | order_rejected       | the venue refused the change
NOT_CANCELLED     | -2011        | Cancel was rejected: {detail} | 409        | not_cancellable      | the venue refused the cancel
NOT_OPEN          | -2011        | Unknown order sent. | 409        | not_cancellable      | this order is not open
UNAVAILABLE       | -1001        | Internal error; {detail} | 503        | unavailable          | nothing was sent
UNKNOWN_OUTCOME   | -1007        | Timeout waiting for response from backend server. Send status unknown; execution status unknown. | 504        | outcome_unknown      | the venue has not answered in time"""
"""Refusals of the portal's order service (``portal/trading/reject.py``) in the words of its APIs."""
