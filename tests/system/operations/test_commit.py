"""host/commit.py: which source tree a figure was taken with."""

import subprocess

from openoutcry import __version__
from openoutcry.host import commit as source


def test_commit_is_the_trees_or_else_the_version(tmp_path, monkeypatch):
    """A checkout answers with its commit, -dirty when a tracked file was changed; an installed
    package answers with its version."""
    monkeypatch.setattr(source, "PACKAGE", tmp_path / "openoutcry")
    assert source.commit() == __version__
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert source.commit() == head.strip()
    (tmp_path / "a").write_text("2")
    assert source.commit() == head.strip() + "-dirty"
