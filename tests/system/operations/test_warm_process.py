"""A process that tests fork from a warm one is like one that was started: tests/support/pipeline/
warm_outcry.py."""

import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, run
from tests.support.pipeline import warm_outcry
from tests.support.processes import is_stopped
from tests.support.waiting import BOUND_S, wait_until

LOOK = """
import json, os, signal, sys, threading
status = dict(row.split(":\\t", 1) for row in open("/proc/self/status") if ":\\t" in row)
names = ("PPid", "Umask", "Uid", "Groups", "Threads", "SigBlk", "SigIgn", "SigCgt", "CapEff")
print(json.dumps({
    "status": {name: status[name] for name in names},
    "words": sys.argv[1:],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "files": sorted(set(os.listdir("/proc/self/fd")) - {"3"}),
    "group": os.getpgid(0) - os.getpid(),
    "session": os.getsid(0) - os.getpid(),
    "native_id": threading.get_native_id() - os.getpid(),
    "input": sys.stdin.read(),
    "name": __name__,
}))
sys.exit(int(sys.argv[1]))
"""
"""What a process finds; its file 3 is the folder that it lists."""


@pytest.mark.parametrize("way", ["-c", "script", "-m"])
@pytest.mark.parametrize("session", [False, True])
def test_it_finds_what_a_cold_one_finds(way, session, tmp_path):
    # Not what the terminal's library has set behind Python's back, which only a cold one inherits.
    environment = os.environ | {"LINES": "7"}
    (tmp_path / "look.py").write_text(LOOK)
    if way == "-m":
        command = [sys.executable, "-m", "json.tool", "--json-lines", "--compact"]
        text = '{"a": [1, 2]}\n{}\n'
    else:
        what = {"-c": ["-c", LOOK], "script": [tmp_path / "look.py"]}[way]
        command, text = [sys.executable, *what, "5", "two words", "ä"], "typed\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    found = []
    for start in (subprocess.Popen, warm_outcry.Process):
        with start(
            command,
            cwd=tmp_path,
            env=environment,
            text=True,
            start_new_session=session,
            **pipes,
        ) as process:
            out, _ = process.communicate(text, timeout=BOUND_S)
        document = out if way == "-m" else json.loads(out)
        if not session and way != "-m":
            # In the group of who started it.
            assert document.pop("group") == os.getpgid(0) - process.pid
            assert document.pop("session") == os.getsid(0) - process.pid
        found.append((document, process.returncode))
    (cold, cold_status), (warm, warm_status) = found
    assert warm_status == cold_status
    assert warm == cold
    if way != "-m":
        assert int(warm["status"]["PPid"]) == os.getpid()


def test_it_is_stopped_killed_and_waited_for_as_a_child():
    script = "import time; print('here', flush=True); time.sleep(1000)"
    command = [sys.executable, "-c", script]
    with warm_outcry.Process(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(process.pid), "it is stopped")
        assert process.poll() is None
        process.kill()
        assert process.wait(BOUND_S) == -signal.SIGKILL
    with warm_outcry.Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=BOUND_S)
        assert (process.returncode, err[-18:]) == (-signal.SIGINT, b"KeyboardInterrupt\n")


@pytest.mark.parametrize("last", ["1 / 0", "raise SystemExit('a word')", "import os; os.abort()"])
def test_it_ends_as_a_cold_one_ends(last):
    command = [sys.executable, "-c", f"import atexit; atexit.register(print, 'last')\n{last}"]
    cold = subprocess.run(command, capture_output=True, text=True)
    warm = warm_outcry.run_command(command)
    assert (warm.returncode, warm.stdout) == (cold.returncode, cold.stdout)
    assert warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


def test_files_are_passed_on_by_number():
    reading, writing = os.pipe()
    os.write(writing, b"passed")
    os.close(writing)
    command = [sys.executable, "-c", f"import os; print(os.read({reading}, 9))"]
    assert warm_outcry.run_command(command, pass_fds=(reading,)).stdout == "b'passed'\n"
    os.close(reading)


def test_its_limits_are_those_of_its_caller():
    """Also those that its caller has changed since the warm process began."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    script = f"import resource, sys; print(resource.getrlimit({resource.RLIMIT_NOFILE})[0])"
    command = [sys.executable, "-c", f"{script}; print('numba' in sys.modules)"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - 1, limits[1]))
    try:
        assert warm_outcry.run_command(command).stdout == f"{limits[0] - 1}\nTrue\n"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("name", ["OUTCRY_VERIFY", "NUMBA_DISABLE_JIT", "PYTHONPATH", "HOME"])
def test_what_a_process_reads_as_it_starts_makes_it_start_cold(name, monkeypatch):
    """So a test that changes it tests it.  Tests before this one may have changed a limit."""
    monkeypatch.setattr(warm_outcry, "UNCHANGED", warm_outcry.surroundings(os.environ))
    command = [sys.executable, "-c", "import sys; print('numba' in sys.modules)"]
    assert warm_outcry.run_command(command).stdout == "True\n"
    environment = os.environ | {name: "0"}
    assert warm_outcry.run_command(command, env=environment).stdout == "False\n"


def test_a_pipeline_in_this_process_leaves_the_warm_one_its_cores():
    """A supervisor keeps what it has forked off the cores of its stages, and no other process."""
    with warm_outcry.Process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run(Options(source=GeneratedFlow("static", 1_000, seed=1), durability="none"))
        assert os.sched_getaffinity(process.pid) == os.sched_getaffinity(0)
        process.communicate(b"\n", timeout=BOUND_S)
    script = "import os; print(len(os.sched_getaffinity(0)))"
    later = warm_outcry.run_command([sys.executable, "-c", script])
    assert int(later.stdout) == len(os.sched_getaffinity(0))
