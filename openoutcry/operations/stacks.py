"""What the processes of a run do at this moment, seen from outside: a stage that hangs is seen."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from openoutcry.pipeline.stall import (
    DUMP_SIGNAL,
    KERNEL_FILES,
    MAX_DUMP_CHARS,
    STOPPED,
    TRACED,
    scheduling,
)
from openoutcry.pipeline.top import RunningPipeline

ANSWER_S = 1.0
STACK = "/memfd:stack"


def processes_of(pipeline: RunningPipeline) -> list[dict[str, Any]]:
    """Supervisor, stages and whatever else it has forked."""
    stages: dict[int, list[str]] = {}
    for index, stage in enumerate(pipeline.table.stages):
        pid = pipeline.control.stage(index).pid
        if pid and pid != pipeline.owner.pid and pipeline.stage_alive(index):
            stages.setdefault(pid, []).append(stage.name)
    owner = pipeline.owner.pid
    others = (
        {child.pid for child in psutil.Process(owner).children(recursive=True)}
        - stages.keys()
        - {os.getpid()}
    )
    rows = [(owner, "supervisor"), *((pid, " + ".join(names)) for pid, names in stages.items())]
    rows += [(pid, "forked by the supervisor") for pid in sorted(others)]
    return [_process(pid, name, pid in stages) for pid, name in rows]


def _process(pid: int, name: str, answers: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"process": name, "pid": pid}
    for file in ("status", "sched", "limits", *KERNEL_FILES):
        try:
            row[file] = Path(f"/proc/{pid}/{file}").read_text(errors="replace").strip()
        except OSError as error:
            row[file] = f"missing: {error.strerror}"
    try:
        row["threads"] = scheduling(pid)[-1]
        row["python"] = _python_stack(pid, row["threads"]) if answers else "is not sampled"
    except (OSError, ValueError):
        row["python"] = "it just ended"
    return row


def _python_stack(pid: int, states: str) -> str:
    """Return the stack that the stage's fault handler writes, on a signal, into its own anonymous
    file. The stage has the other stages' files open as well: the file that grows is its own."""
    if states[0] in (STOPPED, TRACED):
        return "none: it is stopped"
    with ExitStack() as stack:
        files = []
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.readlink(path).startswith(STACK):
                file = stack.enter_context(open(path, "rb"))
                files.append((file, os.fstat(file.fileno()).st_size))
        os.kill(pid, DUMP_SIGNAL)
        until, sizes = time.monotonic() + ANSWER_S, [0] * len(files)
        while time.monotonic() < until:
            time.sleep(0.01)
            before, sizes = sizes, [os.fstat(file.fileno()).st_size for file, _ in files]
            for (file, begin), size in zip(files, sizes, strict=True):
                if size > begin and sizes == before:
                    return os.pread(file.fileno(), MAX_DUMP_CHARS, begin).decode(errors="replace")
    return "no answer: it did not return to Python"
