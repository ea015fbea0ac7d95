"""docs/operations.md lists every process that any command starts, and what its death does."""

import re

from openoutcry.operations.alarms import ALARMS
from tests import ROOT
from tests.support.operations.process_table import rows

STARTS = re.compile(
    r"\b(os\.fork|(?<!def )fork|fork_reporting|KeptProcess|create_subprocess_\w+)\("
    r"|\(KeptProcess\)|subprocess\.(run|Popen\b(?!\[))|multiprocessing|ProcessPoolExecutor|os\.(exec|posix_spawn)"
)
PACKAGE = ROOT / "openoutcry"


def test_every_place_that_starts_a_process_is_in_the_table_and_no_other() -> None:
    starting = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if STARTS.search(path.read_text())
    }
    listed = {name for row in rows() for name in row.names("started_by")}
    assert listed == starting


def test_every_row_says_what_shows_the_death_and_its_alarms_exist() -> None:
    known = {alarm.name for alarm in ALARMS}
    for row in rows():
        assert all(row), row
        named = {name for name in row.names("shown_by") if name[0].isupper()}
        assert named <= known, row
        if row.after.startswith("restarted"):
            assert named or "log" in row.shown_by, row
