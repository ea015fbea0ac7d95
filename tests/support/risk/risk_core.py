"""The risk kernels and their reference around one real matcher, compared command by command."""

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.commands.mass import cancel_flagged, cancel_instrument
from openoutcry.matcher.commands.rules import change_rules
from openoutcry.matcher.hook_context import ASKS_TERMS, HookContext
from openoutcry.matcher.hooks import (
    APPLIED,
    CANCELS,
    CHANGES_RULES,
    VERDICT_MASK,
    Hooks,
    ask_with_terms,
    note_best,
    refuse,
)
from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout, speed_bump
from openoutcry.risk.after import after
from openoutcry.risk.before import before
from openoutcry.risk.bits import (
    CORPORATE_SETTINGS,
    NO_LIMIT,
    RISK_KIND,
    RiskBit,
    Setting,
)
from openoutcry.risk.delay import WAITS, due, hold
from openoutcry.risk.lists import take_terms
from openoutcry.risk.quotes import judge_quote
from openoutcry.risk.region import View, make_region, setting
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.enums import (
    NEW_DAY,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.rule_changes import RulesBlock
from tests.oracles.risk.operator_commands import OF_OWNERS
from tests.oracles.risk.reference import Reference
from tests.oracles.risk.words import (
    same_bump,
    same_contracts,
    same_own,
    same_portfolio,
    same_protection,
    same_wallets,
    words_of,
)

PARTICIPANTS, GROUPS = 9, 3
# An enumeration's members take Python a while to look up.
FILLED, PHASE_CHANGED = int(EventKind.FILLED), int(EventKind.PHASE_CHANGED)


def fields(orders):
    """Return the fields of one command, by name."""
    return dict(zip(orders.dtype.names, orders[0].tolist(), strict=True))


def rejected(order, verdict):
    """The one event of a command that ``before`` kept from the matcher."""
    event = np.zeros(1, EVENT_DTYPE)
    event["kind"], event["order_id"] = EventKind.REJECTED, order["order_id"]
    event["reason"], event["contra_id"] = verdict & 0xFF, verdict >> 8
    event["price_ticks"], event["qty_lots"] = order["price_ticks"], order["qty_lots"]
    event["flags"] = EventFlag.LAST
    return event


@kernel
def ask(block: HookContext, order: OrderRecord, out: int) -> int:
    """``ask_with_terms``, which kernels alone can call."""
    return ask_with_terms(block, order, out)


class Kernels:
    """before, the matcher and after, by their addresses."""

    def __init__(self, instruments, order_capacity=5_000, **more):
        self.engine = Engine(instruments, order_capacity)
        self.symbols = instruments["symbol"].tolist()
        self.region = make_region(instruments, order_capacity=order_capacity, **more)
        self.view = View(self.region)
        protection = self.view.word(lay.PROTECTION_AT)
        self.quotes = (
            self.region.ctypes.data + protection + protection_layout.HEADER_BYTES
            if protection
            else 0
        )

    def due(self, orders):
        """Record, sequence and verdict of the next one who enters before a command, or None."""
        address = self.region.ctypes.data
        record = due(address, orders.ctypes.data)
        if record == 0:
            return None
        figures = self.view.bump[: speed_bump.FIGURE_RECORD // 8]
        data = self.region[record - address :][: ORDER_DTYPE.itemsize].tobytes()
        seq, verdict = figures[speed_bump.FIGURE_SEQ // 8], figures[speed_bump.FIGURE_VERDICT // 8]
        return np.frombuffer(data, ORDER_DTYPE).copy(), int(seq), int(verdict)

    def hold(self, orders):
        """The answer, and when the command enters if it waits."""
        answer = hold(self.region.ctypes.data, orders.ctypes.data)
        return answer, int(self.view.bump[speed_bump.FIGURE_RELEASE // 8]) if answer == WAITS else 0

    def process(self, orders, verdict=0):
        """Verdict and events of one command (an array of one); ``verdict``: it has one already."""
        verdict = verdict or before(self.region.ctypes.data, orders.ctypes.data)
        if verdict == ASKS_TERMS:
            verdict = self.ask_with_terms(orders)
        if verdict & VERDICT_MASK == CANCELS:
            self.cancelled = self.cancel(orders, verdict)
        answer = verdict
        if verdict & VERDICT_MASK == CHANGES_RULES:
            answer = self.change(orders, verdict)
        if verdict & 0xFF and orders["kind"][0] == CommandKind.NEW:
            events = self.refuse(orders, verdict)
        else:
            events = rejected(orders[0], answer) if verdict else self.engine.process(orders)
        events["seq"] = 0  # as they are before they are numbered
        if self.quotes and not verdict:
            note_best(self.engine.address, self.quotes, events.ctypes.data, len(events))
        after(self.region.ctypes.data, orders.ctypes.data, events.ctypes.data, len(events))
        return verdict, events

    def ask_with_terms(self, orders):
        """The verdict on a NEW that may have terms in the matcher."""
        hooks = Hooks(self.region, before, after, terms=take_terms, quote=judge_quote)
        block, out = hooks.block(self.engine.address, self.region), np.zeros(2, EVENT_DTYPE)
        order = OrderRecord.of(orders.ctypes.data)
        return ask(HookContext.of(block.ctypes.data), order, out.ctypes.data)

    def refuse(self, orders, verdict):
        """The events of a NEW that is refused: it uses up its terms, and breaks its list."""
        out = np.zeros(1 << 10, EVENT_DTYPE)
        arena, order = ArenaHeader.of(self.engine.address), OrderRecord.of(orders.ctypes.data)
        return out[: refuse(arena, order, EventRecord.of(out.ctypes.data), verdict)]

    def cancel(self, orders, verdict):
        """The events of the cancels of a whole instrument, which come before this command's
        answer."""
        out = np.zeros(1 << 14, EVENT_DTYPE)
        index = self.symbols.index(bytes(orders["symbol"][0]))
        arena, at = ArenaHeader.of(self.engine.address), EventRecord.of(out.ctypes.data)
        count = cancel_instrument(arena, index, verdict >> 16, int(orders["seq"][0]), at)
        events = out[:count]
        if self.quotes:
            note_best(self.engine.address, self.quotes, events.ctypes.data, count)
        after(self.region.ctypes.data, orders.ctypes.data, events.ctypes.data, count)
        return events

    def change(self, orders, verdict):
        """Change an instrument's rules; the answer, with the events before it in ``cancelled``."""
        out = np.zeros(1 << 14, EVENT_DTYPE)
        index = self.symbols.index(bytes(orders["symbol"][0]))
        rules = RulesBlock.of(self.region.ctypes.data + self.view.word(lay.RULES_AT))
        arena, seq = ArenaHeader.of(self.engine.address), int(orders["seq"][0])
        count, left = change_rules(arena, rules, index, verdict >> 16, seq, out.ctypes.data)
        self.cancelled = out[:count]
        if left:
            return left << 8 | Reason.RULES_CHANGED
        if self.quotes:
            note_best(self.engine.address, self.quotes, out.ctypes.data, count)
        after(self.region.ctypes.data, orders.ctypes.data, out.ctypes.data, count)
        return APPLIED

    def sweep(self, orders):
        """The events of the orders that are cancelled before this command."""
        view, out = self.view, np.zeros(1 << 14, EVENT_DTYPE)
        view.header[lay.CALLED // 8] = 0
        first, step = view.participants.ctypes.data + lay.FLAGS, lay.PARTICIPANT_BYTES
        mask, seq = lay.KILLED_BY_MARGIN | lay.CANCEL_WANTED, int(orders["seq"][0])
        is_disconnect = orders["kind"][0] == CommandKind.DISCONNECT
        spared = int(orders["participant"][0]) if is_disconnect else -1
        arena, at = ArenaHeader.of(self.engine.address), EventRecord.of(out.ctypes.data)
        rows = len(view.participants)
        count = cancel_flagged(arena, first, step, rows, mask, spared, seq, at)
        events = out[:count]
        if self.quotes:
            note_best(self.engine.address, self.quotes, events.ctypes.data, count)
        after(self.region.ctypes.data, orders.ctypes.data, events.ctypes.data, count)
        return events


class Pair:
    """Kernels and reference; the reference reads the kernels' events, as there is one matcher."""

    def __init__(self, instruments, order_capacity=5_000, **more):
        more = {"participants": PARTICIPANTS, "groups": GROUPS} | more
        self.kernels = Kernels(instruments, order_capacity, **more)
        self.reference = Reference(instruments, **more)
        self.seq = self.parts_traded = self.entered = 0
        self.times, self.rx_ts_ns = np.random.default_rng(len(instruments)), 10**9
        self.verdicts = []

    @property
    def view(self):
        return self.kernels.view

    def process(self, orders):
        """One command, and who enters before it: verdicts, what is told, and what the touched
        participants reserve, equal."""
        self.seq += 1
        orders["seq"] = self.seq
        if self.reference.bump is None:
            return self._one(orders, fields(orders))
        orders["rx_ts_ns"] = self._rx_ts_ns(orders)
        command, wanted = fields(orders), 0
        for came, entering, refused in self.reference.due(command):
            record, seq, verdict = self.kernels.due(orders)
            assert (fields(record), seq, verdict) == (entering, came, refused)
            self._one(record, entering, refused)
            self.entered += 1
        assert self.kernels.due(orders) is None
        if command["error_code"] == 0 or command["order_id"] >= LEG_ORDER_IDS:
            wanted, release_ns = self.reference.hold(command)
            assert self.kernels.hold(orders) == (wanted, release_ns)
        if wanted == WAITS:
            return wanted, np.zeros(0, EVENT_DTYPE)
        return self._one(orders, command, wanted)

    def _rx_ts_ns(self, orders):
        """Return times of receipt: some are out of line, as of other lanes; at times the clock is
        set back."""
        rng = self.times
        self.rx_ts_ns += int(rng.integers(0, 80_000))
        if orders["kind"] == RISK_KIND and rng.random() < 0.02:
            self.rx_ts_ns -= int(rng.integers(0, 3 * speed_bump.SET_BACK_NS))
        return self.rx_ts_ns - (int(rng.integers(0, 10**6)) if rng.random() < 0.1 else 0)

    def _sweep(self, orders, command):
        """Cancel the orders of participants with a margin call, as ``sweep_called`` does."""
        while self.view.word(lay.CALLED):
            events = self.kernels.sweep(orders)
            self.reference.after(command, events, self.best)

    def _one(self, orders, command, refused=0):
        self._sweep(orders, command)
        wanted = refused or self.reference.before(command)
        verdict, events = self.kernels.process(orders, refused)
        assert verdict == wanted, (orders[0], bits(verdict), bits(wanted))
        if verdict & VERDICT_MASK in (CANCELS, CHANGES_RULES):
            self.reference.after(command, self.kernels.cancelled, self.best)
        if verdict and events["reason"][0] != Reason.RULES_CHANGED:
            expected = self.reference.tells(command, wanted)
            assert {name: int(events[name][0]) for name in expected} == expected
        plain = self.reference.wallets
        if plain is not None:
            plain.told.clear()
        self.reference.after(command, events, self.best)
        if plain is not None:
            notes = self.notes_of_fills(events)
            assert [(fee_units(note), fee_is_of_base(note)) for note in notes] == plain.told
        for event in events[events["kind"] == PHASE_CHANGED]:
            protection = self.reference.protection
            cause = int(event["order_id"]), int(event["leaves_lots"])
            assert cause == (protection.cause if protection is not None else (0, 0))
        self.verdicts.append(verdict)
        if command["order_id"] > lay.PART_IDS and not verdict:
            self.parts_traded += (events["kind"] == EventKind.FILLED).any()
        if verdict & 0xFF:
            assert self.view.refusal == self.reference.refused[1:]
        for who in {*events["participant"].tolist(), command["participant"]}:
            if who < len(self.reference.participants):
                self.conserved(who)
        return verdict, events

    def notes_of_fills(self, events):
        """Those of the fills of spot instruments; no other event has a note."""
        spot, notes = self.reference.wallets.spot, []
        columns = (events[name].tolist() for name in ("kind", "instrument", "seq"))
        for kind, instrument, note in zip(*columns, strict=True):
            if kind == FILLED and instrument in spot:
                notes.append(note)
            else:
                assert note == 0
        return notes

    def best(self, index):
        bid, _, ask, _ = self.kernels.engine.best(self.reference.instruments[index].symbol)
        return bid, ask

    def conserved(self, who):
        """Reserved is what the open orders need, to the unit; so is every other total."""
        view, plain = self.view, self.reference
        assert view.of(who, lay.RESERVED) == plain.reserved(who)
        assert view.of(who, lay.GROSS) == plain.gross(who)
        assert view.of(who, lay.OPEN) == plain.open_count(who)
        assert view.of(who, lay.BUY_EXPOSURE) == plain.side_exposure(who, Side.BUY)
        assert view.of(who, lay.SELL_EXPOSURE) == plain.side_exposure(who, Side.SELL)
        if plain.wallets is not None:
            count = range(len(plain.wallets.names))
            held = [plain.wallets.wallet(who, asset) for asset in count]
            assert view.wallets.rows[who].tolist() == held

    def same(self):
        """Every word of the state is what the reference says."""
        tables, view = words_of(self.reference, self.view), self.view
        for name, table in tables.items():
            values = view.open_orders() if name == "orders" else getattr(view, name)
            if name == "cells":
                values = values.copy()
                values[..., lay.CELL_FLAGS // 8] &= ~lay.TERMS_FLAG
            assert np.array_equal(np.array(values, np.int64).reshape(np.shape(table)), table), name
        if view.protection is not None:
            same_protection(self.reference.protection, view.protection)
        if view.wallets is not None:
            same_wallets(self.reference.wallets, view.wallets)
        if view.contracts is not None:
            same_contracts(self.reference.contracts, view.contracts)
        if view.portfolio is not None:
            same_portfolio(self.reference.portfolio, view.portfolio)
        if view.bump is not None:
            same_bump(self.reference.bump, view)
        if view.own is not None:
            same_own(self.reference, view.own)
        if view.rules is not None:
            rules, names = self.reference.rules, view.rules.table.dtype.names
            assert view.rules.table.tolist() == [
                tuple(row[name] for name in names) for row in rules.table
            ]
            assert view.rules.word("staged") == rules.count


def bits(verdict):
    return [bit.name for bit in RiskBit if verdict >> 8 >> bit & 1]


RARE = (Setting.MARKET_KILL, Setting.LOSS, Setting.DRAWDOWN, Setting.STATUS)
OF_THE_BUMP = (Setting.SPEED_BUMP, Setting.RELEASE)
OF_WALLETS = (Setting.ASSET_CREDIT, Setting.FEE_VOLUME, Setting.MOVEMENT)
BUMPS_NS = (0, 0, 20_000, 350_000, 2_000_000, 8_000_000, -1, speed_bump.MAX_DELAY_NS + 1)
"""Delays and windows; behind the longest there is no room for most, the last make no sense."""
DRAWN = [
    int(s)
    for s in Setting
    if s < Setting.REQUEST and s not in (*OF_THE_BUMP, *CORPORATE_SETTINGS, *OF_WALLETS)
    for _ in range(2 if s in RARE else 4)
]
OWN = {*OF_OWNERS, Setting.KILL}
PROTECTING = [int(s) for s in Setting if Setting.LULD <= s < Setting.LEDGER_TIER]


class Operator:
    """Draws RISK commands whose limits lie near what stands, so that they bind and give way."""

    def __init__(self, seed, pair, symbols, protecting=0.0, corporate=0.0):
        self.rng, self.pair, self.symbols = np.random.default_rng([seed, 18]), pair, symbols
        self.protecting, self.corporate = protecting, corporate
        self.owners = np.random.default_rng([seed, 81])

    def draw(self):
        """A command of the operator's or, where owners may limit themselves, of an owner's."""
        record = self._drawn()
        is_limit = record["kind"][0] == RISK_KIND and record["order_type"][0] in OWN
        if self.pair.reference.own_room and is_limit and self.owners.random() < 0.5:
            record["time_in_force"] = 1
        return record

    def _drawn(self):
        rng = self.rng
        if self.pair.reference.bump is not None and rng.random() < 0.3:
            if rng.random() < 0.4:
                return self._gone()
            delay_ns, window_ns = (int(one) for one in rng.choice(BUMPS_NS[:6], 2))
            if rng.random() < 0.05:
                delay_ns = int(rng.choice(BUMPS_NS))
            what = OF_THE_BUMP[rng.random() < 0.3]
            return setting(what, delay_ns, int(rng.integers(-(2**63), 2**63 - 1)), second=window_ns)
        protects = self.protecting and rng.random() < self.protecting
        what = Setting(int(rng.choice(PROTECTING if protects else DRAWN)))
        if self.corporate and rng.random() < self.corporate:
            return self._corporate(Setting(int(rng.choice(CORPORATE_SETTINGS))))
        if self.pair.reference.market_killed and rng.random() < 0.5:
            return setting(Setting.MARKET_KILL, 0, operator=int(rng.integers(1, 3)))
        who = int(rng.integers(0, PARTICIPANTS))
        index = int(rng.integers(0, len(self.symbols)))
        value, second = self._value(what, who, index)
        if rng.random() < 0.02:
            value = int(rng.choice([-1, 2**62, 2**62 + 1, -(2**63), 5]))
        who = who % GROUPS if Setting.GROUP_GROSS_POSITION <= what < Setting.LULD else who
        operator = int(rng.integers(0, 3))
        return setting(what, value, who, self.symbols[index], second, operator)

    def _corporate(self, what):
        """Return a corporate action of an instrument that is halted and has no open orders; else a
        step to that."""
        rng, plain = self.rng, self.pair.reference
        index = int(rng.integers(0, len(self.symbols)))
        rules, symbol = plain.instruments[index], self.symbols[index]
        if not rules.halted:
            return setting(Setting.HALT, 1, 0, symbol)
        if any(plain.open_of(who, index) for who in range(PARTICIPANTS)) and rng.random() < 0.9:
            record = np.zeros(1, ORDER_DTYPE)
            record["kind"], record["symbol"], record["aux"] = CommandKind.MASS_CANCEL, symbol, 1
            return record
        new, old = (int(one) for one in rng.integers(1, 5, 2))
        if what == Setting.DIVIDEND:
            new, old = int(rng.integers(1, 3_000)), int(rng.integers(1, 12))
        if rng.random() < 0.1:
            new, old = (int(one) for one in rng.choice([0, 1, 10**6, 10**6 + 1, 2**31 - 1], 2))
        price = (
            (rules.last or 100) * old // max(new, 1) if what == Setting.SPLIT else rules.last or 100
        )
        price += int(rng.integers(-20, 20))
        return setting(what, new << 32 | old, 0, symbol, price)

    def _gone(self):
        """A disconnection, a mass cancel of the operator's, or the begin of a trading day."""
        record = np.zeros(1, ORDER_DTYPE)
        record["kind"] = CommandKind.MASS_CANCEL
        if self.rng.random() < 0.7:
            record["kind"] = CommandKind.DISCONNECT
            record["participant"] = self.rng.integers(1, PARTICIPANTS)
        elif self.rng.random() < 0.7:
            record["symbol"] = self.rng.choice(self.symbols)
            if self.rng.random() < 0.4:
                record["aux"], record["qty_lots"] = NEW_DAY, self.rng.integers(1, 9)
        return record

    def called(self):
        """Who is under its maintenance margin, or was."""
        people = self.pair.reference.participants
        return [who for who, one in enumerate(people) if "margin" in one.killed]

    def step(self):
        """What the operator's lane does next about one of these, or something like it."""
        rng, plain = self.rng, self.pair.reference
        who = int(rng.choice(self.called()))
        if plain.open_count(who) or plain.participants[who].cancel_wanted:
            record = np.zeros(1, ORDER_DTYPE)
            record["kind"], record["participant"] = CommandKind.DISCONNECT, who
            return record
        who, index, lots, price = plain.part
        if who:
            record = np.zeros(1, ORDER_DTYPE)
            record["kind"], record["participant"], record["symbol"] = 1, who, self.symbols[index]
            record["side"], record["qty_lots"] = 1 if lots > 0 else 2, abs(lots)
            record["price_ticks"], record["order_id"] = price, lay.PART_IDS + plain.parts
            record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.IOC
            if rng.random() < 0.2:
                other = rng.choice(["side", "qty_lots", "price_ticks", "order_id", "order_type"])
                record[other] = record[other] % 2 + 1
            return record
        who = int(rng.choice(self.called()))
        if rng.random() < 0.05:
            return setting(Setting.KILL, 0, who)
        held = [n for n, cell in enumerate(plain.cells[who]) if cell.position]
        index = int(rng.choice(held)) if held else 0
        position, last = plain.cells[who][index].position, plain.instruments[index].last
        lots = -position if rng.random() < 0.3 else -(position // 2) - int(rng.integers(0, 2))
        price = (last or 100) + (1 if lots > 0 else -1) * int(rng.integers(0, 40))
        return setting(Setting.LIQUIDATE, lots, who, self.symbols[index], price)

    def withdrawn(self, who):
        """What would bring a participant near its maintenance margin."""
        plain = self.pair.reference
        owner, rng = plain.participants[who], self.rng
        if not owner.maintenance or owner.credit == NO_LIMIT or rng.random() < 0.4:
            return int(rng.integers(-(10**8), 10**9))
        needs = plain.margined(who) * owner.maintenance // 10_000
        return needs - plain.equity(who) - owner.credit + int(rng.integers(-2, 10**5))

    def _value(self, what, who, index):
        rng, view = self.rng, self.pair.view
        near = {
            Setting.CREDIT: view.of(who, lay.RESERVED) - view.of(who, lay.BALANCE),
            Setting.EXPOSURE_BUY: view.of(who, lay.BUY_EXPOSURE),
            Setting.EXPOSURE_SELL: view.of(who, lay.SELL_EXPOSURE),
            Setting.GROSS_POSITION: view.of(who, lay.GROSS),
            Setting.GROUP_GROSS_POSITION: int(view.groups[who % GROUPS, 0]),
            Setting.OPEN_ORDERS: view.of(who, lay.OPEN),
            Setting.LOSS: abs(view.of(who, lay.PROFIT)),
            Setting.DRAWDOWN: view.of(who, lay.PEAK) - view.of(who, lay.PROFIT),
            Setting.POSITION_LONG: abs(view.cell(who, index, lay.POSITION)),
            Setting.POSITION_SHORT: abs(view.cell(who, index, lay.POSITION)),
        }
        if what == Setting.STATUS:
            # Most stay open, and a suspended one comes back soon, or the stream would run dry.
            suspended = self.pair.reference.participants[who].status == 2
            draws = (1, 1, 1, 1) if suspended else (1, 1, 2, 3 if who == 0 else 2)
            return int(rng.choice(draws)), int(rng.integers(1 << 40))
        if what in near:
            if rng.random() < (0.8 if what in RARE else 0.3):
                return NO_LIMIT, 0
            if what == Setting.OPEN_ORDERS:
                return near[what] + int(rng.integers(0, 4)), 0
            return max(near[what], 0) * int(rng.integers(8, 14)) // 10 + int(
                rng.integers(0, 500)
            ), 0
        last = view.instruments[index, lay.LAST // 8]
        values = {
            Setting.DEPOSIT: self.withdrawn(who),
            Setting.RATE: int(rng.choice([0, 0, 10**4, 10**5])),
            Setting.DUPLICATE_WINDOW: int(rng.choice([0, 10**6, 10**9])),
            Setting.GROUP: int(rng.integers(0, GROUPS)),
            Setting.MAX_QTY: int(rng.choice([300, 800, 2_000, NO_LIMIT])),
            Setting.MAX_VALUE: int(rng.choice([10**8, 5 * 10**8, NO_LIMIT])),
            Setting.FEE: int(rng.integers(0, 20)),
            Setting.MARGIN: int(rng.integers(0, 90_000)),
            Setting.WEIGHT: int(rng.integers(0, 10)),
            Setting.DISTANCE: int(rng.choice([5, 50, 500, NO_LIMIT])),
            Setting.ADV: int(rng.choice([0, 10_000])),
            Setting.POSITION: int(rng.integers(-300, 300)),
            Setting.GROUP_NAME: int(rng.integers(1, 100)),
            Setting.FILE: int(rng.integers(1, 100)),
            Setting.EMERGENCY: self.pair.reference.emergency + int(rng.integers(0, 3)),
            Setting.ADV_SHARE: int(rng.choice([300, 1_000, NO_LIMIT])),
            Setting.MAINTENANCE: int(rng.choice([0, 0, 5_000, 10_000])),
        }
        if what == Setting.BANDS:
            wide = rng.random() < 0.6 or last == NO_LIMIT
            return (NO_LIMIT, -NO_LIMIT) if wide else (int(last) + 30, int(last) - 30)
        if what >= Setting.LULD:
            return self._protection(what)
        return values.get(what, int(rng.random() < 0.15)), int(rng.integers(1, 40))

    def _protection(self, what):
        """Narrow and short, so that everything happens in a few thousand commands."""
        rng = self.rng
        s = 10**9
        drawn = {
            Setting.LULD: (int(rng.choice([0, 50, 200])), int(rng.choice([0, 100, 50_000]))),
            Setting.STATIC_BAND: (int(rng.choice([0, 0, 300])), 0),
            Setting.VOLATILITY: (int(rng.choice([0, 50, 200])), int(rng.integers(1, 301))),
            Setting.VELOCITY: (int(rng.choice([0, 200])), int(rng.integers(1, 30))),
            Setting.LIMIT_STATE: (int(rng.integers(1, 15 * s)), 0),
            Setting.PAUSE: (int(rng.integers(1, 60 * s)), s),
            Setting.INDEX_WEIGHT: (int(rng.choice([0, 1, 5])), 0),
            Setting.HALT_GROUP: (int(rng.integers(0, 3)), 0),
            Setting.CANCEL_RESTING: (int(rng.integers(0, 2)), 0),
            Setting.RENEWAL: (int(rng.integers(0, 30 * s)), 0),
            Setting.TRADING_DAY: (
                self.pair.reference.protection.day + int(rng.integers(0, 3))
                if self.pair.reference.protection
                else 1,
                self.pair.reference.now + int(rng.integers(0, 3_600 * s)),
            ),
            Setting.BREAKER: (int(rng.choice([0, 30, 100, 200])), int(rng.integers(1, 60 * s))),
        }
        return drawn[what]
