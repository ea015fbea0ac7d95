"""Everything that is wrong in the books, and nothing else: each finding with what it is about."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from openoutcry.ledger.questions.books import Books, Entry, Flag, decimal
from openoutcry.ledger.questions.expected import (
    DEPOSIT,
    FEE,
    FILL,
    WITHDRAW,
    Leg,
    compare,
    legs_of_trade,
    legs_of_transfer,
)

CANCELS = re.compile(r"(\d+) cancels? in (\d+) (second|minute|hour|day)s?")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Finding(NamedTuple):
    """One fault.  kind: a word for it; table and key: the row it is about (of a trade without fee
    rows the trade, of a wallet that is not there the user); said: the fault in a sentence."""

    kind: str
    table: str
    key: str
    said: str


def find(books: Books, fees_are_rates: bool = True) -> list[Finding]:
    """Every fault of the books, by table and key."""
    findings = [
        *_trades(books), *_ledger(books, fees_are_rates), *_wallets(books), *_filled(books),
        *_flags(books),
    ]  # fmt: skip
    return sorted(findings, key=lambda finding: (finding.table, finding.key, finding.kind))


def _trades(books: Books) -> Iterator[Finding]:
    """Trades that lack an order or a party, or name users who are not those of their orders."""
    for trade in books.trades:
        lacking = [
            name
            for name, present in (
                ("buy order", trade.buy_order_id in books.orders),
                ("sell order", trade.sell_order_id in books.orders),
                ("maker", trade.maker_user_id is not None),
                ("taker", trade.taker_user_id is not None),
            )
            if not present
        ]
        if lacking:
            text = f"has no {' and no '.join(lacking)}"
            yield Finding("orphan_trade", "Trades", str(trade.trade_id), text)
            continue
        named, owners = {trade.maker_user_id, trade.taker_user_id}, set(books.sides(trade))
        if named != owners:
            text = f"names users {_list(named)}, its orders are of {_list(owners)}"
            yield Finding("foreign_party", "Trades", str(trade.trade_id), text)


def _ledger(books: Books, fees_are_rates: bool) -> Iterator[Finding]:
    """The rows beside what the trades, deposits and withdrawals call for."""
    rows: dict[tuple[str, str | None], list[Entry]] = defaultdict(list)
    withdrawals = {str(transfer.transfer_id) for transfer in books.withdrawals}
    trades = {str(trade.trade_id) for trade in books.trades}
    for entry in books.entries:
        of = {FILL: "Trades", FEE: "Trades", DEPOSIT: "Deposits", WITHDRAW: "Withdrawals"}
        table = of.get(entry.reason, "")
        if entry.reason == FEE and entry.ref_id in withdrawals - trades:
            table = "Withdrawals"
        if table:
            rows[table, entry.ref_id].append(entry)
    for trade in books.trades:
        legs = legs_of_trade(books, trade, fees_are_rates)
        key = str(trade.trade_id)
        half = None in books.sides(trade)
        yield from _compared("Trades", key, legs, rows.pop(("Trades", key), []), half)
    for table, reason, transfers in (
        ("Deposits", DEPOSIT, books.deposits),
        ("Withdrawals", WITHDRAW, books.withdrawals),
    ):
        for transfer in transfers:
            key = str(transfer.transfer_id)
            legs = legs_of_transfer(transfer, reason)
            yield from _compared(table, key, legs, rows.pop((table, key), []), False)
    for (table, ref), strangers in rows.items():
        for entry in strangers:
            text = f"refers to {ref or 'nothing'}, which is none of {table}"
            yield Finding("unknown_reference", "Ledger_Entries", str(entry.ledger_id), text)


def _compared(
    table: str, key: str, legs: list[Leg], rows: list[Entry], half_known: bool
) -> Iterator[Finding]:
    """Findings of one trade or transfer.  half_known: one side's user cannot be told, so that
    rows of other users may be that side's."""
    compared = compare(legs, rows)
    for leg, row in compared.wrong_amount:
        kind = "wrong_fee" if leg.reason == FEE else "wrong_amount"
        text = f"{_amount(row)} where {_amount(leg)} is due for {key}"
        yield Finding(kind, "Ledger_Entries", str(row.ledger_id), text)
    for leg, row in compared.wrong_currency:
        text = f"{_amount(row)} where {_amount(leg)} is due for {key}"
        yield Finding("wrong_currency", "Ledger_Entries", str(row.ledger_id), text)
    known = {leg.user_id for leg in legs}
    for row in compared.unexpected:
        if not half_known or row.user_id in known:
            text = f"{_amount(row)} to user {row.user_id} is not called for by {key}"
            yield Finding("unexpected_entry", "Ledger_Entries", str(row.ledger_id), text)
    fees = [leg for leg in compared.missing if leg.reason == FEE and table == "Trades"]
    rest = [leg for leg in compared.missing if leg not in fees]
    for kind, missing in (("missing_fee", fees), ("missing_entry", rest)):
        if missing:
            owed = ", ".join(f"{_amount(leg)} of user {leg.user_id}" for leg in missing)
            yield Finding(kind, table, key, f"has no ledger rows for {owed}")


