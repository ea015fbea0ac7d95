"""What the tests of journal faults in several tiers share."""

from pathlib import Path
from typing import Any

from openoutcry.journal import Disk, Journal, JournalReader
from openoutcry.wire.errors import OutcryError

SECTOR = 4096


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


class FailingDisk(Disk):
    """The real disk, one of whose calls, counted from 0, fails without doing anything."""

    def __init__(self, fails_at: int, error: int) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.error = error

    def _call(self) -> None:
        self.calls += 1
        if self.calls - 1 == self.fails_at:
            raise OSError(self.error, "injected")

    def open(self, path: Path, flags: int) -> int:
        self._call()
        return super().open(path, flags)

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        self._call()
        return super().write(fd, data, offset, durable)

    def datasync(self, fd: int) -> None:
        self._call()
        super().datasync(fd)

    def sync(self, fd: int) -> None:
        self._call()
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._call()
        super().truncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self._call()
        super().rename(old, new)

    def sync_directory(self, path: Path) -> None:
        self._call()
        super().sync_directory(path)


def flip_every(directory: Path, image: bytes, bits: Any, orders: Any, total: int) -> int:
    """Flip each bit alone; counts those that neither reader nor watermark found."""
    path = directory / "segment-000000.ocj"
    undetected = 0
    with path.open("r+b") as file:
        for bit in bits:
            at = int(bit) // 8
            file.seek(at)
            file.write(bytes([image[at] ^ 1 << int(bit) % 8]))
            file.flush()
            try:
                reader = JournalReader(directory)
                data = b"".join(chunk.tobytes() for _, chunk in reader.chunks())
                assert data == orders(1, len(data) // 64).tobytes(), "a wrong record was served"
                undetected += reader.torn is None
            except OutcryError:
                pass
            file.seek(at)
            file.write(image[at : at + 1])
            file.flush()
    assert read_all(directory) == orders(1, total).tobytes()
    return undetected


def stretch(directory: Path, orders: Any) -> bytes:
    """A journal of one segment of exactly 64 KiB, whole, its end acknowledged."""
    writer = Journal.create(directory, {"seed": 1}, segment_bytes=16 * SECTOR)
    for count in (62, 500, 62, 62, 62, 62, 120):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=True)
    writer.abandon()
    image = (directory / "segment-000000.ocj").read_bytes()
    assert len(image) == 64 << 10
    return image
