"""The memory of a ring: made, joined, checked, and what its header says."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from openoutcry.ring import kernels, layout
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.layout import RingConsumer, RingHeader
from openoutcry.ring.segment import Segment, SegmentError
from openoutcry.ring.sequence import Sequence
from openoutcry.wire import LAYOUT_HASH, LayoutMismatch, check_layout
from openoutcry.wire.errors import RingError
from openoutcry.wire.records import RING_MAGIC

MAX_CAPACITY = 1 << 28
MAX_SLOT_BYTES = 1 << 20
MAX_POOLS = 4


class Buffer:
    """A ring's memory: its header, its slots, its cursors and the entries of those who use it.
    :class:`RingBuffer` adds producers and readers."""

    def __init__(self, segment: Segment, dtype: np.dtype[Any]) -> None:
        self.segment = segment
        self.name = segment.name
        self.dtype = dtype
        header = segment.words(0, layout.SLOTS // 8)
        self.capacity = int(header[layout.CAPACITY // 8])
        self.mask = self.capacity - 1
        self.shift = int(header[layout.SLOT_BYTES_AT // 8]).bit_length() - 1
        flags = int(header[layout.FLAGS // 8])
        self.multi_producer = bool(flags & layout.MULTI_PRODUCER)
        self.blocking = bool(flags & layout.BLOCKING)
        self.address = segment.address
        self.slots = segment.records(layout.SLOTS, self.capacity, dtype)
        self.published_hint = header[layout.PUBLISHED // 8 :][:1]
        self.cursors: dict[str, npt.NDArray[np.int64]] = {}
        for index in range(int(header[layout.CONSUMER_COUNT // 8])):
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
            name = segment.view[at + layout.CONSUMER_NAME :][: layout.CONSUMER_NAME_BYTES]
            self.cursors[bytes(name).rstrip(b"\0").decode("ascii", "replace")] = segment.words(
                at, 1
            )
        self.consumer_names = list(self.cursors)

    @classmethod
    def create(
        cls,
        name: str,
        capacity: int,
        dtype: np.dtype[Any],
        consumers: Iterable[str] | Mapping[str, Iterable[str]],
        *,
        pools: Mapping[str, int] | None = None,
        multi_producer: bool = False,
        blocking: bool = False,
        huge_pages: bool = False,
        lock: bool = False,
        reserved: bool = True,
    ) -> Self:
        """Make a ring of ``capacity`` records (a power of two).

        Give the ``consumers`` as names, or as a mapping from each name to those it depends on,
        which must come before it: a pipeline, a diamond.  The mapping ``pools`` gives each pool's
        number of workers; each record goes to one of them, and a consumer may depend on a pool too.
        With ``multi_producer``, several processes publish.  With ``blocking``, producers wake
        sleeping readers, at a fence a publication.  For ``huge_pages``, ``lock`` and ``reserved``
        see :meth:`Segment.create`; ``segment.refused`` lists what the host refused.

        Raises ``ValueError`` for a wrong geometry, and :class:`SegmentError` when the name is taken
        or the memory is not available.
        """
        graph = dict(consumers) if isinstance(consumers, Mapping) else dict.fromkeys(consumers, ())
        rows = _consumer_rows(name, graph, dict(pools or {}))
        _check_geometry(name, capacity, dtype)
        slot_bytes = dtype.itemsize
        pool_count = len(pools or {})
        size = layout.SLOTS + capacity * slot_bytes + 8 * capacity * pool_count
        segment = Segment.create(name, size, huge_pages, lock, reserved)
        try:
            header = segment.words(0, layout.SLOTS // 8)
            owner = ProcessIdentity.mine()
            for word, value in (
                (layout.SLOT_BYTES_AT, slot_bytes),
                (layout.CAPACITY, capacity),
                (layout.OWNER_PID, owner.pid),
                (layout.OWNER_START, owner.start_ticks),
                (layout.CONSUMER_COUNT, len(rows)),
                (layout.POOL_COUNT, pool_count),
                (layout.FLAGS, layout.MULTI_PRODUCER * multi_producer + layout.BLOCKING * blocking),
                (layout.DTYPE_HASH, dtype_hash(dtype)),
                (layout.LAYOUT_HASH, int(np.uint64(LAYOUT_HASH).view(np.int64))),
                (layout.VERSION_AT, layout.VERSION),
            ):
                header[word // 8] = value
            for index, row in enumerate(rows):
                _write_consumer(segment, index, row)
            # Last, so that no process attaches to a half-made header.
            header[layout.MAGIC // 8] = RING_MAGIC
        except BaseException:
            segment.unlink()
            raise
        return cls(segment, dtype)

    @classmethod
    def attach(cls, name: str, dtype: np.dtype[Any], read_only: bool = False) -> Self:
        """Join a ring that another process made; refuses foreign memory, another layout, another
        record type and a geometry that does not fit the segment.  ``read_only`` is for looking."""
        segment = Segment.attach(name, read_only)
        where = str(segment.path)
        if segment.size_bytes < layout.SLOTS:
            raise SegmentError(f"{where} is too small for a ring: {segment.size_bytes} bytes")
        header = segment.words(0, layout.SLOTS // 8)
        if int(header[layout.MAGIC // 8]) != RING_MAGIC:
            raise SegmentError(f"{where} is not a ring: wrong magic at byte 0")
        check_layout(int(header[layout.LAYOUT_HASH // 8].view(np.uint64)), where)
        check_version(int(header[layout.VERSION_AT // 8]), where)
        capacity = int(header[layout.CAPACITY // 8])
        consumers = int(header[layout.CONSUMER_COUNT // 8])
        slot_bytes = int(header[layout.SLOT_BYTES_AT // 8])
        pools = int(header[layout.POOL_COUNT // 8])
        sound = (
            2 <= capacity <= MAX_CAPACITY
            and not capacity & (capacity - 1)
            and 1 <= consumers <= layout.MAX_CONSUMERS
            and 64 <= slot_bytes <= MAX_SLOT_BYTES
            and not slot_bytes & (slot_bytes - 1)
            and 0 <= pools <= MAX_POOLS
            and segment.fits(layout.SLOTS + capacity * (slot_bytes + 8 * pools))
        )
        if not sound:
            raise SegmentError(f"{where}: the ring's header is damaged (capacity {capacity})")
        _check_consumers(where, header, consumers, pools)
        if slot_bytes != dtype.itemsize or int(header[layout.DTYPE_HASH // 8]) != dtype_hash(dtype):
            raise LayoutMismatch(f"{where} holds records of another type than {dtype}")
        return cls(segment, dtype)

    def take_consumer_entry(self, index: int, again: bool) -> int:
        """Address of the entry at ``index``, ours now; a dead holder's is taken over, our own only
        with ``again``."""
        me = ProcessIdentity.mine().word
        address = self.address + layout.CONSUMERS + index * layout.CONSUMER_BYTES
        holder = Sequence(address + layout.CONSUMER_HOLDER)
        while True:
            held = holder.get()
            if again and held == me:
                return address
            who = ProcessIdentity.of_word(held)
            if held and who.alive():
                name = self.consumer_names[index]
                raise RingError(f"{self.name}: consumer {name!r} is taken by process {who.pid}")
            # A process that comes between has taken the entry, or is a repairer that has only freed
            # it.  The mark of a holder that died while it made its cursor stays: it means nothing
            # to us either.
            if holder.compare_and_set(held, -me if held < 0 else me):
                break
        if int(self._entry_words(index)[layout.CONSUMER_KIND // 8]) == layout.READER and (
            held < 0 or Sequence(address).get() == layout.FREE
        ):
            # It was detached: its records are gone, so it begins with what is claimed next.
            holder.set(-me)
            kernels.rejoin(
                RingHeader.of(self.address), self.mask, self.shift, RingConsumer.of(address)
            )
            holder.set(me)
        return address

    def leave_consumer_entry(self, entry: int) -> None:
        """Give our own entry back; another process's stays as it is."""
        Sequence(entry + layout.CONSUMER_HOLDER).compare_and_set(ProcessIdentity.mine().word, 0)

    def register(self, name: str, who: ProcessIdentity) -> None:
        """Note who runs a consumer whose supervisor alone decides that (it has proven the death of
        the one before); for those who list rings."""
        at = layout.CONSUMERS + self.consumer_names.index(name) * layout.CONSUMER_BYTES
        Sequence(self.address + at + layout.CONSUMER_HOLDER).set(who.word)

    # What it says of itself

    @property
    def published(self) -> int:
        """The last sequence published by a single producer."""
        return int(kernels.last_published_sized(RingHeader.of(self.address), self.mask, self.shift))

    @property
    def claimed(self) -> int:
        """The last sequence claimed by several producers."""
        return Sequence(self.address + layout.CLAIMED).get()

    @property
    def gating(self) -> int:
        """The slowest consumer's cursor; the ring's position when no consumer gates."""
        lowest = int(kernels.gating_cursor(RingHeader.of(self.address)))
        if lowest != layout.FREE:
            return lowest
        return self.claimed if self.multi_producer else int(self.published_hint[0])

    @property
    def tombstones(self) -> int:
        """Slots that a repair has buried since the ring was made."""
        return int(self.words(layout.TOMBSTONES)[0])

    @property
    def dropped(self) -> int:
        """Records left out by producers that drop the newest."""
        return int(self.words(layout.DROPPED)[0])

    @property
    def closed_at(self) -> int:
        """1 + the last sequence once the ring is closed, else 0."""
        return Sequence(self.address + layout.CLOSED_AT).get()

    def close(self) -> None:
        """Say that no more will be published: readers that have read all end, and a later
        publication is refused.

        On a ring of several producers, call it when the others have published all their records.  A
        simultaneous publication may land after the end, where no consumer reads it.
        """
        last = self.claimed if self.multi_producer else self.published
        Sequence(self.address + layout.CLOSED_AT).set(last + 1)
        kernels.wake_waiters(RingHeader.of(self.address))

    def views(self, first_seq: int, count: int) -> list[npt.NDArray[Any]]:
        """The slots of ``count`` sequences as one array, or two where the ring wraps; no copy."""
        start = first_seq & self.mask
        head = self.slots[start : start + count]
        return [head] if len(head) == count else [head, self.slots[: count - len(head)]]

    def words(self, offset: int, count: int = 1) -> npt.NDArray[np.int64]:
        """int64 words of the ring from byte ``offset``."""
        return self.segment.words(offset, count)

    def done_marks_address(self, pool_number: int) -> int:
        """Address of the words in which the workers of a pool mark records as done, one a slot."""
        slots = self.capacity << self.shift
        return self.address + layout.SLOTS + slots + 8 * self.capacity * pool_number

    def unlink(self) -> None:
        """Remove the segment's name; processes that have it mapped keep it."""
        self.segment.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unlink()

    def _entry_words(self, index: int) -> npt.NDArray[np.int64]:
        at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
        return self.words(at, layout.CONSUMER_BYTES // 8)


def check_version(version: int, where: str) -> None:
    """Raise :class:`LayoutMismatch` unless ``version`` is this program's version of the ring's own
    layout."""
    if version != layout.VERSION:
        age = "older" if version < layout.VERSION else "newer"
        raise LayoutMismatch(
            f"{where} is a ring of layout {max(version, 1)}: it is {age} than this program, which "
            f"has {layout.VERSION}"
        )


def dtype_hash(dtype: np.dtype[Any]) -> int:
    """Tells record types apart: over the fields' names, types and offsets."""
    fields: Mapping[str, Any] = dtype.fields or {}
    text = repr([(name, str(fields[name][0]), fields[name][1]) for name in dtype.names or ()])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def _check_geometry(name: str, capacity: int, dtype: np.dtype[Any]) -> None:
    if capacity & (capacity - 1) or not 2 <= capacity <= MAX_CAPACITY:
        raise ValueError(f"ring {name}: capacity {capacity} is not a power of two from 2 to 2**28")
    size = dtype.itemsize
    if size & (size - 1) or not 64 <= size <= MAX_SLOT_BYTES:
        raise ValueError(
            f"ring {name}: records have {size} bytes, which is not a power of two from 64 to 2**20"
        )
    last = (dtype.names or ("",))[-1]
    if not last or dtype.fields[last] != (np.dtype("<i8"), size - 8):  # type: ignore[index]
        raise ValueError(
            f"ring {name}: the last field of a record is the int64 stamp, not {last!r}"
        )


def _consumer_rows(
    name: str, graph: dict[str, Iterable[str]], pools: dict[str, int]
) -> list[dict[str, Any]]:
    """Entries in order: pools, each with its workers after it, then readers."""
    rows: list[dict[str, Any]] = []
    bits: dict[str, int] = {}
    for number, (pool, workers) in enumerate(pools.items()):
        if not 1 <= workers < layout.MAX_CONSUMERS:
            raise ValueError(f"ring {name}: pool {pool!r} has {workers} workers")
        index = len(rows)
        rows.append({"name": pool, "kind": layout.POOL, "after": 0, "pool": index, "n": number})
        for worker in range(workers):
            label = f"{pool}.{worker}"
            rows.append({"name": label, "kind": layout.WORKER, "after": 0, "pool": index, "n": 0})
        bits[pool] = sum(1 << i for i in range(index, len(rows)))
    for reader, after in graph.items():
        unknown = [a for a in after if a not in bits]
        if unknown:
            raise ValueError(
                f"ring {name}: {reader!r} depends on {unknown[0]!r}, which does not precede it"
            )
        mask = 0
        for one in after:
            mask |= bits[one]
        bits[reader] = 1 << len(rows)
        rows.append({"name": reader, "kind": layout.READER, "after": mask, "pool": 0, "n": 0})
    names = [row["name"] for row in rows]
    if not 1 <= len(rows) <= layout.MAX_CONSUMERS or len(pools) > MAX_POOLS:
        raise ValueError(f"ring {name}: 1 to {layout.MAX_CONSUMERS} consumers and at most 4 pools")
    if len(set(names)) < len(names):
        raise ValueError(f"ring {name}: consumers need different names: {names}")
    for text in names:
        if not text.isascii() or not 1 <= len(text) <= layout.CONSUMER_NAME_BYTES:
            raise ValueError(f"ring {name}: consumer name {text!r} is not 1 to 24 ASCII characters")
    return rows


def _check_consumers(where: str, header: npt.NDArray[np.int64], consumers: int, pools: int) -> None:
    """Addresses are computed from what is in the consumers' entries: they must be sound."""
    start, step = layout.CONSUMERS // 8, layout.CONSUMER_BYTES // 8
    rows = [header[start + i * step :][:step] for i in range(consumers)]
    kinds = [int(row[layout.CONSUMER_KIND // 8]) for row in rows]
    names = [row[layout.CONSUMER_NAME // 8 :][: layout.CONSUMER_NAME_BYTES // 8] for row in rows]
    for index, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        pool = int(row[layout.CONSUMER_POOL // 8])
        sound = (
            kind in (layout.READER, layout.POOL, layout.WORKER)
            and 0 <= int(row[layout.CONSUMER_AFTER // 8]) < 1 << consumers
            and (kind != layout.POOL or 0 <= int(row[layout.POOL_NUMBER // 8]) < pools)
            and (kind != layout.WORKER or (0 <= pool < consumers and kinds[pool] == layout.POOL))
        )
        text = names[index].tobytes().rstrip(b"\0")
        if not sound or not text or not text.isascii():
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
            raise SegmentError(f"{where}: the entry of consumer {index} at byte {at} is damaged")
    if len({name.tobytes() for name in names}) < consumers:
        raise SegmentError(f"{where}: two consumers have one name: the header is damaged")


def _write_consumer(segment: Segment, index: int, row: dict[str, Any]) -> None:
    at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
    text = row["name"].encode()
    segment.view[at + layout.CONSUMER_NAME :][: len(text)] = np.frombuffer(text, np.uint8)
    words = segment.words(at, layout.CONSUMER_BYTES // 8)
    words[layout.CONSUMER_KIND // 8] = row["kind"]
    words[layout.CONSUMER_AFTER // 8] = row["after"]
    words[layout.CONSUMER_POOL // 8] = row["pool"]
    words[layout.POOL_NUMBER // 8] = row["n"]
    if row["kind"] == layout.WORKER:
        words[0] = layout.FREE
