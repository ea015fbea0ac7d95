"""Legs of lists of which at most one trades: together they need what the dearest of them needs.

Every total of open orders counts such a list once, with the largest of its legs: lots and exposure
of each side, what they could pay or lose, what they reserve in each wallet.  So no state that the
list may come to needs more.  The legs of an OTO list, and the first leg of a bracket, trade in
addition to the others, and count by themselves.  All of them count from their NEW on.

``before`` asks for the terms of a NEW where some may wait (:data:`ASKS_TERMS`), and the hooks give
them (:func:`take_terms`).  The leg's link (``wire/open_orders.py``) is then in the table before its
order is, and LINKING says so until the command is done.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.contracts import trade_contract
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.money import trade
from openoutcry.risk.portfolio import follow_portfolio
from openoutcry.risk.spot import (
    asked_for,
    base_wallet,
    pay_shortfall,
    quote_wallet,
    rules_of,
    settle,
)
from openoutcry.risk.spot_layout import SpotAsset
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.open_orders import (
    CONTINGENCY_SHIFT,
    ENDED,
    ListLink,
    OpenOrder,
    add_link,
    counts_alone,
    drop_link,
    end_others,
    find_link,
    join_ring,
)
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

BUY = enum_numbers.SIDE_BUY
OTO, TERM_LIST = enum_numbers.CONTINGENCY_OTO, enum_numbers.TERM_LIST
TERM_QUOTE = enum_numbers.TERM_QUOTE
ASKS_TERMS = 7 << 8
"""Answer of ``before`` to a NEW: it must know its terms first."""
NO_LEG, NEW_LEG = 1, 2
"""LINKING: the NEW at work is no leg that counts with others; it is one, and its link is known."""


@kernel_outlined
def note_terms(state: RiskState, event: EventRecord, word: int) -> None:
    """A participant's terms wait for a NEW in an instrument: from here on ``before`` asks for
    them."""
    not_inlined()
    participant, instrument = word & 0xFFFF, event.instrument
    is_asked = event.contra_id in (TERM_LIST, TERM_QUOTE)
    if is_asked and participant < state.participants:
        cell = totals.cell_of(state, participant, instrument)
        cell.flags |= lay.TERMS_FLAG


@kernel
def take_terms(state: RiskState, terms: OrderRecord) -> int:
    """Know the terms of the NEW that comes next, as the TERMS command said them; ``qty_lots`` 0: it
    has none, and ``aux`` is 0 if none wait in the instrument any more.  Returns 0."""
    instrument, contingency = totals.find_symbol(state, terms.symbol), terms.aux & 0xFF
    state.linking = NO_LEG
    if terms.qty_lots == 0 and terms.aux == 0:
        cell = totals.cell_of(state, terms.participant, instrument)
        cell.flags &= ~lay.TERMS_FLAG
        state.linking = 0
    elif terms.qty_lots != 0 and contingency != OTO and is_next(state, instrument, terms):
        table, mask = state + state.order_at, state.order_mask
        leg, list_id = terms.qty_lots, terms.price_ticks
        add_link(table, mask, instrument, terms.order_id, list_id, leg, contingency)
        join_ring(table, mask, instrument, terms.order_id)
        state.linking = NEW_LEG
    return 0


@kernel
def is_next(state: RiskState, instrument: int, terms: OrderRecord) -> bool:
    """Return whether the order may be a leg of the list that its terms name: what the matcher
    refuses for another reason is forgotten with its REJECTED."""
    if link_of(state, instrument, terms.order_id).meta != 0:
        return False
    if terms.qty_lots == 1:
        return True
    link = link_of(state, instrument, terms.price_ticks)
    first = totals.find_order(state, instrument, terms.price_ticks)
    is_own = (first.meta >> lay.META_PARTICIPANT) & 0xFFFF == terms.participant
    same = (link.meta >> CONTINGENCY_SHIFT) & 0xFFFF == terms.aux & 0xFF | 1 << 8
    return link.meta != 0 and is_own and same


@kernel
def link_of(state: RiskState, instrument: int, order_id: int) -> ListLink:
    """Return a leg's link, or the free entry where it belongs."""
    return find_link(state + state.order_at, state.order_mask, instrument, order_id)


@kernel_outlined
def forget_leg(state: RiskState, instrument: int, order_id: int) -> None:
    """The leg is no longer open, or it was refused."""
    not_inlined()
    drop_link(state + state.order_at, state.order_mask, instrument, order_id)


# What a list needs


@kernel
def leg_figures(
    state: RiskState, rules: RiskInstrument, side: int, flags: int, price: int, lots: int
) -> tuple[int, int, int, int, int, int, int, int]:
    """Return what an order counts: lots bought and sold, cost, what it loses, exposure of buys and
    of sells, units of the quote and of the base asset."""
    cost = wide.mul(totals.lot_cost(rules, side, flags, price), lots)
    loss = wide.mul(totals.loss_of(flags), lots) if rules.contract_at != 0 else 0
    value = wide.mul(totals.lot_exposure(rules, flags, price), lots)
    units = 0
    if rules.spot_at != 0:
        spot = rules_of(state, rules)
        units = asked_for(rules, spot, side, flags, price, lots, NO_LIMIT)
    if side == BUY:
        return lots, 0, cost, loss, value, 0, units, 0
    return 0, lots, cost, loss, 0, value, 0, units


