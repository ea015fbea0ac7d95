"""What the plain reference knows of instruments, participants and their orders."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.wire.enums import Side
from openoutcry.wire.instrument_states import InstrumentState

if TYPE_CHECKING:
    from tests.oracles.risk.lists import Ring

PRICE_LIMIT = 1 << 50
BUY, SELL = int(Side.BUY), int(Side.SELL)


def cut(value: int) -> int:
    """A figure as it is told: within int64."""
    return min(max(value, -NO_LIMIT), NO_LIMIT)


@dataclass
class Instrument:
    symbol: bytes
    low: int
    high: int
    band: int
    reference: int | None
    multiplier: int = 1
    leveraged: bool = False
    spot: bool = False
    fee: int = 0
    margin: int = 0
    weight: int = 1
    distance: int = NO_LIMIT
    adv: int = 0
    adv_share: int = NO_LIMIT
    last: int | None = None
    volume: int = 0
    halted: bool = False
    """By the operator; ``paused``: by the protection."""
    paused: bool = False
    expired: bool = False
    """A contract whose expiry has come; ``indexless``: its index has too few sources."""
    indexless: bool = False
    unlisted: bool = False
    suspended: bool = False
    """By INSTRUMENT_STATE, as the two below."""
    close_only: bool = False
    delisted: bool = False
    pre_open: bool = False
    phase: int = 0
    market_stays: bool = False
    """A DAY market order's rest may stay, or wait."""
    band_low: int = -NO_LIMIT
    band_high: int = NO_LIMIT

    @property
    def price_limited(self) -> bool:
        return max(-self.low, self.high, self.band) <= PRICE_LIMIT

    @property
    def is_halted(self) -> bool:
        """An order is refused by HALTED."""
        return self.halted or self.paused or self.indexless or self.unlisted

    @property
    def is_held(self) -> bool:
        """Nothing trades."""
        return self.is_halted or self.expired or self.suspended or self.delisted

    @property
    def state(self) -> InstrumentState:
        of = {
            InstrumentState.DELISTED: self.delisted,
            InstrumentState.EXPIRED: self.expired,
            InstrumentState.ANNOUNCED: self.unlisted,
            InstrumentState.SUSPENDED: self.suspended,
            InstrumentState.CLOSE_ONLY: self.close_only,
            InstrumentState.PRE_OPEN: self.pre_open,
        }
        return next((state for state, is_on in of.items() if is_on), InstrumentState.TRADING)

    @property
    def banded(self) -> bool:
        return (self.band_low, self.band_high) != (-NO_LIMIT, NO_LIMIT)

    @property
    def worst(self) -> dict[int, int]:
        """The worst price of an order without one, by side."""
        if not self.price_limited:
            return {BUY: 0, SELL: 0}
        return {BUY: self.high + self.band, SELL: self.low - self.band}


@dataclass
class Group:
    gross_limit: int = NO_LIMIT
    killed: bool = False
    name: int = 0


@dataclass
class Cell:
    """A participant in an instrument."""

    position: int = 0
    mark: int = 0
    restricted: bool = False
    no_short: bool = False
    last_order: dict[int, tuple[int, int, int]] = field(
        default_factory=lambda: {BUY: (0, 0, 0), SELL: (0, 0, 0)}
    )
    long_limit: int = NO_LIMIT
    short_limit: int = NO_LIMIT
    max_qty: int = NO_LIMIT
    max_value: int = NO_LIMIT


@dataclass
class Participant:
    balance: int = 0
    credit: int = NO_LIMIT
    group: int = 0
    open_limit: int = NO_LIMIT
    duplicate_ns: int = 0
    exposure_limit: dict[int, int] = field(default_factory=lambda: {BUY: NO_LIMIT, SELL: NO_LIMIT})
    gross_limit: int = NO_LIMIT
    full_at: int = 0
    rate_ns: int = 0
    burst: int = 1
    profit: int = 0
    peak: int = 0
    loss_limit: int = NO_LIMIT
    drawdown_limit: int = NO_LIMIT
    killed: set[str] = field(default_factory=set)
    cancel_wanted: bool = False
    names_self_trade: bool = False
    funded: int = 0
    """What was paid in, and what it held at the beginning."""
    maintenance: int = 0
    kills: int = 0
    killed_seq: int = 0
    called_seq: int = 0
    status: int = 0
    name: int = 0

    def kill(self, why: str, seq: int) -> None:
        if why not in self.killed:
            self.killed.add(why)
            self.cancel_wanted = True
            self.kills += 1
            self.killed_seq = seq
            self.called_seq = seq if why == "margin" else self.called_seq

    def add(self, what: str, amount: int, seq: int) -> None:
        """Add to balance or profit, no further than 2**62; whoever gets there is killed."""
        inside = min(max(amount, -LARGEST), LARGEST)
        total = getattr(self, what) + inside
        end = min(max(total, -LARGEST), LARGEST)
        setattr(self, what, end)
        if inside != amount or end != total:
            self.kill("arithmetic", seq)

    def judge(self, seq: int) -> None:
        self.peak = max(self.peak, self.profit)
        lost = -self.profit >= self.loss_limit
        if lost or self.peak - self.profit >= self.drawdown_limit:
            self.kill("loss", seq)


@dataclass
class Order:
    order_id: int
    instrument: int
    participant: int
    side: int
    leaves: int
    price: int
    priced: bool
    peg: bool
    budget: int | None = None
    """Budget of a new order for a budget."""
    quote_fee: bool = False
    """A spot order pays its fee in the quote asset, at the rate"""
    pinned: int = 0
    """(millionths) at most."""
    loss: int = 0
    """What a lot of an order in a contract loses at once."""
    ring: "Ring | None" = None
    """The list of which it is a leg;"""
    leg: int = 0
    """its place there."""
    ended: bool = False
    """Another leg has traded: it will be cancelled in this command."""


@dataclass(frozen=True)
class Sums:
    """What a participant's open orders in an instrument come to, with what it holds there."""

    count: int
    need: int
    worst: int
    buy_exposure: int
    sell_exposure: int
    from_wallet: dict[int, int]
    """Amounts that a spot instrument's orders reserve, by side, in the wallet that pays."""


@dataclass(frozen=True)
class Totals:
    """What a participant's open orders in all instruments come to."""

    count: int
    need: int
    worst: int
    buy_exposure: int
    sell_exposure: int
    from_wallets: dict[int, int]
    """By asset: what those of spot instruments reserve."""
