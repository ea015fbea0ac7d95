"""Events become messages of ITCH 5.0: kernels against the plain reference, and both against the
book that the matcher displays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.market_data.feed import Feed
from openoutcry.wire.enums import EventKind, Side
from tests.oracles.market_data_feed import ReferenceFeed
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.support.market_data.encode import times_of
from tests.support.market_data.feed_support import (
    NO_LIMIT,
    PlainBook,
    by_command,
    fields,
    flow,
    protected,
    unframed,
)

SEEDS = st.integers(0, 10**6)


def assert_queues(book, truth, instruments):
    """What was told is displayed: each queue, order by order."""
    for index in range(instruments):
        for side, letter in ((Side.BUY, "B"), (Side.SELL, "S")):
            shown = [
                (order.price_ticks, order.shown_lots)
                for order in truth.queue(index, side)
                if order.price_ticks not in NO_LIMIT
            ]
            assert book.queue(index + 1, letter) == shown


@given(SEEDS)
def test_kernels_say_what_the_reference_says(seed):
    """Every byte of every message, over every order type, phase and option."""
    run, events, rx_ts_ns = flow(seed)
    feed = Feed(run.instruments, run.order_capacity)
    fast = unframed(feed.encode(events, rx_ts_ns, 1))
    slow = ReferenceFeed(run.instruments).encode(events, times_of(rx_ts_ns))
    for number, (a, b) in enumerate(zip(fast, slow, strict=False)):
        assert a == b, (number, fields(a), fields(b))
    assert len(fast) == len(slow)
    begun = [n for n, one in enumerate(slow) if one[:1] == b"S" and one[-1:] == b"O"]
    ended = [n for n, one in enumerate(slow) if one[:1] == b"S" and one[-1:] == b"C"]
    assert feed.session == len(ended) + 1
    assert feed.messages == (len(slow) - begun[-1] if len(begun) > len(ended) else 0)


def test_after_a_speed_bump_each_command_is_reported_by_itself():
    """Where several enter at the time of one, the kernels say what the reference says, and the book
    told is the book displayed."""
    entered = 0
    for seed in range(40):
        run, events, rx_ts_ns = flow(seed, bumped=True)
        entered += (events["kind"] == EventKind.ENTERED).sum()
        feed = Feed(run.instruments, run.order_capacity)
        truth, book = BookFromEvents(), PlainBook()
        fast = unframed(feed.encode(events, rx_ts_ns, 1))
        assert fast == ReferenceFeed(run.instruments).encode(events, times_of(rx_ts_ns))
        truth.apply(events)
        for message in fast:
            book.apply(message)
        assert_queues(book, truth, len(run.instruments))
    assert entered > 1_000


@given(SEEDS)
def test_what_protects_the_market_is_reported_as_the_reference_reports_it(seed):
    """Causes of phases and the operator's settings anywhere, and calls cut anywhere."""
    run, events, rx_ts_ns = flow(seed)
    events, times = protected(seed, run.instruments, events, rx_ts_ns)
    feed = Feed(run.instruments, run.order_capacity, strict=False)
    rng, fast = np.random.default_rng(seed), []
    for part in np.split(events, np.sort(rng.integers(0, len(events), 5))):
        fast += unframed(feed.encode(part, times, 1))
    slow = ReferenceFeed(run.instruments).encode(events, times_of(times))
    for number, (a, b) in enumerate(zip(fast, slow, strict=False)):
        assert a == b, (number, fields(a), fields(b))
    assert len(fast) == len(slow)


def test_protected_flows_cause_every_message_of_protection():
    kinds, reasons = set(), set()
    for seed in range(30):
        run, events, rx_ts_ns = flow(seed)
        events, times = protected(seed, run.instruments, events, rx_ts_ns)
        for message in unframed(
            Feed(run.instruments, run.order_capacity, strict=False).encode(events, times, 1)
        ):
            row = fields(message)
            kinds.add(row["kind"])
            if row["kind"] == "H":
                reasons.add(row["state"] + row["reason"].strip())
            elif row["kind"] == "h":
                reasons.add("h" + row["action"])
    assert kinds == set("SRHJAECXDUPQIVWh")
    assert reasons >= {
        "PLUDP",
        "PT5",
        "HMWC1",
        "HMWC2",
        "HMWC3",
        "QMWCQ",
        "QT7",
        "HT1",
        "HO1",
        "hH",
        "hT",
    }


def test_a_reference_price_that_no_message_can_hold_is_harmless():
    """It is the operator's; an auction at it is told at the nearest price, and that is counted."""
    clamped = 0
    for seed in range(60):
        run, events, rx_ts_ns = flow(seed, any_reference=True)
        feed = Feed(run.instruments, run.order_capacity, strict=False)
        fast = unframed(feed.encode(events, rx_ts_ns, 1))
        assert fast == ReferenceFeed(run.instruments).encode(events, times_of(rx_ts_ns))
        clamped += feed.clamped
    assert clamped > 10


@given(SEEDS)
def test_the_published_book_is_the_displayed_book(seed):
    """After every command, level by level and order by order."""
    run, events, rx_ts_ns = flow(seed, 250)
    feed = Feed(run.instruments, run.order_capacity)
    truth, book = BookFromEvents(), PlainBook()
    for command in by_command(events):
        truth.apply(command)
        for message in unframed(feed.encode(command, rx_ts_ns, 1)):
            book.apply(message)
        assert_queues(book, truth, len(run.instruments))


def test_the_flows_cause_every_message_and_what_is_rare():
    """Else the two tests above prove little."""
    kinds, renewed, carried = set(), 0, 0
    for seed in range(200):
        run, events, rx_ts_ns = flow(seed)
        begun, before = 0, ""
        for message in unframed(
            Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)
        ):
            row = fields(message)
            kinds.add(row["kind"])
            renewed += row["kind"] == "U" and row["new_reference"] >> 60 == 1
            begun += row["kind"] == "S" and row["event"] == "O"
            # What a session begins with are orders of the one before.
            carried += begun > 1 and (before, row["kind"]) == ("H", "A")
            before = row["kind"]
    assert kinds == set("SRHJAECXDUPQI")
    assert renewed
    assert carried
