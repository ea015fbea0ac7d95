"""Tables of evidence judge a goal by the interval, and say when they are old."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

import openoutcry.report.tables as tables
from openoutcry import PACKAGE
from openoutcry.report.age import MEASURES, NO_COMMIT, OLD, History, code_of, kept_note

HOST = {"cpu": "x", "cores_usable": 2}


def document(name: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "date": "2026-01-01",
        "commit": "abc",
        "command": "bench",
        "host": HOST,
        "figures": {"results": results},
    }


def figure(median: float, spread: list[float], **against: Any) -> dict[str, Any]:
    return {"name": "f", "unit": "ns", "median": median, "spread": spread, "against": against}


@pytest.mark.parametrize(
    ("spread", "word"),
    [([10, 16], "met"), ([10, 17], "noisy"), ([17, 18], "missed")],
)
def test_a_goal_is_met_only_by_the_whole_interval(spread: list[float], word: str) -> None:
    """A median below the goal with a quartile above it is noise, not success."""
    page = tables._goal_table([("f", "", "what", "≤ 16 ns")], document("x", [figure(15, spread)]))
    assert page.splitlines()[2].endswith(f"| ≤ 16 ns | {word} |")


@pytest.mark.parametrize(
    ("interval", "word"),
    [([1.11, 1.2], "met"), ([1.11, 719.0], "noisy"), ([1.4, 719.0], "missed"), (None, "met")],
)
def test_a_ratio_is_judged_by_its_interval(interval: list[float] | None, word: str) -> None:
    against = {"ratio": 1.12, "interval": interval}
    row = figure(15, [15, 15], echo=against)
    page = tables._goal_table([("f", "echo", "what", "≤ 1.3")], document("x", [row]))
    assert page.splitlines()[2].endswith(f"| ≤ 1.3 | {word} |")


def test_a_goal_from_below_is_judged_alike() -> None:
    row = figure(45e6, [28e6, 47e6]) | {"unit": "1/s"}
    page = tables._goal_table([("f", "", "what", "≥ 40 M/s")], document("x", [row]))
    assert page.splitlines()[2].endswith("| ≥ 40 M/s | noisy |")


class FakeGit:
    """git's answers: commits from old to new, each with the file that it changed."""

    def __init__(self, commits: list[tuple[str, str, str]], uncommitted: str = "") -> None:
        self.commits, self.uncommitted = commits, uncommitted

    def __call__(self, what: str, *arguments: str) -> str:
        names = [name for name, _, _ in self.commits]
        if what == "merge-base":
            if arguments[1] not in names:
                raise subprocess.CalledProcessError(1, "git")
            return ""
        if what == "rev-list":
            day = arguments[1].removeprefix("--until=").split()[0]
            return "".join([name for name, of, _ in self.commits if of <= day][-1:])
        if what == "show":
            return "was = 1"
        commit, paths = arguments[2], arguments[arguments.index("--") + 1 :]
        changed = [file for _, _, file in self.commits[names.index(commit) + 1 :]]
        return "\n".join(f for f in (*changed, self.uncommitted) if f.startswith(paths))


NO_TREE = Path("no tree")
"""Every file that git calls changed is another than at the commit: it is not there."""


def history_of(commits: list[tuple[str, str, str]], uncommitted: str = "") -> History:
    return History(NO_TREE, FakeGit(commits, uncommitted))


COMMITS = [
    ("abc", "2026-01-01", "ring/spsc.py"),
    ("abd", "2026-01-02", "docs/ring.md"),
]


@pytest.mark.parametrize(
    ("commits", "uncommitted", "note"),
    [
        (COMMITS, "", ""),
        ([*COMMITS, ("abe", "2026-01-03", "ring/spsc.py")], "", OLD),
        (COMMITS, "ring/spsc.py", OLD),
        (COMMITS, "docs/b.md", ""),
        ([("new", "2026-01-01", "ring/spsc.py")], "", ""),
        ([("new", "2026-01-02", "ring/spsc.py")], "", OLD),
        ([("old", "2025-12-31", "a.py"), ("new", "2026-01-02", "ring/spsc.py")], "", OLD),
    ],
)
def test_evidence_is_old_when_what_it_measures_has_changed(
    commits: list[tuple[str, str, str]], uncommitted: str, note: str
) -> None:
    """By later commits, by changes not committed yet, or by its day if its commit is gone."""
    history = history_of(commits, uncommitted)
    assert history.note(document("ring_kills", []), ["ring"]) == note


@pytest.mark.parametrize(
    ("name", "before", "after", "same"),
    [
        ("a.py", "a = 1", '"""Text."""\n\na = 1  # why\n"""What it is."""\n', True),
        ("a.py", "a = 1", "a = 2", False),
        ("a.py", 'def f():\n    """Text."""\n', "def f():\n    return 1\n", False),
        ("a.v", "a <= b; // c", "/* d\n*/ a <= b;", True),
        ("a.v", "a <= b;", "a <= c;", False),
        ("a.toml", "# a", "# b", False),
    ],
)
def test_comments_and_docstrings_are_not_code(
    name: str, before: str, after: str, same: bool
) -> None:
    assert (code_of(name, before) == code_of(name, after)) == same


@pytest.mark.parametrize("commit", [None, "", "0.1.0"])
def test_evidence_without_a_commit_says_so(commit: str | None) -> None:
    evidence = document("ring_kills", []) | {"commit": commit}
    if commit is None:
        del evidence["commit"]
    assert history_of(COMMITS).note(evidence, ["ring"]) == NO_COMMIT


def test_a_table_says_that_it_is_old_and_keeps_saying_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git adds the sentence and removes it; where git cannot say, it stays as it was."""
    evidence = document("risk", [figure(15, [15, 16])])
    monkeypatch.setattr(tables, "read_evidence", lambda name: dict(evidence))
    page = "<!-- evidence: risk -->\n<!-- end -->\n"
    changed = history_of([*COMMITS, ("abe", "2026-01-03", "risk/limits.py")])
    old = tables.filled(page, changed)
    assert kept_note(old) == OLD
    assert tables.filled(old) == old
    new = tables.filled(old, history_of(COMMITS))
    assert kept_note(new) == ""
    assert tables.filled(new) == new


def test_every_table_says_what_it_measures() -> None:
    """List prices are of no code; everything else names files that exist."""
    assert set(tables.TABLES) - set(MEASURES) == {"prices"}
    assert set(MEASURES) <= set(tables.TABLES)
    for name, paths in MEASURES.items():
        assert all((PACKAGE / path).exists() for path in paths), name
