"""The venue of docs/derivatives.md, and the lines of that page that trade there."""

import re
from datetime import datetime
from pathlib import Path

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import setting
from openoutcry.venue.fee_tables import deposit
from openoutcry.venue.waterfall import fee_due, step_due
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.symbols import code_of
from tests import ROOT
from tests.oracles.risk.contracts import PRICED
from tests.support.risk.risk_reference import operator_command
from tests.support.risk.spot_page import SpotMarket

PAGE = (ROOT / "docs" / "derivatives.md").read_text()
MORE = Path(__file__).with_name("contract_examples.md").read_text()
EXAMPLES = re.findall(r"```contracts\n(.*?)```", PAGE + MORE, re.DOTALL)
TABLES = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1)
INVERSE = re.findall(r"```inverse\n(.*?)```", MORE, re.DOTALL)
OF_INVERSE = re.search(r"```toml\n(.*?)```", MORE, re.DOTALL).group(1)
ALL = [(TABLES, example) for example in EXAMPLES] + [(OF_INVERSE, example) for example in INVERSE]


class ContractMarket(SpotMarket):
    """A core with the contracts and limits of the page's tables, every instrument trading."""

    def __init__(self, folder, tables=TABLES):
        super().__init__(folder, tables)
        self.symbols = list(self.venue.symbols)

    @property
    def contracts(self):
        return self.view.contracts

    def apply(self, what, value, who=0, symbol="", second=0):
        """Whether the core did what a command asks for."""
        record = setting(what, value, who, code_of(symbol), second)
        return self.send(record)[-1]["kind"] == EventKind.COMPLETED

    def time(self, text):
        ns = int(datetime.fromisoformat(text).timestamp()) * 10**9
        self.send(operator_command(CommandKind.TIME, aux=ns))

    def cancel(self, symbol):
        self.send(operator_command(CommandKind.MASS_CANCEL, symbol=code_of(symbol), aux=1))

    def disconnect(self, who):
        self.send(operator_command(CommandKind.DISCONNECT, participant=who))

    def of(self, who, offset):
        return self.view.of(who, offset)

    def part(self, who, side, lots, price, symbol):
        """A part of a liquidation: the command and its order."""
        signed = lots if side is Side.BUY else -lots
        if not self.apply(Setting.LIQUIDATE, signed, who, symbol, price):
            return "makes no sense"
        number = lay.PART_IDS + self.view.word(lay.PARTS)
        kind = OrderType.LIMIT
        more = {"order_id": number, "time_in_force": TimeInForce.IOC}
        return self.passed(self.new(side, lots, price, code_of(symbol), who, kind, **more))

    def passed(self, events):
        event = events[0]
        if event["kind"] != EventKind.REJECTED:
            return "passes"
        return " ".join(bit.name for bit in RiskBit if int(event["contra_id"]) >> bit & 1)

    def line(self, text):
        """Do what a line of the page says; what it answers."""
        what, *words = text.split()
        if what == "DEPOSIT":
            amount, who = int(words[0]), int(words[1][1:])
            return self.yes(self.send(deposit(who, amount, "", 0, 0))[-1])
        if what == "TIME":
            return self.time(words[0])
        if what in ("CANCEL", "DISCONNECT"):
            return self.cancel(words[0]) if what == "CANCEL" else self.disconnect(int(words[0][1:]))
        if what == "NEW" or what == "PART":
            side, order, symbol, who = words
            lots, price = map(int, order.split("@"))
            if what == "PART":
                return self.part(int(who[1:]), Side[side], lots, price, symbol)
            return self.passed(self.new(Side[side], lots, price, code_of(symbol), int(who[1:])))
        if what in ("MARK", "SETTLE", "FUNDING", "EXPIRE", "PAUSE"):
            value, symbol, *second = words
            asked, count = Setting[f"CONTRACT_{what}"], 0
            if asked in PRICED:
                count = self.contracts.of(self.symbols.index(symbol), "adjustments") << 1
            done = self.apply(asked, int(value), count, symbol, int(second[0]) if second else 0)
            return "" if done else "makes no sense"
        if what in ("HALT", "ADJUST"):
            asked, value = Setting.HALT, int(words[0])
            if what == "ADJUST":
                asked, value = Setting.CONTRACT_ADJUST, value << 32 | int(words[2])
            return "" if self.apply(asked, value, 0, words[1], 0) else "makes no sense"
        if what == "NEXT":
            step = fee_due(self.view)
            step = step or step_due(self.view, int(words[0][1:]), self.symbols)
            if step is None:
                return "nothing"
            assert self.yes(self.send(step[0])[-1]) == "", text
            return step[1]
        return self.shown(what, words)

    def yes(self, event):
        return "" if event["kind"] == EventKind.COMPLETED else "makes no sense"

    def shown(self, what, words):
        who = int(words[0][1:])
        if what == "BALANCE":
            return str(self.of(who, lay.BALANCE))
        if what == "MARGIN":
            return f"{self.of(who, lay.MARGINED)} of {self.view.equity(who)}"
        if what == "POSITION":
            return str(self.view.cell(who, self.symbols.index(words[1]), lay.POSITION))
        if what == "KILLED":
            return "yes" if self.of(who, lay.FLAGS) & lay.KILLED_FLAGS else "no"
        raise AssertionError((what, words))

    def run(self, example):
        """Every line of an example answers what it says."""
        for line in example.splitlines():
            if not line or line.startswith("#"):
                continue
            text, _, wanted = line.partition(" -> ")
            answer = self.line(text) or ""
            assert answer == wanted, f"{text} -> {answer}"
