"""What the questions' text means, in integers; ``WHY`` says where the given SQL differs."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openoutcry.ledger.questions.books import Books, Market, Trade, decimal
from openoutcry.ledger.questions.expected import FEE, FILL, Leg, legs_of_trade
from openoutcry.ledger.questions.faithful import Answer
from openoutcry.wire.errors import QuestionsError

MINUTE = timedelta(minutes=1)
VENUE = "venue"
"""Account on which the fee income belongs."""


@dataclass(frozen=True)
class Parameters:
    """Parameters that the questions leave open; the defaults are those of their text. Moments are
    naive, UTC, and windows half-open: [from, to)."""

    bars_from: datetime = datetime(2024, 10, 1, 9, 10)
    bars_to: datetime = datetime(2024, 10, 1, 9, 12)
    order_id: int = 9001
    as_of: datetime = datetime(2024, 10, 2)
    wash_seconds: int = 60
    market: str = "BTC_USD"
    books_from: datetime = datetime(2024, 10, 1, 9)
    books_to: datetime = datetime(2024, 10, 1, 10)
    fees_from: datetime = datetime(2024, 10, 1)
    fees_to: datetime = datetime(2024, 10, 2)
    fees_are_rates: bool = True


def answer(books: Books, name: str, parameters: Parameters) -> Answer:
    """The answer to q1 … q5, filled or fees.

    Raises ``QuestionsError`` for another name, an order or a market that is not there, and a window
    that ends before it begins.
    """
    if name not in QUESTIONS:
        raise QuestionsError(f"no question {name!r}: there are {', '.join(QUESTIONS)}")
    windows = (
        (parameters.bars_from, parameters.bars_to),
        (parameters.books_from, parameters.books_to),
        (parameters.fees_from, parameters.fees_to),
    )
    for begin, end in windows:
        if end < begin:
            raise QuestionsError(f"the window ends ({end}) before it begins ({begin})")
    return QUESTIONS[name](books, parameters)


def bars(books: Books, parameters: Parameters) -> Answer:
    """Q1: volume and VWAP of every market and minute; without trades 0 and no VWAP."""
    quantity: dict[tuple[int, datetime], int] = defaultdict(int)
    turnover: dict[tuple[int, datetime], int] = defaultdict(int)
    for trade in books.trades:
        if parameters.bars_from <= trade.executed_at < parameters.bars_to:
            key = trade.market_id, trade.executed_at.replace(second=0, microsecond=0)
            quantity[key] += trade.quantity_units
            turnover[key] += trade.price_units * trade.quantity_units
    rows: list[tuple[Any, ...]] = []
    for market_id in sorted(books.markets):
        minute = parameters.bars_from.replace(second=0, microsecond=0)
        while minute < parameters.bars_to:
            key = market_id, minute
            vwap = half_up(turnover[key], quantity[key]) if quantity[key] else None
            rows.append((market_id, minute.isoformat(" "), decimal(vwap), decimal(quantity[key])))
            minute += MINUTE
    return Answer(("market_id", "minute_bucket", "vwap_price", "total_volume"), rows)


def half_up(numerator: int, denominator: int) -> int:
    """SQL's ROUND of a quotient that is not negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def negative(books: Books, parameters: Parameters) -> Answer:
    """Q2: wallets of which more is reserved than there is."""
    rows = [
        (
            wallet.user_id,
            books.users.get(wallet.user_id),
            wallet.currency,
            decimal(wallet.balance_units),
            decimal(wallet.reserved_units),
            decimal(wallet.balance_units - wallet.reserved_units),
        )
        for wallet in sorted(
            books.wallets,
            key=lambda wallet: (wallet.balance_units - wallet.reserved_units, wallet.wallet_id),
        )
        if wallet.balance_units < wallet.reserved_units
    ]
    names = ("user_id", "username", "currency", "balance", "reserved", "available")
    return Answer(names, rows)


