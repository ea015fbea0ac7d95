"""A restart from a checkpoint of the sessions is a restart from the whole journal, and reads only
what stands behind it; once the journal's begin is retired there is no other way."""

import random
import shutil

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.journal.events import commands_of, events_of
from openoutcry.order_entry import apply
from openoutcry.order_entry import sessions_checkpoint as checkpoint
from openoutcry.order_entry.spec import Protocol, SessionsSpec
from openoutcry.wire.errors import JournalError
from tests.support.order_entry.sessions_clients import connect, five, take
from tests.support.order_entry.sessions_traders import Trader, storm
from tests.support.order_entry.sessions_venue import DAY, SMALL, Nobody, Venue, session
from tests.support.waiting import wait_until

KEEP = {"cancel_on_disconnect": 0}
ROWS = [
    *({"name": f"S{n}", "participant": n, **KEEP} for n in (1, 2)),
    {"name": "FIVE", "participant": 3, "protocol": int(Protocol.OUCH50), **KEEP},
    {"name": "FIRM", "participant": 4, "protocol": int(Protocol.FIX44), **KEEP},
    {"name": "COPY", "participant": 0, "group": [1, 3], "protocol": int(Protocol.DROP_COPY)},
    {"name": "WATCH", "participant": 0, "group": [2, 4], "protocol": int(Protocol.FIX_DROP_COPY)},
]
EVERY = 40
NOTHING_TOLD = -1
"""So that no checkpoint is taken."""


def spec_of(**more):
    rows = tuple(session(**row) for row in ROWS)
    return SessionsSpec(rows, (), **(SMALL | {"day": DAY, "day_begin_ns": 1} | more))


def shadow(journal, **more):
    return checkpoint.Shadow(spec_of(**more), Nobody().instruments, journal)


def follow(journal, until_seq=None, event_seq=NOTHING_TOLD, **more):
    """A state at a command, and the core there: from the journal's begin, or from a checkpoint."""
    state, reader = shadow(journal, **more), JournalReader(journal)
    point = checkpoint.resume(state, reader, event_seq)
    limits = {} if until_seq is None else {"until_seq": until_seq}
    for batch in events_of(reader, point, from_seq=point.seq + 1, **limits):
        state.apply(batch, 1 << 62)
    return state, point


def assert_same(one, other):
    mine, theirs = checkpoint.arrays_of(one), checkpoint.arrays_of(other)
    for name in mine:
        assert mine[name].tobytes() == theirs[name].tobytes(), name
    for here, there in zip(one.streams, other.streams, strict=True):
        assert (here.count, here.entry_end(here.count)) == (
            there.count,
            there.entry_end(there.count),
        )


