"""Processes of Python without their start: forked from one that has imported all there is and has
loaded the kernels, which takes a served venue two seconds of a processor.

:class:`Process` is a ``subprocess.Popen``: what it starts is a child of this process, with its own
pid, folder, output and exit status.  It starts cold what it cannot start alike: another program, or
a command whose caller has changed what a process reads as it starts.  Tests of the very start use
``subprocess`` and ``processes.OUTCRY`` instead.
"""

import atexit
import ctypes
import fcntl
import gc
import inspect
import io
import json
import os
import platform
import resource
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from tests.support.processes import choose_other_ports

READ_LATE = {
    *("COLUMNS", "LINES", "NO_COLOR", "PATH", "TERM"),
    *("OUTCRY_PASSWORD", "SOFTHSM2_CONF"),
    *("OPENBLAS_NUM_THREADS", "OPENOUTCRY_TEST_HAS_HUGE_PAGES", "OUTCRY_PORTAL_PID"),
    "PYTEST_CURRENT_TEST",
}
"""Variables that a command reads when it prints or starts a program, or not at all.  What tests
leave in their worker's environment must be here: else each process of later tests starts cold."""
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
SCRIPTS = (
    "tests.support.order_entry.sessions_venue",
    "tests.support.portal.served_portal",
    "tests.support.replica.replica_nodes",
    "tests.support.venue.dying_desk",
    "tests.support.venue.served_venue",
)
"""What tests run as a process beside the command: loaded as well."""
ROOMS = ("console", "custody", "operations", "portal", "routing", "venue")
LATE = ("alembic.command", "argon2", "cryptography.x509", "fastapi", "jwt", "psycopg", "uvicorn")
"""What a command imports when it is there."""
NEVER = {"preexec_fn", "executable", "shell", "startupinfo"}
DEFAULTS = {"close_fds": True, "restore_signals": True}
UNSET = {"gid": None, "gids": None, "uid": None, "umask": -1, "process_group": -1}
"""Arguments of Popen: those that only a cold start knows, and those that a warm one takes alike."""
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
MOST_FDS = 16
CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
PR_GET_TID_ADDRESS = 40
ROOM = "-" * 4_096
"""An argument of the warm process, over which the arguments of those that it forks are written."""
PORTAL = ["-m", "openoutcry", "portal", "serve"]
TESTS_PORTAL = str(Path(__file__).parents[1] / "portal" / "served_portal.py")
"""The arguments of a command that starts commands, and the script that does so for tests."""


def surroundings(environment: Mapping[str, str]) -> Any:
    """What a process has from its parent and keeps."""
    kept = {name: value for name, value in environment.items() if name not in READ_LATE}
    spaces = [
        os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net", "user", "pid_for_children")
    ]
    # The user and groups, and signals that are blocked or ignored.
    rows = Path("/proc/self/status").read_text().splitlines()
    names = ("Uid", "Gid", "Groups", "SigBlk", "SigIgn", "Cap", "NoNewPrivs")
    status = [row for row in rows if row.startswith(names)]
    return kept, spaces, status, os.sched_getaffinity(0), os.nice(0)


