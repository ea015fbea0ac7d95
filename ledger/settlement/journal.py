"""The trades of a journal as settlement wants them: buyer, seller, lots against money."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from openoutcry.ledger import layout as lay
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.settlement.cycle import time_zone
from openoutcry.ledger.transactions import transactions
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import SettlementError

Row = tuple[int, date, str, str, str, str, int, str, int]
"""The columns of ``trades.COLUMNS``."""
QUARTER_S = 900
"""Every zone's midnight is a whole quarter of an hour of UTC: India's is at 18:30."""


def trades_of(directory: Path, market: str, seq: int | None = None) -> Iterator[Row]:
    """Every trade up to a command (None: the journal's end), by the event that reported its second
    side, which is its trade_id; members are participants' numbers.

    Left out: a fill of a participant with itself, which moves nothing, and those of leveraged
    instruments, which are settled in money by the ledger's marks.
    Spot trades are left out as well: wallets settle them at the fill.
    Raises ``SettlementError`` for one that is not an exchange of lots for money (a negative price),
    ``LedgerError`` as ``ledger_state.at``.
    """
    until = at(directory, seq)
    zone = time_zone(market)

    @lru_cache(maxsize=4096)
    def day_of(quarter: int) -> date:
        return datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(zone).date()

    delivered = until.books.instruments[:, lay.LEVERAGED // lay.WORD] == 0
    waiting: dict[tuple[int, ...], list[Any]] = defaultdict(list)
    for rows in transactions(directory, until):
        fills = rows[rows["kind"] == lay.Kind.POSTED]
        for row in fills[delivered[fills["instrument"]]]:
            own, other = int(row["order_id"]), int(row["contra_id"])
            key = (
                int(row["cause_seq"]),
                int(row["instrument"]),
                min(own, other),
                max(own, other),
                int(row["price_ticks"]),
                int(row["qty_lots"]),
            )
            first = next((fill for fill in waiting[key] if fill["side"] != row["side"]), None)
            if first is None:
                waiting[key].append(row)
                continue
            waiting[key].remove(first)
            pair = (first, row) if first["side"] == Side.BUY else (row, first)
            if pair[0]["participant"] != pair[1]["participant"]:
                moment = day_of(int(row["ts_ns"]) // (QUARTER_S * 10**9))
                yield _trade(until.books, market, moment, int(row["event_seq"]), *pair)
    unmatched = [row for rows in waiting.values() for row in rows]
    if unmatched:
        raise SettlementError(f"event {unmatched[0]['event_seq']}: a fill with only one side")


def _trade(books: Any, market: str, day: date, event_seq: int, buy: Any, sell: Any) -> Row:
    cash, lots = int(buy["clearing"]), int(sell["lots_clearing"])
    is_exchange = cash == -int(sell["clearing"]) and lots == -int(buy["lots_clearing"])
    if not is_exchange or cash < 0 or lots != int(buy["qty_lots"]):
        raise SettlementError(f"event {event_seq}: not an exchange of lots for money")
    return (
        event_seq,
        day,
        market,
        str(buy["participant"]),
        str(sell["participant"]),
        books.symbols[buy["instrument"]],
        lots,
        books.assets[buy["asset"]],
        cash,
    )
