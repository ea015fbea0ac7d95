"""The books of a folder as rows of integers: amounts in units of 1e-8, as the schema has them."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from openoutcry.ledger.questions.engines import DuckDB, PostgreSQL, store_of
from openoutcry.ledger.questions.faithful import TABLES, plain_decimal

Record = TypeVar("Record")

UNITS = 10**8
"""Units of one whole: the schema has DECIMAL(20,8)."""


class Market(NamedTuple):
    """A spot market: its base asset is traded for its quote currency."""

    market_id: int
    symbol: str
    base_currency: str
    quote_currency: str


class Wallet(NamedTuple):
    """A user's balance of a currency, in ``UNITS``; what is reserved is a part of it."""

    wallet_id: int
    user_id: int
    currency: str
    balance_units: int
    reserved_units: int


class Order(NamedTuple):
    """An order; quantities and prices in ``UNITS``."""

    order_id: int
    user_id: int
    market_id: int
    side: str
    quantity_units: int
    filled_qty_units: int
    price_units: int | None
    """None: a market order."""
    status: str
    created_at: datetime
    worst_price_units: int | None = None
    """The worst at which it may ever have traded, where it was replaced; None: its price."""

    @property
    def is_open(self) -> bool:
        """Whether lots of it may still trade."""
        return self.status in ("OPEN", "PARTIALLY_FILLED")


class Trade(NamedTuple):
    """A trade of two orders; price, quantity and fees in ``UNITS``."""

    trade_id: int
    market_id: int
    buy_order_id: int | None
    sell_order_id: int | None
    price_units: int
    quantity_units: int
    maker_user_id: int | None
    taker_user_id: int | None
    maker_fee_units: int
    taker_fee_units: int
    executed_at: datetime
    maker_fee_currency: str | None = None
    taker_fee_currency: str | None = None
    """None: the quote currency."""


class Entry(NamedTuple):
    """A change of a wallet, in ``UNITS``; ``ref_id``: of what caused it."""

    ledger_id: int
    user_id: int
    currency: str
    amount_units: int
    reason: str
    ref_id: str | None
    created_at: datetime


class Transfer(NamedTuple):
    """A deposit or a withdrawal; a deposit has no fee."""

    transfer_id: int
    user_id: int
    currency: str
    amount_units: int
    fee_units: int
    status: str


class Cancellation(NamedTuple):
    """The cancellation of an order."""

    cancel_id: int
    order_id: int
    user_id: int
    cancelled_at: datetime


class Flag(NamedTuple):
    """A finding of the venue about a user."""

    risk_id: int
    user_id: int | None
    flag_type: str | None
    details: str | None
    flagged_at: datetime


@dataclass(frozen=True)
class Books:
    """Everything that is asked about, each table by its key."""

    users: dict[int, str]
    markets: dict[int, Market]
    wallets: list[Wallet]
    orders: dict[int, Order]
    trades: list[Trade]
    entries: list[Entry]
    deposits: list[Transfer]
    withdrawals: list[Transfer]
    cancellations: list[Cancellation]
    flags: list[Flag]
    venue_fees: dict[tuple[str, str], int] | None = None
    """By trade and currency, what the venue's account got; None: there is no such account."""

    def sides(self, trade: Trade) -> tuple[int | None, int | None]:
        """The buyer and the seller: the orders say it, not which of them was the maker.

        Where one order is missing, its user is the maker or taker who does not own the other one;
        None where that is not known either.
        """
        buyer = self.owner(trade.buy_order_id)
        seller = self.owner(trade.sell_order_id)
        parties = [trade.maker_user_id, trade.taker_user_id]
        if buyer is None and seller is not None:
            buyer = _the_other(parties, seller)
        elif seller is None and buyer is not None:
            seller = _the_other(parties, buyer)
        return buyer, seller

    def owner(self, order_id: int | None) -> int | None:
        """Return the user of an order, None if there is no such order."""
        order = self.orders.get(order_id) if order_id is not None else None
        return order.user_id if order else None

    def notional_units(self, trade: Trade) -> int:
        """Price times quantity, half-even where it has more than eight decimals."""
        return half_even(trade.price_units * trade.quantity_units, UNITS)