def umask() -> int:
    """Set the umask of this process, in which threads may run."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1], 8) for row in rows if row.startswith("Umask:"))


UNCHANGED = surroundings(os.environ)
"""Before any test has changed something for a process that it starts."""


class Warm:
    """A process to fork others from, for as long as this one lives.  It has the other end of
    ``requests``."""

    def __init__(self, requests: socket.socket) -> None:
        self.pid, self.lock, self.socket = os.getpid(), threading.Lock(), requests
        word = self.socket.recv(16)
        assert word, "the warm process has ended"
        self.can_fork = word == b"warm"

    def fork(self, request: dict[str, Any], fds: Sequence[int]) -> int:
        """The pid of a child of this process that has these files open, as the request numbers
        them."""
        with self.lock:
            socket.send_fds(self.socket, [json.dumps(request).encode()], fds)
            pid = int(self.socket.recv(16))
        assert pid > 0, "no process could be forked"
        return pid


_warm: list[Warm] = []
_processes: list[subprocess.Popen[bytes]] = []
_warming = threading.Lock()


def _warm_process() -> Warm:
    with _warming:
        if not _warm:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno()), ROOM],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # numpy's threads would not outlive a fork.
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
            _processes.append(process)
            _warm.append(Warm(ours))
        return _warm[0]


_cold = subprocess.Popen._execute_child  # type: ignore[attr-defined]


class Process(subprocess.Popen[Any]):
    """``Popen``, warm for ``[sys.executable, SCRIPT or "-m" or "-c", …]``."""

    def _execute_child(self, *arguments: Any) -> None:
        given = inspect.signature(_cold).bind(self, *arguments).arguments
        fds = [given["p2cread"], given["c2pwrite"], given["errwrite"]]
        inherited = [own if fd < 0 else fd for own, fd in enumerate(fds)]
        if not self._can_be_warm(given, inherited):
            _cold(self, *arguments)
            return
        sys.audit("subprocess.Popen", sys.executable, given["args"], given["cwd"], given["env"])
        request = {
            "arguments": [os.fspath(word) for word in given["args"]],
            "cwd": os.path.abspath(os.fspath(given["cwd"] or ".")),
            "environment": dict(os.environ if given["env"] is None else given["env"]),
            "start_new_session": given["start_new_session"],
            "limits": [resource.getrlimit(limit) for limit in LIMITS],
            "umask": umask(),
            "fds": [0, 1, 2, *given["pass_fds"]],
        }
        self.pid = _warm_process().fork(request, [*inherited, *given["pass_fds"]])
        self._close_pipe_fds(*(given[name] for name in PIPES))  # type: ignore[attr-defined]
        self._child_created = True

    def _can_be_warm(self, given: dict[str, Any], fds: Sequence[int]) -> bool:
        words = given["args"]
        return bool(
            CLONE
            and not isinstance(words, str | bytes | os.PathLike)
            and len(words) > 1
            and words[0] == sys.executable
            and (words[1] in ("-m", "-c") or str(words[1]).endswith(".py"))
            and not any(given.get(name) for name in NEVER)
            and all(given.get(name, value) == value for name, value in (DEFAULTS | UNSET).items())
            and len(given["pass_fds"]) + 3 <= MOST_FDS
            and not any(os.isatty(fd) for fd in fds)
            and (not _warm or _warm[0].pid == os.getpid())
            and Path(given["cwd"] or ".").is_dir()
            and surroundings(os.environ if given["env"] is None else given["env"]) == UNCHANGED
            and _warm_process().can_fork
        )


def run(
    arguments: Sequence[object], cwd: Path, timeout_s: float = 300
) -> "subprocess.CompletedProcess[str]":
    """``outcry …`` in the folder ``cwd``, to its end; as text.  A unit test runs it in its own
    process."""
    words = [str(argument) for argument in arguments]
    if os.environ.get("PYTEST_CURRENT_TEST", "").startswith("tests/unit/"):
        return run_here(words, cwd)
    return run_command([sys.executable, "-m", "openoutcry", *words], cwd=cwd, timeout=timeout_s)


def run_command(
    command: Sequence[str],
    input: str | None = None,
    timeout: float | None = 300,
    check: bool = False,
    **more: Any,
) -> "subprocess.CompletedProcess[str]":
    """``subprocess.run``, whose output is captured, as text."""
    pipe = subprocess.PIPE
    stdin = {} if input is None else {"stdin": pipe}
    with Process(command, stdout=pipe, stderr=pipe, text=True, **stdin, **more) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


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


# The warm process


def thread_id_address() -> ctypes.c_void_p:
    """Where the C library keeps the main thread's id, which a fork has to set; null where the
    kernel does not say it."""
    address = ctypes.c_void_p()
    ctypes.PyDLL(None).prctl(PR_GET_TID_ADDRESS, ctypes.byref(address))
    return address


def fork_beside() -> int:
    """``os.fork``, but the new process is a child of this one's parent, which can wait for it."""
    libc, python = ctypes.PyDLL(None, use_errno=True), ctypes.pythonapi
    own_thread_id = thread_id_address()
    flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | signal.SIGCHLD
    libc.syscall.restype = ctypes.c_long
    python.PyOS_BeforeFork()
    # The last two change places between machines; the one that is not the address is not read.
    pid = int(libc.syscall(ctypes.c_long(CLONE), flags, None, None, own_thread_id, own_thread_id))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def serve(requests: socket.socket) -> None:
    """Fork a process for each request; in such a process, return."""
    requests.send(b"warm" if thread_id_address() else b"cold")
    while True:
        message, fds, _, _ = socket.recv_fds(requests, 1 << 20, MOST_FDS)
        if not message:
            os._exit(0)
        pid = fork_beside()
        if pid == 0:
            requests.close()
            become(json.loads(message), fds)
            return
        for fd in fds:
            os.close(fd)
        requests.send(str(pid).encode())


