"""Who users are: what they say of themselves, their papers, a list of names that are refused, and
the decision, which a person takes (``outcry portal identity``).

The decision sets the user's level, which says what is withdrawn in a day and who trades.  A vendor
that decides implements :class:`Reviewer`.
"""

import asyncio
import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person, audit
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest
from openoutcry.portal.database import Row, lock_user, rows_of
from openoutcry.wire.errors import OutcryError

SUBMITTED, ACCEPTED, REFUSED = "submitted", "accepted", "refused"
LARGEST_PAPER, MAX_PAPERS = 5 << 20, 20
KINDS = ("passport", "identity card", "driving licence", "proof of address", "other")
TYPES = (
    (b"%PDF-", "application/pdf", "pdf"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
)
"""First bytes of what is accepted."""


class NotNow(AccountError):
    """The account has this level already, or an earlier request for one is under review."""

    status, code = 409, "not_now"


@dataclass(frozen=True)
class Said:
    """A user's statement."""

    wanted: int
    name: str
    born: date
    country: str
    address: str


class Reviewer(Protocol):
    """Decides, or leaves it to a person."""

    def decide(self, said: Said, papers: Sequence[Path]) -> tuple[bool, str] | None:
        """Accepted or not, and why; None: a person decides."""


class ByHand:
    """The local reviewer: a person decides every one."""

    def decide(self, said: Said, papers: Sequence[Path]) -> tuple[bool, str] | None:
        return None


def words_of(text: str) -> frozenset[str]:
    """Return a name's words without case, accents and punctuation, in any order."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(one for one in plain if not unicodedata.combining(one))
    return frozenset(re.findall(r"\w+", bare))


class Sanctions:
    """A list of names (and addresses after a semicolon), one on each line; ``#`` is a comment."""

    def __init__(self, path: Path | None) -> None:
        self.rows: list[tuple[str, frozenset[str], frozenset[str]]] = []
        if path is None:
            return
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise OutcryError(f"{path}: cannot be read: {error.strerror}") from None
        for line in lines:
            bare = line.partition("#")[0].strip()
            name, _, address = bare.partition(";")
            if words_of(name) or words_of(address):
                self.rows.append((bare, words_of(name), words_of(address)))

    def hits(self, name: str, address: str) -> list[str]:
        """Rows all of whose words are in the name, or in the address."""
        has_name, has_address = words_of(name), words_of(address)
        return [
            row
            for row, of_name, of_address in self.rows
            if (of_name and of_name <= has_name) or (of_address and of_address <= has_address)
        ]


class Identities:
    """Identities of every user."""

    def __init__(
        self,
        accounts: Accounts,
        folder: Path,
        sanctions: Sanctions,
        reviewer: Reviewer | None = None,
    ) -> None:
        """``folder``: of papers."""
        self.accounts, self.database, self.folder = accounts, accounts.database, folder
        self.sanctions, self.reviewer = sanctions, reviewer or ByHand()

    async def shown(self, person: Person) -> dict[str, Any]:
        """``state`` is ``none`` before anything was said; why it was refused is shown, hits are
        not."""
        user = await self.accounts.user(person)
        row = await self._row(person.user_id)
        query = "select id, kind, size, created_at from papers where user_id = %(user)s order by id"
        papers = await self.database.rows(query, user=person.user_id)
        if row is None:
            return {"state": "none", "level": user["level"], "papers": papers}
        names = ("state", "wanted", "name", "born", "country", "address", "reason")
        return {name: row[name] for name in names} | {"level": user["level"], "papers": papers}

    async def _row(self, user_id: int) -> Row | None:
        return await self.database.row("select * from identities where user_id = %(u)s", u=user_id)

    async def submit(self, person: Person, said: Said, caller: Caller) -> None:
        """Raises :class:`InvalidRequest` or :class:`NotNow`."""
        _check(said, self.accounts.now().date())
        user = await self.accounts.user(person)
        if said.wanted <= user["level"]:
            raise NotNow(f"this account has level {user['level']}")
        values = {
            "user": person.user_id,
            "wanted": said.wanted,
            "name": said.name,
            "born": said.born,
            "country": said.country,
            "address": said.address,
            "hits": self.sanctions.hits(said.name, said.address),
            "now": self.accounts.now(),
        }
        query = """
            insert into identities (user_id, state, wanted, name, born, country, address, hits,
                submitted_at)
            values (%(user)s, 'submitted', %(wanted)s, %(name)s, %(born)s, %(country)s,
                %(address)s, %(hits)s, %(now)s)
            on conflict (user_id) do update set state = 'submitted', wanted = excluded.wanted,
                name = excluded.name, born = excluded.born, country = excluded.country,
                address = excluded.address, hits = excluded.hits,
                submitted_at = excluded.submitted_at, reason = '', decided_by = '',
                decided_at = null
            where identities.state <> 'submitted' returning user_id
        """
        async with self.database.transaction() as connection:
            if not await rows_of(connection, query, values):
                raise NotNow("the earlier submission is still under review")
            detail = f"level {said.wanted}"
            await audit(connection, person.user_id, "identity submitted", caller, detail)
        decided = None
        if not values["hits"]:
            decided = self.reviewer.decide(said, await self.papers_of(person.user_id))
        if decided is not None:
            terms = decided[0], said.wanted, decided[1], "the reviewer"
            await self.decide(person.user_id, *terms)

    async def add_paper(self, person: Person, kind: str, body: bytes, caller: Caller) -> None:
        """Raises :class:`InvalidRequest`."""
        if kind not in KINDS:
            raise InvalidRequest(f"kind: one of {', '.join(KINDS)}")
        found = [one for one in TYPES if body.startswith(one[0])]
        if not found or len(body) > LARGEST_PAPER:
            raise InvalidRequest(f"a paper is PDF, JPEG or PNG, {LARGEST_PAPER >> 20} MiB at most")
        digest = hashlib.sha256(body).hexdigest()
        room = """
            select count(*) filter (where digest = %(digest)s) as known, count(*) as count
            from papers where user_id = %(user)s
        """
        query = """
            insert into papers (user_id, kind, media_type, size, digest, created_at)
            values (%(user)s, %(kind)s, %(type)s, %(size)s, %(digest)s, %(now)s)
        """
        values = {
            "user": person.user_id,
            "kind": kind,
            "type": found[0][1],
            "size": len(body),
            "digest": digest,
            "now": self.accounts.now(),
        }
        async with self.database.transaction() as connection:
            await lock_user(connection, person.user_id)
            held = (await rows_of(connection, room, values))[0]
            if held["known"]:
                return
            if held["count"] >= MAX_PAPERS:
                raise InvalidRequest(f"an account has {MAX_PAPERS} papers at most")
            # The file first: a row never names one that is not there.
            path = self._path(person.user_id, digest, found[0][2])
            await asyncio.to_thread(_write, path, body)
            await rows_of(connection, query, values)
            detail = f"{kind}: {digest[:16]}"
            await audit(connection, person.user_id, "paper uploaded", caller, detail)

    def _path(self, user_id: int, digest: str, suffix: str) -> Path:
        return self.folder / str(user_id) / f"{digest}.{suffix}"

    async def papers_of(self, user_id: int) -> list[Path]:
        """Files of what the user has uploaded, in the order of the uploads."""
        query = "select digest, media_type from papers where user_id = %(user)s order by id"
        suffixes = {kind: suffix for _, kind, suffix in TYPES}
        rows = await self.database.rows(query, user=user_id)
        return [self._path(user_id, row["digest"], suffixes[row["media_type"]]) for row in rows]

    async def paper_rows(self, user_id: int) -> list[Row]:
        """The uploads of a user without their contents: id, kind, size in bytes, and media type."""
        query = "select id, kind, size, media_type from papers where user_id = %(u)s order by id"
        return await self.database.rows(query, u=user_id)

    async def paper(self, user_id: int, number: int) -> tuple[bytes, str]:
        """Raises :class:`OutcryError`."""
        query = """
            select digest, media_type from papers where id = %(id)s and user_id = %(user)s
        """
        row = await self.database.row(query, id=number, user=user_id)
        if row is None:
            raise OutcryError("there is no such paper")
        suffix = next(suffix for _, kind, suffix in TYPES if kind == row["media_type"])
        try:
            body = self._path(user_id, row["digest"], suffix).read_bytes()
        except OSError as error:
            raise OutcryError(f"the paper cannot be read: {error.strerror}") from None
        if hashlib.sha256(body).hexdigest() != row["digest"]:
            raise OutcryError("the paper is not what was uploaded")
        return body, str(row["media_type"])

    # The operator

    async def waiting(self) -> list[Row]:
        """Return the identities without a decision, the oldest first."""
        query = """
            select identities.*, users.mail, users.level from identities
            join users on users.id = user_id where state = 'submitted' order by submitted_at
        """
        return await self.database.rows(query)

    async def decide(
        self, user_id: int, is_accepted: bool, level: int, reason: str, by: str
    ) -> None:
        """Raises :class:`OutcryError` if there is nothing to decide."""
        query = """
            update identities set state = %(state)s, reason = %(reason)s, decided_by = %(by)s,
                decided_at = %(now)s
            where user_id = %(user)s and state = 'submitted' returning wanted
        """
        values = {
            "user": user_id,
            "state": ACCEPTED if is_accepted else REFUSED,
            "reason": reason,
            "by": by,
            "now": self.accounts.now(),
            "level": level,
        }
        async with self.database.transaction() as connection:
            if not await rows_of(connection, query, values):
                raise OutcryError(f"user {user_id}: nothing waits for a decision")
            if is_accepted:
                raised = "update users set level = %(level)s where %(user)s in (id, parent_id)"
                await rows_of(connection, raised, values)
            detail = f"{values['state']}, level {level}: {reason}"
            await audit(connection, user_id, "identity decided", Caller(by), detail)


def _check(said: Said, today: date) -> None:
    for name, most in (("name", 200), ("address", 400)):
        given = getattr(said, name)
        if not 2 <= len(given) <= most or not given.isprintable():
            raise InvalidRequest(f"{name}: 2 to {most} printable characters")
    if not re.fullmatch(r"[A-Z]{2}", said.country):
        raise InvalidRequest("country: two letters of ISO 3166")
    if not 1 <= said.wanted <= 9:
        raise InvalidRequest("level: 1 to 9")
    born = said.born
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if not 18 <= age <= 130:
        raise InvalidRequest("born: a user is 18 or older")


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all; its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
