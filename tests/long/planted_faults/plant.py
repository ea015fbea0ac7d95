"""Plant faults, one at a time, and see whether a command notices.

    python -m tests.long.planted_faults.plant [NAME …] [--room ROOM] [--command COMMAND]

Each fault gets its own clone of the last commit, in a temporary folder: the command runs there in a
shell, and the working tree is never touched.  In the command ``{tests}`` becomes the test files of
the fault.  A fault is noticed if pytest reports a failed test that passes without the fault.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .table import ROOT, Fault, read_faults

COMMAND = "python -m pytest -x -q -rfE {tests}"
AGAIN = 'python -m pytest -q -m "" {tests}'
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - (.*))?$", re.MULTILINE)
TIMEOUT_S = 1800


def run(fault: Fault, command: str, timeout_s: float) -> dict[str, Any]:
    """Plant one fault, run the command, and tell what came of it."""
    with tempfile.TemporaryDirectory(prefix="planted-fault-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "copy"
        subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(copy)], check=True)
        file = copy / "openoutcry" / fault.file
        whole = file.read_text(encoding="utf-8")
        text = command.replace("{tests}", shlex.join(fault.test_files()))
        started = time.monotonic()
        passed_over: list[str] = []
        while True:
            file.write_text(fault.broken(whole), encoding="utf-8")
            code, output = _run_in(copy, text, timeout_s, passed_over)
            file.write_text(whole, encoding="utf-8")
            failed = FAILED.findall(output) if code else []
            proof = next((row for row in failed if _passes(copy, row[0], timeout_s)), None)
            if proof or not failed or failed[0][0] in passed_over:
                break
            # Without the fault it fails as well: it says nothing, and must not hide another.
            passed_over += [test for test, _ in failed]
        seconds = time.monotonic() - started
    if code and not proof:
        print(output[-4000:], file=sys.stderr)
    return {
        "name": fault.name,
        "noticed": proof is not None,
        "by": proof[0] if proof else None,
        "message": proof[1] if proof else "",
        "exit": code,
        "seconds": round(seconds, 1),
        "commit": _git("rev-parse", "HEAD"),
    }


def _passes(copy: Path, test: str, timeout_s: float) -> bool:
    """Whether a test passes there: one that fails without the fault proves nothing of it."""
    return _run_in(copy, AGAIN.replace("{tests}", shlex.quote(test)), timeout_s)[0] == 0


def _run_in(
    copy: Path, command: str, timeout_s: float, without: Sequence[str] = ()
) -> tuple[int | None, str]:
    """Exit code (None: it took too long) and output of a command whose code is the copy's;
    ``without``: tests that pytest leaves out."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(copy), "PATH": path, "COLUMNS": "200"}
    environment["PYTEST_ADDOPTS"] = shlex.join(f"--deselect={test}" for test in without)
    with (copy.parent / "output").open("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            shell=True,
            cwd=copy,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):  # what the command has left behind, or all of it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.long.planted_faults.plant",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these faults alone")
    parser.add_argument("--room", action="append", help="the faults of these rooms alone")
    parser.add_argument("--command", default=COMMAND, help=f"what is run: {COMMAND}")
    parser.add_argument("--output", type=Path, help="where the summary is written, as JSON")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds a fault")
    chosen = parser.parse_args(arguments)
    faults = read_faults()
    if unknown := set(chosen.names) - {fault.name for fault in faults}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    faults = [
        fault
        for fault in faults
        if (not chosen.names or fault.name in chosen.names)
        and (not chosen.room or fault.room in chosen.room)
    ]
    rows = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for row in pool.map(lambda fault: run(fault, chosen.command, chosen.timeout), faults):
            said = f"by {row['by']}: {row['message']}" if row["noticed"] else f"exit {row['exit']}"
            noticed = "noticed" if row["noticed"] else "NOT noticed"
            print(f"{row['name']}: {noticed}, {row['seconds']} s, {said}", flush=True)
            rows.append(row)
    count = sum(row["noticed"] for row in rows)
    print(f"{count} of {len(rows)} noticed")
    if chosen.output:
        summary = {
            "commit": _git("rev-parse", "HEAD"),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": {"cores": os.cpu_count()},
            "command": chosen.command,
            "faults": rows,
        }
        chosen.output.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return 0 if count == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