def other_sessions(venue):
    """What they do leaves open orders, tokens, numbers and a switch behind."""
    one = five(venue)
    one.enter(1, "B", 9, 5_000)
    assert one.message()[0] == "A"
    one.say("D", user_ref=2, firm="ABCD")
    assert one.message()[0] == "G"
    one.close()
    firm = connect(venue, "FIRM", prefix="F")
    name = firm.buy("BOLT", 5, "1")
    firm.replace(name, "BOLT", "1", 7, "1")
    take(firm, 2)
    firm.logout()


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Return the journal of a venue that was killed, with checkpoints each EVERY commands, and
    traded on."""
    path = tmp_path_factory.mktemp("checkpoint") / "journal"
    rng = random.Random(5)
    with Venue(ROWS, path, durability="durable", checkpoint_every=EVERY) as venue:
        other_sessions(venue)

        def break_it():
            wait_until(
                lambda: list(checkpoint.folder_of(path).glob("checkpoint-*.occ")),
                "a checkpoint is made",
            )
            venue.kill()
            venue.start()

        traders = [Trader(row["name"]) for row in ROWS[:2]]
        storm(traders, venue.client, 2, rng, break_it)
        for trader in traders:
            trader.check()
            client = venue.client(trader.trader)
            assert [client.packet()[1] for _ in trader.messages] == trader.messages
            client.close()
        again = five(venue, sequence=0)
        again.enter(3, "B", 1, 5_000)
        assert again.message()[1]["reason"] == 12, "the switch is still off"
        again.close()
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
    return path


def test_a_running_venue_makes_them_and_they_are_the_whole_journal(journal):
    whole, end = follow(journal)
    assert len(whole.region.tokens) > 80
    short, point = follow(journal, event_seq=1 << 62)
    assert point.seq == end.seq
    assert_same(short, whole)
    assert short.block_count < whole.block_count


def rewritten(journal, folder, segment_bytes=1 << 16):
    """The journal's blocks in short segments, and its streams."""
    reader = JournalReader(journal)
    with Journal.create(folder, reader.config, segment_bytes=segment_bytes) as writer:
        for block in reader.all_blocks():
            records = commands_of(block)
            if len(records):
                head = block.header
                writer.append(
                    head.first_seq, [records], len(records), head.written_ts_ns, note=block.note
                )
    streams = folder / "sessions"
    streams.mkdir()
    for path in (journal / "sessions").glob("*.stream"):
        # They are sparse, of many megabytes.
        shutil.copy(path, streams)
    return folder


def test_from_any_command_on_it_is_the_whole_journal_and_no_block_before_is_read(journal, tmp_path):
    small = rewritten(journal, tmp_path / "small")
    whole, end = follow(small)
    rng = random.Random(9)
    for cut in sorted(rng.sample(range(1, end.seq), 6)):
        state, point = follow(small, until_seq=cut)
        assert checkpoint.save(state, point, JournalReader(small).journal_id) is not None
        behind = {
            block.header.block_index
            for block in JournalReader(small).all_blocks(cut + 1)
            if len(records := commands_of(block)) and records["seq"][-1] > cut
        }
        short, _ = follow(small, event_seq=1 << 62)
        assert (short.block_count, short.last_block) == (len(behind), max(behind, default=-1))
        assert_same(short, whole)


def test_with_the_begin_retired_a_checkpoint_bridges_the_gap(journal, tmp_path):
    small = rewritten(journal, tmp_path / "small")
    whole, end = follow(small)
    state, point = follow(small, until_seq=end.seq * 3 // 4)
    assert checkpoint.save(state, point, JournalReader(small).journal_id) is not None
    make_checkpoints(small, every=end.seq // 3)
    assert retire(small, until_seq=point.seq)
    assert JournalReader(small).first_seq > 1
    short, _ = follow(small, event_seq=1 << 62)
    assert_same(short, whole)
    # One whose stream is not what it was is none, nor is one of events that were not told.
    with pytest.raises(JournalError, match="no valid checkpoint of its sessions"):
        follow(small, event_seq=0)
    (path,) = (small / "sessions").glob("S1.*.stream")
    with path.open("r+b") as file:
        file.seek(4096 + 16 * SMALL["stream_entries"] + 5)
        file.write(b"\xff")
    with pytest.raises(JournalError, match="no valid checkpoint of its sessions"):
        follow(small, event_seq=1 << 62)


def test_the_next_day_begins_with_what_is_left_of_the_day_before(journal, tmp_path):
    small = rewritten(journal, tmp_path / "small")
    state, point = follow(small)
    assert checkpoint.save(state, point, JournalReader(small).journal_id) is not None
    tomorrow = {"day": "20260103", "day_begin_ns": state.max_ts_ns + 1}
    states = [
        follow(small, event_seq=event_seq, **tomorrow)[0] for event_seq in (NOTHING_TOLD, 1 << 62)
    ]

    for one in states:
        assert {stream.count for stream in one.streams} == {0}
        apply.begin_day(one.region.address)
    assert_same(*states)
    assert states[1].block_count == 0
    assert np.count_nonzero(states[1].region.tokens) < np.count_nonzero(state.region.tokens)
