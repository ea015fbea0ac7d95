"""ptp/page.py: the interval is right to the nanosecond, never torn, and refused when nobody keeps
the page."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
import pytest

from openoutcry import PACKAGE
from openoutcry.ptp.page import (
    BUSY,
    CLOSED,
    DEAD,
    GROWTH_PPB_MAX,
    LINE,
    OK,
    STALE,
    STALE_MS_MAX,
    UNKNOWN,
    VERSION,
    ClockPage,
    PageWriter,
    TimeInterval,
    interval_at,
    living_pages,
    publish_line,
)
from openoutcry.ptp.ticks import Q48, ticks_now
from openoutcry.ring import Segment
from openoutcry.ring.segment import SHM
from openoutcry.wire import CLOCK_PAGE
from openoutcry.wire.enums import ClockState
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, pause, store_i64, store_release
from openoutcry.wire.records import MAX_VALUE
from tests import ROOT
from tests.support.ptp.clock_page import _private, a_line, status_of
from tests.support.waiting import BOUND_S

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler (gcc) here")


@pytest.fixture(scope="session")
def c_reader(tmp_path_factory):
    """``outcry_clock_at`` of the C header, compiled with every warning an error."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "reader.c").write_text(
        '#include "outcry_clock.h"\n'
        "int at(const struct outcry_clock_page *page, int64_t ticks,\n"
        "       struct outcry_clock_interval *out) { return outcry_clock_at(page, ticks, out); }\n"
        "int now(const struct outcry_clock_page *page, struct outcry_clock_interval *out)\n"
        "{ return outcry_clock_now(page, out); }\n"
    )
    library = folder / "reader.so"
    subprocess.run(
        [
            "gcc",
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            f"-I{ROOT / 'ptp'}",
            f"-I{PACKAGE / 'wire'}",
            str(folder / "reader.c"),
            "-o",
            str(library),
        ],
        check=True,
    )
    c_library = ctypes.CDLL(str(library))
    c_library.at.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    c_library.now.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return c_library


