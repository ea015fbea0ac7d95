"""Operators' identities and what they may do: passwords, one-time codes, roles, and tickets.

A ticket represents an operator who has proven their identity.  It is valid during the venue's run,
for TICKET_S at most.  The console asks for one when an operator logs in, so it keeps no password.
"""

import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from openoutcry.order_entry.passwords import dummy_hash, password_hasher
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import OutcryError

VIEWER, OPERATOR, SUPERVISOR = "viewer", "operator", "supervisor"
ROLES = (VIEWER, OPERATOR, SUPERVISOR)
"""A viewer looks; an operator stops and resumes; a supervisor, with another, opens the market and
widens limits."""
TICKET_S = 12 * 3_600.0
MAX_TICKETS = 32
"""Tickets of one operator."""
CODE_S, CODE_STEPS = 30, (-1, 0, 1)
"""A one-time code's validity (RFC 6238), and the steps, counted from now's, whose codes are
taken."""
TICKET_UNKNOWN, WRONG_CREDENTIALS = "ticket_unknown", "wrong_credentials"
"""Codes of the refusals with these two texts."""
NO_TICKET = "this ticket is unknown or has expired; log in again"
WRONG = "name, password or one-time code is wrong"
"""The same for each of the three, wrong, missing or used: a right password is not confirmed."""


class OperatorError(OutcryError):
    """An operator's identity is not proven, or the operator may not do what was asked; ``code``:
    of what another program acts on, "" of all others."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Operator:
    """An operator of the venue file."""

    name: str
    password: str
    """argon2 hash."""
    role: str = SUPERVISOR
    totp: str = ""
    """Secret of one-time codes, base32; without one the password is enough."""


def operator_name(operators: Sequence[Operator], number: int) -> str:
    """The operator's name; '' for 0 or an operator no longer in the file.  Numbers begin at 1."""
    return operators[number - 1].name if 1 <= number <= len(operators) else ""


def one_time_secret(value: Any) -> str:
    """A secret of 80 bits or more in base32.  Raises ``ValueError``."""
    import base64

    if type(value) is not str:
        raise ValueError("is not base32; make a secret with `outcry venue totp`")
    try:
        secret = base64.b32decode(value.upper() + "=" * (-len(value) % 8))
    except ValueError:
        secret = b""
    if len(secret) < 10:
        raise ValueError(
            "is not base32 of at least 10 bytes; make a secret with `outcry venue totp`"
        )
    if find_spec("pyotp") is None:
        raise ValueError("one-time codes need pyotp: pip install 'openoutcry[venue]'")
    return value.upper()


@cache
def _nobodys_hash() -> str:
    """Return the hash with which a password is compared where the name is wrong: it takes
    as long."""
    return dummy_hash(password_hasher())


class Operators:
    """The operators of a venue file; numbers begin at 1, in the file's order."""

    def __init__(
        self, operators: tuple[Operator, ...], now_s: Callable[[], float] = time.time
    ) -> None:
        self.operators, self.now_s = operators, now_s
        self._used: dict[str, int] = {}
        """The step of the last code that was taken, by the operator's name."""
        self._kept: Path | None = None
        self._tickets: dict[bytes, tuple[int, float]] = {}

    def keep(self, path: Path) -> None:
        """Keep the steps of codes in this file, so that a restart takes none again.  Of a file that
        is damaged every code until now counts as used."""
        self._kept = path
        try:
            steps = json.loads(path.read_text())
            self._used = {str(name): int(step) for name, step in steps.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, AttributeError):
            now = int(self.now_s()) // CODE_S + CODE_STEPS[-1]
            self._used = {operator.name: now for operator in self.operators}
            with suppress(OperatorError):
                self._write_steps()

    def __getitem__(self, number: int) -> Operator:
        return self.operators[number - 1]

    def name(self, number: int) -> str:
        """The operator's name; '' for 0 or an operator no longer in the file."""
        return operator_name(self.operators, number)

    def prove(self, name: Any, password: Any, code: Any = "") -> int:
        """The number of the operator with this name, password and code.

        Raises :class:`OperatorError`, the same for each of them that is wrong."""
        from argon2.exceptions import InvalidHashError, VerificationError

        named = [n for n, one in enumerate(self.operators, 1) if one.name == name]
        hashed = self[named[0]].password if named else _nobodys_hash()
        try:
            password_hasher().verify(hashed, str(password or ""))
        except (VerificationError, InvalidHashError):
            raise OperatorError(WRONG, WRONG_CREDENTIALS) from None
        if not named:
            raise OperatorError(WRONG, WRONG_CREDENTIALS)
        if self[named[0]].totp:
            self._take_code(named[0], str(code or ""))
        return named[0]

    def _take_code(self, number: int, code: str) -> None:
        """Each code is taken once (RFC 6238, 5.2), over restarts too."""
        import pyotp

        codes = pyotp.TOTP(self[number].totp)
        now = int(self.now_s()) // CODE_S
        for step in (now + beside for beside in CODE_STEPS):
            if hmac.compare_digest(codes.generate_otp(step).encode(), code.encode()):
                if step <= self._used.get(self[number].name, 0):
                    break
                self._used[self[number].name] = step
                self._write_steps()
                return
        raise OperatorError(WRONG, WRONG_CREDENTIALS)

    def _write_steps(self) -> None:
        """Write the step to disk before the code counts; an operator whose code cannot be stored is
        refused."""
        if self._kept is None:
            return
        try:
            self._kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (
                replacing(self._kept) as part,
                open(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file,
            ):
                json.dump(self._used, file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OperatorError(f"{self._kept}: {error.strerror}") from None

    def ticket(self, number: int) -> str:
        """A ticket of this operator, whose oldest is dropped if there are MAX_TICKETS."""
        now = self.now_s()
        self._tickets = {k: v for k, v in self._tickets.items() if v[1] > now}
        own = [key for key, (holder, _) in self._tickets.items() if holder == number]
        for key in own[: max(0, len(own) + 1 - MAX_TICKETS)]:
            del self._tickets[key]
        ticket = secrets.token_hex(32)
        self._tickets[_digest(ticket)] = number, now + TICKET_S
        return ticket

    def holder(self, ticket: Any) -> int:
        """Return the operator of a ticket.  Raises :class:`OperatorError`."""
        number, until_s = self._tickets.get(_digest(str(ticket)), (0, 0.0))
        if until_s <= self.now_s():
            raise OperatorError(NO_TICKET, TICKET_UNKNOWN)
        return number

    def leave(self, ticket: Any) -> None:
        """The ticket counts no more."""
        self._tickets.pop(_digest(str(ticket)), None)

    def check(self, number: int, role: str) -> None:
        """Raise :class:`OperatorError` unless the operator has this role, or one above it."""
        if ROLES.index(self[number].role) < ROLES.index(role):
            raise OperatorError(f"{self.name(number)} is {self[number].role}; this needs {role}")


def _digest(ticket: str) -> bytes:
    return blake2b(ticket.encode("utf-8", "surrogatepass")).digest()
