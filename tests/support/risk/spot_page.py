"""The venue of docs/venue.md's spot instruments, and the lines of spot_examples.md."""

import re
from decimal import Decimal
from pathlib import Path

import numpy as np

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk.bits import MovementRefusal, MovementStep, RiskBit
from openoutcry.risk.region import View
from openoutcry.venue.fee_tables import deposit
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import FileLimits, fresh_view, hook_settings
from openoutcry.venue.requests import opening
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, Side, TimeInForce
from tests import ROOT
from tests.support.risk.movements import step_record

VENUE_PAGE = (ROOT / "docs" / "venue.md").read_text()
PAGE = Path(__file__).with_name("spot_examples.md").read_text()
EXAMPLES = re.findall(r"```spot\n(.*?)```", PAGE, re.DOTALL)
SECTION = VENUE_PAGE[VENUE_PAGE.index("\n## Spot\n") :]
TABLES = "".join(
    re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1) for text in (SECTION, PAGE)
)
HEAD = """
[venue]
name = "SPOT"
journal = "journal"
order_capacity = 1024
[calendar]
time_zone = "UTC"
[[schedule]]
name = "day"
day = ["09:00 CONTINUOUS", "17:00 CLOSED"]
"""
PEOPLE = "".join(f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' for n in range(1, 10))


class SpotMarket:
    """A core with the limits, fees and wallets of a venue file, every instrument trading."""

    def __init__(self, folder, tables=TABLES):
        path = folder / "venue.toml"
        path.write_text(HEAD + PEOPLE + tables)
        self.venue = read_venue(path)
        numbers = [one.number for one in self.venue.participants]
        settings = hook_settings(numbers, self.venue.order_capacity, self.venue.risk)
        table = self.venue.instruments
        hooks = risk_hooks(settings, table)
        self.engine = Engine(table, self.venue.order_capacity, hooks=hooks)
        self.seq = self.asked = 0
        limits = FileLimits(self.venue.risk, numbers, table, fresh_view(settings, table))
        for record in limits.due():
            assert self.send(np.array([record]))[-1]["kind"] == EventKind.COMPLETED, record
        for symbol in table["symbol"].tolist():
            self.phase(symbol, Phase.CONTINUOUS)

    @property
    def view(self):
        return View(self.engine.region)

    @property
    def wallets(self):
        return self.view.wallets

    def send(self, record):
        self.seq += 1
        record["seq"] = self.seq
        return self.engine.process(record)

    def phase(self, symbol, phase, **fields):
        record = np.zeros(1, ORDER_DTYPE)
        record["kind"], record["symbol"], record["aux"] = CommandKind.PHASE, symbol, int(phase)
        for name, value in fields.items():
            record[name] = value
        return self.send(record)

    def new(self, side, qty, price, symbol, who, order_type=OrderType.LIMIT, **fields):
        record = np.zeros(1, ORDER_DTYPE)
        record["kind"], record["side"], record["order_type"] = CommandKind.NEW, side, order_type
        record["time_in_force"], record["order_id"] = TimeInForce.DAY, self.seq + 1
        record["qty_lots"], record["price_ticks"] = qty, price
        record["symbol"], record["participant"] = symbol, who
        for name, value in fields.items():
            record[name] = value
        return self.send(record)

    def units(self, amount, asset):
        return int(Decimal(amount).scaleb(self.venue.risk.money.assets[asset]))

    def shown(self, units, asset):
        decimals = self.venue.risk.money.assets[asset]
        return f"{Decimal(units).scaleb(-decimals):.{decimals}f}"

    def move(self, amount, asset, who):
        """Whether a deposit (below 0: a withdrawal) was done."""
        events = self.send(deposit(who, amount, asset, 0, 0))
        return events[-1]["kind"] == EventKind.COMPLETED

    def step(self, step, reference, *first):
        """Whether a step of a movement was done; ``first``: whose, units and asset of a new one."""
        self.asked += 1
        request = reference if first else f"step {self.asked}"
        one = self.wallets.movements.find(reference)
        who, units, named = first or (one.participant, one.amount, one.number)
        for record in opening(request, 1, 0):
            self.send(record)
        events = self.send(step_record(step, who, units, named))
        return events[-1]["kind"] == EventKind.COMPLETED

    def answer(self, events):
        event = events[0]
        if event["kind"] != EventKind.REJECTED:
            return "passes"
        bits = [bit.name for bit in RiskBit if int(event["contra_id"]) >> bit & 1]
        assert bits == ["BALANCE"], bits
        asset = list(self.venue.risk.money.assets)[int(event["leaves_lots"])]
        has, needed = int(event["price_ticks"]), int(event["qty_lots"])
        return (
            f"BALANCE available {self.shown(has, asset)} needed {self.shown(needed, asset)} {asset}"
        )

    def line(self, text):
        """Do what a line of the page says; what it answers."""
        match text.split():
            case ["DEPOSIT" | "WITHDRAW" as what, amount, asset, who]:
                units = self.units(amount, asset) * (1 if what == "DEPOSIT" else -1)
                return "" if self.move(units, asset, int(who[1:])) else "makes no sense"
            case [("REQUEST" | "SEE") as what, reference, amount, asset, who]:
                first = int(who[1:]), self.units(amount, asset), asset
                return self.refusal(self.step(MovementStep[what], reference, *first))
            case [what, reference] if what in MovementStep.__members__:
                return self.refusal(self.step(MovementStep[what], reference))
            case ["SHORTFALL", who, asset]:
                return self.shown(self.wallets.shortfall(int(who[1:]), asset), asset)
            case ["NEW", side, order, symbol, who]:
                qty, price = map(int, order.split("@"))
                done = self.new(Side[side], qty, price, symbol.encode(), int(who[1:]))
                return self.answer(done)
            case ["BALANCE", who, asset]:
                available, reserved, _ = self.wallets.balance(int(who[1:]), asset)
                both = self.shown(available, asset), self.shown(reserved, asset)
                return "available {} reserved {}".format(*both)
            case ["FEES", asset]:
                return self.shown(self.wallets.fees(asset), asset)
        raise AssertionError(text)

    def refusal(self, done):
        why = self.wallets.movements.word("refused_why")
        return "" if done else MovementRefusal(why).name

    def balanced(self):
        """Check that for every asset all accounts are what came in and did not go out."""
        return all(held == net for held, net in map(self.wallets.total, self.wallets.names))


def change(market, kind, order_id, who, symbol=b"BTC-USD", **fields):
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["order_id"], record["participant"] = kind, order_id, who
    record["symbol"] = symbol
    for name, value in fields.items():
        record[name] = value
    return market.send(record)
