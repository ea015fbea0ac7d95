"""What a directory's files are kept on, and whether what was synced there outlives a power cut."""

import os
import re
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")
DEVICES = Path("/sys/dev/block")
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs", "hugetlbfs", "rootfs"}
NO_BARRIERS = {"nobarrier", "barrier=0", "barrier=none"}


class Medium(NamedTuple):
    """The file system that a directory is on; ``lost`` says why a power cut takes what was synced
    there, and is empty where nothing is known that would."""

    file_system: str
    source: str
    write_cache: str
    """The device's, as the kernel sees it: `write back`, `write through`, or empty: unknown."""
    lost: str

    @property
    def text(self) -> str:
        """The medium in words, for reports and warnings."""
        cache = f"{self.write_cache} cache" if self.write_cache else "write cache unknown"
        what = f"{self.file_system} on {self.source}"
        return f"{what}: {self.lost}" if self.lost else f"{what}, {cache}, write barriers on"


def medium_of(directory: Path, mounts: str | None = None) -> Medium:
    """Return the medium of a directory, even of one that does not exist yet. ``mounts``: a text in
    the format of /proc/self/mountinfo."""
    path = Path(os.path.realpath(directory))
    try:
        text = MOUNTS.read_text() if mounts is None else mounts
    except OSError:
        text = ""
    mount = None
    for line in text.splitlines():
        fields = line.split(" ")
        at = _plain(fields[4])
        inside = path == Path(at) or Path(at) in path.parents
        if inside and (mount is None or len(at) >= len(_plain(mount[4]))):
            mount = fields
    if mount is None:
        return Medium("an unknown file system", "an unknown device", "", "")
    dash = mount.index("-")
    file_system, source = mount[dash + 1], _plain(mount[dash + 2])
    options = {*mount[5].split(","), *mount[dash + 3].split(",")}
    upper = next((o.partition("=")[2] for o in options if o.startswith("upperdir=")), "")
    if file_system == "overlay" and os.path.isdir(upper):
        return medium_of(Path(upper), mounts)
    lost = ""
    if file_system in IN_MEMORY:
        lost = "kept in memory, which a power cut empties"
    elif options & NO_BARRIERS:
        lost = "mounted without write barriers: a sync leaves data in the device's cache"
    return Medium(file_system, source, _write_cache(mount[2]), lost)


def _plain(field: str) -> str:
    """Blanks and the like are octal numbers there."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)


def _write_cache(device: str) -> str:
    """Return the write cache of the disk, also if the file system is on a partition."""
    place = Path(os.path.realpath(DEVICES / device))
    for folder in (place, place.parent):
        try:
            return (folder / "queue" / "write_cache").read_text().strip()
        except OSError:
            continue
    return ""
