"""The venue file is read strictly: the example is without a mistake, and each mistake that a person
can make is told with its line and key, all of them at once."""

import re
from pathlib import Path

import pytest

from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import read_venue
from tests.support.venue.venue_file import outcry


def test_init_writes_the_example_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    completed = outcry("venue", "init")
    assert completed.exit_code == 0
    assert (tmp_path / "venue.toml").read_text().startswith(EXAMPLE.read_text())
    output = outcry("venue", "check", "venue.toml").stdout
    assert "2 instruments, 2 participants, 4 sessions: no mistake" in output
    sessions = read_venue(tmp_path / "venue.toml").sessions.sessions
    words = re.findall(r"^session (\w+): password (\w{10})$", completed.stdout, re.MULTILINE)
    assert [name for name, _ in words] == [session.name for session in sessions]
    hasher = pytest.importorskip("argon2").PasswordHasher()
    for (_, word), session in zip(words, sessions, strict=True):
        assert hasher.verify(session.password_hash, word)
    again = outcry("venue", "init")
    assert (again.exit_code, again.stderr) == (1, "outcry: venue.toml already exists\n")
    missing = outcry("venue", "check", "other.toml")
    reason = "there is no such file; `outcry venue init` makes a venue"
    assert missing.stderr == f"outcry: other.toml: {reason}\n"
