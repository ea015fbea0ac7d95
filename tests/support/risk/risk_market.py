"""One protected market through the whole core: orders, time and phases, as a lane has them."""

from openoutcry.journal.core import Core
from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import View, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Side, TimeInForce
from tests.support.risk.risk_reference import operator_command

S, M = protection_layout.SECOND_NS, protection_layout.MINUTE_NS
H = 60 * M
CAPACITY = 1 << 10


class Market:
    """Instruments A, B, … of which participants 1 and 2 trade; a trading day has begun."""

    def __init__(self, count=1, close=None, cut_off=15 * H + 25 * M, **given):
        given |= {} if close is None else {"reference_price_ticks": close}
        rows = [
            {"symbol": bytes([65 + n]), "min_price_ticks": 1, "max_price_ticks": 10**9} | given
            for n in range(count)
        ]
        hooks = {"name": "risk", "participants": 4, "order_capacity": CAPACITY, "protection": True}
        self.core = Core(make_instruments(rows), CAPACITY, hooks=hooks)
        self.use(self.core.fresh())
        self.ids = 0
        self.set(Setting.TRADING_DAY, 1, second=cut_off)

    def use(self, engine):
        self.engine, self.view = engine, View(engine.region)
        self.protection = self.view.protection

    def again(self):
        """From a snapshot."""
        self.use(self.core.restored(self.engine.snapshot()))

    def send(self, record):
        record["seq"] = self.engine.last_seq + 1
        return self.engine.process(record)

    def set(self, what, value, who=0, symbol=b"A", second=0):
        (event,) = self.send(setting(what, value, who, symbol, second))
        return int(event["reason"]) == 0

    def time(self, at):
        self.send(operator_command(CommandKind.TIME, aux=at))

    def phase(self, phase, symbol=b"A"):
        return self.send(operator_command(CommandKind.PHASE, aux=phase, symbol=symbol))

    def new(self, side, price, who=1, qty=1, symbol=b"A"):
        """The names of the checks that refuse it; an empty set: it passes."""
        self.ids += 1
        record = operator_command(
            CommandKind.NEW,
            side=side,
            price_ticks=price,
            participant=who,
            qty_lots=qty,
            symbol=symbol,
            order_id=self.ids,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
        )
        event = self.send(record)[0]
        bits = int(event["contra_id"]) if event["kind"] == 6 else 0
        return {bit.name for bit in RiskBit if bits >> bit & 1}

    def cancel(self, order_id, symbol=b"A", who=1):
        return self.send(
            operator_command(CommandKind.CANCEL, order_id=order_id, participant=who, symbol=symbol)
        )

    def trade(self, price, at=None, symbol=b"A"):
        """Two orders that meet; what refuses either."""
        if at is not None:
            self.time(at)
        refused = self.new(Side.SELL, price, 2, symbol=symbol)
        return refused | self.new(Side.BUY, price, 1, symbol=symbol)

    def reopen(self, at=None, symbol=b"A"):
        if at is not None:
            self.time(at)
        self.phase(Phase.VOLATILITY_AUCTION, symbol)
        self.phase(Phase.CONTINUOUS, symbol)

    def word(self, at, instrument=0):
        return self.protection.of(instrument, at)

    @property
    def bands(self):
        row = self.view.instruments[0]
        return int(row[lay.BAND_LOW // 8]), int(row[lay.BAND_HIGH // 8])

    def decided(self, *kinds):
        """(kind, value) of the log, of these kinds."""
        return [(kind, value) for kind, _, _, value in self.protection.logged() if kind in kinds]
