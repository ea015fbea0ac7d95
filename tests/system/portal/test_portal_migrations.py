"""A database that began with the portal's first schema, with rows of every later one: nothing of
what people own is lost or changed on its way to the newest."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import DatabaseError, migrate, revisions
from tests.support.portal.people import PASSWORD, Mailbox, People, new_database
from tests.support.portal.served_portal import CHEAP

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MAIL, API_KEY, SECRET, TOTP = "anna@example.com", "K" * 64, b"secret", b"JBSWY3DPEHPK3PXP"


def rows_by_revision(key):
    """What a portal of that schema has written: rows by table, of tables that are new or have
    changed since."""
    user = {
        "mail": MAIL,
        "password_hash": CHEAP.hash(PASSWORD),
        "is_verified": True,
        "participant": 1000,
        "is_open": True,
        "created_at": AT,
    }
    other = user | {"mail": "bert@example.com", "participant": None, "is_open": False}
    other |= {"totp_secret": key.seal(TOTP, "totp 2"), "totp_is_confirmed": True}
    withdrawal = {
        "user_id": 1,
        "participant": 1000,
        "reference": "wd 1",
        "client_id": "w1",
        "asset": "USD",
        "network": "WIRE",
        "address": "DE02120300000000202051",
        "tag": "",
        "amount": 5,
        "state": "done",
        "detail": "d",
        "created_at": AT,
        "changed_at": AT,
    }
    alert = {
        "user_id": 1,
        "instrument": 1,
        "symbol": "BTC-USD",
        "direction": "above",
        "price_ticks": 7,
        "created_seq": 8,
        "created_at": AT,
    }
    identity = {"user_id": 1, "state": "accepted", "wanted": 2, "name": "Anna", "born": AT.date()}
    identity |= {"country": "DE", "address": "Street 1", "hits": [], "submitted_at": AT}
    transfer = {"user_id": 1, "source_id": 1, "target_id": 3, "source": 1000, "target": 1001}
    transfer |= {"reference": "tr 1", "client_id": "t1", "asset": "USD", "amount": 3}
    transfer |= {"state": "done", "created_at": AT, "changed_at": AT}
    address = {"user_id": 1, "participant": 1000, "asset": "LTC", "network": "LTC", "chain": "LTC"}
    address |= {"address": "ltc1q", "label": "mine", "state": "listed"}
    address |= {"created_at": AT, "changed_at": AT}
    return {
        "0001": {
            "users": [user, other],
            "mailed_codes": [
                {"user_id": 1, "purpose": "mail", "code_hash": b"c", "tries": 1, "expires_at": AT}
            ],
            "sessions": [
                {
                    "id": UUID(int=7),
                    "user_id": 1,
                    "refresh_hash": b"r",
                    "address": "192.0.2.7",
                    "agent": "curl",
                    "created_at": AT,
                    "used_at": AT,
                    "expires_at": AT,
                }
            ],
            "api_keys": [
                {
                    "user_id": 1,
                    "api_key": API_KEY,
                    "kind": "HMAC",
                    "secret": key.seal(SECRET, f"api key {API_KEY}"),
                    "label": "bot",
                    "can_trade": True,
                    "can_withdraw": False,
                    "networks": ["192.0.2.0/24"],
                    "created_at": AT,
                }
            ],
            "failures": [{"subject": "x", "count": 2, "locked_until": AT, "last_at": AT}],
            "audit": [
                {"at": AT, "user_id": 1, "action": "login", "address": "192.0.2.7", "detail": ""}
            ],
        },
        "0002": {"withdrawals": [withdrawal]},
        "0003": {
            "answers": [{"user_id": 1, "key": "k", "digest": b"d", "status": 200, "begun_at": AT}]
        },
        "0004": {
            "passkeys": [
                {
                    "user_id": 1,
                    "credential": b"c",
                    "public_key": b"p",
                    "sign_count": 3,
                    "label": "phone",
                    "created_at": AT,
                }
            ],
            "identities": [identity],
            "papers": [
                {
                    "user_id": 1,
                    "kind": "passport",
                    "media_type": "image/png",
                    "size": 9,
                    "digest": "ab",
                    "created_at": AT,
                }
            ],
            "tickets": [{"id": "t", "user_id": 1, "purpose": "p", "data": b"d", "expires_at": AT}],
        },
        "0005": {
            "notice_settings": [
                {"user_id": 1, "events": Jsonb({"order": ["app"]}), "quiet_from": "22:00"}
            ],
            "price_alerts": [alert, alert | {"fired_at": AT, "fired_ticks": 9}],
            "webhooks": [
                {"user_id": 1, "url": "https://example.com", "secret": b"s", "created_at": AT}
            ],
            "push_subscriptions": [
                {
                    "user_id": 1,
                    "endpoint": "https://push.example.com",
                    "p256dh": "p",
                    "auth": "a",
                    "label": "phone",
                    "created_at": AT,
                }
            ],
            "operators": [{"name": "olga", "token_hash": b"t", "created_at": AT}],
            "operator_log": [
                {"at": AT, "operator": "olga", "action": "freeze", "user_id": 1, "reason": "r"}
            ],
        },
        "0006": {
            "users": [
                other | {"mail": "sub", "parent_id": 1, "label": "bots", "participant": 1001}
            ],
            "transfers": [transfer],
        },
        "0007": {
            "withdrawals": [
                withdrawal
                | {"reference": "wd 2", "client_id": "w2", "chain": "LTC", "txid": "ff"}
                | {"given": "ltc1Q", "address": "ltc1q"}
            ],
            "withdrawal_addresses": [address],
        },
        "0008": {
            "quote_commands": [
                {"at_ns": 1, "what": "ask", "by_whom": "1000", "terms": Jsonb({"lots": 1})}
            ]
        },
        "0009": {"price_alerts": [alert]},
    }


def insert(connection, table, row):
    names = ", ".join(row)
    places = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into {table} ({names}) values ({places})", row)


def content(connection, columns):
    """Rows of tables, as far as these columns go."""
    return {
        table: connection.execute(
            f"select {', '.join(names)} from {table} order by {', '.join(names)}"
        ).fetchall()
        for table, names in columns.items()
    }


def columns_of(connection):
    found = {}
    query = """
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and table_name <> 'alembic_version' order by ordinal_position
    """
    for table, name in connection.execute(query):
        found.setdefault(table, []).append(name)
    return found


@pytest.fixture
def old(postgresql):
    """The URL of an empty database."""
    return new_database(postgresql)


async def test_every_row_of_each_older_schema_is_there_after_the_migrations(old, tmp_path):
    key = SecretKey(tmp_path / "portal.key")
    written = rows_by_revision(key)
    known = revisions()
    assert known[0] == min(written)
    with psycopg.connect(old, autocommit=True) as connection:
        for revision in known:
            columns = columns_of(connection)
            before = content(connection, columns)
            migrate(old, revision)
            assert content(connection, columns) == before, revision
            for table, rows in written.get(revision, {}).items():
                for row in rows:
                    insert(connection, table, row)
        migrate(old)
        given = "select address, given, chain from withdrawals order by id"
        assert connection.execute(given).fetchall() == [
            ("DE02120300000000202051", "DE02120300000000202051", ""),
            ("ltc1q", "ltc1Q", "LTC"),
        ]
        # The notifier had compared those that were set before it kept a record of it.
        checked = "select is_checked from price_alerts order by id"
        assert connection.execute(checked).fetchall() == [(True,), (True,), (False,)]

    async def asks(people):
        token = (await people.log_in(MAIL))["access_token"]
        async with people.client(token=token) as client:
            assert (await client.get("/v1/me")).json()["participant"] == 1000
            (row,) = (await client.get("/v1/api-keys")).json()
            assert (row["label"], row["networks"]) == ("bot", ["192.0.2.0/24"])
        found = await people.keys.find(API_KEY)
        assert (found.secret, found.participant, found.level) == (SECRET, 1000, 0)
        row = await people.database.row("select totp_secret from users where id = 2")
        assert key.open(bytes(row["totp_secret"]), "totp 2") == TOTP

    with Mailbox() as mailbox:
        people = People(old, tmp_path, mailbox)
        try:
            await asks(people)
        finally:
            await people.accounts.drain()
            await people.database.close()


def test_a_schema_of_a_later_release_is_refused_by_name(old):
    migrate(old)
    with psycopg.connect(old, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
        before = content(connection, columns_of(connection))
        with pytest.raises(DatabaseError, match=f"later release.*up to {revisions()[-1]}"):
            migrate(old)
        assert content(connection, columns_of(connection)) == before
