"""The tables say when the code that they measure has changed since, as git knows it."""

import subprocess
from pathlib import Path

import pytest

from openoutcry.report.age import OLD, History, kept_note
from openoutcry.report.tables import DOCUMENTS, filled
from tests import ROOT


def test_the_documents_say_which_tables_are_old() -> None:
    history = History.of(ROOT)
    if history is None:
        pytest.skip("no git history here")
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        assert filled(text, history) == text, f"{name}: run `python -m openoutcry.report.tables`"


def test_a_change_makes_the_evidence_old_before_and_after_its_commit(tmp_path: Path) -> None:
    """The generator and a later check agree: it is run before the commit that makes tables old."""

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def note(commit: str) -> str:
        history = History.of(tmp_path)
        assert history is not None
        return history.note({"commit": commit, "date": "2026-01-01"}, ["ring"])

    git("init", "-q")
    file = tmp_path / "ring" / "a.py"
    file.parent.mkdir()
    file.write_text("1\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    measured = git("rev-parse", "HEAD")
    assert note(measured) == note(f"{measured}-dirty") == ""
    file.write_text("2\n")
    assert note(measured) == OLD
    git("commit", "-q", "-a", "-m", "two")
    assert note(measured) == OLD
    second = git("rev-parse", "HEAD")
    file.write_text('"""A docstring."""\n\n2  # a comment\n')
    git("commit", "-q", "-a", "-m", "three")
    assert note(second) == ""
    assert note(measured) == OLD
    assert kept_note(OLD) == OLD


def test_a_folder_without_git_and_a_shallow_clone_have_no_history(tmp_path: Path) -> None:
    assert History.of(tmp_path) is None
    here, shallow = tmp_path / "here", tmp_path / "shallow"
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (
        ("init", "-q", str(here)),
        *(("-C", str(here), *identity, "commit", "-q", "--allow-empty", "-m", m) for m in "ab"),
        ("clone", "-q", "--depth", "1", f"file://{here}", str(shallow)),
    ):
        subprocess.run(["git", *arguments], check=True, capture_output=True)
    assert History.of(here) is not None
    assert History.of(shallow) is None
