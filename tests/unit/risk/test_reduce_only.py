"""Reduce-only orders, judged from commands and events alone (docs/risk.md).

The judge keeps positions and open orders in plain Python.  No fill of a reduce-only order makes a
position larger or turns it round.  After each command, what is open on a side with such orders is
no more than the position; and no more of them was cut than that needs, the least likely first.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.journal.core import Core
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View, setting
from openoutcry.risk.requests import WHOLE
from openoutcry.venue.requests import opening
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import (
    REDUCE_ONLY,
    CommandKind,
    Contingency,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
)
from openoutcry.wire.order_types import STOPS
from tests.support.matcher.matcher_script import format_event, parse_command
from tests.support.risk.called import FALLEN, WHO, Floor

CHANGES = (
    EventKind.FILLED,
    EventKind.CANCELLED,
    EventKind.REDUCED,
    EventKind.REPLACED,
    EventKind.EXPIRED,
)
CAPACITY, MARK, PEOPLE = 64, 1_000, 6
SYMBOL = b"A"


@dataclass
class Open:
    """An open order as commands and events tell it."""

    who: int
    side: int
    leaves: int
    price: int
    reduces: bool
    is_stop: bool
    place: int
    order_type: int
    of: tuple[int, ...] = ()
    """Of a leg of an OCO or OUO list: which list it is, and the contingency."""

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """Who is kept longest comes first: who waits is cut first, then who is hidden, then the
        worse price, then the younger."""
        price = self.price if self.side == Side.SELL else -self.price
        return self.is_stop, self.order_type == OrderType.HIDDEN, price, self.place

    @property
    def has_rank(self) -> bool:
        """Whether the events of the order say where it stands."""
        return self.order_type in (OrderType.LIMIT, OrderType.POST_ONLY, OrderType.HIDDEN)


@dataclass
class Judge:
    """Positions and open orders of one instrument."""

    positions: dict[int, int] = field(default_factory=dict)
    orders: dict[int, Open] = field(default_factory=dict)
    of: tuple[int, ...] = ()
    """The list of the order that enters next."""

    def held(self, who: int, side: int) -> int:
        """The lots that an order of a side can take off."""
        position = self.positions.get(who, 0)
        return max(position if side == Side.SELL else -position, 0)

    def open_lots(self, who: int, side: int) -> int:
        """Of the legs of a list of which one trades, the largest counts."""
        mine = [o for o in self.orders.values() if (o.who, o.side) == (who, side)]
        lists = {o.of: [one.leaves for one in mine if one.of == o.of] for o in mine if o.of}
        return sum(o.leaves for o in mine if not o.of) + sum(map(max, lists.values()))

    def take(self, command: Any, events: Any) -> None:
        cut: list[Open] = []
        for e in events:
            self.follow(command, e, cut)
        for who in range(1, PEOPLE):
            for side in Side:
                self.judge_side(who, side, cut)

    def follow(self, command: Any, e: Any, cut: list[Open]) -> None:
        number, kind = int(e["order_id"]), EventKind(e["kind"])
        if kind == EventKind.COMPLETED and command["kind"] == CommandKind.NEW:
            contingency = int(e["leaves_lots"]) & 0xFF
            is_alone = contingency >= Contingency.OTO and e["qty_lots"] == 1
            is_alone |= contingency == Contingency.OTO
            self.of = () if is_alone else (int(e["price_ticks"]), contingency)
            return
        if kind == EventKind.ACCEPTED:
            order_type = int(command["order_type"])
            self.orders[number] = Open(
                who=int(e["participant"]),
                side=int(e["side"]),
                leaves=int(e["leaves_lots"]),
                price=int(e["price_ticks"]),
                reduces=bool(int(command["time_in_force"]) & REDUCE_ONLY),
                is_stop=order_type in STOPS or bool(e["flags"] & EventFlag.WAITING),
                place=int(e["seq"]),
                order_type=order_type,
                of=self.of,
            )
            self.of = ()
            return
        order = self.orders.get(number)
        if order is None:
            return
        if kind == EventKind.FILLED:
            qty = int(e["qty_lots"])
            if order.reduces:
                assert qty <= self.held(order.who, order.side), "a fill passes the position"
            sign = 1 if order.side == Side.BUY else -1
            self.positions[order.who] = self.positions.get(order.who, 0) + sign * qty
        if kind in (EventKind.CANCELLED, EventKind.REDUCED) and e["reason"] == Reason.REDUCE_ONLY:
            assert order.reduces, "only a reduce-only order is cut"
            cut.append(order)
        if kind == EventKind.ELECTED:
            order.is_stop = False
        elif kind in (EventKind.REPLACED, EventKind.CONVERTED):
            order.price = int(e["price_ticks"])
        if kind in (EventKind.ELECTED, EventKind.REPLACED, EventKind.CONVERTED):
            order.place = int(e["seq"])
        if kind in CHANGES:
            order.leaves = int(e["leaves_lots"])
            if order.leaves == 0:
                del self.orders[number]

    def judge_side(self, who: int, side: int, cut: list[Open]) -> None:
        kept = [o for o in self.orders.values() if (o.who, o.side, o.reduces) == (who, side, True)]
        lots, held = self.open_lots(who, side), self.held(who, side)
        if kept:
            assert lots <= held, "more is open than the position"
        gone = [o for o in cut if (o.who, o.side) == (who, side)]
        stay, gone = ([o.rank for o in some if o.has_rank] for some in (kept, gone))
        if stay and gone:
            assert max(stay) <= min(gone), "the likelier was cut"


class Market:
    """A perpetual on the real core, with its judge."""

    def __init__(self, spot: bool = False, options: int = 0) -> None:
        row = {"symbol": SYMBOL, "min_price_ticks": 1, "max_price_ticks": 10**6}
        row |= {"reference_price_ticks": MARK, "market_band_ticks": 900, "options": options}
        self.hooks: dict[str, Any] = {
            "name": "risk", "participants": PEOPLE, "order_capacity": CAPACITY, "leveraged": [0],
            "contracts": [[0, PERPETUAL, 0, 1, 0, 0, 0, 0]], "fund": PEOPLE - 1, "requests": 8,
        }  # fmt: skip
        if spot:
            self.hooks = {
                "name": "risk", "participants": PEOPLE, "order_capacity": CAPACITY,
                "assets": [["BTC", 8], ["USD", 2]], "spot": [[0, 0, 1, 1]], "movements": 8,
                "requests": 8,
            }  # fmt: skip
        self.core = Core(make_instruments([row]), CAPACITY, hooks=self.hooks)
        self.engine = self.core.fresh()
        self.judge = Judge()
        self.commands: list[npt.NDArray[Any]] = []
        self.events: list[npt.NDArray[Any]] = []
        if spot:
            return
        for what, value in ((Setting.DISTANCE, 9_000), (Setting.MARGIN, 1)):
            self.send(setting(what, value, 0, SYMBOL, 0))
        for who in range(1, PEOPLE):
            self.send(setting(Setting.DEPOSIT, 10**12, who, b"", 0))
            self.send(setting(Setting.CREDIT, 0, who, b"", 0))

    def send(self, what: Any) -> list[str]:
        """The events of a command, in words."""
        record = parse_command(what, 0) if isinstance(what, str) else what
        if isinstance(what, str):
            record["symbol"] = SYMBOL
        record["seq"] = self.engine.last_seq + 1
        events = self.engine.process(record)
        self.engine.check()
        self.commands.append(record)
        self.events.append(events)
        self.judge.take(record[0], events)
        return [format_event(e) for e in events]

    def view(self, who: int) -> int:
        return int(View(self.engine.region).cell(who, 0, lay.POSITION))

    def replayed(self) -> None:
        """One batch, and a copy restored after each command, give the same events and state."""
        whole, told = np.concatenate(self.commands), np.concatenate(self.events)
        once = self.core.fresh()
        assert once.process(whole).tobytes() == told.tobytes()
        assert once.state_hash() == self.engine.state_hash()
        again, parts = self.core.fresh(), []
        for number in range(len(whole)):
            parts.append(again.process(whole[number : number + 1]))
            if number % 7 == 0:
                again = self.core.restored(again.snapshot())
        assert np.concatenate(parts).tobytes() == told.tobytes()


@pytest.fixture
def market() -> Market:
    """Participant 1 has bought 5 of participant 2 at 1,000."""
    made = Market()
    made.send("NEW id=1 SELL 5@1000 p2")
    made.send("NEW id=2 BUY 5@1000 p1")
    return made


def refused(answer: list[str]) -> bool:
    return "RISK" in answer[0] and "REJECTED" in answer[0]


def test_it_is_refused_where_it_is_more_than_the_position(market):
    assert refused(market.send("NEW id=3 SELL 6@1010 REDUCE_ONLY p1"))
    event = market.events[-1][0]
    assert int(event["contra_id"]) == 1 << RiskBit.REDUCE_ONLY
    assert (event["price_ticks"], event["leaves_lots"], event["qty_lots"]) == (5, 0, 6)
    assert refused(market.send("NEW id=3 BUY 1@900 REDUCE_ONLY p1"))
    assert refused(market.send("NEW id=3 SELL 1@1010 REDUCE_ONLY p3"))
    assert not refused(market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1"))


def test_spot_has_no_positions():
    spot = Market(spot=True)
    assert refused(spot.send("NEW id=3 SELL 1@1010 REDUCE_ONLY p1"))


def test_another_sale_takes_the_position_and_the_order_goes_in_the_same_command(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    market.send("NEW id=4 BUY 3@990 p3")
    assert market.send("NEW id=5 SELL 3@990 p1") == [
        "ACCEPTED id=5 3@990 leaves=3",
        "FILLED id=4 3@990 leaves=0 contra=5 MAKER p3",
        "FILLED id=5 3@990 leaves=0 contra=4",
        "REDUCED id=3 3@1010 leaves=2 REDUCE_ONLY",
    ]
    market.send("NEW id=6 BUY 3@990 p3")
    assert market.send("NEW id=7 SELL 3 MARKET p1")[-1] == (
        "CANCELLED id=3 2@1010 leaves=0 REDUCE_ONLY"
    )
    assert market.view(1) == -1
    market.replayed()


def test_two_that_together_exceed_the_position_are_cut_from_the_farthest_on(market):
    market.send("NEW id=3 SELL 4@1020 REDUCE_ONLY p1")
    assert market.send("NEW id=4 SELL 4@1010 REDUCE_ONLY p1") == [
        "ACCEPTED id=4 4@1010 leaves=4",
        "REDUCED id=3 3@1020 leaves=1 REDUCE_ONLY",
    ]
    # The new one is the farther: it is cut itself.
    assert market.send("NEW id=5 SELL 2@1030 REDUCE_ONLY p1") == [
        "ACCEPTED id=5 2@1030 leaves=2",
        "CANCELLED id=5 2@1030 leaves=0 REDUCE_ONLY",
    ]
    market.replayed()


def test_what_is_not_reduce_only_comes_first(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    assert market.send("NEW id=4 SELL 2@1100 p1")[-1] == "REDUCED id=3 2@1010 leaves=3 REDUCE_ONLY"
    assert market.send("REPLACE id=4 5@1100 p1")[-1] == (
        "CANCELLED id=3 3@1010 leaves=0 REDUCE_ONLY"
    )


def test_a_rejected_order_cuts_nothing(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    market.send("NEW id=4 BUY 1@990 p3")
    assert "WOULD_CROSS" in market.send("NEW id=5 SELL 5@990 POST_ONLY p1")[0]
    assert market.judge.orders[3].leaves == 5


def test_a_stop_that_the_command_elects_meets_no_order_that_is_too_large(market):
    """Participant 1 sells its position; that elects a stop of another, which would buy its
    reduce-only order as well."""
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    market.send("NEW id=4 BUY 5@990 p3")
    market.send("NEW id=6 BUY 5 TAKE_PROFIT trigger=995 p4")
    assert market.send("NEW id=5 SELL 5@990 p1") == [
        "ACCEPTED id=5 5@990 leaves=5",
        "FILLED id=4 5@990 leaves=0 contra=5 MAKER p3",
        "FILLED id=5 5@990 leaves=0 contra=4",
        "CANCELLED id=3 5@1010 leaves=0 REDUCE_ONLY",
        "ELECTED id=6 5@995 leaves=5 p4",
        "CANCELLED id=6 5@0 leaves=0 MARKET_REST p4",
    ]
    market.replayed()


def both_exits(market, lots=5, contingency="OCO"):
    """A take-profit and a stop of participant 1's whole position, of which one trades."""
    for leg, (number, new) in enumerate(
        ((3, f"SELL {lots}@1010"), (4, f"SELL {lots} STOP trigger=900")), 1
    ):
        market.send(f"TERMS id={number} LIST {contingency} list=3 leg={leg}/2 p1")
        answer = market.send(f"NEW id={number} {new} REDUCE_ONLY p1")
        assert not refused(answer)
    return answer