def _wallets(books: Books) -> Iterator[Finding]:
    """Wallets beside the sum of their ledger rows, wallets in debt, and wallets that lack."""
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for entry in books.entries:
        sums[entry.user_id, entry.currency] += entry.amount_units
    for wallet in books.wallets:
        posted = sums[wallet.user_id, wallet.currency]
        key = str(wallet.wallet_id)
        if posted != wallet.balance_units:
            text = (f"has {decimal(wallet.balance_units):f} {wallet.currency}, "
                    f"its ledger rows come to {decimal(posted):f}")  # fmt: skip
            yield Finding("wallet_differs", "Wallets", key, text)
        if wallet.balance_units < wallet.reserved_units:
            free = decimal(wallet.balance_units - wallet.reserved_units)
            text = f"has {free:f} {wallet.currency} available"
            yield Finding("negative_balance", "Wallets", key, text)
    have = {(wallet.user_id, wallet.currency) for wallet in books.wallets}
    needed: dict[tuple[int, str], int] = {}
    for trade in books.trades:
        market = books.markets.get(trade.market_id)
        for user in books.sides(trade):
            for currency in (market.base_currency, market.quote_currency) if market else ():
                if user is not None and (user, currency) not in have:
                    needed.setdefault((user, currency), trade.trade_id)
    for (user, currency), trade_id in needed.items():
        text = f"trades {currency} ({trade_id}) without a wallet for it"
        yield Finding("missing_wallet", "Users", f"{user} {currency}", text)


def _filled(books: Books) -> Iterator[Finding]:
    """Orders whose filled quantity is not that of their trades."""
    filled: dict[int | None, int] = defaultdict(int)
    for trade in books.trades:
        for order_id in (trade.buy_order_id, trade.sell_order_id):
            filled[order_id] += trade.quantity_units
    for order in books.orders.values():
        traded = filled[order.order_id]
        if traded != order.filled_qty_units:
            text = (
                f"says {decimal(order.filled_qty_units):f} filled, its trades {decimal(traded):f}"
            )
            yield Finding("filled_quantity", "Orders", str(order.order_id), text)


def _flags(books: Books) -> Iterator[Finding]:
    """Flags that count more cancellations than there are."""
    for flag in books.flags:
        claimed = CANCELS.search(flag.details or "")
        if claimed and flag.user_id is not None:
            count = cancellations(books, flag, int(claimed[2]) * SECONDS[claimed[3]])
            if count < int(claimed[1]):
                text = f"says {claimed[0]} of user {flag.user_id}, there is {count}"
                yield Finding("unsupported_flag", "Risk_Flags", str(flag.risk_id), text)


def cancellations(books: Books, flag: Flag, seconds: int) -> int:
    """How many of the flagged user's there are in so many seconds before the flag."""
    begin = flag.flagged_at - timedelta(seconds=seconds)
    return sum(
        cancellation.user_id == flag.user_id
        and begin <= cancellation.cancelled_at <= flag.flagged_at
        for cancellation in books.cancellations
    )


def _amount(row: Leg | Entry) -> str:
    return f"{decimal(row.amount_units):f} {row.currency}"


def _list(users: set[int | None]) -> str:
    return " and ".join(str(user) for user in sorted(users, key=str))
