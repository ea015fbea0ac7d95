"""What an emergency close leaves is enough to say what happened, and holds no secret."""

import gzip
import json
import os
import re
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from openoutcry.operations.dump import SECTIONS, read_dump
from openoutcry.operations.stacks import processes_of
from openoutcry.pipeline.top import running
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import CommandKind
from tests.support.console.console_venue import OPERATORS_HASH, PASSWORD, TOTP
from tests.support.operations import dump as shared
from tests.support.order_entry.sessions_venue import HASH
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.user_commands import run
from tests.support.waiting import wait_until

venue = shared.venue


def test_a_rehearsal_takes_a_dump_with_every_section(venue):
    """The rehearsal goes the same way: what it leaves is what the close would leave."""
    told = None
    for _ in range(5):  # the answer waits for it half a minute at most
        output = run("outcry venue emergency-close --rehearse --why drill", venue.folder)
        if told := re.search(r"everything is in (\S+):", output):
            break
    assert told, output
    path = Path(told[1])
    assert path in venue.journal.glob("rehearsal-*.dump.json.gz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    dump = read_dump(path)
    assert tuple(dump) == SECTIONS
    missing = [name for name, one in dump.items() if isinstance(one, dict) and "missing" in one]
    assert missing == []
    assert dump["summary"]["state"] == "open"
    assert dump["books"]["sequence"] >= dump["books_before"]["sequence"]
    assert len(dump["books"]["orders"]["rows"]) == 39
    assert dump["books"]["depth"]["GOLD"]["bids"][0] == [1_038, 5, 1]
    assert "outcry_open_orders" in dump["metrics"]["text"]
    assert any("serving" in row["message"] for row in dump["log"])
    assert [row["asked"]["do"] for row in dump["actions"]] == ["rehearse"]
    stacks = {one["process"]: one["python"] for one in dump["processes"]}
    assert stacks.pop("supervisor") == "is not sampled"
    # Which stages share a process, and its name, is by the number of cores.
    assert any("in run_group" in stack for stack in stacks.values())
    (trade,) = [
        one for one in dump["last_commands"] if one["kind"] == "NEW" and one["order_id"] == 100
    ]
    kinds = [event["kind"] for event in trade["events"]]
    assert kinds.count("FILLED") == 2


def test_the_words_of_its_shared_memory_are_printed(venue):
    """Blocks of every kind, and those that were asked for alone, read while the venue runs."""

    def asked(*names):
        document = json.loads(run(f"outcry top --dump --json {' '.join(names)}", venue.folder))
        (one,) = [one for one in document["pipelines"] if one["pid"] == venue.process.pid]
        return {
            block["name"]: {field["name"]: field["value"] for field in block["fields"]}
            for block in one["blocks"]
        }

    wait_until(
        lambda: asked("stage.matcher")["stage.matcher"]["open_orders"] == 39,
        "the matcher has the orders",
    )
    every = asked()
    (pipeline,) = [one for one in running() if one.owner.pid == venue.process.pid]
    assert every["control"]["owner_pid"] == venue.process.pid
    stages = {name for name in every if name.startswith("stage.")}
    assert stages == {f"stage.{name}" for name in pipeline.table.names}
    assert os.path.exists(f"/proc/{every['stage.matcher']['pid']}")
    for name, ring in pipeline.rings.items():
        assert every[f"ring.{name}"]["capacity"] == ring.capacity
        assert {f"ring.{name}.{reader}" for reader in ring.cursors} < every.keys()
    last = every["record.events"]
    assert 0 < last["cause_seq"] <= last["stamp"] <= every["ring.events"]["published"] + 4_096
    assert every["sessions"]["session_count"] >= 1
    assert (every["session.P"]["name"], every["session.P"]["participant"]) == ("P", 1)
    assert every["risk.0"]["participants"] > 0
    assert asked("ring.events", "control").keys() == {
        name for name in every if name == "control" or f"{name}.".startswith("ring.events.")
    }
    text = run("outcry top --dump stage.matcher", venue.folder)
    assert re.search(r"heartbeat_ns +\d+ ns +when it last came round, CLOCK_MONOTONIC", text)
    shown = warm_outcry.run_command([*OUTCRY, "top", "--dump", "stage.nothing"])
    assert shown.returncode == 1
    assert "no block is named stage.nothing; there are stage.receive" in shown.stderr


def test_nothing_in_it_is_a_secret(venue):
    (path,) = venue.journal.glob("rehearsal-*.dump.json.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    assert "anna" in text
    for secret in (OPERATORS_HASH, PASSWORD, TOTP, HASH, json.dumps(OPERATORS_HASH)[1:-1]):
        assert secret not in text


def test_a_hung_stage_is_seen(venue):
    """Stopped, a stage gives no stack, and that is said; the others' are there."""
    (one,) = [one for one in running() if one.owner.pid == venue.process.pid]
    pid = one.control.stage(one.table.index["gate"]).pid
    os.kill(pid, signal.SIGSTOP)
    rows = {row["pid"]: row for row in processes_of(one)}
    with suppress(ProcessLookupError):  # the supervisor may have had enough of it by now
        os.kill(pid, signal.SIGCONT)
    assert rows[pid]["python"] == "none: it is stopped"
    others = [row["python"] for row in rows.values() if row["pid"] != pid]
    assert {text for text in others if "run" not in text} <= {"is not sampled"}
    assert len(others) > 3
    path = run("outcry venue dump take venue.toml --out taken.gz", venue.folder).strip()
    assert read_dump(venue.folder / path)["stood"] == {"missing": "the venue was not asked"}


def test_the_close_reports_the_books_before_and_after(venue):
    before = int(venue.commands()["seq"][-1])
    run("outcry venue emergency-close --why 'not a drill'", venue.folder)
    dumps = "emergency-*.dump.json.gz"
    venue.wait_for(lambda _: any(venue.journal.glob(dumps)))
    (path,) = venue.journal.glob(dumps)
    shown = run(f"outcry venue dump show {path}", venue.folder)
    assert f"39 open orders after command {before:,}" in shown
    dump = read_dump(path)
    assert dump["books"]["orders"]["rows"] == []
    assert dump["stood"]["participants"][0]["open_orders"] == 0
    cancel = next(one for one in dump["last_commands"] if one["kind"] == "MASS_CANCEL")
    assert len(cancel["events"]) >= 39
    assert dump["summary"]["before_seq"] == before < cancel["seq"]
    (row,) = [row for row in dump["actions"] if row["asked"]["do"] == "emergency-close"]
    assert row["why"] == "not a drill"
    assert "emergency close: step 4" in run(f"outcry venue dump show {path} log", venue.folder)
    assert '"GOLD"' in run(f"outcry venue dump show {path} books_before --json", venue.folder)
    assert "== matcher" in run(f"outcry venue dump show {path} processes", venue.folder).replace(
        "gateway + matcher", "matcher"
    )
    output = run(f"outcry venue dump show {path} nothing", venue.folder, status=1)
    assert output == ""
    kinds = venue.commands()["kind"]
    assert (kinds == CommandKind.MASS_CANCEL).sum() == 1


def test_a_file_that_is_not_a_dump_is_reported(tmp_path):
    path = tmp_path / "x.gz"
    for data in (
        b"",
        b"nonsense",
        gzip.compress(b"{}"),
        gzip.compress(b'{"summary": 1}'),
        gzip.compress(b'{"summary": {"what": "a dump of a venue"}}')[:-9],
    ):
        path.write_bytes(data)
        with pytest.raises(OutcryError, match="is not a dump"):
            read_dump(path)
    with pytest.raises(OutcryError, match="No such file"):
        read_dump(tmp_path / "nowhere")
