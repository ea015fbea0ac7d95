"""Deposits and withdrawals with a life cycle in the core: each step happens once and only where it
is permitted, refusals have their word, and a reversal leaves a recorded shortfall; the kernels are
the plain reference in random lives mixed with trading."""

import random

import numpy as np
import pytest

from openoutcry.risk.bits import (
    MovementRefusal,
    MovementState,
    MovementStep,
    ParticipantStatus,
    Setting,
)
from openoutcry.risk.movements import (
    Movement,
    MovementsView,
    MovementTable,
    block_bytes,
    enter_block,
)
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.risk.requests import reference_bytes
from openoutcry.wire.enums import CommandKind, Side
from tests.oracles.risk.wallets import LIVES
from tests.support.risk.movements import MovementOperator, Movements, movement_pair, step_record
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.spot import ASSETS, BTC, SPOT, USD, funded, in_asset, run_spot
from tests.support.risk.spot_page import TABLES, SpotMarket, change

REQUEST, SEE = MovementStep.REQUEST, MovementStep.SEE
APPROVE, SEND, FINISH = MovementStep.APPROVE, MovementStep.SEND, MovementStep.FINISH
CANCEL, FAIL = MovementStep.CANCEL, MovementStep.FAIL
CREDIT, REVERSE = MovementStep.CREDIT, MovementStep.REVERSE


@pytest.fixture
def desk():
    pair = movement_pair()
    pair.process(in_asset(Setting.DEPOSIT, 1_000, 1, BTC))
    made = Movements(pair)
    yield made
    pair.same()


def test_a_withdrawal_goes_from_request_to_done(desk):
    assert desk.first(REQUEST, "out", 1, BTC, 300)
    assert desk.wallet(1, BTC) == [700, 300, 0, 0]
    for step in (APPROVE, SEND):
        assert desk.then(step, "out")
        assert desk.wallet(1, BTC) == [700, 300, 0, 0]
    assert desk.then(FINISH, "out")
    assert desk.wallet(1, BTC) == [700, 0, 0, 0]
    assert desk.pair.view.wallets.total("BTC") == (700, 700)
    one = desk.movements.find("out")
    assert (one.state, one.is_open, one.is_deposit) == (MovementState.DONE, False, False)
    assert one.steps == {REQUEST, APPROVE, SEND, FINISH}


@pytest.mark.parametrize(
    ("steps", "end"),
    [((), CANCEL), ((APPROVE,), CANCEL), ((APPROVE, SEND), FAIL)],
)
def test_a_withdrawal_that_is_not_to_be_gives_its_amount_back(desk, steps, end):
    assert desk.first(REQUEST, "out", 1, BTC, 300)
    for step in steps:
        assert desk.then(step, "out")
    assert desk.then(end, "out")
    assert desk.wallet(1, BTC) == [1_000, 0, 0, 0]


def test_a_deposit_is_available_once_it_is_credited(desk):
    assert desk.first(SEE, "in", 2, BTC, 50)
    assert desk.wallet(2, BTC) == [0, 0, 0, 0]
    assert desk.then(CREDIT, "in")
    assert desk.wallet(2, BTC) == [50, 0, 0, 0]
    assert desk.then(REVERSE, "in")
    assert desk.wallet(2, BTC) == [0, 0, 0, 0]
    assert desk.first(SEE, "never", 2, BTC, 50)
    assert desk.then(REVERSE, "never")
    assert desk.wallet(2, BTC) == [0, 0, 0, 0]


def test_a_step_that_the_state_does_not_permit_changes_nothing(desk):
    """Every step in every state of both lives."""
    paths = [(), (APPROVE,), (APPROVE, SEND), (APPROVE, SEND, FINISH), (CANCEL,),
             (APPROVE, SEND, FAIL)]  # fmt: skip
    lives = [(REQUEST, path) for path in paths]
    lives += [(SEE, path) for path in [(), (CREDIT,), (CREDIT, REVERSE)]]
    for number, (first, path) in enumerate(lives):
        reference = f"life {number}"
        assert desk.first(first, reference, 1, BTC, 10)
        for step in path:
            assert desk.then(step, reference)
        state = desk.movements.find(reference).state
        for step in MovementStep:
            if step in (REQUEST, SEE) or step in LIVES.get(state.name.lower(), {}):
                continue
            before = desk.wallet(1, BTC)
            assert not desk.then(step, reference)
            assert desk.refused == MovementRefusal.WRONG_STATE
            assert desk.movements.find(reference).state is state
            assert desk.wallet(1, BTC) == before


