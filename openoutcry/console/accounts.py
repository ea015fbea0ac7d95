"""Logins: sessions with an expiry, attempts that are slowed down, tokens against forgery.

A session's cookie and its CSRF token are random; only the cookie's hash is kept.  No password is.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from openoutcry.venue.operators import OperatorError
from openoutcry.wire import OutcryError
from openoutcry.wire.peers import owner_of

SESSION_S, IDLE_S = 12 * 3_600.0, 1_800.0
"""A session ends this long after its login, and this long after its user last did something."""
MAX_SESSIONS, MAX_EACH, MAX_NAMES = 4_096, 32, 4_096
"""Sessions in all, and of one name, whose oldest ends for one more; names whose failures are
kept."""
MOST_ANYWHERE = 100
"""Failures of a name from all addresses together (NIST SP 800-63B, 5.2.2: no more than 100)."""
TOKEN_BYTES = 32


class LockedError(OutcryError):
    """Too many logins failed; ``wait_s`` until the next one is heard."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failed logins; wait {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass
class Session:
    """One login."""

    number: int
    name: str
    role: str
    begun_s: float
    seen_s: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    ticket: str = ""
    """The desk's name of this operator; '' while the desk does not."""
    margins_read: set[int] = field(default_factory=set)
    """Participants whose margin this session has read."""


@dataclass
class _Failures:
    count: int = 0
    locked_until_s: float = 0.0


class Known(Protocol):
    """An operator or a participant: a name and a role."""

    @property
    def name(self) -> str:
        """Unique within the venue; messages and logs show it."""

    @property
    def role(self) -> str:
        """The user's role."""


class Knowing(Protocol):
    """Proves a user's identity: a venue's operators, or its participants."""

    def prove(self, name: str, password: str, code: str = "") -> int:
        """The user's number.  Raises :class:`OperatorError` if name, password or code are wrong."""

    def __getitem__(self, number: int) -> Known: ...


class Accounts:
    """The sessions of the operators, or of the participants, of one venue.

    Any thread may ask: passwords are checked in threads, as that takes its time.
    """

    def __init__(
        self,
        operators: Knowing,
        failures_before_lock: int,
        lock_s: float,
        clock: Callable[[], float] = time.monotonic,
        reading_counts: bool = False,
    ) -> None:
        """``reading_counts``: a page that is only open does not idle out."""
        self.operators, self.clock, self.reading_counts = operators, clock, reading_counts
        self.failures_before_lock, self.lock_s = failures_before_lock, lock_s
        self._sessions: dict[bytes, Session] = {}
        self._failures: dict[tuple[str, ...], _Failures] = {}
        self._lock = threading.Lock()

    def prove(self, name: str, password: str, code: str, address: str) -> int:
        """The operator's number.  Raises :class:`LockedError`, or :class:`OperatorError`."""
        self.check_lock(name, address)
        try:
            number = self.operators.prove(name, password, code)
        except OperatorError:
            self.failed(name, address)
            raise
        # Others that were checked at the same time may have failed since.
        self.check_lock(name, address)
        with self._lock:
            for key in self._keys(name, address):
                self._failures.pop(key, None)
        return number

    def check_lock(self, name: str, address: str) -> None:
        """Raises :class:`LockedError` while this name waits at this address, or either alone."""
        now = self.clock()
        for key in self._keys(name, address):
            failures = self._failures.get(key)
            if failures is not None and failures.locked_until_s > now:
                raise LockedError(failures.locked_until_s - now)

    def _keys(self, name: str, address: str) -> dict[tuple[str, ...], int]:
        """Return the keys by which failures are counted, and how many make each wait."""
        owner, most = owner_of(address), self.failures_before_lock
        anywhere = max(most, MOST_ANYWHERE)
        return {("name", name, owner): most, ("address", owner): most, ("name", name): anywhere}

    def failed(self, name: str, address: str) -> None:
        """Count a wrong password; after each ``failures_before_lock`` the address waits.  A name
        waits at every address after MOST_ANYWHERE."""
        with self._lock:
            for key, most in self._keys(name, address).items():
                failures = self._failures.pop(key, _Failures())
                while len(self._failures) >= MAX_NAMES:
                    del self._failures[next(iter(self._failures))]
                self._failures[key] = failures
                failures.count += 1
                if failures.count % most == 0:
                    failures.locked_until_s = self.clock() + self.lock_s

    def begin(self, number: int) -> tuple[str, Session]:
        """A new session of this operator, and what its cookie holds."""
        now, operator = self.clock(), self.operators[number]
        cookie = secrets.token_urlsafe(TOKEN_BYTES)
        session = Session(number, operator.name, operator.role, now, now)
        with self._lock:
            self._sweep()
            own = [key for key, one in self._sessions.items() if one.number == number]
            for key in own[: max(0, len(own) + 1 - MAX_EACH)]:
                del self._sessions[key]
            if len(self._sessions) >= MAX_SESSIONS:
                raise OperatorError("too many sessions are open; try again later")
            self._sessions[_digest(cookie)] = session
        return cookie, session

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie.  A page reads by itself, so a read alone does not show that its
        user is active: see :meth:`heard`."""
        with self._lock:
            session = self._sessions.get(_digest(cookie or ""))
        if session is None or not self._lives(session):
            return None
        if self.reading_counts:
            self.heard(session)
        return session

    def heard(self, session: Session) -> None:
        """Note that its user was active: the session does not end for IDLE_S from now."""
        session.seen_s = self.clock()

    def end(self, cookie: str | None) -> None:
        """End the session of a cookie; nothing happens without one."""
        with self._lock:
            self._sessions.pop(_digest(cookie or ""), None)

    def has(self, number: int) -> bool:
        """Return whether a session is logged in under this name."""
        with self._lock:
            self._sweep()
            return any(session.number == number for session in self._sessions.values())

    def _lives(self, session: Session) -> bool:
        now = self.clock()
        return now < session.begun_s + SESSION_S and now < session.seen_s + IDLE_S

    def _sweep(self) -> None:
        self._sessions = {k: one for k, one in self._sessions.items() if self._lives(one)}


def _digest(cookie: str) -> bytes:
    return blake2b(cookie.encode(), digest_size=32).digest()


def same(token: Any, expected: str) -> bool:
    """Return whether a token is the one, in a time that does not depend on where they part."""
    return secrets.compare_digest(str(token or "").encode(), expected.encode())
