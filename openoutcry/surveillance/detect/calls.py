"""Trades of a contract far from its mark around a margin call: value goes to another account, and
the insurance fund or those that take over pay for it.

The mark is that of the commands.  A call shows by the LIQUIDATE and DELEVERAGE commands that follow
it.  While they come, every trade far from the mark in that contract is reported.  One from before
is reported when the account that lost by it is liquidated.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants, fixings
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import DetectorBook, DetectorState, WatchedOrder
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT

LIQUIDATE, MARK, SETTLE, FUNDING, EXPIRE = 27, 91, 92, 93, 94
DELEVERAGE, LIST, APPLY = 97, 107, 108
"""``risk/bits.py``: Setting."""
AWAY, AFTER, BEFORE = offset("call_away_bps"), offset("call_after_ns"), offset("call_before_ns")
CALLED_TRADES = constants.CALLED_TRADES
BUY, MAX_LOTS = 1, 1 << 20


@kernel_outlined
def commanded(state: DetectorState, command: OrderRecord, instrument: int, what: int) -> None:
    """Follow a RISK command that was applied: marks, and what shows a margin call."""
    not_inlined()
    if what == APPLY:
        for number in range(state.instruments):
            book = tab.book_at(state, number)
            if book.staged != lay.NONE and command.aux != 0:
                book.mark = book.staged
            book.staged = lay.NONE
        return
    if instrument == NO_INSTRUMENT:
        return
    book = tab.book_at(state, instrument)
    if what in (SETTLE, FUNDING, EXPIRE):
        fixings.fixed(state, instrument)
    if what in (MARK, SETTLE, LIST):
        if command.time_in_force == 1:
            book.staged = command.aux
        else:
            book.mark = command.aux
    elif what in (LIQUIDATE, DELEVERAGE):
        book.called_ns = state.now
        book.called_seq = state.cause
        if what == LIQUIDATE:
            look_back(state, instrument, command.qty_lots)


@kernel
def look_back(state: DetectorState, instrument: int, participant: int) -> None:
    """Report what a participant that is liquidated lost far from the mark shortly before."""
    key = tab.repeat_key(CALLED_TRADES, instrument, tab.owner_of(state, participant))
    row = tab.repeat_row(state, key)
    window = tab.parameter(state, BEFORE)
    count, gains = tab.repeats_within(row, state.now, window, lay.R_GAINS)
    if count != 0:
        _, lots = tab.repeats_within(row, state.now, window, lay.R_LOTS)
        seq = tab.newest_seq(row)
        hit = tab.begin_hit(state, CALLED_TRADES, instrument, 50 + 10 * count, state.now, seq)
        tab.add_member(hit, participant)
        tab.measures(hit, lots, 0, gains, count)
        tab.evidence(hit, 0, seq)
        tab.evidence(hit, 1, state.cause)
    row.count = 0


@kernel_outlined
def traded(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
    price: int,
    lots: int,
) -> None:
    """Follow a trade of a contract that has a mark."""
    not_inlined()
    more = price - book.mark
    away, mark = max(more, -more), max(book.mark, -book.mark)
    if away * 10_000 <= tab.parameter(state, AWAY) * mark:
        return
    pays = maker if (maker.side == BUY) == (more > 0) else taker
    gets = taker if pays == maker else maker
    gain = 2 * away * min(lots, MAX_LOTS)
    if book.called_seq == 0 or state.now - book.called_ns > tab.parameter(state, AFTER):
        key = tab.repeat_key(CALLED_TRADES, instrument, tab.owner_of(state, pays.who))
        tab.repeat(state, key, state.cause, gain, lots)
        return
    first_ns, first_seq = book.called_ns, book.called_seq
    hit = tab.begin_hit(state, CALLED_TRADES, instrument, 60, first_ns, first_seq)
    tab.add_member(hit, pays.who)
    tab.add_member(hit, gets.who)
    tab.measures(hit, lots, 2 * away, gain, 1)
    tab.evidence(hit, 0, first_seq)
    tab.evidence(hit, 1, state.cause)
