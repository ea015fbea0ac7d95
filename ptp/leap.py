"""TAI, UTC and the leap seconds between them.

The list is IERS' ``leap-seconds.list`` of the system's tzdata (its SHA-1 is checked), or the
``leapseconds`` of the PyPI package tzdata: the one that reaches further ahead.  UTC is counted as
POSIX does.  A day has 86,400 seconds, so the inserted second 23:59:60 has the numbers of 23:59:59
again.  TAI has no such holes, so everything here is kept in TAI.
"""

import bisect
import calendar
import hashlib
import re
import time
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from pathlib import Path

from openoutcry.wire import OutcryError
from openoutcry.wire.records import MAX_VALUE

SYSTEM_LIST = Path("/usr/share/zoneinfo/leap-seconds.list")
NTP_EPOCH_S = 2_208_988_800
"""1970-01-01 in seconds since 1900-01-01."""
FIRST_OFFSET_S = 10
"""TAI minus UTC on 1972-01-01, when leap seconds began."""
FIRST_UTC_S = 63_072_000
SECOND_NS = 1_000_000_000
SMEAR_NS = 86_400 * SECOND_NS
"""A smear takes from noon to noon around the leap (as Google's and Amazon's time services do)."""
SMEAR_POLL_S = 1024
"""The longest that chrony and ntpd wait between two questions unless configured otherwise."""


@dataclass
class Announcements:
    """The leap seconds that sources announce now, next to those of the list.

    An announcement ends when it is withdrawn.  One that is still there when its second comes has
    happened if the list ends before it.  If the list reaches further and has another leap, or none,
    UTC is that much less well known, and so where two sources announce different ones.  That ends
    with the announcement, or after its second with a source that states the list's offset.
    """

    table: "LeapTable"
    """The list, and the leaps announced that have happened."""
    steps: frozenset[int] = frozenset()
    midnight_utc_s: int = 0
    """Of the UTC day at whose end the announced leap is."""
    disputed_s: int = 0
    """How many seconds UTC may be off for what is disputed."""
    _outlasted_s: int = 0
    _over: frozenset[int] = frozenset()

    def update(self, tai_ns: int, steps: frozenset[int], offset_s: int | None) -> None:
        """Take what is announced at ``tai_ns``: 1 a second more, -1 less, by any source;
        ``offset_s``: the TAI - UTC that the source in use states, None without."""
        if self.steps and self.table.utc_of(tai_ns) // SECOND_NS >= self.midnight_utc_s:
            self._outlasted_s = self._contradicted_s()
            if not self._outlasted_s:
                self.table = self.in_force
            self._over = self.steps
        if offset_s == self.table.offset_at(tai_ns):
            self._outlasted_s = 0
        self._over &= steps  # not withdrawn yet after its second: not one of the next midnight
        self.steps, self.midnight_utc_s = steps - self._over, self.table.midnight_after(tai_ns)
        self.disputed_s = max(self._outlasted_s, self._contradicted_s())

    @property
    def in_force(self) -> "LeapTable":
        """The list with the leap that is announced, unless something contradicts it."""
        if not self.steps or self._contradicted_s():
            return self.table
        before_ns = (self.midnight_utc_s - 1 + self.table.offset_s[-1]) * SECOND_NS
        return self.table.announced(before_ns, 1 in self.steps, -1 in self.steps)

    def _contradicted_s(self) -> int:
        listed = self.table.step_at(self.midnight_utc_s)
        reaches = self.table.expires_utc_s > self.midnight_utc_s or listed != 0
        if not reaches and len(self.steps) == 1:
            return 0
        return max((abs(step - listed) for step in self.steps), default=0)


class LeapListError(OutcryError):
    """A list of leap seconds cannot be read or is damaged."""


