"""A trade that the operator takes back: once, both sides, with its fees, and nothing else moves."""

import numpy as np
import pytest

from openoutcry.matcher import Engine, hooks
from openoutcry.risk import before
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import EFFECT, LEG, WHOLE, RequestState
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.notes import fee_note
from tests.support.risk.busts import bust, trade
from tests.support.risk.spot_page import SpotMarket

BTC_USD = b"BTC-USD"
ASSETS = "USD", "BTC", "ETH"


@pytest.fixture
def market(tmp_path):
    one = SpotMarket(tmp_path)
    for who in (1, 2, 3):
        one.move(100_000 * 10**6, "USD", who)
        one.move(10 * 10**8, "BTC", who)
    return one


def all_held(market):
    fees = [market.wallets.fees(asset) for asset in ASSETS[:2]]
    wallets = [market.wallets.balance(who, asset) for who in (1, 2, 3) for asset in ASSETS[:2]]
    return [*fees, *(one[:2] for one in wallets)]


def test_both_sides_have_what_they_had_and_the_fees_come_back(market):
    was = all_held(market)
    records = trade(market, BTC_USD)
    assert all_held(market) != was
    events = bust(market, records)
    assert events["kind"].tolist() == [EventKind.BROKEN] * 2 + [EventKind.COMPLETED]
    assert all_held(market) == was
    assert market.balanced()
    assert events["participant"].tolist() == [1, 2, 0]
    assert events["side"][:2].tolist() == [Side.BUY, Side.SELL]
    assert events["contra_id"][:2].tolist() == [4_711] * 2
    assert events["order_id"][:2].tolist() == [int(one["price_ticks"][0]) for one in records[:2]]
    assert events["leaves_lots"][:2].tolist() == [int(one["aux"][0]) for one in records[:2]]
    assert events["qty_lots"][:2].tolist() == [100, 100]
    assert events["price_ticks"][:2].tolist() == [5_000_000] * 2
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 1]
    found = market.view.requests.find("bust 4711")
    assert RequestState(int(found[-1])) is RequestState.DONE


def test_a_trade_is_broken_once(market):
    records = trade(market, BTC_USD)
    bust(market, records)
    was = all_held(market)
    assert bust(market, records)["kind"].tolist() == [EventKind.REJECTED]
    # Nor without a request, or as a switch.
    assert market.send(records[-1].copy())["kind"].tolist() == [EventKind.REJECTED]
    for one in opening("other", 7, 0):
        market.send(one)
    loose = records[-1].copy()
    loose["side"] = 0
    assert market.send(loose)["kind"].tolist() == [EventKind.REJECTED]
    assert all_held(market) == was


def test_proceeds_that_were_withdrawn_are_owed(market):
    records = trade(market, BTC_USD, lots=2_000)
    assert market.move(-market.wallets.balance(2, "USD")[0], "USD", 2)
    bust(market, records)
    assert market.wallets.shortfall(2, "USD") == -market.wallets.balance(2, "USD")[0] > 0
    assert market.balanced()
    assert market.wallets.balance(1, "USD")[0] == 100_000 * 10**6
    assert not market.move(-1, "BTC", 2)
    assert market.move(200_000 * 10**6, "USD", 2)
    assert market.wallets.shortfall(2, "USD") == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_leg_that_makes_no_sense_breaks_nothing(market, place):
    records = trade(market, BTC_USD)
    was = all_held(market)
    changes = [
        {"qty_lots": 0}, {"qty_lots": 4_000}, {"time_in_force": 3},
        {"time_in_force": int(records[1 - place]["time_in_force"][0])},
        {"symbol": b"ETH-USD"}, {"aux": fee_note(2**61 + 1, of_base=False)},
    ]  # fmt: skip
    if place == 1:
        changes.append({"aux": fee_note(5, of_base=True)})
    for number, change in enumerate(changes):
        wrong = [one.copy() for one in records]
        for name, value in change.items():
            wrong[place][name] = value
        events = bust(market, wrong, f"wrong {number}")
        assert events["kind"].tolist() == [EventKind.REJECTED], change
    for number, name in enumerate(("qty_lots", "aux", "price_ticks")):
        wrong = [one.copy() for one in records]
        wrong[2][name] = -1
        events = bust(market, wrong, f"wrong last {number}")
        assert events["kind"].tolist() == [EventKind.REJECTED], name
    assert bust(market, records[1:], "one leg")["kind"].tolist() == [EventKind.REJECTED]
    assert bust(market, [records[0], *records], "three")["kind"].tolist() == [EventKind.REJECTED]
    assert all_held(market) == was
    assert bust(market, records)["kind"][0] == EventKind.BROKEN


