"""Quotes over shared memory: both sides of an instrument at once, whatever ends in between."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from openoutcry.client.drop_copy import read_copy
from openoutcry.client.shm import ShmQuote, reason_name
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire import OrderType, make_instruments
from openoutcry.wire.enums import CommandKind, Reason, SelfTrade, Side, TimeInForce
from tests.support.order_entry.sessions_venue import Nobody, session
from tests.support.order_entry.within_a_list import within_a_list
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.inline import OPENED, InlineVenue
from tests.support.venue.spot_floor import FLOOR, session_tables, wallet

SHM = int(Protocol.SHM)
MAKER = session_tables({"MAKER": ("shm", "participant = 1\ncancel_on_disconnect = 'none'", "key")})


def alone(name="ALICE", participant=1, **more):
    return session(name, participant, protocol=SHM, **more)


def broker(**more):
    return session("BROKER", 9, protocol=SHM, acts_for=[(10, 19)], **more)


def quote(id, bid=None, offer=None, symbol="ACME", **more):
    """A quote by lots and ticks of each side."""
    return ShmQuote(id, symbol, *(bid or (0, 0)), *(offer or (0, 0)), **more)


def told(client):
    """The replies: what happened, the quote's name, the side, and the open lots."""
    sides = {Side.BUY: "bid", Side.SELL: "offer", None: "-"}
    return [
        (message.kind.name, message.id, sides[message.side], message.leaves_lots)
        for message in client.told()
    ]


def sides(client, kind, id, bid, offer):
    return [(kind, id, "bid", bid), (kind, id, "offer", offer)]


def test_a_quote_enters_replaces_is_filled_and_enters_again():
    with InlineVenue([alone(), alone("BOB", 2)]) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        number = alice.quote(quote(7, (5, 10_000), (5, 10_200)))
        replies = alice.told()
        assert [(m.kind.name, m.id, m.side, m.request) for m in replies] == [
            ("ACCEPTED", 7, Side.BUY, number),
            ("ACCEPTED", 7, Side.SELL, number),
        ]
        alice.quote(quote(8, (4, 10_000), (5, 10_300)))
        assert told(alice) == sides(alice, "REPLACED", 8, 4, 5)
        bob.enter(1, Side.SELL, "ACME", 6, 10_000)
        bob.told()
        (fill,) = alice.told()
        assert (fill.kind, fill.id, fill.side, fill.leaves_lots) == (
            Reply.EXECUTED, 8, Side.BUY, 0,
        )  # fmt: skip
        alice.quote(quote(9, (5, 9_900), (5, 10_300)))
        assert told(alice) == [("ACCEPTED", 9, "bid", 5), ("REPLACED", 9, "offer", 5)]
        assert alice.cancel_quotes() == alice.next_request - 1
        done = alice.told()
        assert [(m.kind.name, m.id, m.qty_lots) for m in done] == [
            ("CANCELED", 9, 5), ("CANCELED", 9, 5), ("QUOTES_CANCELED", 0, 0),
        ]  # fmt: skip
        assert venue.stop()["open_orders"] == 1


