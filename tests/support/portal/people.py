"""The account API without a network: the application is called, its database and its mail server
are real."""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
from aiosmtpd.controller import Controller
from fastapi import FastAPI

from openoutcry.operations.notify import MailServer
from openoutcry.portal.accounts.accounts import Accounts
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.challenges import Challenges
from openoutcry.portal.accounts.identities import Identities, Sanctions
from openoutcry.portal.accounts.mails import by_smtp
from openoutcry.portal.accounts.more_routes import More, add_more
from openoutcry.portal.accounts.papers import Papers
from openoutcry.portal.accounts.passkeys import Passkeys
from openoutcry.portal.accounts.passwords import Passwords
from openoutcry.portal.accounts.provider import Provider
from openoutcry.portal.accounts.routes import add_accounts
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database, migrate
from tests.support.portal.served_portal import CHEAP
from tests.support.processes import free_port

PASSWORD = "seven crooked ladders"
DOMAIN, ORIGIN = "portal.example", "https://portal.example"
BEGIN = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Mailbox:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuses = False
        self.at_mail: Callable[[Callable[[], None]], None] = lambda keep: keep()
        """Called with each mail, and with what keeps it."""
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.at_mail(lambda: self.keep(envelope.content))
        return "250 OK"

    def keep(self, content: bytes) -> None:
        self.mails.append(message_from_bytes(content, policy=policy.default))

    def __enter__(self) -> "Mailbox":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def code(self, mail: str) -> str:
        """The last that was mailed to the address."""
        return last_code([one.get_content() for one in self.mails if one["to"] == mail])


def last_code(texts: Iterable[str]) -> str:
    """The code of the last mail that has one; notifications come in between."""
    code = r"(?:Your code|Ihr Code) .*? (?:is|lautet) (\d{8})\b"
    found = re.findall(code, "\n".join(texts), re.DOTALL)
    return str(found[-1]) if found else ""


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **time: float) -> None:
        self.at += timedelta(**time)


class People:
    """The application of the account API, asked by several people."""

    def __init__(self, url: str, folder: Path, mailbox: Mailbox) -> None:
        self.mailbox, self.clock = mailbox, Clock()
        self.verified: list[int] = []
        self.database = Database(url)
        send = by_smtp(MailServer("127.0.0.1", mailbox.port), "portal@example.com")
        key = SecretKey(folder / "portal.key")
        self.accounts = Accounts(self.database, key, send, "TEST", Passwords(CHEAP), self.clock)
        self.accounts.verified = self.verified.append
        self.keys = ApiKeys(self.accounts)
        self.app, self.folder = FastAPI(), folder
        self.provider = Provider(self.accounts, None)
        self.challenges = Challenges(self.accounts, 0)
        sanctions = folder / "sanctions.txt"
        sanctions.write_text("Boris Badenov  # a comment\n; 13 Evil Street\n", encoding="utf-8")
        self.identities = Identities(self.accounts, Papers(folder / "papers"), Sanctions(sanctions))
        self.passkeys = passkeys = Passkeys(self.accounts, DOMAIN, [ORIGIN])
        add_accounts(self.app, self.accounts, self.keys, self.challenges)
        more = More(self.accounts, passkeys, self.provider, self.identities, self.challenges)
        add_more(self.app, more)

    def client(self, address: str = "192.0.2.7", token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://portal", headers=headers)

    async def sign_up(self, mail: str, password: str = PASSWORD) -> None:
        async with self.client() as client:
            body = {"mail": mail, "password": password}
            assert (await client.post("/v1/register", json=body)).status_code == 202
            await self.accounts.drain()
            body["code"] = self.mailbox.code(mail)
            answer = await client.post("/v1/verify", json=body)
            assert answer.status_code == 200, answer.text

    async def log_in(self, mail: str, **more: str) -> dict[str, Any]:
        async with self.client() as client:
            body = {"mail": mail, "password": PASSWORD, **more}
            answer = await client.post("/v1/login", json=body)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

    async def person(self, mail: str) -> httpx.AsyncClient:
        """A client of a person that has just signed up and logged in."""
        await self.sign_up(mail)
        return self.client(token=(await self.log_in(mail))["access_token"])


def named(url: str, name: str) -> str:
    """The URL of another database in the same server."""
    return url.replace("/postgres?", f"/{name}?")


@cache
def migrated(url: str) -> str:
    """The name of a database that has the portal's schema and nothing else: others are copies."""
    made = new_database(url)
    migrate(made)
    return urlsplit(made).path.removeprefix("/")


def fresh_database(url: str) -> str:
    """The URL of a database with the portal's schema, in the same server."""
    return new_database(url, migrated(url))


def new_database(url: str, template: str = "template1") -> str:
    """The URL of a new database in the same server: a copy, else an empty one."""
    name = f"portal_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    return named(url, name)


@asynccontextmanager
async def people_of(url: str, folder: Path) -> AsyncIterator[People]:
    """The account API with a database of its own, in the loop of the test."""
    with Mailbox() as mailbox:
        people = People(fresh_database(url), folder, mailbox)
        try:
            yield people
            await people.accounts.drain()
        finally:
            await people.database.close()
