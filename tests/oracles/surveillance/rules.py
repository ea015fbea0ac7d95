"""The rules of the reference: what each detector says, looking through everything there was."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.document_pieces import Pieces
from openoutcry.journal.projections import has_risk, instrument_money
from openoutcry.risk.bits import Setting
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.parameters import INDEX, parameters
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import Phase, Side
from tests.oracles.surveillance.rows import (
    Around,
    Candidate,
    Flip,
    Leg,
    Order,
    PegMove,
    Trade,
    bps_of,
    limited,
)

SECOND, MINUTE, HOUR, DAY = 10**9, 60 * 10**9, 3_600 * 10**9, 86_400 * 10**9
Hit = dict[str, Any]


class Rules:
    """Everything there was, and the rules over it; ``hits`` is what they found."""

    def __init__(self, config: Mapping[str, Any], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.table = make_instruments(config["instruments"])
        symbols = [symbol.decode() for symbol in self.table["symbol"].tolist()]
        values = parameters(self.settings.parameters).tolist()
        self.p = {name: values[number] for name, number in INDEX.items()}
        self.owners = self.settings.owners()
        contracts = [row[0] for row in (config.get("hooks") or {}).get("contracts", ())]
        self.symbols, self.pieces = symbols, Pieces()
        self.links = self.settings.links(symbols, contracts)
        self.clients = [
            dict(
                zip(
                    ("broker", "client", "instrument", "side", "lots", "known", "entered", "seq"),
                    row,
                    strict=True,
                )
            )
            | {"entered": None}
            for row in self.settings.client_rows(symbols).tolist()[: len(self.settings.clients)]
        ]
        self.money = instrument_money(dict(config), self.table)
        self.cash: dict[int, int] = {}
        self.overdrawn: set[int] = set()
        self.tracks = has_risk(dict(config))
        for row in (config.get("hooks") or {}).get("limits", ()):
            if row["set"] == "DEPOSIT" and self.tracks:
                who = int(row.get("who", 0))
                self.cash[who] = max(self.cash.get(who, 0), 0) + int(row["value"])
        self.now = 0
        self.cause = 0
        self.orders: dict[tuple[int, int], Order] = {}
        self.quotes: dict[int, tuple[int | None, int | None]] = {}
        self.seen_cause: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.base: dict[int, int] = {}
        self.opened_ns: dict[int, int] = {}
        self.entered: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.trades: dict[int, list[Trade]] = defaultdict(list)
        self.moves: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self.middles: dict[tuple[int, int], int | None] = {}
        self.takers: dict[int, tuple[int, int, Order, int | None]] = {}
        self.messages: dict[tuple[int, int], list[tuple[int, str, int]]] = defaultdict(list)
        self.cells: dict[int, list[int]] = defaultdict(list)
        self.candidates: dict[tuple[int, int, int], Candidate] = {}
        self.flips: dict[tuple[int, int, int], Flip] = {}
        self.positions: dict[tuple[int, int], int] = defaultdict(int)
        self.calls: dict[int, tuple[int, int]] = {}
        """Closing calls: when they began, and twice the mid then."""
        self.pegs: dict[tuple[int, int, int], PegMove] = {}
        self.mover: tuple[int, int] | None = None
        self.legs: dict[int, list[Leg]] = defaultdict(list)
        self.counts: dict[Any, tuple[int, int, int]] = {}
        self.hours: dict[int, list[int]] = defaultdict(list)
        self.repeats: dict[Any, list[tuple[int, int, int, int]]] = defaultdict(list)
        self.reported_at: dict[Any, int] = {}
        self.next_ratio: dict[tuple[int, int, int], int] = {}
        self.around: dict[tuple[int, int], Around] = defaultdict(Around)
        self.by_operator: set[int] = set()
        self.risk: dict[int, Any] = {}
        self.halts: dict[int, tuple[int, int]] = {}
        self.marks: dict[int, int] = {
            index: int(self.table["reference_price_ticks"][index])
            for index, *_ in (config.get("hooks") or {}).get("contracts", ())
        }
        self.staged: dict[int, int] = {}
        self.called: dict[int, tuple[int, int]] = {}
        self.gifts: list[tuple[int, int, int, int, int, int]] = []
        """Trades far from the mark without a call: time, command, instrument, owner that lost,
        gain, lots."""
        self.hits: list[Hit] = []

    # What stands.

    def _best(self, instrument: int, side: int) -> int | None:
        prices = [
            o.price
            for o in self.orders.values()
            if o.instrument == instrument and o.side == side and o.shown
        ]
        return (max if side == Side.BUY else min)(prices, default=None)

    def _middle(self, instrument: int) -> int | None:
        bid, ask = self.quotes[instrument]
        return None if bid is None or ask is None else bid + ask

    def _step(self, instrument: int) -> int:
        return int(self.table["price_step_ticks"][instrument])

    def _cell(self, owner: int, instrument: int) -> None:
        if owner not in self.cells[instrument]:
            self.cells[instrument].append(owner)

    def _average(self, instrument: int) -> int:
        minute = self.now // MINUTE
        sizes = [
            lots for ns, lots in self.entered[instrument] if minute - 5 < ns // MINUTE <= minute
        ]
        if len(sizes) < self.p["average_orders_min"]:
            return 0
        return max(sum(sizes) // len(sizes), 1)

    def _traded(
        self, instrument: int, end_ns: int, span: int, owner: int | None = None
    ) -> list[Trade]:
        """In the buckets of 10 s that the last ``span`` before ``end_ns`` reaches into."""
        first = end_ns // lay.BUCKET_NS - span // lay.BUCKET_NS
        return [
            t
            for t in self.trades[instrument]
            if first <= t.ns // lay.BUCKET_NS <= end_ns // lay.BUCKET_NS
            and owner in (None, t.owner)
        ]

    def _moved(
        self, instrument: int, end_ns: int, span: int, owner: int | None = None
    ) -> list[int]:
        """What takers did to the mid, half ticks, in the same buckets."""
        first = end_ns // lay.BUCKET_NS - span // lay.BUCKET_NS
        return [
            move
            for ns, who, move in self.moves[instrument]
            if first <= ns // lay.BUCKET_NS <= end_ns // lay.BUCKET_NS and owner in (None, who)
        ]

    def _credit_move(self, instrument: int) -> None:
        """What the last taking command did to the mid is its owner's."""
        if instrument not in self.takers:
            return
        ns, seq, order, before = self.takers[instrument]
        after = self._middle(instrument)
        if after is None and self.now - ns <= lay.BUCKET_NS:
            return
        del self.takers[instrument]
        if before is None or after is None or before == after:
            return
        move = limited(after - before)
        if (move > 0) == (order.side == Side.BUY):
            self.moves[instrument].append((ns, order.owner, move))
            self._ramp(instrument, order, self.last[instrument], seq)

    # Spoofing and layering.

    def _pressure(self, order: Order, instrument: int, price: int, lots: int, takes: bool) -> None:
        here, other = instrument == order.instrument, 3 - order.side
        best, average = self.quotes[instrument][other - 1], self._average(instrument)
        if best is None or not average:
            return
        mine = [
            o for o in self.orders.values() if (o.owner, o.instrument) == (order.owner, instrument)
        ]
        mine = [o for o in mine[::-1][:64] if o.shown]
        near = max(self.p["near_steps"] * self._step(instrument), bps_of(best, self.p["near_bps"]))
        pressing = [
            o
            for o in mine
            if o.side == other
            and o.born_seq != self.cause
            and abs(o.price - best) <= near
            and o.born_ns >= self.now - self.p["spoof_age_ns"]
        ]
        own = sum(o.leaves for o in mine if o.side == order.side)
        recent = self._traded(instrument, self.now, self.p["spoof_withdrawn_ns"], order.owner)
        own += sum(t.lots for t in recent if t.side == order.side) - (lots if here else 0)
        if takes:
            left = sum(o.shown for o in mine if o.side == other)
            self._flipped(order, price, lots, own, left, average)
        total = sum(o.leaves for o in pressing)
        if not pressing or total < self.p["spoof_asymmetry"] * own:
            return
        if total < self.p["spoof_size"] * average:
            return
        if total * 100 < self.p["spoof_depth_percent"] * self._depth(instrument, other, 5):
            return
        prices = [o.price for o in pressing]
        runs = sum(a != b for a, b in zip(prices, [None, *prices], strict=False))
        oldest, gain = pressing[-1], 0
        if oldest.middle is not None and here:
            ahead = (
                oldest.middle - 2 * price if order.side == Side.BUY else 2 * price - oldest.middle
            )
            gain = limited(ahead) * min(lots, 1 << 20)
        elif oldest.middle is not None:
            up, middle = order.side == Side.SELL, self._middle(instrument)
            came = limited((lay.NONE if middle is None else middle) - oldest.middle)
            span = min(self.now - oldest.born_ns, 5 * MINUTE)
            there = self._market_moved(order.instrument, span, up)
            gain = max(came if up else -came, 0, there) * min(lots, 1 << 20)
        key = order.owner, instrument, other
        candidate = self.candidates.get(key)
        if candidate and candidate.ns >= self.now - self.p["spoof_withdrawn_ns"]:
            candidate.gain += gain
            return
        self.candidates[key] = Candidate(
            self.now, self.cause, total, runs, gain, oldest.born_seq, oldest.born_ns
        )

    def _depth(self, instrument: int, side: int, levels: int) -> int:
        shown: dict[int, int] = defaultdict(int)
        for o in self.orders.values():
            if (o.instrument, o.side) == (instrument, side) and o.shown:
                shown[o.price] += o.shown
        best = sorted(shown, reverse=side == Side.BUY)[:levels]
        return sum(shown[price] for price in best)

    def _withdrawn(self, order: Order, lots: int) -> None:
        key = order.owner, order.instrument, order.side
        candidate = self.candidates.get(key)
        if candidate is None and lots > 0:
            self._note_flip(order, lots)
        if candidate is None or lots <= 0:
            return
        if self.now - candidate.ns > self.p["spoof_withdrawn_ns"]:
            del self.candidates[key]
            return
        if order.born_seq >= candidate.seq:
            return
        candidate.withdrawn += lots
        not_hit = candidate.lots - candidate.hit
        if 2 * candidate.hit > candidate.lots:
            return
        if candidate.withdrawn * 100 < self.p["spoof_cancelled_percent"] * not_hit:
            return
        del self.candidates[key]
        layered = candidate.prices >= self.p["layer_prices"]
        detector = lay.Detector.LAYERING if layered else lay.Detector.SPOOFING
        window = self.p["spoof_window_ns"]
        seen = self._again(
            (detector, order.owner, order.instrument),
            window,
            candidate.first_seq,
            candidate.gain,
            candidate.lots,
        )
        gains = sum(repeat[2] for repeat in seen)
        if len(seen) < self.p["spoof_repeats"] or gains <= 0:
            return
        self._tell(
            detector,
            order.instrument,
            [order.who],
            30 + 10 * len(seen),
            candidate.first_ns,
            candidate.first_seq,
            candidate.lots,
            0,
            gains,
            len(seen),
            [candidate.first_seq, candidate.seq, self.cause],
        )

    def _note_flip(self, order: Order, lots: int) -> None:
        key, best = (order.owner, order.instrument, order.side), self._best(*order.place)
        if best is None or order.born_ns < self.now - self.p["spoof_age_ns"]:
            return
        step = self.p["near_steps"] * self._step(order.instrument)
        if abs(order.price - best) > max(step, bps_of(best, self.p["near_bps"])):
            return
        flip = self.flips.get(key)
        if flip is None or flip.ns < self.now - SECOND:
            depth = self._depth(*order.place, 5)
            born = order.born_seq, order.born_ns, order.middle
            flip = self.flips[key] = Flip(self.now, self.cause, 0, *born, depth)
        if order.born_seq < flip.first_seq:
            flip.first_seq, flip.first_ns = order.born_seq, order.born_ns
            flip.middle = order.middle
        flip.ns, flip.seq = self.now, self.cause
        flip.lots += lots

    def _flipped(
        self, order: Order, price: int, lots: int, own: int, left: int, average: int
    ) -> None:
        """A trade right after pressure on the other side went."""
        key = order.owner, order.instrument, 3 - order.side
        flip = self.flips.get(key)
        if flip is None or self.now - flip.ns > self.p["spoof_withdrawn_ns"]:
            return
        if flip.middle is None or flip.lots < self.p["spoof_asymmetry"] * own:
            return
        ahead = flip.middle - 2 * price if order.side == Side.BUY else 2 * price - flip.middle
        if ahead <= 0 or flip.lots < self.p["spoof_size"] * average:
            return
        if flip.lots * 100 < self.p["spoof_cancelled_percent"] * (flip.lots + left):
            return
        both = self.flips.get((*key[:2], order.side))
        near = both if both is not None and abs(both.ns - flip.ns) < SECOND else None
        if near and self.p["spoof_asymmetry"] * near.lots > flip.lots:
            return
        if flip.lots * 100 < self.p["spoof_depth_percent"] * flip.depth:
            return
        del self.flips[key]
        detector, first = lay.Detector.SPOOFING, flip.first_seq
        gain = limited(ahead) * min(lots, 1 << 20)
        window, name = self.p["spoof_window_ns"], (detector, order.owner, order.instrument)
        seen = self._again(name, window, first, gain, flip.lots)
        gains = sum(repeat[2] for repeat in seen)
        if len(seen) < self.p["spoof_repeats"] or gains <= 0:
            return
        score, begin, count = 30 + 10 * len(seen), flip.first_ns, len(seen)
        who, evidence = [order.owner], [first, flip.seq, self.cause]
        instrument = order.instrument
        self._tell(
            detector, instrument, who, score, begin, first, flip.lots, 0, gains, count, evidence
        )

    def _again(
        self, key: Any, window: int, seq: int, gain: int, lots: int
    ) -> list[tuple[int, int, int, int]]:
        """Note it once more: those of the newest eight within the window, oldest first."""
        rows = self.repeats[key]
        rows.append((self.now, seq, gain, lots))
        return [row for row in rows[-8:] if row[0] >= self.now - window]

    # Moving others' pegged orders.

    def _repegged(self, order: Order, price: int, waits: bool) -> None:
        better = price > order.price if order.side == Side.BUY else price < order.price
        order.pegged = not waits
        if not better or waits or order.waiting or self.mover is None:
            return
        owner, instrument = self.mover
        if owner == order.owner or instrument != order.instrument:
            return
        key = owner, instrument, order.side
        move = self.pegs.get(key)
        if move is None or move.ns < self.now - self.p["peg_age_ns"]:
            move = PegMove(self.cause, self.now, self._middle(instrument))
            self.pegs[key] = move
        move.ns, move.seq, move.open = self.now, self.cause, True

    def _met(self, pegged: Order, other: Order, price: int, lots: int) -> None:
        move = self.pegs.get((other.owner, other.instrument, pegged.side))
        if not pegged.pegged or pegged.owner == other.owner or move is None or not move.open:
            return
        if move.ns < self.now - self.p["peg_age_ns"] or move.middle is None:
            return
        ahead = 2 * price - move.middle
        ahead = limited(ahead if pegged.side == Side.BUY else -ahead)
        move.trade_ns, move.trade_seq = self.now, self.cause
        move.lots += lots
        move.gain += ahead * min(lots, 1 << 20)

    def _peg_gone(self, order: Order, lots: int) -> None:
        key = order.owner, order.instrument, order.side
        move = self.pegs.get(key)
        if move is None or lots <= 0 or not move.first_seq <= order.born_seq <= move.seq:
            return
        if lots * 100 < self.p["peg_cancelled_percent"] * order.lots:
            return
        if order.born_seq == move.seq:
            move.open = False
        if not move.trade_seq or self.now - move.trade_ns > self.p["peg_withdrawn_ns"]:
            return
        if move.lots < self.p["peg_times"] * order.lots or move.gain <= 0:
            return
        del self.pegs[key]
        detector, first = lay.Detector.MOVING_PEGS, move.first_seq
        window = self.p["peg_window_ns"]
        seen = self._again((detector, *key[:2]), window, first, move.gain, move.lots)
        if len(seen) < self.p["peg_repeats"]:
            return
        self._tell(
            detector,
            order.instrument,
            [order.who],
            40 + 10 * len(seen),
            move.first_ns,
            first,
            move.lots,
            0,
            sum(repeat[2] for repeat in seen),
            len(seen),
            [first, move.trade_seq, self.cause],
        )

    # Wash trades.

    def _matched(self, instrument: int, maker: Order, taker: Order, price: int, lots: int) -> None:
        if self.now - maker.born_ns > self.p["wash_leg_age_ns"]:
            return
        seller, buyer = (maker, taker) if taker.side == Side.BUY else (taker, maker)
        pair = taker.owner, maker.owner
        legs = self._count(("pair", instrument, *pair))
        takes = self._count(("takes", instrument, taker.owner))
        makes = self._count(("makes", instrument, maker.owner))
        others = self._count(("legs", instrument)) - legs
        expected = max(takes * max(makes - legs, 0), makes * max(takes - legs, 0))
        chance = expected / max(others, 1)
        if legs <= self.p["wash_chance_times"] * chance:
            return
        if (legs - chance) ** 2 <= self.p["wash_chance_deviations"] ** 2 * chance:
            return
        if seller.owner == buyer.owner:
            same = seller.who == buyer.who
            detector = lay.Detector.WASH_SELF if same else lay.Detector.WASH_RELATED
            self._cycle(detector, seller.owner, instrument, maker, lots, [seller.who, buyer.who])
            return
        new = Leg(self.now, seller.owner, buyer.owner, (seller.who, buyer.who), lots, price)
        self.legs[instrument].append(new)
        cycle = self._chain(instrument, new)
        if cycle:
            whom = [who for leg in (new, *cycle) for who in leg.who]
            detector = lay.Detector.WASH_PAIR if len(cycle) == 1 else lay.Detector.WASH_RING
            key = tuple(sorted(leg.seller for leg in (new, *cycle)))
            self._cycle(detector, key, instrument, maker, lots, whom)
            for leg in (new, *cycle):
                leg.used = True
        legs += self._count(("pair", instrument, *pair[::-1]), 0)
        trades = max(self._count(("trades", instrument, owner), 0) for owner in pair)
        others = self._count(("legs", instrument), 0) - legs
        if self._is_off_book() or legs > others:
            return
        if legs * 100 >= self.p["wash_alone_percent"] * trades:
            alone = "alone", *sorted(pair)
            whom = [seller.who, buyer.who]
            self._cycle(lay.Detector.WASH_PAIR, alone, instrument, maker, lots, whom)

    def _is_off_book(self) -> bool:
        """Return whether the command at work trades off the book."""
        command = self.risk.get(self.cause)
        return command is not None and command["order_type"] == Setting.OFF_BOOK

    def _off_book(self, instrument: int, maker: Order, taker: Order, price: int, lots: int) -> None:
        if maker.owner == taker.owner:
            return
        self._ahead_of_client(instrument, maker, taker, price, lots)
        bid, ask = self.quotes[instrument]
        if bid is None or ask is None or bid <= price <= ask:
            return
        more = limited(2 * price - bid - ask)
        if abs(more) < 2 * bps_of(price, self.p["off_book_bps"]):
            return
        buyer, seller = (maker, taker) if maker.side == Side.BUY else (taker, maker)
        whom = [buyer.who, seller.who] if more > 0 else [seller.who, buyer.who]
        gain = abs(more) * min(lots, 1 << 20)
        kind, now, cause = lay.Detector.OFF_BOOK_PRICE, self.now, self.cause
        self._tell(kind, instrument, whom, 60, now, cause, lots, more, gain, 1, [cause])

    def _ahead_of_client(
        self, instrument: int, maker: Order, client: Order, price: int, lots: int
    ) -> None:
        """What the maker took on the client's side; what it is ahead without this leg."""
        span, side = self.p["quote_ahead_ns"], client.side
        mine = self._traded(instrument, self.now, span, maker.owner)
        took = sum(t.lots for t in mine if t.took and t.side == side)
        least = self.p["quote_ahead_percent"] * lots
        if took * 100 < least or not self._one_way(mine, side):
            return
        whole = self._traded(instrument, self.now, 5 * MINUTE, maker.owner)
        same = [t for t in whole if t.side == side]
        ahead = sum(t.lots for t in same)
        back = sum(t.lots for t in whole if t.side != side)
        if (ahead - (back - lots)) * 100 < least:
            return
        value = sum(self._value(instrument, t) for t in same)
        apart = min(max(price - self.base[instrument], -(1 << 20)), 1 << 20) - value / ahead
        most = min(took, lots, 1 << 20)
        gain = int(2 * (apart if side == Side.BUY else -apart) * most)
        if gain > 0:
            kind, begin = lay.Detector.FRONT_RUNNING, self.now - span
            who, evidence = [maker.who], [self.cause]
            self._tell(kind, instrument, who, 70, begin, 0, took, 0, gain, 1, evidence)

    def _count(self, key: tuple[Any, ...], more: int = 1) -> int:
        """Count up, and return the count: halved each hour in which its instrument is traded, and
        forgotten a week after the last one."""
        hour = self.now // HOUR
        hours = self.hours[key[1]]
        if hour not in hours:
            hours.append(hour)
        last, number, count = self.counts.get(key, (hour, len(hours), 0))
        if key[0] == "pair" and hour - last >= lay.PAIR_HOURS:
            count = 0
        count = (count >> len(hours) - number) + more
        self.counts[key] = hour, len(hours), count
        return count

    def _chain(self, instrument: int, new: Leg) -> list[Leg]:
        """Earlier legs, the last one first, over which the new buyer's lots came to its seller."""
        near = max(bps_of(new.price, self.p["wash_price_bps"]), 2 * self._step(instrument))
        before: dict[int, list[Leg]] = {}
        rows = self.legs[instrument][-64:-1]
        for at, leg in enumerate(rows):
            fits = leg.ns >= self.now - self.p["wash_cycle_ns"] and leg.lots == new.lots
            if leg.used or not fits or abs(leg.price - new.price) > near:
                continue
            if leg.seller == new.buyer:
                before[at] = [leg]
            else:
                steps = [b for b in before if rows[b].buyer == leg.seller]
                if steps:
                    before[at] = [leg, *before[max(steps)]]
            if at in before and leg.buyer == new.seller:
                return before[at]
        return []

    def _cycle(
        self,
        detector: lay.Detector,
        key: Any,
        instrument: int,
        maker: Order,
        lots: int,
        whom: list[int],
    ) -> None:
        seen = self._again(
            (detector, key, instrument), self.p["wash_window_ns"], maker.born_seq, 0, lots
        )
        ring = detector == lay.Detector.WASH_RING
        if len(seen) < self.p["ring_repeats" if ring else "wash_repeats"]:
            return
        self._tell(
            detector,
            instrument,
            whom,
            40 + 10 * len(seen),
            seen[0][0],
            seen[0][1],
            sum(repeat[3] for repeat in seen),
            0,
            0,
            len(seen),
            [seen[0][1], maker.born_seq, self.cause],
        )

    # Who moves prices.

    def _least(self, instrument: int, price: int, name: str) -> int:
        steps = self.p["move_steps_min"] * self._step(instrument)
        return 2 * max(steps, bps_of(price, self.p[name]))

    def _value(self, instrument: int, t: Trade) -> int:
        apart = min(max(t.price - self.base[instrument], -(1 << 20)), 1 << 20)
        return apart * min(t.lots, 1 << 31)

    def _cool(self, kind: str, owner: int, instrument: int) -> bool:
        key = kind, owner, instrument
        if key in self.reported_at and self.reported_at[key] > self.now - self.p["cooldown_ns"]:
            return True
        self.reported_at[key] = self.now
        return False

    def _market_moved(self, instrument: int, span: int, up: bool) -> int:
        """The farthest from a bucket's first mid to that of a later one, or to now; half ticks."""
        last = self.now // lay.BUCKET_NS
        buckets = [(instrument, last - back) for back in range(span // lay.BUCKET_NS, -1, -1)]
        rows = [*(self.middles.get(key) for key in buckets), self._middle(instrument)]
        mids = [middle for middle in rows if middle is not None]
        moves = [limited(b - a) for at, a in enumerate(mids) for b in mids[at:]]
        return max([0, *(move if up else -move for move in moves)])

    def _one_way(self, mine: list[Trade], side: int) -> bool:
        took = sum(t.lots for t in mine if t.took)
        on_side = sum(t.lots for t in mine if t.took and t.side == side)
        return on_side * 100 >= self.p["one_sided_percent"] * took

    def _ignition(self, instrument: int, order: Order, price: int) -> None:
        span, up = self.p["ignition_ns"], order.side == Side.SELL
        mine = self._traded(instrument, self.now, span, order.owner)
        opening = Side.BUY if up else Side.SELL
        took = sum(t.lots for t in mine if t.took and t.side == opening)
        market = sum(
            t.lots for t in self._traded(instrument, self.now, span) if t.took and t.side == opening
        )
        if not took or took * 100 < self.p["ignition_share_percent"] * market:
            return
        commonly = sum(
            t.lots
            for t in self._traded(instrument, self.now, 300 * 10**9, order.owner)
            if t.took and t.side == opening
        )
        if took * 100 < self.p["ignition_own_percent"] * commonly:
            return
        moves = self._moved(instrument, self.now, span, order.owner)
        ahead = max(
            sum(abs(move) for move in moves if (move > 0) == up),
            self._market_moved(instrument, span, up),
        )
        if ahead < self._least(instrument, price, "ignition_bps"):
            return
        both = self._traded(instrument, self.now, 2 * span, order.owner)
        bought = sum(t.lots for t in both if t.side == Side.BUY)
        sold = sum(t.lots for t in both if t.side == Side.SELL)
        gain = 0
        if bought and sold:
            paid = sum(self._value(instrument, t) for t in both if t.side == Side.BUY)
            got = sum(self._value(instrument, t) for t in both if t.side == Side.SELL)
            gain = int((got / sold - paid / bought) * min(bought, sold, 1 << 31))
        opened, closed = (bought, sold) if up else (sold, bought)
        least = min(bps_of(price, self.p["ignition_gain_bps"]), 1 << 20)
        if closed * 100 < self.p["ignition_closed_percent"] * opened:
            return
        if 2 * sum(t.lots for t in both if t.took) < bought + sold:
            return
        if gain <= 0 or gain < least * min(bought, sold, 1 << 31):
            times = {t.ns // lay.BUCKET_NS for t in mine if t.took and t.side == opening}
            if len(times) < self.p["ignition_times"]:
                return
            average = self._average(instrument)
            if not average or took < self.p["cross_size"] * average:
                return
            if took * 100 < self.p["ignition_large_percent"] * market:
                return
        if self._cool("ignition", order.owner, instrument):
            return
        self._tell(
            lay.Detector.MOMENTUM_IGNITION,
            instrument,
            [order.who],
            50 + 50 * took // max(market, 1),
            self.now - span,
            0,
            closed,
            ahead,
            2 * gain,
            1,
            [self.cause],
        )

    def _ramp(self, instrument: int, order: Order, price: int, seq: int) -> None:
        span, sign = self.p["ramp_ns"], 1 if order.side == Side.BUY else -1
        mine = self._traded(instrument, self.now, span, order.owner)
        own = [move * sign for move in self._moved(instrument, self.now, span, order.owner)]
        ahead = sum(own)
        if ahead < self._least(instrument, price, "ramp_bps"):
            return
        moves = [move for move in own if move > 0]
        all_moves = [move * sign for move in self._moved(instrument, self.now, span)]
        everybody = sum(move for move in all_moves if move > 0)
        took = sum(t.lots for t in mine if t.took and t.side == order.side)
        if len(moves) < self.p["ramp_trades"]:
            whole = self._traded(instrument, self.now, span)
            taken = sum(t.lots for t in whole if t.took and t.side == order.side)
            large, share = self.p["ramp_large_percent"], self.p["ignition_share_percent"]
            if len(moves) < self.p["ramp_few_trades"] or took * 100 < share * taken:
                return
            if sum(moves) * 100 < large * everybody:
                return
        if sum(moves) * 100 < self.p["ramp_share_percent"] * everybody:
            return
        if not self._one_way(mine, order.side):
            return
        if self._cool("ramp", order.owner, instrument):
            return
        self._tell(
            lay.Detector.RAMPING,
            instrument,
            [order.who],
            100 * sum(moves) // max(everybody, 1),
            self.now - span,
            0,
            took,
            ahead,
            0,
            len(moves),
            [seq],
        )

    def _across(self, instrument: int, order: Order) -> None:
        linked, up = int(self.links[instrument]), order.side == Side.SELL
        if linked < 0 or order.owner not in self.cells[linked] or linked not in self.last:
            return
        span = self.p["ignition_ns"]
        linked_trades = self._traded(linked, self.now, span, order.owner)
        ahead = sum(self._moved(linked, self.now, span, order.owner)) * (1 if up else -1)
        ahead = max(ahead, self._market_moved(linked, span, up))
        if ahead < self._least(linked, self.last[linked], "cross_bps"):
            return
        took = sum(t.lots for t in linked_trades if t.took and t.side != order.side)
        market = sum(
            t.lots for t in self._traded(linked, self.now, span) if t.took and t.side != order.side
        )
        average = self._average(linked)
        if not average or took < self.p["cross_size"] * average:
            return
        if took * 100 < self.p["cross_share_percent"] * market:
            return
        mine = self._traded(instrument, self.now, span, order.owner)
        here = sum(t.lots for t in mine if t.took and t.side == order.side)
        if here < self.p["cross_lots"] * took:
            return
        if not self._one_way(linked_trades, 3 - order.side) or not self._one_way(mine, order.side):
            return
        if self._cool("cross", order.owner, instrument):
            return
        self._tell(
            lay.Detector.CROSS_MARKET,
            instrument,
            [order.who],
            70,
            self.now - span,
            0,
            here,
            ahead,
            0,
            1,
            [self.cause],
        )

    def _phase(self, instrument: int, old: int, new: int) -> None:
        if new == Phase.HALT != old and instrument in self.last:
            self.halts[instrument] = self.now, self.last[instrument]
        if new == Phase.CONTINUOUS != old:
            self.opened_ns[instrument] = self.now
        ends = Phase.CLOSED, Phase.CLOSING_AUCTION, Phase.TRADING_AT_LAST
        if (old, new) == (Phase.CONTINUOUS, Phase.CLOSING_AUCTION) and instrument in self.last:
            middle = self._middle(instrument)
            was = 2 * self.last[instrument] if middle is None else middle
            self.calls[instrument] = self.now, was
        if old == Phase.CONTINUOUS and new in ends and instrument in self.last:
            self._marked(instrument, lay.Detector.MARKING_CLOSE, self.now)

    def _after_halt(self, instrument: int, price: int) -> None:
        """Before the first trade after a halt: who took much one way ahead of it, and gains."""
        if instrument not in self.halts:
            return
        halted_ns, was = self.halts.pop(instrument)
        move = limited(2 * (price - was))
        if abs(move) < self._least(instrument, was, "halt_bps"):
            return
        side = Side.BUY if move > 0 else Side.SELL
        for owner in reversed(self.cells[instrument]):
            net = self._one_way_lots(instrument, owner, halted_ns, side)
            if not net:
                continue
            kind, begin = lay.Detector.INSIDER_TIMING, halted_ns - 5 * MINUTE
            gain, evidence = abs(move) * min(net, 1 << 31), [self.cause]
            self._tell(kind, instrument, [owner], 60, begin, 0, net, move, gain, 1, evidence)

    def _one_way_lots(self, instrument: int, owner: int, at_ns: int, side: int) -> int:
        """What an owner took in the five minutes before, net; 0: little, both ways, as always."""
        whole = self._traded(instrument, at_ns, 5 * MINUTE)
        mine = [t for t in whole if t.owner == owner]
        net = sum(t.lots if t.side == side else -t.lots for t in mine if t.took)
        taken = sum(t.lots for t in whole if t.took)
        if net <= 0 or net * 100 < self.p["halt_percent"] * taken:
            return 0
        if not self._one_way(mine, side):
            return 0
        lots: dict[int, int] = defaultdict(int)
        for t in self.trades[instrument]:
            if t.owner == owner:
                lots[t.ns // (5 * MINUTE)] += t.lots
        before = [lots[n] for n in range(min(lots), max(lots))][-lay.VOLUMES : -1]
        return 0 if net * len(before) < self.p["halt_times"] * sum(before) else net

    # Prices that decide about others.

    def _uncrossed(self, instrument: int, price: int, lots: int) -> None:
        if instrument not in self.calls:
            return
        begun, was = self.calls.pop(instrument)
        move = limited(2 * price - was)
        if not lots or abs(move) < self._least(instrument, price, "marking_bps"):
            return
        side, late = Side.BUY if move > 0 else Side.SELL, begun + (self.now - begun) // 2
        for owner in reversed(self.cells[instrument]):
            mine = [
                o for o in self.orders.values() if (o.owner, o.instrument) == (owner, instrument)
            ]
            mine = [
                o
                for o in mine[::-1][:64]
                if o.side == side and o.born_ns >= late
                if (o.price >= price if side == Side.BUY else o.price <= price)
            ]
            own = min(sum(o.leaves for o in mine), lots)
            if not own or own * 100 < self.p["marking_share_percent"] * lots:
                continue
            kind, score, first = lay.Detector.MARKING_CLOSE, 40 + 60 * own // lots, mine[-1]
            begin, seq = first.born_ns, first.born_seq
            evidence = [seq, self.cause]
            self._tell(kind, instrument, [owner], score, begin, seq, own, move, 0, 1, evidence)

    def _hedged(self, instrument: int, owner: int, end_ns: int, span: int, side: int) -> bool:
        linked = int(self.links[instrument])
        if linked < 0 or owner not in self.cells[linked]:
            return False
        here = self._traded(instrument, end_ns, span, owner)
        there = self._traded(linked, end_ns, span, owner)
        took = sum(t.lots for t in here if t.took and t.side == side)
        back = sum(t.lots for t in there if t.took and t.side != side)
        return took <= 2 * back <= 3 * took

    def _fixed(self, instrument: int) -> None:
        """A price is fixed: who moved it in the five minutes before?"""
        if instrument not in self.last:
            return
        price, span = self.last[instrument], 5 * MINUTE
        for owner in reversed(self.cells[instrument]):
            mine = [t for t in self._traded(instrument, self.now, span, owner) if t.took]
            net = sum(t.lots if t.side == Side.BUY else -t.lots for t in mine)
            side = Side.BUY if net > 0 else Side.SELL
            net = self._one_way_lots(instrument, owner, self.now, side)
            ahead = self._closing_move(instrument, self.now, span, side == Side.BUY)
            move = ahead if side == Side.BUY else -ahead
            if not net or ahead < self._least(instrument, price, "marking_bps"):
                continue
            if self._hedged(instrument, owner, self.now, span, side):
                continue
            if self._cool("ramp", owner, instrument):
                continue
            kind, begin = lay.Detector.RAMPING, self.now - span
            self._tell(kind, instrument, [owner], 60, begin, 0, net, move, 0, 1, [self.cause])

    def _moved_mark(self, instrument: int, order: Order) -> None:
        """The mid of what contracts are marked by moves a taker's way: does it hold some?"""
        span, sign = self.p["ignition_ns"], 1 if order.side == Side.BUY else -1
        ahead = sign * sum(self._moved(instrument, self.now, span, order.owner))
        ahead = max(ahead, self._market_moved(instrument, span, order.side == Side.BUY))
        if ahead < self._least(instrument, self.last[instrument], "cross_bps"):
            return
        whole = self._traded(instrument, self.now, span)
        mine = [t for t in whole if t.owner == order.owner]
        took = sum(t.lots for t in mine if t.took and t.side == order.side)
        market = sum(t.lots for t in whole if t.took and t.side == order.side)
        longer = self._traded(instrument, self.now, 5 * MINUTE, order.owner)
        commonly = sum(t.lots for t in longer if t.took and t.side == order.side)
        if took * 100 < self.p["ignition_share_percent"] * market:
            return
        if took * 100 < self.p["ignition_own_percent"] * commonly:
            return
        average = self._average(instrument)
        if not average or took < self.p["cross_size"] * average:
            return
        if not self._one_way(mine, order.side):
            return
        if self._hedged(instrument, order.owner, self.now, span, order.side):
            return
        for number, linked in enumerate(self.links.tolist()):
            if linked != instrument or order.owner not in self.cells[number]:
                continue
            held, average = self.positions[order.owner, number] * sign, self._average(number)
            if held < self.p["cross_lots"] * took or not average:
                continue
            if held < self.p["cross_size"] * average:
                continue
            if not self._cool("cross", order.owner, instrument):
                kind, begin = lay.Detector.CROSS_MARKET, self.now - span
                gain, who = ahead * min(held, 1 << 20), [order.who]
                self._tell(kind, instrument, who, 60, begin, 0, took, ahead, gain, 1, [self.cause])
            return

    def _opened(self, instrument: int) -> None:
        begun = self.opened_ns.get(instrument)
        if begun is None or self.now < begun + self.p["marking_ns"]:
            return
        del self.opened_ns[instrument]
        if instrument in self.last:
            self._marked(instrument, lay.Detector.MARKING_OPEN, begun + self.p["marking_ns"])

    def _marked(self, instrument: int, detector: lay.Detector, end_ns: int) -> None:
        span = self.p["marking_ns"]
        for owner in reversed(self.cells[instrument]):
            mine = self._traded(instrument, end_ns, span, owner)
            all_trades = self._traded(instrument, end_ns, span)
            move = sum(self._moved(instrument, end_ns, span, owner))
            bought, sold = (
                sum(t.lots for t in mine if t.took and t.side == side)
                for side in (Side.BUY, Side.SELL)
            )
            taken = sum(t.lots for t in all_trades if t.took)
            side = Side.BUY if bought > sold else Side.SELL
            times = {t.ns // lay.BUCKET_NS for t in mine if t.took and t.side == side}
            seldom = len(times) < self.p["marking_times"]
            large = abs(bought - sold) * 100 >= self.p["marking_large_percent"] * taken
            opens = detector == lay.Detector.MARKING_OPEN
            if opens and (seldom or not large):
                continue
            name = "marking_bps" if opens or seldom or not large else "marking_large_bps"
            least = self._least(instrument, self.last[instrument], name)
            pressed = abs(move) < least
            if not pressed:
                side = Side.BUY if move > 0 else Side.SELL
                took = bought if move > 0 else sold
                everybody = sum(t.lots for t in all_trades if t.took and t.side == side)
                if took * 100 < self.p["marking_share_percent"] * everybody:
                    continue
            else:
                took, everybody = abs(bought - sold), taken
                part = "marking_large_percent" if seldom else "marking_pressure_percent"
                if not took or took * 100 < self.p[part] * everybody:
                    continue
                own = move if side == Side.BUY else -move
                if own <= 0 and seldom and max(times) < end_ns // lay.BUCKET_NS - 1:
                    continue
                ahead = self._closing_move(instrument, end_ns, span, side == Side.BUY)
                if ahead < least:
                    continue
                move = ahead if side == Side.BUY else -ahead
            late = sum(t.lots for t in mine if t.side == side)
            before = sum(
                t.lots
                for t in self._traded(instrument, end_ns, 5 * MINUTE, owner)
                if t.side == side
            )
            if late * 100 < self.p["marking_own_percent"] * before:
                continue
            if self._hedged(instrument, owner, end_ns, span, side):
                continue
            volume = sum(t.lots for t in all_trades if t.side == Side.BUY)
            if pressed and late * 100 < self.p["marking_volume_percent"] * volume:
                continue
            self._tell(
                detector,
                instrument,
                [owner],
                40 + 60 * took // max(everybody, 1),
                end_ns - span,
                0,
                took,
                move,
                0,
                1,
                [self.cause],
            )

    def _closing_move(self, instrument: int, end_ns: int, span: int, up: bool) -> int:
        """How far the market is from where it was, half ticks: at the last price or the mid;
        from mids of the span, or the average price before."""
        base, last = self.base[instrument], end_ns // lay.BUCKET_NS
        sign = 1 if up else -1
        whole = [t for t in self._traded(instrument, end_ns, 5 * MINUTE) if t.side == Side.BUY]
        late = self._traded(instrument, end_ns, span)
        now = sign * 2 * min(max(self.last[instrument] - base, -(1 << 20)), 1 << 20)
        middle = self._middle(instrument)
        if middle is not None:
            now = max(now, sign * limited(middle - 2 * base))
        rows = [
            self.middles.get((instrument, last - back)) for back in range(span // lay.BUCKET_NS + 1)
        ]
        moves = [now - sign * limited(was - 2 * base) for was in rows if was is not None]
        early = [t for t in whole if t not in late]
        lots = sum(t.lots for t in early)
        if lots > 0:
            value = sum(self._value(instrument, t) for t in early)
            moves.append(int(now - sign * 2 * (value / lots)))
        return max([0, *moves])

    # Messages and volume.

    def _since(self, cell: tuple[int, int], what: str, begin_ns: int) -> list[int]:
        return [age for ns, kind, age in self.messages[cell] if kind == what and ns >= begin_ns]

    def _message(self, owner: int, instrument: int, who: int, what: str, weight: int) -> None:
        cell = owner, instrument
        self.messages[cell].append((self.now, what, 0))
        self.messages[cell] += [(self.now, "sent", 0)] * weight
        day = self.now // DAY * DAY
        orders, key = len(self._since(cell, "sent", day)), (*cell, day)
        if orders < self.next_ratio.setdefault(key, self.p["otr_messages"]):
            return
        self.next_ratio[key] = 2 * orders
        trades = max(len(self._since(cell, "traded", day)), 1)
        if orders >= (self.p["otr_limit"] + 1) * trades:
            self._tell(
                lay.Detector.ORDER_TO_TRADE,
                instrument,
                [who],
                40,
                day,
                0,
                orders,
                0,
                0,
                orders // trades,
                [self.cause],
            )

    def _gone(self, owner: int, instrument: int, born: int, who: int) -> None:
        cell, age = (owner, instrument), self.now - born
        self.messages[cell].append((self.now, "gone", age))
        if age <= SECOND:
            self._quote_stuffing(cell, who)
            self._stuffed_together(instrument)
        if age <= self.p["fleeting_ns"]:
            self._fleeting(cell, who)

    def _quote_stuffing(self, cell: tuple[int, int], who: int) -> None:
        second = self.now // SECOND * SECOND
        entered = len(self._since(cell, "entered", second))
        gone = sum(age <= SECOND for age in self._since(cell, "gone", second))
        share, least = self.p["stuffing_gone_percent"], self.p["stuffing_orders"]
        if gone * 100 < least * share or entered < least or gone * 100 < share * entered:
            return
        if len(self._since(cell, "traded", second)) * 100 > entered:
            return
        if self.reported_at.get(("stuffing", *cell)) == second:
            return
        self.reported_at["stuffing", *cell] = second
        seen = self._again(
            ("stuffing", *cell), self.p["stuffing_window_ns"], self.cause, 0, entered
        )
        if len(seen) >= self.p["stuffing_repeats"]:
            self._tell(
                lay.Detector.QUOTE_STUFFING,
                cell[1],
                [who],
                40 + 10 * len(seen),
                seen[0][0],
                seen[0][1],
                sum(repeat[3] for repeat in seen),
                0,
                0,
                len(seen),
                [seen[0][1], self.cause],
            )

    def _stuffed_together(self, instrument: int) -> None:
        """Bursts of several owners in one second, and the same ones again."""
        second, window = self.now // SECOND * SECOND, self.now // (5 * MINUTE) * 5 * MINUTE
        least, share = self.p["stuffing_orders"], self.p["stuffing_gone_percent"]
        fast = {
            owner: sum(age <= SECOND for age in self._since((owner, instrument), "gone", second))
            for owner in reversed(self.cells[instrument])
        }
        if sum(fast.values()) * 100 < least * share or sum(fast.values()) % 16:
            return
        members, entered = [], 0
        for owner, gone in fast.items():
            own = len(self._since((owner, instrument), "entered", second))
            traded = len(self._since((owner, instrument), "traded", second))
            whole = len(self._since((owner, instrument), "entered", window))
            passed = (second - window) // SECOND + 1
            small = own * 100 < least * self.p["stuffing_part_percent"]
            if not own + gone + traded or small or traded * 100 > own or gone * 100 < share * own:
                continue
            if own * passed >= self.p["stuffing_burst"] * whole:
                members.append(owner)
                entered += own
        key = "stuffing", instrument, tuple(sorted(members))
        if self.reported_at.get(("together", instrument)) == second:
            return
        if len(members) < 2 or entered < least:
            return
        self.reported_at["together", instrument] = second
        seen = self._again(key, self.p["stuffing_window_ns"], self.cause, 0, entered)
        if len(seen) >= self.p["stuffing_repeats"]:
            kind, score, lots = (
                lay.Detector.QUOTE_STUFFING,
                40 + 10 * len(seen),
                sum(repeat[3] for repeat in seen),
            )
            begin, first = seen[0][:2]
            evidence = [first, self.cause]
            self._tell(
                kind, instrument, members, score, begin, first, lots, 0, 0, len(seen), evidence
            )

    def _fleeting(self, cell: tuple[int, int], who: int) -> None:
        begin = self.now // (5 * MINUTE) * 5 * MINUTE
        entered = len(self._since(cell, "entered", begin))
        gone = sum(age <= self.p["fleeting_ns"] for age in self._since(cell, "gone", begin))
        if gone < self.p["fleeting_cancels"] or gone * 100 < self.p["fleeting_percent"] * entered:
            return
        if len(self._since(cell, "traded", begin)) * 100 > entered:
            return
        if self.reported_at.get(("fleeting", *cell)) != begin:
            self.reported_at["fleeting", *cell] = begin
            score = 100 * gone // max(entered, 1)
            self._tell(
                lay.Detector.EXCESSIVE_CANCELS,
                cell[1],
                [who],
                score,
                begin,
                0,
                gone,
                0,
                0,
                entered,
                [self.cause],
            )

    def _windows(self, instrument: int, owner: int) -> tuple[int, list[int]]:
        """Lots of this window of five minutes, and of those from the owner's first to the last."""
        window = self.now // (5 * MINUTE)
        lots: dict[int, int] = defaultdict(int)
        for t in self.trades[instrument]:
            if t.owner == owner:
                lots[t.ns // (5 * MINUTE)] += t.lots
        first, last = min(lots, default=window), max(lots, default=window)
        if last < window:
            return 0, []
        return lots[window], [lots[n] for n in range(first, window)]

    def _volume(self, instrument: int, order: Order) -> None:
        own, before = self._windows(instrument, order.owner)
        key = "volume", order.owner, instrument
        window = self.now // (5 * MINUTE)
        if len(before) < self.p["volume_history"] or self.reported_at.get(key) == window:
            return
        total, count = sum(before[-lay.VOLUMES :]), min(len(before), lay.VOLUMES)
        if not total or own * count < self.p["volume_times"] * total:
            return
        # Both parties' rows are half of the market each; the taker's is not there yet.
        market = max(
            sum(
                t.lots
                for t in [t for t in self.trades[instrument] if t.ns // (5 * MINUTE) == n][::2]
            )
            for n in (window, window - 1)
        )
        if own * 100 < self.p["volume_share_percent"] * market:
            return
        self.reported_at[key] = window
        self._tell(
            lay.Detector.SUSPICIOUS_VOLUME,
            instrument,
            [order.who],
            20 + min(own * count // total, 40),
            window * 5 * MINUTE,
            0,
            own,
            0,
            0,
            own * count // total,
            [self.cause],
        )

    # Around client orders; money.

    def _around(self, instrument: int, order: Order, price: int, lots: int) -> None:
        for number, row in enumerate(self.clients):
            if row["instrument"] != instrument or self.now < row["known"]:
                continue
            if row["client"] == order.who:
                continue
            tally, entered = self.around[number, order.owner], row["entered"]
            same = order.side == row["side"]
            apart = min(max(price - self.base[instrument], -(1 << 20)), 1 << 20)
            value = apart * min(lots, 1 << 31)
            if entered is None and same and self.now <= row["known"] + self.p["front_ahead_ns"]:
                if not tally.ahead:
                    tally.first_seq, tally.first_ns = self.cause, self.now
                tally.ahead += lots
                tally.ahead_value += value
            elif entered is not None and not same:
                late = self.now > entered + self.p["front_after_ns"]
                if not late and tally.ahead and not tally.reported:
                    tally.turned += lots
                    tally.turned_value += value
                    self._judge(instrument, order, row, tally)

    def _judge(self, instrument: int, order: Order, row: dict[str, Any], tally: Around) -> None:
        if tally.ahead * 100 < self.p["front_percent"] * row["lots"]:
            return
        if tally.turned * 100 < self.p["front_turned_percent"] * tally.ahead:
            return
        apart = tally.turned_value / tally.turned - tally.ahead_value / tally.ahead
        apart = apart if row["side"] == Side.BUY else -apart
        front = order.owner == self.owners[row["broker"]]
        if not front:
            if apart <= 0:
                return
            _, before = self._windows(instrument, order.owner)
            before = before[-lay.VOLUMES :]
            if not before or tally.ahead * len(before) < self.p["insider_times"] * sum(before):
                return
        tally.reported = True
        detector = lay.Detector.FRONT_RUNNING if front else lay.Detector.INSIDER_TIMING
        self._tell(
            detector,
            instrument,
            [order.who],
            80 if front else 50,
            tally.first_ns,
            tally.first_seq,
            tally.ahead,
            0,
            int(apart * 2 * min(tally.turned, 1 << 31)),
            1,
            [tally.first_seq, row["seq"], self.cause],
        )

    def _tell(
        self,
        detector: lay.Detector,
        instrument: int,
        who: list[int],
        score: int,
        first_ns: int,
        first_seq: int,
        lots: int,
        move: int,
        gain: int,
        repeats: int,
        evidence: list[int],
    ) -> None:
        members = list(dict.fromkeys(who))[: lay.MEMBERS]
        self.hits.append(
            {
                "ts_ns": self.now,
                "first_ns": first_ns,
                "seq": self.cause,
                "first_seq": first_seq,
                "detector": int(detector),
                "instrument": instrument,
                "members": len(members),
                "score": min(max(score, 1), 100),
                "participants": members,
                "lots": lots,
                "move_half_ticks": move,
                "gain_half_ticks": gain,
                "repeats": repeats,
                "evidence": evidence + [0] * (lay.EVIDENCE - len(evidence)),
                "number": len(self.hits) + 1,
            }
        )
