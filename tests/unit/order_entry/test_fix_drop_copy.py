"""A drop copy over FIX in one thread: a report of everything that happens to a group's orders,
whichever way they came, of which every byte comes again; and sums of orders that are no session's.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine
from openoutcry.order_entry import apply as apply_kernels
from openoutcry.order_entry import copies, session, session_region, sums
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.order_entry.rows import ORDER_BIT
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.order_entry.stream import Stream
from tests.oracles.fix_dictionary import Dictionary
from tests.support.matcher.matcher_mixed import mixed
from tests.support.order_entry.drop_copies import plain_report
from tests.support.order_entry.sessions_clients import take
from tests.support.venue.inline import InlineVenue

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
FIX, COPY = int(Protocol.FIX44), int(Protocol.FIX_DROP_COPY)
SESSIONS = [
    {"name": "FIRM", "participant": 1, "protocol": FIX, **KEEP},
    {"name": "FIVE", "participant": 2, "protocol": int(Protocol.OUCH50), **KEEP},
    {"name": "FOUR", "participant": 3, **KEEP},
    {"name": "OTHER", "participant": 4, "protocol": FIX, **KEEP},
    {"name": "COMPLIANCE-DEPT", "participant": 0, "group": [1, 2, 3], "protocol": COPY},
    {"name": "ONLY4", "participant": 4, "protocol": COPY},
]
HEADER = {8, 9, 10, 34, 43, 52, 122}


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(SESSIONS, tmp_path / "journal", durability="durable") as venue:
        yield venue


def copy_of(venue, name, **options):
    return venue.fix(name, protocol=Protocol.FIX_DROP_COPY, **options)


def body(message):
    return [(tag, value) for tag, value in message.fields if tag not in HEADER]


def test_everything_is_reported_however_it_came_and_again_from_the_journal(venue):
    watch, only = copy_of(venue, "COMPLIANCE-DEPT"), copy_of(venue, "ONLY4")
    firm, other = venue.fix("FIRM", prefix="A"), venue.fix("OTHER", prefix="B")
    first = firm.buy("ACME", 100, "12.34", t1="ACCOUNT", t18="6")
    take(firm, 1)
    four = venue.client("FOUR")
    four.enter("mine", "S", 30, price=123_400)
    assert [four.message()[0] for _ in range(2)] == ["A", "E"]
    take(firm, 1)
    second = firm.replace(first, "ACME", "1", 90, "12.30", t18="6")
    take(firm, 1)
    one = venue.five("FIVE")
    one.enter(7, "B", 5, 120_000, clordid="")
    assert one.message()[0] == "A"
    one.say("U", orig_user_ref=7, user_ref=8, quantity=3, price=120_100)
    assert one.message()[0] == "U"
    one.say("X", user_ref=8, quantity=0)
    assert one.message()[0] == "C"
    one.say("O", user_ref=9, side="B", quantity=1, price=120_000, symbol="NOPE")
    assert one.message()[0] == "J"
    cancel = firm.cancel(second, "ACME", "1")
    take(firm, 1)
    firm.cancel(second, "ACME", "1", name="LATE")
    take(firm, 1)
    other.sell("BOLT", 4, "9")
    take(other, 1)
    copied = take(watch, 11)
    columns = [tuple(m.get(tag) for tag in (35, 150, 39, 11, 41, 38, 14, 151)) for m in copied]
    assert columns == [
        ("8", "0", "0", first, "", "100", "0", "100"),
        ("8", "0", "0", "mine", "", "30", "0", "30"),
        ("8", "F", "1", first, "", "100", "30", "70"),
        ("8", "F", "2", "mine", "", "30", "30", "0"),
        ("8", "5", "1", second, first, "90", "30", "60"),
        ("8", "0", "0", "7", "", "5", "0", "5"),
        ("8", "5", "0", "8", "7", "3", "0", "3"),
        ("8", "4", "4", "8", "", "3", "0", "0"),
        ("8", "8", "8", "9", "", "", "0", "0"),
        ("8", "4", "4", cancel, second, "90", "30", "0"),
        ("9", "", "4", "LATE", second, "", "", ""),
    ]
    parties = [[v for tag, v in m.fields if tag == 448] for m in copied if m.kind == "8"]
    assert parties[:6] == [
        ["1", "FIRM"],
        ["3", "FOUR"],
        ["1", "FIRM"],
        ["3", "FOUR"],
        ["1", "FIRM"],
        ["2", "FIVE"],
    ]
    assert {m.get(797) for m in copied if m.kind == "8"} == {"Y"}
    assert [(m[58], m[103]) for m in copied if m.get(39) == "8"] == [
        ("Symbol (55) is no instrument of this venue", "1")
    ]
    (his,) = take(only, 1)
    assert (his[55], his[38], his[44]) == ("BOLT", "4", "9.0000")
    # It only listens.
    watch.send("D", ((11, "X"), (55, "ACME"), (54, "1"), (38, "1"), (40, "1")))
    (no,) = take(watch, 1)
    assert (no.kind, no[380], no[372]) == ("j", "6", "D")
    venue.again()
    again = copy_of(venue, "COMPLIANCE-DEPT", numbers=watch.numbers)
    again.ask_again(1)
    resent = take(again, len(copied))
    assert [body(m) for m in resent] == [body(m) for m in copied]
    assert all(m.get(43) == "Y" for m in resent)
    check = Dictionary()
    for message in copied:
        assert check.fault(message.raw) is None, message.raw
    for client in (again, only, firm, other):
        client.close()


@given(st.data())
def test_the_table_of_sums_is_a_dictionary(data):
    capacity = 16
    table = np.zeros((capacity, 4), np.int64)
    address, known = table.ctypes.data, {}
    for _ in range(data.draw(st.integers(0, 60))):
        order_id = data.draw(st.integers(0, 12)) * 0x9E3779B9 & (2**40 - 1)
        entry = int(sums.find(address, capacity - 1, order_id))
        row = table[(entry - address) // sums.ENTRY_BYTES]
        assert bool(row[0]) == (order_id in known)
        if order_id in known:
            assert row.tolist() == [~order_id, known[order_id], 0, 0]
            if data.draw(st.booleans()):
                sums.remove(address, capacity - 1, entry)
                del known[order_id]
        else:
            qty = data.draw(st.integers(1, 9))
            sums.put(entry, order_id, qty)
            known[order_id] = qty
        assert np.count_nonzero(table[:, 0]) == len(known)
    for order_id, qty in known.items():
        entry = int(sums.find(address, capacity - 1, order_id))
        assert table[(entry - address) // sums.ENTRY_BYTES].tolist()[:2] == [~order_id, qty]


class Copying:
    """A region with a drop copy over FIX about everybody, and nothing else."""

    def __init__(self, instruments):
        sizes = session_region.Sizes(1, 1 << 8, 1 << 4, 1 << 4, copies=True, sums=True)
        self.memory = np.zeros(session_region.region_bytes(sizes) // 8, np.int64)
        self.region = session_region.SessionRegion(self.memory, sizes)
        self.region.copy_to(1, range(1 << 16), fix=True)
        self.region.words[session_region.DAY_BEGUN // 8] = 1
        block = self.region.block(1)
        self.stream = Stream(None, 1, entries=1 << 15, data_bytes=1 << 24)
        self.keep = make_fields(), session.Symbols(instruments)
        words = {
            session.PROTOCOL: COPY,
            session.STREAM: self.stream.address,
            fix_words.FIELDS: self.keep[0].ctypes.data,
            **self.keep[1].words(),
        }
        for word, value in words.items():
            block[word // 8] = value
        self.codecs = np.zeros(
            (apply_kernels.CODEC_BYTES * apply_kernels.CODECS + apply_kernels.ROOM + 64) // 8,
            np.int64,
        )

    def apply(self, commands, events):
        metadata = np.zeros(len(commands), np.int64)
        copies.apply_batch(
            self.region.address,
            self.codecs.ctypes.data,
            commands.ctypes.data,
            len(commands),
            metadata.ctypes.data,
            events.ctypes.data,
            len(events),
            0,
            int(events["seq"][-1]),
        )

    def reports(self):
        bodies = [self.stream.entry(n)[0] for n in range(1, self.stream.count + 1)]
        return [dict(pair.split("=", 1) for pair in b.decode().split("\x01")[:-1]) for b in bodies]


@pytest.mark.parametrize("seed", range(3))
def test_orders_that_are_no_sessions_are_reported_with_their_sums(seed):
    flow = mixed(seed, 2_000, order_capacity=200)
    commands, instruments = flow.orders, flow.instruments
    commands["order_id"] &= ORDER_BIT - 1
    engine = Engine(instruments, order_capacity=1 << 8)
    copying, expected, known = Copying(instruments), [], {}
    for at in range(0, len(commands), 100):
        part = commands[at : at + 100].copy()
        part["seq"] = np.arange(at + 1, at + 1 + len(part))
        events = engine.process(part).copy()
        copying.apply(part, events)
        expected += [row for event in events if (row := plain_report(event, known))]
    reports = copying.reports()
    assert len(reports) > 500
    names = "150", "37", "38", "14", "151"
    assert [tuple(report.get(name, "") for name in names) for report in reports] == expected
    assert {report["54"] for report in reports} == {"1", "2", "7"}
    assert copying.region[session_region.UNREPORTED_EVENTS] == 0