def test_a_reference_is_one_movement_even_if_its_request_is_forgotten():
    desk = Movements(movement_pair(requests=2))
    desk.pair.process(in_asset(Setting.DEPOSIT, 1_000, 1, BTC))
    assert desk.first(REQUEST, "out", 1, BTC, 300)
    for _ in range(3):
        desk.ask(setting(Setting.DEPOSIT, 0, 1))
    assert desk.pair.view.requests.find("out") is None
    assert not desk.first(REQUEST, "out", 1, BTC, 300)
    assert desk.refused == MovementRefusal.KNOWN_REFERENCE
    assert desk.wallet(1, BTC) == [700, 300, 0, 0]
    desk.pair.same()


def refused_first(desk, step=REQUEST, who=1, asset="BTC", amount=10):
    assert not desk.ask(step_record(step, who, amount, asset))
    return MovementRefusal(desk.refused)


def test_every_refusal_has_its_word(desk):
    pair = desk.pair
    assert refused_first(desk, asset="EUR") is MovementRefusal.UNKNOWN_ASSET
    for amount in (0, -1, 2**61 + 1):
        assert refused_first(desk, amount=amount) is MovementRefusal.AMOUNT
    assert refused_first(desk, who=0) is MovementRefusal.UNKNOWN_PARTICIPANT
    assert refused_first(desk, amount=1_001) is MovementRefusal.NOT_AVAILABLE
    assert refused_first(desk, step=0) is MovementRefusal.UNKNOWN_STEP
    bare = step_record(REQUEST, 1, 10, "BTC")
    bare["side"] = 0
    assert pair.process(bare)[0] == 0
    assert desk.refused == MovementRefusal.NO_REFERENCE
    assert desk.first(REQUEST, "out", 1, BTC, 300)
    number = desk.movements.find("out").number
    for who, amount, named in ((2, 300, number), (1, 299, number), (1, 300, number + 1)):
        assert not desk.ask(step_record(APPROVE, who, amount, named))
        assert desk.refused == MovementRefusal.UNKNOWN_MOVEMENT
    assert not desk.ask(step_record(APPROVE, 10**6, 300, number))
    pair.process(setting(Setting.STATUS, ParticipantStatus.SUSPENDED, 1))
    assert refused_first(desk) is MovementRefusal.SUSPENDED
    assert not desk.then(APPROVE, "out")
    assert desk.refused == MovementRefusal.SUSPENDED
    assert desk.first(SEE, "in", 1, BTC, 2**61)
    assert not desk.then(CREDIT, "in")
    assert desk.refused == MovementRefusal.TOO_MUCH
    assert desk.then(CANCEL, "out")


def test_a_participant_with_a_deposit_under_way_is_not_closed(desk):
    desk.first(SEE, "in", 3, BTC, 5)
    closing = [setting(Setting.STATUS, status, 3) for status in (2, 3)]
    assert [desk.pair.process(one)[0] for one in closing] == [1 << 8, 0]
    desk.then(REVERSE, "in")
    assert desk.pair.process(closing[1])[0] == 1 << 8
    assert refused_first(desk, SEE, 3) is MovementRefusal.CLOSED
    assert desk.pair.process(in_asset(Setting.DEPOSIT, 5, 3, BTC))[0] == 0
    assert desk.pair.process(setting(Setting.DEPOSIT, 5, 3))[0] == 0


