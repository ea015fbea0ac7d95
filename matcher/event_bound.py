"""How many events one command can cause at most: one definition for both engines.

Every trade uses up an order (of an iceberg: a slice) or is the last of a taker's run.  A taker is
the command's order, an elected stop, an all-or-none order or a pegged one.  So one command causes
at most

- 2 events for every order it uses up, cancels or expires;
- 3 for every further slice of an iceberg (a trade and REFRESHED);
- 4 more for an order that becomes a taker or leaves an auction: ELECTED or CONVERTED, its last
  trade, its CANCELLED;
- 3 for every re-pegging of a peg (REPEGGED and its last trade). Re-pegging follows the command,
  each elected stop and each all-or-none order that trades. Nothing else changes the best
  displayed price;
- 1 for every move of a trailing trigger, at most after each of those and after each re-pegging;
- 2 for every order and every run of a stop or an all-or-none order in a pro-rata instrument. A
  taker's last trades may leave every maker open there;
- 4 for every leg of a list: it enters (an event, its last trade and its CANCELLED), and that is a
  run like a stop's;
- 1 for every run, if there is a list. A run leaves at most one leg open that it has filled in part,
  and that may reduce another (``commands/legs.py`` refuses other lists);
- 16 for the command's own events.

The first line is 2 * order_capacity at most.  The rest is summed as ``extra`` and kept below
:func:`extra_capacity` by refusing with BOOK_FULL, so plain orders need no such test.
"""

from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.order_types import FOR_AUCTIONS, type_bits

COMMAND_EVENTS = 32
LEG_EXTRA = 4
"""``extra`` of a leg of a list, added to that of its type."""

LIMIT = enum_numbers.ORDER_TYPE_LIMIT
POST_ONLY = enum_numbers.ORDER_TYPE_POST_ONLY
HIDDEN = enum_numbers.ORDER_TYPE_HIDDEN
ICEBERG = enum_numbers.ORDER_TYPE_ICEBERG
ALL_OR_NONE = enum_numbers.ORDER_TYPE_ALL_OR_NONE
FOR_AUCTION_BITS = type_bits(FOR_AUCTIONS)


def extra_capacity(order_capacity: int) -> int:
    """Most ``extra`` events that the open orders of an engine may be good for."""
    return 2 * order_capacity + 32


def scratch_records(order_capacity: int) -> int:
    """Event slots that always hold what one command can cause."""
    return 2 * order_capacity + extra_capacity(order_capacity) + COMMAND_EVENTS


@kernel
def order_extra(order_type: int, tif: int, slices: int) -> int:
    """``extra`` of one open order by itself; ``slices``: of an iceberg, ceil(qty / display) when it
    came or was last replaced."""
    if order_type == ICEBERG:
        return 3 * slices + 3
    plain = order_type in (LIMIT, POST_ONLY, HIDDEN, ALL_OR_NONE)
    return 0 if plain and (FOR_AUCTION_BITS >> tif) & 1 == 0 else 4


@kernel
def instrument_extra(
    stops: int,
    all_or_none: int,
    pegs: int,
    trailing: int,
    orders: int,
    legs: int,
    is_pro_rata: int,
) -> int:
    """``extra`` that an instrument's orders cause together.  ``stops``: waiting ones, ``trailing``
    among them; ``orders``: all open orders (checked only if ``is_pro_rata``); ``legs``: of
    lists."""
    runs = stops + all_or_none + legs
    extra = (3 * pegs + 2 * trailing) * (runs + 1) + is_pro_rata * 2 * orders * runs
    return extra + (pegs + 1) * (runs + 1) if legs != 0 else extra
