"""Manipulation in the blind markets, as regulators' cases and textbooks describe it.

Each tactic's sizes, times and repetitions are drawn from wide ranges, so that acts with and without
a gain occur; none was chosen by what a detector does with it."""

from collections.abc import Callable
from datetime import UTC, datetime

from openoutcry.wire.enums import Side, TimeInForce
from tests.support.surveillance.blind_markets import (
    BONDS,
    SECOND,
    Act,
    BlindMarket,
    Steps,
    other,
    sign,
)

Tactic = Callable[[BlindMarket, tuple[int, ...], bytes, Side], Steps]
MOVED_BPS = 5.0
"""A mark, ramp or ignition of less has not worked."""


def spoofing(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """A small order to trade, a large one opposite that is to draw others, cancelled; turned over
    and again (CFTC on Coscia, 2013; Sarao, 2015)."""
    yield from _pressed(market, who[0], symbol, side, prices=1)


def layering(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """The same with orders at several prices (FINRA on Trillium, 2010)."""
    yield from _pressed(market, who[0], symbol, side, prices=market.random.randint(3, 7))


def _pressed(market: BlindMarket, who: int, symbol: bytes, side: Side, prices: int) -> Steps:
    draw, style = market.random, market.style
    total = market.between(2.0, 10.0) * style.maker_lots
    step = draw.randint(1, max(1, style.half[0] // 3))
    for _ in range(draw.randint(1, 8)):
        price = market.touch(side, symbol) + sign(side)
        real = market.post(who, side, market.lots(), price, symbol)
        yield market.between(0.1, 4.0)
        against = other(side)
        best = market.touch(against, symbol)
        shown = [
            market.post(who, against, total / prices, best - sign(against) * level * step, symbol)
            for level in range(1, prices + 1)
        ]
        waited, most = 0.0, market.pause(1.0, 25.0)
        while waited < most and real in market.open:
            yield most / 10
            waited += most / 10
        market.rounds[who] += real not in market.open
        yield market.between(0.01, 1.5)
        market.cancel(*shown)
        market.cancel(real)
        yield market.pause(1.0, 90.0)
        side = against
    lots = market.held[who, symbol]
    if lots:
        market.take(who, Side.SELL if lots > 0 else Side.BUY, abs(lots), symbol, 5 * style.half[1])


def wash_related(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Two accounts of one person trade with each other inside the spread."""
    market.related.append(who)
    yield from _exchanged(market, who, symbol, side)


def wash_pair(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Two accounts that nobody has declared related do the same."""
    yield from _exchanged(market, who, symbol, side)


def _exchanged(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    for _ in range(market.random.randint(4, 15)):
        first, second = market.random.sample(who, 2)
        yield from _met(market, first, second, symbol, side, market.lots(2))
        side = market.side()
        yield market.pause(2, 300)


def _met(
    market: BlindMarket, first: int, second: int, symbol: bytes, side: Side, lots: int
) -> Steps:
    price = round(market.mid(symbol))
    rests = market.post(first, side, lots, price, symbol)
    yield market.between(0.02, 3.0)
    uneven = int(lots * market.random.choice((1.0, 1.0, market.random.uniform(0.7, 1.3))))
    met = market.pairs[first, second]
    market.post(second, other(side), uneven, price, symbol, tif=TimeInForce.IOC)
    market.rounds[first] += market.pairs[first, second] > met
    yield 0.5
    market.cancel(rests)


def ring(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Lots go round among three to five accounts and come back."""
    lots = market.lots(2)
    for _ in range(market.random.randint(2, 5)):
        for giver, getter in zip(who, (*who[1:], who[0]), strict=True):
            some = max(1, int(lots * market.random.uniform(0.85, 1.15)))
            yield from _met(market, giver, getter, symbol, Side.SELL, some)
            yield market.pause(1, 40)


def marking_close(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Press in the last minutes, at times with an order in the call as well."""
    for _ in range(market.random.randint(1, 8)):
        lots = int(market.between(0.3, 1.5) * market.style.maker_lots)
        market.take(who[0], side, lots, symbol, market.style.half[1])
        yield market.between(2, 25)


def marking_call(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Enter one order late in the closing call, large enough to set its price."""
    price = market.mid(symbol) + sign(side) * market.between(0.002, 0.01) * market.style.price
    lots = market.between(1.5, 6.0) * market.style.maker_lots
    market.post(who[0], side, lots, price, symbol, tif=TimeInForce.DAY)
    yield 1.0


def ramping(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Push the price in one direction trade by trade, and, mostly, sell into it."""
    for _ in range(market.random.randint(8, 40)):
        lots = int(market.between(0.2, 1.0) * market.style.maker_lots)
        market.take(who[0], side, lots, symbol, market.style.half[0])
        yield market.between(4, 45)
    if market.random.random() < 0.7:
        yield from _out(market, who[0], symbol, market.pause(5, 40))


def ignition(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """A burst that is to start a move and stops; out of the position in what follows."""
    for _ in range(market.random.randint(4, 15)):
        lots = int(market.between(0.5, 2.0) * market.style.maker_lots)
        market.take(who[0], side, lots, symbol, 2 * market.style.half[1])
        yield market.between(0.05, 1.0)
    yield market.between(2, 30)
    yield from _out(market, who[0], symbol, market.between(2, 15))


def _out(market: BlindMarket, who: int, symbol: bytes, wait_s: float) -> Steps:
    parts = market.random.randint(2, 8)
    side = Side.SELL if market.held[who, symbol] > 0 else Side.BUY
    lots = -(-abs(market.held[who, symbol]) // parts)
    for _ in range(parts):
        if market.random.random() < 0.5:
            market.take(who, side, lots, symbol, market.style.half[0])
        else:
            price = market.touch(side, symbol) + sign(side)
            number = market.post(who, side, lots, price, symbol)
            yield wait_s / 2
            market.cancel(number)
        yield wait_s / 2
    left = market.held[who, symbol]
    if left:
        market.take(who, Side.SELL if left > 0 else Side.BUY, abs(left), symbol, 200)


def stuffing(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Enter and cancel orders that are not to trade, as fast as the connection can."""
    rate = market.between(60, 600)
    for _ in range(market.random.randint(1, 5)):
        for count in range(int(rate * market.between(0.7, 4.0))):
            one = who[count % len(who)]
            away = market.random.randint(1, 2 * market.style.half[1])
            price = market.touch(side, symbol) - sign(side) * away
            number = market.post(one, side, 1, price, symbol)
            yield 0.5 / rate
            market.cancel(number)
            yield 0.5 / rate
        yield market.between(1, 30)


def front_running(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """A broker trades ahead of an order that its client has given it, and turns back after it."""
    broker, client = who
    lots = int(market.between(4, 10) * market.style.maker_lots)
    known = datetime.fromtimestamp(market.now_ns / SECOND, UTC)
    market.client_orders.append(
        {
            "broker": broker,
            "client": client,
            "symbol": symbol.decode(),
            "lots": lots,
            "side": side.name.lower(),
            "known": known,
        }
    )
    yield market.pause(2, 60)
    for _ in range(market.random.randint(1, 3)):
        market.take(broker, side, int(lots * market.between(0.04, 0.3)), symbol, 10)
        yield market.pause(1, 20)
    parts = market.random.randint(3, 10)
    for _ in range(parts):
        market.take(client, side, lots // parts + 1, symbol, 2 * market.style.half[1])
        yield market.pause(1, 15)
    yield from _out(market, broker, symbol, market.pause(2, 20))


def money_pass(market: BlindMarket, who: tuple[int, ...], symbol: bytes, side: Side) -> Steps:
    """Two trade a block off the book far from the mid, and back at it: money goes over."""
    lots, away = market.lots(10), market.between(0.003, 0.02) * market.style.price
    one, two = who
    market.block(one, two, lots, market.mid(symbol) + away, symbol)
    yield market.between(120, 3_600)
    market.block(two, one, lots, market.mid(symbol), symbol)


TACTICS: dict[str, tuple[Tactic, int, int]] = {
    "spoofing": (spoofing, 1, 1), "layering": (layering, 1, 1),
    "wash_related": (wash_related, 2, 2), "wash_pair": (wash_pair, 2, 2), "ring": (ring, 3, 5),
    "marking_close": (marking_close, 1, 1), "marking_call": (marking_call, 1, 1),
    "ramping": (ramping, 1, 1), "ignition": (ignition, 1, 1), "stuffing": (stuffing, 1, 3),
    "front_running": (front_running, 2, 2), "money_pass": (money_pass, 2, 2),
}  # fmt: skip
"""The tactics, and how few and how many accounts take part."""
OF_BONDS = ("marking_close", "marking_call", "money_pass")
MOVES = ("marking_close", "marking_call")
PRESSES = ("ramping", "ignition")
WASHES = ("wash_related", "wash_pair", "ring")
RIGHT = {
    "spoofing": {"spoofing", "layering"}, "layering": {"spoofing", "layering"},
    "wash_related": {"wash_related", "wash_pair"}, "wash_pair": {"wash_pair", "wash_ring"},
    "ring": {"wash_ring", "wash_pair"}, "marking_close": {"marking_close"},
    "marking_call": {"marking_close"}, "ramping": {"ramping", "momentum_ignition"},
    "ignition": {"momentum_ignition", "ramping"},
    "stuffing": {"quote_stuffing"}, "front_running": {"front_running"},
    "money_pass": {"off_book_price"},
}  # fmt: skip
"""What a case of the kind may be called."""


def acted(market: BlindMarket, kind: str) -> Steps:
    """Do one act, and note what came of it."""
    tactic, fewest, most = TACTICS[kind]
    who = market.new_actors(market.random.randint(fewest, most))
    symbol, side = market.symbol(), market.side()
    covers = 0 if kind in MOVES else market.random.randrange(6)
    for _ in range(covers):
        market.take(market.random.choice(who), market.side(), market.lots(), symbol)
        yield market.pause(30, 300)
    begin_ns, was, before = market.now_ns, market.mid(symbol), market.pnl(who[:1], symbol)
    peak, traded = 0.0, sum(market.turnover[one] for one in who)
    among = _among(market, who)
    try:
        for wait_s in tactic(market, who, symbol, side):
            peak = max(peak, _bps(market.mid(symbol), was, side))
            yield wait_s
        if kind in MOVES:  # What follows is the call, whose price is what counts.
            yield 3_600.0
    finally:
        moved = _bps(market.last[symbol], was, side) if kind in MOVES else peak
        gain = market.pnl(who[:1], symbol) - before
        volume = sum(market.turnover[one] for one in who) - traded
        if kind in WASHES:
            worked = 2 * (_among(market, who) - among) >= volume > 0
        elif kind in ("stuffing", "money_pass"):
            worked = kind == "stuffing" or volume > 0
        elif kind in MOVES:
            worked = volume > 0 and moved >= MOVED_BPS
        else:
            worked = gain > 0 and (kind not in PRESSES or moved >= MOVED_BPS)
        name = symbol.decode()
        rounds = sum(market.rounds[one] for one in who)
        market.acts.append(
            Act(kind, who, name, begin_ns, market.now_ns, gain, moved, worked, rounds)
        )


def _among(market: BlindMarket, who: tuple[int, ...]) -> int:
    """Return the lots that these traded with each other, of both sides."""
    return sum(market.pairs[one, two] for one in who for two in who)


def _bps(price: float, was: float, side: Side) -> float:
    return sign(side) * (price - was) / was * 10_000


def acts_of_day(market: BlindMarket, seconds: float) -> None:
    """Begin one act of each kind (three where trading does not end), at drawn times."""
    bonds = market.style is BONDS
    for kind in TACTICS:
        if kind in OF_BONDS and not bonds:
            continue
        for _ in range(1 if bonds else 3):
            at_s = market.random.uniform(0.05, 0.85) * seconds
            if kind == "marking_close":
                at_s = seconds - market.between(20, 240)
            elif kind == "marking_call":
                at_s = seconds + market.random.uniform(300, 590)
            market.start(acted(market, kind), at_s)
