"""Everything that is wrong in the books, and nothing else: each finding with what it is about."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from openoutcry.ledger.questions.books import (
    UNITS,
    Books,
    Entry,
    Flag,
    Order,
    Wallet,
    decimal,
    half_even,
)
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
    """One fault.  kind: a word for it.  said: the fault in a sentence.

    table and key: the row it is about.  For a trade without fee rows that is the trade; for a
    missing wallet it is the user."""

    kind: str
    table: str
    key: str
    said: str


def find(books: Books, fees_are_rates: bool = True) -> list[Finding]:
    """Every fault of the books, by table and key."""
    findings = [
        *_trades(books),
        *_executions(books),
        *_ledger(books, fees_are_rates),
        *_wallets(books),
        *_reserves(books),
        *_filled(books),
        *_cancels(books),
        *_flags(books),
    ]
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


def _executions(books: Books) -> Iterator[Finding]:
    """Trades that one of their orders does not allow."""
    cancelled = {one.order_id: one.cancelled_at for one in books.cancellations}
    for trade in books.trades:
        for side, order_id in (("BUY", trade.buy_order_id), ("SELL", trade.sell_order_id)):
            order = books.orders.get(order_id) if order_id is not None else None
            if order is None:
                continue
            key, name = str(trade.trade_id), f"order {order_id}"
            if order.side != side:
                text = f"has {name} as its {side.lower()} order, which is to {order.side.lower()}"
                yield Finding("wrong_side", "Trades", key, text)
            if order.market_id != trade.market_id:
                text = f"is of market {trade.market_id}, {name} of market {order.market_id}"
                yield Finding("foreign_market", "Trades", key, text)
            if trade.executed_at < order.created_at:
                text = f"was at {trade.executed_at}, before {name} came at {order.created_at}"
                yield Finding("before_order", "Trades", key, text)
            if order_id in cancelled and trade.executed_at > cancelled[order.order_id]:
                text = f"was at {trade.executed_at}, after {name} was cancelled"
                yield Finding("after_cancel", "Trades", key, text)
            worst = order.worst_price_units
            limit = order.price_units if worst is None else worst
            beyond = limit is not None and (
                trade.price_units > limit if side == "BUY" else trade.price_units < limit
            )
            if beyond and order.market_id == trade.market_id:
                text = (
                    f"is at {decimal(trade.price_units):f}, the limit of {name} is "
                    f"{decimal(limit):f}"
                )
                yield Finding("beyond_limit", "Trades", key, text)


def _cancels(books: Books) -> Iterator[Finding]:
    """Cancellations that are not the owner's, or of orders that were filled."""
    for one in books.cancellations:
        order, key = books.orders.get(one.order_id), str(one.cancel_id)
        if order is None:
            continue
        if one.user_id != order.user_id:
            text = f"is by user {one.user_id}, order {one.order_id} is of user {order.user_id}"
            yield Finding("foreign_cancel", "Order_Cancellations", key, text)
        if order.status == "FILLED":
            text = f"is of order {one.order_id}, which was filled"
            yield Finding("cancel_of_filled", "Order_Cancellations", key, text)


def _ledger(books: Books, fees_are_rates: bool) -> Iterator[Finding]:
    """The rows compared with what the trades, deposits and withdrawals call for."""
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
            text = f"refers to {ref or 'nothing'}, which is not in {table}"
            yield Finding("unknown_reference", "Ledger_Entries", str(entry.ledger_id), text)


def _compared(
    table: str, key: str, legs: list[Leg], rows: list[Entry], half_known: bool
) -> Iterator[Finding]:
    """Findings of one trade or transfer.  half_known: one side's user is unknown, so that rows of
    other users may be that side's."""
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
    """Wallets compared with the sum of their ledger rows, wallets in debt, and missing wallets."""
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for entry in books.entries:
        sums[entry.user_id, entry.currency] += entry.amount_units
    own: dict[tuple[int, str], list[Wallet]] = defaultdict(list)
    for wallet in books.wallets:
        own[wallet.user_id, wallet.currency].append(wallet)
    for (who, currency), wallets in own.items():
        # Two wallets of one user and currency are one fault; together they are judged as one.
        key, posted = str(wallets[0].wallet_id), sums[who, currency]
        for other in wallets[1:]:
            text = f"is of user {who} in {currency}, as wallet {key} is"
            yield Finding("wallet_twice", "Wallets", str(other.wallet_id), text)
        balance = sum(wallet.balance_units for wallet in wallets)
        reserved = sum(wallet.reserved_units for wallet in wallets)
        if posted != balance:
            text = (
                f"has {decimal(balance):f} {currency}, its ledger rows come to {decimal(posted):f}"
            )
            yield Finding("wallet_differs", "Wallets", key, text)
        if balance < reserved:
            text = f"has {decimal(balance - reserved):f} {currency} available"
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


def _reserves(books: Books) -> Iterator[Finding]:
    """Wallets that reserve less than the open orders of their user need, without fees; what a
    market order to buy needs is not known."""
    needs: dict[tuple[int, str], int] = defaultdict(int)
    orders: dict[tuple[int, str], list[int]] = defaultdict(list)
    for order in books.orders.values():
        market = books.markets.get(order.market_id)
        rest = order.quantity_units - order.filled_qty_units
        if not order.is_open or rest <= 0 or market is None:
            continue
        if order.side == "SELL":
            place, units = (order.user_id, market.base_currency), rest
        elif order.price_units is not None:
            place = order.user_id, market.quote_currency
            units = half_even(order.price_units * rest, UNITS)
        else:
            continue
        needs[place] += units
        orders[place].append(order.order_id)
    first: dict[tuple[int, str], int] = {}
    reserved: dict[tuple[int, str], int] = defaultdict(int)
    for wallet in books.wallets:
        first.setdefault((wallet.user_id, wallet.currency), wallet.wallet_id)
        reserved[wallet.user_id, wallet.currency] += wallet.reserved_units
    for place, units in needs.items():
        if reserved[place] >= units:
            continue
        named, currency = ", ".join(map(str, sorted(orders[place]))), place[1]
        said = f"{decimal(units):f} {currency} for open orders ({named})"
        if place in first:
            text = f"has {decimal(reserved[place]):f} reserved where it needs {said}"
            yield Finding("not_reserved", "Wallets", str(first[place]), text)
        else:
            text = f"has no wallet in {currency}, and needs {said}"
            yield Finding("not_reserved", "Users", f"{place[0]} {currency}", text)


def _filled(books: Books) -> Iterator[Finding]:
    """Orders whose filled quantity is not that of their trades, or not that of their status."""
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
        # A filled quantity that its trades contradict is one fault; its status is then not another
        # one, if it is that of the trades.
        if not any(_may_be(order, units) for units in (order.filled_qty_units, traded)):
            text = (
                f"is {order.status} with {decimal(order.filled_qty_units):f} of "
                f"{decimal(order.quantity_units):f} filled"
            )
            yield Finding("wrong_status", "Orders", str(order.order_id), text)


def _may_be(order: Order, filled_units: int) -> bool:
    """Whether an order of this status may have so much of it filled."""
    if order.status == "FILLED":
        return filled_units == order.quantity_units
    if order.status == "OPEN":
        return filled_units == 0
    if order.status == "PARTIALLY_FILLED":
        return 0 < filled_units < order.quantity_units
    return 0 <= filled_units < order.quantity_units


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
    """How many cancellations the flagged user made in the ``seconds`` before the flag."""
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
