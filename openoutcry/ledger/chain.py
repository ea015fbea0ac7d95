"""The execution chain of an order: everything that happened to it, and what was posted for it."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from openoutcry.journal.events import events_of
from openoutcry.ledger.books import Books
from openoutcry.ledger.ledger_state import LedgerState, oldest
from openoutcry.ledger.report import Report
from openoutcry.wire.enums import EventKind, Reason, Side
from openoutcry.wire.errors import LedgerError


def chain(
    directory: Path,
    symbol: str,
    order_id: int,
    until: LedgerState,
    begin: LedgerState | None = None,
) -> Report:
    """Return what happened after ``begin`` to the order, and to later orders with the same number.

    Raises :class:`LedgerError` for an instrument or order that is not in the journal."""
    ledger_state = begin or oldest(directory)
    books = ledger_state.books
    if symbol not in books.symbols:
        raise LedgerError(f"{symbol} is not one of {', '.join(books.symbols)}")
    index, rows, filled = books.symbols.index(symbol), [], 0
    for batch in events_of(ledger_state.reader, ledger_state.point, until_seq=until.seq):
        posted: dict[int, list[Any]] = defaultdict(list)
        for row in books.post(batch.commands, batch.events) if len(batch.commands) else ():
            if row["order_id"] == order_id and row["instrument"] == index:
                posted[int(row["event_seq"])].append(row)
        mine = batch.events[
            (batch.events["order_id"] == order_id) & (batch.events["instrument"] == index)
        ]
        for event in mine:
            filled += int(event["qty_lots"]) if event["kind"] == EventKind.FILLED else 0
            # A fill of a spot instrument moves two assets, each in a row.
            for row in posted.get(int(event["seq"]), [None]):
                rows.append(_row(books, event, row, filled))
        if ledger_state.seq >= until.seq:
            break
    if not rows:
        raise LedgerError(f"{directory}: {symbol} has no order {order_id}")
    columns = ("event", "command", "participant", "side", "what", "reason", "price_ticks",
               "qty_lots", "leaves_lots", "filled_lots", "contra_id", "amount", "reserved",
               "fees", "asset")  # fmt: skip
    return Report(f"order {order_id} of {symbol}", columns, rows)


def _row(books: Books, event: Any, posted: Any, filled: int) -> tuple[Any, ...]:
    amount, reserved, fee, asset = 0, 0, 0, ""
    if posted is not None:
        asset = books.assets[int(posted["asset"])]
        amount = sum(int(posted[name]) for name in ("available", "reserved", "margin"))
        reserved, fee = int(posted["reserved"]), int(posted["fee_income"])
    side = int(event["side"])
    reason = Reason(int(event["reason"])).name
    return (
        int(event["seq"]),
        int(event["cause_seq"]),
        int(event["participant"]),
        Side(side).name if side in list(Side) else "",
        EventKind(int(event["kind"])).name,
        "" if reason == "NONE" else reason,
        int(event["price_ticks"]),
        int(event["qty_lots"]),
        int(event["leaves_lots"]),
        filled,
        int(event["contra_id"]),
        amount,
        reserved,
        fee,
        asset,
    )
