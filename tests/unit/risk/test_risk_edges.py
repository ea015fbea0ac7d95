"""Each limit exactly: one below what is asked refuses and tells limit, what stands and what was
asked; equal and one above let it pass.  Figures at the ends of int64 neither wrap nor pass."""

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import INDEX_SETTINGS, LARGEST, NO_LIMIT, RiskBit, Setting
from openoutcry.risk.region import RiskError, make_region, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase
from tests.support.risk.risk_core import bits
from tests.support.risk.risk_desk import BUY, SELL, TABLE, A, B, Desk


def long_eight(desk):
    """Participant 1 holds 8 lots bought at 100 and bids for 5 at 90."""
    desk.trade(1, 2, 8, 100)
    desk.new(BUY, 5, 90)


def sold_and_offers(desk):
    desk.trade(2, 1, 8, 100)
    desk.new(SELL, 5, 110)


def nothing(desk):
    pass


EDGES = [
    # setting, what went before, the order, (what stands, what is asked) of which, the bit
    (Setting.MAX_QTY, nothing, (BUY, 7, 100), 0, 7, RiskBit.MAX_QTY),
    (Setting.MAX_VALUE, nothing, (SELL, 7, 100), 0, 700, RiskBit.MAX_VALUE),
    (Setting.POSITION_LONG, long_eight, (BUY, 7, 100), 13, 20, RiskBit.POSITION_LONG),
    (Setting.POSITION_SHORT, sold_and_offers, (SELL, 7, 100), 13, 20, RiskBit.POSITION_SHORT),
    (Setting.GROSS_POSITION, long_eight, (BUY, 7, 100), 13, 20, RiskBit.GROSS_POSITION),
    (Setting.EXPOSURE_BUY, long_eight, (BUY, 7, 100), 450, 1_150, RiskBit.EXPOSURE_BUY),
    (Setting.EXPOSURE_SELL, sold_and_offers, (SELL, 7, 100), 550, 1_250, RiskBit.EXPOSURE_SELL),
    (Setting.OPEN_ORDERS, long_eight, (BUY, 7, 99), 1, 2, RiskBit.OPEN_ORDERS),
]


@pytest.mark.parametrize(("what", "past", "order", "stands", "requested", "bit"), EDGES)
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_limit_one_below_at_and_one_above_what_is_asked(
    what, past, order, stands, requested, bit, over
):
    desk = Desk()
    past(desk)
    assert desk.set(what, requested + over)
    verdict = desk.new(*order)
    if over < 0:
        assert bits(verdict) == [bit.name]
        assert desk.view.refusal == (1 << bit, bit, requested - 1, stands, requested)
    else:
        assert verdict == 0


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_capital_is_needed_to_the_unit(over):
    """5 lots at 90 with a fee of 3 a lot need 465; a sale releases, a fill settles at its price."""
    desk = Desk()
    assert desk.set(Setting.FEE, 3)
    assert desk.set(Setting.CREDIT, 0)
    assert desk.set(Setting.DEPOSIT, 465 + over)
    verdict = desk.new(BUY, 5, 90)
    assert bits(verdict) == (["CAPITAL"] if over < 0 else [])
    if over < 0:
        assert desk.view.refusal[2:] == (464, 0, 465)
        return
    assert desk.view.of(1, lay.RESERVED) == 465
    desk.new(SELL, 2, 80, who=2)
    assert desk.view.of(1, lay.RESERVED) == 3 * 93
    assert desk.view.of(1, lay.BALANCE) == 465 + over - 2 * 93
    desk.send(kind=CommandKind.CANCEL, order_id=1, participant=1, symbol=A)
    assert desk.view.of(1, lay.RESERVED) == 0


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_short_sale_needs_margin_for_what_is_not_held(over):
    """10 are sold and 8 are held: 2 lots short at 50 a lot."""
    desk = Desk()
    desk.trade(1, 2, 8, 100)
    assert desk.set(Setting.MARGIN, 50)
    assert desk.set(Setting.CREDIT, 900 + over)  # 800 are paid
    verdict = desk.new(SELL, 10, 110)
    assert bits(verdict) == (["CAPITAL"] if over < 0 else [])


