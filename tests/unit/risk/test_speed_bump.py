"""The speed bump in the core: to the nanosecond of sequenced time, in turn, as the plain reference
says it; and what the operator cancels enters no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine, scratch_records
from openoutcry.risk import reference_bump, speed_bump
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.venue.fairness import Audit
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.enums import (
    LEGS_SHIFT,
    NEW_DAY,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Side,
    Term,
    TimeInForce,
)
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.support.matcher.matcher_lists import with_lists
from tests.support.matcher.matcher_quotes import with_quotes
from tests.support.risk.risk_delayed import delayed_core, switch
from tests.support.risk.speed_bump import BUMP_NS, CAPACITY, LIMITS, TABLE, flow, with_switches

A = TABLE["symbol"][0]


def order(rx_ts_ns, who=1, order_id=1, price=1_000, side=Side.BUY, kind=CommandKind.NEW):
    record = np.zeros(1, ORDER_DTYPE)
    record["rx_ts_ns"], record["participant"], record["order_id"] = rx_ts_ns, who, order_id
    record["price_ticks"], record["qty_lots"], record["symbol"] = price, 10, A
    record["kind"], record["side"] = kind, side
    record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    return record


class Desk:
    """One command after the other: what each causes, and what the audit says of them."""

    def __init__(self, delay_ns=BUMP_NS, window_ns=0, places=64):
        self.core, self.seq = delayed_core(TABLE, LIMITS, CAPACITY, places), 0
        self.audit = Audit()
        phase = np.zeros(1, ORDER_DTYPE)
        phase["kind"], phase["symbol"], phase["aux"] = CommandKind.PHASE, A, 4
        for one in (phase, switch(delay_ns, window_ns, 7)):
            self(one)

    def __call__(self, record):
        self.seq += 1
        record["seq"] = self.seq
        events = self.core.process(record)
        self.audit.check(record, events)
        return [EventKind(kind).name for kind in events["kind"]]

    def at(self, rx_ts_ns):
        record = setting(Setting.RELEASE, 0)
        record["rx_ts_ns"] = rx_ts_ns
        return self(record)


def test_everything_is_delayed_by_350_us_to_the_nanosecond():
    desk = Desk()
    assert desk(order(1_000)) == ["DELAYED"]
    assert desk(order(1_001, kind=CommandKind.CANCEL)) == ["DELAYED"]
    assert desk.at(350_999) == ["COMPLETED"]
    assert desk.at(351_000) == ["ENTERED", "ACCEPTED", "COMPLETED"]
    assert desk.at(351_001) == ["ENTERED", "CANCELLED", "COMPLETED"]
    assert desk.at(10**9) == ["COMPLETED"]


def test_of_two_commands_sequenced_out_of_order_the_first_received_enters_first():
    """A command of another lane that came a nanosecond earlier; what is late enters at once."""
    desk = Desk()
    desk(order(2_000, 1, 1))
    desk(order(1_999, 2, 2))
    view = View(desk.core.region)
    assert [release for release, _, _ in view.delayed()] == [351_999, 352_000]
    assert [seq for _, seq, _ in view.delayed()] == [4, 3]
    desk.at(10**6)
    assert desk(order(10**6 - BUMP_NS, 3, 3)) == ["ACCEPTED"]


def test_the_audit_blames_the_late_command_if_one_due_later_entered_before():
    """A participant's own orders keep their order: the later one was due no earlier."""
    desk = Desk(window_ns=BUMP_NS)
    desk(order(0, 1, 1))
    desk.at(10**6)
    assert desk(order(1, 1, 2)) == ["ACCEPTED"]
    assert desk.audit.faults == []
    desk = Desk()
    desk(order(100, 1, 1))
    desk.at(10**6)
    assert desk(order(99, 2, 2)) == ["ACCEPTED"]
    assert [fault["what"] for fault in desk.audit.faults] == [
        "was sequenced after a command that was due later"
    ]


def test_each_command_has_one_last_event_and_causes_never_go_back():
    records = with_switches(flow(2_000, 4), 4, 90_000)
    events = delayed_core(TABLE, LIMITS, CAPACITY, 256).process(records)
    last = events[(events["flags"] & EventFlag.LAST) != 0]
    assert last["cause_seq"].tolist() == list(range(1, len(records) + 1))
    assert (np.diff(events["cause_seq"]) >= 0).all()


def test_with_little_room_for_events_the_rest_enters_at_the_next_call():
    """As the pipeline's matcher calls it: one command's time may let in more than there is room
    for."""
    records = with_switches(flow(1_500, 5, step_ns=2_000), 5, 0)
    records = records[records["order_type"] != Setting.RELEASE]
    records["rx_ts_ns"][1_000:] += 10**9
    records["seq"] = np.arange(1, len(records) + 1)
    limits = LIMITS | {"order_capacity": 256}
    whole, little = (delayed_core(TABLE, limits, 256, 2_048) for _ in range(2))
    wanted = whole.process(records)
    room = scratch_records(256) + 2
    out, batches, done, calls = np.zeros(room, EVENT_DTYPE), [], 0, 0
    while done < len(records):
        at = records.ctypes.data + 64 * done
        taken, count = little.batch(
            little.core_address, at, len(records) - done, out.ctypes.data, room
        )
        assert taken or count
        calls += not taken
        done += taken
        batches.append(out[:count].copy())
    events = np.concatenate(batches)
    events["seq"] = np.arange(1, len(events) + 1)
    np.testing.assert_array_equal(events, wanted)
    assert calls > 5, "a command that was not done within one call"
    assert little.state_hash() == whole.state_hash()


