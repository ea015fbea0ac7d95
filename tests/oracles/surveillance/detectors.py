"""The same detectors in plain Python: slow, and plainly right.

Nothing is kept that can be worked out: every order, trade and message stays in a list, and each
rule looks through all of them.  The kernels are tested against it, hit by hit.
"""

from typing import Any

import numpy.typing as npt

import openoutcry.surveillance.detect.layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.surveillance.detect.corporate import ADJUST, DIVIDEND, SPLIT
from openoutcry.surveillance.detect.settings import link_indices
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason, Side
from openoutcry.wire.records import EVENT_DTYPE, NO_INSTRUMENT
from tests.oracles.surveillance.rows import Order, Trade, limited
from tests.oracles.surveillance.rules import Hit, Rules

BY_OWNER = (Reason.USER, Reason.MASS_CANCEL, Reason.REDUCED_TO_ZERO, Reason.DISCONNECTED)
MOVED = (EventKind.REPLACED, EventKind.REPEGGED, EventKind.ELECTED, EventKind.CONVERTED)
CHANGED = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REDUCED, *MOVED)


class Reference(Rules):
    """:class:`~openoutcry.surveillance.detect.state.Detectors`, slowly: ``watch`` gives dicts."""

    def watch(self, commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> list[Hit]:
        """The hits of these commands and all of their events."""
        begin = len(self.hits)
        self.risk = {int(row["seq"]): row for row in commands if row["kind"] == CommandKind.RISK}
        times = dict(zip(commands["seq"].tolist(), commands["rx_ts_ns"].tolist(), strict=True))
        for_all = (commands["kind"] == CommandKind.MASS_CANCEL) & (commands["aux"] == 1)
        self.by_operator = set(commands["seq"][for_all].tolist())
        for event in events:
            e = {name: int(event[name]) for name in EVENT_DTYPE.names or ()}
            self._event(e, times[e["cause_seq"]])
            self._rules(e["cause_seq"])
        return self.hits[begin:]

    def _rules(self, seq: int) -> None:
        """A piece of the rules of indices, after its event."""
        piece = self.risk.get(seq)
        if piece is not None and piece["order_type"] == Setting.INDEX_RULES:
            words = (int(piece[name]) for name in ("qty_lots", "price_ticks", "aux"))
            named = {symbol for pair in self.settings.linked for symbol in pair}
            if text := self.pieces.take(*words):
                link_indices(self.links, self.symbols, named, text)

    def _event(self, e: dict[str, int], stamp: int) -> None:
        kind, instrument = e["kind"], e["instrument"]
        if e["cause_seq"] != self.cause:
            self.mover = None
        self.cause, self.now = e["cause_seq"], max(self.now, stamp)
        if kind == EventKind.REJECTED or instrument == NO_INSTRUMENT:
            if kind == EventKind.COMPLETED:
                self._called(e)
                self._deposited(e)
            return
        if self.seen_cause.get(instrument) != self.cause:
            self.seen_cause[instrument] = self.cause
            self.quotes[instrument] = self._best(instrument, 1), self._best(instrument, 2)
            self._credit_move(instrument)
            self._opened(instrument)
        if kind == EventKind.ACCEPTED:
            self._accepted(e)
        elif kind == EventKind.FILLED:
            self._filled(e)
        elif kind in CHANGED:
            self._changed(e)
        elif kind == EventKind.PHASE_CHANGED:
            self._phase(instrument, e["contra_id"], e["qty_lots"])
        elif kind == EventKind.UNCROSSED:
            self._uncrossed(instrument, e["price_ticks"], e["qty_lots"])
        elif kind == EventKind.COMPLETED:
            if e["contra_id"] in (DIVIDEND, SPLIT, ADJUST):
                self._adjusted(instrument)
            self._called(e)
            self._deposited(e)

    # Events.

    def _accepted(self, e: dict[str, int]) -> None:
        instrument, who, flags = e["instrument"], e["participant"], e["flags"]
        lots, owner = limited(e["leaves_lots"]), int(self.owners[who])
        self._cell(owner, instrument)
        self.orders[instrument, e["order_id"]] = Order(
            e["order_id"],
            who,
            owner,
            instrument,
            e["side"],
            e["price_ticks"],
            lots,
            lots,
            self.now,
            self.cause,
            self._middle(instrument),
            bool(flags & EventFlag.HIDDEN),
            bool(flags & EventFlag.WAITING),
            e["contra_id"] if flags & EventFlag.ICEBERG else 0,
        )
        self.mover = owner, instrument
        self.entered[instrument].append((self.now, lots))
        self._message(owner, instrument, who, "entered", 1)
        for row in self.clients:
            same = (row["client"], row["instrument"], row["side"]) == (who, instrument, e["side"])
            if same and row["entered"] is None and row["known"] <= self.now:
                row["entered"], row["seq"] = self.now, self.cause
                break

    def _filled(self, e: dict[str, int]) -> None:
        key = e["instrument"], e["order_id"]
        auction = bool(e["flags"] & EventFlag.AUCTION)
        if e["flags"] & EventFlag.MAKER or (auction and e["side"] == Side.BUY):
            maker, taker = self.orders.get(key), self.orders.get((key[0], e["contra_id"]))
            if maker and taker:
                candidate = self.candidates.get((maker.owner, maker.instrument, maker.side))
                if candidate and maker.born_seq < candidate.seq:
                    candidate.hit += limited(e["qty_lots"])
                self._trade(e, maker, taker, auction)
        order = self.orders.get(key)
        if order:
            shown, order.leaves = order.shown, limited(e["leaves_lots"])
            if not order.leaves:
                self._peg_gone(order, order.lots if shown else 0)
                del self.orders[key]

    def _trade(self, e: dict[str, int], maker: Order, taker: Order, auction: bool) -> None:
        instrument, price, lots = e["instrument"], e["price_ticks"], limited(e["qty_lots"])
        self._after_halt(instrument, price)
        if instrument not in self.last:
            self.base[instrument] = price
        if not auction:
            self.takers[instrument] = self.now, self.cause, taker, self._middle(instrument)
        self.last[instrument] = price
        bucket = instrument, self.now // lay.BUCKET_NS
        self.middles.setdefault(bucket, self._middle(instrument))
        for order in (maker, taker):
            took = order is taker and not auction
            self.trades[instrument].append(
                Trade(self.now, order.owner, order.side, price, lots, took)
            )
            self.messages[order.owner, instrument].append((self.now, "traded", 0))
            self.positions[order.owner, instrument] += lots if order.side == Side.BUY else -lots
            self._volume(instrument, order)
        for order in (maker, taker):
            if self.tracks:
                self._paid(order, price, lots)
        if instrument in self.marks:
            self._far(instrument, maker, taker, price, lots)
        if self._is_off_book():
            self._off_book(instrument, maker, taker, price, lots)
        if auction:
            return
        self._count(("trades", instrument, maker.owner))
        self._count(("trades", instrument, taker.owner))
        smaller, larger = sorted((maker.lots, taker.lots))
        share, leg = "wash_matched_percent" if smaller == larger else "wash_uneven_percent", lots
        if (
            maker.owner != taker.owner
            and self.now - maker.born_ns <= self.p["wash_together_ns"]
            and smaller * 100 >= self.p["wash_uneven_percent"] * larger
        ):
            share, leg = "wash_together_percent", smaller
        elif smaller == larger:
            leg = larger
        if lots * 100 >= self.p[share] * larger:
            self._matched(instrument, maker, taker, price, leg)
        for pegged, other in ((maker, taker), (taker, maker)):
            self._met(pegged, other, price, lots)
        for order in (maker, taker):
            if maker.owner != taker.owner:
                self._pressure(order, instrument, price, lots, order is taker)
                linked = int(self.links[instrument])
                mine = [
                    o
                    for o in self.orders.values()
                    if (o.owner, o.instrument) == (order.owner, order.instrument)
                ]
                quotes = [o for o in mine[::-1][:64] if o.side != order.side and o.shown]
                if linked >= 0 and order.owner in self.cells[linked] and not quotes:
                    self._pressure(order, linked, price, lots, takes=False)
                self._ignition(instrument, order, price)
                self._across(instrument, order)
                if order is taker and self.links[instrument] >= 0:
                    self._moved_mark(instrument, order)
            self._around(instrument, order, price, lots)

    def _changed(self, e: dict[str, int]) -> None:
        kind, key = e["kind"], (e["instrument"], e["order_id"])
        order = self.orders.get(key)
        if order is None:
            return
        leaves, price = limited(e["leaves_lots"]), order.price
        shown, born = order.shown, order.born_ns
        cell = order.owner, order.instrument
        if kind in MOVED:
            price = e["price_ticks"]
        operators = self.cause in self.by_operator
        if kind == EventKind.CANCELLED and e["reason"] in BY_OWNER and not operators:
            self._withdrawn(order, shown)
            self._peg_gone(order, order.lots if shown else 0)
            self._gone(*cell, born, order.who)
            self._message(*cell, order.who, "", 1)
        elif kind == EventKind.REDUCED and e["reason"] != Reason.SELF_TRADE:
            new_shown = min(order.display, leaves) if order.display else leaves
            gone = shown - (0 if order.hidden or order.waiting else new_shown)
            self._withdrawn(order, gone)
            self._peg_gone(order, gone)
            self._message(*cell, order.who, "", 2)
        elif kind == EventKind.REPLACED:
            away = price < order.price if order.side == Side.BUY else price > order.price
            self._withdrawn(order, shown if away else shown - leaves)
            self._peg_gone(order, order.lots if shown and away else shown - leaves)
        elif kind == EventKind.REPEGGED:
            self._repegged(order, price, bool(e["flags"] & EventFlag.WAITING))
        if kind in MOVED:
            order.waiting = bool(e["flags"] & EventFlag.WAITING)
        order.price, order.leaves = price, leaves
        if kind == EventKind.REPLACED:
            self._gone(*cell, born, order.who)
            self._message(*cell, order.who, "entered", 2)
            if not e["flags"] & EventFlag.KEPT_PLACE:
                self.mover = order.owner, order.instrument
                order.born_ns, order.born_seq = self.now, self.cause
                order.middle = self._middle(order.instrument)
            order.lots = leaves
        if not leaves:
            del self.orders[key]

    def _adjusted(self, instrument: int) -> None:
        """A split or a dividend: prices and lots of before are forgotten."""
        for rows in (self.trades, self.moves, self.entered, self.legs):
            rows.pop(instrument, None)  # type: ignore[attr-defined]
        self.middles = {key: middle for key, middle in self.middles.items() if key[0] != instrument}
        self.candidates = {
            key: candidate for key, candidate in self.candidates.items() if key[1] != instrument
        }
        self.pegs = {key: one for key, one in self.pegs.items() if key[1] != instrument}
        self.flips = {key: one for key, one in self.flips.items() if key[1] != instrument}
        for owner in self.cells[instrument]:
            self.positions[owner, instrument] = 0
        self.calls.pop(instrument, None)
        self.marks.pop(instrument, None)
        self.staged.pop(instrument, None)
        self.halts.pop(instrument, None)
        for known in (self.last, self.takers, self.opened_ns):
            known.pop(instrument, None)  # type: ignore[attr-defined]
        for key in [key for key in self.reported_at if key[0] == "volume" and key[2] == instrument]:
            del self.reported_at[key]
        for key in list(self.around):
            if self.clients[key[0]]["instrument"] == instrument:
                del self.around[key]

    def _called(self, e: dict[str, int]) -> None:
        """Marks, and what shows a margin call."""
        command, instrument = self.risk.get(e["cause_seq"]), e["instrument"]
        if command is None:
            return
        what, value = Setting(e["contra_id"]), int(command["aux"])
        fixing = Setting.CONTRACT_SETTLE, Setting.CONTRACT_FUNDING, Setting.CONTRACT_EXPIRE
        if what in fixing and instrument != NO_INSTRUMENT:
            self._fixed(instrument)
            if self.links[instrument] >= 0:
                self._fixed(int(self.links[instrument]))
        if what is Setting.CONTRACT_APPLY:
            self.marks |= self.staged if value else {}
            self.staged = {}
        elif what in (Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE, Setting.CONTRACT_LIST):
            (self.staged if command["time_in_force"] == 1 else self.marks)[instrument] = value
        elif what in (Setting.LIQUIDATE, Setting.DELEVERAGE):
            self.called[instrument] = self.now, self.cause
            if what is Setting.LIQUIDATE:
                self._look_back(instrument, int(command["qty_lots"]))

    def _look_back(self, instrument: int, who: int) -> None:
        own = [one for one in self.gifts if one[2:4] == (instrument, int(self.owners[who]))]
        self.gifts = [one for one in self.gifts if one not in own]
        seen = [one for one in own[-8:] if self.now - one[0] <= self.p["call_before_ns"]]
        if seen:
            gains, lots = (sum(one[at] for one in seen) for at in (4, 5))
            score, seq = 50 + 10 * len(seen), seen[-1][1]
            tell, kind = self._tell, lay.Detector.CALLED_TRADES
            evidence = [seq, self.cause]
            tell(
                kind,
                instrument,
                [who],
                min(score, 100),
                self.now,
                seq,
                lots,
                0,
                gains,
                len(seen),
                evidence,
            )

    def _far(self, instrument: int, maker: Order, taker: Order, price: int, lots: int) -> None:
        """A trade far from the mark: the one that pays more, or gets less, loses."""
        mark = self.marks[instrument]
        away = abs(price - mark)
        if away * 10_000 <= self.p["call_away_bps"] * abs(mark):
            return
        buyer, seller = (maker, taker) if maker.side == Side.BUY else (taker, maker)
        loses, gains = (buyer, seller) if price > mark else (seller, buyer)
        gain = 2 * away * min(lots, 1 << 20)
        ns, seq = self.called.get(instrument, (0, 0))
        if not seq or self.now - ns > self.p["call_after_ns"]:
            self.gifts.append((self.now, self.cause, instrument, loses.owner, gain, lots))
            return
        members = list(dict.fromkeys([loses.who, gains.who]))
        self._tell(
            lay.Detector.CALLED_TRADES,
            instrument,
            members,
            60,
            ns,
            seq,
            lots,
            2 * away,
            gain,
            1,
            [seq, self.cause],
        )

    def _deposited(self, e: dict[str, int]) -> None:
        if self.tracks and e["contra_id"] == 1 and 0 <= e["qty_lots"] < lay.CASH_PARTICIPANTS:
            who = e["qty_lots"]
            self.cash[who] = self.cash.get(who, 0) + e["leaves_lots"]
            self._overdrawn(who, NO_INSTRUMENT)

    def _paid(self, order: Order, price: int, lots: int) -> None:
        if order.who not in self.cash or self.money.leveraged[order.instrument]:
            return
        amount = price * lots * int(self.money.multiplier[order.instrument])
        self.cash[order.who] += -amount if order.side == Side.BUY else amount
        self._overdrawn(order.who, order.instrument)

    def _overdrawn(self, who: int, instrument: int) -> None:
        if self.cash[who] >= 0:
            self.overdrawn.discard(who)
        elif who not in self.overdrawn:
            self.overdrawn.add(who)
            self._tell(
                lay.Detector.NEGATIVE_BALANCE,
                instrument,
                [who],
                90,
                self.now,
                self.cause,
                0,
                0,
                self.cash[who],
                1,
                [self.cause],
            )


def as_dicts(hits: npt.NDArray[Any]) -> list[Hit]:
    """Hits (HIT_DTYPE) as the reference gives them."""
    rows = []
    for hit in hits:
        row = {name: hit[name].tolist() for name in hits.dtype.names or ()}
        row["participants"] = row["participants"][: row["members"]]
        rows.append(row)
    return rows