def test_a_leveraged_instrument_needs_margin_for_its_worst_position_and_settles_by_mark():
    desk = Desk(leveraged=(0,))
    assert desk.set(Setting.MARGIN, 10)
    desk.trade(1, 2, 8, 100)
    desk.new(BUY, 5, 90)
    assert (desk.view.of(1, lay.RESERVED), desk.view.of(1, lay.BALANCE)) == (130, 0)
    desk.trade(3, 2, 1, 107)
    assert desk.set(Setting.MARK, 0)
    assert desk.view.of(1, lay.BALANCE) == desk.view.of(1, lay.PROFIT) == 56
    assert desk.view.of(2, lay.BALANCE) == -56


@pytest.mark.parametrize(
    ("price", "passes"), [(104, False), (105, True), (115, True), (116, False)]
)
def test_price_distance_is_exact(price, passes):
    """5 % of 110 is 5.5: 104.5 to 115.5."""
    desk = Desk()
    desk.trade(3, 2, 1, 110)
    assert desk.set(Setting.DISTANCE, 500)
    verdict = desk.new(BUY, 1, price)
    assert bits(verdict) == ([] if passes else ["PRICE_DISTANCE"])
    if not passes:
        assert desk.view.refusal[2:] == (500, 110, price)


@pytest.mark.parametrize(
    ("last", "bps", "price", "passes"),
    [
        (5, 500, 6, True),
        (5, 500, 4, True),
        (5, 500, 7, False),
        (5, 0, 5, True),
        (5, 0, 6, False),
        (0, 500, -1, True),
        (0, 500, 2, False),
        (-5, 500, -6, True),
        (-2_000, 500, -2_100, True),
        (-2_000, 500, -2_101, False),
        (-2_000, 500, -1_900, True),
    ],
)
def test_price_distance_is_a_share_of_the_size_of_a_price_and_a_tick_at_least(
    last, bps, price, passes
):
    """Nothing but the last price itself could be entered near zero."""
    desk = Desk([{"symbol": A, "min_price_ticks": -10_000, "max_price_ticks": 10_000}])
    desk.trade(3, 2, 1, last)
    assert desk.set(Setting.DISTANCE, bps)
    assert bits(desk.new(BUY, 1, price)) == ([] if passes else ["PRICE_DISTANCE"])


@pytest.mark.parametrize(("qty", "passes"), [(99, True), (100, True), (101, False)])
def test_the_share_of_average_volume_is_exact(qty, passes):
    desk = Desk()
    assert desk.set(Setting.ADV, 1_000)
    assert desk.set(Setting.ADV_SHARE, 1_000)
    assert bits(desk.new(BUY, qty, 100)) == ([] if passes else ["ADV_SHARE"])


@pytest.mark.parametrize(("later", "passes"), [(999, False), (1_000, True), (1_001, True)])
def test_a_duplicate_is_one_within_the_window(later, passes):
    desk = Desk()
    assert desk.set(Setting.DUPLICATE_WINDOW, 1_000)
    desk.time(5_000)
    assert desk.new(BUY, 5, 90) == 0
    assert desk.new(SELL, 5, 95) == 0
    desk.time(5_000 + later)
    assert bits(desk.new(BUY, 5, 90)) == ([] if passes else ["DUPLICATE"])
    assert desk.new(BUY, 5, 91) == 0


def test_a_bucket_of_orders_runs_empty_and_fills_by_sequenced_time():
    """Three at once, then one each 100 ns, to the nanosecond."""
    desk = Desk()
    assert desk.set(Setting.RATE, 100, second=3)
    desk.time(1_000)
    refusals = [bits(desk.new(BUY, 1, 90)) for _ in range(4)]
    assert refusals == [[], [], [], ["RATE"]]
    assert desk.view.refusal[2:] == (300, 300, 400)
    desk.time(1_099)
    assert bits(desk.new(BUY, 1, 90)) == ["RATE"]
    desk.time(1_100)
    assert desk.new(BUY, 1, 90) == 0
    assert bits(desk.new(BUY, 1, 90)) == ["RATE"]
    assert bits(desk.replace(1, 2, 90)) == ["RATE"]


