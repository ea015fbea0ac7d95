"""What all tests need of their process: tiers, budgets, shared memory, turns at huge pages."""

import asyncio
import ctypes
import fcntl
import gc
import inspect
import json
import math
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from openoutcry.dpdk_shim import native
from openoutcry.journal.medium import medium_of
from openoutcry.wire.errors import OutcryError

# Durable journals are refused in memory, and some systems have /tmp there (PYTEST_DEBUG_TEMPROOT is
# where pytest makes its folders).
if medium_of(Path(tempfile.gettempdir())).lost and not medium_of(Path("/var/tmp")).lost:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/var/tmp")

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

TIERS = ("unit", "system", "long")
"""Folders below ``tests/``; docs/for-contributors.md says what belongs where."""
EXAMPLES = {"unit": 25, "system": 100, "long": 500}
"""Examples of a property test, by tier."""
BUDGET_S = {"unit": 1.0, "system": 20.0}
"""Processor time that one test may take, its processes included, on a machine on which
:func:`loop_s` takes REFERENCE_LOOP_S; a slower machine gets more."""
REFERENCE_LOOP_S = 0.009
NOISE = 5.0
"""How many times its budget a test may take before it fails: programs that share the caches have
made the same test take 1.8 times as long, which loop_s cannot see.  What is over the budget and
below this is listed at the end."""
OVER_BUDGET = "processor time over its budget"
FORBIDDEN = {
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "subprocess.Popen",
    "socket.bind",
    "socket.connect",
    "time.sleep",
}
"""Events of the interpreter (sys.addaudithook) that a unit test may not cause; but it may bind and
connect Unix sockets, whose addresses are paths."""

# What changes or counts the machine's huge pages: never two of these at once.
HUGE_PAGES = {"test_segment.py", "test_doctor.py", "test_port_kills.py", "packets"}
TURN = "OPENOUTCRY_TEST_HAS_HUGE_PAGES"  # its processes find that they have it

# The files of these folders share what is made once: they stay together in one worker.
TOGETHER = {"console", "portal", "replication"}

# But these share a database at most, and all of the folder's would take one worker longer than the
# others take for the rest.
APART = {
    "test_notices.py",
    "test_portal_accounts.py",
    "test_portal_custody.py",
    "test_portal_people.py",
    "test_portal_processes.py",
    "test_portfolio.py",
}

# Then the longest files start: started last, one worker would be at them alone.
FIRST = {
    "test_evm_custody.py",
    "test_formal.py",
    "test_gateway_rtl.py",
    "test_kills.py",
    "test_notices.py",
    "test_packaging.py",
    "test_portal_custody.py",
    "test_portal_processes.py",
    "test_shares.py",
    "test_user_pages.py",
    "test_venue_feed_days.py",
    "test_venue_serve.py",
}

