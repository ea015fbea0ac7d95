"""The clock page: one cache line that converts the counter into an interval of time.

The line is ``clock_page`` of wire/records.py: a reference point (counter, TAI), a rate, the error
bound of both, and a version.  The version is odd while the line is being written (a seqlock:
readers retry, the writer never waits).  The segment is ``outcry.PID.START.clock``::

    byte 0      magic | layout hash | RTS 25 holds since (TAI ns), negative: is violated since |
                time suspended since boot at the last update (ns)
    byte 32     1: of a simulated machine
    byte 128    the line
    byte 512    status of each source: length, CRC-32, JSON
    byte 4096   evidence: the last 256 clock records, slot = seq & 255, each published by its seq

A reader never sees half an update, and gets no answer from a page whose writer has died.  The word
``owner`` holds the writer's thread id and is on that thread's list of robust futexes
(set_robust_list(2)).  When the thread ends, for any reason, the Linux kernel sets FUTEX_OWNER_DIED
in the word.  So a reader sees the death in the line it reads anyway, without a system call.
"""

import ctypes
import json
import os
import platform
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ptp.ticks import ASLEEP_NS, asleep_ns, read_ticks, scale_q48, ticks_now
from openoutcry.ring import ProcessIdentity, Segment, SegmentError, list_segments
from openoutcry.ring.segment import segment_name
from openoutcry.wire import (
    CLOCK_DTYPE,
    CLOCK_PAGE,
    LAYOUT_HASH,
    OutcryError,
    check_layout,
    enum_numbers,
)
from openoutcry.wire.enums import ClockSource, ClockState
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, Words, i64, u32
from openoutcry.wire.memory import (
    full_fence,
    pause,
)
from openoutcry.wire.record_blocks import Slot
from openoutcry.wire.records import CLOCK_MAGIC, MAX_VALUE

WHAT = "clock"
MAGIC, LAYOUT, RTS25_SINCE, ASLEEP, SIMULATED = 0, 8, 16, 24, 32
LINE, SOURCES, EVIDENCE = 128, 512, 4096
SOURCES_HEAD = struct.Struct("<II")
EVIDENCE_SLOTS = 256
SEGMENT_BYTES = EVIDENCE + EVIDENCE_SLOTS * 64
SEQ = CLOCK_DTYPE.itemsize - 8

VERSION = CLOCK_PAGE.offsets["version"]
BASE_TICKS = CLOCK_PAGE.offsets["base_ticks"]
GROWTH_PPB = CLOCK_PAGE.offsets["growth_ppb"]
OWNER = CLOCK_PAGE.offsets["owner"]
STATE = CLOCK_PAGE.offsets["state"]


class ClockLine(Layout, size_bytes=64):
    """The line as readers see it while it may be written: whole words, each acquired."""

    version: int = i64("odd while the rest is being written", atomic=True)
    base_ticks: int = i64("counter at the base", atomic=True)
    base_tai_ns: int = i64("TAI at the base", atomic=True)
    mult_q48: int = i64("ns a tick, times 2**48", atomic=True)
    bound_ns: int = i64("TAI is known to within this at the base", atomic=True)
    leap_tai_ns: int = i64("TAI at which the UTC offset changes", atomic=True)
    growth_owner: int = i64("``growth_ppb`` and ``owner`` as one", atomic=True)
    rest: int = i64("``stale_ms`` to ``source`` as one", atomic=True)
    own_version: int = i64("``version`` for the writer", at=0)
    own_growth_ppb: int = u32("``growth_ppb`` for the writer, which leaves ``owner``", at=48)
    own_growth_owner: int = i64("``growth_owner`` of a line that is to be published", at=48)
    own_rest: int = i64("``rest`` for the writer", at=56)
    own_bound_ns: int = i64("``bound_ns`` for the writer", at=32)
    own_mult_q48: int = i64("``mult_q48`` for the writer", at=24)


class TimeInterval(Layout):
    """Result of :func:`now`."""

    earliest_tai: int = i64("earliest TAI, ns since 1970")
    latest_tai: int = i64("latest TAI")
    earliest_utc: int = i64("earliest UTC, ns since 1970")
    latest_utc: int = i64("latest UTC")