@needs_gcc
def test_c_answers_as_the_kernel_does(c_reader):
    """The header's reader gives the same status and the same four numbers, leaps and all."""
    dice = random.Random(7)
    ours, theirs = np.zeros(4, np.int64), np.zeros(4, np.int64)
    seen = set()
    for _ in range(3000):
        line = a_line(
            mult_q48=dice.randrange(Q48 // 100, 100 * Q48),
            bound_ns=dice.randrange(10**9),
            growth_ppb=dice.randrange(GROWTH_PPB_MAX),
            next_utc_offset_s=dice.choice((36, 38)),
            leap_tai_ns=dice.choice((MAX_VALUE, 18 * 10**17 + dice.randrange(-(10**9), 10**9))),
            state=dice.choice(list(ClockState)),
        )
        page = _private(line)
        page["owner"] = dice.choice((0, 1, 1, 1, 1 << 30))
        page["version"] = dice.choice((0, 2, 2**62, 1))
        ticks = line.base_ticks + dice.randrange(-(10**10), 10**10)
        status = interval_at(page.ctypes.data, ticks, ours.ctypes.data)
        assert c_reader.at(page.ctypes.data, ticks, theirs.ctypes.data) == status
        assert (ours == theirs).all()
        seen.add(status)
    assert seen == {OK, STALE, DEAD, CLOSED, UNKNOWN, BUSY}


@needs_gcc
def test_c_reads_a_living_page(c_reader, writer, page):
    """Both readers ask the machine's own counter: C's answer lies between two of ours."""
    writer.publish(a_line(base_ticks=int(ticks_now()), stale_ms=600_000))
    out = np.zeros(4, np.int64)
    before = page.now()
    assert c_reader.now(page.address, out.ctypes.data) == OK
    after = page.now()
    assert before.earliest_tai_ns <= out[0] <= after.earliest_tai_ns
    assert out[0] < out[1]


@contextmanager
def child(task, name):
    """``task`` in a forked process that keeps the page ``name``; killed in the end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            task(write)
        finally:
            os._exit(3)
    os.close(write)
    try:
        assert os.read(read, 1) == b"!"
        yield ClockPage.open(name), partial(kill, pid)
    finally:
        os.close(read)
        kill(pid)
        (SHM / name).unlink(missing_ok=True)


def kill(pid):
    """SIGKILL, and wait for the death."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def keep_page(name, write):
    """A daemon's page, kept until it is killed."""
    page_writer = PageWriter(name)
    page_writer.publish(a_line())
    os.write(write, b"!")
    time.sleep(BOUND_S)


@pytest.mark.parametrize("half_written", [False, True])
def test_a_killed_writer_is_known_at_once(writer, half_written):
    """SIGKILL, and the very next reading says that the writer is dead: the kernel left the mark,
    also with the page half-written."""
    name = writer.name + "3"
    with child(lambda write: keep_page(name, write), name) as (page, kill_it):
        page.at(10**15)
        if half_written:
            Segment.attach(name).words(LINE + VERSION, 1)[0] += 1
        kill_it()
        assert status_of(page) == DEAD
        assert page.name not in living_pages()


# Torn reads

ORIGIN_NS = 10**18
READ_AT = 10**9


@kernel
def storm(page, line, first, count):
    """Publish ``count`` lines that all say: TAI is ORIGIN_NS + m * ticks, bound 1,000 * m, m being
    1 or 2 by turns, each with another base.  Fields of two lines together say something else."""
    for base in range(first, first + count):
        m = 1 + (base & 1)
        store_i64(line + 8, base)
        store_i64(line + 16, ORIGIN_NS + m * base)
        store_i64(line + 24, m << 48)
        store_i64(line + 32, 1_000 * m)
        publish_line(page, line)


@kernel
def slow_storm(page, line, first, count):
    """The same by the same protocol, lingering between any two stores: the production writer's are
    a few cycles apart, in which another core seldom looks."""
    for base in range(first, first + count):
        m = 1 + (base & 1)
        version = load_i64(page)
        store_release(page, version + 1)
        for at, value in ((8, base), (16, ORIGIN_NS + m * base), (24, m << 48), (32, 1_000 * m)):
            for _ in range(10):
                pause()
            store_release(page + at, value)
        store_release(page, version + 2)
        for _ in range(40):
            pause()


@kernel
def torn_reads(page, out, count):
    """Read the page ``count`` times; returns how many answers there were and, in ``out[4]``, how
    many of them no line ever gave."""
    answers, torn = 0, 0
    for _ in range(count):
        if interval_at(page, READ_AT, TimeInterval(out)) == OK:
            answers += 1
            half = (load_i64(out + 8) - load_i64(out)) // 2
            m = half // 1_000
            if half != 1_000 * m + 1 or load_i64(out) + half != ORIGIN_NS + m * READ_AT:
                torn += 1
    store_i64(out + 32, torn)
    return answers


def keep_storming(name, how, count, write):
    page_writer = PageWriter(name)
    line = np.zeros(1, CLOCK_PAGE.dtype())
    for field, value in vars(a_line(growth_ppb=0, stale_ms=STALE_MS_MAX)).items():
        line[field] = value
    page_writer.publish(a_line(growth_ppb=0, stale_ms=STALE_MS_MAX))
    first = 1
    while True:
        how(page_writer.address, line.ctypes.data, first, count)
        if first == 1:
            os.write(write, b"!")
        first = first % 10**10 + count


@pytest.mark.parametrize(("how", "count"), [(storm, 100_000), (slow_storm, 1_000)])
def test_no_reading_is_torn_while_the_writer_is_killed(writer, how, count):
    """A writer that does nothing but write is read millions of times by another process and killed
    at any moment: every answer is of one line, and after the death there is none."""
    dice = random.Random(11)
    out = np.zeros(5, np.int64)
    torn_reads(writer.address, out.ctypes.data, 1)
    line = np.zeros(8, np.int64)
    how(writer.address, line.ctypes.data, 1, 1)
    answers = 0
    for turn in range(8):
        name = f"{writer.name}-storm{turn}"
        task = partial(keep_storming, name, how, count)
        with child(task, name) as (page, kill_it):
            version = page.segment.words(LINE + VERSION, 1)
            first, enough = int(version[0]), dice.randint(count // 4, count)
            deadline = time.monotonic() + BOUND_S
            while int(version[0]) - first < enough or answers < (turn + 1) * 20_000:
                assert time.monotonic() < deadline, "the writer publishes nothing"
                answers += torn_reads(page.address, out.ctypes.data, 20_000)
                assert out[4] == 0
            kill_it()
            assert interval_at(page.address, READ_AT, out.ctypes.data) == DEAD