def test_a_side_without_lots_goes_and_a_quote_without_any_is_a_cancel():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.quote(quote(1, None, (5, 10_200)))
        assert told(alice) == [("ACCEPTED", 1, "offer", 5)]
        alice.quote(quote(2, (3, 10_000)))
        assert told(alice) == [("ACCEPTED", 2, "bid", 3), ("CANCELED", 1, "offer", 0)]
        alice.quote(quote(3))
        assert told(alice) == [("CANCELED", 2, "bid", 0), ("QUOTES_CANCELED", 3, "-", 0)]
        alice.quote(quote(4))
        alice.cancel_quotes("ACME")
        alice.cancel_quotes()
        assert [(m.kind.name, m.id, m.symbol, m.qty_lots) for m in alice.told()] == [
            ("QUOTES_CANCELED", 4, "ACME", 0),
            ("QUOTES_CANCELED", 0, "ACME", 0),
            ("QUOTES_CANCELED", 0, "", 0),
        ]
        assert venue.stop()["open_orders"] == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote(2, (5, 10_000), (5, 10_000)), "bad aux"),
        (quote(2, (5, 10_000), (5, 10_200), order_type=OrderType.MARKET), "unsupported"),
        (quote(2, (5, 10_000), (5, 10_200), time_in_force=TimeInForce.IOC), "unsupported"),
        (quote(2, (5, 10_000), (5, 10_200), "NONE"), "unknown symbol"),
        (quote(2, (-5, 10_000), (5, 10_200)), "quantity"),
        (quote(2, (5, 10_000), (-5, 10_200)), "quantity"),
        (quote(2, (0, 10_000), (5, 10_200)), "unused field"),
        (quote(2, (5, 10_000), (0, 10_200)), "unused field"),
        (quote(0, (5, 10_000), (5, 10_200)), "name"),
        (quote(2, (5, 0), (5, 10_200)), "gateway"),
    ],
)
def test_a_quote_that_is_refused_has_one_answer_and_the_others_of_its_request_stand(bad, reason):
    good, last = (quote(n, (5, 9_000), (5, 9_200), "BOLT") for n in (1, 3))
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.quote(quote(9, (5, 9_900), (5, 10_100)))
        alice.told()
        first, second, third = alice.mass_quote([good, bad, last])
        replies = alice.told()
        assert [(m.kind.name, m.id, m.request) for m in replies] == [
            ("ACCEPTED", 1, first),
            ("ACCEPTED", 1, first),
            ("REJECTED", bad.id, second),
            ("REPLACED", 3, third),
            ("REPLACED", 3, third),
        ]
        assert reason_name(replies[2].reason) == reason
        assert replies[2].orig_id == 0
        alice.cancel_quotes()
        assert [m.kind.name for m in alice.told()] == ["CANCELED"] * 4 + ["QUOTES_CANCELED"]
        assert venue.stop()["open_orders"] == 0


def test_up_to_a_hundred_quotes_are_sent_at_once_or_none():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        for count in (0, 101):
            with pytest.raises(ValueError, match="from 1 to 100"):
                alice.mass_quote([quote(1, (1, 9_000))] * count)
        numbers = alice.mass_quote([quote(n + 1, (1, 9_000 - n)) for n in range(100)])
        assert (len(numbers), [m.id for m in alice.told()]) == (100, list(range(1, 101)))
        assert venue.stop()["open_orders"] == 1


def test_participants_of_a_broker_have_quotes_of_their_own():
    with InlineVenue([broker(), alone("SELF", 10)]) as venue:
        client, own = venue.shm("BROKER"), venue.shm("SELF")
        for participant in (10, 11):
            client.quote(quote(1, (5, 10_000), (5, 10_200)), participant=participant)
        assert [m.participant for m in client.told()] == [10, 10, 11, 11]
        own.quote(quote(1, (5, 10_000), (5, 10_200)))
        assert told(own) == sides(own, "ACCEPTED", 1, 5, 5), "each session has its own"
        client.quote(quote(2, (5, 10_000)), participant=20)
        (reply,) = client.told()
        assert reason_name(reply.reason) == "participant"
        client.cancel_quotes(participant=20)
        (reply,) = client.told()
        assert (reply.kind.name, reason_name(reply.reason)) == ("REJECTED", "participant")
        client.cancel_quotes(participant=11)
        assert [(m.kind.name, m.participant) for m in client.told()] == [
            ("CANCELED", 11),
            ("CANCELED", 11),
            ("QUOTES_CANCELED", 11),
        ]
        assert venue.stop()["open_orders"] == 4


def test_a_quote_counts_against_limits_and_needs_permission():
    limits = {"max_open_orders": 3, "throttle_per_s": 1, "throttle_burst": 5}
    rows = [alone(**limits), alone("BOB", 2, quotes=False), alone("EVE", 3, order_types=4)]
    with InlineVenue(rows) as venue:
        alice = venue.shm("ALICE")
        alice.quote(quote(1, (5, 10_000), (5, 10_200)))
        alice.quote(quote(2, (5, 9_000), (5, 9_200), "BOLT"))
        alice.quote(quote(3, (5, 9_000), None, "BOLT"))
        alice.quote(quote(4, (4, 10_000), (4, 10_200)))
        replies = alice.told()
        assert [(m.kind.name, m.id) for m in replies] == [
            *[("ACCEPTED", 1)] * 2, ("REJECTED", 2), ("ACCEPTED", 3), *[("REPLACED", 4)] * 2,
        ]  # fmt: skip
        assert reason_name(replies[2].reason) == "too many open"
        alice.mass_quote([quote(5, (3, 10_000), (3, 10_200))] * 2)
        replies = alice.told()
        assert [m.kind.name for m in replies] == ["REPLACED"] * 2 + ["REJECTED"]
        assert reason_name(replies[2].reason) == "throttled"
        alice.quote(quote(6))
        assert [m.kind.name for m in alice.told()][:2] == ["CANCELED"] * 2
        for name in ("BOB", "EVE"):
            client = venue.shm(name)
            client.quote(quote(1, (5, 10_000)))
            (reply,) = client.told()
            assert reason_name(reply.reason) == "not admitted"