OK, STALE, DEAD, CLOSED, UNKNOWN, BUSY = range(6)
"""Status returned by :func:`now`; ``out`` holds an interval only with OK."""
WHY = {
    STALE: "the page is stale: its writer has not updated it in time, or the counter jumped",
    DEAD: "the clock daemon is dead",
    CLOSED: "the clock daemon has ended",
    UNKNOWN: "the time is not known (yet)",
    BUSY: "the page stays half-written, and its writer is alive",
}

INTERVAL_WORDS = 4

SPINS = 10_000
ATTEMPTS = 5
OWNER_DIED = 1 << 30
STATE_UNKNOWN = enum_numbers.CLOCK_STATE_UNKNOWN
GROWTH_PPB_MAX = 1_000_000
UNBOUNDED_NS = MAX_VALUE // 4
"""The widest bound that a page carries (73 years): the time may be anything."""
STALE_MS_MAX = 600_000


class ClockError(OutcryError):
    """The time is not available; ``status`` is the reading kernel's status."""

    def __init__(self, text: str, status: int = UNKNOWN) -> None:
        super().__init__(text)
        self.status = status


# Readers


@kernel
def interval_at(page: ClockLine, ticks: int, out: TimeInterval) -> int:
    """The time at which the counter read ``ticks``.

    ``page``: address of the line.  ``out``: int64[4]: earliest and latest TAI, earliest and latest
    UTC, ns since 1970.  Returns OK, or another status (``out`` is then unchanged).
    """
    for _ in range(SPINS):
        version = page.version
        if version & 1 == 0:
            base_ticks = page.base_ticks
            base_tai_ns = page.base_tai_ns
            mult_q48 = page.mult_q48
            bound_ns = page.bound_ns
            leap_tai_ns = page.leap_tai_ns
            growth_owner = page.growth_owner
            rest = page.rest
            if page.version == version:
                owner = growth_owner >> 32 & 0xFFFFFFFF
                status = _usable(owner, rest)
                if status != OK:
                    return status
                elapsed_ns = scale_q48(ticks - base_ticks, mult_q48)
                # Negative if the page was updated since the reading: the error grows then too.
                age_ns = abs(elapsed_ns)
                if age_ns >= (rest & 0xFFFFFFFF) * 1_000_000:
                    return STALE
                # Division by 1e9 as shifts: 4.8 % too large (safe), and 1 ns faster.
                grown = age_ns * (growth_owner & 0xFFFFFFFF)
                bound_ns += 1 + (grown + (grown >> 3) >> 30)
                tai_ns = base_tai_ns + elapsed_ns
                _store_interval(out, tai_ns - bound_ns, tai_ns + bound_ns, leap_tai_ns, rest)
                return OK
        pause()
    return DEAD if page.growth_owner >> 32 & OWNER_DIED else BUSY


@kernel
def _usable(owner: int, rest: int) -> int:
    if owner & OWNER_DIED:
        return DEAD
    if owner == 0:
        return CLOSED
    if rest >> 48 & 0xFF == STATE_UNKNOWN:
        return UNKNOWN
    return OK


@kernel
def _store_interval(
    out: TimeInterval, earliest: int, latest: int, leap_tai_ns: int, rest: int
) -> None:
    if VERIFY:
        assert earliest < latest
    out.earliest_tai = earliest
    out.latest_tai = latest
    before_ns = (rest >> 32 & 0xFF) * 1_000_000_000
    after_ns = (rest >> 40 & 0xFF) * 1_000_000_000
    if latest < leap_tai_ns:
        out.earliest_utc = earliest - before_ns
        out.latest_utc = latest - before_ns
    elif earliest >= leap_tai_ns:
        out.earliest_utc = earliest - after_ns
        out.latest_utc = latest - after_ns
    else:
        # UTC is not monotonic across a leap second: the interval covers both sides.
        out.earliest_utc = min(earliest - before_ns, leap_tai_ns - after_ns)
        out.latest_utc = max(latest - after_ns, leap_tai_ns - 1 - before_ns)