def test_a_reversal_beyond_what_is_there_is_a_shortfall_that_blocks_withdrawals(desk):
    pair = desk.pair
    pair.process(in_asset(Setting.DEPOSIT, 500, 1, USD))
    assert desk.first(SEE, "in", 1, BTC, 400)
    assert desk.then(CREDIT, "in")
    assert desk.first(REQUEST, "out", 1, BTC, 1_300)
    assert desk.first(REQUEST, "dollars", 1, USD, 100)
    assert desk.then(REVERSE, "in")
    assert desk.wallet(1, BTC) == [-300, 1_300, 0, 300]
    assert desk.movements.find("in").short == 300
    assert pair.view.wallets.shortfalls() == [(1, "BTC", 300)]
    # Of every asset, at every door; what was sent already may end.
    for reference in ("out", "dollars"):
        assert not desk.then(APPROVE, reference)
        assert desk.refused == MovementRefusal.SHORTFALL
    assert refused_first(desk, asset="USD") is MovementRefusal.SHORTFALL
    assert pair.process(in_asset(Setting.DEPOSIT, -1, 1, USD))[0] == 0
    # What comes in pays it first, wherever it comes from.
    pair.process(in_asset(Setting.DEPOSIT, 100, 1, BTC))
    assert desk.wallet(1, BTC) == [-200, 1_300, 0, 200]
    assert pair.process(in_asset(Setting.ASSET_CREDIT, 50, 1, BTC))[0] == 1 << 8
    assert desk.wallet(1, BTC) == [-200, 1_300, 50, 150]
    assert pair.process(in_asset(Setting.ASSET_CREDIT, 40, 1, BTC))[0] == 0
    assert desk.then(CANCEL, "out")
    assert desk.wallet(1, BTC) == [1_100, 0, 50, 0]
    assert desk.then(APPROVE, "dollars")


def test_room_is_made_by_movements_that_have_ended_in_turn():
    desk = Movements(movement_pair(movements=4))
    desk.pair.process(in_asset(Setting.DEPOSIT, 1_000, 1, BTC))
    for number in range(4):
        assert desk.first(REQUEST, f"{number}", 1, BTC, 10)
    assert refused_first(desk) is MovementRefusal.FULL
    desk.then(CANCEL, "1")
    desk.then(CANCEL, "2")
    assert desk.first(SEE, "4", 1, BTC, 10)
    assert desk.movements.find("1") is None
    assert desk.movements.find("2").state is MovementState.CANCELLED
    assert desk.first(REQUEST, "5", 1, BTC, 10)
    assert desk.movements.find("2") is None
    assert refused_first(desk) is MovementRefusal.FULL
    desk.pair.same()


@pytest.mark.promise(
    "Whatever a request about money names, it moves nothing that it may not, and is answered "
    "in words. No wallet is below zero without a recorded shortfall, whatever comes in and "
    "goes out",
    group="venue",
)
@pytest.mark.parametrize("seed", range(4))
def test_random_lives_mixed_with_trading_are_the_reference(seed):
    """Every second seed with a speed bump; few rows, so that movements are forgotten."""
    both = movement_pair(requests=16, movements=8 * (1 + seed), delayed=64 * (seed % 2))
    funded(both, 10**7)
    symbols = instruments()["symbol"].tolist()
    operator = MovementOperator(seed, both, symbols, share=(0.7, 1.0)[seed % 2], moving=0.7)
    run_spot(both, mixed_commands(120, seed), operator, 0.9, seed)
    plain = both.reference.wallets.movements
    assert plain.ended.keys() >= {"cancelled", "credited", "reversed"}
    assert plain.count > plain.capacity
    assert sum(plain.taken_short.values()) > 0


