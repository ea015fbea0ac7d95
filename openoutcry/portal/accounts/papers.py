"""Where the papers of users are: in the portal's folder, or in a bucket of S3.

A paper's name is ``USER/DIGEST.SUFFIX`` in both.  A paper is there whole or not at all, and what is
read is compared with its digest.  A portal that is given a bucket still reads what the folder has.
"""

import asyncio
import contextlib
import json
import math
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from openoutcry.portal.accounts.errors import Locked
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need
from openoutcry.wire.load_limits import SharedPlaces, Turns, TurnsError

AT_ONCE, EACH, WAITING = 2, 1, 8
"""Papers that are written or read at once, in all and of one user, and of this user that wait: a
bucket that does not answer keeps nothing else waiting."""
CONNECT_S, REQUEST_S, ATTEMPTS = 3.0, 10.0, 2
PLACE = "bucket.json"
"""File in the portal's folder: where console and command line find the bucket."""
Made = TypeVar("Made")


class PapersError(OutcryError):
    """A paper cannot be read or written."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of S3 or of a server that speaks its protocol; credentials come from where AWS's
    programs take them (``AWS_ACCESS_KEY_ID`` and so on)."""

    name: str
    """With a prefix, as ``papers/portal``, or without."""
    endpoint: str = ""
    """A URL; nothing: AWS."""
    region: str = ""

    @cached_property
    def _system(self) -> Any:
        fs = need("pyarrow.fs", "a bucket needs pyarrow", "portal")
        scheme, _, host = self.endpoint.rpartition("://")
        return fs.S3FileSystem(
            endpoint_override=host or None,
            scheme=scheme or "https",
            region=self.region or None,
            connect_timeout=CONNECT_S,
            request_timeout=REQUEST_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            background_writes=False,
        )

    def write(self, name: str, body: bytes) -> None:
        """Raises :class:`OSError`."""
        with self._system.open_output_stream(f"{self.name}/{name}") as out:
            out.write(body)

    def read(self, name: str) -> bytes:
        """Raises :class:`OSError`."""
        with self._system.open_input_stream(f"{self.name}/{name}") as source:
            return bytes(source.read())

    def remove(self, name: str) -> None:
        """Raises :class:`OSError`."""
        self._system.delete_file(f"{self.name}/{name}")


class Papers:
    """The papers of all users."""

    def __init__(
        self, folder: Path, bucket: Bucket | None = None, places: SharedPlaces | None = None
    ) -> None:
        """``places``: of the portal's processes, if several."""
        self.folder, self.bucket = folder, bucket
        self._turns = Turns(AT_ONCE, EACH, WAITING, places)
        self._threads = ThreadPoolExecutor(AT_ONCE, "papers")

    def shown(self, name: str) -> str:
        """Return where a paper is, for people."""
        path = self.folder / name
        return (
            str(path) if self.bucket is None or path.exists() else f"s3://{self.bucket.name}/{name}"
        )

    async def write(self, name: str, body: bytes) -> None:
        """Raises :class:`PapersError`; :class:`Locked` if too much of its user waits."""
        if self.bucket is not None:
            await self._in_turn(name, lambda: self.bucket.write(name, body))  # type: ignore[union-attr]
        else:
            await self._in_turn(name, lambda: _write(self.folder / name, body))

    async def read(self, name: str) -> bytes:
        """Raises as :meth:`write`."""
        return await self._in_turn(name, lambda: self.read_now(name))

    def read_now(self, name: str) -> bytes:
        """As :meth:`read`, for a thread.  Raises :class:`OSError`."""
        path = self.folder / name
        if self.bucket is None or path.exists():
            return path.read_bytes()
        return self.bucket.read(name)

    async def remove(self, name: str) -> None:
        """A paper that no row names."""
        remove = (self.folder / name).unlink
        if (bucket := self.bucket) is not None:
            remove = partial(bucket.remove, name)
        with contextlib.suppress(PapersError):
            await self._done(remove)

    async def _in_turn(self, name: str, work: Callable[[], Made]) -> Made:
        """Do work on a paper in the turn of its user."""
        try:
            async with self._turns.turn(f"user {name.partition('/')[0]}"):
                return await self._done(work)
        except TurnsError as error:
            raise Locked(str(error), retry_after_s=math.ceil(error.wait_s)) from None

    async def _done(self, work: Callable[[], Made]) -> Made:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise PapersError(_words(error)) from None


def keep_place(folder: Path, bucket: Bucket | None) -> None:
    """Write down where the bucket is, for the console and the command line."""
    if bucket is None:
        (folder / PLACE).unlink(missing_ok=True)
    else:
        _write(folder / PLACE, json.dumps(asdict(bucket)).encode())


def papers_of(folder: Path) -> Papers:
    """The papers of the portal in a folder."""
    place, bucket = folder / PLACE, None
    if place.exists():
        bucket = Bucket(**json.loads(place.read_text(encoding="utf-8")))
    return Papers(folder / "papers", bucket)


def _words(error: OSError) -> str:
    return error.strerror or str(error).splitlines()[0]


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all; its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(f".{secrets.token_hex(4)}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
