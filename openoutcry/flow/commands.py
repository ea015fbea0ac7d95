"""Rows that become order records: the few shapes of command that recordings translate to."""

from collections import namedtuple
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import numpy as np

from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.order_ids import VENUE_ORDER_IDS
from openoutcry.wire.records import ORDER_DTYPE

PARTICIPANT = 1
"""Recordings do not say whose an order was: all belong to one participant."""

AGGRESSOR_ID = 1 << 59
"""Identifiers from here on are given to aggressors, which recordings of resting orders do not
name; recorded identifiers are below."""
SEED_ID = 1 << 60
"""Identifiers from here on are those of synthetic orders.  Both are ids that a packet may name."""
assert SEED_ID * 2 <= VENUE_ORDER_IDS


Command = tuple[Any, ...]
"""An order record's fields in their order."""
NAMES = ORDER_DTYPE.names or ()
_named = cast(Any, namedtuple("_named", NAMES, defaults=(0,) * len(NAMES)))


def command(
    kind: CommandKind,
    symbol: bytes,
    side: Side,
    price_ticks: int,
    qty_lots: int,
    order_id: int,
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> Command:
    """A command about a limit order."""
    record: Command = _named(
        price_ticks=price_ticks,
        qty_lots=qty_lots,
        symbol=symbol,
        order_id=order_id,
        participant=PARTICIPANT,
        kind=int(kind),
        side=int(side),
        order_type=enum_numbers.ORDER_TYPE_LIMIT,
        time_in_force=int(time_in_force),
    )
    return record


def operator_command(kind: CommandKind, symbol: bytes, aux: int) -> Command:
    """A command of the exchange operator's."""
    record: Command = _named(symbol=symbol, aux=aux, kind=int(kind))
    return record


def as_recorded(given: Command, ts_ns: int, maker_id: int = 0) -> Command:
    """Return the command with what the recording adds: ``rx_ts_ns`` is its time, and ``aux`` of an
    execution the order that was executed (0: unknown). The matcher does not read ``aux`` of a limit
    order."""
    fields: dict[str, int] = {"rx_ts_ns": ts_ns}
    if maker_id:
        fields["aux"] = maker_id
    recorded: Command = cast(Any, given)._replace(**fields)
    return recorded


def opposite(side: Side) -> Side:
    return Side.SELL if side == Side.BUY else Side.BUY


def as_orders(commands: Iterable[Command]) -> Array:
    """An ``ORDER_DTYPE`` array of them."""
    return np.array(list(commands), dtype=ORDER_DTYPE)


def in_chunks(commands: Iterable[Command], chunk_orders: int = CHUNK_ORDERS) -> Iterator[Array]:
    """Arrays of ``chunk_orders`` commands, the last one shorter."""
    stream = iter(commands)
    while chunk := list(islice(stream, chunk_orders)):
        yield as_orders(chunk)
