"""The statement of an account as its owner reads it: balances and what changed them, by asset."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from openoutcry.ledger.report import (
    Report,
    add_table,
    amount_text,
    capital,
    latin,
    pages_of,
)
from openoutcry.ledger.words import Said, in_language, word

WIDTHS = 34, 74, 30, 24, 30
COLUMNS = "time (UTC)", "transaction", "amount", "fee", "balance"
WORDS = (*COLUMNS, "Account holder", "Account", "Period", "Positions", "fees that are still due")
"""What a PDF says beside its texts."""
TRADES, BROKEN = ("posted", "delivered"), ("broken", "returned")


@dataclass
class Section:
    """One asset of a statement; its lines are time, text, amount, fee and balance."""

    asset: str
    opening: int = 0
    closing: int = 0
    owed: int = 0
    lines: list[tuple[str, str, int, int, int]] = field(default_factory=list)


@dataclass
class Statement(Report):
    """The rows of :func:`openoutcry.ledger.reports.statement`, for programs as they are.  Its PDF
    is for the owner of the account."""

    markets: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Base and quote asset and units a lot of each spot instrument."""
    tick_units: dict[str, int] = field(default_factory=dict)
    """Units of the quote asset for a lot at one tick, by spot instrument."""
    price_decimals: dict[str, int] = field(default_factory=dict)
    """Decimals of the prices of other instruments, where they are known."""
    holder: str = ""
    """Name or address of the owner."""
    days: tuple[int, int] | None = None
    """First and last day since 1970; None: from the heading.  A first day of 0: from the begin."""

    def _rows(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def sections(self, language: str = "en") -> list[Section]:
        """Return what happened to each asset, in the order of the rows."""
        found: dict[str, Section] = {}
        for row in self._rows():
            what, asset = row["what"].template, row["asset"]
            if what.endswith(" position"):
                continue
            section = found.setdefault(asset, Section(asset))
            if what == "opening balance":
                section.opening = section.closing = row["balance"]
            elif what != "closing balance":
                text = in_language(self.text_of(row), language)
                line = row["time (UTC)"][:19], text, row["amount"], row["fees"], row["balance"]
                section.lines.append(line)
                section.closing = row["balance"]
            section.owed = row["owed"]
        return [one for one in found.values() if one.opening or one.closing or one.lines]

    def positions(self) -> dict[str, tuple[int, int]]:
        """Return lots of each contract at the begin and at the end."""
        found: dict[str, list[int]] = {}
        for row in self._rows():
            at = {"opening position": 0, "closing position": 1}.get(row["what"].template)
            if at is not None and row["instrument"] not in self.markets:
                found.setdefault(row["instrument"], [0, 0])[at] = row["position_lots"]
        return {name: (lots[0], lots[1]) for name, lots in sorted(found.items())}

    def text_of(self, row: dict[str, Any]) -> Said:
        """Return what a row says, with price and quantity in the market's units."""
        kind, symbol, lots = row["what"].template, row["instrument"], row["lots"]
        if kind == "deposit":
            return Said("Deposit") if row["amount"] >= 0 else Said("Withdrawal")
        if kind in TRADES + BROKEN and symbol in self.markets and row["price_ticks"] is not None:
            base, quote, lot_units = self.markets[symbol]
            scales = self.scales
            moved = row["amount"] if row["asset"] == base else None
            is_buy = moved > 0 if moved is not None else row["amount"] < 0
            units = abs(moved) if moved is not None else abs(self._traded(row, lot_units))
            given = {
                "quantity": amount_text(units, scales.get(base, 0)),
                "base": base,
                "price": self._price(row, base, quote),
                "quote": quote,
            }
            if kind in BROKEN:
                return Said("Trade taken back: {quantity} {base} at {price} {quote}", **given)
            if is_buy:
                return Said("Buy {quantity} {base} at {price} {quote}", **given)
            return Said("Sell {quantity} {base} at {price} {quote}", **given)
        if not symbol:
            return Said(kind)
        if row["price_ticks"] and lots:
            decimals = self.price_decimals.get(symbol, 0)
            given = {"lots": f"{abs(lots):,}", "symbol": symbol}
            given["price"] = amount_text(row["price_ticks"], decimals)
            if kind in BROKEN:
                return Said("Trade taken back: {lots} {symbol} at {price}", **given)
            if lots > 0:
                return Said("Buy {lots} {symbol} at {price}", **given)
            return Said("Sell {lots} {symbol} at {price}", **given)
        return Said("{what}: {symbol}", what=Said(kind), symbol=symbol)

    def _traded(self, row: dict[str, Any], lot_units: int) -> int:
        """Return the units of the base asset of a fill's row in the quote asset."""
        lot_price = row["lot_price"]
        return row["amount"] // lot_price * lot_units if lot_price else 0

    def _price(self, row: dict[str, Any], base: str, quote: str) -> str:
        """Return the price of one of the base asset, in the quote asset's decimals."""
        symbol, decimals = row["instrument"], self.scales.get(quote, 0)
        of_lot = row["price_ticks"] * self.tick_units[symbol]
        units = Fraction(of_lot * 10 ** self.scales.get(base, 0), self.markets[symbol][2])
        text = amount_text(int(units), decimals)
        whole, point, part = text.partition(".")
        return f"{whole}{point}{part.rstrip('0').ljust(min(2, decimals), '0')}"

    def period(self) -> Said:
        """Return the days of the statement."""
        if self.days is None:
            moments = {"since": self.heading["from"], "until": self.heading["to"]}
            return Said("{since} to {until}", **moments)
        last = _day(self.days[1])
        if self.days[0] == 0:
            return Said("from the opening of the account to {last}", last=last)
        return Said("{first} to {last}", first=_day(self.days[0]), last=last)

    def write_pdf(self, path: Path, language: str = "en") -> None:
        """Pages as a bank sends them, in ``en`` or ``de``."""
        page = pages_of("portrait", language)
        number = self.heading["participant"]

        def say(text: str, size: int = 9, bold: bool = False, height: float = 5) -> None:
            page.set_font("Helvetica", "B" if bold else "", size)
            shown = latin(in_language(text, language))
            page.cell(0, height, shown, new_x="LMARGIN", new_y="NEXT")

        say(Said("Statement of account {number}", number=number), 15, True, 9)
        say(self.heading["venue"], 11, False, 7)
        page.ln(3)
        facts = {"Account holder": self.holder, "Account": number, "Period": self.period()}
        for name, text in facts.items():
            if text:
                page.set_font("Helvetica", "B", 9)
                page.cell(38, 5, latin(word(name, language)))
                say(text)
        sections = self.sections(language)
        if not any(section.lines for section in sections):
            page.ln(4)
            say(Said("There were no transactions in this period."))
        for section in sections:
            if page.will_page_break(30):
                page.add_page()
            page.ln(5)
            say(section.asset, 11, True, 7)
            self._table(page, section, language)
        self._positions(page, language)
        self._end_pdf(page, path, language)

    def _table(self, page: Any, section: Section, language: str) -> None:
        def amount(units: int) -> str:
            return amount_text(units, self.scales.get(section.asset, 0))

        def standing(name: str, units: int) -> list[str]:
            return ["", capital(word(name, language)), "", "", amount(units)]

        rows = [[capital(word(name, language)) for name in COLUMNS]]
        rows.append(standing("opening balance", section.opening))
        for time, text, moved, fee, balance in section.lines:
            rows.append([time, text, amount(moved), amount(fee) if fee else "", amount(balance)])
        rows.append(standing("closing balance", section.closing))
        if section.owed:
            rows.append(standing("fees that are still due", section.owed))
        page.set_font("Helvetica", size=8)
        align = ["LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT"]
        cells = ([latin(cell) for cell in row] for row in rows)
        add_table(page, cells, align, page.epw, WIDTHS)

    def _positions(self, page: Any, language: str) -> None:
        held = self.positions()
        if not held:
            return
        page.ln(5)
        page.set_font("Helvetica", "B", 11)
        page.cell(0, 7, latin(word("Positions", language)), new_x="LMARGIN", new_y="NEXT")
        page.set_font("Helvetica", size=8)
        head = [
            latin(capital(word(name, language)))
            for name in ("instrument", "opening position", "closing position")
        ]
        rows = [[latin(name), *(f"{count:,}" for count in lots)] for name, lots in held.items()]
        add_table(page, [head, *rows], ["LEFT", "RIGHT", "RIGHT"], 110)


def _day(day: int) -> str:
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"
