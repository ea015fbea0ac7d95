"""Journal, ledger, the core's risk and the store: equal, or where they first part."""

import shutil

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalError, JournalReader
from openoutcry.ledger.books import TABLES
from openoutcry.ledger.ledger_state import at, opened, save
from openoutcry.ledger.postgresql import StoreGone
from openoutcry.ledger.reconcile import (
    COMPARED,
    Reconciliation,
    stops,
)
from openoutcry.wire.errors import MatcherError
from tests.support.ledger import ledger_flow as flow


def test_without_a_store_three_are(day, outcry_json):
    report = outcry_json("ledger", "reconcile", day)
    assert (report["seq"], report["store_event_seq"], report["difference"]) == (20_000, None, None)


def test_it_goes_along_and_a_checkpoint_does_not_hide_anything(day, tmp_path):
    home, turns = shutil.copytree(day, tmp_path / "day"), iter([True, True, False])
    save(at(home, 10_000))
    verdicts = list(stops(Reconciliation(home, None), lambda: next(turns)))
    assert [verdict.seq for verdict in verdicts] == [20_000] * 3
    assert verdicts[0].difference is None


def test_a_database_that_is_gone_is_waited_for(day, monkeypatch):
    messages, turns = [], iter([True, True, False])
    work = Reconciliation(day, None)
    answers = iter(
        [
            StoreGone("the connection to the database is lost: x"),
            StoreGone("the connection to the database is lost: x"),
            0,
        ]
    )

    def reached():
        answer = next(answers)
        if isinstance(answer, StoreGone):
            raise answer
        return answer

    work.store = reached, lambda after, until: dict.fromkeys(COMPARED, np.zeros(0, np.int64))
    verdicts = list(stops(work, lambda: next(turns), messages.append))
    assert messages == ["the connection to the database is lost: x"]
    assert [verdict.seq for verdict in verdicts] == [flow.COMMANDS]


def test_a_database_that_goes_in_the_middle_costs_nothing_of_the_journal(day):
    """What was read of the journal when it went is not read again, and is compared all the same."""
    work, answers = Reconciliation(day, None, every=5_000), iter([StoreGone("gone"), 0, 0, 0, 0])

    def reached():
        answer = next(answers)
        if isinstance(answer, StoreGone):
            raise answer
        return answer

    work.store = reached, lambda after, until: pytest.fail("nothing is there to be read")
    with pytest.raises(StoreGone):
        list(work.verdicts(follow=True))
    work.store = None
    assert [verdict.seq for verdict in work.verdicts(follow=True)] == [flow.COMMANDS]
    assert work.difference is None


def test_a_follower_of_a_fast_venue_reports_on_the_way(day):
    work = Reconciliation(day, None, every=5_000)
    seqs = [verdict.seq for verdict in work.verdicts(follow=True)]
    assert seqs == [5_000, 10_000, 15_000, 20_000, 20_000]


@pytest.fixture
def ten_blocks(tmp_path):
    """Written and never synced block by block, as a memory-only run's."""
    home = flow.write_journal(tmp_path / "day", flow.draw(1_000, 3), blocks=10)
    blocks = [block.offset for block in JournalReader(home).all_blocks()]
    return home, blocks


def test_damage_before_good_blocks_is_damage_without_a_watermark(ten_blocks, outcry):
    home, offsets = ten_blocks
    (home / "acknowledged").unlink()
    segment = home / "segment-000000.ocj"
    data = bytearray(segment.read_bytes())
    data[offsets[2] + 300] ^= 1
    segment.write_bytes(data)
    behind = len(offsets) - 3
    words = f"{behind} whole blocks follow, and there is no watermark"
    for command in (["ledger", "reconcile", home], ["ledger", "balances", home], ["replay", home]):
        done = outcry(*command)
        assert done.returncode == 1, command
        assert words in done.stderr, command
        assert "equal" not in done.stdout
    done = outcry("journal", "verify", home)
    assert done.returncode == 1
    assert f"first bad byte: {segment} byte {offsets[2] + 300}" in done.stdout
    before = segment.read_bytes()
    with pytest.raises(JournalError, match=words):
        Journal.resume(home)
    assert segment.read_bytes() == before


def test_a_missing_watermark_and_a_torn_end_are_said(ten_blocks, outcry):
    home, offsets = ten_blocks
    assert "is unknown" not in outcry("ledger", "reconcile", home).stdout
    (home / "acknowledged").unlink()
    for done in (outcry("ledger", "reconcile", home), outcry("journal", "verify", home)):
        assert done.returncode == 0
        assert "is unknown" in done.stdout
        assert "no watermark" in done.stdout
    segment = home / "segment-000000.ocj"
    data = bytearray(segment.read_bytes())
    data[offsets[-1] + 300] ^= 1
    segment.write_bytes(data)
    done = outcry("ledger", "reconcile", home)
    assert done.returncode == 0
    assert "the journal's end is torn: " in done.stdout


def test_a_checkpoint_of_the_layout_before_is_read(day, tmp_path):
    """Its instruments' and schedules' rows had fewer words."""
    home = shutil.copytree(day, tmp_path / "day", ignore=shutil.ignore_patterns("ledger"))
    middle = at(home, 5_000)
    whole = {name: getattr(middle.books, name).copy() for name in TABLES}
    for name, width in (("instruments", 12), ("schedules", 25)):
        setattr(middle.books, name, getattr(middle.books, name)[:, :width])
    path = save(middle)
    path.write_bytes(b"OUTCRYL2" + path.read_bytes()[8:])
    resumed = opened(home, 5_000)
    assert resumed.seq == 5_000
    for name in TABLES:
        assert np.array_equal(getattr(resumed.books, name), whole[name])


def test_a_checkpoint_of_a_core_before_is_passed_over(day, tmp_path, monkeypatch):
    """Its hooks' region had another size: the books are made from the journal's begin again."""
    home = shutil.copytree(day, tmp_path / "day", ignore=shutil.ignore_patterns("ledger"))
    save(at(home, 5_000))
    assert opened(home, 6_000).seq == 5_000

    def refuse(*_, **__):
        raise MatcherError("snapshot: its region has 1 bytes, the hooks' has 2")

    monkeypatch.setattr("openoutcry.ledger.ledger_state.Core.restored", refuse)
    assert opened(home, 6_000).seq == 0
