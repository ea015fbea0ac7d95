"""``outcry bench all``: every subject one after the other, one report, and what failed said.

Each subject is a separate process, so that none finds the other's threads, memory or environment
abstraction layer; what it has written stays whatever happens to the next.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openoutcry.bench.results import ResultError, document, missing, read_document, write_document
from openoutcry.bench.subjects import SUBJECTS

QUICK_ROUNDS, ROUNDS = 2, 7
GRACE_S = 60.0
Progress = Callable[[str], None]


def bench_all(
    rounds: int | None, quick: bool, progress: Progress, subjects: Sequence[str] | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """Measure the subjects (None: all); returns their documents and, when interrupted, why there
    are fewer.

    A subject that fails is a document without figures whose ``missing`` says why.
    """
    documents: list[dict[str, Any]] = []
    count = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    started = time.monotonic()
    names = list(SUBJECTS) if subjects is None else list(subjects)
    for name in names:
        progress(f"{name} ({time.monotonic() - started:.0f} s so far)")
        try:
            documents.append(_one(name, count, quick, progress))
        except KeyboardInterrupt as stopped:
            unmeasured = names[names.index(name) :]
            if isinstance(stopped, _Interrupted) and stopped.document:
                # The subject under way has kept its whole rounds.
                documents.append(stopped.document)
                unmeasured = unmeasured[1:]
            return documents, "interrupted" + (
                f": without {', '.join(unmeasured)}" if unmeasured else ""
            )
    return documents, None


class _Interrupted(KeyboardInterrupt):
    """A subject was interrupted; ``document`` is what it had by then, if anything."""

    def __init__(self, document: dict[str, Any] | None) -> None:
        super().__init__()
        self.document = document


def _one(name: str, rounds: int, quick: bool, progress: Progress) -> dict[str, Any]:
    """One subject's document."""
    command = ["bench", name, "--rounds", str(rounds), *(["--quick"] if quick else [])]
    if name == "pipeline":
        command.append("--explain")
    with tempfile.TemporaryDirectory(prefix="outcry-bench-") as folder:
        out = Path(folder) / "out.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "openoutcry", *command, "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            output = _follow(process, progress)
        except KeyboardInterrupt:
            raise _Interrupted(read_document(out) if out.exists() else None) from None
        if out.exists():
            try:
                return read_document(out)
            except ResultError as error:
                output = str(error)
    why = output or f"ended with {process.returncode}"
    return document(
        name, [], [missing(name, why)], "outcry " + " ".join(command), conditions={"partial": why}
    )


def _follow(process: "subprocess.Popen[str]", progress: Progress) -> str:
    """Pass a subject's progress on; returns its last line.  An interruption is passed on to it, and
    it is waited for, so that it can clean up."""
    last = ""
    try:
        assert process.stderr is not None
        for line in process.stderr:
            last = line.strip() or last
            progress(f"  {line.rstrip()}")
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        try:
            process.communicate(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise
    return last


def write_all(documents: Sequence[dict[str, Any]], folder: Path) -> None:
    """One file a subject, as ``--out`` would have written it."""
    folder.mkdir(exist_ok=True)
    for subject_document in documents:
        write_document(subject_document, folder / f"{subject_document['subject']}.json")


def as_json(documents: Sequence[dict[str, Any]], partial: str | None) -> str:
    """The documents as one JSON text; ``partial``: what an interruption left out, None: nothing."""
    return json.dumps({"documents": list(documents), "partial": partial})