@kernel_outlined
def dearest(
    state: RiskState,
    rules: RiskInstrument,
    instrument: int,
    order_id: int,
    side: int,
    flags: int,
    price: int,
    lots: int,
) -> tuple[int, int, int, int, int, int, int, int]:
    """Return the figures of a leg's list, each the largest of a leg, with this leg as said here.
    Of one that counts alone they are its own."""
    not_inlined()
    own = link_of(state, instrument, order_id)
    if own.meta & ENDED != 0:
        lots = 0
    buys, sells, cost, loss, bought, sold, quote, base = leg_figures(
        state, rules, side, flags, price, lots
    )
    other_id = order_id if counts_alone(own) else own.next_id
    while other_id != order_id:
        link = link_of(state, instrument, other_id)
        if link.meta & ENDED == 0 and not counts_alone(link):
            entry = totals.find_order(state, instrument, other_id)
            figures = leg_figures(
                state,
                rules,
                (entry.meta >> lay.META_SIDE) & lay.META_SIDE_MASK,
                entry.meta >> lay.META_FLAGS,
                entry.price,
                entry.leaves,
            )
            buys, sells = max(buys, figures[0]), max(sells, figures[1])
            cost, loss = max(cost, figures[2]), max(loss, figures[3])
            bought, sold = max(bought, figures[4]), max(sold, figures[5])
            quote, base = max(quote, figures[6]), max(base, figures[7])
        other_id = link.next_id
    return buys, sells, cost, loss, bought, sold, quote, base


@kernel_outlined
def more_lots(
    state: RiskState,
    rules: RiskInstrument,
    instrument: int,
    order_id: int,
    side: int,
    was: int,
    lots: int,
) -> int:
    """Return how many more lots of its side are open if a leg of ``was`` lots has ``lots``."""
    not_inlined()
    before = dearest(state, rules, instrument, order_id, side, 0, 0, was)
    then = dearest(state, rules, instrument, order_id, side, 0, 0, lots)
    return then[0] - before[0] if side == BUY else then[1] - before[1]


@kernel_outlined
def move_leg(
    state: RiskState,
    event: EventRecord,
    word: int,
    entry: OpenOrder,
    leaves: int,
    price: int,
    flags: int,
    traded: int,
) -> None:
    """Bring every total that the leg's list is part of to these leaves, price and flags of it;
    ``traded`` lots of it were.  As ``after.move_totals``, for one order by itself."""
    not_inlined()
    participant, instrument = word & 0xFFFF, event.instrument
    rules, side, order_id = totals.instrument_row(state, instrument), event.side, event.order_id
    old_flags, old_price, old_leaves = entry.meta >> lay.META_FLAGS, entry.price, entry.leaves
    was = dearest(state, rules, instrument, order_id, side, old_flags, old_price, old_leaves)
    if traded != 0:
        end_others(state + state.order_at, state.order_mask, instrument, order_id, leaves)
    now = dearest(state, rules, instrument, order_id, side, flags, price, leaves)
    row, cell = (
        totals.participant_row(state, participant),
        totals.cell_of(state, participant, instrument),
    )
    group = totals.group_row(state, row.group)
    buys, sells, held = cell.buy_lots, cell.sell_lots, cell.position
    need = totals.needed(rules, held, buys, sells, cell.cost)
    worst = totals.worst_lots(held, buys, sells)
    if rules.spot_at == 0:
        held += traded if side == BUY else -traded
    buys, sells = buys + now[0] - was[0], sells + now[1] - was[1]
    cost, losses = now[2] - was[2], now[3] - was[3]
    cell.buy_lots = buys
    cell.sell_lots = sells
    cell.cost += cost
    row.reserved += totals.needed(rules, held, buys, sells, cell.cost) - need
    row.buy_exposure += now[4] - was[4]
    row.sell_exposure += now[5] - was[5]
    worst = (totals.worst_lots(held, buys, sells) - worst) * rules.weight
    row.gross += worst
    group.gross += worst
    if VERIFY:
        cost_left, reserved, gross = cell.cost, row.reserved, row.gross
        assert min(buys, sells) >= 0, "no less is open than nothing"
        assert min(cost_left, reserved, gross) >= 0, "nor is less needed"
    if rules.spot_at != 0:
        spot = rules_of(state, rules)
        quote, base = quote_wallet(state, spot, participant), base_wallet(state, spot, participant)
        quote.available += was[6] - now[6]
        quote.reserved -= was[6] - now[6]
        base.available += was[7] - now[7]
        base.reserved -= was[7] - now[7]
        if VERIFY:
            assert min(quote.reserved, base.reserved) >= 0, "no list reserves less than nothing"
        if traded != 0:
            terms = cell.mark
            settle(state, rules, spot, participant, side, old_flags, terms, event, traded)
        else:
            pay_shortfall(SpotAsset(state + spot.quote_at), quote)
            pay_shortfall(SpotAsset(state + spot.base_at), base)
    elif rules.contract_at != 0:
        if rules.scenario != 0:
            premiums = 0 if rules.leveraged != 0 else cost - losses
            follow_portfolio(state, row, rules, participant, held, buys, sells, premiums)
        if traded != 0:
            trade_contract(state, rules, row, cell, side, traded, event, held)
    elif traded != 0:
        trade(rules, row, cell, side, traded, event, held)
