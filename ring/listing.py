"""List every ring of this machine, and remove those of dead processes.

Nothing here writes to a ring: headers are read through the file, slots through a read-only mapping,
and no cursor is taken, so the writer is undisturbed.  A segment may
vanish, be truncated or hold anything at all meanwhile: that is reported, never a crash.
"""

import os
import stat
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import layout
from openoutcry.ring.buffer import MAX_CAPACITY, MAX_POOLS, MAX_SLOT_BYTES, dtype_hash
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.segment import (
    NAME,
    Place,
    SegmentError,
    find_place,
    list_segments,
    rounded_to_pages,
    writers,
)
from openoutcry.ring.sigbus import PAGE_BYTES, Mapping
from openoutcry.wire import EVENT_DTYPE, LAYOUT_HASH, ORDER_DTYPE
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord
from openoutcry.wire.records import MAGICS, RING_MAGIC

RATE_WINDOW_S = 0.2
KINDS = {layout.READER: "reader", layout.POOL: "pool", layout.WORKER: "worker"}
NO_FILE = "not a file"
DTYPES = (ORDER_DTYPE, EVENT_DTYPE)


@dataclass(frozen=True)
class Attached:
    """A consumer or a producer of a ring.

    Both ``pid`` and ``alive`` are missing (None) where no process has registered, and ``alive``
    also where this user cannot see the process.  A process has a ``heartbeat_age_s`` once it has
    waited or published from Python; kernels leave no heartbeat.  Producers, and consumers that do
    not gate at present, have no ``cursor`` and no ``lag`` (records behind the last published).
    Producers have no ``skipped`` (tombstones passed over).
    """

    role: str
    name: str
    pid: int | None
    alive: bool | None
    heartbeat_age_s: float | None = None
    cursor: int | None = None
    lag: int | None = None
    skipped: int | None = None


@dataclass
class RingInfo:
    """Data of one segment, as far as visible.

    The ``state`` is one of five.  A ``ring`` is in order.  A ``half-made`` one has a creator that
    has not finished, or that died first.  A ``damaged`` one has lost pages or does not fit its
    header, and an ``unreadable`` one is another user's.  All ``other`` shared memory of ours is not
    a ring, and concerns only ``--clean``.  Unless it is a ``ring``, the field ``problem`` says why.
    Figures that could not be read have the value None.  The rate ``records_per_s`` is over the time
    between the two looks."""

    name: str
    path: str
    state: str
    problem: str
    uid: int | None
    owner_pid: int
    owner_alive: bool | None
    size_bytes: int
    capacity: int | None = None
    slot_bytes: int | None = None
    published: int | None = None
    gating: int | None = None
    fill: float | None = None
    records_per_s: float | None = None
    tombstones: int | None = None
    dropped: int | None = None
    closed: bool | None = None
    consumers: list[Attached] = field(default_factory=list)
    producers: list[Attached] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return asdict(self)


@dataclass
class Cleaned:
    """Result of :func:`clean`: names removed, and each name kept with the reason."""

    removed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


# Listing


def list_rings(window_s: float = RATE_WINDOW_S, only: str | None = None) -> list[RingInfo]:
    """Every segment on the machine whose name is ours (or ``only`` the one of that name), rings and
    others; takes ``window_s`` for the rates (0: no rates)."""
    names = [name for name, _ in list_segments() if only in (None, name)]
    looks = [look for name in names if (look := inspect_segment(name)) is not None]
    if window_s > 0 and any(view for _, view in looks):
        before = [(time.monotonic(), view.published() if view else 0) for _, view in looks]
        time.sleep(window_s)
        for (info, view), (then_s, seq) in zip(looks, before, strict=True):
            if view:
                info.records_per_s = (view.published() - seq) / (time.monotonic() - then_s)
    for info, view in looks:
        if view:
            _fill_in(info, view)
    return [info for info, _ in looks]


def inspect_segment(name: str) -> "tuple[RingInfo, RingView | None] | None":
    """One segment and, if it is a sound ring, a view of it; None if it has vanished."""
    place = find_place(name)
    match = NAME.fullmatch(name)
    if place is None or match is None:
        return None
    path = place.folder / name
    try:
        status = path.lstat()
    except OSError:
        return None
    owner = ProcessIdentity(int(match[1]), int(match[2]))
    info = RingInfo(
        name,
        str(path),
        "ring",
        "",
        status.st_uid,
        owner.pid,
        is_alive(owner, status.st_uid),
        status.st_size,
    )
    if not stat.S_ISREG(status.st_mode):
        info.state, info.problem = "other", NO_FILE
        return info, None
    try:
        # Any user may put anything into /dev/shm: a pipe must not make us wait.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        info.state, info.problem = "unreadable", str(error.strerror)
        return info, None
    try:
        return info, _open_view(info, fd, place)
    finally:
        os.close(fd)


