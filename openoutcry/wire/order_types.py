"""The table of order types: what each is, declared once for matcher, reference, gateway and docs.

A new type is a name in :class:`~openoutcry.wire.enums.OrderType`, a row here, and what it does: in
the kernels, in the reference, in an example on docs/matcher.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from openoutcry.wire.enums import TIF_MASK, OrderType, TimeInForce

DAY, IOC, FOK, GTC, GTD, AT_OPEN, AT_CLOSE = (
    TimeInForce[name] for name in ("DAY", "IOC", "FOK", "GTC", "GTD", "AT_OPEN", "AT_CLOSE")
)


class Family(Enum):
    """Behaviour of an order on arrival."""

    LIMIT = auto()
    """Trades at its price or better, then rests in its home book, or is cancelled."""
    MARKET = auto()
    """Has no price, and never rests under this type."""
    STOP = auto()
    """Waits for its trigger."""
    PEG = auto()
    """Its price follows the displayed prices."""


class Home(Enum):
    """The book in which an order of the type rests."""

    DISPLAYED = auto()
    HIDDEN = auto()
    ALL_OR_NONE = auto()
    TRIGGERS = auto()


class Aux(Enum):
    """What ``aux`` means to it; GTD orders, which leave it free, have their time there."""

    FREE = ""
    TRIGGER = "trigger"
    DISTANCE_TICKS = "distance, smallest move"
    DISTANCE_BPS = "distance in 1/10,000, smallest move"
    DISPLAY = "display quantity, at least 1/256 of the whole"
    OFFSET = "offset"
    MINIMUM = "minimum"
    BUDGET = "budget"


@dataclass(frozen=True)
class OrderTypeRow:
    """One order type.  It rests after its arrival under the type ``rests_as``, and enters under the
    type ``elected_as`` when its trigger is reached, where these differ from it.  The flag
    ``is_priced`` says whether ``price_ticks`` of its NEW has a meaning, the flag ``takes_profit``
    that its trigger lies where a stop's of the other side does."""

    times_in_force: tuple[TimeInForce, ...]
    family: Family = Family.LIMIT
    home: Home = Home.DISPLAYED
    aux: Aux = Aux.FREE
    is_priced: bool = True
    rests_as: OrderType | None = None
    elected_as: OrderType | None = None
    takes_profit: bool = False


RESTING = (DAY, GTC, GTD)
STAYING = (DAY, GTC)
"""Times in force of what needs ``aux`` for itself."""
AT_ONCE = (IOC, FOK)
EVERY = (DAY, IOC, FOK, GTC, GTD, AT_OPEN, AT_CLOSE)
FOR_AUCTIONS = (AT_OPEN, AT_CLOSE)
"""Times in force of orders that are for one auction only."""


def _stop(aux: Aux, elected_as: OrderType, takes_profit: bool = False) -> OrderTypeRow:
    """A stop has a price if what it becomes has one."""
    return OrderTypeRow(
        STAYING,
        Family.STOP,
        Home.TRIGGERS,
        aux,
        is_priced=elected_as != OrderType.MARKET,
        elected_as=elected_as,
        takes_profit=takes_profit,
    )


