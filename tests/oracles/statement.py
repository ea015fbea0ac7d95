"""What a participant's statement must say, worked out from commands and events alone.

A fill of a spot instrument moves lots of its base asset and price times lots of its quote asset,
and the fee is taken from what is received, rounded down.  All that the fills and marks of a
contract have paid is what its lots were sold for, less what they cost, and what is still held at
the mark.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.off_book import is_off_book

MAKERS = int(EventFlag.MAKER) | int(EventFlag.AUCTION)
STANDING = ("opening balance", "closing balance", "opening position", "closing position")
BY_MARKS = ("posted", "marked", "settled")
MARKED = (Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE, Setting.CONTRACT_EXPIRE)


@dataclass
class Terms:
    """A spot instrument: two assets, units a lot, and units of the quote for a lot at one tick.
    Another one has no base, and pays so many units of money for a tick of a lot, and perhaps a fee
    for each lot; a contract has a mark."""

    base: str
    quote: str
    lot_units: int
    tick_units: int
    lot_fee: int = 0


@dataclass
class StatementModel:
    """The lines of one participant's statement."""

    who: int
    terms: Mapping[str, Terms]
    symbols: list[str]
    fees_bps: Mapping[str, int]
    money: str
    """The asset of contracts, as the ledger names it."""
    marks: dict[str, int]
    """The mark that each contract begins with."""
    fills: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """Amount and fee by event and asset, of spot instruments."""
    lots: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    """Symbol, lots bought and price by event, of contracts."""
    taken: list[tuple[str, int, int]] = field(default_factory=list)
    """The same of takeovers, which are at the mark."""
    deposits: dict[tuple[int, str], int] = field(default_factory=dict)

    def take(self, command: Any, events: Any, asset: str = "") -> None:
        """A command and its events; ``asset``: whose wallet a DEPOSIT is for, "": the money of
        margin."""
        for event in events:
            kind, seq = int(event["kind"]), int(event["seq"])
            if kind == EventKind.FILLED and int(event["participant"]) == self.who:
                self._filled(event, seq)
            is_done = kind == EventKind.COMPLETED and int(command["kind"]) == RISK_KIND
            if is_done and int(command["order_type"]) in MARKED and not command["time_in_force"]:
                self.marks[command["symbol"].decode()] = int(command["aux"])
            is_deposit = is_done and int(command["order_type"]) == Setting.DEPOSIT
            if is_deposit and int(command["qty_lots"]) == self.who:
                self.deposits[seq, asset or self.money] = int(command["aux"])

    def _filled(self, event: Any, seq: int) -> None:
        symbol = self.symbols[int(event["instrument"])]
        terms, lots, price = self.terms[symbol], int(event["qty_lots"]), int(event["price_ticks"])
        sign = 1 if int(event["side"]) == Side.BUY else -1
        if is_off_book(int(event["order_id"])):
            self.taken.append((symbol, sign * lots, price))
            return
        if symbol in self.marks:
            self.lots[seq] = symbol, sign * lots, price
            return
        if not terms.base:
            paid = sign * lots * price * terms.tick_units
            self.fills[seq, self.money] = -paid, -lots * terms.lot_fee
            return
        units, paid = lots * terms.lot_units, lots * price * terms.tick_units
        bps = self.fees_bps["maker" if int(event["flags"]) & MAKERS else "taker"]
        fees = {terms.base: 0, terms.quote: 0}
        received, amount = (terms.base, units) if sign > 0 else (terms.quote, paid)
        fees[received] = amount * bps // 10_000
        self.fills[seq, terms.base] = sign * units, -fees[terms.base]
        self.fills[seq, terms.quote] = -sign * paid, -fees[terms.quote]

    def fault(self, rows: Iterable[Mapping[str, Any]], balances: Mapping[str, int]) -> str:
        """Return what is wrong with a statement from the very beginning, "" if nothing is.
        ``balances``: what the participant has of each asset."""
        rows = [row | {"what": row["what"].template} for row in map(dict, rows)]
        lines = [row for row in rows if row["what"] not in STANDING]
        held: dict[str, int] = defaultdict(int)
        for row in lines:
            held[row["asset"]] += row["amount"] + row["fees"]
            if row["balance"] != held[row["asset"]]:
                return f"event {row['event']}: the balance is not what the lines come to"
        closing = {row["asset"]: row["balance"] for row in rows if row["what"] == STANDING[1]}
        for asset, amount in balances.items():
            if not held[asset] == closing.get(asset, 0) == amount:
                return f"{asset}: {held[asset]}, closing {closing.get(asset)}, held {amount}"
        filled = {
            (row["event"], row["asset"]): (row["amount"], row["fees"])
            for row in lines
            if row["what"] in ("posted", "delivered") and row["instrument"] not in self.marks
        }
        if filled != self.fills:
            return f"fills: {sorted(filled.items() ^ self.fills.items())}"
        traded = {
            row["event"]: (row["instrument"], row["lots"], row["price_ticks"])
            for row in lines
            if row["lots"] and row["event"] in self.lots
        }
        if traded != self.lots:
            return f"fills of contracts: {sorted(traded.items() ^ self.lots.items())}"
        taken = [
            (row["instrument"], row["lots"], row["price_ticks"])
            for row in lines
            if row["what"] == "taken_over"
        ]
        if taken != self.taken:
            return f"takeovers: {taken}, and there were {self.taken}"
        paid_in = {
            (row["event"], row["asset"]): row["amount"] for row in lines if row["what"] == "deposit"
        }
        if paid_in != self.deposits:
            return f"deposits: {sorted(paid_in.items() ^ self.deposits.items())}"
        return self._contracts(lines)

    def _contracts(self, lines: list[dict[str, Any]]) -> str:
        for symbol, mark in self.marks.items():
            own = [one for one in (*self.lots.values(), *self.taken) if one[0] == symbol]
            worth = sum(lots * (mark - price) for _, lots, price in own)
            expected = worth * self.terms[symbol].tick_units
            paid = sum(
                row["amount"]
                for row in lines
                if row["instrument"] == symbol and row["what"] in BY_MARKS
            )
            if paid != expected:
                return f"{symbol}: fills and marks paid {paid}, and should have {expected}"
        return ""
