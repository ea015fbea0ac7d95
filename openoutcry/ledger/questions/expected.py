"""What the ledger should say of a trade, a deposit or a withdrawal, and how its rows compare."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from openoutcry.ledger.questions.books import UNITS, Books, Entry, Trade, Transfer, half_even

FILL, FEE, DEPOSIT, WITHDRAW = "Trade_Fill", "Fee", "Deposit", "Withdraw"


class Leg(NamedTuple):
    """One row that the ledger should have."""

    user_id: int
    currency: str
    amount_units: int
    reason: str


def legs_of_trade(books: Books, trade: Trade, fees_are_rates: bool) -> list[Leg]:
    """The fills of the sides that are known, and the fees of maker and taker, none of which is 0.

    fees_are_rates: a fee is a part of the notional, half-even to 1e-8; else it is an amount.
    """
    market = books.markets.get(trade.market_id)
    if market is None:
        return []
    base, quote = market.base_currency, market.quote_currency
    quantity, notional = trade.quantity_units, books.notional_units(trade)
    legs = []
    for user, sign in zip(books.sides(trade), (1, -1), strict=True):
        if user is not None:
            legs += [
                Leg(user, base, sign * quantity, FILL),
                Leg(user, quote, -sign * notional, FILL),
            ]
    for user, fee, currency in (
        (trade.maker_user_id, trade.maker_fee_units, trade.maker_fee_currency),
        (trade.taker_user_id, trade.taker_fee_units, trade.taker_fee_currency),
    ):
        due = half_even(fee * notional, UNITS) if fees_are_rates else fee
        if user is not None and due:
            legs.append(Leg(user, currency or quote, -due, FEE))
    return legs


def legs_of_transfer(transfer: Transfer, reason: str) -> list[Leg]:
    """A deposit's credit; a withdrawal's debit and its fee.  Nothing before it is completed."""
    if transfer.status != "COMPLETED":
        return []
    sign = 1 if reason == DEPOSIT else -1
    legs = [Leg(transfer.user_id, transfer.currency, sign * transfer.amount_units, reason)]
    if transfer.fee_units:
        legs.append(Leg(transfer.user_id, transfer.currency, -transfer.fee_units, FEE))
    return legs


@dataclass(frozen=True)
class Compared:
    """Legs and rows that remain when equal ones are taken away."""

    wrong_amount: list[tuple[Leg, Entry]]
    wrong_currency: list[tuple[Leg, Entry]]
    missing: list[Leg]
    unexpected: list[Entry]


def compare(legs: Iterable[Leg], entries: Iterable[Entry]) -> Compared:
    """Pair the legs with the rows: first those that are equal, then by user, reason and currency,
    then by user and reason alone."""
    open_legs, rows = list(legs), list(entries)
    _pair(open_legs, rows, lambda row: (row.user_id, row.reason, row.currency, row.amount_units))
    amounts = _pair(open_legs, rows, lambda row: (row.user_id, row.reason, row.currency))
    currencies = _pair(open_legs, rows, lambda row: (row.user_id, row.reason))
    return Compared(amounts, currencies, open_legs, rows)


def _pair(legs: list[Leg], rows: list[Entry], key: object) -> list[tuple[Leg, Entry]]:
    """Take out and return the pairs that a key finds equal, in the order of the legs."""
    assert callable(key)
    pairs = []
    for leg in list(legs):
        for row in rows:
            if key(leg) == key(row):
                pairs.append((leg, row))
                legs.remove(leg)
                rows.remove(row)
                break
    return pairs
