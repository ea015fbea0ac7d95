"""The plain reference's state in the form that snapshots and hashes are made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.constants import INACTIVE
from openoutcry.matcher.state.snapshot import (
    ALL_OR_NONE_PLACE,
    DISPLAYED_PLACE,
    HIDDEN_PLACE,
    NO_PLACE,
    ROW_DTYPE,
    STATE_DTYPE,
    TERM_DTYPE,
    TRIGGER_PLACE,
    Row,
    State,
    order_row,
)
from openoutcry.wire.enums import Phase
from openoutcry.wire.order_types import TRAILING
from openoutcry.wire.records import NO_PRICE
from tests.oracles.matcher.books import Market, OpenOrder, Place
from tests.oracles.matcher.checks import WaitingTerm

CALLS = (
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
)
PLACES = {
    Place.DISPLAYED: DISPLAYED_PLACE,
    Place.HIDDEN: HIDDEN_PLACE,
    Place.AON: ALL_OR_NONE_PLACE,
    Place.TRIGGER: TRIGGER_PLACE,
    Place.NOWHERE: NO_PLACE,
}


def state_row(
    *,
    phase: int,
    last: int | None,
    reference: int | None,
    called: bool,
    extensions_used: int,
    indicative: tuple[int | None, int, int, int],
    day: int = 0,
) -> Row:
    """Return one instrument as a row of STATE_DTYPE; ``indicative``: price, volume, surplus and
    side as last published."""
    price, volume, surplus, side = indicative if phase in CALLS else (None, 0, 0, 0)
    return (
        NO_PRICE if last is None else last,
        NO_PRICE if reference is None else reference,
        NO_PRICE if price is None else price,
        volume,
        surplus,
        phase,
        called,
        extensions_used,
        side,
        day,
    )


def state_of(
    instruments: npt.NDArray[Any],
    markets: Sequence[Market],
    now_ns: int,
    last_seq: int,
    event_count: int,
    command_count: int,
    terms: Sequence[WaitingTerm],
) -> State:
    """The state of an engine with these markets."""
    states = [
        state_row(
            phase=market.phase,
            last=market.last,
            reference=market.ref,
            called=market.called,
            extensions_used=market.extensions,
            indicative=market.indicative,
            day=market.day,
        )
        for market in markets
    ]
    rows = [_row(market, order) for market in markets for order in market.canonical()]
    return State(
        instruments,
        np.array(states, dtype=STATE_DTYPE),
        np.array(rows, dtype=ROW_DTYPE),
        now_ns,
        last_seq,
        event_count,
        command_count,
        np.array([(*t.key[:2], t.term, t.key[2], *t.values) for t in terms], dtype=TERM_DTYPE),
    )


def _row(market: Market, order: OpenOrder) -> Row:
    is_trailing = order.order_type in TRAILING
    trailing = order.distance | order.trail_step << 32
    aux = trailing if is_trailing else order.offset
    if order.link is not None and order.link.is_dormant:
        aux = order.link.aux
    return order_row(
        price=order.level_price,
        order_id=order.order_id,
        qty=order.open_qty,
        instrument=market.index,
        participant=order.participant,
        side=order.side,
        place=PLACES[order.place],
        order_type=order.order_type,
        time_in_force=order.tif,
        self_trade=order.mode,
        limit=order.limit if order.is_peg else order.price,
        reserve=order.leaves - order.open_qty,
        display=order.display,
        trigger=NO_PRICE if order.trigger is None else order.trigger,
        aux=aux,
        expiry_ns=order.expiry,
        expiry_number=order.expiry_number,
        arrival=order.arrival,
        slices=order.slices,
        is_top=order.is_top,
        list_key=0 if order.link is None else order.link.of.key,
        link=(0, 0, 0, 0) if order.link is None else order.link.words,
        trigger_by=order.trigger_by | (0 if order.activation is None else INACTIVE),
        activation=order.activation or 0,
    )
