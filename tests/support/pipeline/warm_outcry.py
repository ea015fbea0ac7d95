"""The real command without its start: forked from a process that has imported all there is and has
loaded the kernels, which takes ``outcry run`` three seconds of a processor.

Each command has a process of its own, with its own folder, output and exit status.  Whoever needs
its pid, its signals or its very start runs ``processes.OUTCRY`` instead; so does :func:`run` itself
when the caller has changed what a command reads as it starts.
"""

import atexit
import gc
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.support.processes import OUTCRY

READ_LATE = {"COLUMNS", "LINES", "NO_COLOR", "TERM", "PYTEST_CURRENT_TEST"}
"""Variables that a command reads when it prints."""
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def surroundings() -> Any:
    """What a process has from its parent and keeps."""
    environment = {name: value for name, value in os.environ.items() if name not in READ_LATE}
    spaces = [
        os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net", "user", "pid_for_children")
    ]
    limits = [resource.getrlimit(limit) for limit in LIMITS]
    return environment, spaces, limits, os.sched_getaffinity(0), os.geteuid(), os.nice(0)


class Warm:
    """A process to fork commands from, for as long as this one lives."""

    def __init__(self) -> None:
        self.surroundings = surroundings()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        assert self.socket.recv(16) == b"warm"

    def run(
        self, arguments: Sequence[str], cwd: Path, timeout_s: float
    ) -> "subprocess.CompletedProcess[str]":
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(os.environ)}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fds = [out.fileno(), err.fileno()]
            socket.send_fds(self.socket, [json.dumps(request).encode()], fds)
            pid = int(self.socket.recv(16))
            self.socket.settimeout(timeout_s)
            try:
                status = int(self.socket.recv(16))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self.socket.settimeout(None)
                self.socket.recv(16)
                raise subprocess.TimeoutExpired(list(arguments), timeout_s) from None
            self.socket.settimeout(None)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(
                [*OUTCRY, *arguments], status, out.read(), err.read()
            )


_warm: list[Warm] = []
UNCHANGED = surroundings()
"""Before any test has changed something for a command that it runs."""


def run(
    arguments: Sequence[object], cwd: Path, timeout_s: float = 300
) -> "subprocess.CompletedProcess[str]":
    """``outcry …`` in the folder ``cwd``, to its end; as text.  A unit test runs it in its own
    process."""
    words = [str(argument) for argument in arguments]
    if os.environ.get("PYTEST_CURRENT_TEST", "").startswith("tests/unit/"):
        return run_here(words, cwd)
    if surroundings() == (_warm[0].surroundings if _warm else UNCHANGED):
        if not _warm:
            _warm.append(Warm())
        return _warm[0].run(words, cwd, timeout_s)
    return subprocess.run(
        [*OUTCRY, *words], capture_output=True, text=True, cwd=cwd, timeout=timeout_s
    )


def run_here(words: Sequence[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """``outcry …`` in this process: its output and exit status as those of a process."""
    from openoutcry.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    before = Path.cwd()
    os.chdir(cwd)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(list(words), prog_name="outcry")
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os.chdir(before)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(["outcry", *words], status, *texts)


def serve(requests: socket.socket) -> None:
    """Fork a process for each request, one after the other; in such a process, return."""
    while True:
        message, fds, _, _ = socket.recv_fds(requests, 1 << 20, 2)
        if not message:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            request = json.loads(message)
            for number, fd in enumerate(fds, 1):
                os.dup2(fd, number)
                os.close(fd)
            os.chdir(request["cwd"])
            os.environ.clear()
            os.environ.update(request["environment"])
            sys.argv = ["outcry", *request["arguments"]]
            return
        for fd in fds:
            os.close(fd)
        requests.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def main() -> None:
    from importlib import import_module

    from openoutcry.cli.groups import command_module
    from openoutcry.cli.main import main
    from openoutcry.cli.sections import COMMANDS, VENUE
    from openoutcry.cli.venue import venue
    from openoutcry.pipeline.compile import compile_kernels

    for name in [name for lines in COMMANDS.values() for name in lines]:
        import_module(command_module(name))
    for name in [name for lines in VENUE.values() for name in lines]:
        if name not in venue.commands:
            import_module(command_module(name))
    compile_kernels(lambda what, done, total: None)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        requests.send(b"warm")
        serve(requests)
    try:
        main(prog_name="outcry")
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without taking apart all that was loaded, which takes longer than most commands.
    os._exit(status)


if __name__ == "__main__":
    main()