def test_a_replace_counts_what_it_adds():
    desk = Desk()
    desk.new(BUY, 5, 90)
    assert desk.set(Setting.POSITION_LONG, 7)
    assert bits(desk.replace(1, 8, 90)) == ["POSITION_LONG"]
    assert desk.replace(1, 7, 90) == 0
    assert desk.view.cell(1, 0, lay.BUY_LOTS) == 7


def test_who_is_past_a_lowered_limit_may_only_reduce():
    desk = Desk()
    long_eight(desk)
    assert desk.set(Setting.POSITION_LONG, 3)
    assert bits(desk.new(BUY, 1, 90)) == ["POSITION_LONG"]
    assert desk.new(SELL, 4, 100) == 0
    assert desk.replace(3, 2, 90) == 0


def test_market_orders_need_a_band_where_prices_are_checked_and_a_bound_always():
    desk = Desk()
    assert bits(desk.new(BUY, 1, order_type=OrderType.MARKET, symbol=B)) == ["UNPRICED"]
    assert desk.set(Setting.DISTANCE, 500)
    assert desk.new(BUY, 1, order_type=OrderType.MARKET) == 0
    table = [TABLE[0] | {"market_band_ticks": 0}]
    desk = Desk(table)
    assert desk.set(Setting.DISTANCE, 500)
    assert bits(desk.new(BUY, 1, order_type=OrderType.MARKET)) == ["UNPRICED"]


def test_a_market_order_reserves_the_highest_price_there_may_be():
    """1,000 and the band of 20."""
    desk = Desk()
    desk.phase(Phase.PRE_OPEN)
    assert desk.new(BUY, 3, order_type=OrderType.MARKET) == 0
    assert desk.view.of(1, lay.RESERVED) == 3 * 1_020
    assert bits(desk.phase(Phase.CONTINUOUS, reference=1_021)) == ["PRICE_BAND"]
    assert desk.phase(Phase.CONTINUOUS, reference=1_020) == 0


SWITCHES = [
    (Setting.RESTRICTED, RiskBit.RESTRICTED),
    (Setting.KILL, RiskBit.KILLED),
    (Setting.HALT, RiskBit.HALTED),
    (Setting.SELF_TRADE, RiskBit.SELF_TRADE),
]


@pytest.mark.parametrize(("what", "bit"), SWITCHES)
def test_a_switch_refuses_orders_and_replaces_until_it_is_off_and_no_cancel(what, bit):
    desk = Desk()
    desk.new(BUY, 5, 90)
    desk.new(BUY, 5, 90)
    assert desk.set(what, 1)
    assert not desk.set(what, 2)
    assert bits(desk.new(BUY, 1, 90)) == [bit.name]
    assert bits(desk.replace(1, 1, 90)) == [bit.name]
    cancel = {"kind": CommandKind.CANCEL, "order_id": 1, "participant": 1, "symbol": A}
    assert desk.send(**cancel)[1][0]["kind"] == EventKind.CANCELLED
    assert desk.set(what, 0)
    assert desk.new(BUY, 1, 90) == 0


def test_the_market_opens_again_by_two_operators():
    desk = Desk()
    assert desk.set(Setting.MARKET_KILL, 1, operator=7)
    assert bits(desk.new(BUY, 1, 90)) == ["MARKET_KILLED"]
    assert desk.set(Setting.MARKET_KILL, 0, operator=7)
    assert not desk.set(Setting.MARKET_KILL, 0, operator=7)
    assert bits(desk.new(BUY, 1, 90)) == ["MARKET_KILLED"]
    assert desk.set(Setting.MARKET_KILL, 0, operator=8)
    assert desk.new(BUY, 1, 90) == 0


