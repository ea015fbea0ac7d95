"""The country of a network address, from a file in MaxMind's format (mmdb) that the operator
gives: GeoLite2 Country, DB-IP, IPinfo and others.

The file may be replaced while the portal runs.  One that cannot be read then is reported once, and
the one before stays in force.
"""

import itertools
import logging
import time
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need

LOOK_S = 10.0
"""Seconds between two looks whether the file was replaced."""
MOST_KNOWN = 65_536
"""Addresses whose country is remembered."""
SAMPLE = 1_000
"""Records, one of which at least has a country: a file of other facts is a mistake."""
log = logging.getLogger("outcry.portal")


class CountriesError(OutcryError):
    """The file is missing, broken or has no countries."""


class Countries:
    """Countries of addresses, as the file says now."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`CountriesError`."""
        self.path = path
        self._known: dict[str, str] = {}
        self._look_s = time.monotonic() + LOOK_S
        self._failed: tuple[int, ...] = ()
        self._stamp, self._reader = self._read()

    def of(self, address: str) -> str:
        """Two letters of ISO 3166; nothing: the file does not say."""
        if time.monotonic() >= self._look_s:
            self._look()
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[address] = self._asked(address)
        return found

    def _asked(self, address: str) -> str:
        try:
            return country_of(self._reader.get(address.partition("%")[0]))
        except (ValueError, RuntimeError):  # of IPv6 in a file of IPv4, or a damaged record
            return ""

    def _look(self) -> None:
        """Take the file if it is another one by now."""
        self._look_s = time.monotonic() + LOOK_S
        stamp: tuple[int, ...] = ()
        try:
            stamp = self._stamped()
            if stamp in (self._stamp, self._failed):
                return
            self._stamp, self._reader = self._read()
            self._known.clear()
            self._failed = ()
            log.info("%s: read again", self.path)
        except CountriesError as error:
            if not self._failed:
                log.error("%s; the file before it stays in force", error)
            self._failed = stamp or (-1,)

    def _stamped(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise CountriesError(f"{self.path}: cannot be read: {error.strerror}") from None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> tuple[tuple[int, ...], Any]:
        """In memory: a mapped file that is overwritten in place would end the process."""
        maxminddb = need("maxminddb", "countries of addresses need maxminddb", "portal")
        stamp = self._stamped()
        try:
            reader = maxminddb.open_database(str(self.path), maxminddb.MODE_MEMORY)
            sample = [record for _, record in itertools.islice(reader, SAMPLE)]
        except OSError as error:
            raise CountriesError(f"{self.path}: cannot be read: {error.strerror}") from None
        except (maxminddb.InvalidDatabaseError, ValueError, LookupError, RecursionError):
            raise CountriesError(f"{self.path}: is not an mmdb file, or is damaged") from None
        if not any(map(country_of, sample)):
            kind = reader.metadata().database_type
            raise CountriesError(f"{self.path}: has no countries: it is of the type {kind!r}")
        return stamp, reader


def country_of(record: Any) -> str:
    """As GeoLite2 and DB-IP (``country.iso_code``) or IPinfo (``country_code``) name it."""
    if not isinstance(record, dict):
        return ""
    found = record.get("country_code") or record.get("country")
    if isinstance(found, dict):
        found = found.get("iso_code")
    return found if isinstance(found, str) and len(found) == 2 else ""