def chain(books: Books, parameters: Parameters) -> Answer:
    """Q3: each trade of an order, with the other side's user and what was left then."""
    order = books.orders.get(parameters.order_id)
    if order is None:
        raise QuestionsError(f"there is no order {parameters.order_id}")
    rows: list[tuple[Any, ...]] = []
    remaining = order.quantity_units
    for trade in sorted(books.trades, key=lambda trade: (trade.executed_at, trade.trade_id)):
        buyer, seller = books.sides(trade)
        for side, order_id, counterparty in (
            ("BUY_SIDE", trade.buy_order_id, seller),
            ("SELL_SIDE", trade.sell_order_id, buyer),
        ):
            if order_id == order.order_id:
                remaining -= trade.quantity_units
                rows.append(
                    (
                        trade.trade_id,
                        trade.executed_at.isoformat(" "),
                        decimal(trade.quantity_units),
                        counterparty,
                        side,
                        decimal(order.quantity_units),
                        decimal(order.filled_qty_units),
                        decimal(remaining),
                    )
                )
    names = (
        "trade_id",
        "executed_at",
        "quantity",
        "counterparty_user_id",
        "side_of_order",
        "order_quantity",
        "order_filled_qty",
        "remaining_qty",
    )
    return Answer(names, rows)


def wash(books: Books, parameters: Parameters) -> Answer:
    """Q4: trades with oneself, and round trips: what was sold is bought back from the same user,
    at the same price and quantity, within a minute.  Each pair once, the earlier trade first."""
    begin = parameters.as_of - timedelta(days=1)
    recent = sorted(
        (trade for trade in books.trades if begin <= trade.executed_at <= parameters.as_of),
        key=lambda trade: (trade.executed_at, trade.trade_id),
    )
    own = {
        trade.trade_id: user for trade in recent if (user := _self_traded(books, trade)) is not None
    }
    rows: list[tuple[Any, ...]] = [
        (
            "SELF",
            str(trade.trade_id),
            str(own[trade.trade_id]),
            "SELF_TRADE",
            trade.executed_at.isoformat(" "),
        )
        for trade in recent
        if trade.trade_id in own
    ]
    groups: dict[tuple[int, int, int], list[Trade]] = defaultdict(list)
    for trade in recent:
        if trade.trade_id not in own and None not in books.sides(trade):
            groups[trade.market_id, trade.price_units, trade.quantity_units].append(trade)
    pairs = []
    for group in groups.values():
        for at, first in enumerate(group):
            for second in group[at + 1 :]:
                seconds = int((second.executed_at - first.executed_at).total_seconds())
                if seconds > parameters.wash_seconds:
                    break
                if books.sides(first) == books.sides(second)[::-1]:
                    pairs.append((first, second, seconds))
    for first, second, seconds in sorted(
        pairs, key=lambda pair: (pair[0].trade_id, pair[1].trade_id)
    ):
        buyer, seller = books.sides(first)
        rows.append(
            (
                "RECIPROCAL",
                f"{first.trade_id}|{second.trade_id}",
                f"{buyer}↔{seller}",
                f"delta_s={seconds}",
                second.executed_at.isoformat(" "),
            )
        )
    return Answer(("type", "trade_id", "user_id", "reason", "executed_at"), rows)


def _self_traded(books: Books, trade: Trade) -> int | None:
    """The user on both sides, by the orders or, where one is missing, by maker and taker."""
    buyer, seller = books.owner(trade.buy_order_id), books.owner(trade.sell_order_id)
    if buyer is None or seller is None:
        buyer, seller = trade.maker_user_id, trade.taker_user_id
    return buyer if buyer == seller else None


def reconciled(books: Books, parameters: Parameters) -> Answer:
    """Q5: for each trade, user, currency and reason what should be posted and what is; so is the
    venue's fee income, for which the data set's schema has no account."""
    market = _market(books, parameters.market)
    trades = [
        trade
        for trade in books.trades
        if trade.market_id == market.market_id
        and parameters.books_from <= trade.executed_at < parameters.books_to
    ]
    posted: dict[str, dict[tuple[Any, ...], int]] = defaultdict(lambda: defaultdict(int))
    for entry in books.entries:
        if entry.ref_id is not None and entry.reason in (FILL, FEE):
            key = entry.user_id, entry.currency, entry.reason
            posted[entry.ref_id][key] += entry.amount_units
    rows: list[tuple[Any, ...]] = []
    for trade in trades:
        legs = legs_of_trade(books, trade, parameters.fees_are_rates)
        due = _sums(legs)
        have = posted[str(trade.trade_id)]
        for key in sorted({*due, *have}):
            expected, actual = due.get(key, 0), have.get(key, 0)
            rows.append(
                (
                    trade.trade_id,
                    str(key[0]),
                    *key[1:],
                    decimal(expected),
                    decimal(actual),
                    decimal(actual - expected),
                    int(actual != expected),
                )
            )
        income: dict[str, int] = defaultdict(int)
        for leg in legs:
            income[leg.currency] -= leg.amount_units if leg.reason == FEE else 0
        for currency, amount in sorted(income.items()):
            got = (books.venue_fees or {}).get((str(trade.trade_id), currency), 0)
            if amount or got:
                rows.append(
                    (
                        trade.trade_id,
                        VENUE,
                        currency,
                        FEE,
                        decimal(amount),
                        decimal(got),
                        decimal(got - amount),
                        int(got != amount),
                    )
                )
    names = (
        "trade_id",
        "user_id",
        "currency",
        "reason",
        "expected",
        "posted",
        "difference",
        "discrepancy_flag",
    )
    return Answer(names, rows)


