"""A trade of a market of one process, and the commands that take it back."""

import numpy as np

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import LEG, WHOLE
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.notes import fee_note
from openoutcry.wire.off_book_legs import AUCTION_BIT, MAKER_BIT


def trade(market, symbol, buyer=1, seller=2, lots=100, price=5_000_000, fee=None):
    """Let two trade in the book; returns the records of the bust.  ``fee``: of each side, where the
    core notes none."""
    market.new(Side.SELL, lots, price, symbol, seller)
    events = market.new(Side.BUY, lots, price, symbol, buyer)
    is_fill = events["kind"] == EventKind.FILLED
    assert is_fill.sum() == 2, events
    notes = np.array(market.engine.notes)
    notes = notes[is_fill] if fee is None else np.full(2, fee_note(fee, of_base=False))
    return bust_of(events[is_fill], notes, symbol)


def bust_of(fills, notes, symbol, match=4_711):
    """The two legs and the command that take these two fills back."""
    records = []
    for side in Side:
        place = int(np.flatnonzero(fills["side"] == side)[0])
        fill = fills[place]
        who, order_id = int(fill["participant"]), int(fill["order_id"])
        leg = setting(Setting.BUST, int(notes[place]), who, symbol, order_id)
        maker, auction = fill["flags"] & EventFlag.MAKER, fill["flags"] & EventFlag.AUCTION
        leg["time_in_force"] = side | (MAKER_BIT if maker else 0) | (AUCTION_BIT if auction else 0)
        leg["side"] = LEG
        records.append(leg)
    lots, price = int(fills["qty_lots"][0]), int(fills["price_ticks"][0])
    last = setting(Setting.BUST, lots, match, symbol, price)
    last["side"] = WHOLE
    return [*records, last]


def bust(market, records, reference="bust 4711"):
    """The events of the last command."""
    for one in opening(reference, 7, 0):
        market.send(one)
    return [market.send(record.copy()) for record in records][-1]
