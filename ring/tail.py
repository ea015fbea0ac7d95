"""Follow a ring as its records pass, by copies, without disturbing the writer.

What is followed may vanish, be truncated or hold anything at all meanwhile: that is reported, never
a crash.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import kernels, layout
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.layout import RingHeader
from openoutcry.ring.listing import RingInfo, RingView, inspect_segment, is_alive, last_resolved
from openoutcry.ring.segment import NAME, SegmentError, writers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import copy64, full_fence, store_i64

TAIL_BATCH = 1024
"""Records that a tail copies between two checks of how near the writer has come."""
TAIL_NAP_S = 0.001
DEAD_CHECK_S = 0.1


@dataclass(frozen=True)
class TailRecord:
    """A record that passed: a copy, ``missed`` counting those lost unseen right before it and
    ``buried`` the tombstones there."""

    seq: int
    record: npt.NDArray[Any]
    missed: int
    buried: int


def tail(name: str, count: int | None = None) -> Iterator[TailRecord]:
    """Records as they pass from now on, at most ``count``, without disturbing the writer.

    Each is a copy.  Ends early when the ring is closed or removed, or when every process that could
    publish is proven dead.  Raises :class:`SegmentError` if it is not a sound ring or is truncated
    meanwhile.
    """
    view, info = _view_to_tail(name)
    batch = max(1, min(TAIL_BATCH, view.capacity // 4))
    buffer: npt.NDArray[Any] = np.empty(batch, view.dtype())
    # Once for nothing: what passes while the kernel is compiled is not missed.
    _copy(view, 1, 0, buffer, np.zeros(2, np.int64))
    return _records_after(view, info, view.newest(), buffer, count)


def _records_after(
    view: RingView, info: RingInfo, seq: int, buffer: npt.NDArray[Any], count: int | None
) -> Iterator[TailRecord]:
    """The records after ``seq``, copied through ``buffer``."""
    stamp = (buffer.dtype.names or ())[-1]
    copied = np.zeros(2, np.int64)
    missed = buried = given = 0
    while count is None or given < count:
        if not _wait_for_more(view, info, seq, buffer, copied):
            return
        first, got = int(copied[0]), int(copied[1])
        missed += first - seq - 1
        seq = first + got - 1
        for record in buffer[:got]:
            if int(record[stamp]) < 0:
                buried += 1
                continue
            yield TailRecord(int(record[stamp]), record.copy(), missed, buried)
            missed, buried, given = 0, 0, given + 1
            if given == count:
                return


def _view_to_tail(name: str) -> tuple[RingView, RingInfo]:
    look = inspect_segment(name)
    if look is None:
        raise SegmentError(f"there is no ring {name!r} on this machine")
    info, view = look
    if view is None:
        raise SegmentError(f"{info.path} cannot be followed: {info.state}: {info.problem}")
    return view, info


def _wait_for_more(
    view: RingView,
    info: RingInfo,
    seq: int,
    buffer: npt.NDArray[Any],
    copied: npt.NDArray[np.int64],
) -> bool:
    """Wait until ``copied`` has records after ``seq`` (or a gap); False when none will come."""
    since = time.monotonic()
    while True:
        # Asked before the slots are checked, so that nothing published before the end is lost.
        over = time.monotonic() - since > DEAD_CHECK_S and _is_over(view, info, seq)
        _copy(view, seq + 1, len(buffer), buffer, copied)
        if view.mapping.damaged:
            raise SegmentError(f"shared memory {info.path} was truncated while in use")
        if copied[1] or copied[0] > seq + 1:
            return True
        if over:
            return False
        if time.monotonic() - since > DEAD_CHECK_S:
            since = time.monotonic()
        time.sleep(TAIL_NAP_S)


def _copy(
    view: RingView, seq: int, limit: int, to: npt.NDArray[Any], copied: npt.NDArray[np.int64]
) -> None:
    copy_published(
        RingHeader.of(view.address),
        view.mask,
        view.shift,
        int(view.multi_producer),
        seq,
        limit,
        to.ctypes.data,
        copied.ctypes.data,
    )


def _is_over(view: RingView, info: RingInfo, seq: int) -> bool:
    """Return whether nothing will be published any more: closed, removed, or all possible
    producers are proven dead."""
    if 0 < view.word(layout.CLOSED_AT) <= seq + 1:
        return True
    try:
        status = os.lstat(info.path)
    except OSError:
        return True
    if view.mapping.file_bytes() < info.size_bytes:
        raise SegmentError(f"shared memory {info.path} was truncated while in use")
    match = NAME.fullmatch(info.name)
    owner = ProcessIdentity(int(match[1]), int(match[2])) if match else None
    if owner is None or is_alive(owner, info.uid) is not False:
        return False
    if any(producer.alive is not False for producer in view.producers(info.uid)):
        return False
    return not writers().get((status.st_dev, status.st_ino))


@kernel
def slot_sequence(ring: int, mask: int, shift: int, seq: int) -> int:
    """The sequence that is in the slot of ``seq``, published or buried."""
    return abs(kernels.stamp_of(ring, mask, shift, seq))


@kernel
def copy_published(
    ring: RingHeader,
    mask: int,
    shift: int,
    several: int,
    seq: int,
    limit: int,
    to: int,
    copied: int,
) -> None:
    """Copy up to ``limit`` records (tombstones among them) from ``seq`` on to ``to``.

    ``copied``: int64[2], the first sequence copied and how many.  If the writers have passed over
    ``seq``, the first is one that is a quarter of a lap old.

    An unchanged stamp does not prove a copy: the writer of the next lap changes a slot before
    stamping it.  A copy counts only if, when it was done, no producer can have begun to write to
    its slot.  Several producers, and a single one that writes in place, announce what they claim.
    A single one otherwise writes in order, so the slot an eighth of a lap before shows its
    progress.  One slot would do on x86-64, where stores become visible in order.
    """
    capacity = mask + 1
    there = slot_sequence(ring, mask, shift, seq)
    if there > seq:
        newest = last_resolved(ring, mask, shift, max(there, ring.published), capacity)
        seq = max(seq + 1, newest - (capacity >> 2) + 1)
    slot_bytes = 1 << shift
    count = 0
    while count < limit:
        slot = ring + layout.SLOTS + ((seq + count) & mask) * slot_bytes
        stamp = SharedWord(slot + slot_bytes - 8).value
        if abs(stamp) != seq + count:
            break
        for offset in range(0, slot_bytes, 64):
            copy64(to + count * slot_bytes + offset, slot + offset)
        SharedWord(to + (count + 1) * slot_bytes - 8).own_value = stamp
        count += 1
    full_fence()
    lost = overwritten(ring, mask, shift, several, seq, count)
    if lost > 0:
        for at in range(0, (count - lost) * slot_bytes, 64):
            copy64(to + at, to + lost * slot_bytes + at)
    store_i64(copied, seq + lost)
    Words(copied)[1] = count - lost


@kernel
def overwritten(ring: RingHeader, mask: int, shift: int, several: int, seq: int, count: int) -> int:
    """Return how many of ``count`` records from ``seq`` on a producer may have begun to
    overwrite."""
    capacity = mask + 1
    claimed = ring.claimed
    if several == 0:
        for entry in range(layout.MAX_PRODUCERS):
            at = ring + layout.PRODUCERS + entry * layout.PRODUCER_BYTES + layout.CLAIM_LAST
            claimed = max(claimed, SharedWord(at).value)
    lost = min(count, max(0, claimed - capacity - seq + 1))
    if several == 0:
        guard = max(1, capacity >> 3)
        while lost < count:
            before = seq + lost - guard
            if slot_sequence(ring, mask, shift, before) < before + capacity:
                break
            lost += 1
    return lost