def test_orders_and_quotes_have_names_apart():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(7, Side.BUY, "ACME", 1, 9_000)
        alice.quote(quote(7, (5, 9_500), (5, 10_200)))
        alice.cancel(7)
        replies = alice.told()
        assert [m.kind.name for m in replies] == ["ACCEPTED"] * 3 + ["CANCELED"]
        assert replies[3].price_ticks == 9_000
        alice.cancel(7)
        assert [m.kind.name for m in alice.told()] == ["REJECTED"]
        alice.mass_cancel("ACME")
        assert [m.kind.name for m in alice.told()] == ["CANCELED"] * 2 + ["MASS_CANCELED"]
        alice.quote(quote(8, (5, 9_500)))
        assert told(alice) == [("ACCEPTED", 8, "bid", 5)]


@pytest.mark.parametrize("fills", range(4))
def test_quotes_under_way_meet_what_is_filled_and_lost_meanwhile(fills):
    """Quotes that were sent before a fill was known replace what is open, and enter what is not; a
    lost session takes them all."""
    with InlineVenue([alone(), alone("BOB", 2)]) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        alice.quote(quote(1, (5, 10_000), (5, 10_200)))
        alice.told()
        if fills & 1:
            bob.enter(1, Side.SELL, "ACME", 5, 10_000)
        if fills & 2:
            bob.enter(2, Side.BUY, "ACME", 5, 10_200)
        for name in (2, 3, 4):
            alice.quote(quote(name, (5, 10_000 - name), (5, 10_200)))
        alice.told()
        alice.cancel_quotes()
        assert [m.kind.name for m in alice.told()] == ["CANCELED"] * 2 + ["QUOTES_CANCELED"]
        for name in (5, 6):
            alice.quote(quote(name, (5, 10_000 - name), (5, 10_200)))
        alice.close()
        venue.clock.advance(2)
        assert venue.stop()["open_orders"] == 0


class Many(Nobody):
    """A venue with 200 instruments."""

    def __init__(self):
        self.instruments = make_instruments([f"S{number}" for number in range(200)])


def test_a_cancel_of_all_quotes_lets_others_in_between(tmp_path):
    """It looks at no more instruments in a turn than others have requests."""
    with InlineVenue([alone(), alone("BOB", 2)], tmp_path / "j", source=Many()) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        for first in (0, 100):
            alice.mass_quote([quote(9, (5, 100), None, f"S{first + n}") for n in range(100)])
            assert len(told(alice)) == 100
        alice.cancel_quotes()
        alice.cancel_quotes()
        bob.enter(1, Side.BUY, "S0", 1, 90)
        venue.step()
        kinds = venue.commands()["kind"][-203:].tolist()
        assert kinds.count(CommandKind.CANCEL) == 200
        assert kinds.index(CommandKind.NEW) <= 2 * 64 + 1
        assert [kind for kind, *_ in told(alice)] == ["CANCELED"] * 200 + ["QUOTES_CANCELED"] * 2


@pytest.mark.parametrize("seed", range(6))
def test_random_quotes_leave_what_their_replies_say(seed, tmp_path):
    """The replies, folded, are the open sides; each quote has its own answer; and after a restart
    the stream is the same and quotes go on."""
    rng = random.Random(seed)
    rows = [broker(cancel_on_disconnect=0), alone("BOB", 2, cancel_on_disconnect=0)]
    with InlineVenue(rows, tmp_path / "j", sizes={"row_capacity": 64}) as venue:
        client, bob = venue.shm("BROKER", first_reply=1), venue.shm("BOB")
        replies, sent, name = [], {}, 0
        for turn in range(30):
            for _ in range(rng.randrange(1, 9)):
                name += 1
                do_something(rng, client, bob, sent, name)
            replies += client.told()
            bob.told()
            if turn == 20:
                venue.again()
                client, bob = venue.shm("BROKER", first_reply=1), venue.shm("BOB")
                again = client.told()
                assert again == replies
        require_answers(sent, replies)
        for participant in (11, 12):
            client.mass_cancel(participant=participant)
        last = client.told()
        cancelled = [side_of(m) for m in last if m.kind == Reply.CANCELED]
        assert sorted(cancelled) == sorted(open_sides(replies))
        bob.mass_cancel()
        bob.told()
        assert venue.stop()["open_orders"] == 0


