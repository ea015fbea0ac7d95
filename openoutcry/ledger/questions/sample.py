"""Books of our own in the same ten tables, with faults planted by a seed, and the questions.

What the reference data set shows by a handful of rows is made here in any number, so that tests and
readers need no other files.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from openoutcry.ledger.questions.books import UNITS, half_even
from openoutcry.ledger.questions.faithful import TABLES
from openoutcry.ledger.questions.sample_sql import AMOUNTS, COLUMNS, QUESTIONS, schema

DAY = datetime(2024, 10, 1)
MARKETS = ((1, "BTC_USD", "BTC", "USD", 30_000), (2, "ETH_USD", "ETH", "USD", 1_800))
MAKER_RATE, TAKER_RATE = 50_000, 100_000
"""Fees of maker and taker in units of 1e-8 of the notional: 0.0005 and 0.001."""

FIRST_ORDER, FIRST_TRADE = 9001, 8001
Row = list[int | str | datetime | None]


@dataclass
class Sample:
    """The rows of each table while they are made, and the faults planted: (kind, table, key)."""

    rng: random.Random
    users: int
    tables: dict[str, list[Row]] = field(default_factory=dict)
    planted: set[tuple[str, str, str]] = field(default_factory=set)
    next_ledger_id: int = 700_001
    faulty_trades: set[int] = field(default_factory=set)
    """So that no trade has two faults."""

    def add(self, table: str, *values: int | str | datetime | None) -> Row:
        """Add a row to a table; the list may be changed afterwards."""
        row: Row = list(values)
        self.tables.setdefault(table, []).append(row)
        return row

    def post(
        self, user: int, currency: str, units: int, reason: str, ref: int, at: datetime
    ) -> Row:
        """A ledger row."""
        self.next_ledger_id += 1
        return self.add(
            "Ledger_Entries", self.next_ledger_id, user, currency, units, reason, str(ref), at
        )

    def entries(self, reason: str, ref: int) -> list[Row]:
        """Ledger rows with this reason and reference."""
        return [
            row for row in self.tables["Ledger_Entries"] if row[4] == reason and row[5] == str(ref)
        ]


def write_sample(
    folder: Path, seed: int, trades: int = 40, faults: bool = True
) -> set[tuple[str, str, str]]:
    """Write schema_and_data.sql and q1.sql … q5.sql into a folder; return the faults planted.

    The same seed and number give the same bytes.  Raises ``FileExistsError`` where the folder has
    books already.
    """
    sample = Sample(random.Random(seed), users=6)
    _money(sample)
    for number in range(trades):
        _trade(sample, number)
    if faults:
        for plant in FAULTS:
            plant(sample)
    _wallets(sample, faults)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLES).open("x", encoding="utf-8") as file:
        file.write(schema() + "".join(_inserts(sample)))
    for name, text in QUESTIONS.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return sample.planted


def _money(sample: Sample) -> None:
    """Users, markets, deposits and withdrawals, with their ledger rows."""
    for user in range(1, sample.users + 1):
        sample.add("Users", user, f"user{user}", DAY - timedelta(days=200 - user))
        for number, (currency, whole) in enumerate((("USD", 10**6), ("BTC", 50), ("ETH", 500))):
            key = 6000 + 10 * user + number
            at = DAY - timedelta(days=30 - user)
            sample.add(
                "Deposits", key, user, currency, whole * UNITS, f"tx{key}", "COMPLETED", at, at
            )
            sample.post(user, currency, whole * UNITS, "Deposit", key, at)
        key, at = 6600 + user, DAY - timedelta(days=20)
        sample.add("Deposits", key, user, "USD", 10 * UNITS, f"tx{key}", "COMPLETED", at, at)
        sample.post(user, "USD", 10 * UNITS, "Deposit", key, at)
        key, at = 6500 + user, DAY - timedelta(days=10)
        sample.add("Withdrawals", key, user, "USD", 1000 * UNITS, 5 * UNITS, "COMPLETED", at, at)
        sample.post(user, "USD", -1000 * UNITS, "Withdraw", key, at)
        sample.post(user, "USD", -5 * UNITS, "Fee", key, at)
    sample.add("Deposits", 6999, 1, "USD", 7 * UNITS, "tx6999", "PENDING", DAY, None)
    for market_id, symbol, base, quote, _ in MARKETS:
        sample.add("Markets", market_id, symbol, base, quote)


def _trade(sample: Sample, number: int) -> None:
    """Two orders, their trade and its ledger rows.  The first is of BTC_USD at 09:11."""
    rng = sample.rng
    market_id, _, base, quote, about = MARKETS[number % 2 if number else 0]
    buyer, seller = rng.sample(range(1, sample.users + 1), 2)
    price = about * UNITS + rng.randrange(-10, 11) * UNITS // 4
    quantity = rng.randrange(1, 300) * UNITS // 100
    at = DAY + timedelta(seconds=9 * 3600 + (11 * 60 if number == 0 else rng.randrange(3600)))
    buy, sell = FIRST_ORDER + 2 * number, FIRST_ORDER + 2 * number + 1
    rest = quantity if rng.random() < 0.3 else 0
    for order_id, user, side, more in ((buy, buyer, "BUY", rest), (sell, seller, "SELL", 0)):
        status = "PARTIALLY_FILLED" if more else "FILLED"
        sample.add(
            "Orders",
            order_id,
            user,
            market_id,
            side,
            "LIMIT",
            price,
            quantity + more,
            quantity,
            status,
            at - timedelta(minutes=1),
            at,
        )
    maker, taker = (buyer, seller) if rng.random() < 0.5 else (seller, buyer)
    key = FIRST_TRADE + number
    sample.add(
        "Trades",
        key,
        market_id,
        buy,
        sell,
        price,
        quantity,
        maker,
        taker,
        MAKER_RATE,
        TAKER_RATE,
        at,
    )
    notional = half_even(price * quantity, UNITS)
    for user, sign in ((buyer, 1), (seller, -1)):
        sample.post(user, base, sign * quantity, "Trade_Fill", key, at)
        sample.post(user, quote, -sign * notional, "Trade_Fill", key, at)
    for user, rate in ((maker, MAKER_RATE), (taker, TAKER_RATE)):
        sample.post(user, quote, -half_even(rate * notional, UNITS), "Fee", key, at)


def _untouched(sample: Sample) -> Row:
    """A trade that no fault is about yet, and not the first one."""
    trade = sample.rng.choice(
        [row for row in sample.tables["Trades"][1:] if row[0] not in sample.faulty_trades]
    )
    assert isinstance(trade[0], int)
    sample.faulty_trades.add(trade[0])
    return trade


def _wrong_entry(sample: Sample, kind: str, reason: str, column: int, value: object) -> None:
    trade = _untouched(sample)
    assert isinstance(trade[0], int)
    row = sample.rng.choice(sample.entries(reason, trade[0]))
    row[column] = value(row[column]) if callable(value) else value  # type: ignore[assignment]
    sample.planted.add((kind, "Ledger_Entries", str(row[0])))


def _large_fee(sample: Sample) -> None:
    """Plant the fault of 7005: a fee that is a thousand times too large."""
    _wrong_entry(sample, "wrong_fee", "Fee", 3, lambda units: units * 1000)


def _foreign_currency(sample: Sample) -> None:
    """Plant the fault of 7006: a currency that the market does not have."""
    _wrong_entry(sample, "wrong_currency", "Trade_Fill", 2, "DOGE")


def _half_amount(sample: Sample) -> None:
    """Plant the fault of 7007: less than the whole amount due."""
    _wrong_entry(sample, "wrong_amount", "Trade_Fill", 3, lambda units: units // 2)


def _orphan(sample: Sample) -> None:
    """Plant the fault of 8002: no buy order and no maker."""
    trade = _untouched(sample)
    orders = sample.tables["Orders"]
    buyer = next(row[1] for row in orders if row[0] == trade[2])
    seller = next(row[1] for row in orders if row[0] == trade[3])
    orders.remove(next(row for row in orders if row[0] == trade[2]))
    trade[2], trade[6], trade[7] = None, None, seller
    assert isinstance(trade[0], int)
    trade[8], fee = 0, next(row for row in sample.entries("Fee", trade[0]) if row[1] == buyer)
    for row in sample.entries("Trade_Fill", trade[0]):
        if row[1] == buyer:
            sample.tables["Ledger_Entries"].remove(row)
    sample.tables["Ledger_Entries"].remove(fee)
    own = sample.entries("Fee", trade[0])[0]
    price, quantity = trade[4], trade[5]
    assert isinstance(price, int)
    assert isinstance(quantity, int)
    own[3] = -half_even(TAKER_RATE * half_even(price * quantity, UNITS), UNITS)
    sample.planted.add(("orphan_trade", "Trades", str(trade[0])))


def _no_fee_rows(sample: Sample) -> None:
    """Plant the fault of 8001."""
    trade = _untouched(sample)
    assert isinstance(trade[0], int)
    for row in sample.entries("Fee", trade[0]):
        sample.tables["Ledger_Entries"].remove(row)
    sample.planted.add(("missing_fee", "Trades", str(trade[0])))


def _no_transfer_rows(sample: Sample) -> None:
    """Plant the fault of 6001 and 6002."""
    for table, reason, key in (
        ("Deposits", "Deposit", 6601 + sample.rng.randrange(sample.users)),
        ("Withdrawals", "Withdraw", 6501 + sample.rng.randrange(sample.users)),
    ):
        for row in sample.entries(reason, key) + sample.entries("Fee", key):
            sample.tables["Ledger_Entries"].remove(row)
        sample.planted.add(("missing_entry", table, str(key)))


def _posted_twice(sample: Sample) -> None:
    trade = _untouched(sample)
    assert isinstance(trade[0], int)
    _, user, currency, units, reason, _, at = sample.rng.choice(
        sample.entries("Trade_Fill", trade[0])
    )
    twice = sample.post(user, currency, units, reason, trade[0], at)  # type: ignore[arg-type]
    sample.planted.add(("unexpected_entry", "Ledger_Entries", str(twice[0])))


def _of_nothing(sample: Sample) -> None:
    row = sample.post(2, "USD", UNITS, "Trade_Fill", 99_999_999, DAY)
    sample.planted.add(("unknown_reference", "Ledger_Entries", str(row[0])))


def _filled_otherwise(sample: Sample) -> None:
    order = _order_of(sample, _untouched(sample)[3])
    assert isinstance(order[7], int)
    order[7] += 1
    sample.planted.add(("filled_quantity", "Orders", str(order[0])))


def _flag(sample: Sample) -> None:
    """Plant the fault of 4001: five cancels are claimed, and there is one; and a flag that is
    right."""
    for number, (user, count, seen) in enumerate(((3, 5, 1), (4, 2, 2))):
        for cancel in range(seen):
            key = 5001 + 10 * number + cancel
            at = DAY + timedelta(hours=10, minutes=cancel)
            sample.add(
                "Orders",
                19_000 + key,
                user,
                1,
                "BUY",
                "LIMIT",
                31_000 * UNITS,
                UNITS,
                0,
                "CANCELLED",
                at,
                at,
            )
            sample.add("Order_Cancellations", key, 19_000 + key, user, at, "User requested cancel")
        sample.add(
            "Risk_Flags",
            4001 + number,
            user,
            "HighCancelRate",
            f"{count} cancels in 1 hour",
            DAY + timedelta(hours=10, minutes=30),
        )
    sample.planted.add(("unsupported_flag", "Risk_Flags", "4001"))


def _order_of(sample: Sample, order_id: object) -> Row:
    return next(row for row in sample.tables["Orders"] if row[0] == order_id)


def _filled_status(sample: Sample) -> None:
    """FILLED, with less than its quantity, as its trade says."""
    order = _order_of(sample, _untouched(sample)[3])
    assert isinstance(order[6], int)
    order[6] += UNITS
    sample.planted.add(("wrong_status", "Orders", str(order[0])))


def _beyond_limit(sample: Sample) -> None:
    trade = _untouched(sample)
    order = _order_of(sample, trade[2])
    assert isinstance(trade[4], int)
    order[5] = trade[4] - 1
    sample.planted.add(("beyond_limit", "Trades", str(trade[0])))


def _before_order(sample: Sample) -> None:
    trade = _untouched(sample)
    order, at = _order_of(sample, trade[3]), trade[10]
    assert isinstance(at, datetime)
    order[9] = at + timedelta(seconds=1)
    sample.planted.add(("before_order", "Trades", str(trade[0])))


def _foreign_market(sample: Sample) -> None:
    """The sale is of the other market, at any price."""
    trade = _untouched(sample)
    order = _order_of(sample, trade[3])
    order[2] = 3 - int(str(trade[1]))
    sample.planted.add(("foreign_market", "Trades", str(trade[0])))


def _foreign_cancel(sample: Sample) -> None:
    """Plant a cancellation by another user; and one of a filled order, after its trade."""
    at = DAY + timedelta(hours=11)
    sample.add(
        "Orders", 19_901, 2, 1, "BUY", "LIMIT", 31_000 * UNITS, UNITS, 0, "CANCELLED", at, at
    )
    sample.add("Order_Cancellations", 5101, 19_901, 4, at, "User requested cancel")
    sample.planted.add(("foreign_cancel", "Order_Cancellations", "5101"))
    filled = _order_of(sample, _untouched(sample)[3])
    sample.add("Order_Cancellations", 5102, filled[0], filled[1], at, "User requested cancel")
    sample.planted.add(("cancel_of_filled", "Order_Cancellations", "5102"))


def _needs(sample: Sample) -> dict[tuple[object, str], int]:
    """Return the amounts that open orders need, by user and currency."""
    needs: dict[tuple[object, str], int] = {}
    for _, user, market, side, _, price, quantity, filled, status, *_ in sample.tables["Orders"]:
        if status != "PARTIALLY_FILLED":
            continue
        base, quote = next((row[2], row[3]) for row in MARKETS if row[0] == market)
        assert isinstance(quantity, int)
        assert isinstance(filled, int)
        assert isinstance(price, int)
        rest = quantity - filled
        place = (user, base if side == "SELL" else quote)
        units = rest if side == "SELL" else half_even(price * rest, UNITS)
        needs[place] = needs.get(place, 0) + units
    return needs


FAULTS: tuple[Callable[[Sample], None], ...] = (
    _large_fee, _foreign_currency, _half_amount, _orphan, _no_fee_rows, _no_transfer_rows,
    _posted_twice, _of_nothing, _filled_otherwise, _flag, _filled_status, _beyond_limit,
    _before_order, _foreign_market, _foreign_cancel,
)  # fmt: skip


def _wallets(sample: Sample, faults: bool) -> None:
    """Every user's, as the ledger has it; with faults one differs, one is in debt, one lacks, one
    is there twice and one reserves nothing for an open order."""
    key, needs = 1000, _needs(sample)
    open_handed = min((place for place in needs if place[0] != 2), key=str, default=None)
    currencies = ("USD", "BTC", "ETH")
    traders = {row[1] for row in sample.tables["Orders"] if row[2] == 2 and row[8] == "FILLED"}
    lacks = min(user for user in traders if isinstance(user, int))
    for user in range(1, sample.users + 1):
        for currency in currencies:
            key += 1
            units = sum(
                row[3]
                for row in sample.tables["Ledger_Entries"]
                if row[1] == user and row[2] == currency and isinstance(row[3], int)
            )
            reserved = needs.get((user, currency), 0)
            if faults and (user, currency) == open_handed:
                reserved = 0
                sample.planted.add(("not_reserved", "Wallets", str(key)))
            if faults and (user, currency) == (lacks, "ETH"):
                sample.planted.add(("missing_wallet", "Users", f"{user} ETH"))
                continue
            if faults and (user, currency) == (2, "USD"):
                units += 1
                sample.planted.add(("wallet_differs", "Wallets", str(key)))
            if faults and (user, currency) == (5, "BTC"):
                reserved = units + 1
                sample.planted.add(("negative_balance", "Wallets", str(key)))
            sample.add("Wallets", key, user, currency, units, reserved)
    if faults:
        sample.add("Wallets", key + 1, 6, "BTC", 0, 0)
        sample.planted.add(("wallet_twice", "Wallets", str(key + 1)))


def _inserts(sample: Sample) -> Iterator[str]:
    for table, columns in COLUMNS.items():
        rows = sample.tables.get(table, [])
        if rows:
            lines = [
                ", ".join(_literal(value, name) for value, name in zip(row, columns, strict=True))
                for row in rows
            ]
            yield f"INSERT INTO {table} VALUES\n(" + "),\n(".join(lines) + ");\n"


def _literal(value: object, column: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int) and column in AMOUNTS:
        whole, part = divmod(abs(value), UNITS)
        return f"{'-' if value < 0 else ''}{whole}.{part:08d}"
    return str(value) if isinstance(value, int) else f"'{value}'"
