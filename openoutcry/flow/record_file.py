"""Order commands as they are in memory: a file of 64-byte order records and nothing else."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.tape.files import Progress, checked_file, file_error
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import MAX_INSTRUMENTS, ORDER_DTYPE, RECORD_BYTES, make_instruments

NEED_NO_SYMBOL = [
    int(kind) for kind in (CommandKind.MASS_CANCEL, CommandKind.DISCONNECT, CommandKind.TIME)
]


class RecordFile:
    """A file that :func:`write_records` wrote.

    The instruments are the symbols found in it, in the order of their first command, with
    unlimited prices and sizes.  Raises :class:`FlowError` for a file that is missing, empty, cut
    short or foreign (a kind no command has, a symbol that is not text): naming the byte.
    """

    def __init__(self, path: str | Path, progress: Progress | None = None) -> None:
        self.path = checked_file(path, raw=True)
        self.name = f"order records {self.path.name}"
        self.account: dict[str, int] = {}
        self._progress = progress
        self._size_bytes = self.path.stat().st_size
        if self._size_bytes % RECORD_BYTES:
            raise FlowError(
                f"{self.path}: {self._size_bytes} bytes are not whole {RECORD_BYTES}-byte "
                f"records; the last one is cut at byte {self._size_bytes}"
            )
        self.count_hint: int | None = self._size_bytes // RECORD_BYTES
        self.instruments = self._find_instruments()

    def chunks(self) -> Iterator[Array]:
        """Yield the records as they are, ``seq``, ``rx_ts_ns`` and ``error_code`` set to 0."""
        counts = np.zeros(256, dtype=np.int64)
        done = 0
        for chunk in self._read():
            for name in ("seq", "rx_ts_ns", "error_code"):
                chunk[name] = 0
            counts += np.bincount(chunk["kind"], minlength=256)
            done += len(chunk)
            self.account = {k.name.lower(): int(counts[k]) for k in CommandKind if counts[k]}
            if self._progress:
                self._progress(done * RECORD_BYTES, self._size_bytes)
            yield chunk

    def _read(self) -> Iterator[Array]:
        try:
            with self.path.open("rb") as file:
                while data := file.read(CHUNK_ORDERS * RECORD_BYTES):
                    yield np.frombuffer(bytearray(data), dtype=ORDER_DTYPE)
        except OSError as error:
            raise file_error(self.path, error) from error

    def _find_instruments(self) -> Array:
        known: dict[bytes, None] = {}
        at = 0
        kinds = [int(kind) for kind in CommandKind]
        for chunk in self._read():
            wrong = np.flatnonzero(~np.isin(chunk["kind"], kinds))
            if len(wrong):
                row = int(wrong[0])
                raise FlowError(
                    f"{self.path}: record at byte {(at + row) * RECORD_BYTES} has the kind "
                    f"{int(chunk['kind'][row])}, which no command has: not a file of order records"
                )
            named = np.flatnonzero(
                ~(np.isin(chunk["kind"], NEED_NO_SYMBOL) & (chunk["symbol"] == b""))
            )
            symbols, first = np.unique(chunk["symbol"][named], return_index=True)
            first = named[first]
            for number in np.argsort(first):
                symbol = bytes(symbols[number])
                if symbol in known:
                    continue
                if not symbol or any(not 0x21 <= c <= 0x7E for c in symbol):
                    raise FlowError(
                        f"{self.path}: record at byte {(at + int(first[number])) * RECORD_BYTES} "
                        f"has the symbol {symbol!r}: not a file of order records"
                    )
                known[symbol] = None
                if len(known) > MAX_INSTRUMENTS:
                    raise FlowError(f"{self.path}: more than {MAX_INSTRUMENTS} symbols")
            at += len(chunk)
        return make_instruments(known)


def write_records(path: str | Path, chunks: Iterable[Array]) -> int:
    """Write ``ORDER_DTYPE`` arrays to ``path`` and return how many records there were.

    The file appears under its name when it is whole; on an error no file is left.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    count = 0
    try:
        with partial.open("wb") as file:
            for chunk in chunks:
                if chunk.dtype != ORDER_DTYPE:
                    raise FlowError(
                        f"{target}: an array of {chunk.dtype} is not an array of orders"
                    )
                file.write(np.ascontiguousarray(chunk).tobytes())
                count += len(chunk)
        partial.replace(target)
    except OSError as error:
        raise file_error(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return count