@pytest.mark.parametrize("contingency", ["OCO", "OUO"])
def test_a_stop_and_a_take_profit_of_one_list_are_each_for_the_whole_position(market, contingency):
    both_exits(market, contingency=contingency)
    assert refused(market.send("NEW id=5 SELL 6@1010 REDUCE_ONLY p1"))
    market.send("NEW id=6 BUY 2@1010 p3")
    left = {"OCO": {3: 3}, "OUO": {3: 3, 4: 3}}[contingency]
    assert {n: o.leaves for n, o in market.judge.orders.items() if o.who == 1} == left
    market.replayed()


def test_another_sale_cuts_both_legs_of_a_list(market):
    both_exits(market)
    assert market.send("NEW id=5 SELL 2@1030 p1") == [
        "ACCEPTED id=5 2@1030 leaves=2",
        "REDUCED id=3 2@1010 leaves=3 REDUCE_ONLY",
        "REDUCED id=4 2@0 leaves=3 REDUCE_ONLY",
    ]
    market.send("NEW id=6 BUY 4@990 p3")
    assert market.send("NEW id=7 SELL 3@990 p1")[-2:] == [
        "CANCELLED id=3 3@1010 leaves=0 REDUCE_ONLY",
        "CANCELLED id=4 3@0 leaves=0 REDUCE_ONLY",
    ]
    market.replayed()