def _open_view(info: RingInfo, fd: int, place: Place) -> "RingView | None":
    try:
        header = os.pread(fd, layout.SLOTS, 0)
        info.size_bytes = os.fstat(fd).st_size
        info.state, info.problem = classify(header, info.size_bytes, place.page_bytes)
        if info.state != "ring":
            return None
        return RingView(fd, info.size_bytes, place.page_bytes)
    except SegmentError as error:
        info.state, info.problem = "damaged", str(error)
        return None
    except OSError as error:
        info.state, info.problem = "unreadable", str(error.strerror)
        return None


def classify(header: bytes, size_bytes: int, page_bytes: int) -> tuple[str, str]:
    """State and problem (see :class:`RingInfo`) of a segment from its first bytes and its size."""
    words = np.zeros(layout.SLOTS // 8, np.int64)
    whole = len(header) // 8
    words[:whole] = np.frombuffer(header, np.int64, whole)
    magic = int(words[layout.MAGIC // 8])
    problem = _geometry_problem(words, size_bytes, page_bytes)
    if size_bytes < 8 or (magic == RING_MAGIC and size_bytes < layout.SLOTS):
        return "damaged", f"truncated: {size_bytes:,} bytes are left"
    if magic == RING_MAGIC:
        if int(words[layout.LAYOUT_HASH // 8].view(np.uint64)) != LAYOUT_HASH:
            return "damaged", "made with another record layout, or byte 8 is damaged"
        if int(words[layout.VERSION_AT // 8]) != layout.VERSION:
            at = layout.VERSION_AT
            return "damaged", f"made with another layout of the ring, or byte {at} is damaged"
        return ("damaged", problem) if problem else ("ring", "")
    if magic in MAGICS.values():
        return "other", "not a ring"
    if magic == 0 and _may_be_unfinished(words, size_bytes, page_bytes, problem):
        return "half-made", "its header is not finished"
    if not problem:
        return "damaged", f"wrong magic {magic & (2**64 - 1):#x} at byte 0"
    return "other", "no ring's header"


def _geometry_problem(words: npt.NDArray[np.int64], size_bytes: int, page_bytes: int) -> str:
    """The first field of the header that cannot be, naming its byte; empty if all can."""
    capacity = int(words[layout.CAPACITY // 8])
    slot_bytes = int(words[layout.SLOT_BYTES_AT // 8])
    consumers = int(words[layout.CONSUMER_COUNT // 8])
    pools = int(words[layout.POOL_COUNT // 8])
    if not 64 <= slot_bytes <= MAX_SLOT_BYTES or slot_bytes & (slot_bytes - 1):
        return f"slot bytes {slot_bytes} at byte {layout.SLOT_BYTES_AT}"
    if not 2 <= capacity <= MAX_CAPACITY or capacity & (capacity - 1):
        return f"capacity {capacity} at byte {layout.CAPACITY}"
    if not 1 <= consumers <= layout.MAX_CONSUMERS:
        return f"{consumers} consumers at byte {layout.CONSUMER_COUNT}"
    if not 0 <= pools <= MAX_POOLS:
        return f"{pools} pools at byte {layout.POOL_COUNT}"
    needed = rounded_to_pages(layout.SLOTS + capacity * (slot_bytes + 8 * pools), page_bytes)
    if size_bytes < needed:
        return f"truncated: {size_bytes:,} of {needed:,} bytes are left"
    if size_bytes > needed:
        return f"{size_bytes:,} bytes long, {needed:,} by its header"
    return ""


def _may_be_unfinished(
    words: npt.NDArray[np.int64], size_bytes: int, page_bytes: int, problem: str
) -> bool:
    """Return whether it has no magic yet: a header that is right otherwise, or one of zeros
    before as many bytes as some ring's slots have."""
    if not problem:
        return True
    if words.any():
        return False
    slots_bytes = size_bytes - layout.SLOTS
    parts = [slots_bytes / (64 + 8 * pools) for pools in range(MAX_POOLS + 1)]
    return page_bytes > PAGE_BYTES or any(
        part >= 2 and part.is_integer() and not int(part) & (int(part) - 1) for part in parts
    )


def _fill_in(info: RingInfo, view: "RingView") -> None:
    # Cursors before the position: a consumer is never seen ahead of what is published.
    cursors = view.cursors()
    published = view.published()
    gating = min((c for c in cursors if c is not None), default=None)
    tombstones, dropped = view.word(layout.TOMBSTONES), view.word(layout.DROPPED)
    closed = view.word(layout.CLOSED_AT) != 0
    consumers = view.consumers(cursors, published, info.uid)
    producers = view.producers(info.uid)
    if view.mapping.damaged:
        info.state, info.problem = "damaged", "truncated while it was looked at"
        info.records_per_s = None
        return
    info.capacity, info.slot_bytes = view.capacity, view.slot_bytes
    info.published, info.gating = published, gating
    info.fill = 0.0 if gating is None else min(1.0, max(0, published - gating) / view.capacity)
    info.tombstones, info.dropped, info.closed = tombstones, dropped, closed
    info.consumers, info.producers = consumers, producers


def is_alive(who: ProcessIdentity, uid: int | None) -> bool | None:
    """Return whether a process of user ``uid`` lives; None where the system hides others'
    processes."""
    now = ProcessIdentity.of(who.pid)
    if now is not None:
        return who == now
    if uid == os.geteuid() or not 0 < who.pid < 2**31:
        return False
    try:
        os.kill(who.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return None
    return False


class RingView:
    """A read-only look at a sound ring; the geometry is the one it had at first."""

    def __init__(self, fd: int, size_bytes: int, page_bytes: int) -> None:
        """Raises ``OSError`` if it cannot be mapped, :class:`SegmentError` if its header is not (or
        no longer) a sound ring's."""
        self.mapping = Mapping(fd, size_bytes, page_bytes, writable=False, populate=False)
        self.address = self.mapping.address
        self._bytes: npt.NDArray[np.uint8] = np.asarray(self.mapping)
        # One copy is judged and believed: the header may be overwritten while we look.
        header = self._bytes[: layout.SLOTS].tobytes()
        state, problem = classify(header, size_bytes, page_bytes)
        if state != "ring":
            raise SegmentError(problem)
        words = np.frombuffer(header, np.int64)
        self.capacity = int(words[layout.CAPACITY // 8])
        self.slot_bytes = int(words[layout.SLOT_BYTES_AT // 8])
        self.consumer_count = int(words[layout.CONSUMER_COUNT // 8])
        self.multi_producer = bool(int(words[layout.FLAGS // 8]) & layout.MULTI_PRODUCER)
        self.mask, self.shift = self.capacity - 1, self.slot_bytes.bit_length() - 1
        self._words = self._bytes[: layout.SLOTS].view(np.int64)

    def word(self, offset: int) -> int:
        """The int64 at ``offset`` bytes of the segment."""
        return int(self._words[offset // 8])

    def cursors(self) -> list[int | None]:
        """Each consumer's cursor; None for those that do not gate."""
        at = range(self.consumer_count)
        cursor_words = [self.word(layout.CONSUMERS + i * layout.CONSUMER_BYTES) for i in at]
        return [None if cursor == layout.FREE else cursor for cursor in cursor_words]

    def published(self) -> int:
        """The last sequence up to which every record was published or buried."""
        known = [cursor for cursor in self.cursors() if cursor is not None]
        oldest = self.word(layout.CLAIMED) - self.capacity
        seq = max(self.word(layout.PUBLISHED), oldest, 0, *known)
        return int(last_resolved(self.address, self.mask, self.shift, seq, self.capacity))

    def newest(self) -> int:
        """The last sequence published or claimed: what comes after it passes from now on."""
        claimed = self.word(layout.CLAIMED) if self.multi_producer else 0
        return max(self.published(), claimed)

    def consumers(
        self, cursors: list[int | None], published: int, uid: int | None
    ) -> list[Attached]:
        """The consumers' rows.

        ``cursors``: of each, None if it holds nothing back; ``published``: the last published
        sequence; ``uid``: the user whose processes can be looked up, None: any.
        """
        attached = []
        for index, cursor in enumerate(cursors):
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
            text = self._bytes[at + layout.CONSUMER_NAME :][: layout.CONSUMER_NAME_BYTES]
            name = text.tobytes().split(b"\0")[0].decode("ascii", "backslashreplace")
            role = KINDS.get(self.word(at + layout.CONSUMER_KIND), "unknown")
            who = self._holder(at + layout.CONSUMER_HOLDER, uid)
            age_s = self._age_s(at + layout.CONSUMER_HEARTBEAT_NS)
            lag = None if cursor is None else max(0, published - cursor)
            skipped = self.word(at + layout.CONSUMER_SKIPPED)
            attached.append(Attached(role, name, *who, age_s, cursor, lag, skipped))
        return attached

    def producers(self, uid: int | None) -> list[Attached]:
        """The rows of producers that a process holds; ``uid`` as in :meth:`consumers`."""
        attached = []
        for index in range(layout.MAX_PRODUCERS):
            at = layout.PRODUCERS + index * layout.PRODUCER_BYTES
            pid, alive = self._holder(at + layout.PRODUCER_HOLDER, uid)
            age_s = self._age_s(at + layout.PRODUCER_HEARTBEAT_NS)
            if pid is not None:
                attached.append(Attached("producer", str(index), pid, alive, age_s))
        return attached

    def _holder(self, at: int, uid: int | None) -> tuple[int | None, bool | None]:
        held = self.word(at)
        who = ProcessIdentity.of_word(held)
        return (who.pid, is_alive(who, uid)) if held else (None, None)

    def _age_s(self, beat_at: int) -> float | None:
        beat_ns = self.word(beat_at)
        return max(0, time.monotonic_ns() - beat_ns) / 1e9 if beat_ns else None

    def dtype(self) -> np.dtype[Any]:
        """The record type: one of wire's, or bytes and the stamp."""
        for dtype in DTYPES:
            if dtype_hash(dtype) == self.word(layout.DTYPE_HASH):
                return dtype
        return np.dtype([("bytes", f"V{self.slot_bytes - 8}"), ("seq", "<i8")])


@kernel
def last_resolved(ring: int, mask: int, shift: int, seq: int, limit: int) -> int:
    """The last of at most ``limit`` sequences after ``seq`` that are published or buried without
    a gap."""
    last = seq + limit
    while seq < last:
        at = ring + layout.SLOTS + (((seq + 1) & mask) << shift) + (1 << shift) - 8
        stamp = SharedWord(at).value
        if stamp != seq + 1 and stamp != -(seq + 1):
            break
        seq += 1
    return seq


# Cleaning


def clean() -> Cleaned:
    """Remove this user's segments whose processes are all proven dead: the owner, every registered
    producer and consumer, and every other process that could still write to it."""
    done = Cleaned()
    in_use = writers()
    for name, owner in list_segments():
        look = inspect_segment(name)
        if look is None:
            continue
        info, view = look
        if view:
            _fill_in(info, view)
        reason = _why_kept(info, owner, in_use)
        if reason:
            done.kept[name] = reason
            continue
        try:
            Path(info.path).unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            done.kept[name] = str(error.strerror)
            continue
        done.removed.append(name)
    return done


def _why_kept(
    info: RingInfo, owner: ProcessIdentity, in_use: dict[tuple[int, int], set[int]]
) -> str:
    """Return why a segment is kept; empty if all its processes are proven dead."""
    if info.problem == NO_FILE:
        return f"it is {NO_FILE}"
    if info.uid != os.geteuid():
        return f"it belongs to user {info.uid}"
    if owner.alive():
        return f"its owner, process {owner.pid}, lives"
    for one in (*info.producers, *info.consumers):
        if one.pid is not None and one.alive is not False:
            return f"its {one.role} {one.name}, process {one.pid}, lives"
    try:
        status = os.lstat(info.path)
    except OSError:
        return ""
    if users := in_use.get((status.st_dev, status.st_ino)):
        return f"process {min(users)} has it mapped for writing"
    return ""


# Names


def find_ring(part: str) -> str:
    """The full name of the one segment with that name, or whose name holds it; raises
    :class:`SegmentError` for none or several."""
    names = [name for name, _ in list_segments()]
    matches = [part] if part in names else [name for name in names if part in name]
    if len(matches) > 1:
        ends = [name for name in matches if name.endswith(f".{part}")]
        matches = ends if len(ends) == 1 else matches
    if not matches:
        raise SegmentError(f"there is no ring {part!r} on this machine")
    if len(matches) > 1:
        raise SegmentError(f"{part!r} fits several rings: {', '.join(matches)}")
    return matches[0]
