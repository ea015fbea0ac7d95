"""Sessions over shared memory in one thread: orders and their replies, recovery by number, and
brokers' sessions, which act for the participants of their ranges and for nobody else."""

import numpy as np
import pytest

from openoutcry.client import SessionEnded
from openoutcry.client.drop_copy import read_copy
from openoutcry.client.shm import RequestsFull, reason_name
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.sessions_checkpoint import make_sessions_checkpoint
from openoutcry.order_entry.shm_layout import REQUEST_SLOTS, End, Reply, name_text
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.wire.enums import CommandKind, OrderType, Reason, SelfTrade, Side, TimeInForce
from tests.support.order_entry.sessions_venue import Nobody, session
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)
NONE = int(CancelOnDisconnect.NONE)
RANGES = [(10, 19), (30, 30)]
BIG = (7 << 64) | 5


def alone(name="ALICE", participant=1, **more):
    return session(name, participant, protocol=SHM, **more)


def broker(**more):
    return session("BROKER", 9, protocol=SHM, acts_for=RANGES, **more)


def kinds(messages):
    return "".join(chr(message.kind) for message in messages)


def test_an_order_is_accepted_executed_replaced_and_cancelled_with_what_it_has_done():
    with InlineVenue([alone(), alone("BOB", 2)]) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        number = alice.enter(BIG, Side.BUY, "ACME", 100, 10_000, time_in_force=TimeInForce.GTC)
        (accepted,) = alice.told()
        assert (accepted.kind, accepted.id, accepted.request) == (Reply.ACCEPTED, BIG, number)
        assert (accepted.symbol, accepted.side) == ("ACME", Side.BUY)
        assert (accepted.order_type, accepted.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
        assert (accepted.qty_lots, accepted.leaves_lots, accepted.price_ticks) == (100, 100, 10_000)
        assert accepted.rx_ts_ns == venue.clock.now_ns()
        bob.enter(1, Side.SELL, "ACME", 30, 9_000)
        (taken,) = [m for m in bob.told() if m.kind == Reply.EXECUTED]
        (made,) = alice.told()
        assert (made.kind, made.id, made.request) == (Reply.EXECUTED, BIG, 0)
        assert (made.qty_lots, made.leaves_lots, made.price_ticks) == (30, 70, 10_000)
        assert (made.cum_lots, made.cum_value) == (30, 300_000)
        assert (made.is_maker, taken.is_maker) == (True, False)
        assert made.match == taken.match > 0
        alice.replace(BIG, 6, 50, 10_100)
        (replaced,) = alice.told()
        assert (replaced.kind, replaced.id, replaced.orig_id) == (Reply.REPLACED, 6, BIG)
        assert (replaced.leaves_lots, replaced.cum_lots) == (20, 30), "a whole quantity of 50"
        assert replaced.order_number == accepted.order_number
        alice.cancel(6)
        (canceled,) = alice.told()
        assert (canceled.kind, canceled.qty_lots, canceled.leaves_lots) == (Reply.CANCELED, 20, 0)
        assert canceled.reason == Reason.USER


REFUSED = {
    "unknown symbol": {"symbol": "NONE"},
    "unsupported": {"order_type": 99},
    "name": {"id": 0},
    "participant": {"participant": 2},
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_request_that_cannot_be_an_order_is_rejected_by_name(why):
    fields = {"id": 1, "side": Side.BUY, "symbol": "ACME", "qty_lots": 5, "price_ticks": 10_000}
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        number = alice.enter(**(fields | REFUSED[why]))
        (rejected,) = alice.told()
        assert (rejected.kind, rejected.reason_text) == (Reply.REJECTED, why)
        assert (rejected.request, rejected.order_number) == (number, 0)
        alice.enter(2, Side.BUY, "ACME", 5, 10_000)
        assert kinds(alice.told()) == "A"


def test_what_the_core_rejects_has_the_cores_reason():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(1, Side.BUY, "ACME", -5, 10_000)
        alice.enter(2, Side.BUY, "ACME", 5, 10_000)
        alice.enter(2, Side.BUY, "ACME", 5, 10_000)
        alice.replace(7, 8, 5, 10_000)
        alice.replace(2, 8, 0, 10_000)
        alice.cancel(8)
        told = alice.told()
        assert kinds(told) == "JAJJJJ"
        assert told[0].reason in (Reason.GATEWAY, Reason.BAD_QTY)
        assert [reason_name(m.reason) for m in told[2:]] == [
            "duplicate token",
            "unknown order",
            "quantity",
            "unknown order",
        ]


def test_a_used_name_is_rejected_without_effect_so_that_a_request_may_be_sent_again():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        for _ in range(3):
            alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        assert kinds(alice.told()) == "AJJ"
        bob_like = venue.run.work.sessions.region.block(1)
        assert bob_like[session_block.OPEN_ORDERS // 8] == 1


def test_a_mass_cancel_takes_the_participants_orders_and_says_how_many():
    with InlineVenue([alone(), alone("TWIN", 1), alone("BOB", 2)]) as venue:
        alice, twin, bob = venue.shm("ALICE"), venue.shm("TWIN"), venue.shm("BOB")
        for client in (alice, twin, bob):
            client.enter(1, Side.BUY, "ACME", 5, 10_000)
            client.enter(2, Side.SELL, "BOLT", 5, 20_000)
            assert kinds(client.told()) == "AA"
        alice.mass_cancel("ACME")
        told = alice.told()
        assert kinds(told) == "CM"
        assert told[-1].qty_lots == 2
        assert kinds(twin.told()) == "C"
        alice.mass_cancel(side=Side.BUY)
        assert (kinds(alice.told()), kinds(twin.told())) == ("M", "")
        alice.mass_cancel()
        assert (kinds(alice.told()), kinds(twin.told()), kinds(bob.told())) == ("CM", "C", "")


def test_the_sessions_self_trade_mode_counts_where_an_order_names_none():
    with InlineVenue([alone(self_trade=SelfTrade.CANCEL_NEWEST)]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        alice.enter(2, Side.SELL, "ACME", 5, 10_000)
        told = alice.told()
        assert kinds(told) == "AAC"
        assert (told[-1].id, told[-1].reason) == (2, Reason.SELF_TRADE)
        alice.enter(3, Side.SELL, "ACME", 5, 10_000, self_trade=SelfTrade.CANCEL_OLDEST)
        told = alice.told()
        assert [(m.id, m.reason) for m in told if m.kind == Reply.CANCELED] == [
            (1, Reason.SELF_TRADE)
        ]


def test_a_ring_of_requests_takes_no_more_than_it_has_slots_until_the_venue_reads():
    with InlineVenue([alone()], sizes={"token_capacity": 1 << 14}) as venue:
        alice = venue.shm("ALICE")
        for _ in range(REQUEST_SLOTS):
            alice.heartbeat()
        with pytest.raises(RequestsFull):
            alice.heartbeat()
        venue.step()
        assert alice.room == REQUEST_SLOTS
        for number in range(1, 3 * REQUEST_SLOTS):
            if alice.room < 1:
                alice.told()
            alice.enter(number, Side.BUY, "ACME", 1, 10_000, time_in_force=TimeInForce.IOC)
        alice.told()
        assert alice.next_reply - 1 == 2 * (3 * REQUEST_SLOTS - 1)


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
def test_both_numbers_continue_after_a_lost_connection_and_a_dropped_venue(tmp_path):
    rows = [alone(cancel_on_disconnect=NONE)]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        alice = venue.shm("ALICE")
        alice.heartbeat()
        alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        alice.enter(2, Side.BUY, "ACME", 5, 10_000)
        told = alice.told()
        alice.enter(3, Side.BUY, "ACME", 5, 10_000)
        alice.close()
        again = venue.shm("ALICE", first_reply=alice.next_reply)
        assert again.taken_before == 4, "it was there before the end"
        told += again.told()
        again.enter(4, Side.BUY, "ACME", 5, 10_000)
        venue.drop()  # before it has looked
        venue.open()
        with pytest.raises(SessionEnded):
            again.next(1)
        last = venue.shm("ALICE")
        assert last.taken_before == 4, "the fourth order has had no effect"
        assert last.told() == told
        last.enter(4, Side.BUY, "ACME", 5, 10_000)
        assert kinds(last.told()) == "A"
        last.cancel(3)
        assert kinds(last.told()) == "C"
        assert venue.stop()["replay"]["equal"] is True


def test_a_checkpoint_knows_whose_each_order_is_and_how_far_requests_came(tmp_path):
    rows = [broker(cancel_on_disconnect=NONE), alone(cancel_on_disconnect=NONE)]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        client = venue.shm("BROKER")
        client.enter(1, Side.BUY, "ACME", 5, 10_000, participant=11)
        client.enter(1, Side.BUY, "ACME", 5, 10_000, participant=12)
        told = client.told()
        venue.stop()
        assert make_sessions_checkpoint(tmp_path / "journal", venue.spec, Nobody().instruments)
        venue.open()
        again = venue.shm("BROKER")
        assert again.taken_before == 2
        assert again.told() == told
        again.cancel(1, participant=12)
        assert [(m.kind, m.participant) for m in again.told()] == [(Reply.CANCELED, 12)]


# Types.

T, TIF = OrderType, TimeInForce
NEXT_YEAR_NS = 1_800_000_000 * 10**9
TYPES = [
    (T.LIMIT, TIF.DAY, 0),
    (T.LIMIT, TIF.FOK, 0),
    (T.LIMIT, TIF.GTD, NEXT_YEAR_NS),
    (T.MARKET, TIF.IOC, 0),
    (T.POST_ONLY, TIF.GTC, 0),
    (T.POST_ONLY_SLIDE, TIF.DAY, 0),
    (T.MARKET_TO_LIMIT, TIF.DAY, 0),
    (T.STOP, TIF.GTC, 10_500),
    (T.STOP_LIMIT, TIF.DAY, 10_500),
    (T.TRAILING_STOP, TIF.DAY, 200),
    (T.TRAILING_STOP_BPS, TIF.DAY, 150),
    (T.ICEBERG, TIF.DAY, 5),
    (T.HIDDEN, TIF.DAY, 0),
    (T.PEG_PRIMARY, TIF.DAY, -2),
    (T.PEG_MARKET, TIF.DAY, -2),
    (T.PEG_MIDPOINT, TIF.DAY, -1),
    (T.ALL_OR_NONE, TIF.DAY, 0),
    (T.MIN_QTY, TIF.DAY, 3),
    (T.TRAILING_STOP_LIMIT, TIF.DAY, 200),
    (T.TRAILING_STOP_LIMIT_BPS, TIF.DAY, 150),
    (T.POST_ONLY_STOP_LIMIT, TIF.DAY, 10_500),
    (T.MARKET_BUDGET, TIF.IOC, 500_000),
    (T.LIMIT_BUDGET, TIF.FOK, 500_000),
    (T.TAKE_PROFIT, TIF.GTC, 10_500),
    (T.TAKE_PROFIT_LIMIT, TIF.DAY, 10_500),
]
NO_PRICE_OF_ITS_OWN = {
    T.MARKET, T.MARKET_TO_LIMIT, T.STOP, T.TRAILING_STOP, T.TRAILING_STOP_BPS, T.MARKET_BUDGET,
    T.TAKE_PROFIT,
}  # fmt: skip


def a_market(venue):
    """A last price, a bid and an ask: what stops and pegs go by."""
    maker = venue.shm("MAKER")
    maker.enter(1, Side.SELL, "ACME", 500, 10_100)
    maker.enter(2, Side.BUY, "ACME", 500, 9_900)
    maker.enter(3, Side.BUY, "ACME", 1, 10_100)
    maker.told()
    return maker


def test_there_is_a_row_for_every_type():
    assert {row[0] for row in TYPES} == set(OrderType)


@pytest.mark.parametrize("row", TYPES, ids=lambda row: f"{row[0].name}-{row[1].name}")
def test_a_broker_enters_every_type_with_its_aux(row, tmp_path):
    order_type, tif, aux = row
    with InlineVenue([broker(), alone("MAKER", 2)], tmp_path / "journal") as venue:
        a_market(venue)
        client = venue.shm("BROKER")
        price = 0 if order_type in NO_PRICE_OF_ITS_OWN else 10_050
        client.enter(
            7,
            Side.BUY,
            "ACME",
            20,
            price,
            participant=11,
            order_type=order_type,
            time_in_force=tif,
            aux=aux,
        )
        accepted, *_ = client.told()
        assert accepted.kind == Reply.ACCEPTED, accepted
        assert (accepted.order_type, accepted.time_in_force) == (order_type, tif)
        (entered,) = (one for one in venue.commands() if one["participant"] == 11)
        assert (int(entered["order_type"]), int(entered["aux"])) == (order_type, aux)


def replaced_aux(venue, client, name, **terms):
    """The order's replaced row."""
    client.replace(7, name, 20, 10_000, participant=11, **terms)
    (told,) = client.told()
    assert (told.kind, told.id) == (Reply.REPLACED, name), told
    rows = venue.run.work.sessions.region.rows
    (row,) = rows[rows["chain"] != 0]
    return int(row["aux"])


REPLACES = [
    (T.STOP_LIMIT, 10_500, 10_400),
    (T.STOP_LIMIT, 10_500, 0),
    (T.TRAILING_STOP_LIMIT, 200, 150),
    (T.ICEBERG, 5, 7),
    (T.ICEBERG, 5, 0),
    (T.PEG_PRIMARY, -2, -3),
    (T.PEG_PRIMARY, -2, 0),
    (T.PEG_PRIMARY, -2, None),
    (T.STOP_LIMIT, 10_500, None),
    (T.ICEBERG, 5, None),
]


@pytest.mark.parametrize("row", REPLACES, ids=lambda row: f"{row[0].name}-{row[2]}")
def test_a_replace_may_give_another_aux(row, tmp_path):
    order_type, before, after = row
    with InlineVenue([broker(), alone("MAKER", 2)], tmp_path / "journal") as venue:
        a_market(venue)
        client = venue.shm("BROKER")
        client.enter(
            7, Side.BUY, "ACME", 20, 10_050, participant=11, order_type=order_type, aux=before
        )
        assert kinds(client.told()) == "A"
        stays = after is None or (after == 0 and order_type != T.PEG_PRIMARY)
        assert replaced_aux(venue, client, 8, aux=after) == (before if stays else after)
        # The core says so too: its book after the same commands of the journal is equal.
        assert venue.stop()["replay"]["equal"] is True


def test_a_replaced_trigger_is_what_the_stop_goes_by():
    with InlineVenue([broker(), alone("MAKER", 2)]) as venue:
        maker = a_market(venue)
        client = venue.shm("BROKER")
        client.enter(
            7, Side.BUY, "ACME", 20, 10_600, participant=11, order_type=T.STOP_LIMIT, aux=10_500
        )
        client.replace(7, 8, 20, 10_600, participant=11, aux=10_300)
        assert kinds(client.told()) == "AU"
        maker.cancel(1)
        maker.enter(4, Side.SELL, "ACME", 1, 10_300)
        maker.enter(5, Side.SELL, "ACME", 50, 10_400)
        maker.enter(6, Side.BUY, "ACME", 1, 10_300)
        told = client.told()
        assert [(m.kind, m.id) for m in told] == [(Reply.TRIGGERED, 8), (Reply.EXECUTED, 8)]


def test_a_quantity_with_an_aux_has_32_bits():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        for qty, aux in ((1 << 32, 1), (-1, 1), (5, 1 << 31)):
            with pytest.raises(ValueError, match="more than 32 bits"):
                alice.replace(1, 2, qty, 10_000, aux=aux)


# Brokers.


@pytest.mark.promise(
    "A broker's session acts for the participants of its ranges and for no other; the journal, "
    "limits and replies name the participant",
    group="venue",
)
def test_a_broker_acts_only_for_the_participants_of_its_ranges(tmp_path):
    with InlineVenue([broker(), alone("OTHER", 5)], tmp_path / "journal") as venue:
        client, other = venue.shm("BROKER"), venue.shm("OTHER")
        allowed, refused = (10, 15, 19, 30), (0, 1, 5, 9, 20, 29, 31, 65_535)
        for number, participant in enumerate((*allowed, *refused), start=1):
            client.enter(number, Side.BUY, "ACME", 5, 10_000, participant=participant)
        told = client.told()
        assert [(m.kind, m.participant) for m in told] == [
            *((Reply.ACCEPTED, participant) for participant in allowed),
            *((Reply.REJECTED, participant) for participant in refused),
        ]
        assert {m.reason_text for m in told if m.kind == Reply.REJECTED} == {"participant"}
        orders = venue.commands()
        entered = orders[orders["kind"] == CommandKind.NEW]
        assert sorted(entered["participant"].tolist()) == sorted(allowed)
        assert set(orders["participant"].tolist()) <= {*allowed, 9, 5}
        assert other.told() == []


def test_a_brokers_request_reaches_only_orders_of_the_participant_that_it_names():
    with InlineVenue([broker(), alone("TEN", 10)]) as venue:
        client, ten = venue.shm("BROKER"), venue.shm("TEN")
        ten.enter(1, Side.BUY, "ACME", 5, 10_000)
        client.enter(2, Side.BUY, "ACME", 5, 10_000, participant=11)
        assert (kinds(ten.told()), kinds(client.told())) == ("A", "A")
        client.cancel(1, participant=10)  # another session's
        client.cancel(2, participant=10)
        client.cancel(2, participant=12)
        client.replace(2, 3, 5, 10_100, participant=12)
        told = client.told()
        assert [(m.kind, reason_name(m.reason)) for m in told] == 4 * [
            (Reply.REJECTED, "unknown order")
        ]
        client.mass_cancel(participant=12)
        assert kinds(client.told()) == "M"
        client.mass_cancel(participant=5)
        assert kinds(client.told()) == "J"
        client.cancel(2, participant=11)
        assert kinds(client.told()) == "C"
        assert ten.told() == []
        client.mass_cancel(participant=10)  # the participant's, whichever session entered it
        assert kinds(ten.told()) == "C"


def test_participants_of_a_broker_may_use_the_same_names_and_trade_with_each_other():
    with InlineVenue([broker()]) as venue:
        client = venue.shm("BROKER")
        client.enter(1, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.enter(1, Side.SELL, "ACME", 5, 10_000, participant=11)
        told = client.told()
        assert [(m.kind, m.participant, m.id, m.request) for m in told] == [
            (Reply.ACCEPTED, 10, 1, 1),
            (Reply.ACCEPTED, 11, 1, 2),
            (Reply.EXECUTED, 10, 1, 0),
            (Reply.EXECUTED, 11, 1, 2),
        ]


def test_a_lost_brokers_orders_go_one_by_one_and_those_of_its_participants_other_sessions_stay():
    with InlineVenue([broker(grace_ms=50), alone("TEN", 10)]) as venue:
        client, ten = venue.shm("BROKER"), venue.shm("TEN")
        ten.enter(1, Side.BUY, "ACME", 5, 10_000)
        for participant in (10, 11, 30):
            client.enter(1, Side.BUY, "ACME", 5, 10_000, participant=participant)
        assert (kinds(ten.told()), kinds(client.told())) == ("A", "AAA")
        client.close()
        venue.clock.advance(0.2, tick_s=0.01)
        assert ten.told() == []
        again = venue.shm("BROKER", first_reply=client.next_reply)
        told = again.told()
        assert sorted((chr(m.kind), m.participant, m.reason) for m in told) == [
            ("C", participant, Reason.DISCONNECTED) for participant in (10, 11, 30)
        ]


def test_drop_copies_say_what_a_brokers_participants_did_and_no_more():
    rows = [
        broker(),
        session("TENS", 10, protocol=int(Protocol.DROP_COPY)),
        session("ALL", 99, protocol=int(Protocol.DROP_COPY), group=(10, 11)),
    ]
    with InlineVenue(rows) as venue:
        client, tens, both = venue.shm("BROKER"), venue.copy("TENS"), venue.copy("ALL")
        client.enter(BIG, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.enter(BIG, Side.SELL, "ACME", 3, 10_000, participant=11)
        client.cancel(BIG, participant=10)
        assert kinds(client.told()) == "AAEEC"
        told = [read_copy(1, tens.packet()[1]) for _ in range(3)]
        assert [(one.event.name, one.participant) for one in told] == [
            ("ACCEPTED", 10),
            ("FILLED", 10),
            ("CANCELLED", 10),
        ]
        name = name_text(np.array([5, 7], np.int64).tobytes())
        assert {(one.session, one.token) for one in told} == {("BROKER", name)}
        told = [read_copy(1, both.packet()[1]) for _ in range(5)]
        assert [one.participant for one in told] == [10, 11, 10, 11, 10]


def test_a_fix_drop_copy_names_a_brokers_orders_by_their_digits():
    rows = [broker(), session("FIXCOPY", 10, protocol=int(Protocol.FIX_DROP_COPY))]
    with InlineVenue(rows) as venue:
        copy = venue.fix("FIXCOPY", protocol=Protocol.FIX_DROP_COPY)
        client = venue.shm("BROKER")
        client.enter(BIG, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.cancel(99, participant=10)
        client.enter(3, Side.BUY, "ACME", 5, 10_000, participant=77)
        client.told()
        entered = copy.next(0)
        assert entered[11] == name_text(np.array([5, 7], np.int64).tobytes())
        assert (entered[448], entered[150]) == ("10", "0")
        refused = copy.next(0)
        assert (refused[35], refused[102]) == ("9", "1")
        assert refused[41] == name_text(np.array([99, 0], np.int64).tobytes())


def test_a_session_that_is_silent_for_its_timeout_is_lost_and_says_why():
    with InlineVenue([alone(timeout_ms=4_000)]) as venue:
        alice = venue.shm("ALICE")
        venue.clock.advance(3)
        alice.heartbeat()
        venue.step()
        venue.clock.advance(3)
        assert alice.end == End.NONE
        venue.clock.advance(2)
        assert alice.end == End.SILENT


def test_the_end_of_the_venue_and_the_operators_switch_are_named():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        block = venue.run.work.sessions.region.block(1)
        block[session_block.SWITCH // 8] = session_block.SWITCH_OFF
        venue.clock.advance(0.01)
        assert alice.end == End.SWITCHED_OFF
        block[session_block.SWITCH // 8] = session_block.SWITCH_ON
        venue.clock.advance(0.01)
        last = venue.shm("ALICE")
        venue.stop()
        assert last.end == End.VENUE_CLOSED