# A shell that puts the tests in the background without job control leaves them SIGINT ignored, and
# every command that a test starts and interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As commands do (openoutcry/__main__.py); so does what else the tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A busy machine is slow, and the same examples come every time: neither decides whether tests pass.
for tier, examples in EXAMPLES.items():
    hypothesis.settings.register_profile(
        tier,
        deadline=None,
        derandomize=True,
        max_examples=examples,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("unit")


def own_shared_memory() -> bool:
    """Give this process and its children a /dev/shm of their own, in which no other process's
    segments are seen, swept or counted (mount_namespaces(7)); false where that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    return not (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, None)
    )


# Workers of pytest -n run pipelines in parallel, and tests look at all there are.
if "PYTEST_XDIST_WORKER" in os.environ:
    own_shared_memory()


HERE = Path(__file__).parent


def tier_of(path: Path) -> str:
    """The tier's folder in which a test file lies, or "" outside of all."""
    if not path.is_relative_to(HERE):
        return ""
    return next((part for part in path.relative_to(HERE).parts if part in TIERS), "")


# The test that runs now, if the unit tier's rules apply to it.
_unit_test: list[str] = []


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if not _unit_test or event not in FORBIDDEN:
        return
    if event.startswith("socket.") and isinstance(arguments[1], str | bytes):
        return  # a Unix socket's path
    raise AssertionError(f"{_unit_test[0]}: {event} in a unit test; move the test to tests/system")


sys.addaudithook(_forbid)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "unit: no process, socket or sleep; by folder")
    costs = config.getoption("--costs")
    if costs is not None:
        Path(costs).parent.mkdir(parents=True, exist_ok=True)
    config.addinivalue_line("markers", "system: real processes, sockets, simulators; by folder")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--failures", help="write the ids of the tests that failed to this JSON file")
    parser.addoption("--costs", help="append each test's processor time to this JSON-lines file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tier = tier_of(item.path)
        if tier:
            item.add_marker(tier)
    items.sort(key=lambda item: (not is_together(item.path), item.path.name not in FIRST))


def is_together(path: Path) -> bool:
    return path.parent.name in TOGETHER and path.name not in APART


def pytest_collection_finish() -> None:
    """What is imported and collected stays: it is not looked through again, and what tests leave
    is collected less often than after each 700 objects, which took 3 % of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    # The shim asks the compiler for its version, once a process: before a unit test begins.
    with suppress(OutcryError, OSError):
        native.load()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """A property test takes its settings when its module is imported."""
    if isinstance(collector, pytest.Module):
        hypothesis.settings.load_profile(tier_of(collector.path) or "unit")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, in a loop of its own.  A fixture that is an asynchronous
    context manager is entered in that loop, and the test gets what it yields."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None

    async def run() -> None:
        async with AsyncExitStack() as stack:
            given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
            for name, value in given.items():
                if isinstance(value, AbstractAsyncContextManager):
                    given[name] = await stack.enter_async_context(value)
            await pyfuncitem.obj(**given)

    asyncio.run(run())
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """What a test defines while it runs has its tier's settings, too."""
    hypothesis.settings.load_profile(tier_of(item.path) or "unit")
    return (yield)


# Budgets


def processor_s() -> float:
    """Processor time of this process and of its children that ended."""
    used = 0.0
    for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(of)
        used += usage.ru_utime + usage.ru_stime
    return used


def loop_s() -> float:
    """Processor time of a fixed loop: how fast this machine is, the best of five."""
    times = []
    for _ in range(5):
        before = time.process_time()
        sum(number * number for number in range(200_000))
        times.append(time.process_time() - before)
    return min(times)


_slowness: list[float] = []
_shared_s = [0.0]
_ended_s = [0.0]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[Any]:
    """What a fixture of more than one test takes is not the first test's."""
    before = processor_s()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            _shared_s[0] += processor_s() - before


@pytest.fixture(autouse=True)
def end_of_the_test() -> Iterator[None]:
    """Set up before a test's other fixtures, and so ended after them: what is torn down then, and
    the servers that end with it, have served other tests, too."""
    yield
    _ended_s[0] = processor_s()


NICE, CORES = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)


def own_priority_again() -> None:
    """A console that a test has in this process gives way to others, and every process that later
    tests start would do so, too."""
    if os.getpriority(os.PRIO_PROCESS, 0) == NICE and os.sched_getaffinity(0) == CORES:
        return
    for thread in map(int, os.listdir("/proc/self/task")):
        with suppress(OSError):  # it has ended, or only root may raise it again
            os.sched_setaffinity(thread, CORES)
            os.setpriority(os.PRIO_PROCESS, thread, NICE)


def _run(item: pytest.Item, nextitem: pytest.Item | None) -> tuple[list[Any], float, float]:
    """The reports, the test's own processor time, and that of what it shares."""
    _shared_s[0], _ended_s[0], before = 0.0, 0.0, processor_s()
    _unit_test[:] = [item.nodeid] if tier_of(item.path) == "unit" else []
    try:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    finally:
        _unit_test.clear()
        own_priority_again()
    now = processor_s()
    own_s = (_ended_s[0] or now) - before - _shared_s[0]
    return reports, own_s, now - before - own_s