def do_something(rng, client, bob, sent, name):
    """A quote, the cancel of one, or an order that may trade with one."""
    participant, symbol = rng.choice((11, 12)), rng.choice(("ACME", "BOLT"))
    what = rng.random()
    if what < 0.6:
        middle = rng.randrange(10_000, 10_020)
        bid = (rng.randrange(1, 6), middle - rng.randrange(0, 4)) if rng.random() < 0.8 else None
        offer = (rng.randrange(1, 6), middle + rng.randrange(0, 4)) if rng.random() < 0.8 else None
        one = quote(name, bid, offer, symbol, self_trade=rng.choice(list(SelfTrade)))
        sent[client.quote(one, participant=participant)] = one
    elif what < 0.7:
        client.cancel_quotes(rng.choice(("", symbol)), participant=participant)
    else:
        side = rng.choice((Side.BUY, Side.SELL))
        bob.enter(name, side, symbol, rng.randrange(1, 8), rng.randrange(9_990, 10_030))


def side_of(message):
    return message.participant, message.symbol, message.side


def open_sides(replies):
    leaves = {}
    for message in replies:
        if message.side is not None and message.kind != Reply.REJECTED:
            leaves[side_of(message)] = message.leaves_lots
    return [side for side, lots in leaves.items() if lots]


def require_answers(sent, replies):
    """Each quote is rejected once, or each of its sides with lots enters or is replaced once."""
    for number, one in sent.items():
        mine = [m for m in replies if m.request == number]
        if any(m.kind == Reply.REJECTED for m in mine):
            assert len(mine) == 1
            continue
        entered = [m.side for m in mine if m.kind in (Reply.ACCEPTED, Reply.REPLACED)]
        wanted = [Side.BUY] * bool(one.bid_lots) + [Side.SELL] * bool(one.offer_lots)
        assert sorted(entered) == wanted
        assert all(m.id == one.id for m in mine if m.kind != Reply.CANCELED)


@pytest.mark.parametrize("taken", range(5))
def test_each_quote_is_whole_after_a_death_within_two(taken, tmp_path):
    """The process of the sessions dies when so many of the four commands are on the lane."""
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        alice.mass_quote([quote(1, (5, 10_000), (5, 10_200)), quote(2, (4, 10_000), (4, 10_200))])
        within_a_list(venue, taken)
        venue.sessions_again(0)
        venue.step()
        again = venue.shm("ALICE", first_reply=1)
        assert told(again)[-2:] == sides(again, "REPLACED", 2, 4, 4)
        again.quote(quote(3, (3, 10_000)))
        assert [m[0] for m in told(again)] == ["REPLACED", "CANCELED"]


@pytest.mark.parametrize("taken", range(1, 5))
def test_each_quote_is_whole_or_not_there_where_the_journal_ends_within_two(taken, tmp_path):
    """The machine dies when so many of the four commands are sequenced: the session knows which
    requests were taken."""
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        quotes = [quote(1, (5, 10_000), (5, 10_200)), quote(2, (4, 10_000), (4, 10_200))]
        first, _ = alice.mass_quote(quotes)
        within_a_list(venue, taken)
        venue.run.step_alone("gateway")
        for stage in venue.run._apart:  # the journal's
            stage.step()
        venue.again()
        again = venue.shm("ALICE", first_reply=1)
        venue.clock.advance(2)
        done = taken // 2
        assert again.taken_before == first - 1 + done
        assert [name for _, name, _, _ in told(again)] == [1, 1, 2, 2][: 2 * done]
        again.mass_quote(quotes[done:] or quotes[1:])
        assert told(again)[-2:] == sides(again, "REPLACED", 2, 4, 4)
        assert venue.stop()["open_orders"] == 2


