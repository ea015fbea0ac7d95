"""The note about directories that failed while the others continued.  Each counts again only when
an operator has checked its disk and asked for it (``repair`` with a copy).

After a failed sync the kernel may call pages clean that never reached the disk, and the next sync
answers with success.  So a directory that failed is not resumed by itself.
"""

import json
from pathlib import Path

from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.segment import write_whole
from openoutcry.wire.errors import JournalError

FAILED_NAME = "failed"


def read_failed(directory: Path, journal_id: int) -> dict[str, str]:
    """Return the directories that failed, by their absolute paths, and why; a note of another
    journal does not count. Raises :class:`JournalError` if the note cannot be read."""
    path = directory / FAILED_NAME
    try:
        document = json.loads(path.read_text())
        noted = {str(place): str(why) for place, why in document["failed"].items()}
        return noted if document["journal_id"] == f"{journal_id:016x}" else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(
            f"{path}: which directories failed cannot be read: {error}: check their disks, then "
            "remove it"
        ) from None


def note_failed(directory: Path, journal_id: int, place: Path, why: str, disk: Disk = REAL) -> None:
    """Note in ``directory`` that ``place`` failed; durable on return, raises ``OSError``."""
    noted = read_failed(directory, journal_id)
    _write(directory, journal_id, {**noted, str(place.absolute()): why}, disk)


def forget_failed(directory: Path, journal_id: int, places: set[str], disk: Disk = REAL) -> None:
    """Take ``places`` from the note in ``directory``; durable on return, raises ``OSError``."""
    noted = read_failed(directory, journal_id)
    remaining = {place: why for place, why in noted.items() if place not in places}
    if remaining:
        _write(directory, journal_id, remaining, disk)
    else:
        disk.unlink(directory / FAILED_NAME)
        disk.sync_directory(directory)


def _write(directory: Path, journal_id: int, noted: dict[str, str], disk: Disk) -> None:
    document = {"journal_id": f"{journal_id:016x}", "failed": noted}
    write_whole(directory / FAILED_NAME, json.dumps(document, indent=1).encode(), disk)