def test_a_list_is_cut_after_an_order_that_is_less_likely_to_trade_than_its_likeliest_leg(market):
    both_exits(market, 3)
    market.send("NEW id=5 SELL 2@1020 REDUCE_ONLY p1")
    assert market.send("NEW id=6 SELL 1@1005 p1")[1:] == [
        "REDUCED id=5 1@1020 leaves=1 REDUCE_ONLY"
    ]
    assert market.send("NEW id=7 SELL 2@1005 p1")[1:] == [
        "CANCELLED id=5 1@1020 leaves=0 REDUCE_ONLY",
        "REDUCED id=3 1@1010 leaves=2 REDUCE_ONLY",
        "REDUCED id=4 1@0 leaves=2 REDUCE_ONLY",
    ]
    market.replayed()


def test_a_self_trade_leaves_the_position_and_the_order_that_is_left(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    market.send("NEW id=4 BUY 2@1010 p1")
    assert (market.view(1), market.judge.orders[3].leaves) == (5, 3)
    market.send("NEW id=5 BUY 2@1010 CANCEL_OLDEST p1")
    assert 3 not in market.judge.orders
    market.replayed()


def test_an_auction_trades_no_more_than_the_position(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    market.send("PHASE VOLATILITY_AUCTION")
    assert market.send("NEW id=4 SELL 4@1000 p1")[:2] == [
        "ACCEPTED id=4 4@1000 leaves=4",
        "REDUCED id=3 4@1010 leaves=1 REDUCE_ONLY",
    ]
    market.send("NEW id=5 BUY 9@1010 p3")
    market.send("PHASE CONTINUOUS")
    assert market.view(1) == 0
    market.replayed()


def test_a_trade_off_the_book_cuts_the_order_before_its_answer(market):
    market.send("NEW id=3 SELL 5@1010 REDUCE_ONLY p1")
    for one in opening("rfq 1", 7, 0):
        market.send(one)
    record = setting(Setting.OFF_BOOK, 3, 3 << 16 | 1, SYMBOL, 1_000)
    record["time_in_force"], record["side"] = Side.BUY, WHOLE
    answer = market.send(record)
    assert [text.split()[0] for text in answer] == [
        "ACCEPTED", "ACCEPTED", "FILLED", "FILLED", "REDUCED", "COMPLETED",
    ]  # fmt: skip
    assert answer[4] == "REDUCED id=3 3@1010 leaves=2 REDUCE_ONLY"
    assert (market.view(1), market.judge.orders[3].leaves) == (2, 2)
    market.replayed()


def test_a_margin_call_takes_it_and_its_liquidation_is_no_such_order():
    floor = Floor(20)
    floor.send("NEW id=50 BUY 20@91000 p3")
    floor.send("NEW id=9 SELL 20@104000 REDUCE_ONLY p1")
    assert floor.view.of(WHO, lay.OPEN) == 1
    floor.mark(FALLEN)
    assert floor.is_called()
    gone = floor.send("NEW id=51 BUY 1@84000 p3")
    assert (gone["order_id"][0], gone["kind"][0]) == (9, EventKind.CANCELLED)
    assert floor.view.of(WHO, lay.OPEN) == 0
    floor.replayed()


TYPES = ["", "", "", "MARKET", "IOC", "STOP", "STOP_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
         "ICEBERG", "HIDDEN", "POST_ONLY", "TRAILING_STOP", "MARKET_TO_LIMIT"]  # fmt: skip
MODES = ["", "", "", "CANCEL_NEWEST", "CANCEL_OLDEST", "CANCEL_BOTH", "DECREMENT"]


def a_command(dice: random.Random, number: int, market: Market) -> str:
    who, side = dice.randrange(1, PEOPLE), dice.choice(["BUY", "SELL"])
    lots, price = dice.randrange(1, 8), MARK + dice.randrange(-6, 7)
    draw = dice.random()
    known = [n for n, o in market.judge.orders.items()]
    if draw < 0.12 and known:
        chosen = dice.choice(known)
        word = dice.choice(["CANCEL", f"REDUCE {lots}", f"REPLACE {lots}@{price}"])
        kind, *rest = word.split()
        return f"{kind} id={chosen} {' '.join(rest)} p{market.judge.orders[chosen].who}"
    if draw < 0.15:
        return f"PHASE {dice.choice(['CONTINUOUS', 'CONTINUOUS', 'VOLATILITY_AUCTION'])}"
    kind = dice.choice(TYPES)
    aux = ""
    if kind in ("STOP", "STOP_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"):
        aux = f"trigger={MARK + dice.randrange(-8, 9)}"
    elif kind == "ICEBERG":
        aux = f"display={dice.randrange(1, lots + 1)}"
    elif kind == "TRAILING_STOP":
        aux = "trail=2/1"
    at = "" if kind in ("MARKET", "STOP", "TAKE_PROFIT", "TRAILING_STOP", "MARKET_TO_LIMIT") else (
        f"@{price}"
    )  # fmt: skip
    reduces = dice.random() < 0.5
    if reduces:
        position = market.judge.positions.get(who, 0)
        side = "SELL" if position > 0 else "BUY"
        lots = max(1, min(lots, abs(position) or lots))
        if kind == "ICEBERG":
            aux = f"display={dice.randrange(1, lots + 1)}"
    mode = dice.choice(MODES)
    return f"NEW id={number} {side} {lots}{at} {kind} {mode} {aux} {'REDUCE_ONLY' * reduces} p{who}"


def a_list(dice: random.Random, number: int, market: Market) -> list[str]:
    """An exit by a limit and a stop of which one trades, most of them reduce-only."""
    who, contingency = dice.randrange(1, PEOPLE), dice.choice(["OCO", "OUO"])
    position = market.judge.positions.get(who, 0)
    side, lots = "SELL" if position > 0 else "BUY", dice.randrange(1, max(abs(position), 1) + 1)
    sign = 1 if side == "SELL" else -1
    word = dice.choice(["REDUCE_ONLY", "REDUCE_ONLY", ""])
    lines = []
    for leg, at in enumerate((f"@{MARK + sign * dice.randrange(8)}", " STOP"), 1):
        mine = number + 1_000 * leg
        trigger = f"trigger={MARK - sign * dice.randrange(8)}" if leg == 2 else ""
        lines += [
            f"TERMS id={mine} LIST {contingency} list={number + 1_000} leg={leg}/2 p{who}",
            f"NEW id={mine} {side} {lots}{at} {trigger} {word} p{who}",
        ]
    return lines


@pytest.mark.parametrize("seed", range(12))
def test_random_commands_keep_the_rule(seed):
    dice, market = random.Random(seed), Market()
    for number in range(1, 260):
        is_list = seed % 2 and dice.random() < 0.15
        lines = a_list(dice, number, market) if is_list else [a_command(dice, number, market)]
        for line in lines:
            market.send(line)
    told = np.concatenate(market.events)
    cuts = told[(told["reason"] == Reason.REDUCE_ONLY)]
    assert len(cuts) > 5
    fills = told[told["kind"] == EventKind.FILLED]
    for who in range(1, PEOPLE):
        assert market.view(who) == market.judge.positions.get(who, 0)
    assert len(fills) > 50
    market.replayed()