def test_on_a_later_day_a_quote_good_till_cancelled_is_still_the_sessions(tmp_path):
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        alice.quote(quote(7, (5, 10_000), (5, 10_200), time_in_force=TimeInForce.GTC))
        alice.told()
        venue.stop()
        begin = OPENED + timedelta(days=1)
        midnight_ns = int(begin.replace(hour=0).timestamp()) * 10**9
        venue.spec = replace(venue.spec, day=f"{begin:%Y%m%d}", day_begin_ns=midnight_ns)
        venue._at(tmp_path / "j", begin)
        venue.open()
        alice = venue.shm("ALICE")
        alice.quote(quote(1, (4, 10_001), (5, 10_200), time_in_force=TimeInForce.GTC))
        assert told(alice) == sides(alice, "REPLACED", 1, 4, 5)
        alice.cancel_quotes()
        assert [m.kind.name for m in alice.told()] == ["CANCELED"] * 2 + ["QUOTES_CANCELED"]
        assert venue.stop()["open_orders"] == 0


def test_a_quote_of_a_pair_reserves_both_assets_or_neither(tmp_path):
    floor = InlineFloor(tmp_path, FLOOR + MAKER)
    try:
        floor.ask("deposit", "1", str(10**12), "--asset", "USD")
        maker, reserved = floor.shm("MAKER"), lambda asset: wallet(floor, 1, asset)[1]
        maker.quote(ShmQuote(1, "BTC-USD", 1, 4_900_000, 1, 5_000_000))
        (reply,) = maker.told()
        assert (reply.kind, reply.reason) == (Reply.REJECTED, Reason.RISK)
        assert (reserved("USD"), reserved("BTC")) == (0, 0)
        floor.ask("deposit", "1", str(10**9), "--asset", "BTC")
        maker.quote(ShmQuote(2, "BTC-USD", 1, 4_900_000, 1, 5_000_000))
        assert [m.kind.name for m in maker.told()] == ["ACCEPTED"] * 2
        assert min(reserved("USD"), reserved("BTC")) > 0
        maker.cancel_quotes()
        assert [m.kind.name for m in maker.told()] == ["CANCELED"] * 2 + ["QUOTES_CANCELED"]
        assert (reserved("USD"), reserved("BTC")) == (0, 0)
    finally:
        floor.close()


def test_a_quote_of_contracts_is_covered_on_each_side_and_ends_with_the_day(tmp_path):
    floor = InlineFloor(tmp_path, CONTRACT_VENUE + MAKER)
    try:
        floor.wait_for_phase("CONTINUOUS")
        maker = floor.shm("MAKER")
        maker.mass_quote(
            [
                ShmQuote(1, "GOLD", 4, 4_990, 4, 5_010),
                ShmQuote(2, "GOLD", 40, 4_990, 40, 5_010),
            ]
        )
        replies = maker.told()
        assert [(m.kind.name, m.id) for m in replies] == [
            ("ACCEPTED", 1),
            ("ACCEPTED", 1),
            ("REJECTED", 2),
        ]
        assert replies[2].reason == Reason.RISK
        floor.at("2026-11-23T17:06")
        _, events = floor.journal()
        assert (events["reason"] == Reason.DAY_END).sum() == 2
    finally:
        floor.close()


def test_drop_copies_report_both_sides_by_the_quotes_name():
    rows = [
        alone(),
        alone("BOB", 2),
        session("COPY", 1, protocol=int(Protocol.DROP_COPY)),
        session("FIXCOPY", 1, protocol=int(Protocol.FIX_DROP_COPY)),
    ]
    with InlineVenue(rows) as venue:
        alice, bob, copy = venue.shm("ALICE"), venue.shm("BOB"), venue.copy("COPY")
        watch = venue.fix("FIXCOPY", protocol=Protocol.FIX_DROP_COPY)
        alice.quote(quote(7, (5, 10_000), (5, 10_200)))
        alice.quote(quote(8, (4, 10_000), (5, 10_300)))
        replies = alice.told()
        bob.enter(1, Side.SELL, "ACME", 4, 10_000)
        bob.told()
        alice.quote(quote(9, (1, 10_400), (5, 10_300)))
        alice.cancel_quotes()
        replies += alice.told()
        by_door = [f"{m.id:016x}" for m in replies if m.side]
        copies = [read_copy(1, copy.packet()[1]) for _ in by_door]
        reports = [watch.next(0) for _ in by_door]
        names = [one.token[16:] for one in copies]
        assert names == by_door
        assert [one[11][16:] for one in reports] == names
        assert [one[150] for one in reports] == [*"0055F84"]