ORDER_TYPES: dict[OrderType, OrderTypeRow] = {
    OrderType.LIMIT: OrderTypeRow(EVERY),
    OrderType.MARKET: OrderTypeRow(
        (DAY, IOC, FOK, AT_OPEN, AT_CLOSE),
        Family.MARKET,
        is_priced=False,
        rests_as=OrderType.LIMIT,
    ),
    OrderType.POST_ONLY: OrderTypeRow(RESTING),
    OrderType.POST_ONLY_SLIDE: OrderTypeRow(RESTING, rests_as=OrderType.POST_ONLY),
    OrderType.MARKET_TO_LIMIT: OrderTypeRow(
        (*RESTING, AT_OPEN, AT_CLOSE), Family.MARKET, is_priced=False, rests_as=OrderType.LIMIT
    ),
    OrderType.STOP: _stop(Aux.TRIGGER, OrderType.MARKET),
    OrderType.STOP_LIMIT: _stop(Aux.TRIGGER, OrderType.LIMIT),
    OrderType.TRAILING_STOP: _stop(Aux.DISTANCE_TICKS, OrderType.MARKET),
    OrderType.TRAILING_STOP_BPS: _stop(Aux.DISTANCE_BPS, OrderType.MARKET),
    OrderType.ICEBERG: OrderTypeRow(STAYING, aux=Aux.DISPLAY),
    OrderType.HIDDEN: OrderTypeRow(RESTING, home=Home.HIDDEN),
    OrderType.PEG_PRIMARY: OrderTypeRow(STAYING, Family.PEG, Home.HIDDEN, Aux.OFFSET),
    OrderType.PEG_MARKET: OrderTypeRow(STAYING, Family.PEG, Home.HIDDEN, Aux.OFFSET),
    OrderType.PEG_MIDPOINT: OrderTypeRow(STAYING, Family.PEG, Home.HIDDEN, Aux.OFFSET),
    OrderType.ALL_OR_NONE: OrderTypeRow(RESTING, home=Home.ALL_OR_NONE),
    OrderType.MIN_QTY: OrderTypeRow((DAY, GTC, IOC), aux=Aux.MINIMUM, rests_as=OrderType.LIMIT),
    OrderType.TRAILING_STOP_LIMIT: _stop(Aux.DISTANCE_TICKS, OrderType.LIMIT),
    OrderType.TRAILING_STOP_LIMIT_BPS: _stop(Aux.DISTANCE_BPS, OrderType.LIMIT),
    OrderType.POST_ONLY_STOP_LIMIT: _stop(Aux.TRIGGER, OrderType.POST_ONLY),
    OrderType.MARKET_BUDGET: OrderTypeRow(AT_ONCE, Family.MARKET, aux=Aux.BUDGET, is_priced=False),
    OrderType.LIMIT_BUDGET: OrderTypeRow(AT_ONCE, aux=Aux.BUDGET),
    OrderType.TAKE_PROFIT: _stop(Aux.TRIGGER, OrderType.MARKET, takes_profit=True),
    OrderType.TAKE_PROFIT_LIMIT: _stop(Aux.TRIGGER, OrderType.LIMIT, takes_profit=True),
}

assert list(ORDER_TYPES) == list(OrderType), "an order type without its row, or out of its order"
assert all(0 < order_type < 63 for order_type in OrderType), "kernels keep a bit a type in an int64"
assert all(0 < tif <= TIF_MASK for tif in TimeInForce), "a record has four bits of it"


def types_where(holds: Callable[[OrderTypeRow], bool]) -> tuple[OrderType, ...]:
    """The types whose row satisfies ``holds``."""
    return tuple(order_type for order_type, row in ORDER_TYPES.items() if holds(row))


def types_taking(tif: TimeInForce) -> tuple[OrderType, ...]:
    """Return the order types that a TimeInForce may have."""
    return types_where(lambda row: tif in row.times_in_force)


def types_at_home(home: Home) -> tuple[OrderType, ...]:
    """Return the order types that are kept in a place while they are open."""
    return types_where(lambda row: row.home == home)


def types_resting_as(order_type: OrderType) -> tuple[OrderType, ...]:
    """Return the order types whose remainder rests as another type."""
    return types_where(lambda row: row.rests_as == order_type)


def types_elected_as(order_type: OrderType) -> tuple[OrderType, ...]:
    """Return the stops that are elected as another type."""
    return types_where(lambda row: row.elected_as == order_type)


def type_bits(types: tuple[OrderType, ...] | tuple[TimeInForce, ...]) -> int:
    """A bit for each type, or time in force, for kernels."""
    return sum(1 << order_type for order_type in types)


for _time in TimeInForce:
    assert types_taking(_time), f"wire/order_types.py: no order type may be {_time.name}"

MARKETS = types_where(lambda row: row.family == Family.MARKET)
STOPS = types_where(lambda row: row.family == Family.STOP)
TAKE_PROFITS = types_where(lambda row: row.takes_profit)
"""The stops among them whose trigger is reached from the other side."""
TRAILING = types_where(lambda row: row.aux in (Aux.DISTANCE_TICKS, Aux.DISTANCE_BPS))
TRAILING_BPS = types_where(lambda row: row.aux == Aux.DISTANCE_BPS)
PEGS = types_where(lambda row: row.family == Family.PEG)
BUDGETS = types_where(lambda row: row.aux == Aux.BUDGET)
UNPRICED = types_where(lambda row: not row.is_priced)
RESTING_LEGS = (
    OrderType.LIMIT,
    OrderType.POST_ONLY,
    OrderType.POST_ONLY_SLIDE,
    OrderType.ICEBERG,
    OrderType.HIDDEN,
    OrderType.ALL_OR_NONE,
)
"""Types of the one leg, among those of a list that end each other, that is no stop."""
LEGS = (*RESTING_LEGS, OrderType.MARKET, *STOPS)
"""Types that may be a leg of a list,"""
LEG_TIMES = (DAY, IOC, FOK, GTC, GTD)
"""and their times in force."""
TIMES_IN_FORCE: dict[int, tuple[TimeInForce, ...]] = {
    order_type: row.times_in_force for order_type, row in ORDER_TYPES.items()
}
"""Which times in force go with an order type; any other is malformed."""
