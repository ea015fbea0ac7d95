"""What is asked of a ledger: balances, trial balance, statements, fees, positions, profits."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.accounts import KINDS, PLACES, VENUE, Account
from openoutcry.ledger.books import Books
from openoutcry.ledger.contract_reports import ENDS, cash, lot_value, price_of, traded
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.report import Report
from openoutcry.ledger.statement import Statement
from openoutcry.ledger.words import Said, listed
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.errors import LedgerError

Rows = Iterable[npt.NDArray[Any]]
DIFFERS = "journal and store differ; `outcry ledger reconcile` shows where"
CORPORATE = (lay.Kind.DIVIDEND, lay.Kind.SPLIT)
BROKEN = (lay.Kind.BROKEN, lay.Kind.RETURNED)
FILLS = (lay.Kind.POSTED, lay.Kind.DELIVERED, *BROKEN)
MOVES = (lay.Kind.POSTED, lay.Kind.BROKEN, lay.Kind.POSITION, *CORPORATE, *ENDS)
"""Kinds of transactions that change what is held or earned."""


def _scales(books: Books) -> dict[str, int]:
    return books.scales


def _notes(books: Books, participant: int | None = None) -> list[str]:
    """Return the events that the ledger could not follow: everything, or what one participant may
    read."""
    return [
        Said("event {seq}: {text}", seq=remark.event_seq, text=remark.text)
        for remark in books.remarks
        if participant is None or remark.participant == participant
    ]


def balances(books: Books, participant: int | None = None) -> Report:
    """Every account that is not empty."""
    rows = []
    for place, value in books.nonzero_balances():
        if participant is None or place.participant == participant:
            who = "venue" if place.owner == VENUE else f"participant {place.participant}"
            kind = PLACES[place.owner == VENUE, place.kind].lower()
            rows.append((who, books.assets[place.asset], kind, value))
    return Report(
        "balances",
        ("owner", "asset", "account", "balance"),
        rows,
        {"balance": "asset"},
        _scales(books),
        _notes(books, participant),
    )


def trial_balance(books: Books) -> Report:
    """Return, by asset and account, the sums of all owners' balances, debits and credits apart.
    Raises :class:`LedgerError` if an asset's do not sum to 0.

    Raises :class:`LedgerError` if an asset's do not sum to 0."""
    debits: dict[tuple[int, bool, int], int] = defaultdict(int)
    credits: dict[tuple[int, bool, int], int] = defaultdict(int)
    for place, value in books.nonzero_balances():
        key = (place.asset, place.owner == VENUE, place.kind)
        (credits if value > 0 else debits)[key] += abs(value)
    rows: list[tuple[Any, ...]] = []
    keys = sorted({*debits, *credits})
    for asset in sorted({key[0] for key in keys}):
        mine = [key for key in keys if key[0] == asset]
        for key in mine:
            owner = "venue" if key[1] else "participants"
            account = f"{owner} {PLACES[key[1:]].lower()}"
            rows.append((books.assets[asset], account, debits[key], credits[key]))
        total = sum(debits[key] for key in mine), sum(credits[key] for key in mine)
        rows.append((books.assets[asset], "total", *total))
        if total[0] != total[1]:
            raise LedgerError(f"{books.assets[asset]}: the accounts sum to {total[1] - total[0]}")
    return Report(
        "trial balance",
        ("asset", "account", "debit", "credit"),
        rows,
        {"debit": "asset", "credit": "asset"},
        _scales(books),
        _notes(books),
    )


def _time(ts_ns: int) -> str:
    seconds, ns = divmod(ts_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ns:09d}"


STATEMENT = ("event", "time (UTC)", "what", "instrument", "lots", "position_lots", "price_ticks",
             "lot_price", "asset", "amount", "fees", "fees_due", "reserved", "balance",
             "owed")  # fmt: skip


