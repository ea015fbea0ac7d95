"""What `outcry audit` refuses, and how it says so."""

import json
import os
import shutil

import pyarrow.parquet
import pytest


@pytest.fixture(scope="module")
def day(audited, tmp_path_factory):
    home = tmp_path_factory.mktemp("command") / "day"
    shutil.copytree(audited, home)
    return home


def test_a_damaged_byte_gives_status_1_and_is_named(outcry, day):
    path = next((day / "audit").glob("*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    whole = path.read_bytes()
    path.write_bytes(data)
    done = outcry("audit", "verify", day)
    path.write_bytes(whole)
    assert done.returncode == 1
    assert f"DAMAGED: {path} was changed after it was written" in done.stdout


def test_a_head_that_is_anothers_gives_status_1(outcry, outcry_json, day):
    (first, *_) = outcry_json("audit", "heads", day)
    assert (
        outcry("audit", "verify", day, "--head", f"{first['day']}={first['head']}").returncode == 0
    )
    done = outcry("audit", "verify", day, "--head", f"{first['day']}={'0' * 64}", "--json")
    assert done.returncode == 1
    assert "published was" in json.loads(done.stdout)["faults"][0]
    assert outcry("audit", "verify", day, "--head", "nonsense").returncode == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["order", "{day}", "-1"], "no order -1 is in this trail"),
        (["order", "{day}", "x-y"], "neither an order's id nor its UUID"),
        (["symbol", "{day}", "NOPE"], "not among the journal's instruments"),
        (["symbol", "{day}", "PLAIN", "--action", "BUY"], "BUY is not an action"),
        (["participant", "{day}", "7", "--from", "noon"], "is not a time"),
        (["participant", "{day}", "7", "--format", "parquet"], "needs --out FILE"),
        (["verify", "{day}/.."], "holds no audit trail"),
        (["build", "{day}/nowhere"], "nowhere"),
    ],
)
def test_bad_questions_are_reported_in_one_line(outcry, day, words, says):
    first, *rest = (word.format(day=day) for word in words)
    done = outcry("audit", first, "--", *rest) if "-1" in rest else outcry("audit", first, *rest)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_in_every_form_are_the_same(outcry, outcry_json, day, tmp_path):
    rows = outcry_json_rows(outcry, day)
    done = outcry("audit", "participant", day, "7", "--format", "csv")
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + len(rows) > 10
    out = tmp_path / "7.parquet"
    assert outcry("audit", "participant", day, "7", "--format", "parquet", "--out", out).stdout
    table = pyarrow.parquet.read_table(out)
    assert table["event_seq"].to_pylist() == [row["event_seq"] for row in rows]
    assert "order_uuid" in lines[0]


def outcry_json_rows(outcry, day):
    done = outcry("audit", "participant", day, "7", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
def test_what_a_command_writes_is_its_users_alone(outcry, audited, tmp_path):
    """A trail built anew, its folders, and an export: whatever the user's umask lets others see."""
    home = tmp_path / "day"
    shutil.copytree(audited, home)
    shutil.rmtree(home / "audit")
    before = os.umask(0o022)
    try:
        assert outcry("audit", "build", home).returncode == 0
        out = tmp_path / "participant.csv"
        done = outcry("audit", "participant", home, "7", "--format", "csv", "--out", out)
        assert done.returncode == 0, done.stderr
    finally:
        assert os.umask(before) == 0o022, "the umask is the caller's again"
    written = [out, home / "audit", *(home / "audit").rglob("*")]
    assert len(written) > 4
    assert [path for path in written if path.stat().st_mode & 0o077] == []