@dataclass(frozen=True)
class LeapTable:
    """``utc_s[i]``: POSIX second from which TAI minus UTC is ``offset_s[i]``; ascending."""

    utc_s: tuple[int, ...]
    offset_s: tuple[int, ...]
    expires_utc_s: int
    source: str

    def __post_init__(self) -> None:
        steps = [b - a for a, b in zip(self.offset_s, self.offset_s[1:], strict=False)]
        ascending = all(a < b for a, b in zip(self.utc_s, self.utc_s[1:], strict=False))
        if not self.utc_s or not ascending or not set(steps) <= {1, -1}:
            raise LeapListError(f"{self.source}: the offsets do not change by one second at a time")

    @cached_property
    def leaps_tai_ns(self) -> list[int]:
        """TAI at which each offset but the first begins: the start of an inserted second, or of
        the second that would have been left out."""
        pairs = zip(self.utc_s[1:], self.offset_s, self.offset_s[1:], strict=False)
        return [(utc_s + min(old, new)) * SECOND_NS for utc_s, old, new in pairs]

    def offset_at(self, tai_ns: int) -> int:
        """TAI minus UTC, s.  Raises :class:`LeapListError` before 1972."""
        if tai_ns < (self.utc_s[0] + self.offset_s[0]) * SECOND_NS:
            raise LeapListError(f"{tai_ns} ns TAI is before leap seconds began")
        return self.offset_s[bisect.bisect_right(self.leaps_tai_ns, tai_ns)]

    def next_leap(self, tai_ns: int) -> tuple[int, int]:
        """The first change after ``tai_ns``: its TAI and the offset from then on; (MAX_VALUE, the
        present offset) if none is known."""
        leaps = self.leaps_tai_ns
        index = bisect.bisect_right(leaps, tai_ns)
        if index == len(leaps):
            return MAX_VALUE, self.offset_s[-1]
        return leaps[index], self.offset_s[index + 1]

    def utc_of(self, tai_ns: int) -> int:
        """POSIX ns; an inserted second repeats the numbers of the one before."""
        return tai_ns - self.offset_at(tai_ns) * SECOND_NS

    def in_inserted_second(self, tai_ns: int) -> bool:
        """Return whether UTC reads 23:59:60."""
        leaps = self.leaps_tai_ns
        index = bisect.bisect_right(leaps, tai_ns) - 1
        grew = index >= 0 and self.offset_s[index + 1] > self.offset_s[index]
        return grew and tai_ns < leaps[index] + SECOND_NS

    def tai_of(self, utc_ns: int) -> int:
        """TAI of a POSIX time in ns.  Of the two moments that an inserted second gives one number
        the first; a number that was left out counts as the end of the second before."""
        index = bisect.bisect_right(self.utc_s, utc_ns // SECOND_NS) - 1
        if index < 0:
            raise LeapListError(f"{utc_ns} ns UTC is before leap seconds began")
        tai_ns = utc_ns + self.offset_s[index] * SECOND_NS
        if index + 1 < len(self.utc_s) and self.offset_s[index + 1] < self.offset_s[index]:
            return min(tai_ns, self.leaps_tai_ns[index])
        return tai_ns

    def smeared_of(self, tai_ns: int) -> int:
        """POSIX ns of a clock that spreads each leap evenly from noon to noon."""
        for start, length, start_utc in self._smears:
            if start <= tai_ns < start + length:
                return start_utc + (tai_ns - start) * SMEAR_NS // length
        return self.utc_of(tai_ns)

    def tai_of_smeared(self, smeared_ns: int) -> int:
        """TAI of the moment at which a smearing clock reads ``smeared_ns``."""
        for start, length, start_utc in self._smears:
            if start_utc <= smeared_ns < start_utc + SMEAR_NS:
                return start + -(-(smeared_ns - start_utc) * length // SMEAR_NS)
        return self.tai_of(smeared_ns)

    def smear_error_ns(self, tai_ns: int) -> int:
        """Return how far a client of a smearing server may be behind its smear.  It asks at
        least every :data:`SMEAR_POLL_S`, and learns an answer later that the rate has changed. 0
        unless a smear is in progress or has just ended."""
        if self.leap_near(tai_ns) is None:
            return 0
        return 2 * SMEAR_POLL_S * SECOND_NS // (SMEAR_NS // SECOND_NS - 1) + 1

    def leap_near(self, tai_ns: int) -> int | None:
        """The leap (TAI ns of :attr:`leaps_tai_ns`) that servers may be smearing at that moment, or
        may have until just before; None without one."""
        late_ns = 2 * SMEAR_POLL_S * SECOND_NS
        for leap, (start, length, _) in zip(reversed(self.leaps_tai_ns), self._smears, strict=True):
            if start <= tai_ns < start + length + late_ns:
                return leap
        return None

    @cached_property
    def _smears(self) -> list[tuple[int, int, int]]:
        """Start (TAI ns), length (TAI ns) and start (UTC ns) of every smear, the latest first."""
        smears = []
        for utc_s, old, new in zip(self.utc_s[1:], self.offset_s, self.offset_s[1:], strict=False):
            start_utc = utc_s * SECOND_NS - SMEAR_NS // 2
            length = SMEAR_NS + (new - old) * SECOND_NS
            smears.append((start_utc + old * SECOND_NS, length, start_utc))
        return smears[::-1]

    def text(self, tai_ns: int) -> str:
        """UTC as ``2016-12-31T23:59:60.000000000Z``."""
        utc_ns = self.utc_of(tai_ns)
        seconds, nanos = divmod(utc_ns, SECOND_NS)
        shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        if self.in_inserted_second(tai_ns):
            shown = shown[:-2] + "60"
        return f"{shown}.{nanos:09d}Z"

    def announced(self, tai_ns: int, insert: bool, delete: bool) -> "LeapTable":
        """The table with the leap at the end of this UTC day that a source announces, if the list
        does not have it already."""
        midnight = self.midnight_after(tai_ns)
        if insert == delete or self.utc_s[-1] >= midnight:
            return self
        offset = self.offset_s[-1] + (1 if insert else -1)
        return LeapTable(
            (*self.utc_s, midnight),
            (*self.offset_s, offset),
            self.expires_utc_s,
            f"{self.source} and the source's announcement",
        )

    def midnight_after(self, tai_ns: int) -> int:
        """POSIX second at which the UTC day of this moment ends."""
        return (self.utc_of(tai_ns) // SECOND_NS // 86_400 + 1) * 86_400

    def step_at(self, midnight_utc_s: int) -> int:
        """By how many seconds the list changes the offset at that POSIX second: 1, 0 or -1."""
        if midnight_utc_s not in self.utc_s[1:]:
            return 0
        index = self.utc_s.index(midnight_utc_s)
        return self.offset_s[index] - self.offset_s[index - 1]


def load_table(path: Path | None = None) -> LeapTable:
    """The table of ``path``, or the best of the machine's.  Raises :class:`LeapListError`."""
    if path is not None:
        return parse_list(_read(path), str(path))
    tables = []
    if SYSTEM_LIST.exists():
        tables.append(_list_as_it_is(SYSTEM_LIST, SYSTEM_LIST.stat().st_mtime_ns))
    tables.append(_packaged_table())
    return max(tables, key=lambda table: table.expires_utc_s)


@cache
def _packaged_table() -> LeapTable:
    packaged = resources.files("tzdata") / "zoneinfo" / "leapseconds"
    return parse_zic(packaged.read_text(), "PyPI tzdata, leapseconds")


@lru_cache(1)
def _list_as_it_is(path: Path, changed_ns: int) -> LeapTable:
    """Read once, and again when it has changed: a page checks the clock every second."""
    return parse_list(_read(path), str(path))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError as error:
        raise LeapListError(f"cannot read {path}: {error.strerror}") from error


def parse_list(text: str, where: str) -> LeapTable:
    """``leap-seconds.list``.  Raises :class:`LeapListError` naming file and line, also for a hash
    that does not fit."""
    rows: list[tuple[int, int]] = []
    hashed, expires, found_hash = "", 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("#$", "#@")):
            hashed += "".join(line[2:].split())
            if line[1] == "@":
                expires = _number(line[2:], where, number) - NTP_EPOCH_S
        elif line.startswith("#h"):
            found_hash = "".join(part.zfill(8) for part in line[2:].split())
        elif line.strip() and not line.startswith("#"):
            words = line.split("#")[0].split()
            if len(words) != 2:
                raise LeapListError(f"{where}, line {number}: {line!r} is not two numbers")
            hashed += "".join(words)
            seconds, offset = (_number(word, where, number) for word in words)
            rows.append((seconds - NTP_EPOCH_S, offset))
    digest = hashlib.sha1(hashed.encode(), usedforsecurity=False).hexdigest()
    if digest != found_hash:
        raise LeapListError(f"{where}: its hash is {digest}, and it says {found_hash or 'nothing'}")
    return LeapTable(tuple(r[0] for r in rows), tuple(r[1] for r in rows), expires, where)


def parse_zic(text: str, where: str) -> LeapTable:
    """``leapseconds`` as zic(8) reads it, with the ``#expires`` line of tzdata."""
    utc_s, offsets, expires = [FIRST_UTC_S], [FIRST_OFFSET_S], 0
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"#expires (\d+)", line):
            expires = int(match[1])
        elif line.startswith("Leap"):
            words = line.split()
            try:
                day = time.strptime(" ".join(words[1:4]), "%Y %b %d")
                step = {"+": 1, "-": -1}[words[5]]
            except (ValueError, KeyError, IndexError):
                raise LeapListError(f"{where}, line {number}: {line!r}") from None
            utc_s.append(calendar.timegm(day) + 86_400)
            offsets.append(offsets[-1] + step)
    return LeapTable(tuple(utc_s), tuple(offsets), expires, where)


def _number(word: str, where: str, line: int) -> int:
    try:
        return int(word)
    except ValueError:
        raise LeapListError(f"{where}, line {line}: {word.strip()!r} is not a number") from None
