"""A core in which nothing trades for a while: scripts through the kernels, and the same core in
plain Python beside it."""

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.matcher.hooks import CANCELS, VERDICT_MASK
from openoutcry.risk.region import View, setting
from openoutcry.wire import EVENT_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason, Side
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.risk.reference import APPLIED, Reference
from tests.support.matcher.matcher_script import parse_command
from tests.support.risk.risk_core import fields, rejected

CAPACITY, PARTICIPANTS = 64, 9
S = 10**9
SYMBOLS = (b"A", b"BB")
PHASE = int(CommandKind.PHASE)


class HeldCore:
    """Instruments A and BB in one core with risk and protection, fed by lines or records."""

    def __init__(self, options=0, delayed=0, checks=True, **given):
        self.checks = checks
        rows = [
            {"symbol": s, "min_price_ticks": 1, "max_price_ticks": 10**6, "options": options}
            | given
            for s in SYMBOLS
        ]
        self.instruments = make_instruments(rows)
        hooks = {
            "name": "risk",
            "participants": PARTICIPANTS,
            "order_capacity": CAPACITY,
            "protection": True,
            "delayed": delayed,
        }
        self.core = Core(self.instruments, CAPACITY, hooks=hooks)
        self.use(self.core.fresh())

    def use(self, engine):
        self.engine, self.view = engine, View(engine.region)

    def again(self):
        self.use(self.core.restored(self.engine.snapshot()))

    def send(self, what, rx_ts_ns=0):
        """Events of one command: a line, or a record."""
        record = parse_command(what, 0) if isinstance(what, str) else what
        record["seq"], record["rx_ts_ns"] = self.engine.last_seq + 1, rx_ts_ns
        events = self.engine.process(record)
        if self.checks:
            self.engine.check()
        return events

    def set(self, what, value, who=0, symbol=b"A", second=0, operator=0):
        events = self.send(setting(what, value, who, symbol, second, operator))
        assert events["reason"][-1] == 0, (what, value)
        return events


def trades(events):
    return (events["kind"] == EventKind.FILLED).sum() // 2


class PlainCore:
    """The same core from the plain risk checks and the plain matcher."""

    def __init__(self, instruments):
        self.symbols = instruments["symbol"].tolist()
        self.risk = Reference(instruments, PARTICIPANTS, protection=True)
        self.matcher = ReferenceEngine(instruments, CAPACITY)
        self.held = [False] * len(self.symbols)
        """What the matcher knew as the last command came to it."""

    def process(self, record):
        """Its events, each as a tuple, without their numbers; of what risk answers the kind and
        the reason."""
        command = fields(record)
        self.risk.seq = command["seq"]
        verdict = self.risk.before(command)
        cancelled = []
        if verdict & VERDICT_MASK == CANCELS:
            reason, seq = Reason(verdict >> 16), command["seq"]
            cancelled = self.matcher.cancel_whole(command["symbol"], reason, seq)
            self.risk.after(command, np.array(cancelled, EVENT_DTYPE), self._best)
        settled = self._hold(command, verdict)
        if verdict:
            is_told = self.risk.tells(command, verdict)
            answer = [(is_told["kind"], is_told["reason"])]
            self.matcher.event_log.commands += 1
            self.matcher.event_log.count += 1
            self.matcher.last_seq = command["seq"]
        else:
            answer = self.matcher.process(record)
        events = np.array(settled, EVENT_DTYPE) if verdict else answer
        seen = events
        if verdict:
            told = rejected(command, verdict)
            told["instrument"] = self.matcher.index.get(command["symbol"], NO_INSTRUMENT)
            told["kind"] = answer[0][0]
            seen = np.concatenate([events, told])
        self.risk.after(command, seen, self._best)
        return [*cancelled, *events.tolist()], answer if verdict else []

    def _hold(self, command, verdict):
        named = command["symbol"] if verdict == APPLIED else b""
        settled = []
        for index, symbol in enumerate(self.symbols):
            was, rules = self.held[index], self.risk.instruments[index]
            self.held[index] = self.risk.market_killed or rules.is_held
            self.matcher.hold(symbol, self.held[index])
            if was and not self.held[index] and symbol == named:
                settled += self.matcher.settle(symbol, command["seq"])
        return settled

    def _best(self, index):
        market = self.matcher.markets[index]
        return market.best_displayed(Side.BUY), market.best_displayed(Side.SELL)


class Both:
    """Kernels and plain core, command by command."""

    def __init__(self, options):
        self.kernels = HeldCore(options, checks=False)
        self.plain = PlainCore(self.kernels.instruments)
        self.traded = 0

    def same(self):
        self.kernels.engine.check()
        assert self.kernels.engine.book_hash() == self.plain.matcher.book_hash()

    def send(self, record):
        """The events, equal, and of a held instrument no trade."""
        phases = [market.phase for market in self.plain.matcher.markets]
        events = self.kernels.send(record)
        wanted, answer = self.plain.process(record.copy())
        told = events[: len(events) - len(answer)].copy()
        told["seq"] = 0
        # Why a pause begins or ends is risk's to say.
        told["order_id"][told["kind"] == EventKind.PHASE_CHANGED] = 0
        told["leaves_lots"][told["kind"] == EventKind.PHASE_CHANGED] = 0
        wanted = np.array(wanted, told.dtype)
        wanted["seq"] = 0
        assert told.tolist() == wanted.tolist()
        for (kind, reason), event in zip(answer, events[len(told) :], strict=True):
            assert (kind, reason) == (event["kind"], event["reason"])
        for index in set(told["instrument"][told["kind"] == EventKind.FILLED].tolist()):
            self.traded += 1
            may = self.plain.matcher.markets[index].phase, phases[index]
            assert not self.plain.held[index], "nothing trades in what is held"
            forbids = {Phase.CLOSED, Phase.HALT} if record["kind"] == PHASE else NO_TRADE
            assert not set(may) <= forbids, "nor in a phase that forbids it"
        return events


NO_TRADE = {
    Phase.CLOSED,
    Phase.HALT,
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
}