def test_a_group_is_limited_and_killed_as_a_whole():
    desk = Desk()
    for who in (1, 2):
        assert desk.set(Setting.GROUP, 1, who)
    desk.new(BUY, 5, 90, who=1)
    assert desk.set(Setting.GROUP_GROSS_POSITION, 8, who=1)
    assert desk.new(BUY, 3, 90, who=2) == 0
    assert bits(desk.new(BUY, 1, 90, who=2)) == ["GROUP_GROSS_POSITION"]
    assert desk.new(BUY, 9, 90, who=3) == 0
    assert desk.set(Setting.GROUP_KILL, 1, who=1)
    assert bits(desk.new(SELL, 1, 91, who=1)) == ["GROUP_KILLED"]


@pytest.mark.parametrize(("limit", "dies"), [(8, True), (9, False)])
@pytest.mark.parametrize("what", [Setting.LOSS, Setting.DRAWDOWN])
def test_losses_kill_and_the_kill_stays_until_it_is_enabled_again(what, limit, dies):
    """8 lots bought at 100, marked at 99: 8 lost."""
    desk = Desk()
    long_eight(desk)
    assert desk.set(what, limit)
    desk.trade(3, 2, 1, 99)
    assert desk.set(Setting.MARK, 0)
    flags = desk.view.of(1, lay.FLAGS)
    assert bool(flags & lay.KILLED_BY_LOSS) == bool(flags & lay.CANCEL_WANTED) == dies
    if dies:
        assert bits(desk.new(SELL, 1, 120)) == ["KILLED", what.name]
        desk.send(kind=CommandKind.DISCONNECT, participant=1)
        assert desk.view.of(1, lay.OPEN) == 0
        assert desk.view.of(1, lay.FLAGS) == lay.KILLED_BY_LOSS
        assert desk.set(what, NO_LIMIT)
        assert desk.set(Setting.KILL, 0)
        assert desk.new(SELL, 1, 120) == 0


def test_short_sales_may_be_forbidden():
    desk = Desk()
    desk.trade(1, 2, 8, 100)
    assert desk.set(Setting.SHORT_SALE, 1)
    assert desk.new(SELL, 8, 120) == 0
    assert bits(desk.new(SELL, 1, 120)) == ["SHORT_SALE"]
    assert desk.view.refusal[2:] == (0, 0, 1)


def test_every_check_that_fails_is_reported():
    desk = Desk()
    desk.new(BUY, 5, 90)
    for what, value in {
        Setting.MAX_QTY: 1,
        Setting.POSITION_LONG: 1,
        Setting.RESTRICTED: 1,
        Setting.OPEN_ORDERS: 1,
        Setting.CREDIT: 0,
    }.items():
        assert desk.set(what, value)
    refusals = bits(desk.new(BUY, 5, 90))
    assert refusals == ["RESTRICTED", "MAX_QTY", "OPEN_ORDERS", "POSITION_LONG", "CAPITAL"]


@pytest.mark.parametrize("qty", [LARGEST - 1, LARGEST, LARGEST + 1, NO_LIMIT])
@pytest.mark.parametrize("price", [2, 2**31, 2**62, NO_LIMIT, -(2**63), -2])
def test_the_ends_of_int64_never_wrap(qty, price):
    """What does not fit 2**62 is refused, and every other limit that it passes is told, too."""
    desk = Desk()
    assert desk.set(Setting.MAX_VALUE, LARGEST, symbol=B)
    assert desk.set(Setting.CREDIT, LARGEST)
    verdict = desk.new(BUY, qty, price, symbol=B)
    assert "ARITHMETIC" in bits(verdict)
    if qty < LARGEST:
        assert "MAX_VALUE" in bits(verdict)
        assert ("CAPITAL" in bits(verdict)) == (price > 0)
    assert desk.view.of(1, lay.RESERVED) == 0


def test_a_balance_that_no_longer_fits_kills():
    """Sold at 2**31 a lot, 2**31 lots of them: 2**62 is the end, one lot more is past it."""
    desk = Desk()
    desk.trade(2, 1, 2**31, 2**31, symbol=B)
    assert (desk.view.of(1, lay.BALANCE), desk.view.of(1, lay.FLAGS)) == (LARGEST, 0)
    desk.trade(3, 1, 1, 1, symbol=B)
    assert desk.view.of(1, lay.BALANCE) == LARGEST
    assert desk.view.of(1, lay.FLAGS) & lay.KILLED_BY_ARITHMETIC


