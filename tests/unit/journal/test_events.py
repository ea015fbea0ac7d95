"""journal/events.py: one way along a journal, whatever the batches, the begin and the end."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader, checkpoint
from openoutcry.journal.block import HEADER_BYTES
from openoutcry.journal.checkpoint import (
    Follower,
    make_checkpoint_at,
    make_checkpoints,
    recover,
)
from openoutcry.journal.checkpoints import checkpoint_seqs, read_checkpoint
from openoutcry.journal.disk import Disk
from openoutcry.journal.event_hash import START, hash_array
from openoutcry.journal.events import (
    STEP,
    count_trades,
    events_of,
    gathered_events_of,
    starting_point,
)
from openoutcry.journal.export import export
from openoutcry.journal.replay import instruments_to_json, replay
from openoutcry.journal.sql import VIEWS, query
from openoutcry.matcher import Engine
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import JournalError
from openoutcry.wire.records import CLOCK_DTYPE, EVENT_DTYPE
from tests.support.market_data.feed_journal import each_second_trades, without_its_begin

ORDERS, CAPACITY = 12_000, 1 << 12
BLOCKS = (1, 5_000, 1_999, 3_000, 2_000)
"""Orders of each block: less and more than a batch has."""


@pytest.fixture(scope="module")
def flow():
    source = GeneratedFlow("normal", ORDERS, 3)
    orders = np.concatenate(list(source.chunks()))
    orders["seq"] = np.arange(1, ORDERS + 1)
    return source.instruments, orders


@pytest.fixture(scope="module")
def journal(flow, tmp_path_factory) -> Path:
    """The flow in five blocks, a block of clock records among them."""
    instruments, orders = flow
    home = tmp_path_factory.mktemp("journal") / "j"
    config = {"instruments": instruments_to_json(instruments), "order_capacity": CAPACITY}
    with Journal.create(home, config, segment_bytes=1 << 19, direct=False) as writer:
        at = 0
        for number, size in enumerate(BLOCKS):
            writer.append(at + 1, [orders[at : at + size]], size, 1_000 + number)
            at += size
            if number == 2:
                writer.clock(np.zeros(1, CLOCK_DTYPE), 2_000)
    return home


@pytest.fixture(scope="module")
def expected(flow):
    """The events of the whole flow in one call, without a journal."""
    instruments, orders = flow
    engine = Engine(instruments, CAPACITY)
    return engine.process(orders).copy(), engine.state_hash()


@pytest.mark.parametrize("every", [0, 1_000, 4_097])
def test_batches_together_are_the_flow_and_its_events(journal, flow, expected, every):
    """Nothing is left out or twice, in whatever parts it comes; the point has come to the end."""
    reader = JournalReader(journal)
    point = starting_point(reader)
    commands, events, at = [], [], 0
    for batch in events_of(reader, point, every=every):
        assert batch.after_seq == at
        assert len(batch.commands) <= STEP
        at += len(batch.commands)
        assert point.seq == at
        if every and len(batch.commands):
            assert batch.after_seq // every == (at - 1) // every
        commands.append(batch.commands)
        events.append(batch.events)
    assert np.concatenate(commands).tobytes() == flow[1].tobytes()
    assert np.concatenate(events).tobytes() == expected[0].tobytes()
    assert point.engine.state_hash() == expected[1]
    assert point.chain == hash_array(START, expected[0])


@pytest.mark.parametrize("until", [1, 2_500, ORDERS])
def test_commands_after_the_last_that_is_matched_have_no_events(journal, flow, expected, until):
    """In the same block, too; the core stays where it is."""
    reader = JournalReader(journal)
    point, commands, events = starting_point(reader), [], []
    for batch in events_of(reader, point, match_until=until):
        commands.append(batch.commands)
        events.append(batch.events)
        assert not (batch.after_seq >= until and len(batch.events))
    assert np.concatenate(commands).tobytes() == flow[1].tobytes()
    assert point.seq == until
    wanted = expected[0][expected[0]["cause_seq"] <= until]
    assert np.concatenate(events).tobytes() == wanted.tobytes()


@settings(max_examples=8)  # one takes 40 to 80 ms
@given(
    sizes=st.lists(st.integers(1, 4_200), min_size=1, max_size=12),
    every=st.sampled_from([0, 0, 997, 4_096]),
    until=st.integers(1, ORDERS),
    looks=st.integers(1, 4),
)
def test_blocks_together_give_what_they_give_one_by_one(
    flow, tmp_path_factory, sizes, every, until, looks
):
    """Beside a writer, in whatever blocks, up to wherever."""
    instruments, orders = flow
    home = tmp_path_factory.mktemp("gathered") / "j"
    config = {"instruments": instruments_to_json(instruments), "order_capacity": CAPACITY}
    parts, ends = [], np.minimum(np.cumsum([0, *sizes]), ORDERS).tolist()
    with Journal.create(home, config, segment_bytes=1 << 19, direct=False) as writer:
        reader = JournalReader(home)
        point = starting_point(reader)
        for number, (begin, end) in enumerate(pairwise(ends)):
            if begin < end:
                writer.append(begin + 1, [orders[begin:end]], end - begin, 1_000)
            if number % looks and number + 1 < len(sizes):
                continue
            for commands, events in gathered_events_of(reader, point, every=every, follow=True):
                assert 0 < len(commands) <= STEP
                assert point.seq == int(commands["seq"][-1])
                if every:
                    assert (int(commands["seq"][0]) - 1) // every == (point.seq - 1) // every
                parts.append((commands, events))
    slow = starting_point(JournalReader(home))
    batches = list(events_of(JournalReader(home), slow))
    for column, one_by_one in enumerate(("commands", "events")):
        ours = b"".join([part[column].tobytes() for part in parts])
        theirs = b"".join([getattr(batch, one_by_one).tobytes() for batch in batches])
        assert ours == theirs
    same = ("chain", "trades", "seq", "block", "senders")
    assert [getattr(point, name) for name in same] == [getattr(slow, name) for name in same]
    short, reader = starting_point(JournalReader(home)), JournalReader(home)
    for _ in gathered_events_of(reader, short, until_seq=until, every=every):
        pass
    assert short.seq == min(until, ends[-1])


def test_a_consumer_that_leaves_in_the_middle_receives_nothing_after_the_gap(journal):
    reader = JournalReader(journal)
    point = starting_point(reader)
    next(gathered_events_of(reader, point, every=100, follow=True))
    with pytest.raises(JournalError, match=r"commands 101 to \d+ are missing"):
        list(gathered_events_of(reader, point, every=100, follow=True))


def test_every_block_is_seen_and_its_end_reported_once(journal):
    """Also a block without commands, and those behind the last command that is asked for."""
    reader = JournalReader(journal)
    blocks = [block.header for block in reader.all_blocks()]
    seen, ends = [], []
    for batch in events_of(reader, starting_point(reader), until_seq=5_500):
        if not seen or seen[-1] != batch.header:
            seen.append(batch.header)
        if batch.ends_block:
            ends.append(batch.after_seq + len(batch.commands))
    assert seen == blocks
    assert len(ends) == len(blocks)
    assert ends[-1] == 5_500
    assert sorted(ends) == ends


def test_without_a_point_blocks_come_whole_and_nothing_is_matched(journal, flow):
    batches = list(events_of(JournalReader(journal)))
    assert [len(batch.commands) for batch in batches if len(batch.commands)] == list(BLOCKS)
    assert not any(len(batch.events) for batch in batches)
    together = np.concatenate([batch.commands for batch in batches])
    assert together.tobytes() == flow[1].tobytes()


def test_from_a_checkpoint_it_continues_in_the_middle_of_a_block(journal, expected, tmp_path):
    """The second half from a checkpoint has the very events that the whole has there."""
    home = tmp_path / "j"
    home.mkdir()
    for path in journal.iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    checkpoints = make_checkpoints(home, every=6_000)
    assert len(checkpoints) == 2
    reader = JournalReader(home)
    point = starting_point(reader, 6_000)
    assert point.seq == 6_000
    events = [b.events for b in events_of(reader, point, from_seq=6_001)]
    whole, state_hash = expected
    assert np.concatenate(events).tobytes() == whole[whole["cause_seq"] > 6_000].tobytes()
    assert point.engine.state_hash() == state_hash
    assert recover(home, 7_000).seq == 7_000
    assert replay(home)["state_hash"] == state_hash


def test_commands_alone_from_the_middle_to_the_middle(journal, flow):
    """What a stage that goes on in mid-journal is shown: neither more nor less than it asks for."""
    batches = list(events_of(JournalReader(journal), from_seq=4_000, until_seq=9_999))
    together = np.concatenate([batch.commands for batch in batches])
    assert together.tobytes() == flow[1][3_999:9_999].tobytes()
    assert [b.after_seq for b in batches if len(b.commands)] == [3_999, 5_001, 7_000]


class CountingDisk(Disk):
    """The disk, counting the bytes that are read."""

    def __init__(self):
        self.read_bytes = 0

    def read(self, fd, size, offset):
        data = super().read(fd, size, offset)
        self.read_bytes += len(data)
        return data


def test_a_follower_without_new_blocks_reads_one_header(flow, expected, tmp_path, monkeypatch):
    """What an idle venue's follower reads at each look does not grow with the journal; then it
    reads each new block, over the end of a segment too, and comes to the same state."""
    instruments, orders = flow
    disk = CountingDisk()
    monkeypatch.setattr(checkpoint, "JournalReader", lambda path: JournalReader(path, disk=disk))
    config = {"instruments": instruments_to_json(instruments), "order_capacity": CAPACITY}
    with Journal.create(
        tmp_path / "j", config, segment_bytes=1 << 19, expected_records=ORDERS, direct=False
    ) as writer:
        writer.append(1, [orders[:5_000]], 5_000, 1_000)
        follower = Follower(tmp_path / "j", 4_000)
        assert len(follower.advance(follow=True)) == 1
        for at in range(5_000, ORDERS, 1_000):
            before = disk.read_bytes
            for _ in range(10):
                assert not follower.advance(follow=True)
            assert disk.read_bytes - before == 10 * HEADER_BYTES
            writer.append(at + 1, [orders[at : at + 1_000]], 1_000, 1_001)
            follower.advance(follow=True)
            assert follower.point.seq == at + 1_000
    assert follower.point.engine.state_hash() == expected[1]


GAP = "commands 141 to 150 have no checkpoint before them"


def counts_of(home):
    return [query(home, f"select count(*) n from {view}")["n"][0].as_py() for view in VIEWS]


def test_a_journal_without_its_begin_has_all_that_its_oldest_checkpoint_gives(tmp_path, capsys):
    """Orders from where it begins; events, trades and audit rows from behind the oldest checkpoint
    on, however many are made later; what cannot be told is said."""
    home = without_its_begin(tmp_path / "j")
    assert counts_of(home) == [260, 500, 125, 250]
    assert capsys.readouterr().err.count(GAP) == 3
    make_checkpoints(home)
    assert counts_of(home) == [260, 500, 125, 250]
    text = (
        "select count(distinct o.seq) o, count(e.event_seq) e, min(cause_seq) first from orders o "
    )
    (row,) = query(home, text + "left join events e on e.cause_seq = o.seq").to_pylist()
    assert row == {"o": 260, "e": 500, "first": 151}
    for what, rows in (("orders", 260), ("events", 500)):
        out = tmp_path / what
        assert export(home, "parquet", out, what)["rows"] == rows
    assert checkpoint_seqs(home) == [150, 300, 400]


@pytest.mark.parametrize("until_seq", [150, 200, 300, 310])
def test_a_replay_ends_where_requested_though_the_beginning_was_retired(tmp_path, until_seq):
    """It begins at a checkpoint before that; where there is none it says so."""
    whole = replay(each_second_trades(tmp_path / "whole"), until_seq)
    home = without_its_begin(tmp_path / "j")
    rest = replay(home, until_seq)
    for name in ("commands", "events", "state_hash", "event_hash"):
        assert rest[name] == whole[name]
    for too_early in (1, 149):
        with pytest.raises(JournalError, match=f"no good checkpoint at or before {too_early} "):
            replay(home, too_early)


def test_without_a_good_checkpoint_only_orders_are_reported(tmp_path):
    home = without_its_begin(tmp_path / "j")
    for path in home.glob("checkpoint-*"):
        path.unlink()
    assert query(home, "select count(*) n from orders").to_pylist() == [{"n": 260}]
    with pytest.raises(JournalError, match="no good checkpoint covers the commands before"):
        query(home, "select * from trades")


def test_a_checkpoint_is_made_where_requested(tmp_path):
    """Whatever stands behind it; the newer ones stay."""
    home = each_second_trades(tmp_path / "j")
    make_checkpoints(home, 150)
    (path,) = make_checkpoint_at(home, 201)
    assert make_checkpoint_at(home, 201) == []
    assert checkpoint_seqs(home) == [150, 201, 300]
    assert read_checkpoint(path).facts["state_hash"] == replay(home, 201)["state_hash"]


def test_a_trade_counts_once_in_continuous_trading_and_in_an_auction():
    """Each side receives an event, and each event says that its order is filled."""
    continuous, auction = np.zeros(2, EVENT_DTYPE), np.zeros(2, EVENT_DTYPE)
    for trade in (continuous, auction):
        trade["kind"], trade["side"] = EventKind.FILLED, [Side.SELL, Side.BUY]
    continuous["flags"][0] = EventFlag.MAKER
    auction["flags"] = EventFlag.AUCTION
    assert count_trades(continuous) == 1
    assert count_trades(auction) == 1
    accepted = auction.copy()
    accepted["kind"] = EventKind.ACCEPTED
    assert count_trades(np.concatenate([continuous, auction, accepted])) == 2
