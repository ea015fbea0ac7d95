"""The commit of the source tree of this program."""

import subprocess
from pathlib import Path

from openoutcry import PACKAGE, __version__

NO_FIGURES = ":(exclude)docs/evidence"


def commit() -> str:
    """The source tree's commit, with ``-dirty`` when tracked files differ from it but for recorded
    figures; the package's version where there is no such tree."""
    tree = PACKAGE.parent
    if not (tree / ".git").exists():
        return __version__
    try:
        head = _git(tree, "rev-parse", "HEAD")
        changed = _git(tree, "status", "--porcelain", "--untracked-files=no", "--", ".", NO_FIGURES)
    except (OSError, subprocess.SubprocessError):
        return __version__
    return head + ("-dirty" if changed else "")


def _git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
