"""The judges of the world: each has a model of its own and looks at every command, or at what the
venue shows behind it."""

from collections import defaultdict
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from openoutcry.ledger import reports
from openoutcry.ledger.books import Books
from openoutcry.ledger.reconcile import differences
from openoutcry.matcher import Engine
from openoutcry.portal.trading.order_events import KINDS
from openoutcry.portal.trading.orders import Orders
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.risk.region import View
from openoutcry.routing.depth import LIVE, Depth
from openoutcry.routing.instruments import BUY, SELL, Instrument, Listing, Market, Venue
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Phase, Reason, Side
from openoutcry.wire.off_book import is_off_book
from tests import ROOT
from tests.oracles import ledger_books, matcher_judge, routing_optimum
from tests.oracles.margin_page import Page
from tests.oracles.order_states import OrderStates
from tests.oracles.risk import words
from tests.oracles.risk.reference import Reference
from tests.oracles.statement import StatementModel, Terms
from tests.oracles.takeovers import rest_fault, takeover_fault
from tests.oracles.trading_day import Rules
from tests.support.ledger.ledger_invariants import unbalanced
from tests.support.ledger.post import as_dicts
from tests.support.risk.risk_core import fields
from tests.world.places import (
    CONTRACTS,
    DAY,
    FEES_BPS,
    FUND,
    LOT_FEE,
    LOT_UNITS,
    MARGIN,
    MARKETS,
    PEOPLE,
    PLAIN,
)

if TYPE_CHECKING:
    from tests.world.world import World

API_STATES = {"EXPIRED_IN_MATCH": "EXPIRED"}
"""FIX has one word for both."""
PAGE = (ROOT / "docs" / "margin.md").read_text()
TAKER_PPM = {"BTC-USD": 1_000, "XBT-USD": 700}
SPLIT_EVERY = 8
"""Looks from one comparison with the best split to the next: the optimum takes long."""

LATE_S = 1


@dataclass
class Step:
    """A command, what it caused, and how many of these events a margin call brought before it."""

    command: np.ndarray
    events: np.ndarray
    swept: int = 0

    @property
    def record(self) -> Any:
        return self.command[0]

    def is_done(self, what: Setting) -> bool:
        """Return whether it is this setting, and was applied."""
        is_setting = self.record["kind"] == RISK_KIND and self.record["order_type"] == what
        return bool(is_setting and (self.events["kind"] == EventKind.COMPLETED).any())


class Judge:
    """Looks at everything; raises AssertionError."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def before(self, command: np.ndarray) -> None:
        """The next command; the core has not seen it."""

    def take(self, step: Step) -> None:
        """The command, and what it caused."""

    def look(self) -> None:
        """Nothing is on its way any more."""

    def end_day(self) -> None:
        """Trading has ended."""

    # What most of them ask.

    @property
    def engine(self) -> Engine:
        """The core that replays the journal."""
        return self.world.engine

    @property
    def view(self) -> View:
        """What the venue itself has."""
        return self.world.view


class Replay(Judge):
    """The journal's commands lead to the venue's own state, word by word."""

    def look(self) -> None:
        replayed, own = View(self.engine.region), self.view
        assert replayed.digest() == own.digest(), "the journal replays to another state"


class Matching(Judge):
    """The rules of docs/matcher.md, by ``tests/oracles/matcher_judge.py``."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.judge = matcher_judge.Judge(self.engine.instruments)

    def take(self, step: Step) -> None:
        swept, rest = step.events[: step.swept], step.events[step.swept :]
        for who in dict.fromkeys(swept["participant"].tolist()):
            command = np.zeros(1, ORDER_DTYPE)
            command["kind"], command["participant"] = CommandKind.DISCONNECT, who
            command["seq"] = step.record["seq"]
            events = swept[swept["participant"] == who].copy()
            events["flags"][-1] |= int(EventFlag.LAST)
            self.judge.check(command, events)
        if step.is_done(Setting.DELEVERAGE):
            self.judge.number += len(rest)  # off the book
        else:
            self.judge.check(step.command, rest)


