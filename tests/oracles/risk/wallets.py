"""Wallets in plain Python: what comes in, goes out and is traded is added up, what open orders need
is summed over them each time, and fees are fractions that are cut off."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openoutcry.risk.bits import (
    LARGEST,
    MovementRefusal,
    MovementStep,
    ParticipantStatus,
    RiskBit,
    Setting,
)
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.symbols import code_of
from tests.oracles.risk.lists import largest
from tests.oracles.risk.state import BUY, SELL, Order, cut

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference

MAKERS = int(EventFlag.MAKER) | int(EventFlag.AUCTION)
LARGEST_TOTAL = 2**61
UNUSED_TIER = 2**63 - 1
FEES = "fees"
"""The venue's account in an asset."""


def word(name: str) -> int:
    return int.from_bytes(code_of(name).ljust(8, b"\0"), "little", signed=True)


class PlainWallets:
    """``spot``: of each spot instrument its base and quote asset and the units a lot."""

    def __init__(
        self,
        risk: "Reference",
        assets: Sequence[tuple[str, int]],
        spot: Mapping[int, Sequence[int]],
        movements: int = 0,
        capacity: int = 0,
    ) -> None:
        self.risk, self.spot = risk, dict(spot)
        self.movements = PlainMovements(self, movements)
        self.names = [word(name) for name, _ in assets]
        self.declared = [(decimals, 0) for _, decimals in assets]
        """By asset: what its declaration said in its two other words."""
        self.capacity = max(capacity, len(assets))
        count = range(len(assets))
        self.total = {(who, a): 0 for who in range(len(risk.participants)) for a in count}
        """What is available and what is reserved."""
        self.credit = dict(self.total)
        self.fees = [0 for _ in count]
        self.net = [0 for _ in count]
        self.tiers: dict[int, dict[int, tuple[int, int, int]]] = {}
        """By schedule and tier: begin, maker's and taker's rate."""
        self.collects_quote: set[int] = set()
        self.minimums: dict[int, int] = {}
        self.pays: dict[tuple[int, int], int] = {}
        """The schedule of (participant or -1, instrument or -1)."""
        self.volume = [0 for _ in risk.participants]
        self.told: list[tuple[int, bool]] = []
        """By fill of the last command: its fee, and whether it is in the base asset."""

    # What orders need

    def price(self, order: Order) -> int:
        """The worst that a buy may pay."""
        rules = self.risk.instruments[order.instrument]
        return max(order.price if order.priced else rules.worst[BUY], 0)

    def need(self, order: Order) -> int:
        if order.side != BUY:
            return order.leaves * self.spot[order.instrument][2]
        ticks = self.price(order) * order.leaves
        if order.budget is not None:
            ticks = min(ticks, order.budget)
        paid = ticks * self.risk.instruments[order.instrument].multiplier
        return paid + paid * order.pinned // 10**6

    def asset_of(self, order: Order) -> int:
        base, quote, _ = self.spot[order.instrument]
        return quote if order.side == BUY else base

    def of_orders(self, who: int) -> dict[int, int]:
        """By asset: what its open orders reserve."""
        reserved: dict[int, int] = {}
        for index in self.risk.traded_by[who] & self.spot.keys():
            base, quote, _ = self.spot[index]
            needed = self.risk.sums(who, index).from_wallet
            for asset, side in ((quote, BUY), (base, SELL)):
                reserved[asset] = reserved.get(asset, 0) + needed[side]
        return reserved

    def reserved(self, who: int, asset: int) -> int:
        of_orders = self.risk.total(who).from_wallets.get(asset, 0)
        pledged = self.risk.portfolio.reserved(who, asset) if self.risk.portfolio else 0
        return of_orders + self.movements.reserved(who, asset) + pledged

    def available(self, who: int, asset: int) -> int:
        return self.total[who, asset] - self.reserved(who, asset)

    def shortfall(self, who: int, asset: int) -> int:
        return max(-self.available(who, asset) - self.credit[who, asset], 0)

    def short(self, asset: int) -> int:
        """All participants' shortfalls in it."""
        return sum(self.shortfall(who, asset) for who in range(len(self.volume)))

    def owes(self, who: int) -> bool:
        return any(self.shortfall(who, asset) for asset in range(len(self.names)))

    def has_room(self, asset: int, amount: int) -> bool:
        """Whether so much may come in from outside."""
        granted = sum(self.credit[p, a] for p, a in self.credit if a == asset)
        return self.net[asset] + granted + self.short(asset) + amount <= LARGEST_TOTAL

    def failed(
        self, order: Order, now: list[Order], then: list[Order]
    ) -> dict[RiskBit, tuple[int, int, int]]:
        """``now`` and ``then``: what is open in its instrument, without and with the order."""
        asset, asked = self.asset_of(order), self.need(order)
        who, side = order.participant, order.side
        has = max(self.available(who, asset) + self.credit[who, asset], 0)
        more = largest([one for one in then if one.side == side], self.need)
        more -= largest([one for one in now if one.side == side], self.need)
        failed: dict[RiskBit, tuple[int, int, int]] = {}
        if cut(more) > has:
            failed[RiskBit.BALANCE] = (has, asset, more)
        if asked > LARGEST:
            failed[RiskBit.ARITHMETIC] = (LARGEST, 0, asked)
        return failed

    # Fees

    def schedule(self, who: int, instrument: int) -> int | None:
        places = ((who, instrument), (who, -1), (-1, instrument), (-1, -1))
        return next((self.pays[place] for place in places if place in self.pays), None)

    def minimum(self, who: int, instrument: int) -> int:
        """In units of the quote asset."""
        return self.minimums.get(self.schedule(who, instrument), 0)

    def terms(self, who: int, instrument: int) -> tuple[int, int, bool]:
        """Maker's and taker's rate, and whether a buyer pays in the quote asset."""
        named = self.schedule(who, instrument)
        if named is None:
            return 0, 0, False
        tiers = [tier for _, tier in sorted(self.tiers.get(named, {}).items())]
        open_to = [t for t in tiers if t[0] != UNUSED_TIER and t[0] <= self.volume[who]]
        _, maker, taker = max(open_to, key=lambda tier: tier[0], default=(0, 0, 0))
        return maker, taker, named in self.collects_quote

    def pin(self, order: Order) -> None:
        """What a new buy knows of its fee for as long as it is open."""
        maker, taker, in_quote = self.terms(order.participant, order.instrument)
        if order.side == BUY and in_quote:
            order.quote_fee, order.pinned = True, max(maker, taker, 0)

    def filled(self, order: Order, event: Mapping[str, Any]) -> None:
        base, quote, lot_units = self.spot[order.instrument]
        multiplier = self.risk.instruments[order.instrument].multiplier
        paid = int(event["price_ticks"]) * int(event["qty_lots"]) * multiplier
        lots = int(event["qty_lots"]) * lot_units
        maker, taker, _ = self.terms(order.participant, order.instrument)
        rate = maker if event["flags"] & MAKERS else taker
        who, buys = order.participant, order.side == BUY
        in_base = buys and not order.quote_fee
        if buys and order.quote_fee:
            rate = min(rate, order.pinned)
        asset = base if in_base else quote
        fee = (lots if in_base else paid) * abs(rate) // 10**6
        if rate < 0:
            fee = -min(fee, self.fees[asset] + LARGEST_TOTAL)
        minimum = self.minimum(who, order.instrument)
        if rate > 0 and minimum and not (buys and order.quote_fee):
            brought = lots if in_base else paid
            fee = max(fee, brought if minimum >= paid else brought * minimum // paid)
        sign = 1 if buys else -1
        self.total[who, base] += sign * lots
        self.total[who, quote] -= sign * paid
        self.total[who, asset] -= fee
        self.fees[asset] += fee
        self.told.append((fee, in_base))

    # RISK commands

    def named(self, c: Any) -> int | None:
        """Number of the asset that a command names, None: none that there is."""
        name = self.name_in(c)
        return self.names.index(name) if name in self.names else None

    def name_in(self, c: Any) -> int:
        """The name that a command says."""
        name = int(c["price_ticks"])
        if 0 <= name <= 255:
            name = int.from_bytes(bytes(c["symbol"]).ljust(8, b"\0"), "little", signed=True)
        return name

    def names_one(self, c: Any) -> bool:
        return not 0 <= int(c["price_ticks"]) <= 255 or bytes(c["symbol"]) != b""

    def move(self, c: Any, who: int, amount: int) -> bool:
        asset, purpose = self.named(c), int(c["time_in_force"])
        if asset is None or purpose > 1 or abs(amount) > LARGEST_TOTAL:
            return False
        if amount < 0 and (self.available(who, asset) + amount < 0 or self.owes(who)):
            return False
        if self.risk.participants[who].status == ParticipantStatus.CLOSED:
            return False
        if purpose == 1:
            if amount > 0 and self.fees[asset] < amount:
                return False
            self.fees[asset] -= amount
        else:
            if not self.has_room(asset, amount):
                return False
            self.net[asset] += amount
        self.total[who, asset] += amount
        return True

    def set_credit(self, c: Any, who: int, value: int) -> bool:
        asset = self.named(c)
        if asset is None or not 0 <= value <= LARGEST_TOTAL:
            return False
        others = sum(self.credit[p, a] for p, a in self.credit if a == asset and p != who)
        if self.available(who, asset) < -value and value < self.credit[who, asset]:
            return False
        if max(self.net[asset], 0) + others + value + self.short(asset) > LARGEST_TOTAL:
            return False
        self.credit[who, asset] = value
        return True

    def follow_fees(self, c: Any, what: Setting, instrument: int | None) -> bool:
        who, value = int(c["qty_lots"]), int(c["aux"])
        if what is Setting.LEDGER_MINIMUM:
            if value > LARGEST_TOTAL or (value and who in self.collects_quote):
                return False
            self.minimums[who] = value
        elif what is Setting.LEDGER_COLLECT:
            if value and self.minimums.get(who):
                return False
            (self.collects_quote.add if value else self.collects_quote.discard)(who)
        elif what is Setting.LEDGER_TIER:
            maker = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
            tier = int(c["price_ticks"]), maker, value >> 32
            self.tiers.setdefault(who // 16, {})[who % 16] = tier
        elif what is Setting.LEDGER_FEES:
            place = who, -1 if instrument is None else instrument
            known = instrument is None or instrument in self.spot
            if place == (-1, -1) and value < 0:
                self.pays.clear()
            if who < len(self.volume) and known:
                self.pays.pop(place, None)
                if value >= 0:
                    self.pays[place] = value
        elif what is Setting.LEDGER_ASSET:
            self.declare(c, who, value)
        return True

    def declare(self, c: Any, rest: int, value: int) -> None:
        """A new asset, where there is room for one."""
        name = self.name_in(c)
        if name == 0 or name in self.names or len(self.names) == self.capacity:
            return
        number = len(self.names)
        self.names.append(name)
        self.declared.append((value, rest if value > 255 else 0))
        for who in range(len(self.risk.participants)):
            self.total[who, number] = self.credit[who, number] = 0
        self.fees.append(0)
        self.net.append(0)

    def set_volume(self, who: int, value: int) -> bool:
        if 0 <= value <= LARGEST:
            self.volume[who] = value
            return True
        return False

    # What the kernels keep

    def wallet(self, who: int, asset: int) -> list[int]:
        reserved, credit = self.reserved(who, asset), self.credit[who, asset]
        available = self.total[who, asset] - reserved
        return [available, reserved, credit, max(-available - credit, 0)]

    def packed(self, who: int, instrument: int) -> int:
        """The terms as a cell of the kernels has them."""
        maker, taker, in_quote = self.terms(who, instrument)
        mask = (1 << 21) - 1
        own = self.pays.get((who, instrument), -1) + 1
        least = int(self.minimum(who, instrument) > 0)
        return maker & mask | (taker & mask) << 21 | in_quote << 42 | own << 43 | least << 52

    def sums_up(self) -> bool:
        """Check that for each asset all accounts are what came in and did not go out."""
        for asset, net in enumerate(self.net):
            held = sum(amount for (_, a), amount in self.total.items() if a == asset)
            if held + self.fees[asset] != net:
                return False
        return True

    def nobody_below(self) -> bool:
        """No participant uses more of an asset than it has, with its credit, but for what the
        reversal of a deposit took."""
        return all(
            self.shortfall(who, asset) <= self.movements.taken_short.get((who, asset), 0)
            for who, asset in self.total
        )


@dataclass
class PlainMovement:
    reference: bytes
    number: int
    who: int
    asset: int
    amount: int
    state: str
    began: int
    operator: int
    steps: list[MovementStep]
    changed: tuple[int, int] = (0, 0)
    short: int = 0


LIVES: dict[str, dict[MovementStep, str]] = {
    "requested": {MovementStep.APPROVE: "approved", MovementStep.CANCEL: "cancelled"},
    "approved": {MovementStep.SEND: "sent", MovementStep.CANCEL: "cancelled"},
    "sent": {MovementStep.FINISH: "done", MovementStep.FAIL: "failed"},
    "seen": {MovementStep.CREDIT: "credited", MovementStep.REVERSE: "reversed"},
    "credited": {MovementStep.REVERSE: "reversed"},
}
RESERVING, WAITING = ("requested", "approved", "sent"), ("requested", "approved", "sent", "seen")


class PlainMovements:
    """Deposits and withdrawals: a list as long as there is room, in which one that has ended gives
    its place to a new one, in turn."""

    def __init__(self, wallets: PlainWallets, capacity: int) -> None:
        self.wallets, self.capacity = wallets, capacity
        self.places: list[PlainMovement] = []
        self.turn = self.count = 0
        self.refused = (0, 0)
        """The last step that was refused, and why."""
        self.ended: Counter[str] = Counter()
        """How many ended in which state."""
        self.taken_short: dict[tuple[int, int], int] = {}
        """What reversals took of a wallet that was not there, so far."""
        self.summed: dict[tuple[int, int], int] = {}
        """What withdrawals reserve in each wallet that was asked for, until a step is done."""

    def reserved(self, who: int, asset: int) -> int:
        total = self.summed.get((who, asset))
        if total is None:
            total = self.summed[who, asset] = sum(
                one.amount
                for one in self.places
                if one.who == who and one.asset == asset and one.state in RESERVING
            )
        return total

    def open(self) -> list[PlainMovement]:
        return [one for one in self.places if one.state in WAITING]

    def apply(self, c: Any, who: int, amount: int) -> bool:
        if not self.capacity:
            return False
        step = int(c["time_in_force"])
        if step in (MovementStep.REQUEST, MovementStep.SEE):
            why = self._begin(c, who, amount, MovementStep(step))
        elif step in tuple(MovementStep):
            why = self._go_on(c, who, amount, MovementStep(step))
        else:
            why = MovementRefusal.UNKNOWN_STEP
        if why is not None:
            self.refused = (int(c["seq"]), int(why))
        self.summed.clear()
        return why is None

    def _begin(self, c: Any, who: int, amount: int, step: MovementStep) -> MovementRefusal | None:
        risk, wallets, withdraws = self.wallets.risk, self.wallets, step is MovementStep.REQUEST
        requests, name = risk.requests, int(c["price_ticks"])
        if not c["side"] or requests is None or requests.opened is None:
            return MovementRefusal.NO_REFERENCE
        if name not in wallets.names:
            return MovementRefusal.UNKNOWN_ASSET
        if not 1 <= amount <= LARGEST_TOTAL:
            return MovementRefusal.AMOUNT
        if who == 0:
            return MovementRefusal.UNKNOWN_PARTICIPANT
        asset, status = wallets.names.index(name), risk.participants[who].status
        if status == ParticipantStatus.CLOSED:
            return MovementRefusal.CLOSED
        if any(one.reference == requests.opened for one in self.places):
            return MovementRefusal.KNOWN_REFERENCE
        if len(self.open()) == self.capacity:
            return MovementRefusal.FULL
        if withdraws and status == ParticipantStatus.SUSPENDED:
            return MovementRefusal.SUSPENDED
        if withdraws and wallets.owes(who):
            return MovementRefusal.SHORTFALL
        if withdraws and wallets.available(who, asset) < amount:
            return MovementRefusal.NOT_AVAILABLE
        number = int(c["seq"])
        one = PlainMovement(
            requests.opened,
            number,
            who,
            asset,
            amount,
            "requested" if withdraws else "seen",
            risk.now,
            int(c["order_id"]),
            [step],
            (number, risk.now),
        )
        self.count += 1
        if len(self.places) < self.capacity:
            self.places.append(one)
            return None
        while self.places[self.turn].state in WAITING:
            self.turn = (self.turn + 1) % self.capacity
        self.places[self.turn] = one
        self.turn = (self.turn + 1) % self.capacity
        return None

    def _go_on(self, c: Any, who: int, amount: int, step: MovementStep) -> MovementRefusal | None:
        wallets, risk = self.wallets, self.wallets.risk
        wanted = int(c["price_ticks"]), who, amount
        found = [one for one in self.places if (one.number, one.who, one.amount) == wanted]
        if not found:
            return MovementRefusal.UNKNOWN_MOVEMENT
        (one,) = found
        then = LIVES.get(one.state, {}).get(step)
        if then is None:
            return MovementRefusal.WRONG_STATE
        if then in ("approved", "sent"):
            if risk.participants[who].status == ParticipantStatus.SUSPENDED:
                return MovementRefusal.SUSPENDED
            if wallets.owes(who):
                return MovementRefusal.SHORTFALL
        if then == "credited":
            if not wallets.has_room(one.asset, amount):
                return MovementRefusal.TOO_MUCH
            self._moves(one, amount)
        if then == "done":
            self._moves(one, -amount)
        if one.state == "credited":
            before = wallets.shortfall(who, one.asset)
            self._moves(one, -amount)
            granted = sum(wallets.credit[p, a] for p, a in wallets.credit if a == one.asset)
            if granted + wallets.short(one.asset) > LARGEST_TOTAL:
                self._moves(one, amount)
                return MovementRefusal.TOO_MUCH
            one.short = wallets.shortfall(who, one.asset) - before
            place = who, one.asset
            self.taken_short[place] = self.taken_short.get(place, 0) + one.short
        one.state = then
        self.ended.update([then] if then not in WAITING else [])
        one.steps.append(step)
        one.changed = int(c["seq"]), risk.now
        return None

    def _moves(self, one: PlainMovement, amount: int) -> None:
        """In from outside, or out."""
        self.wallets.total[one.who, one.asset] += amount
        self.wallets.net[one.asset] += amount
