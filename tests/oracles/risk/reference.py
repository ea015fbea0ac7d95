"""The same risk checks in plain Python: slow, and plainly right.

Nothing is kept that can be worked out: every total is summed over the open orders, in integers
without an end; what a participant's in one instrument came to is only remembered until one of them,
or a rule, is another.  The kernels are tested against it, word by word.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from openoutcry.risk.bits import (
    CONTRACT_SETTINGS,
    CORPORATE_SETTINGS,
    INSTRUMENT_SETTINGS,
    LARGEST,
    NO_LIMIT,
    RISK_KIND,
    RISK_REASON,
    ParticipantStatus,
    RiskBit,
    Setting,
)
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    EventFlag,
    EventKind,
    InstrumentOption,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.order_ids import VENUE_ORDER_IDS
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED
from openoutcry.wire.records import EVENT_DTYPE, NO_INSTRUMENT, NO_PRICE
from tests.oracles.risk.bump import PlainQueue
from tests.oracles.risk.contracts import PlainContracts
from tests.oracles.risk.lists import PlainLists, largest
from tests.oracles.risk.operator_commands import apply_setting
from tests.oracles.risk.portfolio import PlainPortfolio
from tests.oracles.risk.protection import Best, PlainProtection
from tests.oracles.risk.quotes import check_quote, sides_of
from tests.oracles.risk.requests import PlainRequests
from tests.oracles.risk.rules import PlainRules, is_change
from tests.oracles.risk.state import (
    BUY,
    SELL,
    Cell,
    Group,
    Instrument,
    Order,
    Participant,
    Sums,
    Totals,
    cut,
)
from tests.oracles.risk.wallets import PlainWallets

PART_IDS = VENUE_ORDER_IDS
MOVING = (*PEGS, OrderType.POST_ONLY_SLIDE)
"""Types that count at the price that was asked for, wherever they stand."""
MARKET_STAYS = InstrumentOption.MARKET_WAITS | InstrumentOption.MARKET_REST_STAYS
CALL_PHASES = (
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
)
APPLIED, TAKES_OVER, CANCELS = 1 << 8, 3 << 8, 4 << 8
CANCELLED_BY = {
    InstrumentState.CLOSE_ONLY: Reason.CLOSE_ONLY,
    InstrumentState.DELISTED: Reason.DELISTED,
}
"""States that cancel every open order as they begin, and the reason."""
WAITS = 1
"""Answer of :meth:`Reference.hold`."""
MOVES_LEVELS = [int(s) for s in (Setting.TRADING_DAY, Setting.BREAKER, Setting.INDEX_WEIGHT)]
"""Their COMPLETED says where the breaker's levels are."""
# An enumeration's members take Python a while to look up.
SIDES, ORDER_TYPES = {int(side) for side in Side}, {int(kind) for kind in OrderType}
NEW, REPLACE = int(CommandKind.NEW), int(CommandKind.REPLACE)
DISCONNECT, TIME, PHASE = (
    int(kind) for kind in (CommandKind.DISCONNECT, CommandKind.TIME, CommandKind.PHASE)
)
UNPRICED_TYPES, MOVING_TYPES = {int(kind) for kind in UNPRICED}, {int(kind) for kind in MOVING}
ACCEPTED, FILLED, CONVERTED, REPLACED, PHASE_CHANGED, COMPLETED = (
    int(kind)
    for kind in (
        EventKind.ACCEPTED,
        EventKind.FILLED,
        EventKind.CONVERTED,
        EventKind.REPLACED,
        EventKind.PHASE_CHANGED,
        EventKind.COMPLETED,
    )
)
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
Figures = tuple[int, int, int]


