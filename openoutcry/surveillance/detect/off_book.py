"""Trades off the book: far from it, so value goes from one account to the other; or ahead of which
the maker has traded as its client was about to.

Each leg is compared with the book as it was before the command: a price beyond the best one, and
farther from the mid than a bound.  Takeovers are no such trades, and what an owner trades with its
own accounts moves nothing.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants, moves
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import DetectorBook, DetectorState, WatchedOrder
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined

OFF_BOOK = 110
"""``risk/bits.py``: Setting."""
BPS = offset("off_book_bps")
AHEAD_NS, AHEAD = offset("quote_ahead_ns"), offset("quote_ahead_percent")
BUY, MAX_LOTS = 1, 1 << 20


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
    """Judge one leg; ``taker``: the one that asked."""
    not_inlined()
    if maker.cell == taker.cell:
        return
    ahead_of_client(state, book, instrument, maker, taker, price, lots)
    middle = tab.middle_of(book)
    if middle == lay.NONE or book.bid <= price <= book.ask:
        return
    more = tab.limited(2 * price - middle)
    if abs(more) < 2 * tab.share_bps(price, tab.parameter(state, BPS)):
        return
    pays = maker if (maker.side == BUY) == (more > 0) else taker
    gets = taker if pays == maker else maker
    hit = tab.begin_hit(state, constants.OFF_BOOK_PRICE, instrument, 60, state.now, state.cause)
    tab.add_member(hit, pays.who)
    tab.add_member(hit, gets.who)
    tab.measures(hit, lots, more, abs(more) * min(lots, MAX_LOTS), 1)
    tab.evidence(hit, 0, state.cause)


@kernel
def ahead_of_client(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    client: WatchedOrder,
    price: int,
    lots: int,
) -> None:
    """Report a maker that took on its client's side shortly before, and passes that on at a gain.

    What it sold to others off the book and hedged is no such thing: what counts is how many lots
    it is ahead over five minutes without this leg, in whose sums this leg is."""
    base, now = tab.cell_at(state, maker.cell) + lay.C_BUCKETS, state.now
    span, least = tab.parameter(state, AHEAD_NS), tab.parameter(state, AHEAD) * lots
    buys = client.side == BUY
    took = tab.window_sum(base, now, span, lay.K_BUY_TOOK if buys else lay.K_SELL_TOOK)
    if took * 100 < least or not moves.one_way(state, base, now, span, client.side):
        return
    five = moves.FIVE_MINUTES_NS
    same = tab.window_sum(base, now, five, lay.K_BUY_LOTS if buys else lay.K_SELL_LOTS)
    back = tab.window_sum(base, now, five, lay.K_SELL_LOTS if buys else lay.K_BUY_LOTS)
    if (same - (back - lots)) * 100 < least:
        return
    value = tab.window_sum(base, now, five, lay.K_BUY_VALUE if buys else lay.K_SELL_VALUE)
    apart = moves.value_of(book, price, 1) - value / same
    gain = int(2 * (apart if buys else -apart) * min(min(took, lots), MAX_LOTS))
    if gain <= 0:
        return
    hit = tab.begin_hit(state, constants.FRONT_RUNNING, instrument, 70, now - span, 0)
    tab.add_member(hit, maker.who)
    tab.measures(hit, took, 0, gain, 1)
    tab.evidence(hit, 0, state.cause)