def test_what_waits_of_a_participant_that_is_disconnected_does_not_enter():
    desk = Desk()
    desk(order(0, 1, 1))
    desk(order(0, 2, 2))
    gone = np.zeros(1, ORDER_DTYPE)
    gone["kind"], gone["participant"], gone["rx_ts_ns"] = CommandKind.DISCONNECT, 1, 10
    assert desk(gone) == ["COMPLETED"]
    assert desk.at(BUMP_NS) == ["ENTERED", "REJECTED", "ENTERED", "ACCEPTED", "COMPLETED"]


@pytest.mark.parametrize(
    ("symbol", "aux", "day", "answer", "enters"),
    [
        (A, 1, 0, "COMPLETED", False),
        (b"", 1, 0, "COMPLETED", False),
        (A, NEW_DAY, 20_261_130, "COMPLETED", True),
        (A, NEW_DAY, 0, "REJECTED", True),
        (b"", NEW_DAY, 20_261_130, "REJECTED", True),
    ],
)
def test_a_mass_cancel_withdraws_what_waits_and_the_begin_of_a_day_does_not(
    symbol, aux, day, answer, enters
):
    """A cancel that waits at midnight must not be lost: its order is good till cancelled, and would
    stay.  A day that is refused changes nothing either."""
    desk = Desk()
    assert desk(order(0)) == ["DELAYED"]
    assert desk.at(BUMP_NS) == ["ENTERED", "ACCEPTED", "COMPLETED"]
    assert desk(order(BUMP_NS + 1, kind=CommandKind.CANCEL)) == ["DELAYED"]
    assert desk(order(BUMP_NS + 2, 2, 2, 999)) == ["DELAYED"]
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["rx_ts_ns"] = CommandKind.MASS_CANCEL, BUMP_NS + 3
    record["symbol"], record["aux"], record["qty_lots"] = symbol, aux, day
    assert desk(record)[-1] == answer
    first, second = ("CANCELLED", "ACCEPTED") if enters else ("REJECTED", "REJECTED")
    entered = ["ENTERED", first, "ENTERED", second, "COMPLETED"]
    assert desk.at(3 * BUMP_NS) == entered
    assert desk.core.open_orders == enters


def test_who_is_killed_while_its_order_waits_is_refused_when_it_enters():
    desk = Desk()
    desk(order(0))
    kill = setting(Setting.KILL, 1, 1)
    assert desk(kill) == ["COMPLETED"]
    assert desk.at(BUMP_NS) == ["ENTERED", "REJECTED", "COMPLETED"]


def test_a_full_queue_still_takes_cancels():
    desk = Desk(places=8)
    answers = [desk(order(0, 1, n)) for n in range(1, 8)]
    assert answers == [["DELAYED"]] * 6 + [["REJECTED"]]
    answers = [desk(order(0, 1, n, kind=CommandKind.CANCEL)) for n in range(1, 4)]
    assert answers == [["DELAYED"], ["DELAYED"], ["REJECTED"]]


