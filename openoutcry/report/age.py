"""Whether a table's evidence is older than the code that it measures, as git knows it."""

import ast
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

STACK = ("matcher", "pipeline", "ring", "wire")
VENUE = (*STACK, "journal", "order_entry", "risk")
SPLIT = tuple(f"routing/{name}.py" for name in ("depth", "depth_kernels", "split", "split_kernels"))
MEASURES: dict[str, tuple[str, ...]] = {
    "audit": ("surveillance", "journal"),
    "audit_hundred_million": ("surveillance", "journal"),
    "backtest": ("backtest", "matcher"),
    "backtest_deaths": ("backtest",),
    "backtest_memory": ("backtest",),
    "books": ("flow", "matcher"),
    "clock": ("ptp",),
    "clock_days": ("ptp",),
    "clock_histories": ("ptp",),
    "colocated": (*VENUE, "market_data"),
    "compare": ("bench/compare.py",),
    "feed_hostile": ("market_data",),
    "feed_joins": ("market_data",),
    "feed_restart": ("market_data",),
    "feed_subscribers": ("market_data",),
    "first_paint": ("portal/page",),
    "harness": ("matcher", "wire"),
    "history": ("portal/history", "portal/notices"),
    "history_lag": ("portal/history",),
    "history_pages": ("portal/history",),
    "notice_burst": ("portal/notices",),
    "journal": ("journal", "wire"),
    "journal_faults": ("journal",),
    "journal_kills": ("journal", "pipeline"),
    "journal_power_cuts": ("journal",),
    "kills": ("journal", "pipeline"),
    "ledger": ("ledger",),
    "load_attacks": (*VENUE, "portal", "operations"),
    "margin": ("derivatives", "risk"),
    "market-data": ("market_data", "pipeline", "wire"),
    "matcher": ("matcher", "wire"),
    "mixed_kinds": ("matcher", "wire"),
    "operations": (*STACK, "operations", "risk"),
    "pipeline": (*STACK, "journal"),
    "portal": (*VENUE, "portal"),
    "portfolios": ("ledger", "portal/portfolio"),
    "replication": ("journal", "pipeline", "replica"),
    "ring": ("ring", "wire"),
    "ring_kills": ("ring",),
    "risk": (*STACK, "risk"),
    "routing": SPLIT,
    "routing_ccxt": SPLIT,
    "routing_kills_fix": ("routing",),
    "routing_lost_messages": ("routing",),
    "routing_wide": SPLIT,
    "routing_times": (*SPLIT, "market_data/book_apply.py"),
    "security": VENUE,
    "sessions": VENUE,
    "shards": STACK,
    "shim": ("dpdk_shim", "wire"),
    "shim_fuzz": ("dpdk_shim",),
    "stall": ("bench/explain.py", "pipeline"),
    "surveillance_blind": ("surveillance/detect", "surveillance/cases.py"),
    "tick-to-trade": (*VENUE, "market_data"),
    "wire": (*STACK, "dpdk_shim", "risk"),
}
"""By evidence: the folders and files of the package whose speed or behaviour it shows.  List prices
are not among them: they are of no code."""
PACKAGE = "openoutcry/"
"""Where most rooms are.  Six are at the top of the tree, and before 2026-11-29 all of them were."""
NO_COMMIT = " The evidence names no commit."
OLD = " What it measures has changed since."
OF_SOME = "What some of them measure has changed since."
C_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
C_LIKE = (".c", ".cpp", ".h", ".sv", ".v", ".vh")
Git = Callable[..., str]
"""``git`` with arguments in the project's tree; raises where it fails."""


class History:
    """git's data of the tree: whether its code is as it was at a commit."""

    def __init__(self, tree: Path, git: Git) -> None:
        self.tree = tree
        self.git = git

    @classmethod
    def of(cls, tree: Path) -> "History | None":
        """The history of ``tree``.  None where git cannot say when a file changed: in an archive
        or a shallow clone, or without git."""
        git = partial(_git, tree)
        try:
            return (
                cls(tree, git) if git("rev-parse", "--is-shallow-repository") == "false" else None
            )
        except (OSError, subprocess.SubprocessError):
            return None

    def changed_since(self, commit: str, date: str, paths: Sequence[str]) -> bool:
        """Return whether the code of ``paths`` in the package is not as it was at ``commit``;
        prose in it (comments and docstrings) is not compared."""
        try:
            self.git("merge-base", "--is-ancestor", commit, "HEAD")
        except subprocess.CalledProcessError:
            # Rebased away since: its day is all that is left to compare.
            commit = self.git("rev-list", "-1", f"--until={date} 23:59:59", "HEAD")
        if not commit:
            return True
        places = [*paths, *(PACKAGE + path for path in paths)]
        changed = self.git("diff", "--name-only", "--no-renames", commit, "--", *places)
        names = {name.removeprefix(PACKAGE) for name in changed.splitlines()}
        return any(
            code_of(name, self._at(commit, name)) != code_of(name, self._now(name))
            for name in names
        )

    def _at(self, commit: str, name: str) -> str:
        """A file's text at a commit; empty if the commit does not have it."""
        for place in (PACKAGE + name, name):
            with suppress(subprocess.CalledProcessError):
                return self.git("show", f"{commit}:{place}")
        return ""

    def _now(self, name: str) -> str:
        """A file's text in the tree, committed or not; empty without such a file."""
        for file in (self.tree / PACKAGE / name, self.tree / name):
            if file.is_file():
                return file.read_text(encoding="utf-8", errors="replace")
        return ""

    def note(self, document: Mapping[str, Any], paths: Sequence[str]) -> str:
        """The sentence under the table of this evidence, which measures ``paths``; empty if it is
        as new as they are."""
        commit = str(document.get("commit", "")).split("-")[0].strip()
        if not commit or "." in commit:  # a release's version instead of a commit
            return NO_COMMIT
        return OLD if self.changed_since(commit, document["date"], paths) else ""


def code_of(name: str, text: str) -> str:
    """A file's text without its comments, docstrings and layout, to compare two versions by."""
    if name.endswith(C_LIKE):
        return " ".join(C_COMMENT.sub(" ", text).split())
    if not name.endswith(".py"):
        return text.strip()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    """A docstring, of a module, class, function or constant."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def kept_note(text: str) -> str:
    """The sentence that a filled place already has."""
    return next((note for note in (NO_COMMIT, OLD, OF_SOME) if note in text), "")


def _git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip("\n")
