"""The trades of a journal as settlement wants them: buyer, seller, lots against money; and what the
final settlement of physically settled futures obliges their holders to."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger import layout as lay
from openoutcry.ledger.books import Books
from openoutcry.ledger.ledger_state import LedgerState, at
from openoutcry.ledger.settlement.cycle import time_zone
from openoutcry.ledger.transactions import transactions
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import SettlementError

Row = tuple[int, date, str, str, str, str, int, str, int]
"""The columns of ``trades.COLUMNS``."""
NO_EVENTS = np.zeros(0, np.int64)
DELIVERIES = 1 << 62
"""The first trade_id of a delivery: the event of the final settlement and the delivery's number are
added."""
DELIVERY_BITS = 17
"""Of a delivery's number: pairs of one expiry are fewer than two for each participant."""
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
    day_of = _days(market)
    delivered = until.books.instruments[:, lay.LEVERAGED // lay.WORD] == 0
    waiting: dict[tuple[int, ...], list[Any]] = defaultdict(list)
    is_contract = until.books.instruments[:, lay.CONTRACT_KIND // lay.WORD] != 0
    broken = _broken(directory, until) if (is_contract & delivered).any() else NO_EVENTS
    for rows in transactions(directory, until):
        fills = rows[rows["kind"] == lay.Kind.POSTED]
        fills = fills[~np.isin(fills["event_seq"], broken)]
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
                moment = day_of(int(row["ts_ns"]))
                yield _trade(until.books, market, moment, int(row["event_seq"]), *pair)
    unmatched = [row for rows in waiting.values() for row in rows]
    if unmatched:
        raise SettlementError(f"event {unmatched[0]['event_seq']}: a fill with only one side")


def _broken(directory: Path, until: LedgerState) -> npt.NDArray[np.int64]:
    """The fills' events of trades that were taken back."""
    found = [NO_EVENTS]
    for rows in transactions(directory, until):
        matches = rows["contra_id"][rows["kind"] == lay.Kind.BROKEN]
        found += [matches, matches + 1]
    return np.concatenate(found)


def _days(market: str) -> Callable[[int], date]:
    """The market's day of a time in nanoseconds."""
    zone = time_zone(market)

    @lru_cache(maxsize=4096)
    def of_quarter(quarter: int) -> date:
        return datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(zone).date()

    return lambda ns: of_quarter(ns // (QUARTER_S * 10**9))


def deliveries_of(directory: Path, market: str, seq: int | None = None) -> Iterator[Row]:
    """Return what each final settlement of a future with ``delivered_asset`` obliges to, as trades:
    longs buy the asset from shorts at the final price.

    The lowest numbers are paired first, so the same journal gives the same pairs.
    """
    until, day_of = at(directory, seq), _days(market)
    hooks = until.reader.config.get("hooks") or {}
    terms = {index: (asset, units) for index, asset, units in hooks.get("delivered", ())}
    if not terms:
        return
    books, started = until.books, Books(until.reader.config)
    for rows in transactions(directory, until):
        settled = rows[rows["kind"] == lay.Kind.SETTLED]
        for event_seq in np.unique(settled["event_seq"]).tolist():
            own = settled[settled["event_seq"] == event_seq]
            first = own[0]
            if int(first["instrument"]) not in terms:
                continue
            asset, units = terms[int(first["instrument"])]
            unit_cash = int(books.instruments[first["instrument"], lay.UNITS // lay.WORD])
            cash = unit_cash * int(first["price_ticks"])
            # A lot that was adjusted delivers as much more as it is worth a tick.
            begun = int(started.instruments[first["instrument"], lay.UNITS // lay.WORD])
            units = units * unit_cash // begun
            if cash < 0:
                raise SettlementError(f"event {event_seq}: a delivery at a price below 0")
            held = {int(row["participant"]): int(row["qty_lots"]) for row in own}
            day = day_of(int(first["ts_ns"]))
            for number, (buyer, seller, lots) in enumerate(paired(held)):
                trade_id = DELIVERIES + (event_seq << DELIVERY_BITS) + number
                members, money = (str(buyer), str(seller)), books.assets[first["asset"]]
                yield trade_id, day, market, *members, asset, lots * units, money, lots * cash


def paired(held: Mapping[int, int]) -> Iterator[tuple[int, int, int]]:
    """Longs, shorts and lots of positions that sum to 0, the lowest numbers first."""
    longs, shorts = (
        [[who, abs(lots)] for who, lots in sorted(held.items()) if (lots > 0) == long and lots]
        for long in (True, False)
    )
    while longs and shorts:
        lots = min(longs[0][1], shorts[0][1])
        yield longs[0][0], shorts[0][0], lots
        for side in (longs, shorts):
            side[0][1] -= lots
            if not side[0][1]:
                del side[0]


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
