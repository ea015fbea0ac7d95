"""A new layout of the state is told from another behaviour."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.replay import replay
from openoutcry.journal.state_layout import KEY, blocks, state_layout
from openoutcry.venue.canary import canary
from tests.support.documents.layouts import blocks as all_blocks

OLDER = {"an older version": {KEY: "0badc0de"}, "none, as older releases": {}}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: Any) -> Path:
    """The journal of a run of this build."""
    path = tmp_path_factory.mktemp("layout") / "journal"
    words = ["run", "--topology", "inline", "--orders", "500", "--journal", str(path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return path


def record(journal: Path, layout: dict[str, str], **other: Any) -> None:
    """The run recorded this instead."""
    evidence = JournalReader(journal).evidence
    assert evidence is not None
    writer = Journal.resume(journal)
    writer.evidence({k: v for k, v in evidence.items() if k != KEY} | other | layout)
    writer.close()


def test_a_run_records_the_layout(journal: Path) -> None:
    evidence = JournalReader(journal).evidence
    assert evidence is not None
    assert evidence[KEY] == state_layout()
    assert replay(journal)["equal"] is True


@pytest.mark.parametrize("layout", OLDER.values(), ids=OLDER)
def test_another_layout_is_no_difference(journal: Path, layout: dict[str, str]) -> None:
    record(journal, layout, state_hash="0" * 32)
    then = layout.get(KEY, "unknown")
    says = f"events equal; the state's layout changed from version {then} to {state_layout()} and "
    done = CliRunner().invoke(main, ["replay", str(journal)])
    assert (done.exit_code, says in done.output) == (0, True), done.output
    assert "DIFFERENT" not in done.output
    report = canary(journal)
    assert (report["differences"], report["not_compared"][:10]) == ([], "the state'")
    assert report["compared"] >= 3
    done = CliRunner().invoke(main, ["venue", "deploy", "canary", str(journal)])
    assert (done.exit_code, says in done.output) == (0, True), done.output


@pytest.mark.parametrize(
    ("layout", "key"),
    [
        (None, "state_hash"), (None, "event_hash"), ({}, "event_hash"), ({}, "events"),
        ({KEY: "0badc0de"}, "event_hash"),
    ],
)  # fmt: skip
def test_a_real_difference_is_one(journal: Path, layout: dict[str, str] | None, key: str) -> None:
    """Of the events whatever the layout, of the state if the layout is the same."""
    before = JournalReader(journal).evidence
    assert before is not None
    clean = replay(journal)
    same = {name: clean[name] for name in ("state_hash", "event_hash", "events")}
    wrong = {key: 1 if key == "events" else "0" * len(clean[key])}
    record(journal, {KEY: state_layout()} if layout is None else layout, **same | wrong)
    done = CliRunner().invoke(main, ["replay", str(journal), "--json"])
    assert (done.exit_code, json.loads(done.output)["equal"]) == (1, False)
    done = CliRunner().invoke(main, ["venue", "deploy", "canary", str(journal)])
    assert done.exit_code == 1
    assert "DIFFERENT" in done.output


def test_every_block_of_the_risk_state_is_in_the_version() -> None:
    of_state = {block for block in all_blocks() if block.__module__.split(".")[1] in ROOMS}
    assert of_state <= set(blocks())
    assert len(of_state) > 20


ROOMS = ("risk", "derivatives")
