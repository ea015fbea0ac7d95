"""``outcry bench journal``: every figure is taken, beside its peer, and nothing is left behind."""

from pathlib import Path

import pytest

from openoutcry.bench import journal
from openoutcry.bench.results import check_document
from openoutcry.report.goals import JOURNAL_ROWS
from openoutcry.report.tables import journal_table


@pytest.mark.long
def test_every_figure_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One short round: the names and peers of the subject, and a table of them."""
    monkeypatch.chdir(tmp_path)
    for name in ("QUICK_RECORDS", "QUICK_RECOVERY_RECORDS"):
        monkeypatch.setattr(journal, name, 40_000)
    monkeypatch.setattr(journal, "QUICK_COMMITS", 20)
    messages: list[str] = []
    document = journal.bench_journal(1, True, "outcry bench journal", messages.append)
    check_document(document, "made")
    peers_by_name = {row["name"]: set(row["against"]) for row in document["results"]}
    on_disk = {
        "durable_records": {"one_fsync_each"},
        "commit_p50": {"bare_fdatasync"},
        "commit_p99": {"bare_fdatasync"},
    }
    rest = {"scan_bytes": set(), "recovery_s": set(), "from_checkpoint_s": set()}
    missing = {entry["name"] for entry in document["missing"]}
    # Of a run that is over by the time, which a busy machine can bring about, or in memory.
    rest |= {} if "restart_s" in missing else {"restart_s": set()}
    missing -= {"restart_s"}
    assert peers_by_name == rest | {
        name: peers for name, peers in on_disk.items() if name not in missing
    }
    assert missing in (set(), set(on_disk))
    assert list(tmp_path.iterdir()) == []
    figures = {"results": document["results"], "missing": document["missing"]}
    table = journal_table({**document, "figures": figures, "name": "journal"})
    assert table.count("\n| ") == len(JOURNAL_ROWS)
    assert "≥ 10 M/s" in table
