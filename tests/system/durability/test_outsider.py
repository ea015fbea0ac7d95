"""examples/read_journal.py as a program, and on the journals of runs: shards, copies, resumed."""

import subprocess
import sys
from pathlib import Path

from openoutcry.journal import JournalReader
from openoutcry.pipeline.run import run
from tests.support.backtest.venue_days import require_days
from tests.support.journal.outsider import SCRIPT, require_same_reading
from tests.support.market_data.feed_journal import each_second_trades
from tests.support.pipeline.shards import options


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    """A line a block, and the head that ``outcry journal verify`` prints."""
    each_second_trades(tmp_path)
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True
    )
    reader = JournalReader(tmp_path)
    assert sum(1 for _ in reader.all_blocks()) == len(done.stdout.splitlines()) - 1
    assert reader.last_block.block_hash.hex() in done.stdout.splitlines()[-1]


def test_shards_copies_and_a_resumed_run(tmp_path: Path) -> None:
    """Two directories of a run with three shards, which another run resumes."""
    places = [tmp_path / "a", tmp_path / "b"]
    given = {"topology": "inline", "journal": places[0], "copies": places[1:], "commands": 4_000}
    run(options(3, **given))
    run(options(3, resume=True, **given))
    for place in places:
        assert require_same_reading(place) >= {"CONFIG", "COMMANDS", "EVIDENCE", "CLOCK"}
        assert require_days(place)
