"""Who users are: what they say of themselves, their papers, a list of names that are refused, and
the decision, which a person takes (``outcry portal identity``).

The decision sets the user's level, which says what is withdrawn in a day and who trades.  A vendor
may decide, too (``reviews.py``).
"""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person, audit
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest, Unavailable
from openoutcry.portal.accounts.papers import Papers, PapersError
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


log = logging.getLogger("outcry.portal")


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
        papers: Papers,
        sanctions: Sanctions,
    ) -> None:
        self.accounts, self.database, self.papers = accounts, accounts.database, papers
        self.sanctions = sanctions

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
        self.accounts.check_level(said.wanted)
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

    async def add_paper(self, person: Person, kind: str, body: bytes, caller: Caller) -> None:
        """Raises :class:`InvalidRequest`, or :class:`Unavailable` where it cannot be kept."""
        if kind not in KINDS:
            raise InvalidRequest(f"kind: one of {', '.join(KINDS)}")
        found = [type_ for type_ in TYPES if body.startswith(type_[0])]
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
        if not _has_room(await self.database.row(room, **values)):
            return
        # The file first, as a row never names one that is not there; and before the transaction,
        # as a bucket may take its time.
        name = _name(person.user_id, digest, found[0][1])
        try:
            await self.papers.write(name, body)
        except PapersError as error:
            log.error("a paper is not kept: %s", error)
            raise Unavailable("papers cannot be kept now: try again later") from None
        async with self.database.transaction() as connection:
            await lock_user(connection, person.user_id)
            held = (await rows_of(connection, room, values))[0]
            try:
                if not _has_room(held):
                    return
            except InvalidRequest:
                await self.papers.remove(name)
                raise
            await rows_of(connection, query, values)
            detail = f"{kind}: {digest[:16]}"
            await audit(connection, person.user_id, "paper uploaded", caller, detail)

    async def papers_of(self, user_id: int) -> list[str]:
        """Return where the user's uploads are, in their order."""
        query = "select digest, media_type from papers where user_id = %(user)s order by id"
        rows = await self.database.rows(query, user=user_id)
        names = [_name(user_id, row["digest"], row["media_type"]) for row in rows]
        return [self.papers.shown(name) for name in names]

    async def readable(self, user_id: int) -> list[tuple[str, str, Callable[[], bytes]]]:
        """Kind and media type of each upload, and what reads it in a thread."""
        query = "select kind, digest, media_type from papers where user_id = %(u)s order by id"
        rows = await self.database.rows(query, u=user_id)
        return [
            (
                row["kind"],
                row["media_type"],
                partial(self.papers.read_now, _name(user_id, row["digest"], row["media_type"])),
            )
            for row in rows
        ]

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
        try:
            body = await self.papers.read(_name(user_id, row["digest"], row["media_type"]))
        except PapersError as error:
            raise OutcryError(f"the paper cannot be read: {error}") from None
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
        self,
        user_id: int,
        is_accepted: bool,
        level: int,
        reason: str,
        by: str,
        submitted_at: datetime | None = None,
    ) -> None:
        """``submitted_at``: of what is decided, where another submission may have followed.  Raises
        :class:`OutcryError` if there is nothing to decide, or the portal does not have the
        level."""
        if is_accepted:
            self.accounts.check_level(level)
        query = """
            update identities set state = %(state)s, reason = %(reason)s, decided_by = %(by)s,
                decided_at = %(now)s
            where user_id = %(user)s and state = 'submitted'
                and submitted_at = coalesce(%(submitted_at)s::timestamptz, submitted_at)
            returning wanted
        """
        values = {
            "user": user_id,
            "state": ACCEPTED if is_accepted else REFUSED,
            "reason": reason,
            "by": by,
            "now": self.accounts.now(),
            "level": level,
            "submitted_at": submitted_at,
        }
        async with self.database.transaction() as connection:
            if not await rows_of(connection, query, values):
                raise OutcryError(f"user {user_id}: nothing waits for a decision")
            if is_accepted:
                raised = "update users set level = %(level)s where %(user)s in (id, parent_id)"
                await rows_of(connection, raised, values)
            detail = f"{values['state']}, level {level}: {reason}"
            await audit(connection, user_id, "identity decided", Caller(by), detail)


def submission_of(row: Row) -> str:
    """Return the reference of a submission: the user's number and the time in microseconds.  A
    decision names it, as a user may submit again and change the mail address meanwhile."""
    at: datetime = row["submitted_at"]
    return f"{row['user_id']}-{at.astimezone(UTC):%Y%m%d%H%M%S%f}"


def _name(user_id: int, digest: str, media_type: str) -> str:
    suffix = next(suffix for _, kind, suffix in TYPES if kind == media_type)
    return f"{user_id}/{digest}.{suffix}"


def _has_room(held: Row | None) -> bool:
    """Return whether a paper is new.  Raises :class:`InvalidRequest` for one too many."""
    assert held is not None
    if held["known"]:
        return False
    if held["count"] >= MAX_PAPERS:
        raise InvalidRequest(f"an account has {MAX_PAPERS} papers at most")
    return True


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
