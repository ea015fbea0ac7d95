"""The stream store: every sequenced message of a session, by number, in one mapped file.

    header   4,096 bytes: the words below
    index    16 bytes an entry, from entry 0 (of nothing): where it ends, and the event it reports
    data     the messages as they go on the wire, one after the other

The file is sparse and mapped by every process of the run: what a process wrote survives its death
in the page cache. The file is only a copy of what the journal yields: after a power cut it is
rebuilt, and its remaining parts are compared byte for byte (:func:`append`).
"""

import ctypes
import mmap
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from blake3 import blake3

from openoutcry.wire import OutcryError
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Bytes, Layout, i64
from openoutcry.wire.memory import load_i64, store_i64, store_release

HEADER_BYTES = 4096
STREAM_MAGIC = int.from_bytes(b"OUTCRYSS", "little")


class StreamHeader(Layout, size_bytes=4096):
    """The header."""

    magic: int = i64("STREAM_MAGIC")
    identity: int = i64("of the journal whose stream it is")
    entries: int = i64("entries that fit")
    data_bytes: int = i64("bytes of data that fit")
    count: int = i64("entries that are there")
    head: int = i64(
        "entries that this run has made or made again; fewer only for a while after a start"
    )
    different: int = i64("entries that were not what the journal gave")


MAGIC = StreamHeader.offset("magic")
COUNT = StreamHeader.offset("count")
HEAD = StreamHeader.offset("head")
DIFFERENT = StreamHeader.offset("different")

ENTRY_BYTES = 16


class StreamEntry(Layout, size_bytes=16):
    """An entry of the index."""

    end: int = i64("where its data ends")
    event: int = i64("event that it reports")


MAX_ENTRIES = 1 << 24
MAX_DATA_BYTES = 1 << 31


class StreamError(OutcryError):
    """A file is not a stream store, or that of another session."""


@kernel
def entry_end(stream: int, number: int) -> int:
    """Offset after entry ``number`` in the data; of entry 0: 0. ``stream``: address of the
    store."""
    return StreamEntry(stream + HEADER_BYTES + ENTRY_BYTES * number).end


@kernel
def entry_event(stream: int, number: int) -> int:
    """The event that caused message ``number`` of the stream."""
    return StreamEntry(stream + HEADER_BYTES + ENTRY_BYTES * number).event


@kernel
def data_address(stream: StreamHeader) -> int:
    """Address of the messages' bytes."""
    return stream + HEADER_BYTES + ENTRY_BYTES * stream.entries


@kernel
def head_end(stream: StreamHeader) -> int:
    """Bytes of the stream so far."""
    return entry_end(stream, stream.head)


@kernel
def is_nearly_full(stream: StreamHeader, part: int) -> bool:
    """Less than one ``part``-th of the store's entries, or of its bytes, is left."""
    entries, size = stream.entries, stream.data_bytes
    head = stream.head
    return head > entries - entries // part or entry_end(stream, head) > size - size // part


@kernel
def copy_bytes(to: int, source: int, size: int) -> None:
    """Copy ``size`` bytes from the address ``source`` to ``to``; the two do not overlap."""
    whole = size & ~7
    for offset in range(0, whole, 8):
        store_i64(to + offset, load_i64(source + offset))
    for offset in range(whole, size):
        Bytes(to)[offset] = Bytes(source)[offset]


@kernel
def same_bytes(one: int, other: int, size: int) -> bool:
    """Return whether ``size`` bytes at two addresses are equal."""
    offset = 0
    while offset < size and Bytes(one)[offset] == Bytes(other)[offset]:
        offset += 1
    return offset == size


@kernel
def append(stream: StreamHeader, message: int, size: int, event_seq: int) -> int:
    """Add a message; returns its number, or 0 if the store is full.

    After a start the existing entries are made again: an equal one stays untouched, the first
    different one truncates the rest.
    """
    number = stream.head + 1
    begin = entry_end(stream, number - 1)
    at = data_address(stream) + begin
    if VERIFY:
        assert number - 1 <= stream.count, "the head is an entry that is there"
        assert begin <= stream.data_bytes, "the entries end within the data"
        assert size > 0, "every entry has bytes: its end says where it begins"
        assert event_seq >= entry_event(stream, number - 1), "a stream reports events in order"
    if number <= stream.count:
        if (
            entry_end(stream, number) == begin + size
            and entry_event(stream, number) == event_seq
            and same_bytes(at, message, size)
        ):
            stream.head = number
            return number
        stream.different += 1
        store_release(stream + COUNT, number - 1)
    if number >= stream.entries or begin + size > stream.data_bytes:
        return 0
    if VERIFY:
        assert stream.count == number - 1, "no existing entry is overwritten"
    copy_bytes(at, message, size)
    entry = StreamEntry(stream + HEADER_BYTES + ENTRY_BYTES * number)
    entry.end = begin + size
    entry.event = event_seq
    store_release(stream + COUNT, number)
    stream.head = number
    return number