def shares_state(item: pytest.Item) -> bool:
    """Return whether a test shares with others what a second run of it would change: a venue's day,
    for example, which is a fixture of its module."""
    fixtures: dict[str, Any] = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    return any(
        definitions[-1].scope in ("module", "package") and name != "alone_with_huge_pages"
        for name, definitions in fixtures.items()
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test that takes more than its tier's budget fails.  The first run of a test may load
    modules and compile kernels: what is over the budget is measured once more, if the test shares
    no state with others."""
    if not _slowness:
        _slowness.append(max(1.0, loop_s() / REFERENCE_LOOP_S))
    budget_s = BUDGET_S.get(tier_of(item.path), math.inf) * _slowness[0]
    if "OUTCRY_VERIFY" in os.environ or item.get_closest_marker("long"):
        budget_s = math.inf
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports, took_s, shared_s = _run(item, nextitem)
    is_passed = all(report.outcome == "passed" for report in reports)
    if took_s > budget_s and is_passed and not shares_state(item):
        item._initrequest()  # type: ignore[attr-defined]
        first = reports
        reports, again_s, _ = _run(item, nextitem)
        if any(report.outcome == "failed" for report in reports):
            reports, again_s = first, 0.0
        # How fast the machine is now: another program on the same core may have come.
        budget_s *= max(1.0, loop_s() / REFERENCE_LOOP_S / _slowness[0])
        call = next(report for report in reports if report.when == "call")
        if again_s > budget_s:
            call.user_properties.append((OVER_BUDGET, f"{again_s:.2f} of {budget_s:.2f} s"))
        if again_s > NOISE * budget_s:
            call.outcome = "failed"
            call.longrepr = (
                f"{item.nodeid} took {again_s:.2f} s of processor time; a test of this tier may "
                f"take {budget_s:.2f} s here, and fails at {NOISE:g} times that "
                "(docs/for-contributors.md)"
            )
    costs = item.config.getoption("--costs")
    if costs is not None:
        # A test may be in another folder.
        with (item.config.invocation_params.dir / costs).open("a") as file:
            row = {"test": item.nodeid, "processor_s": round(took_s, 3)}
            row |= {"shared_s": round(shared_s, 3)}
            file.write(json.dumps(row) + "\n")
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


# Huge pages


@pytest.fixture(scope="module", autouse=True)
def alone_with_huge_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """The suite of another checkout on the same machine also waits for its turn.  What a test runs
    by a pytest of its own has its test's turn: waiting for it, neither would end."""
    concerned = {request.path.name, request.path.parent.name} & HUGE_PAGES
    if not concerned or tier_of(request.path) == "unit" or TURN in os.environ:
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


# Workers


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
            tier = tier_of(path)
            if tier == "unit":
                return str(path)
            if shared:
                return "shared memory"
            if is_together(path):
                return path.parent.name
            return "huge pages" if {path.name, path.parent.name} & HUGE_PAGES else str(path)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _forked(question: Callable[[], bool]) -> bool:
    """The answer to a question, as a child of this process would get it."""
    pid = os.fork()
    if not pid:
        os._exit(not question())
    return os.waitpid(pid, 0)[1] == 0


# The end


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--failures")
    if path is not None and "PYTEST_XDIST_WORKER" not in os.environ:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        failed = {r.nodeid for kind in ("failed", "error") for r in reporter.stats.get(kind, ())}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(sorted(failed)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, at the end, what was not tested on this machine, and what it lacks for that, and
    which tests take more processor time than their tier's budget."""
    over = [
        f"{report.nodeid}: {took}"
        for report in terminalreporter.getreports("passed")
        for name, took in report.user_properties
        if name == OVER_BUDGET
    ]
    if over:
        terminalreporter.section(OVER_BUDGET)
    for line in sorted(over):
        terminalreporter.line(line)
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