def is_whole(group):
    """Whether it is a quote, or a list, with the NEW of each leg after its TERMS."""
    terms, legs, news = group[::2], np.arange(1, len(group) // 2 + 1), group[1::2]
    is_list = terms["order_type"][0] == Term.LIST
    same = len(set(group["participant"])) == 1 and len(set(terms["order_type"])) == 1
    same &= (terms["kind"] == CommandKind.TERMS).all() and len(terms) == len(news)
    same &= not is_list or (terms["qty_lots"] == legs).all()
    return same and (terms["order_id"] == news["order_id"]).all()


def of_sessions(count, seed, step_ns=9_000):
    """The quotes and lists that sessions send, each whole before the next command, among cancels
    and mass cancels of their own."""
    rng, first_id = np.random.default_rng([seed, 0x77]), LEG_ORDER_IDS + (1 << 40)
    plain = flow(count, seed)
    plain = plain[np.isin(plain["kind"], (CommandKind.NEW, CommandKind.CANCEL))]
    with_them = with_quotes(with_lists(plain, seed, 0.3), seed, 0.4, first_id=first_id)
    is_term, groups, at = with_them["kind"] == CommandKind.TERMS, [], 0
    while at < len(with_them):
        one, size = with_them[at], 1
        if is_term[at]:
            legs = int(one["aux"]) >> LEGS_SHIFT if one["order_type"] == Term.LIST else 1
            size = 2 * legs
        group = with_them[at : at + size].copy()
        at += size
        is_rest = one["kind"] == CommandKind.NEW and one["order_id"] >= LEG_ORDER_IDS
        if is_whole(group) if size > 1 else not is_rest:
            groups.append(group)
        if rng.random() < 0.05:
            sweep = np.zeros(1, ORDER_DTYPE)
            sweep["kind"], sweep["participant"] = CommandKind.MASS_CANCEL, one["participant"]
            sweep["symbol"] = one["symbol"] if rng.random() < 0.5 else b""
            groups.append(sweep)
    records = np.concatenate(groups)
    records["rx_ts_ns"] = 10**9 + np.cumsum(rng.integers(0, step_ns, len(records)))
    refused = (records["order_id"] >= LEG_ORDER_IDS) & (rng.random(len(records)) < 0.03)
    records["error_code"][refused & (records["kind"] != CommandKind.CANCEL)] = 1
    records["seq"] = np.arange(2, len(records) + 2)
    return records, [len(group) for group in groups]


def after_all(core, records, first):
    """The events of these commands, and of those that still wait when time has gone on."""
    last = setting(Setting.RELEASE, 0)
    last["rx_ts_ns"], last["seq"] = records["rx_ts_ns"][-1] + 10**9, records["seq"][-1] + 1
    return core.process(np.concatenate([first, records, last]))


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_quotes_and_lists_become_what_they_become_without_a_speed_bump(seed):
    """A delay that is the same for all moves everything in time, and changes nothing else."""
    records, _ = of_sessions(700, seed)
    first = switch(BUMP_NS, 0, 0)
    first["seq"] = 1
    bumped = after_all(delayed_core(TABLE, LIMITS, CAPACITY, 4_096), records, first)
    plain = delayed_core(TABLE, LIMITS, CAPACITY, 0).process(records)
    of_queue = EventKind.DELAYED, EventKind.ENTERED
    bumped = bumped[~np.isin(bumped["kind"], of_queue) & (bumped["participant"] != 0)]
    plain = plain[plain["participant"] != 0]
    for events in (bumped, plain):
        events["seq"] = events["cause_seq"] = 0
        events["flags"] &= 0xFF ^ int(EventFlag.LAST)
    assert {EventKind.REPLACED, EventKind.FILLED, EventKind.REJECTED} <= set(plain["kind"].tolist())
    np.testing.assert_array_equal(bumped, plain)


@pytest.mark.parametrize("window_ns", [0, 90_000])
@pytest.mark.parametrize("seed", [21, 22])
def test_where_there_is_no_room_all_of_a_list_or_a_quote_is_refused(seed, window_ns):
    """And at once; none of it waits, or all does."""
    records, sizes = of_sessions(700, seed)
    first = switch(BUMP_NS, window_ns, seed)
    first["seq"] = 1
    events = after_all(delayed_core(TABLE, LIMITS, CAPACITY, 64), records, first)
    full = (events["kind"] == EventKind.REJECTED) & (
        events["contra_id"] == 1 << RiskBit.SPEED_BUMP_FULL
    )
    refused, at, of_terms = set(events["cause_seq"][full].tolist()), 0, [0, 0]
    for size in sizes:
        seqs = set(records["seq"][at : at + size].tolist())
        if size > 1 and records["order_id"][at] >= LEG_ORDER_IDS:
            assert len(refused & seqs) in (0, size)
            of_terms[bool(refused & seqs)] += 1
        at += size
    assert min(of_terms) > 20


def test_terms_of_an_earlier_build_enter_at_once():
    """Its journals are replayed as it did."""
    desk = Desk()
    desk(setting(Setting.SPEED_BUMP, BUMP_NS, 7))
    terms = order(1_000, order_id=LEG_ORDER_IDS + 5, kind=CommandKind.TERMS)
    terms["order_type"], terms["price_ticks"], terms["qty_lots"] = Term.QUOTE, 1_010, 3
    terms["aux"] = LEG_ORDER_IDS + 6
    assert desk(terms) == ["COMPLETED"]
    desk(switch(BUMP_NS, 0, 7))
    assert desk(terms) == ["DELAYED"]
    assert desk.audit.faults == []


def test_what_waits_goes_back_with_a_clock_that_was_set_back():
    desk = Desk()
    desk(order(10**12))
    desk(switch(BUMP_NS, rx_ts_ns=10**12 - 10**9))
    assert desk.at(10**12 - 10**9 + BUMP_NS - 1) == ["COMPLETED"]
    assert desk.at(10**12 - 10**9 + BUMP_NS)[0] == "ENTERED"


def test_nonsense_is_refused():
    desk = Desk()
    assert desk(switch(-1)) == ["REJECTED"]
    assert desk(switch(0, speed_bump.MAX_DELAY_NS + 1)) == ["REJECTED"]
    with pytest.raises(RiskError, match="at the speed bump"):
        make_region(TABLE, 4, delayed=-1)
    without = Engine(TABLE, CAPACITY, hooks=risk_hooks(LIMITS, TABLE))
    one = switch(BUMP_NS)
    one["seq"] = 1
    assert without.process(one)["kind"].tolist() == [EventKind.REJECTED]


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1, 1 << 62), st.integers(1, 10**12))
def test_what_is_drawn_is_what_plain_integers_say(seed, seq, window):
    assert speed_bump.drawn(seed, seq, window) == reference_bump.drawn(seed, seq, window)