class Reference:
    """As ``before`` and ``after`` over a region made with the same arguments."""

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        participants: int,
        groups: int = 1,
        multipliers: Iterable[int] | None = None,
        leveraged: Iterable[int] = (),
        protection: bool = False,
        delayed: int = 0,
        assets: Sequence[tuple[str, int]] = (),
        spot: Mapping[int, Sequence[int]] | None = None,
        requests: int = 0,
        movements: int = 0,
        asset_capacity: int = 0,
        contracts: Mapping[int, Sequence[int]] | None = None,
        fund: int = 0,
        fee_bps: int = 0,
        funded: Sequence[int] = (),
        margin: Mapping[str, Sequence[Sequence[int]]] | None = None,
        unlisted: Iterable[int] = (),
        announced: Iterable[int] = (),
        own_limits: int = 0,
        rules: bool = False,
    ) -> None:
        self.rules = PlainRules(instruments) if rules else None
        factors = [1] * len(instruments) if multipliers is None else list(multipliers)
        margined = set(leveraged)
        self.instruments = []
        for index, row in enumerate(instruments):
            reference = int(row["reference_price_ticks"])
            first = None if reference == NO_PRICE else reference
            instrument = Instrument(
                bytes(row["symbol"]),
                int(row["min_price_ticks"]),
                int(row["max_price_ticks"]),
                int(row["market_band_ticks"]),
                first,
                factors[index],
                index in margined,
                last=first,
            )
            self.instruments.append(instrument)
        self.index = {instrument.symbol: index for index, instrument in enumerate(self.instruments)}
        for instrument, row in zip(self.instruments, instruments, strict=True):
            instrument.phase = int(row["initial_phase"])
            instrument.market_stays = bool(int(row["options"]) & MARKET_STAYS)
        self.participants = [Participant() for _ in range(participants)]
        self.groups = [Group() for _ in range(groups)]
        count = len(self.instruments)
        self.cells = [[Cell() for _ in range(count)] for _ in range(participants)]
        self.orders: dict[tuple[int, int], Order] = {}
        self.of_cell: dict[tuple[int, int], dict[int, Order]] = {}
        self.summed: dict[tuple[int, int], Sums] = {}
        """Sums of each cell in ``of_cell``, until something of it changes."""
        self.totals: dict[int, Totals] = {}
        """Totals of each participant, until something of one of its cells changes."""
        self.traded_by: list[set[int]] = [set() for _ in range(participants)]
        self.now = self.seq = 0
        self.parts = 0
        self.part: tuple[int, ...] = (0, 0, 0, 0)
        """Whose next order is a part of a liquidation, of which instrument, lots and price."""
        self.market_killed = False
        self.first_operator = 0
        self.file_digest = self.emergency = 0
        self.refusals = 0
        self.refused = (0, 0, 0, 0, 0, 0)
        phases = instruments["initial_phase"].tolist()
        self.protection = PlainProtection(self, phases) if protection else None
        self.bump = PlainQueue(delayed, participants, self.index) if delayed else None
        self.requests = PlainRequests(requests) if requests else None
        self.wallets = PlainWallets(self, assets, spot, movements, asset_capacity) if spot else None
        for index in spot or ():
            self.instruments[index].spot = True
        self.contracts = (
            PlainContracts(self, contracts, fund, fee_bps, funded) if contracts else None
        )
        self.portfolio = PlainPortfolio(self, contracts or {}, margin) if margin else None
        for index in (*unlisted, *announced):
            self.instruments[index].unlisted = True
        self.lists = PlainLists(self)
        self.own_room = own_limits
        self.both: dict[tuple[int, int, int], dict[str, tuple[int, int]]] = {}
        """Where an owner has set a limit: the owner's and the operator's, by participant, setting
        and instrument (-1: all together)."""

    # What the open orders come to

    def open_of(self, participant: int, instrument: int) -> list[Order]:
        return list(self.of_cell.get((participant, instrument), {}).values())

    def lots(self, orders: list[Order], side: int) -> int:
        return largest([o for o in orders if o.side == side], lambda o: o.leaves)

    def cost(self, order: Order) -> int:
        """What it could pay at its worst price."""
        rules = self.instruments[order.instrument]
        is_contract = self.contracts is not None and order.instrument in self.contracts.rows
        if is_contract and (rules.leveraged or order.side == SELL):
            return order.loss * order.leaves
        if rules.leveraged or rules.spot:
            return 0
        price = order.price if order.priced else rules.worst[order.side]
        paid = price if order.side == BUY else -price
        return within_budget(order, max(paid, 0) * order.leaves) * rules.multiplier

    def loss(self, order: Order, leaves: int) -> int:
        """What a lot of an order in a contract loses at once where it trades at its worst price;
        ``leaves``: its lots.  A lot that makes a position smaller gives back its margin first."""
        if self.contracts is None or order.instrument not in self.contracts.rows:
            return 0
        rules, contract = self.instruments[order.instrument], self.contracts.rows[order.instrument]
        price = order.price
        if not order.priced:
            away = max(abs(contract.mark) * rules.distance // 10_000, 1) + rules.band
            worst, sign = rules.worst[order.side], 1 if order.side == BUY else -1
            price = sign * min(sign * worst, sign * contract.mark + away)
        value = contract.value(max(price, 1) if contract.inverse and not contract.option else price)
        lot = value - contract.value(contract.mark)
        loss = min(max(lot if order.side == BUY else -lot, 0), LARGEST // 2)
        held = self.cells[order.participant][order.instrument].position
        held = -held if order.side == BUY else held
        now = self.open_of(order.participant, order.instrument)
        then = [one for one in now if one.order_id != order.order_id]
        then.append(replace(order, leaves=leaves))
        if rules.leveraged and self.lots(then, order.side) <= held:
            loss = max(loss - rules.margin, 0)
        digits = max(loss.bit_length() - 14, 0)
        rounded = -(-loss // 2**digits)
        if rounded == 2**14:
            digits, rounded = digits + 1, 2**13
        return rounded * 2**digits

    def exposure(self, order: Order) -> int:
        rules = self.instruments[order.instrument]
        size = abs(order.price) if order.priced else max(abs(p) for p in rules.worst.values())
        return within_budget(order, size * order.leaves) * rules.multiplier

    def worst_lots(self, position: int, orders: list[Order]) -> int:
        """The largest position, long or short, that the orders could make."""
        buys, sells = self.lots(orders, BUY), self.lots(orders, SELL)
        return max(position + buys, sells - position, 0)

    def need(self, participant: int, instrument: int, orders: list[Order]) -> int:
        """Their cost, their fees, and margin for what they are short of (leveraged: at all)."""
        rules = self.instruments[instrument]
        position = self.cells[participant][instrument].position
        short = max(self.lots(orders, SELL) - position, 0)
        margined = self.worst_lots(position, orders) if rules.leveraged else short
        fees = rules.fee * (self.lots(orders, BUY) + self.lots(orders, SELL))
        return largest(orders, self.cost) + fees + margined * rules.margin

    def sums(self, participant: int, instrument: int) -> Sums:
        sums = self.summed.get((participant, instrument))
        if sums is None:
            orders = self.open_of(participant, instrument)
            position = self.cells[participant][instrument].position
            sums = self.summed[participant, instrument] = Sums(
                len(orders),
                self.need(participant, instrument, orders),
                self.worst_lots(position, orders) * self.instruments[instrument].weight,
                self.of_side(orders, BUY),
                self.of_side(orders, SELL),
                self._from_wallet(instrument, orders),
            )
        return sums

    def _from_wallet(self, instrument: int, orders: list[Order]) -> dict[int, int]:
        if self.wallets is None or not self.instruments[instrument].spot:
            return {BUY: 0, SELL: 0}
        need = self.wallets.need
        return {side: largest([o for o in orders if o.side == side], need) for side in SIDES}

    def of_side(self, orders: list[Order], side: int) -> int:
        """The exposure of a side's orders."""
        return largest([o for o in orders if o.side == side], self.exposure)

    def total(self, participant: int) -> Totals:
        """Over each instrument of which the participant ever had an order."""
        known = self.totals.get(participant)
        if known is None:
            held = [self.sums(participant, number) for number in self.traded_by[participant]]
            known = self.totals[participant] = Totals(
                sum([sums.count for sums in held]),
                sum([sums.need for sums in held]),
                sum([sums.worst for sums in held]),
                sum([sums.buy_exposure for sums in held]),
                sum([sums.sell_exposure for sums in held]),
                {} if self.wallets is None else self.wallets.of_orders(participant),
            )
        return known

    def changed(self, participant: int, instrument: int) -> None:
        """What the participant's open orders in it come to is another figure."""
        self.summed.pop((participant, instrument), None)
        self.totals.pop(participant, None)

    def all_changed(self) -> None:
        """A rule changed, or positions."""
        self.summed.clear()
        self.totals.clear()

    def reserved(self, participant: int) -> int:
        return self.total(participant).need

    def gross(self, participant: int) -> int:
        return self.total(participant).worst

    def side_exposure(self, participant: int, side: int) -> int:
        of_all = self.total(participant)
        return of_all.buy_exposure if side == BUY else of_all.sell_exposure

    def open_count(self, participant: int) -> int:
        return self.total(participant).count

    def group_gross(self, group: int) -> int:
        members = (n for n, p in enumerate(self.participants) if p.group == group)
        return sum(self.gross(number) for number in members)

    # at the speed bump

    def due(self, c: Any) -> Iterator[tuple[int, Any, int]]:
        """Those who enter before a command, in their turn: the sequence that each came with; the
        command, with the sequence of ``c``; and 0, or what it is refused with."""
        assert self.bump is not None
        for came, held, withdrawn in self.bump.due(int(c["rx_ts_ns"])):
            command = {**held, "seq": int(c["seq"])}
            nothing = {RiskBit.WITHDRAWN: (0, 0, 0)}
            yield came, command, self._refuse(command, nothing) if withdrawn else 0

    def hold(self, c: Any) -> tuple[int, int]:
        """What the kernel answers, and when a command enters that waits."""
        assert self.bump is not None
        is_part = int(c["kind"]) == NEW and self.part[0] == int(c["participant"])
        is_part &= int(c["order_id"]) == PART_IDS + self.parts
        held = self.bump.came(c, is_part)
        if isinstance(held, tuple):
            return self._refuse(c, {RiskBit.SPEED_BUMP_FULL: held}), 0
        return (0, 0) if held is None else (WAITS, held)

    # before

    def before(self, c: Any) -> int:
        """0, or what the kernel answers; ``c`` is an order record."""
        kind, is_operator, self.seq = int(c["kind"]), int(c["participant"]) == 0, int(c["seq"])
        if kind in (NEW, REPLACE):
            sides = sides_of(self, c)
            return self.check_one(c) if sides is None else check_quote(self, sides)
        if kind == DISCONNECT and int(c["participant"]) < len(self.participants):
            self.participants[int(c["participant"])].cancel_wanted = False
        if kind == TIME and is_operator:
            self.now = max(self.now, int(c["aux"]))
            if self.protection is not None:
                self.protection.tick()
            if self.contracts is not None:
                self.contracts.tick()
        if kind == PHASE and is_operator:
            rules = self._instrument(c)
            price = int(c["price_ticks"])
            if rules is not None and int(c["qty_lots"]) in (1, 2) and rules.price_limited:
                low, high = rules.worst[SELL], rules.worst[BUY]
                if not low <= price <= high:
                    return self._refuse(c, {RiskBit.PRICE_BAND: (high, low, price)})
        if kind == RISK_KIND and is_operator:
            if int(c["order_type"]) in CHANGES_SUMS:
                self.all_changed()
            if int(c["order_type"]) == Setting.INSTRUMENT_APPLY:
                index = self.index.get(bytes(c["symbol"]))
                return self.rules.answer(self, index, c) if self.rules is not None else 0
            if not self._set(c):
                return 0
            if c["order_type"] == Setting.INSTRUMENT_STATE and int(c["aux"]) in CANCELLED_BY:
                return CANCELS + CANCELLED_BY[InstrumentState(int(c["aux"]))] * 2**16
            return self._takeover(c) if c["order_type"] == Setting.DELEVERAGE else APPLIED
        return 0

    def _takeover(self, c: Any) -> int:
        """A takeover whose side is known has fills, at the mark."""
        if not c["time_in_force"]:
            return APPLIED
        assert self.contracts is not None
        return (
            TAKES_OVER + (self.contracts.rows[self.index[bytes(c["symbol"])]].mark + 2**40) * 2**16
        )

    def _set(self, c: Any) -> bool:
        if self.requests is None:
            return apply_setting(self, c)
        if c["order_type"] in (Setting.REQUEST, Setting.REQUEST_BEGUN, Setting.REQUEST_DONE):
            return self.requests.apply(c)
        done = self.requests.permits(c) and apply_setting(self, c)
        if done:
            self.requests.note_effect(c)
        return done

    def _instrument(self, c: Any) -> Instrument | None:
        index = self.index.get(bytes(c["symbol"]))
        return None if index is None else self.instruments[index]

    def _refuse(self, c: Any, failed: dict[RiskBit, Figures]) -> int:
        bits = sum(1 << bit for bit in failed)
        first = min(failed)
        figures = tuple(cut(figure) for figure in failed[first])
        self.refused = (int(c["seq"]), bits, int(first), figures[0], figures[1], figures[2])
        self.refusals += 1
        return bits << 8 | RISK_REASON

    def wanted(self, c: Any) -> tuple[Order, Order | None] | None:
        """The order as the command would have it, and as it is; None: left to the matcher."""
        rules, participant = self._instrument(c), int(c["participant"])
        qty = int(c["qty_lots"])
        if rules is None or qty <= 0:
            return None
        index, order_type = self.instruments.index(rules), int(c["order_type"])
        price, number = int(c["price_ticks"]), int(c["order_id"])
        if c["kind"] == NEW:
            if int(c["side"]) not in SIDES or order_type not in ORDER_TYPES:
                return None
            priced, peg = order_type not in UNPRICED_TYPES, order_type in MOVING_TYPES
            side = int(c["side"])
            order = Order(number, index, participant, side, qty, price, priced, peg)
            if order_type in BUDGETS:
                order.budget = max(int(c["aux"]), 0)
            if participant < len(self.participants):
                self.lists.link(c, index, order)
                if rules.spot and self.wallets:
                    self.wallets.pin(order)
                order.loss = self.loss(order, qty)
            return order, None
        old = self.orders.get((index, number))
        if old is None or old.participant != participant:
            return None
        new = replace(old, leaves=qty, price=price)
        new.loss = self.loss(new, qty)
        return new, old

    def check_one(self, c: Any) -> int:
        order_and_old = self.wanted(c)
        if order_and_old is None:
            return 0
        order, old = order_and_old
        known = len(self.participants)
        if order.participant >= known:
            figures = (known - 1, 0, order.participant)
            return self._refuse(c, {RiskBit.UNKNOWN_PARTICIPANT: figures})
        if order.leaves >= LARGEST:
            return self._refuse(c, {RiskBit.ARITHMETIC: (LARGEST - 1, 0, order.leaves)})
        if self.instruments[order.instrument].delisted:
            return self._refuse(c, {RiskBit.DELISTED: (0, 0, 1)})
        if self.instruments[order.instrument].expired:
            return self._refuse(c, {RiskBit.EXPIRED: (0, 0, 1)})
        barred = self._barred(order)
        if barred and (old is not None or self.part[0] != order.participant):
            return self._refuse(c, barred)
        failed = self._switches(c, order) | barred
        if self.instruments[order.instrument].close_only and self._opens(order, old):
            failed[RiskBit.CLOSE_ONLY] = (0, 0, 1)
        failed |= self._order_itself(c, order, is_new=old is None)
        failed |= self._totals(order, old)
        if failed and old is None and self._is_part(c, order):
            self.part = (0, *self.part[1:])
            always = REFUSED_ALWAYS + self._worse_than_the_mark(order)
            failed = {bit: figures for bit, figures in failed.items() if bit in always}
        if failed:
            return self._refuse(c, failed)
        owner = self.participants[order.participant]
        if owner.rate_ns:
            owner.full_at = cut(max(owner.full_at, self.now) + owner.rate_ns)
        return 0

    def _opens(self, order: Order, old: Order | None) -> bool:
        """Whether an order could do more than make a position, or a holding, smaller; what makes an
        open order smaller could not."""
        if old is not None and order.leaves <= old.leaves:
            return False
        who, index = order.participant, order.instrument
        others = [o for o in self.open_of(who, index) if o is not old]
        lots = self.lots([*others, order], order.side)
        if not self.instruments[index].spot:
            position = self.cells[who][index].position
            return lots > (-position if order.side == BUY else position)
        assert self.wallets is not None
        base, _, lot_units = self.wallets.spot[index]
        if order.side == BUY:
            return lots * lot_units > -self.wallets.total[who, base]
        more = lots - self.lots(self.open_of(who, index), order.side)
        return more * lot_units > self.wallets.available(who, base)

    def _worse_than_the_mark(self, order: Order) -> tuple[RiskBit, ...]:
        """The check of the price band, if the order trades at a worse price than a contract's
        mark."""
        if self.contracts is None or order.instrument not in self.contracts.rows:
            return ()
        more = order.price - self.contracts.rows[order.instrument].mark
        worse = more > 0 if order.side == BUY else more < 0
        return (RiskBit.PRICE_DISTANCE,) if worse else ()

    def _barred(self, order: Order) -> dict[RiskBit, Figures]:
        """Whether its participant is suspended or closed."""
        status = self.participants[order.participant].status
        bits = {
            ParticipantStatus.SUSPENDED: RiskBit.SUSPENDED,
            ParticipantStatus.CLOSED: RiskBit.CLOSED,
        }
        return {bits[status]: (0, 0, 1)} if status in bits else {}

    def _is_part(self, c: Any, order: Order) -> bool:
        """Whether this is the order that a LIQUIDATE said."""
        who, owner = order.participant, self.participants[order.participant]
        lots = order.leaves if order.side == BUY else -order.leaves
        terms = (who, order.instrument, lots, int(c["price_ticks"]))
        kind = (int(c["order_type"]), int(c["time_in_force"]), order.order_id)
        part_kind = (OrderType.LIMIT, TimeInForce.IOC, PART_IDS + self.parts)
        return who != 0 and "margin" in owner.killed and terms == self.part and kind == part_kind

    def equity(self, participant: int) -> int:
        owner = self.participants[participant]
        return cut(owner.funded + owner.profit)

    def margined(self, participant: int) -> int:
        """The initial margin of what it holds."""
        total = 0
        for rules, cell in zip(self.instruments, self.cells[participant], strict=True):
            lots = abs(cell.position) if rules.leveraged else max(-cell.position, 0)
            total += lots * rules.margin
        return total

    def is_under(self, participant: int) -> bool:
        owner = self.participants[participant]
        if owner.credit == NO_LIMIT or not owner.maintenance:
            return False
        has = Fraction(cut(self.equity(participant) + owner.credit))
        scenarios = 0
        if self.portfolio:
            scenarios = self.portfolio.maintenance(participant)
            scenarios -= self.portfolio.collateral(participant)
        others = Fraction(self.margined(participant) * owner.maintenance, 10_000)
        return has < others + scenarios

    def judge(self, participant: int) -> None:
        """Kill who has lost too much, or is under its maintenance margin."""
        self.participants[participant].judge(self.seq)
        self.judge_margin(participant)

    def judge_margin(self, participant: int) -> None:
        owner = self.participants[participant]
        if self.is_under(participant):
            owner.kill("margin", self.seq)

    def _switches(self, c: Any, order: Order) -> dict[RiskBit, Figures]:
        owner = self.participants[order.participant]
        cell = self.cells[order.participant][order.instrument]
        mode = int(c["time_in_force"]) >> SELF_TRADE_SHIFT & SELF_TRADE_MASK
        on = {
            RiskBit.MARKET_KILLED: self.market_killed,
            RiskBit.HALTED: self.instruments[order.instrument].is_halted,
            RiskBit.INSTRUMENT_SUSPENDED: self.instruments[order.instrument].suspended,
            RiskBit.GROUP_KILLED: self.groups[owner.group].killed,
            RiskBit.KILLED: bool(owner.killed),
            RiskBit.RESTRICTED: cell.restricted,
            RiskBit.SELF_TRADE: owner.names_self_trade and mode == 0,
            RiskBit.UNPRICED: not order.priced and self._unbound(order.instrument),
        }
        return {bit: (0, 0, 1) for bit, is_on in on.items() if is_on}

    def _unbound(self, instrument: int) -> bool:
        """Whether nothing says how far an order without a price may go."""
        rules = self.instruments[instrument]
        collar = rules.distance != NO_LIMIT and rules.band == 0
        if self.contracts is not None and instrument in self.contracts.rows:
            collar = rules.distance == NO_LIMIT or rules.band == 0
        return not rules.price_limited or collar or rules.banded

    def _order_itself(self, c: Any, order: Order, is_new: bool) -> dict[RiskBit, Figures]:
        owner = self.participants[order.participant]
        rules = self.instruments[order.instrument]
        cell = self.cells[order.participant][order.instrument]
        qty, price, value = order.leaves, order.price, self.exposure(order)
        failed: dict[RiskBit, Figures] = {}
        if qty > cell.max_qty:
            failed[RiskBit.MAX_QTY] = (cell.max_qty, 0, qty)
        if cut(value) > cell.max_value:
            failed[RiskBit.MAX_VALUE] = (cell.max_value, 0, value)
        last = NO_LIMIT if rules.last is None else rules.last
        if self.contracts is not None and order.instrument in self.contracts.rows:
            last = self.contracts.rows[order.instrument].mark
        if order.priced:
            far = abs(price - last) * 10_000 > rules.distance * abs(last)
            # A share of a low price may be less than a tick.
            far = far and (rules.distance == 0 or abs(price - last) > 1)
            if last != NO_LIMIT and rules.distance != NO_LIMIT and far:
                failed[RiskBit.PRICE_DISTANCE] = (rules.distance, last, price)
            if rules.banded and order.side == BUY and price > rules.band_high:
                failed[RiskBit.PRICE_BAND] = (rules.band_high, last, price)
            if rules.banded and order.side == SELL and price < rules.band_low:
                failed[RiskBit.PRICE_BAND] = (rules.band_low, last, price)
        if rules.adv and qty * 10_000 > rules.adv_share * rules.adv:
            failed[RiskBit.ADV_SHARE] = (rules.adv_share, rules.adv, qty)
        told_price, told_qty, since = cell.last_order[order.side]
        same = (int(c["price_ticks"]), int(c["qty_lots"])) == (told_price, told_qty)
        if is_new and owner.duplicate_ns and same and self.now - since < owner.duplicate_ns:
            failed[RiskBit.DUPLICATE] = (owner.duplicate_ns, self.now - since, qty)
        ahead = cut(max(owner.full_at, self.now) + owner.rate_ns) - self.now
        if owner.rate_ns and ahead > owner.rate_ns * owner.burst:
            allowed = owner.rate_ns * owner.burst
            failed[RiskBit.RATE] = (allowed, ahead - owner.rate_ns, ahead)
        count = self.open_count(order.participant)
        if is_new and count >= owner.open_limit and self._may_rest(c, rules):
            failed[RiskBit.OPEN_ORDERS] = (owner.open_limit, count, count + 1)
        loss, drop = -owner.profit, owner.peak - owner.profit
        if loss >= owner.loss_limit:
            failed[RiskBit.LOSS] = (owner.loss_limit, loss, loss)
        if drop >= owner.drawdown_limit:
            failed[RiskBit.DRAWDOWN] = (owner.drawdown_limit, drop, drop)
        return failed

    def _may_rest(self, c: Any, rules: Instrument) -> bool:
        """Whether the new order may be open behind its command."""
        tif = int(c["time_in_force"]) % (1 << SELF_TRADE_SHIFT)
        if int(c["order_type"]) == OrderType.MARKET and tif == TimeInForce.DAY:
            return rules.market_stays or rules.phase in CALL_PHASES
        return tif not in (TimeInForce.IOC, TimeInForce.FOK)

    def _totals(self, order: Order, old: Order | None) -> dict[RiskBit, Figures]:
        """What the participant's and its group's totals would be: none may grow past its limit."""
        who, instrument, side = order.participant, order.instrument, order.side
        owner = self.participants[who]
        cell, group = self.cells[who][instrument], self.groups[owner.group]
        now = self.open_of(who, instrument)
        then = [o for o in now if o is not old] + [order]
        buys, sells = self.lots(then, BUY), self.lots(then, SELL)
        cost = largest(then, self.cost)
        weight = self.instruments[instrument].weight
        grows = self.worst_lots(cell.position, then) - self.worst_lots(cell.position, now)
        long = (cell.position + self.lots(now, BUY), cell.position + buys)
        short = (self.lots(now, SELL) - cell.position, sells - cell.position)
        gross, group_gross = self.gross(who), self.group_gross(owner.group)
        exposure = self.side_exposure(who, side)
        more = self.of_side(then, side) - self.of_side(now, side)
        reserved = self.reserved(who)
        need = self.need(who, instrument, then) - self.need(who, instrument, now)
        by_side = RiskBit.EXPOSURE_BUY if side == BUY else RiskBit.EXPOSURE_SELL
        capital = NO_LIMIT if owner.credit == NO_LIMIT else owner.balance + owner.credit
        changes: dict[RiskBit, Figures] = {
            RiskBit.POSITION_LONG: (cell.long_limit, *long),
            RiskBit.POSITION_SHORT: (cell.short_limit, *short),
            RiskBit.GROSS_POSITION: (owner.gross_limit, gross, gross + weight * grows),
            RiskBit.GROUP_GROSS_POSITION: (
                group.gross_limit,
                group_gross,
                group_gross + weight * grows,
            ),
            by_side: (owner.exposure_limit[side], exposure, exposure + more),
            RiskBit.CAPITAL: (capital, reserved, reserved + need),
        }
        scenarios = self.portfolio is not None and instrument in self.portfolio.number
        if scenarios and self.instruments[instrument].leveraged:
            # Its loss and its margin are judged together, below.
            changes[RiskBit.CAPITAL] = (NO_LIMIT, reserved, reserved + need)
        if cell.no_short:
            changes[RiskBit.SHORT_SALE] = (0, *short)
        failed = {
            bit: (limit, is_now, would_be)
            for bit, (limit, is_now, would_be) in changes.items()
            if min(would_be, NO_LIMIT) > limit and would_be > is_now
        }
        if self.portfolio and instrument in self.portfolio.number:
            failed |= self.portfolio.failed(order, old, reserved, need)
        totals = [would_be for _, _, would_be in changes.values()]
        if self.instruments[instrument].spot and self.wallets:
            of_wallet = self.wallets.failed(order, now, then)
            totals += [of_wallet.pop(RiskBit.ARITHMETIC, (0, 0, 0))[2]]
            failed |= of_wallet
        most = max(buys, sells, cost, *totals)
        if most > LARGEST or RiskBit.ARITHMETIC in failed:
            failed[RiskBit.ARITHMETIC] = (LARGEST, 0, most)
        return failed

    # after

    def tells(self, c: Any, verdict: int) -> dict[str, int]:
        """What the event of a command says that ``before`` kept from the matcher."""
        if verdict & 0xFF == 0:
            what = {"kind": EventKind.COMPLETED, "reason": 0, "contra_id": int(c["order_type"])}
            figures = {name: int(c[name]) for name in ("price_ticks", "qty_lots", "order_id")}
            if self.protection is not None and int(c["order_type"]) in MOVES_LEVELS:
                names = ("price_ticks", "qty_lots", "order_id")
                figures = dict(zip(names, self.protection.levels_at(), strict=True))
            return what | figures | {"leaves_lots": int(c["aux"])}
        _, bits, _, limit, stands, requested = self.refused
        what = {"kind": EventKind.REJECTED, "reason": RISK_REASON, "contra_id": bits}
        figures = {"price_ticks": limit, "leaves_lots": stands, "qty_lots": requested}
        return what | figures | {"order_id": int(c["order_id"])}

    def after(self, c: Any, events: npt.NDArray[Any], best: Best = lambda _: (None, None)) -> None:
        """``best`` says what is displayed of an instrument behind the command."""
        names = EVENT_DTYPE.names or ()
        rows = [dict(zip(names, row, strict=True)) for row in events.tolist()]
        traded: set[tuple[int, int]] = set()
        changes = c["kind"] == RISK_KIND and is_change(c)
        index = self.index.get(bytes(c["symbol"]), NO_INSTRUMENT)
        self.lists.begin(c, index, rows)
        if self.rules is not None and changes and any(row["kind"] == COMPLETED for row in rows):
            self.rules.put_in_force(self)
        for event in rows:
            kind, key = event["kind"], (event["instrument"], event["order_id"])
            if kind == ACCEPTED:
                self._accepted(c, event, key)
            elif kind == FILLED:
                self.lists.traded(self.orders[key], event["leaves_lots"])
                traded.add((self.orders[key].participant, key[0]))
                self._filled(event, self.orders[key])
            elif kind == CONVERTED:
                self.orders[key].priced = True
                self.orders[key].price = event["price_ticks"]
                self.orders[key].loss = self.loss(self.orders[key], event["leaves_lots"])
            elif kind == REPLACED and c["kind"] in (REPLACE, NEW):
                order = self.orders[key]
                if order.priced:
                    source = c if order.peg else event
                    order.price = int(source["price_ticks"])
                order.loss = self.loss(order, event["leaves_lots"])
            elif kind == PHASE_CHANGED:
                self.instruments[key[0]].phase = event["qty_lots"]
                if event["qty_lots"] == Phase.CONTINUOUS:
                    self.instruments[key[0]].pre_open = False
            if kind == PHASE_CHANGED and event["price_ticks"] != NO_PRICE:
                rules = self.instruments[key[0]]
                rules.reference = event["price_ticks"]
                rules.last = rules.reference if rules.last is None else rules.last
            if kind == EventKind.CANCELLED and event["leaves_lots"] == 0 and is_off_book(key[1]):
                # Its other side was refused: it was no order of its participant's rate.
                owner = self.participants[self.orders[key].participant]
                owner.full_at -= owner.rate_ns
            if kind in ENDS_WITH_LEAVES:
                self._leaves(key, event["leaves_lots"])
        for who, instrument in traded:  # at the end of the command, whatever was between its fills
            cells = enumerate(self.cells[who])
            if not any(cell.position for index, cell in cells if index != instrument):
                self.judge_margin(who)
        if self.protection is not None:
            self.protection.watch(rows, best)

    def _accepted(self, c: Any, event: Any, key: tuple[int, int]) -> None:
        order_type = int(c["order_type"])
        priced, peg = order_type not in UNPRICED_TYPES, order_type in MOVING_TYPES
        price = int((c if peg else event)["price_ticks"]) if priced else 0
        if order_type in BUDGETS:
            # It never rests: nothing is reserved beyond its command.
            priced, price = True, 0
        who, side = int(c["participant"]), int(event["side"])
        order = Order(key[1], key[0], who, side, int(event["leaves_lots"]), price, priced, peg)
        if self.wallets and self.instruments[key[0]].spot:
            self.wallets.pin(order)
        self.lists.link(c, key[0], order, came=True)
        if order_type not in BUDGETS:
            order.loss = self.loss(order, order.leaves)
        self.orders[key] = order
        self.of_cell.setdefault((who, key[0]), {})[key[1]] = order
        self.traded_by[who].add(key[0])
        self.changed(who, key[0])
        if not is_off_book(key[1]):
            told = event if event["order_id"] != int(c["order_id"]) else c
            last_order = (int(told["price_ticks"]), int(told["qty_lots"]), self.now)
            self.cells[who][key[0]].last_order[side] = last_order

    def _leaves(self, key: tuple[int, int], leaves: int) -> None:
        order = self.orders[key]
        order.leaves = leaves
        self.changed(order.participant, key[0])
        if leaves == 0:
            self.lists.gone(order)
            del self.orders[key], self.of_cell[order.participant, order.instrument][key[1]]

    def _filled(self, event: Any, order: Order) -> None:
        rules = self.instruments[order.instrument]
        owner = self.participants[order.participant]
        cell = self.cells[order.participant][order.instrument]
        qty, price = int(event["qty_lots"]), int(event["price_ticks"])
        in_auction = bool(event["flags"] & AUCTION)
        counts = order.side == BUY if in_auction else bool(event["flags"] & MAKER)
        if counts:
            rules.last = price
            rules.volume = cut(rules.volume + qty)
        if rules.spot and self.wallets:
            self.wallets.filled(order, event)
            return
        if self.contracts and order.instrument in self.contracts.rows:
            self.contracts.filled(order, qty, price)
            return
        sign = 1 if order.side == BUY else -1
        self.mark(order.participant, order.instrument, price)
        cell.position += sign * qty
        if not rules.leveraged:
            owner.add("balance", -sign * price * rules.multiplier * qty, self.seq)
        owner.add("balance", -rules.fee * qty, self.seq)
        owner.add("profit", -rules.fee * qty, self.seq)
        owner.judge(self.seq)

    def mark(self, participant: int, instrument: int, price: int) -> None:
        """Bring the profit on a position to a price; of a leveraged one, the balance with it."""
        rules, cell = self.instruments[instrument], self.cells[participant][instrument]
        if cell.position:
            gain = cell.position * rules.multiplier * (price - cell.mark)
            self.participants[participant].add("profit", gain, self.seq)
            if rules.leveraged:
                self.participants[participant].add("balance", gain, self.seq)
        cell.mark = price


CHANGES_SUMS = {
    int(what) for what in (*INSTRUMENT_SETTINGS, *CORPORATE_SETTINGS, *CONTRACT_SETTINGS)
}
"""Settings of what an instrument's open orders cost, and of positions."""
REFUSED_ALWAYS = (
    RiskBit.ARITHMETIC,
    RiskBit.MARKET_KILLED,
    RiskBit.HALTED,
    RiskBit.INSTRUMENT_SUSPENDED,
    RiskBit.PRICE_BAND,
)
"""Checks that count for a part of a liquidation, too."""
ENDS_WITH_LEAVES = {
    int(kind)
    for kind in (
        EventKind.FILLED,
        EventKind.CANCELLED,
        EventKind.REDUCED,
        EventKind.REPLACED,
        EventKind.EXPIRED,
        EventKind.CONVERTED,
    )
}


def is_off_book(order_id: int) -> bool:
    """An id of the range in which the venue names the sides of off-book trades."""
    return order_id // 2**60 == 3


def within_budget(order: Order, amount: int) -> int:
    """What the order pays or is paid at most, of ``amount`` by its quantity."""
    return amount if order.budget is None else min(amount, order.budget)
