"""``outcry proof``: every command of its page, and a verification that must fail."""

import json
import shlex

import pytest

from tests.support.user_commands import commands, run

LINES = commands("proof.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every command of the page, in its order."""
    folder = tmp_path_factory.mktemp("proof")
    for line in LINES:
        printed = run(line, folder)
        if " verify " in line:
            assert "alice is in the root" in printed
    return folder


def verify(folder, status, *words, statement="answered.json", member="alice"):
    public = (folder / "venue.pub").read_text().strip()
    line = [
        "outcry",
        "proof",
        "verify",
        f"proofs/members/{member}.json",
        "--statement",
        statement,
        "--public-key",
        public,
        "--member",
        "alice",
        *words,
    ]
    return run(shlex.join(line), folder, status)


def test_the_pages_commands_run(folder):
    fresh = (folder / "fresh").read_text().strip()
    shown = json.loads(verify(folder, 0, "--challenge", fresh, "--json"))
    assert shown == {
        "member": "alice",
        "as_of_seq": 1000,
        "balances": {"BTC": 3, "USD": 500},
        "challenged": True,
    }
    assert (folder / "venue.key").stat().st_mode & 0o077 == 0


def test_what_is_not_so_is_not_verified(folder):
    verify(folder, 1, "--balance", "USD=501")
    verify(folder, 1, "--challenge", "00" * 32)
    verify(folder, 1, "--challenge", "00" * 32, statement="proofs/statement.json")
    verify(folder, 1, member="bob")
    verify(folder, 2, "--balance", "USD")


def test_what_is_there_is_not_written_over(folder):
    before = (folder / "proofs" / "statement.json").read_bytes()
    run(LINES[2], folder, 1)
    run("outcry proof key venue.key", folder, 1)
    assert (folder / "proofs" / "statement.json").read_bytes() == before
