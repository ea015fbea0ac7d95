"""Tactics that the first detectors did not see, and their honest look-alikes; by kernels and by the
plain reference alike."""

import numpy as np
import pytest

import openoutcry.surveillance.detect.layout as lay
from openoutcry.matcher import Engine
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Side, TimeInForce
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.surveillance.detectors import CONFIG, INSTRUMENTS

SYMBOL = INSTRUMENTS["symbol"][0]
BEGIN_NS = 1_790_000_000 * 10**9
SECOND = 10**9
MAKER, CROWD, MARKER, ONE, OTHER = 1, 2, 9, 11, 12


class Tape:
    """Commands of one instrument at given seconds."""

    def __init__(self):
        self.rows, self.last_id, self.at = [], 0, {}

    def add(self, second, kind, who, side=Side.BUY, price=0, lots=0, *, ioc=False, order_id=0):
        row = np.zeros(1, ORDER_DTYPE)
        row["kind"], row["symbol"], row["participant"] = kind, SYMBOL, who
        row["order_type"], row["side"] = OrderType.LIMIT, side
        row["time_in_force"] = TimeInForce.IOC if ioc else TimeInForce.DAY
        row["price_ticks"], row["qty_lots"], row["order_id"] = price, lots, order_id
        row["rx_ts_ns"] = BEGIN_NS + int(second * SECOND)
        self.rows.append(row)

    def order(self, second, who, side, price, lots, *, ioc=False):
        self.last_id += 1
        self.add(second, CommandKind.NEW, who, side, price, lots, ioc=ioc, order_id=self.last_id)
        return self.last_id

    def phase(self, second, phase):
        self.add(second, CommandKind.PHASE, 0, side=0)
        self.rows[-1]["aux"] = int(phase)

    def hits(self):
        """By detector, the participants; kernels and reference say the same."""
        orders = np.concatenate(self.rows)
        orders["seq"] = np.arange(1, len(orders) + 1)
        events = Engine(INSTRUMENTS).process(orders)
        detectors, reference = Detectors(CONFIG), Reference(CONFIG)
        found = as_dicts(detectors.watch(orders, events))
        assert found == reference.watch(orders, events)
        return {(lay.Detector(hit["detector"]).name, *hit["participants"]) for hit in found}


def quoted(tape, second, middle):
    """The maker's quotes of this second: a tick either side, deep."""
    for side in (Side.BUY, Side.SELL):
        if side in tape.at:
            tape.add(second, CommandKind.CANCEL, MAKER, side, 1, 1, order_id=tape.at[side])
    for side, price in ((Side.BUY, middle - 1), (Side.SELL, middle + 1)):
        tape.at[side] = tape.order(second, MAKER, side, price, 10_000)


