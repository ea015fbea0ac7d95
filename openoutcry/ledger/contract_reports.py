"""What transactions in contracts mean for reports of profits: at which value lots changed hands."""

from typing import Any

import openoutcry.ledger.layout as lay
from openoutcry.ledger.books import Books
from openoutcry.wire.enums import Side

ENDS = (lay.Kind.SETTLED, lay.Kind.TAKEN_OVER)
"""Kinds by which lots of a contract change hands without a fill."""
CALL = 3
NOW = 2**63 - 1
"""After every event: by the terms in force."""


def lot_value(books: Books, index: int, price: int, event_seq: int = NOW) -> int:
    """Money that a lot of an instrument is worth at a price, by its terms at an event; of an
    inverse contract only differences have a meaning."""
    kind, inverse, units = map(int, books.instruments[index, lay.CONTRACT_KIND // 8 :][:3])
    if kind and inverse and kind < CALL:
        return -(units // max(price, 1))
    return price * books.multiplier_at(index, event_seq)


def price_of(books: Books, index: int) -> int | None:
    """Return the price at which a position is valued: a contract's mark, or the last price; None:
    no price yet."""
    rules = books.instruments[index]
    if rules[lay.CONTRACT_KIND // 8]:
        return int(rules[lay.CONTRACT_KIND // 8 + 3])
    last = int(rules[lay.LAST // 8])
    return None if last == lay.NO_LAST else last


def traded(books: Books, row: Any) -> tuple[int, int]:
    """Lots that a participant got by a transaction (negative: gave), and their value each."""
    index, qty, kind = int(row["instrument"]), int(row["qty_lots"]), int(row["kind"])
    if kind == lay.Kind.SETTLED:
        is_option = books.instruments[index, lay.CONTRACT_KIND // 8] >= CALL
        if is_option:
            # What the payoff came to, a lot.
            return -qty, -int(row["clearing"]) // qty if qty else 0
        return -qty, lot_value(books, index, int(row["price_ticks"]), int(row["event_seq"]))
    gives = Side.BUY if kind == lay.Kind.BROKEN else Side.SELL
    if kind in (lay.Kind.POSTED, lay.Kind.BROKEN) and row["side"] == gives:
        qty = -qty
    return qty, lot_value(books, index, int(row["price_ticks"]), int(row["event_seq"]))


def cash(books: Books, row: Any) -> int:
    """Money that is earned or paid next to the lots: funding, and what a takeover costs apart from
    an option's mark."""
    kind, index, paid = int(row["kind"]), int(row["instrument"]), -int(row["clearing"])
    if kind == lay.Kind.TAKEN_OVER and books.instruments[index, lay.CONTRACT_KIND // 8] >= CALL:
        return paid + int(row["qty_lots"]) * lot_value(books, index, int(row["price_ticks"]))
    return paid if kind in (lay.Kind.FUNDING, lay.Kind.TAKEN_OVER) else 0