class Risk(Judge):
    """Every verdict and every word of the core's risk, by ``tests/oracles/risk``."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        hooks = world.config["hooks"]
        names = "participants", "groups", "multipliers", "leveraged", "requests", "fund"
        given = {name: hooks[name] for name in names}
        given["contracts"] = {row[0]: row[1:] for row in hooks["contracts"]}
        given["spot"] = {row[0]: row[1:] for row in hooks["spot"]}
        given["assets"] = [tuple(row) for row in hooks["assets"]]
        given["margin"] = hooks["margin"]
        self.plain = Reference(self.engine.instruments, movements=hooks["movements"], **given)

    def sweeps(self, command: np.ndarray) -> int:
        """Return how many orders a margin call cancels before this command."""
        is_disconnect = command["kind"][0] == CommandKind.DISCONNECT
        spared = int(command["participant"][0]) if is_disconnect else -1
        return sum(
            self.plain.open_count(who)
            for who, one in enumerate(self.plain.participants)
            if "margin" in one.killed and one.cancel_wanted and who != spared
        )

    def take(self, step: Step) -> None:
        command = fields(step.command)
        swept, rest = step.events[: step.swept], step.events[step.swept :]
        self.plain.after(command, swept, self._best)
        if command["error_code"] == 0:
            verdict = self.plain.before(command)
            told = self._verdict(rest)
            assert told == (verdict & 0xFF, verdict >> 8 if verdict & 0xFF else 0), (command, told)
        if step.is_done(Setting.DELEVERAGE):
            rest = rest[-1:]  # its fills say what the command has done already
        self.plain.after(command, rest, self._best)

    def _best(self, index: int) -> tuple[int | None, int | None]:
        bid, _, ask, _ = self.engine.best(self.engine.instruments["symbol"][index])
        return bid, ask

    @staticmethod
    def _verdict(events: np.ndarray) -> tuple[int, int]:
        first = events[0]
        refused = first["kind"] == EventKind.REJECTED and first["reason"] == Reason.RISK
        return (int(first["reason"]), int(first["contra_id"])) if refused else (0, 0)

    def look(self) -> None:
        view, plain = self.view, self.plain
        for name, table in words.words_of(plain, view).items():
            values = view.open_orders() if name == "orders" else getattr(view, name)
            found = np.array(values, np.int64).reshape(np.shape(table))
            assert np.array_equal(found, table), f"the plain core has other {name}"
        words.same_wallets(plain.wallets, view.wallets)
        words.same_contracts(plain.contracts, view.contracts)


class Wallets(Judge):
    """All that is in wallets and fees of an asset is what came in and did not go out."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.paid_in: dict[str, int] = defaultdict(int)

    def take(self, step: Step) -> None:
        if step.is_done(Setting.DEPOSIT):
            asset = self.world.asset_of(step.record)
            self.paid_in[asset] += int(step.record["aux"])
        events, plain = step.events, self.world.symbols.index(PLAIN)
        fills = events[(events["kind"] == EventKind.FILLED) & (events["instrument"] == plain)]
        self.paid_in[""] -= LOT_FEE * int(fills["qty_lots"].sum())

    def look(self) -> None:
        wallets = self.view.wallets
        for number, name in enumerate(wallets.names):
            held = int(wallets.rows[:, number, :2].sum()) + wallets.fees(name)
            assert held == self.paid_in[name], (name, held, self.paid_in[name])
        margin = int(self.view.participants[:, lay.BALANCE // 8].sum())
        assert margin == self.paid_in[""], ("margin accounts", margin, self.paid_in[""])


class Ledger(Judge):
    """Every transaction sums to 0, and the books are the core's; those of PLAIN are row by row what
    ``tests/oracles/ledger_books.py`` posts."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.books, self.plain = Books(world.config), ledger_books.Reference(world.config)
        self.index = world.symbols.index(PLAIN)
        self.rows: list[np.ndarray] = [self.books.opening]

    def take(self, step: Step) -> None:
        rows = self.books.post(step.command, step.events)
        assert unbalanced(rows) == 0, (step.record, rows)
        self.rows.append(rows)
        is_plain = step.events["instrument"] == self.index
        if step.record["kind"] == RISK_KIND and step.record["symbol"].decode() == PLAIN:
            is_plain = np.ones(len(step.events), bool)
        if is_plain.any():
            expected = self.plain.post(step.command, step.events[is_plain])
            assert as_dicts(rows[rows["instrument"] == self.index]) == expected

    def look(self) -> None:
        fault = differences(self.books, self.engine)
        assert fault is None, fault


class Positions:
    """Lots of each participant in each contract, from fills alone."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self.lots: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def take(self, step: Step) -> None:
        for event in step.events[step.events["kind"] == EventKind.FILLED]:
            symbol = self.symbols[int(event["instrument"])]
            sign = 1 if event["side"] == Side.BUY else -1
            self.lots[int(event["participant"])][symbol] += sign * int(event["qty_lots"])
        if step.is_done(Setting.CONTRACT_EXPIRE):
            for held in self.lots.values():
                held.pop(step.record["symbol"].decode(), None)

    def of(self, who: int) -> dict[str, int]:
        return {s: lots for s, lots in self.lots[who].items() if s in CONTRACTS and lots}


class Margin(Judge):
    """Scenario margin of every portfolio less its pledges after haircuts, by docs/margin.md alone;
    as much is long as short."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.page, self.positions = Page(PAGE, MARGIN), Positions(world.symbols)
        self.pledged: dict[int, int] = defaultdict(int)
        """Units of BTC by participant."""

    def take(self, step: Step) -> None:
        self.positions.take(step)
        if step.is_done(Setting.PLEDGE):
            self.pledged[int(step.record["qty_lots"])] += int(step.record["aux"])
        if step.is_done(Setting.SEIZE):
            self.pledged[int(step.record["qty_lots"])] -= int(step.record["price_ticks"])

    def look(self) -> None:
        portfolio = self.view.portfolio
        for who in PEOPLE.values():
            held = self.positions.of(who)
            figures = self.view.of(who, lay.PORTFOLIO), portfolio.initial(who)[0]
            maintenance, initial = self.page.margin(held)
            counted = self.page.counted({"BTC": self.pledged[who]})["BTC"][1]
            assert figures == (maintenance - counted, initial), (who, held, figures)
        for symbol in CONTRACTS:
            assert sum(held[symbol] for held in self.positions.lots.values()) == 0


class Takeovers(Judge):
    """What a takeover takes, and what stays missing."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.had: list[int] = []
        self.count = 0

    def _equities(self) -> list[int]:
        rows = View(self.engine.region).participants
        return (rows[:, lay.FUNDED // 8] + rows[:, lay.PROFIT // 8]).tolist()

    def before(self, command: np.ndarray) -> None:
        self.had = self._equities()

    def take(self, step: Step) -> None:
        if step.is_done(Setting.DELEVERAGE):
            taker, paid = int(step.record["qty_lots"]) >> 16, int(step.record["price_ticks"])
            fault = takeover_fault(taker, paid, self.had, self._equities())
            assert not fault, (step.record, fault)
            self.count += 1

    def look(self) -> None:
        """Once the venue has had the time to do what is due."""
        view = self.view
        if not self.world.is_settled:
            return
        indices = [self.world.symbols.index(symbol) for symbol in CONTRACTS]
        positions = view.cells[:, indices, lay.POSITION // 8].tolist()
        fund = view.of(FUND, lay.BALANCE)
        fault = rest_fault(view.deficits(), fund, self._equities(), positions)
        assert not fault, fault


class Phases(Judge):
    """Each instrument is in the phase that its day, halts and restarts come to."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.rules: dict[str, Rules] = {}
        self.found: dict[str, Phase] = dict.fromkeys(world.symbols, Phase.CLOSED)
        self.now_s = 0
        self.changed: dict[str, tuple[int, Phase]] = {}
        """When the rules last changed the phase of each, and what it was before."""

    def begin_day(self) -> None:
        """A day begins, before the first of its phases."""
        self.now_s = DAY.day[0][0] - 1
        for symbol in self.world.symbols:
            is_halted = symbol in self.rules and self.rules[symbol].is_halted
            self.rules[symbol] = Rules(DAY, self.found[symbol], owner="", is_halted=is_halted)

    def until(self, now_s: int) -> None:
        """Time has come to this second of the day."""
        for second in range(self.now_s + 1, now_s + 1):
            for symbol, rules in self.rules.items():
                before = rules.phase
                rules.second(second)
                if rules.phase != before:
                    self.changed[symbol] = second, before
        self.now_s = max(self.now_s, now_s)

    def note(self, event: str, symbol: str) -> None:
        """Something that is not scheduled: halt, resume, restart."""
        for name in [symbol] if symbol else self.rules:
            getattr(self.rules[name], event)(self.now_s)

    def take(self, step: Step) -> None:
        for event in step.events[step.events["kind"] == EventKind.PHASE_CHANGED]:
            self.found[self.world.symbols[int(event["instrument"])]] = Phase(int(event["qty_lots"]))

    def look(self) -> None:
        for symbol, rules in self.rules.items():
            if symbol in self.world.ended:
                continue
            found = self.found[symbol]
            since_s, before = self.changed.get(symbol, (0, rules.phase))
            # The rules count whole seconds.
            is_late = found == before and self.now_s - since_s <= LATE_S
            assert found == rules.phase or is_late, (symbol, found.name, rules.phase.name)


class Statements(Judge):
    """The statement of everybody from the first day on, by commands and events alone."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        multipliers = world.config["hooks"]["multipliers"]
        terms = {
            symbol: Terms("BTC", "USD", LOT_UNITS[symbol], multipliers[index])
            if symbol in MARKETS
            else Terms("", "USD-MARGIN", 0, multipliers[index], LOT_FEE * (symbol == PLAIN))
            for index, symbol in enumerate(world.symbols)
        }
        marks = {
            row["symbol"].decode(): int(row["reference_price_ticks"])
            for row in self.engine.instruments
            if row["symbol"].decode() in CONTRACTS
        }
        self.models = {
            who: StatementModel(who, terms, world.symbols, FEES_BPS, "USD-MARGIN", dict(marks))
            for who in PEOPLE.values()
        }

    def take(self, step: Step) -> None:
        asset = self.world.asset_of(step.record) if step.is_done(Setting.DEPOSIT) else ""
        for model in self.models.values():
            model.take(step.record, step.events, asset)

    def rows_of(self, who: int) -> list[dict[str, Any]]:
        """The statement of a participant as the ledger writes it."""
        ledger = self.world.judge(Ledger)
        report = reports.statement(ledger.books, ledger.rows, who)
        return [dict(zip(report.columns, row, strict=True)) for row in report.rows]

    def end_day(self) -> None:
        plain = self.world.judge(Risk).plain
        for who, model in self.models.items():
            held = {
                name: plain.wallets.total[who, number]
                for number, name in enumerate(self.view.wallets.names)
            }
            held["USD-MARGIN"] = plain.participants[who].balance
            fault = model.fault(self.rows_of(who), held)
            assert not fault, (who, fault)


class Reported(Judge):
    """What a session was told of each order, what the API shows of it, and what the core has."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.plain, self.api = OrderStates(), Orders(lambda who: True)
        self.newest: dict[int, Any] = {}
        """What the API shows of each order."""

    def take(self, step: Step) -> None:
        self.plain.take(step.record, step.events)
        command = SimpleNamespace(**fields(step.command))
        for row in step.events:
            number, kind = int(row["order_id"]), int(row["kind"])
            if is_off_book(number) or not KINDS >> kind & 1:
                continue
            event = SimpleNamespace(**{name: int(row[name]) for name in row.dtype.names})
            order = self.api.find(event.instrument, number)
            if order is None and command.kind == CommandKind.NEW and number == command.order_id:
                order = self.api.entered(command, event.instrument, "", event.leaves_lots)
            if order is not None:
                self.api.apply(event, order, command.rx_ts_ns, "")
                self.newest[number] = order

    def look(self) -> None:
        for number, plain in self.plain.orders.items():
            shown = self.newest[number]
            state = API_STATES.get(shown.state, shown.state)
            found = state, shown.executed_lots
            assert found == (plain["state"], plain["executed_lots"]), (number, found, plain)
        in_core = {row[0]: row[2] for row in View(self.engine.region).open_orders()}
        assert in_core == {number: lots for number, (_, lots) in self.plain.open().items()}
        for person in self.world.people.values():
            for name, told in person.heard.items():
                plain = self.plain.orders.get(told["core_id"] | 1 << 62)
                if plain is not None:
                    figures = plain["fix_state"], plain["executed_lots"], plain["leaves_lots"]
                    found = told["state"], told["executed_lots"], told["leaves_lots"]
                    assert found == figures, (name, told, plain)


class Routing(Judge):
    """A router that uses both books of the market pays what the exact optimum pays."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.looks = self.compared = 0
        pair = Instrument("BTC/USD", "BTC", "USD", price_decimals=1, quantity_decimals=1)
        venues = [
            Venue(name, taker_ppm=fee, order_fee=0, stale_ns=10**18)
            for name, fee in TAKER_PPM.items()
        ]
        decimals = {"price_decimals": 1, "quantity_decimals": 1}
        listings = [
            Listing(name, pair, name, **decimals, lot=LOT_UNITS[name] // 10_000_000)
            for name in MARKETS
        ]
        self.market = Market(pair, tuple(venues), tuple(listings))

    def look(self) -> None:
        self.looks += 1
        if self.looks % SPLIT_EVERY == 0:
            self.compare()

    def depth(self) -> Depth:
        """Both books, as they are displayed."""
        depth = Depth(self.market, 20)
        for number, symbol in enumerate(MARKETS):
            depth.set_status(number, LIVE, 0)
            book, lot = self.engine.depth(symbol, 20), LOT_UNITS[symbol] // 10_000_000
            sides = ([(p, q * lot) for p, q, _ in book[side]] for side in ("bids", "asks"))
            depth.set_levels(number, *sides, 0)
        return depth

    def compare(self) -> None:
        rng = Random(self.looks)
        for side in (BUY, SELL):
            depth = self.depth()
            total = sum(one.quantity for one in depth.take_side(side, 0))
            if not total:
                continue
            wanted = rng.randint(1, total)
            gap, fills_most, no_worse = routing_optimum.compared(depth, side, wanted)
            assert -0.001 < gap <= 500, (side, wanted, gap)
            assert fills_most, (side, wanted)
            assert no_worse, (side, wanted)
            self.compared += 1


JUDGES = (
    Replay,
    Matching,
    Risk,
    Wallets,
    Ledger,
    Margin,
    Takeovers,
    Phases,
    Statements,
    Reported,
    Routing,
)
