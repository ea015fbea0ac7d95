"""The venue's log: lines of JSON in a folder next to its journal's.

Lines have one schema, Elastic Common Schema 8 (https://www.elastic.co/guide/en/ecs/current/).
Shippers for Elasticsearch or Loki take the file as it is.

The field ``event.sequence`` is the last command that was sequenced when the line was written: it
places the line in the journal.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, BinaryIO

from openoutcry.wire.private_folder import require_ours

MAX_BYTES, KEPT = 16 << 20, 8
"""The size of a file of the log, and how many finished files are kept."""
ECS_VERSION = "8.11"
FILE_NAME = "venue.jsonl"


def log_folder(journal: Path) -> Path:
    """The folder of the log of the venue with this journal."""
    return journal.with_name(journal.name + ".log")


class VenueLog:
    """Writes the log; a line is whole or not there."""

    def __init__(
        self, journal: Path, venue: str, sequence: Callable[[], int], name: str = FILE_NAME
    ) -> None:
        """``sequence`` gives the last command's number.  Raises ``OSError`` if the folder cannot be
        made, or if it is there and others may write to it."""
        folder = log_folder(journal)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_ours(folder)
        self.venue, self.sequence = venue, sequence
        self._handler = RotatingFileHandler(
            folder / name, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8"
        )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, level: str, message: str) -> None:
        """``level``: debug, info or error."""
        line = {
            "@timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "log.level": level,
            "message": message,
            "ecs.version": ECS_VERSION,
            "service.name": "openoutcry",
            "service.node.name": self.venue,
            "process.pid": os.getpid(),
            "event.sequence": self.sequence(),
        }
        record = logging.makeLogRecord({"msg": json.dumps(line), "levelno": logging.INFO})
        self._handler.emit(record)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def log_lines(journal: Path, but: int = 0, name: str = FILE_NAME) -> Iterator[dict[str, Any]]:
    """Every line that is kept, the oldest first, without those of the file with inode ``but``; one
    that a power cut tore is left out."""
    for path in sorted(log_folder(journal).glob(name + "*"), key=_age, reverse=True):
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_ino != but:
                    yield from _parsed(file.read().split(b"\n"))
        except FileNotFoundError:
            continue  # rotated away meanwhile


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)


def _age(path: Path) -> int:
    suffix = path.suffix.removeprefix(".")
    return int(suffix) if suffix.isdigit() else 0


def follow_lines(
    journal: Path, last: int | None = None, name: str = FILE_NAME
) -> Iterator[dict[str, Any] | None]:
    """The last lines that are kept (None: all), then each new line, also after a rotation.  Gives
    None while no new line is there.  Raises ``FileNotFoundError`` if there is no log."""
    path = log_folder(journal) / name
    held = path.open("rb")
    *whole, rest = held.read().split(b"\n")
    kept = [*log_lines(journal, os.fstat(held.fileno()).st_ino, name), *_parsed(whole)]
    yield from kept[max(0, len(kept) - last) :] if last is not None else kept
    try:
        while True:
            turned = not _is(path, held)  # asked first: what is read then is all there will be
            *whole, rest = (rest + held.read()).split(b"\n")
            yield from _parsed(whole)
            if turned and path.exists():
                held.close()
                held, rest = path.open("rb"), b""
            else:
                yield None
    finally:
        held.close()


def _is(path: Path, held: BinaryIO) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(held.fileno()).st_ino
    return False