def _sums(legs: list[Leg]) -> dict[tuple[Any, ...], int]:
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for leg in legs:
        sums[leg.user_id, leg.currency, leg.reason] += leg.amount_units
    return sums


def _market(books: Books, symbol: str) -> Market:
    for market in books.markets.values():
        if market.symbol == symbol:
            return market
    known = ", ".join(market.symbol for market in books.markets.values())
    raise QuestionsError(f"there is no market {symbol!r}; there are {known or 'none'}")


def filled(books: Books, parameters: Parameters) -> Answer:
    """Each order's filled quantity against its trades, to the last unit (the text: within 1e-8)."""
    traded: dict[int, int] = defaultdict(int)
    for trade in books.trades:
        for order_id in (trade.buy_order_id, trade.sell_order_id):
            if order_id is not None:
                traded[order_id] += trade.quantity_units
    rows: list[tuple[Any, ...]] = [
        (
            order.order_id,
            decimal(order.quantity_units),
            decimal(order.filled_qty_units),
            decimal(traded[order.order_id]),
            decimal(order.filled_qty_units - traded[order.order_id]),
        )
        for order in books.orders.values()
    ]
    return Answer(("order_id", "quantity", "filled_qty", "trades_sum_qty", "mismatch"), rows)


def fees(books: Books, parameters: Parameters) -> Answer:
    """Fees that each user paid in [fees_from, fees_to), by currency, as the ledger has them."""
    paid: dict[tuple[int, str], int] = defaultdict(int)
    for entry in books.entries:
        if entry.reason == FEE and parameters.fees_from <= entry.created_at < parameters.fees_to:
            paid[entry.user_id, entry.currency] -= entry.amount_units
    rows: list[tuple[Any, ...]] = [(*key, decimal(paid[key])) for key in sorted(paid)]
    return Answer(("user_id", "currency", "fees_paid"), rows)


QUESTIONS: dict[str, Callable[[Books, Parameters], Answer]] = {
    "q1": bars,
    "q2": negative,
    "q3": chain,
    "q4": wash,
    "q5": reconciled,
    "filled": filled,
    "fees": fees,
}

WHY = {
    "q1": (
        "The SQL's window ends at 09:13, the text's at 09:12.",
        "Minutes in which a market did not trade have a volume of 0; the SQL leaves them out.",
    ),
    "q2": (
        "The available amount is the balance less the reserved amount; the SQL adds both, so a "
        "user in debt looks richer the more is reserved.",
    ),
    "q3": (
        "The counterparty is the user on the other side. The SQL names the taker for a buy order "
        "and the maker for a sell order, and so the order's own user if the buyer was the taker "
        "or the seller the maker.",
        "The remainder is given after each trade; the SQL gives the final one in every row.",
    ),
    "q4": (
        "The last 24 hours end at a given time; the SQL's end now, so books of 2024 have no "
        "answer, and later trades are not left out.",
        "A self-trade is not a round trip with itself, and a pair within one second is one pair.",
        "Round trips are found by buyer and seller; the SQL misses those in which the same user "
        "was the maker twice.",
        "Self-trades are found by the users of both orders, even if maker or taker is missing.",
    ),
    "q5": (
        "Each user's rows are compared; the SQL compares sums over all users, which are 0 "
        "however wrong the parts are.",
        "Fees are rates of the notional (0.001 of USD 3600 is USD 3.60); the SQL takes them for "
        "amounts. --fees amount does, too.",
        "The buyer is the user of the buy order, not the taker.",
        "The venue's fee income has no account in this schema: it is shown as missing.",
        "Only trades of --market are asked for: 8002 of the reference data, which its text "
        "promises to flag, is of ETH_USD.",
    ),
    "filled": ("Compared to the last unit; the text lets 0.00000001 pass.",),
    "fees": ("The window is half-open; BETWEEN takes the next midnight in.",),
}
"""Where the answers of the given SQL and those of the text part, and why."""
