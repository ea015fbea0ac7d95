"""A page lost under a running process: an error that names the segment, and no crash."""

import os
import signal
import subprocess
import sys

import pytest

from openoutcry.ring import RingBuffer, Segment
from openoutcry.ring.segment import SHM
from openoutcry.wire import ORDER_DTYPE
from tests.support.ring import sigbus as shared
from tests.support.ring.sigbus import PAGE
from tests.support.waiting import BOUND_S

name = shared.name

PRELUDE = """
import ctypes, mmap, os, signal, sys, threading, time
from openoutcry.ring import ProcessIdentity, RingBuffer, Segment, SegmentError
from openoutcry.ring.segment import SHM, segment_name
from openoutcry.wire import ORDER_DTYPE
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, which may be killed by a signal."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )


@pytest.mark.smoke
@pytest.mark.promise(
    "A damaged ring header neither crashes nor hangs a process that attaches. A segment "
    "truncated under a polling kernel is an error, not a crash",
    group="shared-memory",
)
def test_truncation_under_a_polling_kernel_is_a_segment_error(name: str) -> None:
    """A child waits for a ring's next record in a kernel, without the GIL; truncated meanwhile, the
    kernel sees nothing published, and the next call raises, naming the segment."""
    code = """
ring = RingBuffer.attach(sys.argv[1], ORDER_DTYPE)
reader = ring.reader("a")
reader.wait(0.001)
print("polling", flush=True)
try:
    while not reader.wait(0.5):
        pass
except SegmentError as error:
    assert ring.segment.map.damaged
    assert len(reader.poll()) == 0
    print(error)
    sys.exit(7)
"""
    with RingBuffer.create(name, 1 << 14, ORDER_DTYPE, ["a"]):
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code, name], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "polling\n"
            os.truncate(SHM / name, 8192)
            message = child.stdout.read()
    assert child.returncode == 7
    assert f"{SHM / name} was truncated while in use: 8,192 of 1,056,768 bytes" in message


def test_a_forked_child_is_as_safe_and_marks_only_itself(name: str) -> None:
    """The handler and its table come with the fork; the parent, which has not looked, is
    unmarked."""
    segment = Segment.create(name, 4 * PAGE)
    segment.view[:] = 7
    os.truncate(SHM / name, PAGE)
    child = os.fork()
    if child == 0:
        sound = not segment.map.damaged and segment.view[-1] == 0 and segment.map.damaged
        os._exit(0 if sound else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not segment.map.damaged


def test_threads_in_kernels_lose_pages_together(name: str) -> None:
    """Four threads read the lost pages at once; all go on and see zeros."""
    code = """
import numpy as np
segment = Segment.create(sys.argv[1], 64 << 20)
segment.view[:] = 7
os.truncate(SHM / sys.argv[1], 0)
sums = []
threads = [threading.Thread(target=lambda: sums.append(int(np.sum(segment.view)))) for _ in "1234"]
for thread in threads: thread.start()
for thread in threads: thread.join()
segment.unlink()
print(sums)
"""
    done = run(code, name)
    assert (done.returncode, done.stdout) == (0, "[0, 0, 0, 0]\n"), done.stderr


FOREIGN = """
segment = Segment.create(sys.argv[1], 4096)
segment.unlink()
"""


@pytest.mark.parametrize(
    "cause",
    [
        """
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8192)
foreign = mmap.mmap(fd, 8192)
os.ftruncate(fd, 0)
foreign[5000]
""",
        "os.kill(os.getpid(), signal.SIGBUS)",
        "import faulthandler; faulthandler.enable(); os.kill(os.getpid(), signal.SIGBUS)",
    ],
    ids=["truncated-file", "kill", "kill-with-faulthandler"],
)
def test_a_foreign_sigbus_still_kills(name: str, tmp_path, cause: str) -> None:
    """Somebody else's truncated file, and a SIGBUS that somebody sent, kill as they always did."""
    done = run(FOREIGN + cause, name, str(tmp_path / "file"))
    assert done.returncode == -signal.SIGBUS, done.stderr


def test_an_address_given_back_is_no_longer_ours(name: str, tmp_path) -> None:
    """Once a segment is unmapped, a fault in what stands at its address now is foreign: fatal."""
    code = """
segment = Segment.create(sys.argv[1], 8192)
segment.unlink()
address = segment.address
del segment
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8192)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
assert libc.mmap(address, 8192, 3, 0x11, fd, 0) == address
os.ftruncate(fd, 0)
print("fault", flush=True)
ctypes.string_at(address, 1)
"""
    done = run(code, name, str(tmp_path / "file"))
    assert done.stdout == "fault\n", done.stderr
    assert done.returncode == -signal.SIGBUS


def test_a_read_only_mapping_cannot_be_written(name: str) -> None:
    """Neither numpy nor the system lets a reader that only looks change the segment."""
    Segment.create(name, PAGE)
    looked = Segment.attach(name, read_only=True)
    with pytest.raises(ValueError, match="read-only"):
        looked.view[0] = 1
    done = run(
        "s = Segment.attach(sys.argv[1], read_only=True); ctypes.memset(s.address, 1, 8)", name
    )
    assert done.returncode == -signal.SIGSEGV
