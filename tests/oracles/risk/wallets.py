"""Wallets in plain Python: what comes in, goes out and is traded is added up, what open orders need
is summed over them each time, and fees are fractions that are cut off."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from openoutcry.risk.bits import LARGEST, RiskBit, Setting
from openoutcry.wire.enums import EventFlag
from tests.oracles.risk.state import BUY, Order, cut

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference

MAKERS = int(EventFlag.MAKER) | int(EventFlag.AUCTION)
LARGEST_TOTAL = 2**61
UNUSED_TIER = 2**63 - 1
FEES = "fees"
"""The venue's account in an asset."""


def word(name: str) -> int:
    return int.from_bytes(name.encode().ljust(8, b"\0"), "little", signed=True)


class PlainWallets:
    """``spot``: of each spot instrument its base and quote asset and the units a lot."""

    def __init__(
        self,
        risk: "Reference",
        assets: Sequence[tuple[str, int]],
        spot: Mapping[int, Sequence[int]],
    ) -> None:
        self.risk, self.spot = risk, dict(spot)
        self.names = [word(name) for name, _ in assets]
        count = range(len(assets))
        self.total = {(who, a): 0 for who in range(len(risk.participants)) for a in count}
        """What is available and what is reserved."""
        self.credit = dict(self.total)
        self.fees = [0 for _ in count]
        self.net = [0 for _ in count]
        self.tiers: dict[int, dict[int, tuple[int, int, int]]] = {}
        """By schedule and tier: begin, maker's and taker's rate."""
        self.collects_quote: set[int] = set()
        self.pays: dict[tuple[int, int], int] = {}
        """The schedule of (participant or -1, instrument or -1)."""
        self.volume = [0 for _ in risk.participants]

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
        return paid + int(Fraction(paid * order.pinned, 10**6))

    def asset_of(self, order: Order) -> int:
        base, quote, _ = self.spot[order.instrument]
        return quote if order.side == BUY else base

    def reserved(self, who: int, asset: int) -> int:
        places = [index for index in self.risk.traded_by[who] if index in self.spot]
        open_orders = [order for index in places for order in self.risk.open_of(who, index)]
        return sum(self.need(o) for o in open_orders if self.asset_of(o) == asset)

    def available(self, who: int, asset: int) -> int:
        return self.total[who, asset] - self.reserved(who, asset)

    def failed(self, order: Order, old: Order | None) -> dict[RiskBit, tuple[int, int, int]]:
        asset, asked = self.asset_of(order), self.need(order)
        has = self.available(order.participant, asset) + self.credit[order.participant, asset]
        more = asked if old is None else cut(asked) - self.need(old)
        failed: dict[RiskBit, tuple[int, int, int]] = {}
        if cut(more) > has:
            failed[RiskBit.BALANCE] = (has, asset, more)
        if asked > LARGEST:
            failed[RiskBit.ARITHMETIC] = (LARGEST, 0, asked)
        return failed

    # Fees

    def terms(self, who: int, instrument: int) -> tuple[int, int, bool]:
        """Maker's and taker's rate, and whether a buyer pays in the quote asset."""
        places = ((who, instrument), (who, -1), (-1, instrument), (-1, -1))
        named = [self.pays[place] for place in places if place in self.pays]
        if not named:
            return 0, 0, False
        tiers = [tier for _, tier in sorted(self.tiers.get(named[0], {}).items())]
        open_to = [t for t in tiers if t[0] != UNUSED_TIER and t[0] <= self.volume[who]]
        _, maker, taker = max(open_to, key=lambda tier: tier[0], default=(0, 0, 0))
        return maker, taker, named[0] in self.collects_quote

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
        fee = int(Fraction((lots if in_base else paid) * abs(rate), 10**6))
        if rate < 0:
            fee = -min(fee, self.fees[asset] + LARGEST_TOTAL)
        sign = 1 if buys else -1
        self.total[who, base] += sign * lots
        self.total[who, quote] -= sign * paid
        self.total[who, asset] -= fee
        self.fees[asset] += fee

    # RISK commands

    def named(self, c: Any) -> int | None:
        """Number of the asset that a command names, None: none that there is."""
        name = int(c["price_ticks"])
        if 0 <= name <= 255:
            name = int.from_bytes(bytes(c["symbol"]).ljust(8, b"\0"), "little", signed=True)
        return self.names.index(name) if name in self.names else None

    def names_one(self, c: Any) -> bool:
        return not 0 <= int(c["price_ticks"]) <= 255 or bytes(c["symbol"]) != b""

    def move(self, c: Any, who: int, amount: int) -> bool:
        asset, purpose = self.named(c), int(c["time_in_force"])
        if asset is None or purpose > 1 or abs(amount) > LARGEST_TOTAL:
            return False
        if amount < 0 and self.available(who, asset) + amount < 0:
            return False
        if purpose == 1:
            if amount > 0 and self.fees[asset] < amount:
                return False
            self.fees[asset] -= amount
        else:
            granted = sum(self.credit[p, a] for p, a in self.credit if a == asset)
            if self.net[asset] + granted + amount > LARGEST_TOTAL:
                return False
            self.net[asset] += amount
        self.total[who, asset] += amount
        return True

    def set_credit(self, c: Any, who: int, value: int) -> bool:
        asset = self.named(c)
        if asset is None or not 0 <= value <= LARGEST_TOTAL:
            return False
        others = sum(self.credit[p, a] for p, a in self.credit if a == asset and p != who)
        if self.available(who, asset) < -value:
            return False
        if self.net[asset] + others + value > LARGEST_TOTAL:
            return False
        self.credit[who, asset] = value
        return True

    def follow_fees(self, c: Any, what: Setting, instrument: int | None) -> bool:
        who, value = int(c["qty_lots"]), int(c["aux"])
        if what is Setting.LEDGER_MINIMUM:
            return value == 0
        if what is Setting.LEDGER_COLLECT:
            (self.collects_quote.add if value else self.collects_quote.discard)(who)
        elif what is Setting.LEDGER_TIER:
            maker = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
            tier = int(c["price_ticks"]), maker, value >> 32
            self.tiers.setdefault(who // 16, {})[who % 16] = tier
        elif what is Setting.LEDGER_FEES:
            place = who, -1 if instrument is None else instrument
            known = instrument is None or instrument in self.spot
            if who < len(self.volume) and known:
                self.pays.pop(place, None)
                if value >= 0:
                    self.pays[place] = value
        return True

    def set_volume(self, who: int, value: int) -> bool:
        if 0 <= value <= LARGEST:
            self.volume[who] = value
            return True
        return False

    # What the kernels keep

    def wallet(self, who: int, asset: int) -> list[int]:
        reserved = self.reserved(who, asset)
        return [self.total[who, asset] - reserved, reserved, self.credit[who, asset], 0]

    def packed(self, who: int, instrument: int) -> int:
        """The terms as a cell of the kernels has them."""
        maker, taker, in_quote = self.terms(who, instrument)
        mask = (1 << 21) - 1
        own = self.pays.get((who, instrument), -1) + 1
        return maker & mask | (taker & mask) << 21 | in_quote << 42 | own << 43

    def sums_up(self) -> bool:
        """Of each asset all accounts are what came in and did not go out."""
        for asset, net in enumerate(self.net):
            held = sum(amount for (_, a), amount in self.total.items() if a == asset)
            if held + self.fees[asset] != net:
                return False
        return True

    def nobody_below(self) -> bool:
        """Nobody uses more of an asset than there is, with the credit in it."""
        return all(
            self.available(who, asset) >= -self.credit[who, asset] for who, asset in self.total
        )