def test_legs_of_a_bust_are_none_of_a_trade(market):
    records = trade(market, BTC_USD)
    was = all_held(market)
    for one in opening("mixed", 7, 0):
        market.send(one)
    market.send(records[0].copy())
    both = setting(Setting.OFF_BOOK, 10, 1 << 16 | 2, BTC_USD, 5_000_000)
    both["time_in_force"], both["side"] = Side.BUY | 1 << 4, WHOLE
    assert market.send(both)["kind"].tolist() == [EventKind.REJECTED]
    both["side"] = LEG
    assert market.send(both)["kind"].tolist() == [EventKind.REJECTED]
    assert all_held(market) == was


def test_it_passes_no_kill_or_halt_and_leaves_the_last_price(market):
    records = trade(market, BTC_USD)
    for who in (1, 2):
        market.send(setting(Setting.KILL, 1, who))
    market.send(setting(Setting.HALT, 1, 0, BTC_USD))
    last = market.view.instruments[0].copy()
    was = all_held(market)
    assert bust(market, records)["kind"][0] == EventKind.BROKEN
    assert all_held(market) != was
    assert market.view.instruments[0].tolist() == last.tolist()


def test_a_closed_participant_cannot_owe(market):
    records = trade(market, BTC_USD, buyer=1, seller=3)
    for asset in ("USD", "BTC"):
        market.move(-market.wallets.balance(3, asset)[0], asset, 3)
    for status in (2, 3):
        assert market.send(setting(Setting.STATUS, status, 3))[-1]["kind"] == EventKind.COMPLETED
    assert bust(market, records)["kind"].tolist() == [EventKind.REJECTED]


def test_random_trades_and_busts_are_as_if_only_the_others_had_been(tmp_path, market):
    """Independent of the core's own sums: a second market trades what was not broken."""
    rng = np.random.default_rng(7)
    other = SpotMarket(tmp_path)
    for who in (1, 2, 3):
        other.move(100_000 * 10**6, "USD", who)
        other.move(10 * 10**8, "BTC", who)
    done, broken = [], 0
    for number in range(60):
        buyer, seller = rng.choice([1, 2, 3], 2, replace=False).tolist()
        lots, price = int(rng.integers(1, 30)), int(rng.integers(4_900_000, 5_100_000))
        terms = {"buyer": buyer, "seller": seller, "lots": lots, "price": price}
        done.append((terms, trade(market, BTC_USD, **terms)))
        if rng.random() < 0.4:
            _, records = done.pop(int(rng.integers(len(done))))
            assert bust(market, records, f"bust {number}")["kind"][0] == EventKind.BROKEN
            broken += 1
        if number == 30:
            again = Engine.restore(market.engine.snapshot(), 1_024, hooks=market.engine.hooks)
            assert again.state_hash() == market.engine.state_hash()
            market.engine = again
    assert broken > 10
    for terms, _ in done:
        trade(other, BTC_USD, **terms)
    assert all_held(market) == all_held(other)
    assert market.balanced()


def test_replay_gives_the_same_core(tmp_path, market):
    sent, plain = [], market.send

    def keep(record):
        sent.append(record.copy())
        return plain(record)

    start = Engine.restore(market.engine.snapshot(), 1_024, hooks=market.engine.hooks)
    market.send = keep
    for number in range(4):
        bust(market, trade(market, BTC_USD, lots=10 + number), f"bust {number}")
    commands = np.concatenate(sent)
    commands["seq"] = start.last_seq + 1 + np.arange(len(commands))
    for cut in range(0, len(commands), 5):
        other = start.clone()
        other.process(commands[:cut])
        again = Engine.restore(other.snapshot(), 1_024, hooks=other.hooks)
        again.process(commands[cut:])
        assert again.state_hash() == market.engine.state_hash()


def test_the_matcher_and_the_risk_say_the_same_word():
    assert hooks.BREAKS == before.BREAKS
    assert EFFECT != LEG
