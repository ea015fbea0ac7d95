"""What all tests need of their process."""

import ctypes
import fcntl
import gc
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from openoutcry.journal.medium import medium_of

# Durable journals are refused in memory, and some systems have /tmp there (PYTEST_DEBUG_TEMPROOT is
# where pytest makes its folders).
if medium_of(Path(tempfile.gettempdir())).lost and not medium_of(Path("/var/tmp")).lost:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/var/tmp")

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

# What changes or counts the machine's huge pages: never two of these at once.
HUGE_PAGES = {"test_segment.py", "test_doctor.py", "test_port_kills.py", "dpdk_shim"}
TURN = "OPENOUTCRY_TEST_HAS_HUGE_PAGES"  # its processes are told that they have it
# Rooms whose tests share nothing with other processes, even in one /dev/shm.
BY_THEMSELVES = {"wire", "flow", "matcher", "journal", "gateway_fpga"}

# What a folder's files share is made once: they stay together in one worker.
TOGETHER = {"console", "replica"}

# Of the longest, and late in the alphabet: begun last, one worker would be at them alone.
FIRST = {
    "test_formal.py",
    "test_gateway_rtl.py",
    "test_kills.py",
    "test_market_data_verify.py",
    "test_model.py",
    "test_packaging.py",
    "test_readme.py",
    "test_risk_verify.py",
    "test_user_pages.py",
    "test_venue_feed_days.py",
    "test_venue_serve.py",
}

# A shell that puts the tests in the background without job control leaves them SIGINT ignored, and
# every command that a test starts and interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def own_shared_memory() -> bool:
    """Give this process and its children a /dev/shm of their own, where nobody else's segments are
    seen, swept or counted (mount_namespaces(7)); false where that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    return not (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, None)
    )


# As commands do (openoutcry/__main__.py); so does what else the tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A busy machine is slow, and the same examples come every time: neither decides whether tests pass.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

# Workers of pytest -n run pipelines beside each other, and tests look at all there are.
if "PYTEST_XDIST_WORKER" in os.environ:
    own_shared_memory()


@pytest.fixture(scope="module", autouse=True)
def nobody_else_with_huge_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """The suite of another checkout, on the same machine, is one of those that must not meet.  What
    a test runs by a pytest of its own has its test's turn: waiting for it, neither would end."""
    concerned = {request.path.name, request.path.parent.name} & HUGE_PAGES
    if not concerned or TURN in os.environ:
        yield
        return
    with (Path(tempfile.gettempdir()) / f"outcry-huge-pages-{os.geteuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.environ[TURN] = "1"
        try:
            yield
        finally:
            del os.environ[TURN]
            fcntl.flock(file, fcntl.LOCK_UN)  # also if a forked process still has the file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: item.path.parent.name not in TOGETHER and item.path.name not in FIRST
    )


def pytest_collection_finish() -> None:
    """What is imported and collected stays: it is not looked through again, and what tests leave
    behind less often than after each 700 objects, which took 3 % of the suite's processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay together in one worker, and so do those that must not meet.  Our own
    scheduler: the groups that pytest-xdist 3.8 appends to the names of tests are not seen with
    pytest 9.2, and then each worker starts what a file's tests share."""
    from xdist.scheduler import LoadScopeScheduling

    shared = not _forked(own_shared_memory)

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = Path(nodeid.split("::")[0])
            if shared and path.parent.name not in BY_THEMSELVES:
                return "shared memory"
            if path.parent.name in TOGETHER:
                return path.parent.name
            return "huge pages" if {path.name, path.parent.name} & HUGE_PAGES else str(path)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _forked(question: Callable[[], bool]) -> bool:
    """What a child of this process would be answered."""
    pid = os.fork()
    if not pid:
        os._exit(not question())
    return os.waitpid(pid, 0)[1] == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, at the end, what was not tested on this machine, and what it lacks for that."""
    lacking: dict[str, list[str]] = {}
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            lacking.setdefault(reason, []).append(report.nodeid.split("::")[0])
    if lacking:
        terminalreporter.section("not tested here, because of what is missing")
    for reason, files in sorted(lacking.items(), key=lambda item: -len(item[1])):
        tests = "1 test" if len(files) == 1 else f"{len(files)} tests"
        terminalreporter.line(f"{reason}: {tests} in {', '.join(sorted(set(files)))}")