ANY_VALUE = (
    Setting.DEPOSIT,
    Setting.BANDS,
    Setting.MARK,
    *INDEX_SETTINGS,
    Setting.GROUP,
    Setting.POSITION,
    Setting.GROUP_NAME,
    Setting.FILE,
    Setting.LEDGER_TIER,
    Setting.LEDGER_FEES,
)


@pytest.mark.parametrize("value", [-1, LARGEST + 1, -(2**63)])
def test_a_limit_that_makes_no_sense_changes_nothing(value):
    desk = Desk()
    was = desk.view.digest()
    for what in Setting:
        if what not in ANY_VALUE:
            assert not desk.set(what, value), what
    assert not desk.set(Setting.GROUP, 2)
    assert not desk.set(Setting.MAX_QTY, 5, who=4)
    assert not desk.set(Setting.MAX_QTY, 5, symbol=b"C")
    assert desk.view.digest() == was


def test_a_participant_cannot_send_a_risk_command():
    desk = Desk()
    record = setting(Setting.MAX_QTY, 1, 1, A)
    record["participant"] = 1
    assert desk.core.process(record)[0] == 0
    assert desk.new(BUY, 5, 90) == 0


def test_what_cannot_be_is_named():
    table = make_instruments(TABLE)
    with pytest.raises(RiskError, match="A: a multiplier of 0"):
        make_region(table, 2, multipliers=[0, 1])
    with pytest.raises(RiskError, match="0 participants in 1 groups"):
        make_region(table, 0)
    far = make_instruments([TABLE[0] | {"reference_price_ticks": 1_001}])
    with pytest.raises(RiskError, match="A: the reference price 1001 is not in its price limits"):
        make_region(far, 2)


def test_without_tracking_nothing_is_checked_or_counted():
    desk = Desk(tracking=False)
    was = bytes(desk.core.region)
    desk.trade(1, 2, 8, 100)
    assert desk.new(BUY, 5, 90, who=99) == 0
    assert bytes(desk.core.region) == was


@pytest.mark.parametrize("lots", [7, -7])
def test_a_position_at_the_beginning_counts_like_one_that_was_traded(lots):
    """In margin, gross positions and profit; and only where nothing is held and nothing is open."""
    desk = Desk()
    desk.set(Setting.MARGIN, 10)
    desk.set(Setting.WEIGHT, 3)
    assert desk.set(Setting.POSITION, lots, second=100)
    assert desk.view.of(1, lay.GROSS) == 21
    assert desk.view.of(1, lay.RESERVED) == (70 if lots < 0 else 0)
    assert not desk.set(Setting.POSITION, 1, second=100)
    desk.trade(2, 3, 1, 90)
    desk.set(Setting.MARK, 0)
    assert desk.view.of(1, lay.PROFIT) == -10 * lots
    assert desk.new(BUY, 1, 50, 0) == 0
    assert not desk.set(Setting.POSITION, 1, who=0)
    for value in (LARGEST + 1, -LARGEST - 1, -(2**63)):
        assert not desk.set(Setting.POSITION, value, who=2, symbol=B)
    assert not desk.set(Setting.POSITION, LARGEST, who=2, symbol=A)  # weighted, beyond 2**62


def test_an_emergency_goes_step_by_step_and_ends_when_two_open_the_market():
    desk = Desk()
    assert not desk.set(Setting.EMERGENCY, 1)
    desk.set(Setting.MARKET_KILL, 1)
    assert not desk.set(Setting.EMERGENCY, 2)
    assert all(desk.set(Setting.EMERGENCY, step) for step in range(1, 7))
    assert not desk.set(Setting.EMERGENCY, 7)
    assert desk.view.word(lay.EMERGENCY) == 6
    assert desk.set(Setting.MARKET_KILL, 0, operator=1)
    assert desk.view.word(lay.EMERGENCY) == 6
    assert desk.set(Setting.MARKET_KILL, 0, operator=2)
    assert desk.view.word(lay.EMERGENCY) == 0
