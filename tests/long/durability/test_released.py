"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

from pathlib import Path

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.table import Reader
from tests.support.pipeline.released import Children

RATE = 500
MANY = 200_000
"""A run of minutes, which is stopped as soon as what it is for has been seen."""
READERS = (Reader("audit", 1024), Reader("slow", 1024), Reader("stuck", 64))
"""Two seconds of the flow, also where a disk lets go of much at once, and too little."""


@pytest.mark.long
def test_slow_readers_continue_from_the_journal_come_back_and_hold_up_nothing(
    tmp_path: Path,
) -> None:
    """One is detached and returns to the ring, one never reads again, the gate dies in between: the
    run goes on, and who reads sees every event once."""
    manners = {"audit": "fast", "slow": "slow", "stuck": "stuck"}
    table = TOPOLOGY.extended(released=READERS)
    source = GeneratedFlow("normal", MANY, 3)
    with Children(tmp_path / "j", manners, stop_when="slow") as children:
        options = Options(
            source=source,
            orders=MANY,
            journal=tmp_path / "j",
            rate=RATE,
            wiring=table,
            housekeeping_cores=0,
        )
        result = run(options, children)
        reports = {name: children.report(name) for name in ("audit", "slow")}
    assert result["interrupted"]
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["replay"]["equal"] is True
    assert len(result["restarts"]) == 1
    expected = (result["events"], result["event_hash"])
    for name, report in reports.items():
        assert (report["events"], report["event_hash"]) == expected, name
    assert reports["slow"]["detached"] >= 1
    assert reports["slow"]["joined"] >= 2