def _the_other(parties: list[int | None], known: int) -> int | None:
    """The party that is not ``known``; None if the pair does not name ``known``."""
    if known not in parties:
        return None
    rest = list(parties)
    rest.remove(known)
    return rest[0]


def half_even(numerator: int, denominator: int) -> int:
    """The nearest integer to a quotient, of two equally near the even one; denominator > 0."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def read_books(folder: Path) -> Books:
    """The tables of a folder's schema_and_data.sql.

    Raises ``QuestionsError`` naming the file and what is missing.
    """
    with closing(DuckDB(folder / TABLES)) as data:
        return books_of(data)


ORDER_COLUMNS = (
    "order_id, user_id, market_id, side, quantity, filled_qty, price, status, created_at"
)
TRADE_COLUMNS = (
    "trade_id, market_id, buy_order_id, sell_order_id, price, quantity, maker_user_id, "
    "taker_user_id, maker_fee, taker_fee, executed_at"
)


def read_store(address: str) -> Books:
    """The books of a venue's own store: a journal's folder, or ``postgresql://…``.

    Raises ``QuestionsError`` for a store that cannot be read, ``LedgerError`` for one that has no
    spot trading, or amounts with more than eight decimals.
    """
    with closing(store_of(address)) as data:
        return books_of(data, of_store=True)


def books_of(data: DuckDB | PostgreSQL, of_store: bool = False) -> Books:
    """The tables of an exchange.  With ``of_store`` they are those of a venue's own store.  These
    also have the currency of fees, what the venue got, and the price at which a replaced order may
    have traded."""

    def rows(table: str, columns: str) -> list[tuple[Any, ...]]:
        records = data.rows(f"SELECT {columns} FROM {table} ORDER BY 1")
        return [tuple(units(value) for value in row) for row in records]

    def records(kind: Callable[..., Record], table: str, columns: str) -> list[Record]:
        return [kind(*row) for row in rows(table, columns)]

    transfer = "user_id, currency, amount"
    return Books(
        users=dict(rows("Users", "user_id, username")),  # type: ignore[arg-type]
        markets={
            row[0]: Market(*row)
            for row in rows("Markets", "market_id, symbol, base_currency, quote_currency")
        },
        wallets=records(Wallet, "Wallets", "wallet_id, user_id, currency, balance, reserved"),
        orders={
            row[0]: Order(*row)
            for row in rows("Orders", ORDER_COLUMNS + ", worst_price" * of_store)
        },
        trades=records(
            Trade,
            "Trades",
            TRADE_COLUMNS + ", maker_fee_currency, taker_fee_currency" * of_store,
        ),
        entries=records(
            Entry,
            "Ledger_Entries",
            "ledger_id, user_id, currency, amount, reason, ref_id, created_at",
        ),
        deposits=records(
            Transfer, "Deposits", f"deposit_id, {transfer}, CAST(0 AS DECIMAL(20, 8)), status"
        ),
        withdrawals=[
            Transfer(*row)
            for row in rows(
                "Withdrawals",
                f"withdrawal_id, {transfer}, COALESCE(fee, CAST(0 AS DECIMAL(20, 8))), status",
            )
        ],
        cancellations=records(
            Cancellation, "Order_Cancellations", "cancel_id, order_id, user_id, cancelled_at"
        ),
        flags=records(Flag, "Risk_Flags", "risk_id, user_id, flag_type, details, flagged_at"),
        venue_fees=_venue_fees(rows) if of_store else None,
    )


def _venue_fees(rows: Callable[[str, str], list[tuple[Any, ...]]]) -> dict[tuple[str, str], int]:
    fees: dict[tuple[str, str], int] = {}
    for trade_id, currency, amount in rows("venue_entries", "trade_id, currency, amount"):
        fees[str(trade_id), currency] = fees.get((str(trade_id), currency), 0) + amount
    return fees


def units(value: Any) -> Any:
    """A decimal as units of 1e-8, anything else as it is."""
    return int(value.scaleb(8)) if isinstance(value, Decimal) else value


def decimal(units_: int | None) -> Decimal | None:
    """Units of 1e-8 as a decimal, exactly, without trailing zeros."""
    return None if units_ is None else plain_decimal(Decimal(units_).scaleb(-8))