@kernel
def now(page: ClockLine, out: TimeInterval) -> int:
    """The current time, as an interval that contains it.

    As :func:`interval_at` for the counter's current value, read between call and return.
    """
    return interval_at(page, read_ticks(), out)


@dataclass(frozen=True)
class Interval:
    """An interval that contains the true time: ns since 1970, in TAI and in UTC."""

    earliest_tai_ns: int
    latest_tai_ns: int
    earliest_utc_ns: int
    latest_utc_ns: int

    @property
    def bound_ns(self) -> int:
        """Half the width."""
        return (self.latest_tai_ns - self.earliest_tai_ns + 1) // 2

    @property
    def tai_ns(self) -> int:
        """The midpoint."""
        return self.earliest_tai_ns + self.bound_ns

    @property
    def utc_ns(self) -> int:
        """The middle of the interval, ns since the epoch."""
        return self.earliest_utc_ns + (self.latest_utc_ns - self.earliest_utc_ns + 1) // 2


class ClockPage:
    """A reader's view of a clock page: ``address`` (of the line) for kernels, :meth:`now` for
    Python."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.name = segment.name
        self.address = segment.address + LINE
        self.line = segment.records(LINE, 1, CLOCK_PAGE.dtype())
        self._slots = segment.records(EVIDENCE, EVIDENCE_SLOTS, CLOCK_DTYPE)
        self._out = np.zeros(INTERVAL_WORDS, np.int64)

    @classmethod
    def open(cls, name: str | None = None) -> "ClockPage":
        """The page of that name, or the newest one whose daemon is alive.

        One that cannot be read (another user's, another layout's) gives way to the next, and a real
        one goes before every simulated one.  Raises :class:`ClockError` without a page, and
        :class:`SegmentError` or :class:`~openoutcry.wire.LayoutMismatch` if none can be read.
        """
        if name is None:
            return cls._newest()
        segment = Segment.attach(name, read_only=True)
        if segment.size_bytes != SEGMENT_BYTES:
            raise SegmentError(f"{segment.path} is not a clock page: {segment.size_bytes} bytes")
        words = segment.words(0, 2)
        if int(words[0]) != CLOCK_MAGIC:
            raise SegmentError(f"{segment.path} is not a clock page: wrong magic at byte 0")
        check_layout(int(words[1].view(np.uint64)), str(segment.path))
        return cls(segment)

    @classmethod
    def _newest(cls) -> "ClockPage":
        refused: OutcryError | None = None
        simulated: ClockPage | None = None
        for name in reversed(living_pages()):
            try:
                page = cls.open(name)
            except OutcryError as error:
                refused = refused or error
                continue
            if not page.is_simulated:
                return page
            simulated = simulated or page
        if simulated is None:
            raise refused or ClockError("no clock daemon is running: start `outcry clock serve`")
        return simulated

    @property
    def is_simulated(self) -> bool:
        """Return whether its time is that of a simulated machine."""
        return bool(self.segment.words(SIMULATED, 1)[0])

    def now(self) -> Interval:
        """The current time.  Raises :class:`ClockError` with the reason if it is not available.

        Unlike the kernel and C readers it also detects that the machine has been suspended since
        the daemon's last update.
        """
        interval = self.at(ticks_now())
        if abs(asleep_ns() - int(self.segment.words(ASLEEP, 1)[0])) > ASLEEP_NS:
            raise ClockError(f"{self.name}: the machine was suspended since the last update", STALE)
        return interval

    def at(self, ticks: int) -> Interval:
        """The time at which the counter read ``ticks``; raises as :meth:`now`."""
        out = TimeInterval.of(self._out.ctypes.data)
        status = interval_at(ClockLine.of(self.address), ticks, TimeInterval.of(out))
        if status != OK:
            raise ClockError(f"{self.name}: {WHY[status]}", status)
        return Interval(*self._out.tolist())

    @property
    def rts25_since_tai_ns(self) -> int:
        """RTS 25 (100 us) holds since, TAI ns; negative: is violated since; 0: unknown."""
        return int(self.segment.words(RTS25_SINCE, 1)[0])

    def sources(self) -> list[dict[str, Any]]:
        """Each source's status at the daemon's last update; none before the first."""
        for _ in range(ATTEMPTS):
            data = bytes(self.segment.view[SOURCES:EVIDENCE])
            length, crc = SOURCES_HEAD.unpack_from(data)
            text = data[SOURCES_HEAD.size : SOURCES_HEAD.size + length]
            if zlib.crc32(text) == crc:  # otherwise it is being written
                return list(json.loads(text)) if text else []
            time.sleep(0.001)
        return []

    def evidence(self, after_seq: int = 0) -> npt.NDArray[Any]:
        """Clock records with a sequence above ``after_seq``, oldest first, at most the last 256.

        Returns a copy, an array of CLOCK_DTYPE.  ``seq`` has a gap for a reader that polls too
        rarely.
        """
        slots = self._slots.copy()
        # A slot overwritten during the copy has a different seq now.
        stable = slots["seq"] == self._slots["seq"]
        records = slots[stable & (slots["seq"] > after_seq)]
        return records[np.argsort(records["seq"])]


def living_pages() -> list[str]:
    """Names of the clock pages whose daemons are alive, the oldest daemon first."""
    pages = [
        (owner.start_ticks, owner.pid, name)
        for name, owner in list_segments()
        if name.endswith(f".{WHAT}") and owner.alive()
    ]
    return [name for *_, name in sorted(pages)]


# The writer


@kernel
def publish_line(page: ClockLine, line: ClockLine) -> None:
    """Publish the line at ``line`` (a ``clock_page``); version and owner are not copied."""
    version = page.own_version
    if VERIFY:
        assert version & 1 == 0
        assert line.own_bound_ns >= 0
        assert line.own_mult_q48 >= 0
    page.version = version + 1
    full_fence()
    for at in range(BASE_TICKS // 8, GROWTH_PPB // 8):
        Words(page)[at] = Words(line)[at]
    page.own_growth_ppb = line.own_growth_owner & 0xFFFFFFFF
    page.own_rest = line.own_rest
    page.version = version + 2


@kernel
def publish_evidence(slots: int, record: int, seq: int) -> None:
    """Publish a clock record under ``seq``; a reader copying the old one detects the overwrite.
    ``slots`` and ``record``: addresses of the ring of records and of the new one."""
    slot = Slot(slots + 64 * (seq & (EVIDENCE_SLOTS - 1)))
    if VERIFY:
        assert seq > 0
        assert slot.seq < seq
    slot.stamp = 0
    full_fence()
    for at in range(SEQ // 8):
        Words(slot)[at] = Words(record)[at]
    slot.stamp = seq


@dataclass
class Line:
    """The contents of a page, as the writer sets them; see ``clock_page`` in wire/records.py."""

    base_ticks: int
    base_tai_ns: int
    mult_q48: int
    bound_ns: int
    growth_ppb: int
    stale_ms: int
    utc_offset_s: int
    state: ClockState
    source: ClockSource
    leap_tai_ns: int = MAX_VALUE
    next_utc_offset_s: int = 0


class PageWriter:
    """The writer of a page; created, used and closed in one thread.

    If that thread ends without :meth:`close`, the Linux kernel marks the page.
    """

    def __init__(self, name: str | None = None, simulated: bool = False) -> None:
        self.segment = Segment.create(
            name or segment_name(ProcessIdentity.mine(), WHAT), SEGMENT_BYTES
        )
        self.name = self.segment.name
        self.address = self.segment.address + LINE
        self.seq = 0
        self._line = np.zeros(1, CLOCK_PAGE.dtype())
        words = self.segment.words(0, 2)
        words[1] = np.uint64(LAYOUT_HASH).view(np.int64)
        self.segment.words(SIMULATED, 1)[0] = simulated
        self.set_asleep(asleep_ns())
        self.segment.view[LINE + STATE] = STATE_UNKNOWN
        self._watch = _RobustFutex(self.address + OWNER)
        # Last, so that no reader opens an incomplete page.
        words[0] = CLOCK_MAGIC

    def publish(self, line: Line) -> None:
        """Replace what readers see by ``line``, atomically.  Raises ``ValueError`` naming a field
        that is out of range."""
        if not 0 <= line.growth_ppb <= GROWTH_PPB_MAX:
            raise ValueError(f"growth_ppb is {line.growth_ppb}: not 0 to {GROWTH_PPB_MAX}")
        if not 0 < line.stale_ms <= STALE_MS_MAX:
            raise ValueError(f"stale_ms is {line.stale_ms}: not 1 to {STALE_MS_MAX}")
        if not 0 <= line.bound_ns <= UNBOUNDED_NS:
            raise ValueError(f"bound_ns is {line.bound_ns}")
        for name, value in vars(line).items():
            self._line[name] = value
        publish_line(ClockLine.of(self.address), ClockLine.of(self._line.ctypes.data))

    def add_evidence(self, record: npt.NDArray[Any]) -> int:
        """Publish one clock record (a one-element array of CLOCK_DTYPE); returns its sequence."""
        self.seq += 1
        record["seq"] = self.seq
        publish_evidence(self.segment.address + EVIDENCE, record.ctypes.data, self.seq)
        return self.seq

    def set_rts25(self, since_tai_ns: int) -> None:
        """RTS 25 holds since (TAI ns), or negative: is violated since; 0: unknown."""
        self.segment.words(RTS25_SINCE, 1)[0] = since_tai_ns

    def set_asleep(self, ns: int) -> None:
        """Time suspended since boot (ns) that the page accounts for."""
        self.segment.words(ASLEEP, 1)[0] = ns

    def set_sources(self, statuses: list[dict[str, Any]]) -> None:
        """Each source's status, for people: JSON, at most about 3 KiB (the rest is dropped)."""
        room = EVIDENCE - SOURCES - SOURCES_HEAD.size
        text = json.dumps(statuses).encode()
        while len(text) > room:
            statuses = statuses[:-1]
            text = json.dumps(statuses).encode()
        head = SOURCES_HEAD.pack(len(text), zlib.crc32(text))
        self.segment.view[SOURCES:][: len(head) + len(text)] = np.frombuffer(head + text, np.uint8)

    def close(self) -> None:
        """Mark the page closed and unlink it."""
        self.segment.view[LINE + OWNER :][:4] = 0
        self._watch.release()
        self.segment.unlink()


