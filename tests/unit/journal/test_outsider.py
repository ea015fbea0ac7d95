"""docs/journal-format.md and examples/read_journal.py: all that a journal holds can be read from
the page alone.  The venues of tests/support/venue run the reader on each journal that they leave.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.journal.archive import archive, retire
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.journal.event_hash import CHAIN, MULTIPLIERS, START
from openoutcry.journal.events import events_of, starting_point
from openoutcry.journal.segment import segment_numbers, segment_path
from openoutcry.order_entry.command_metadata import CommandMetadata
from tests.support.journal.outsider import SCRIPT, outsider, require_same_reading
from tests.support.market_data.feed_journal import each_second_trades
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.unit.backtest.test_journal_day import SESSION, sessions

PAGE = Path("docs/journal-format.md").read_text()


def test_the_reader_has_none_of_our_code():
    """It is short, and imports only what pip has."""
    text = SCRIPT.read_text()
    assert "openoutcry" not in text
    assert len(text.splitlines()) <= 160


def test_a_venues_journal_has_what_the_page_names(tmp_path):
    """Sessions that log in, trade and leave: lanes, notes, records of kind 0, clock, evidence."""
    floor = InlineFloor(tmp_path, VENUE + SESSION)
    sessions(floor)
    floor.again()
    floor.stop()
    seen = require_same_reading(tmp_path / "journal")
    assert seen >= {"CONFIG", "COMMANDS", "EVIDENCE", "lanes", "notes", "kind 0", "acknowledged"}


def test_archived_retired_and_checkpointed(tmp_path):
    """Compressed segments, a beginning that is gone, and checkpoints."""
    each_second_trades(tmp_path)
    make_checkpoints(tmp_path, 150)
    assert "checkpoint" in require_same_reading(tmp_path)
    assert archive(tmp_path)
    require_same_reading(tmp_path)
    assert retire(tmp_path)
    assert JournalReader(tmp_path).first_seq > 1
    require_same_reading(tmp_path)


def test_the_event_hash_is_that_of_the_page(tmp_path):
    """Over all events of a journal, from the algorithm on the page."""
    each_second_trades(tmp_path)
    reader = JournalReader(tmp_path)
    point = starting_point(reader, 0)
    events = [batch.events for batch in events_of(reader, point)]
    data = np.concatenate(events).tobytes()
    assert len(data) > 64 * 400
    assert outsider.hash_events(data) == point.chain & (1 << 64) - 1


def test_the_page_has_the_numbers_of_the_code():
    """Multipliers, begin and chain of the hash; bytes of the metadata's fields."""
    for number in (START, CHAIN, *MULTIPLIERS):
        assert f"0x{number & (1 << 64) - 1:016X}" in PAGE
    for field in ("session", "protocol", "message", "refused", "flags", "client_seq", "row"):
        assert re.search(rf"^\| {CommandMetadata.offset(field)} \| `{field}`", PAGE, re.M), field
    for field in ("token", "orig", "own"):
        assert re.search(rf"^\| {CommandMetadata.offset(field)} \| `{field}` \(", PAGE, re.M), field


@pytest.mark.parametrize("damage", ["flip", "cut", "hole", "another"])
def test_the_reader_sees_damage(tmp_path, damage):
    """A flipped bit, a missing end, a missing segment, a segment in another's place."""
    each_second_trades(tmp_path)
    last = segment_numbers(tmp_path)[-1]
    path = segment_path(tmp_path, 1)
    if damage == "flip":
        data = bytearray(path.read_bytes())
        data[5_000] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        segment_path(tmp_path, last).unlink()
    elif damage == "hole":
        path.write_bytes(path.read_bytes()[:-4096])
    else:
        path.write_bytes(segment_path(tmp_path, 2).read_bytes())
    with pytest.raises(ValueError, match=r"segment \d+, byte \d+|acknowledged up to"):
        list(outsider.blocks(tmp_path))