def day(presses, middle_at, lots=60, crowd=12, *, begun=False):
    """Six minutes: the crowd takes both sides, and one presses at these seconds; the maker moves
    its quotes by itself, so that nobody's taking moves the mid.  ``begun``: they begin with the
    open."""
    tape = Tape()
    if begun:
        tape.phase(0, Phase.CLOSED)
        tape.phase(0, Phase.CONTINUOUS)
    for who in range(30, 55):
        tape.order(0, who, Side.BUY, 1_000, 1)
    for second in range(1, 361):
        if second % 5 == 1:
            quoted(tape, second, middle_at(second))
        if second % 6 == 2:
            side = Side.BUY if second % 12 == 2 else Side.SELL
            price = middle_at(second // 5 * 5 + 1) + (1 if side == Side.BUY else -1)
            tape.order(
                second + 0.2,
                CROWD,
                side,
                price + (30 if side == Side.BUY else -30),
                crowd,
                ioc=True,
            )
        if second in presses:
            tape.order(second + 0.5, MARKER, Side.BUY, 2_100, lots, ioc=True)
    tape.phase(361, Phase.CLOSED)
    return tape.hits()


def rising(second):
    """Quiet, and up by twelve ticks in the last minute."""
    return 2_000 + max(0, (second - 300) // 5)


LATE = tuple(range(305, 360, 6))
EARLY = tuple(range(5, 360, 18))


@pytest.mark.parametrize(
    ("presses", "middle_at", "lots", "found"),
    [
        (LATE, rising, 60, True),
        # The same pressure, and the price does not go.
        (LATE, lambda second: 2_000, 60, False),
        # It goes the other way.
        (LATE, lambda second: 4_000 - rising(second), 60, False),
        # A schedule over the whole time, with as much in the last minute.
        (EARLY, rising, 60, False),
        # A twentieth of what others took.
        (LATE, rising, 1, False),
        # One trade, as one that was agreed upon.
        ((330,), rising, 600, False),
        ((358,), rising, 600, True),
    ],
    ids=[
        "pressed",
        "no move",
        "against it",
        "a schedule",
        "a little",
        "agreed upon",
        "at the last moment",
    ],
)
def test_marking_a_close_is_found_at_its_presser_not_at_quotes_that_follow(
    presses, middle_at, lots, found
):
    """Its own takes move nothing: share of volume, net pressure and the price against the average
    before say whose close it is."""
    assert (("MARKING_CLOSE", MARKER) in day(presses, middle_at, lots)) == found


def opening(second):
    """Up by twelve ticks in the first minute, and quiet."""
    return 2_000 + min(12, second // 5)


@pytest.mark.parametrize(
    ("presses", "lots", "found"),
    [(range(3, 60, 6), 60, True), ((33,), 600, False), (range(3, 60, 6), 6, False)],
    ids=["pressed", "one trade", "a little"],
)
def test_marking_an_open_takes_most_of_its_minute(presses, lots, found):
    hits = day(tuple(presses), opening, lots, begun=True)
    assert (("MARKING_OPEN", MARKER) in hits) == found


def washed(sizes, crowd=40):
    """Two whom nobody has declared pass lots to and fro; a crowd of others trades too."""
    tape, rng = Tape(), np.random.default_rng(4)
    second = 1.0
    for there, back in sizes:
        for seller, buyer, (offered, wanted) in ((ONE, OTHER, there), (OTHER, ONE, back)):
            order_id = tape.order(second, seller, Side.SELL, 2_000, offered)
            tape.order(second + 0.2, buyer, Side.BUY, 2_000, wanted, ioc=True)
            tape.add(second + 0.3, CommandKind.CANCEL, seller, order_id=order_id, price=1, lots=1)
            second += 4
        for _ in range(crowd // 8):
            sold, bought = rng.choice(np.arange(30, 60), 2, replace=False)
            lots = int(rng.integers(1, 9))
            tape.order(second, int(sold), Side.SELL, 2_000, lots)
            tape.order(second + 0.2, int(bought), Side.BUY, 2_000, lots, ioc=True)
            second += 1
    return tape.hits()


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([((20, 20), (20, 20))] * 4, True),
        ([((23, 20), (25, 20))] * 4, True),
        # Hardly the same trade: what is left is larger than what met.
        ([((45, 20), (60, 20))] * 4, False),
        # As much comes back as did not go.
        ([((23, 20), (25, 12))] * 4, False),
        ([((23, 20), (25, 20))] * 2, False),
    ],
    ids=["even", "uneven", "too uneven", "other lots back", "twice"],
)
def test_a_wash_of_orders_of_two_sizes_is_one(sizes, found):
    assert (bool({name for name, *_ in washed(sizes)} & {"WASH_PAIR"})) == found


def stepped_into(apart, lots):
    """Two pass 20 lots to and fro, and each time others take all but so many of them first; the
    second order comes so many seconds after the first."""
    tape, third = Tape(), 60
    for round_number in range(4):
        for turn, (seller, buyer) in enumerate(((ONE, OTHER), (OTHER, ONE))):
            second, third = 1 + 20 * round_number + 5 * turn, third + 1
            order_id = tape.order(second, seller, Side.SELL, 2_000, 20)
            tape.order(second + apart / 2, third, Side.BUY, 2_000, 20 - lots, ioc=True)
            tape.order(second + apart, buyer, Side.BUY, 2_000, 20, ioc=True)
            tape.add(second + 3, CommandKind.CANCEL, seller, order_id=order_id, price=1, lots=1)
    return {name for name, *_ in tape.hits()}


@pytest.mark.parametrize(
    ("apart", "lots", "found"),
    [(0.5, 8, True), (2, 8, False), (0.5, 1, False), (2, 12, True)],
    ids=["within a second", "later", "hardly any", "later, most of it"],
)
def test_a_wash_that_others_step_into_is_one_if_the_orders_came_within_a_second(apart, lots, found):
    assert ("WASH_PAIR" in stepped_into(apart, lots)) == found


def turned_round(before):
    """One buys for half a minute while the price rises and then sells at a gain; ``before``: it has
    bought as much all the time."""
    tape = Tape()
    for who in range(30, 55):
        tape.order(0, who, Side.BUY, 1_000, 1)
    for second in range(1, 361):
        middle = 2_000 + min(12, max(0, (second - 300) // 5 * 2))
        if second % 5 == 1:
            quoted(tape, second, middle)
        if second % 6 == 2 and second < 330 and (before or second > 300):
            tape.order(second, MARKER, Side.BUY, middle + 30, 60, ioc=True)
        if second in (337, 342, 347):
            tape.order(second, MARKER, Side.SELL, middle - 30, 400, ioc=True)
    return tape.hits()


@pytest.mark.parametrize("before", [False, True], ids=["a burst", "as much all the time"])
def test_who_takes_as_much_all_the_time_ignites_nothing(before):
    assert (("MOMENTUM_IGNITION", MARKER) in turned_round(before)) == (not before)


def halted(second_half, taker_lots, usual_lots=0, way=Side.BUY, reopens_at=2_040):
    """Half an hour of the crowd; one takes in the four minutes before a halt; then it reopens."""
    tape = Tape()
    begin = 1_500
    for second in range(1, 1_800, 5):
        quoted(tape, second, 2_000)
        side = Side.BUY if second % 10 == 1 else Side.SELL
        tape.order(second + 0.2, CROWD, side, 2_000 + (1 if side == Side.BUY else -1), 10, ioc=True)
        if usual_lots and second < begin:
            both = (Side.BUY, Side.SELL)
            tape.order(second + 0.3, MARKER, both[second % 10 == 1], 2_000, 1, ioc=True)
            side = both[second % 10 == 6]
            price = 2_000 + (1 if side == Side.BUY else -1)
            tape.order(second + 0.4, MARKER, side, price, usual_lots, ioc=True)
        if begin + 60 < second and second % 20 == 6 and taker_lots:
            other = Side.SELL if way == Side.BUY and second_half and second > 1_680 else way
            price = 2_001 if other == Side.BUY else 1_999
            tape.order(second + 0.5, MARKER, other, price, taker_lots, ioc=True)
    tape.phase(1_800, Phase.HALT)
    tape.phase(2_400, Phase.CONTINUOUS)
    quoted(tape, 2_401, reopens_at)
    tape.order(2_402, CROWD, Side.BUY, reopens_at + 1, 1, ioc=True)
    return {hit for hit in tape.hits() if hit[0] == "INSIDER_TIMING"}


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ({}, True),
        ({"way": Side.SELL, "reopens_at": 1_960}, True),
        ({"reopens_at": 2_000}, False),
        ({"reopens_at": 1_960}, False),
        ({"taker_lots": 10}, False),
        ({"second_half": True}, False),
        ({"usual_lots": 40}, False),
    ],
    ids=["ahead", "sold ahead", "no move", "at a loss", "a little", "both ways", "as always"],
)
def test_who_trades_ahead_of_a_halt_is_found(case, found):
    hits = halted(**{"second_half": False, "taker_lots": 60} | case)
    assert hits == ({("INSIDER_TIMING", MARKER)} if found else set())