def map_file(path: Path | None, size: int, what: str) -> mmap.mmap:
    """A sparse file of ``size`` bytes, created or resumed, mapped for every process of the run;
    ``path`` None keeps it in memory.

    Raises :class:`StreamError` naming the file if it has another size, or cannot be.
    """
    if path is None:
        fd = os.memfd_create(what.replace(" ", "-"))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        file_size = os.fstat(fd).st_size
        if file_size not in (0, size):
            raise StreamError(f"{path} is not a {what}: it has {file_size} bytes, not {size}")
        os.truncate(fd, size)
        return mmap.mmap(fd, size)
    except OSError as error:
        raise StreamError(f"{path}: {error.strerror}") from error
    finally:
        os.close(fd)


class Stream:
    """One session's store, created or resumed; ``path`` None keeps it in memory."""

    def __init__(
        self,
        path: Path | None,
        identity: int,
        entries: int = MAX_ENTRIES,
        data_bytes: int = MAX_DATA_BYTES,
        follows: bool = False,
    ) -> None:
        """``identity``: a word that only this session's store of this journal has; ``follows``:
        only look at what another process writes.

        Raises :class:`StreamError` naming the file if it is something else.
        """
        self.path = path
        size = HEADER_BYTES + ENTRY_BYTES * entries + data_bytes
        self._map = map_file(path, size, "stream store")
        if path is None:
            # Measured: first touches of small pages were a sixth of the sessions stage's time.
            with suppress(OSError):
                self._map.madvise(mmap.MADV_HUGEPAGE)
        self._words = np.frombuffer(self._map, np.int64, HEADER_BYTES // 8)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._index = np.frombuffer(self._map, np.int64, 2 * entries, HEADER_BYTES)
        self._header = (STREAM_MAGIC, identity, entries, data_bytes)
        if self[MAGIC] == 0:
            self._words[:4] = self._header
        elif tuple(self._words[:4].tolist()) != self._header:
            raise StreamError(f"{path} is the stream store of another journal")
        if not follows:
            self.begin()

    def __getitem__(self, word: int) -> int:
        return int(self._words[word // 8])

    def begin(self, count: int = 0) -> None:
        """Everything after the first ``count`` entries, which are right, will be made again."""
        self._words[HEAD // 8], self._words[DIFFERENT // 8] = count, 0

    def stand_behind(self, count: int, end: int) -> None:
        """Continue after ``count`` entries of ``end`` bytes, which are not here: for a store in
        memory that follows another store."""
        assert self.path is None
        self._map.madvise(mmap.MADV_REMOVE)
        self._words[:4] = self._header
        self._words[COUNT // 8] = self._words[HEAD // 8] = count
        self._index[2 * count] = end

    def digest_of(self, count: int) -> str:
        """BLAKE3 of the first ``count`` entries, events and bytes."""
        hashed = blake3(memoryview(self._map)[HEADER_BYTES:][: ENTRY_BYTES * (count + 1)])
        at = int(data_address(StreamHeader.of(self.address))) - self.address
        hashed.update(memoryview(self._map)[at : at + int(entry_end(self.address, count))])
        return hashed.hexdigest()

    def entry_end(self, count: int) -> int:
        """Bytes of the first ``count`` entries."""
        return int(entry_end(self.address, count))

    @property
    def places(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Address and bytes of the index, and of the messages."""
        index = self.address + HEADER_BYTES
        _, _, entries, data_bytes = self._header
        data = index + ENTRY_BYTES * entries
        return (index, ENTRY_BYTES * entries), (data, data_bytes)

    @property
    def used(self) -> tuple[int, int]:
        """Bytes of both that have been written."""
        count = self[COUNT]
        return ENTRY_BYTES * (count + 1), int(self._index[2 * count])

    @property
    def count(self) -> int:
        """Messages that were appended."""
        return self[HEAD]

    def entry(self, number: int) -> tuple[bytes, int]:
        """The message ``number`` and the event that it reports."""
        if not 1 <= number <= self[COUNT]:
            raise IndexError(number)
        begin, end = entry_end(self.address, number - 1), entry_end(self.address, number)
        at = int(data_address(StreamHeader.of(self.address))) - self.address
        return self._map[at + begin : at + end], int(entry_event(self.address, number))

    def sync(self) -> None:
        """Write the stream to its file."""
        self._map.flush()