# Detection of the writer's death


class _RobustHead(ctypes.Structure):
    """``struct robust_list_head`` (linux/futex.h): first entry, offset of the word, pending."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("futex_offset", ctypes.c_long),
        ("pending", ctypes.c_void_p),
    )


SET_ROBUST_LIST = {"x86_64": 273, "aarch64": 99}
_libc = ctypes.CDLL(None, use_errno=True)


class _RobustFutex:
    """Makes the Linux kernel set FUTEX_OWNER_DIED in the 32-bit word at ``address`` when the
    calling thread ends.

    Replaces the thread's list of robust mutexes (pthread_mutexattr_setrobust): it must not use
    any.  A child of fork(2) and an exec'ed program have no list.
    """

    def __init__(self, address: int) -> None:
        self.head = _RobustHead()
        # The only entry: a pointer back to the head; the word lies futex_offset from it.
        self.entry = ctypes.c_void_p(ctypes.addressof(self.head))
        entry_address = ctypes.addressof(self.entry)
        self.head.next = entry_address
        self.head.futex_offset = address - entry_address
        ctypes.c_uint32.from_address(address).value = threading.get_native_id()
        number = SET_ROBUST_LIST.get(platform.machine(), 99)
        if _libc.syscall(number, ctypes.byref(self.head), ctypes.sizeof(self.head)) != 0:
            error = os.strerror(ctypes.get_errno())
            raise ClockError(f"the kernel cannot watch over the clock page: {error}")

    def release(self) -> None:
        """Remove the word from the thread's list."""
        self.head.next = ctypes.addressof(self.head)