@pytest.mark.parametrize("collect", ["received", "quote"])
def test_what_trading_brings_pays_a_shortfall_at_once(tmp_path, collect):
    """Amounts of either asset of a fill, and of an order that is cancelled."""
    tables = TABLES.replace('collect = "received"', f'collect = "{collect}"')
    market, symbol = SpotMarket(tmp_path, tables), b"BTC-USD"
    for who, asset in ((1, "USD"), (2, "BTC")):
        assert market.move(10**8, asset, who)
    for who, asset in ((1, "BTC"), (2, "USD")):
        assert market.step(SEE, f"in {who}", who, 10**5, asset)
        assert market.step(CREDIT, f"in {who}")
        assert market.move(-(10**5), asset, who)
        assert market.step(REVERSE, f"in {who}")
    short = lambda: (market.wallets.shortfall(1, "BTC"), market.wallets.shortfall(2, "USD"))  # noqa: E731
    assert short() == (10**5, 10**5)
    market.new(Side.SELL, 1, 5_000, symbol, 2)
    market.new(Side.BUY, 1, 5_000, symbol, 1)
    held = [market.wallets.balance(1, "BTC")[0], market.wallets.balance(2, "USD")[0]]
    assert -(10**5) < held[0] < 0
    assert -(10**5) < held[1] < 0
    assert short() == (-held[0], -held[1])
    assert market.step(SEE, "in 3", 3, 10**6, "USD")
    assert market.step(CREDIT, "in 3")
    market.new(Side.BUY, 100, 5_000, symbol, 3)
    reserved, order_id = market.wallets.balance(3, "USD")[1], market.seq
    assert reserved >= 500_000
    assert market.step(REVERSE, "in 3")
    assert market.wallets.shortfall(3, "USD") == reserved
    # Less of it may be asked for, no more.
    for kind, lots in ((CommandKind.REPLACE, 150), (CommandKind.REPLACE, 50)):
        change(market, kind, order_id, 3, qty_lots=lots, price_ticks=5_000)
    assert market.wallets.shortfall(3, "USD") == market.wallets.balance(3, "USD")[1] < reserved
    change(market, CommandKind.CANCEL, order_id, 3)
    assert market.wallets.rows[3].tolist()[0] == [0, 0, 0, 0]
    assert market.balanced()


def test_room_for_movements_needs_wallets_and_requests():
    given = {"participants": 4, "order_capacity": 64, "assets": ASSETS, "movements": 8}
    for more in ({"spot": SPOT}, {"requests": 8}):
        with pytest.raises(RiskError, match="need spot instruments and requests"):
            make_region(instruments(), **given, **more)
    with pytest.raises(RiskError, match="movements to remember"):
        make_region(instruments(), **given | {"movements": 1 << 23}, spot=SPOT, requests=8)
    without = make_region(instruments(), **given | {"movements": 0}, spot=SPOT, requests=8)
    assert View(without).wallets.movements is None


def view_of(rng, count):
    """A table with movements of three participants, under references of three kinds."""
    words = np.zeros(block_bytes(count) // 8, np.int64)
    enter_block(words, 0, count)
    view = MovementsView(words, 0, ["USD"])
    view.header[MovementTable.offset("count") // 8] = count
    for place, number in enumerate(rng.sample(range(1, 10 * count), count)):
        text = rng.choice(["", "tr ", "wd "]) + f"{number} in"
        row = view.rows[place]
        row[:4] = np.frombuffer(reference_bytes(text), np.int64)
        row[Movement.offset("number") // 8] = number
        row[Movement.offset("participant") // 8] = rng.randrange(3)
        row[Movement.offset("state") // 8] = rng.choice(list(MovementState))
    return view


def test_what_is_listed_is_what_a_plain_search_finds():
    rng = random.Random(76)
    view = view_of(rng, 300)
    every = [view._one(row) for row in view.used]
    for _ in range(200):
        states = rng.sample(list(MovementState), 3)
        who, without = rng.choice([None, 1]), rng.choice(["", "tr ", "wd "])
        before, most = rng.choice([0, 1_500]), rng.choice([0, 7])
        found = [one for one in every if one.state in states and who in (None, one.participant)]
        found = [one for one in found if not without or not one.reference.startswith(without)]
        found = [one for one in found if not before or one.number < before]
        found = sorted(found, key=lambda one: one.number)[-most:]
        assert view.chosen(states, who, without, before, most) == found
    for one in every:
        assert view.find(one.reference) == one
        assert view.find(f"{one.reference}x") is None


@pytest.mark.promise(
    "A page of deposits costs what it shows, however many transfers an account has received: no "
    "order is answered while it is made",
    group="portal",
)
def test_a_page_reads_no_more_than_it_shows(monkeypatch):
    view, read = view_of(random.Random(77), 3_000), []
    monkeypatch.setattr(view, "_one", read.append)
    view.chosen(MovementState, 1, "tr ", 0, 11)
    assert len(read) == 11
