"""Foreign markets of an instrument and a perpetual on it, with a closing call and funding.

There are acts that gain elsewhere than where they press, and honest participants that look alike.

An act returns whether it had its effect; those that had none are not counted."""

from collections.abc import Callable, Generator

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Side
from tests.support.surveillance.foreign_markets import (
    PERPETUAL,
    SECOND,
    SYMBOL,
    ForeignMarket,
    Row,
    Trader,
    crowd,
)

ACTOR, PARTS = 71, (72, 73, 74, 75)
ARBITRAGE, HEDGER, LIQUIDATED, REBALANCER, DIRECTIONAL = 31, 32, 33, 34, 35
CALL_S = 120
Steps = Generator[float, None, None]


class ProductMarket(ForeignMarket):
    """A spot market and its perpetual; ``call_orders``: who adds orders to the closing call, each
    at the seconds of the call at which it does."""

    def __init__(self, seed: int, lots_follow: float = 0.1, leans: float = 5.0) -> None:
        super().__init__(seed, lots_follow, leans, perpetual=True)
        self.effective = False
        self.call_orders: list[tuple[float, Callable[[], None]]] = []
        self.periods, self.was = 0, 0.0

    def call(self) -> None:
        """Let the closing call take place: the crowd's orders at about the value, and others'."""
        self.was = self.middle() or 0.0
        self.phase(Phase.CLOSING_AUCTION)
        begun_ns = self.now_ns
        orders: list[tuple[float, Callable[[], None]]] = [
            (CALL_S * self.random.random(), self._call_order(who)) for who in range(41, 71)
        ]
        for at_s, enter in sorted([*orders, *self.call_orders], key=lambda one: one[0]):
            self.now_ns = begun_ns + int(at_s * SECOND)
            enter()
        self.now_ns = begun_ns + CALL_S * SECOND

    def closed_bps(self) -> float:
        """Return how far the day's closing price is from the mid at the call's begin."""
        fills = [
            e for _, batch in self.batches[-1:] for e in batch if e["kind"] == EventKind.FILLED
        ]
        prices = [int(e["price_ticks"]) for e in fills if e["instrument"] == 0]
        return abs(prices[0] - self.was) / self.was * 10_000 if prices and self.was else 0.0

    def _call_order(self, who: int) -> Callable[[], None]:
        side = self.random.choice((Side.BUY, Side.SELL))

        def enter() -> None:
            price = self.value + self.random.gauss(0, 15)
            self.send([self.order(who, side, price, self.random.choice((5, 10, 20)))])

        return enter

    def fund(self) -> None:
        """Fund the perpetual, as the venue does at the end of a period."""
        self.periods += 1
        row = setting(Setting.CONTRACT_FUNDING, 1_000, 0, PERPETUAL, self.periods)
        self.send([{name: row[name][0] for name in row.dtype.names or () if name != "seq"}])

    def script(self, steps: Callable[[], Steps], longest_s: float = 86_400.0) -> Trader:
        """Return the trader whose waits a generator yields, each at most ``longest_s``."""
        running: list[Steps] = []

        def act() -> float | None:
            if not running:
                running.append(steps())
            wait_s = next(running[0], None)
            return None if wait_s is None else min(wait_s, longest_s)

        return act

    def came_bps(self, was: float | None, side: Side, symbol: bytes = SYMBOL) -> float:
        """Return how far the mid is from where it was, that way."""
        now = self.middle(symbol)
        if was is None or now is None:
            return 0.0
        return (now - was) / was * 10_000 * (1 if side == Side.BUY else -1)

    # The honest.

    def honest(self) -> list[Trader]:
        """Return makers and takers of both, an arbitrageur, a hedger, one that is liquidated and
        one that has positions in both."""
        makers = [
            self.maker(1, 20, 2, 1.0), self.maker(2, 20, 3, 1.5),
            self.maker(3, 20, 2, 1.2, PERPETUAL), self.maker(4, 30, 3, 2.0, PERPETUAL),
        ]  # fmt: skip
        takers = [self.taker(21 + n, (5, 10, 20), 20 + 8 * n, PERPETUAL) for n in range(5)]
        steps = self.arbitrage, self.hedge, self.liquidation, self.directional
        return [
            *makers, *takers, *crowd(self, (5, 10, 20), [15, 20, 30, 40, 50]),
            *(self.script(one) for one in steps),
        ]  # fmt: skip

    def arbitrage(self) -> Steps:
        """Buy the cheaper and sell the dearer, as many lots, and later the other way round."""
        while True:
            yield self.random.uniform(5, 20)
            spot, perpetual = self.middle(), self.middle(PERPETUAL)
            if spot is not None and perpetual is not None and abs(spot - perpetual) > 1:
                cheap = Side.BUY if spot < perpetual else Side.SELL
                lots = self.random.choice((5, 10, 20))
                self.take(ARBITRAGE, cheap, lots, 2)
                self.take(ARBITRAGE, Side(3 - cheap), lots, 2, PERPETUAL)

    def hedge(self) -> Steps:
        """Take in the spot, in some steps, and the other way in the perpetual at once."""
        while True:
            yield self.random.uniform(120, 400)
            side = self.random.choice((Side.BUY, Side.SELL))
            for _ in range(self.random.randrange(3, 8)):
                self.take(HEDGER, side, 20, 4)
                yield self.random.uniform(0.2, 1)
                self.take(HEDGER, Side(3 - side), 20, 4, PERPETUAL)
                yield self.random.uniform(3, 12)

    def liquidation(self) -> Steps:
        """Sell a position in the perpetual in parts, at whatever price."""
        while True:
            yield self.random.uniform(600, 1_500)
            side = self.random.choice((Side.BUY, Side.SELL))
            for _ in range(self.random.randrange(4, 10)):
                self.take(LIQUIDATED, side, 30, 12, PERPETUAL)
                yield self.random.uniform(1, 6)

    def directional(self) -> Steps:
        """Build positions in both the same way, over a long time."""
        side = self.random.choice((Side.BUY, Side.SELL))
        while True:
            yield self.random.uniform(20, 60)
            symbol = self.random.choice((SYMBOL, PERPETUAL))
            self.take(DIRECTIONAL, side, self.random.choice((5, 10, 20)), 2, symbol)
            if self.random.random() < 0.1:
                side = Side(3 - side)

    def rebalance(self) -> None:
        """Add an index fund's large order early in the closing call."""
        side = self.random.choice((Side.BUY, Side.SELL))

        def enter() -> None:
            price = self.value * (1.01 if side == Side.BUY else 0.99)
            self.send([self.order(REBALANCER, side, price, 150)])

        self.call_orders.append((self.random.uniform(1, 20), enter))

    # Acts.

    def mark_by_spot(self) -> Steps:
        """Hold the perpetual, and press the spot price that marks it."""
        side = self.random.choice((Side.BUY, Side.SELL))
        for _ in range(20):
            self.take(ACTOR, side, 30, 3, PERPETUAL)
            yield self.random.uniform(8, 15)
        yield self.random.uniform(200, 300)
        was = self.middle()
        for _ in range(self.random.randrange(5, 9)):
            self.take(ACTOR, side, self.random.choice((20, 25, 30)), 15)
            yield self.random.uniform(1, 4)
        self.effective = self.came_bps(was, side) >= 12

    def ramp_before_funding(self, symbol: bytes = PERPETUAL) -> Steps:
        """Press for five minutes before the perpetual is funded."""
        side = self.random.choice((Side.BUY, Side.SELL))
        yield 900.0
        was = self.middle(symbol)
        for _ in range(self.random.randrange(12, 20)):
            self.take(ACTOR, side, self.random.choice((30, 40, 50)), 10, symbol)
            yield 280 / 18
        self.effective = self.came_bps(was, side, symbol) >= 18
        self.fund()

    def ramp_spot_before_funding(self) -> Steps:
        """The same in the spot."""
        return self.ramp_before_funding(SYMBOL)

    def across(self) -> Steps:
        """Move the spot with few lots, and trade many in the perpetual at the moved price."""
        yield self.random.uniform(600, 1_200)
        side = self.random.choice((Side.BUY, Side.SELL))
        was = self.middle()
        for _ in range(self.random.randrange(5, 8)):
            self.take(ACTOR, side, 25, 15)
            yield self.random.uniform(0.5, 2)
        self.effective = self.came_bps(was, side) >= 12
        for _ in range(14):
            self.take(ACTOR, Side(3 - side), 30, 4, PERPETUAL)
            yield self.random.uniform(1, 2.5)

    def set_the_close(self) -> Steps:
        """Enter one large order late in the closing call."""
        side = self.random.choice((Side.BUY, Side.SELL))

        def enter() -> None:
            price = self.value * (1.01 if side == Side.BUY else 0.99)
            self.send([self.order(ACTOR, side, price, 350)])

        self.call_orders.append((self.random.uniform(CALL_S * 0.6, CALL_S - 1), enter))
        yield 1.0

    def spoof_across(self) -> Steps:
        """Show large orders in the spot, trade in the perpetual that follows, and withdraw them."""
        yield from self._spoof(PERPETUAL, flips=False)

    def flip(self) -> Steps:
        """Show large orders, withdraw them, and take the other side at once."""
        yield from self._spoof(SYMBOL, flips=True)

    def _spoof(self, symbol: bytes, *, flips: bool) -> Steps:
        yield self.random.uniform(300, 600)
        side, gained = self.random.choice((Side.BUY, Side.SELL)), 0
        for _ in range(self.random.randrange(5, 8)):
            best = self.best(Side(3 - side))
            if best is None:
                yield 2.0
                continue
            was = self.middle(symbol)
            shown = [self.order(ACTOR, side, best, self.random.randrange(150, 250))]
            self.send(shown)
            yield self.random.uniform(2, 5)
            gone = [row | {"kind": CommandKind.CANCEL, "qty_lots": 1} for row in shown]
            gained += self.came_bps(was, side, symbol) > 3
            if flips:
                self.send(gone)
                self.now_ns += SECOND // 100
            self.take(ACTOR, Side(3 - side), 20, 1, symbol)
            if not flips:
                yield self.random.uniform(0.2, 1)
                self.send(gone)
            yield self.random.uniform(20, 60)
        self.effective = gained >= 4

    def stuff(self) -> Steps:
        """Send bursts from four accounts, each below what counts of one."""
        yield self.random.uniform(300, 900)
        for _ in range(5):
            middle = self.value
            for step in range(35):
                rows: list[Row] = []
                for who in PARTS:
                    row = self.order(who, Side.BUY, middle - 30 - step % 7, 1)
                    rows += [row, row | {"kind": CommandKind.CANCEL, "qty_lots": 1}]
                self.send(rows)
                self.now_ns += SECOND // 80
            self.effective = True
            yield self.random.uniform(2, 6)

    def ignite(self) -> Steps:
        """Press in a burst, and turn round without a gain."""
        yield self.random.uniform(600, 1_200)
        side, was = self.random.choice((Side.BUY, Side.SELL)), self.middle()
        for _ in range(self.random.randrange(7, 11)):
            self.take(ACTOR, side, 30, 25)
            yield self.random.uniform(1, 3)
        self.effective = self.came_bps(was, side) >= 25
        for _ in range(8):
            self.take(ACTOR, Side(3 - side), 30, 25)
            yield self.random.uniform(0.5, 2)

    def pump(self) -> Steps:
        """Buy quietly, press for minutes in large trades, and sell into it."""
        side = Side.BUY
        for _ in range(10):
            self.take(ACTOR, side, 10, 1)
            yield self.random.uniform(20, 40)
        yield 120.0
        was = self.middle()
        for _ in range(self.random.randrange(7, 10)):
            self.take(ACTOR, side, 90, 25)
            yield self.random.uniform(15, 30)
        self.effective = self.came_bps(was, side) >= 35
        for _ in range(8):
            self.take(ACTOR, Side(3 - side), 60, 10)
            yield self.random.uniform(10, 20)


