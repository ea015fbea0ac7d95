"""Shared-memory segments: private, whole, cleaned up after the dead."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry.ring import (
    ProcessIdentity,
    Segment,
    list_segments,
    remove_dead_segments,
)
from openoutcry.ring.segment import SHM
from tests.support.ring import segment as shared
from tests.support.waiting import BOUND_S

name = shared.name


def test_only_segments_of_the_dead_are_removed(name: str) -> None:
    """The owner's identity stands in the name: a dead owner's segments go, a live one's stay."""
    Segment.create(name, 4096)
    make = (
        "from openoutcry.ring import *; from openoutcry.ring.segment import segment_name;"
        "n = segment_name(ProcessIdentity.mine(), 'left'); Segment.create(n, 4096); print(n)"
    )
    left = subprocess.run(
        [sys.executable, "-c", make], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert left in [listed for listed, _ in list_segments()]
    assert left in remove_dead_segments()
    assert not (SHM / left).exists()
    assert (SHM / name).exists()


def test_an_identity_outlives_no_process() -> None:
    """A finished child's identity is proven dead; our own is alive; a reused pid is another."""
    me = ProcessIdentity.mine()
    assert me.alive()
    assert not ProcessIdentity(me.pid, me.start_ticks + 1).alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        theirs = ProcessIdentity.of(child.pid)
        assert theirs is not None
        assert theirs.alive()
        child.kill()
    assert not theirs.alive()


def test_a_dead_owners_segment_stays_while_somebody_can_write_to_it(name: str) -> None:
    """A living process that still has the memory mapped for writing keeps it; one that only looks
    does not."""
    make = (
        "from openoutcry.ring import *; from openoutcry.ring.segment import segment_name;"
        "n = segment_name(ProcessIdentity.mine(), 'left'); Segment.create(n, 4096); print(n)"
    )
    left = subprocess.run(
        [sys.executable, "-c", make], check=True, capture_output=True, text=True
    ).stdout.strip()
    hold = (
        "import sys; from openoutcry.ring import *; s = Segment.attach(sys.argv[1]);"
        "print('held', flush=True); input()"
    )
    looked = Segment.attach(left, read_only=True)
    with subprocess.Popen(
        [sys.executable, "-c", hold, left], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert left not in remove_dead_segments()
        assert (SHM / left).exists()
        holder.kill()
    assert left in remove_dead_segments()
    assert looked.view[0] == 0


def limited(code: str, *arguments: str) -> str:
    """Run code as a user without privileges who may lock no memory; its output."""
    prelude = (
        "import os, resource, sys\n"
        "from openoutcry.ring import *; from openoutcry.ring import sigbus; sigbus.install()\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, *arguments],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_refused_memory_lock_is_said_and_gone_on_without(name: str) -> None:
    """The sentence names segment, size and the command; the segment works all the same."""
    code = """
s = Segment.create(sys.argv[1], 1 << 20, lock=True)
s.view[:] = 3
print(s.locked, int(s.view.sum()), *s.refused, sep="|")
s.unlink()
"""
    locked, total, refused = limited(code, name).strip().split("|")
    assert (locked, total) == ("False", str(3 << 20))
    assert f"memory lock of {name}: " in refused
    assert "1,048,576 bytes; `sudo prlimit --memlock=unlimited --pid $$` allows it" in refused


HUGE = """
import os, subprocess, sys
from openoutcry.ring import *
from openoutcry.ring.segment import SHM, segment_name

name, folder = segment_name(ProcessIdentity.mine(), "huge"), sys.argv[1]
segment = Segment.create(name, 3 << 20, huge_pages=True)
assert (segment.pages, segment.refused) == ("huge", []), segment.refused
assert (segment.size_bytes, segment.page_bytes) == (4 << 20, 2 << 20)
assert segment.fits(3 << 20) and segment.fits(4 << 20) and not segment.fits(5 << 20)
assert os.listdir(folder) == [name] and not (SHM / name).exists()
assert os.stat(segment.path).st_mode & 0o777 == 0o600
assert name in [found for found, _ in list_segments()]
try:
    Segment.create(name, 4096)
    raise AssertionError("made twice")
except SegmentError as error:
    assert f"{folder}/{name} already exists" in str(error)
segment.view[:] = 7

write = "import sys; from openoutcry.ring import *; Segment.attach(sys.argv[1]).view[3 << 20] = 8"
subprocess.run([sys.executable, "-c", write, name], check=True)
assert segment.view[3 << 20] == 8

os.truncate(segment.path, 2 << 20)
assert segment.view[(2 << 20) - 1] == 7 and not segment.map.damaged
assert segment.view[3 << 20] == 0 and segment.map.damaged
try:
    segment.check()
    raise AssertionError("not noticed")
except SegmentError as error:
    assert "was truncated while in use: 2,097,152 of 4,194,304 bytes" in str(error)
segment.unlink()
del segment
assert os.listdir(folder) == []

large = segment_name(ProcessIdentity.mine(), "large")
segment = Segment.create(large, 64 << 20, huge_pages=True)
assert segment.pages in ("transparent", "small")
assert os.listdir(folder) == [] and (SHM / large).exists()
if segment.pages == "small":
    assert "32 pages of 2,048 KiB needed on" in segment.refused[0], segment.refused
segment.unlink()

code = (
    "from openoutcry.ring import *; from openoutcry.ring.segment import segment_name;"
    "s = Segment.create(segment_name(ProcessIdentity.mine(), 'left'), 4096, huge_pages=True);"
    "print(s.name, s.pages)"
)
left = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
left, pages = left.stdout.split()
assert pages == "huge" and os.listdir(folder) == [left]
assert left in remove_dead_segments() and os.listdir(folder) == []
print("all held")
"""


def test_hugetlbfs_segments_behave_as_others(tmp_path: Path) -> None:
    """Found, attached to, refused twice, damaged and removed like any other; no file is left and
    every page is given back.  Reserves four 2 MiB pages for the time of the test, in a mount of its
    own."""
    setting = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if os.geteuid() or not setting.exists() or not shutil.which("unshare"):
        pytest.skip("needs root, 2 MiB huge pages and unshare(1)")
    folder = tmp_path / "huge"
    folder.mkdir()
    before = int(setting.read_text())
    mount = f'mount -t hugetlbfs -o pagesize=2M,nr_inodes=100 none {folder} && exec "$0" -c "$1" $2'
    try:
        setting.write_text(str(before + 4))
        free = setting.parent / "free_hugepages"
        if int(free.read_text()) < 4:
            pytest.skip("no four free huge pages could be made here")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount, sys.executable, HUGE, str(folder)],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
        if "unshare: " in done.stderr or "mount: " in done.stderr:
            pytest.skip(f"no mount of our own: {done.stderr}")
        assert done.stdout == "all held\n", done.stderr
        assert int(free.read_text()) == int(setting.read_text()) == before + 4
    finally:
        setting.write_text(str(before))
    assert int(setting.read_text()) == before


def test_a_file_left_by_a_kill_in_mid_creation_can_be_removed(name: str) -> None:
    """SIGKILL while the pages are reserved leaves a name whose owner is dead, and no more."""
    code = (
        "import os, signal; from openoutcry.ring import *\n"
        "from openoutcry.ring import segment\n"
        "name = segment.segment_name(ProcessIdentity.mine(), 'half'); print(name, flush=True)\n"
        "segment.Segment._map = classmethod(lambda *a: os.kill(os.getpid(), signal.SIGKILL))\n"
        "Segment.create(name, 1 << 20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    half = done.stdout.strip()
    assert (SHM / half).exists()
    assert half in remove_dead_segments()
    assert not (SHM / half).exists()