def become(request: dict[str, Any], fds: Sequence[int]) -> None:
    """Take over what was asked for: limits, files, session, folder, environment, arguments."""
    os.umask(request["umask"])
    for limit, ends in zip(LIMITS, request["limits"], strict=True):
        if resource.getrlimit(limit) != tuple(ends):
            resource.setrlimit(limit, ends)
    above = max(*fds, *request["fds"]) + 1
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(aside, request["fds"], strict=True):
        os.dup2(fd, number)
        os.close(fd)
    if request["start_new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"][1:]
    show(request["arguments"], (f"{name}={value}" for name, value in os.environ.items()))
    choose_other_ports()
    if sys.argv[: len(PORTAL)] == PORTAL or sys.argv[0] == TESTS_PORTAL:
        warm_what_it_starts()


def show(*lists: Iterable[str]) -> None:
    """Let /proc have these arguments and this environment, as far as there is room."""
    words = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:49]
    for begin, end, texts in zip(words[::2], words[1::2], lists, strict=True):
        shown = "".join(f"{text}\0" for text in texts).encode()[: int(end) - int(begin) - 1]
        ctypes.memset(int(begin), 0, int(end) - int(begin))
        ctypes.memmove(int(begin), shown, len(shown))


def warm_what_it_starts() -> None:
    """Let the commands that this process starts be forked from a warm one as well.  It must be
    forked now: a process that serves has threads."""
    global UNCHANGED
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(nothing, fd)
        show([sys.argv[0]], [])
        serve(theirs)
        return
    theirs.close()
    _warm[:] = [Warm(ours)]
    UNCHANGED = surroundings(os.environ)
    subprocess.Popen = Process  # type: ignore[misc]


def load() -> None:
    """All that commands import, and the kernels."""
    from importlib import import_module
    from pkgutil import walk_packages

    from openoutcry.cli.groups import command_module
    from openoutcry.cli.sections import COMMANDS, VENUE
    from openoutcry.cli.venue import venue
    from openoutcry.pipeline.compile import compile_kernels

    names = [name for lines in COMMANDS.values() for name in lines]
    names += [name for lines in VENUE.values() for name in lines if name not in venue.commands]
    for module in map(command_module, names):
        import_module(module)
    modules = [*SCRIPTS, *LATE]
    for room in ROOMS:
        package = import_module(f"openoutcry.{room}")
        modules += [part.name for part in walk_packages(package.__path__, f"{package.__name__}.")]
    for module in modules:
        if ".migrations" in module:
            continue  # alembic runs these
        with suppress(ImportError):  # what it needs is not installed: its tests are skipped
            import_module(module)
    compile_kernels(lambda what, done, total: None)


def run_as_main() -> int:
    """What ``sys.argv`` says, as the interpreter would; its exit status."""
    try:
        if sys.argv[0] == "-m":
            module = sys.argv.pop(0) and sys.argv[0]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        elif sys.argv[0] == "-c":
            exec(sys.argv.pop(1), {"__name__": "__main__"})
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    load()
    gc.collect()
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1, "a thread does not outlive a fork"
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve(requests)
    status = run_as_main()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        if not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        status = status or 120
    with suppress(OSError):
        sys.stderr.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    # Without taking apart all that was loaded, which takes longer than most commands.
    os._exit(status)


if __name__ == "__main__":
    main()
