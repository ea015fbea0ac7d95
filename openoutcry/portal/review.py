"""An operator's review of identities, from the command line and from the console."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts
from openoutcry.portal.accounts.identities import Identities, Sanctions, submission_of
from openoutcry.portal.accounts.mails import to_file
from openoutcry.portal.accounts.operators import Operators
from openoutcry.portal.accounts.papers import papers_of
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database, start_embedded
from openoutcry.portal.folder import folder_of, read_levels
from openoutcry.portal.money.approvals import REFERENCES, lines_of, to_approve
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.text import printable


@dataclass(frozen=True)
class Decision:
    """Decision of an operator; ``submission``: what the operator has read, by its reference."""

    submission: str
    is_accepted: bool
    why: str
    by: str
    level: int | None
    despite_hits: bool


def waiting(file: VenueFile, url: str) -> list[str]:
    """A line for each identity that waits, and for each of its papers and matches."""

    async def ask(identities: Identities) -> list[str]:
        lines = []
        for row in await identities.waiting():
            said = f"{row['name']}, born {row['born']}, {row['country']}, {row['address']}"
            wanted = f"{row['mail']}: level {row['level']} to {row['wanted']}"
            lines.append(f"{submission_of(row)}: {wanted}: {said}")
            lines += [f"  on the list of sanctions: {one}" for one in row["hits"]]
            lines += [f"  {path}" for path in await identities.papers_of(row["user_id"])]
        return [printable(line) for line in lines] or ["nothing waits for a decision"]

    return _with_identities(file, url, ask)


def queue(file: VenueFile, url: str) -> list[dict[str, Any]]:
    """Identities that wait, the oldest first, each with the papers of its user."""

    async def ask(identities: Identities) -> list[dict[str, Any]]:
        rows = []
        for row in await identities.waiting():
            names = "user_id", "mail", "level", "wanted", "name", "country", "address", "hits"
            shown = {name: row[name] for name in names} | {"submission": submission_of(row)}
            times = {"born": f"{row['born']}", "at": row["submitted_at"].isoformat()}
            papers = await identities.paper_rows(row["user_id"])
            rows.append(shown | times | {"papers": papers})
        return rows

    return list(_with_identities(file, url, ask))


def paper(file: VenueFile, url: str, user_id: int, number: int) -> tuple[bytes, str]:
    """A paper of a user whose identity waits, and its media type.  Raises
    :class:`OutcryError`."""

    async def ask(identities: Identities) -> tuple[bytes, str]:
        waiting = {row["user_id"] for row in await identities.waiting()}
        if user_id not in waiting:
            raise OutcryError("nothing of this user waits for a decision")
        return await identities.paper(user_id, number)

    found: tuple[bytes, str] = _with_identities(file, url, ask)
    return found


def decide(file: VenueFile, url: str, decision: Decision) -> str:
    """Carry it out.  Raises :class:`OutcryError`."""

    async def ask(identities: Identities) -> str:
        rows = {submission_of(row): row for row in await identities.waiting()}
        row = rows.get(decision.submission)
        if row is None:
            raise OutcryError(f"{decision.submission!r}: no such submission waits for a decision")
        if decision.is_accepted and row["hits"] and not decision.despite_hits:
            raise OutcryError(
                f"{row['mail']}: the list of sanctions has {'; '.join(row['hits'])}; refuse, or "
                "give --despite-matches"
            )
        level = decision.level or row["wanted"]
        terms = decision.is_accepted, level, decision.why, decision.by
        await identities.decide(row["user_id"], *terms, row["submitted_at"])
        done = f"accepted, level {level}" if decision.is_accepted else "refused"
        return f"{row['mail']}: {done}"

    return str(_with_identities(file, url, ask))


def approval_lines(file: VenueFile, url: str, reference: str) -> list[str]:
    """Return what a person reads before approving the portal's withdrawal with this reference, ""
    of all that wait; nothing where the reference is not the portal's or this venue has no portal.

    Raises :class:`OutcryError` if it cannot be read."""
    folder = folder_of(file)
    if not folder.is_dir() or (reference and not reference.startswith(REFERENCES)):
        return []
    if not url and not (folder / "postgresql").is_dir():
        raise OutcryError(
            "the portal's database, which has addresses and changes of identity, is not next to "
            "the journal: name it with --portal-database"
        )

    async def ask(identities: Identities) -> list[str]:
        async with identities.database.transaction() as connection:
            rows = await to_approve(connection, identities.accounts.now(), reference)
        return [printable(line) for row in rows for line in lines_of(row)]

    return list(_with_identities(file, url, ask))


def operator_token(file: VenueFile, url: str, name: str, removes: bool) -> str:
    """A new token of an operator, or that it has none any more.  Raises :class:`OutcryError`."""

    async def ask(identities: Identities) -> str:
        operators = Operators(identities.accounts)
        if removes:
            await operators.remove(name)
            return f"{printable(name)}: removed"
        return await operators.make(name)

    return str(_with_identities(file, url, ask))


def _with_identities(file: VenueFile, url: str, ask: Callable[[Identities], Awaitable[Any]]) -> Any:
    folder, server = folder_of(file), None
    if not folder.is_dir():
        raise OutcryError(f"{folder} is missing; `outcry portal init` makes it")
    if not url:
        url, server = start_embedded(folder / "postgresql")

    async def run() -> Any:
        database = Database(url)
        key = SecretKey(folder / "portal.key")
        send, levels = to_file(folder / "mails.jsonl"), read_levels(folder)
        accounts = Accounts(database, key, send, file.name, levels=levels)
        try:
            return await ask(Identities(accounts, papers_of(folder), Sanctions(None)))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    finally:
        if server is not None:
            server.cleanup()