AMOUNTS = "lot_price", "amount", "fees", "fees_due", "reserved", "balance", "owed"
"""Columns of a statement that are amounts of the row's asset."""


def _prices(books: Books, row: Any, symbol: str) -> tuple[int | None, int | None]:
    """Return the price in ticks of a transaction, and what a lot cost if it is in the quote asset;
    None of one without an instrument."""
    if not symbol:
        return None, None
    index, price = int(row["instrument"]), int(row["price_ticks"])
    if int(row["asset"]) != int(books.instruments[index, lay.QUOTE // 8]):
        return price, None
    return price, price * books.multiplier_at(index, int(row["event_seq"]))


def statement(
    books: Books, rows: Rows, participant: int, pending: bool = False, begin: Books | None = None
) -> Statement:
    """Every transaction of a participant that changed what it owns, between the opening and closing
    balances.  With ``pending`` also those that only reserve.

    ``begin``: the books after which the rows come; None: from the very beginning.

    ``amount`` is before fees: ``amount`` + ``fees`` is what ``balance`` moved by.  It names no
    other participant.  Raises :class:`LedgerError` if it does not come to what it has in ``books``.
    """
    own, due, lots_held = _held(begin, participant)
    opening = _standing_rows("opening", begin, (own, due, lots_held), books)
    entries: list[tuple[Any, ...]] = []
    for part in rows:
        for row in part[part["participant"] == participant]:
            names = ("available", "reserved", "margin")
            moved, owed = sum(int(row[name]) for name in names), int(row["fees_due"])
            lots = int(row["lots_available"]) + int(row["lots_reserved"])
            asset, kind = int(row["asset"]), lay.Kind(int(row["kind"]))
            own[asset] = own.get(asset, 0) + moved
            due[asset] = due.get(asset, 0) + owed
            index = int(row["instrument"])
            symbol = books.symbols[index] if index < books.count else ""
            if symbol:
                lots_held[symbol] = lots_held.get(symbol, 0) + lots
            if not (moved or owed or lots or pending or kind is lay.Kind.ADJUSTED):
                continue
            # By schedule a fill's fee is owed; the flat fee a lot was paid at once.
            fees = -int(row["fee_income"]) - owed if kind in FILLS else 0
            entries.append(
                (
                    int(row["event_seq"]),
                    _time(int(row["ts_ns"])),
                    Said(kind.name.lower()),
                    symbol,
                    lots,
                    lots_held.get(symbol),
                    *_prices(books, row, symbol),
                    books.assets[asset],
                    moved - fees,
                    fees,
                    owed,
                    int(row["reserved"]),
                    own[asset],
                    due[asset],
                )
            )
    summed: Held = own, due, lots_held
    if _not_zero(summed) != _not_zero(_held(books, participant)):
        raise LedgerError(
            f"the statement of participant {participant} does not add up to its balances: {DIFFERS}"
        )
    closing = _standing_rows("closing", books, summed, books)
    ticks = books.instruments[:, lay.MULTIPLIER // 8].tolist()
    assets = [name for name, _ in books.wallets]
    return Statement(
        Said("statement of participant {number}", number=participant),
        STATEMENT,
        [*opening, *entries, *closing],
        dict.fromkeys(AMOUNTS, "asset"),
        _scales(books),
        _notes(books, participant),
        _heading(books, participant, begin),
        {
            books.symbols[index]: (assets[base], assets[quote], lot_units)
            for index, (base, quote, lot_units) in books.spot.items()
        },
        {books.symbols[index]: ticks[index] for index in books.spot},
    )


def _heading(books: Books, participant: int, begin: Books | None) -> dict[str, str]:
    since = Said("the venue's first command")
    if begin is not None:
        moment = {"time": _time(begin.now_ns), "seq": begin.cause_seq}
        since = Said("{time} UTC, after command {seq:,}", **moment)
    moment = {"time": _time(books.now_ns), "seq": books.cause_seq}
    scales = dict(books.wallets) if books.all_spot else books.scales
    units = [
        Said("{asset} with {decimals}", asset=name, decimals=decimals)
        for name, decimals in scales.items()
    ]
    return {
        "venue": books.venue or Said("without a name"),
        "participant": str(participant),
        "from": since,
        "to": Said("{time} UTC, command {seq:,} included", **moment),
        "decimals": listed(units),
    }


LOT_ACCOUNTS = (Account.AVAILABLE, Account.RESERVED)
Held = tuple[dict[int, int], dict[int, int], dict[str, int]]


def _held(books: Books | None, participant: int) -> Held:
    """Return, by money, what a participant has in all of its accounts and owes in fees; by
    instrument, its lots."""
    own: dict[int, int] = {}
    due: dict[int, int] = {}
    if books is None:
        return own, due, {}
    for asset in range(books.first_lots):
        of = [books.balance(participant + 1, asset, kind) for kind in range(KINDS)]
        own[asset], due[asset] = sum(of) - of[Account.FEES_DUE], of[Account.FEES_DUE]
    kinds = [books.lots(kind)[participant : participant + 1] for kind in LOT_ACCOUNTS]
    lots = sum(kinds[1:], kinds[0]).ravel().tolist()
    return own, due, {books.symbols[index]: count for index, count in enumerate(lots) if count}


def _not_zero(held: Held) -> list[dict[Any, int]]:
    tables: tuple[dict[Any, int], ...] = held
    return [{key: value for key, value in table.items() if value} for table in tables]


def _standing_rows(which: str, at: Books | None, held: Held, books: Books) -> list[tuple[Any, ...]]:
    """Return the opening balances, as rows that move nothing: each money, and each instrument that
    is held."""
    own, due, lots = held
    seq, when = (at.event_seq, _time(at.now_ns)) if at is not None else (0, "")
    nothing = lay.MONEY_SLOTS if books.all_spot else 0
    monies = [asset for asset in range(books.first_lots) if own.get(asset) or due.get(asset)]
    rows: list[tuple[Any, ...]] = [
        (
            seq,
            when,
            Said(f"{which} balance"),
            "",
            0,
            None,
            None,
            None,
            books.assets[asset],
            0,
            0,
            0,
            0,
            own.get(asset, 0),
            due.get(asset, 0),
        )
        for asset in monies or [nothing]
    ]
    held_at = Said(f"{which} position")
    rows += [
        (seq, when, held_at, symbol, 0, count, None, None, symbol, 0, 0, 0, 0, 0, 0)
        for symbol, count in sorted(lots.items())
        if count
    ]
    return rows


def _multipliers(books: Books, fills: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Money a lot and tick, at each fill."""
    found: npt.NDArray[np.int64] = books.instruments[fills["instrument"], lay.MULTIPLIER // 8]
    for before, index, units in reversed(books.units_before):
        found[(fills["instrument"] == index) & (fills["event_seq"] < before)] = units
    return found


def fees(books: Books, rows: Rows) -> Report:
    """Return, by participant and instrument, lots traded as maker and taker, and their fees. Fees
    that spot buyers paid in the base asset are a row of that asset."""
    totals: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    of_base: dict[tuple[int, int], int] = defaultdict(int)
    for part in rows:
        fills = part[np.isin(part["kind"], (lay.Kind.POSTED, lay.Kind.BROKEN))]
        if not len(fills):
            continue
        add_base_fees(of_base, part)
        sign = np.where(fills["kind"] == lay.Kind.BROKEN, -1, 1)
        lots = sign * fills["qty_lots"]
        maker = (fills["flags"] & (EventFlag.MAKER | EventFlag.AUCTION)) != 0
        multipliers = _multipliers(books, fills)
        # What the ledger has posted fits int64; sums of many may not.
        amounts = fills["price_ticks"] * fills["qty_lots"] * multipliers
        collected = books.instruments[fills["instrument"], lay.LOT_UNITS // 8] != 0
        columns = (
            np.where(maker, lots, 0),
            np.where(maker, 0, lots),
            sign * np.abs(amounts),
            np.where(collected, 0, fills["fee_income"] + fills["fees_due"]),
            np.where(collected, fills["fee_income"], -fills["fees_due"]),
        )
        keys = fills["participant"].astype(np.int64) << 16 | fills["instrument"]
        order = np.argsort(keys, kind="stable")
        begins = np.flatnonzero(np.diff(keys[order], prepend=-1))
        for number, column in enumerate(columns):
            sums = wide_sums(column[order], begins)
            for begin, total in zip(begins.tolist(), sums, strict=True):
                totals[divmod(int(keys[order[begin]]), 1 << 16)][number] += total
    table = [
        (
            who,
            books.symbols[index],
            sums[0],
            sums[1],
            books.assets[int(books.instruments[index, lay.QUOTE // 8])],
            *sums[2:],
        )
        for (who, index), sums in sorted(totals.items())
    ]
    table += [
        (who, books.symbols[index], 0, 0, base_name(books, index), 0, 0, fee)
        for (who, index), fee in sorted(of_base.items())
    ]
    table.sort(key=lambda row: (row[0], books.symbols.index(str(row[1]))))
    names = (
        "participant",
        "instrument",
        "maker_lots",
        "taker_lots",
        "asset",
        "volume",
        "lot_fees",
        "schedule_fees",
    )
    money = dict.fromkeys(("volume", "lot_fees", "schedule_fees"), "asset")
    return Report("fees", names, table, money, _scales(books), _notes(books))


def add_base_fees(
    totals: dict[tuple[int, int], int], rows: npt.NDArray[Any], participant: int | None = None
) -> None:
    """Add, by participant and instrument, the fees that spot buyers paid in the base asset."""
    of_base = np.isin(rows["kind"], (lay.Kind.DELIVERED, lay.Kind.RETURNED))
    for row in rows[of_base & (rows["fee_income"] != 0)]:
        if participant is None or participant == row["participant"]:
            totals[int(row["participant"]), int(row["instrument"])] += int(row["fee_income"])


def base_name(books: Books, index: int) -> str:
    """The asset that a lot of a spot instrument is made of."""
    return books.assets[int(books.instruments[index, lay.BASE // 8])]


def wide_sums(values: npt.NDArray[np.int64], begins: npt.NDArray[np.int64]) -> list[int]:
    """Exact sums of the runs that begin at these places, however large: in two halves."""
    low = np.add.reduceat(values & 0xFFFFFFFF, begins).tolist()
    high = np.add.reduceat(values >> 32, begins).tolist()
    return [(above << 32) + below for above, below in zip(high, low, strict=True)]


PROFITS = (
    "participant",
    "instrument",
    "position_lots",
    "asset",
    "cost",
    "last_ticks",
    "value",
    "realised",
    "unrealised",
    "fees",
)


class Profits:
    """Positions and what they have earned, brought along the transactions a part at a time."""

    def __init__(
        self, method: str, participant: int | None = None, begin: Books | None = None
    ) -> None:
        """The rows of :func:`profits`, by participant and instrument."""
        self.method, self.participant = method, participant
        self._holdings = _holdings_at(begin, method, participant)
        self._paid: dict[tuple[int, int], int] = defaultdict(int)
        self._of_base: dict[tuple[int, int], int] = defaultdict(int)

    def add(self, books: Books, part: npt.NDArray[Any]) -> None:
        """Transactions that follow those that were added before."""
        add_base_fees(self._of_base, part, self.participant)
        for row in part[np.isin(part["kind"], (*MOVES, lay.Kind.FUNDING))]:
            key = int(row["participant"]), int(row["instrument"])
            if self.participant is not None and key[0] != self.participant:
                continue
            holding = self._holdings.setdefault(key, METHODS[self.method]())
            if row["kind"] in CORPORATE:
                holding.adjust(holding.position + int(row["qty_lots"]), -int(row["outside"]))
                continue
            holding.realised += cash(books, row)
            if row["kind"] == lay.Kind.FUNDING:
                continue
            if row["kind"] == lay.Kind.BROKEN:
                holding.take_back(*traded(books, row))
            else:
                holding.trade(*traded(books, row))
            self._paid[key] += int(row["fee_income"])

    def report(self, books: Books) -> Report:
        """Return the report at the last prices of these books."""
        table: list[tuple[Any, ...]] = []
        for (who, index), holding in sorted(self._holdings.items()):
            rules, last = books.instruments[index], price_of(books, index)
            worth = None if last is None else holding.position * lot_value(books, index, last)
            table.append(
                (
                    who,
                    books.symbols[index],
                    holding.position,
                    books.assets[int(rules[lay.QUOTE // 8])],
                    holding.cost,
                    last,
                    worth,
                    holding.realised,
                    None if worth is None else worth - holding.cost,
                    self._paid[who, index],
                )
            )
            if fee := self._of_base[who, index]:
                base = base_name(books, index)
                table.append((who, books.symbols[index], 0, base, 0, None, 0, 0, 0, fee))
        money = dict.fromkeys(("cost", "value", "realised", "unrealised", "fees"), "asset")
        return Report(
            f"profit and loss ({self.method})",
            PROFITS,
            table,
            money,
            _scales(books),
            _notes(books, self.participant),
        )


def profits(
    books: Books,
    rows: Rows,
    method: str,
    participant: int | None = None,
    begin: Books | None = None,
) -> Report:
    """Return, by participant and instrument, the position, its cost, its value at the last price,
    and the realised and unrealised profit; before fees, and the fees.

    ``begin``: the books after which the rows come; what was held then counts as bought at the last
    price of then.

    Of a spot instrument the position is what was traded in it.  What else moves its base asset (a
    deposit, another instrument, a fee) is not part of it.  Fees in the base asset are a row of that
    asset."""
    made = Profits(method, participant, begin)
    for part in rows:
        made.add(books, part)
    return made.report(books)


def _holdings_at(
    begin: Books | None, method: str, participant: int | None
) -> dict[tuple[int, int], Any]:
    """Return the positions by participant and instrument, as bought at the last price."""
    holdings: dict[tuple[int, int], Any] = {}
    for who, symbol, held, *_ in positions(begin, participant).rows if begin is not None else ():
        assert begin is not None
        index = begin.symbols.index(symbol)
        cell, last = begin.cells[who * begin.count + index], price_of(begin, index)
        price = int(cell[lay.MARK // 8]) if last is None else last
        holding = holdings.setdefault((who, index), METHODS[method]())
        holding.trade(held, lot_value(begin, index, price))
    return holdings


def positions(books: Books, participant: int | None = None) -> Report:
    """Lots of every participant that holds or is short of any, and what is reserved for sales."""
    free, reserved = books.lots(Account.AVAILABLE), books.lots(Account.RESERVED)
    rows = []
    for who, index in np.argwhere((free != 0) | (reserved != 0)).tolist():
        if participant is None or who == participant:
            held, sold = int(free[who, index]), int(reserved[who, index])
            rows.append((who, books.symbols[index], held + sold, held, sold))
    columns = ("participant", "instrument", "position_lots", "available_lots", "reserved_lots")
    return Report("positions", columns, rows, notes=_notes(books, participant))


def negative(books: Books) -> Report:
    """Participants' accounts of money whose balance is below 0."""
    report = balances(books)
    monies = set(_scales(books))
    report.rows = [
        row for row in report.rows if row[0] != "venue" and row[1] in monies and row[3] < 0
    ]
    report.title = "negative balances"
    return report