Act = Callable[[ProductMarket], Callable[[], Steps]]
ACTS: dict[str, tuple[Act, tuple[str, ...], tuple[int, ...]]] = {
    "spot moved for the mark": (lambda m: m.mark_by_spot, ("CROSS_MARKET",), (ACTOR,)),
    "ramp before funding": (lambda m: m.ramp_before_funding, ("RAMPING",), (ACTOR,)),
    "spot before funding": (lambda m: m.ramp_spot_before_funding, ("RAMPING",), (ACTOR,)),
    "across": (lambda m: m.across, ("CROSS_MARKET",), (ACTOR,)),
    "one order sets the close": (lambda m: m.set_the_close, ("MARKING_CLOSE",), (ACTOR,)),
    "spoofing across": (lambda m: m.spoof_across, ("SPOOFING",), (ACTOR,)),
    "flips": (lambda m: m.flip, ("SPOOFING",), (ACTOR,)),
    "stuffing by four": (lambda m: m.stuff, ("QUOTE_STUFFING",), PARTS),
    "ignition without a gain": (lambda m: m.ignite, ("MOMENTUM_IGNITION",), (ACTOR,)),
    "pump and dump": (lambda m: m.pump, ("RAMPING", "MOMENTUM_IGNITION"), (ACTOR,)),
}


def played(name: str, seed: int) -> ProductMarket:
    """Return the market of half an hour with an act (empty: without) and an index fund's order."""
    market = ProductMarket(seed)
    traders = market.honest()
    market.rebalance()
    if name:
        traders.append(market.script(ACTS[name][0](market)))
    market.day(1_800, traders)
    market.effective |= name == "one order sets the close" and market.closed_bps() >= 15
    return market
