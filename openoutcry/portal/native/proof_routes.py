"""The routes of ``/v1/proofs``: what the venue has stated that it owes, and a user's leaf of it.

The operator makes each statement (``outcry proof make``) as a folder of its own, and puts proofs of
reserves into the folder's ``reserves``.  The portal only shows the files: it has no key of theirs.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.ledger.proof.files import MEMBERS, STATEMENT, read_inclusion, read_statement
from openoutcry.ledger.proof.statement import Statement, check_own, check_signature
from openoutcry.portal.accounts.errors import NotFound
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.native.callers import Callers, Forbidden
from openoutcry.portal.native.pages import DEFAULT, number_of, page_of
from openoutcry.portal.native.routes import limit_type
from openoutcry.portal.native.sub_accounts import participant_of
from openoutcry.portal.trading.instruments import text_of
from openoutcry.wire.errors import ProofError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Of a statement's folder, and of a file of reserves without ``.json``."""
RESERVES = "reserves"
FILE_SHOWN: dict[int | str, Any] = {
    200: {
        "description": "The file, as the operator made it.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Stated:
    """A statement of what is owed, whose signature is right, and its folder."""

    folder: Path
    statement: Statement
    public_key: bytes

    @property
    def time(self) -> tuple[int, int, str]:
        """Where it is among the statements."""
        return self.statement.as_of_ns, self.statement.as_of_seq, self.folder.name

    def reserves(self) -> list[str]:
        """Return the names of the proofs of reserves that are beside it."""
        paths = (self.folder / RESERVES).glob("*.json")
        return sorted(path.stem for path in paths if NAME.fullmatch(path.stem))


class Proofs:
    """The statements of a folder."""

    def __init__(self, folder: Path | None) -> None:
        """``folder``: None if the portal shows no proofs."""
        self.folder = folder
        self._known: dict[str, Stated | None] = {}
        """By the name of the folder; None: it cannot be shown, as the log says."""

    def all(self) -> list[Stated]:
        """Return the statements, the oldest first."""
        return sorted((one for one in self._look().values() if one), key=lambda one: one.time)

    def _look(self) -> dict[str, Stated | None]:
        """Return what is in the folder.  Each statement is read once: none is ever changed."""
        if self.folder is None or not self.folder.is_dir():
            return {}
        names = {path.name for path in self.folder.iterdir() if NAME.fullmatch(path.name)}
        self._known = {name: one for name, one in self._known.items() if name in names}
        for name in names - self._known.keys():
            self._known[name] = self._read(self.folder / name)
        return self._known

    def one(self, name: str) -> Stated:
        """Return a statement by its folder's name.  Raises :class:`NotFound`."""
        stated = self._look().get(name)
        if stated is None:
            raise NotFound("there is no such proof")
        return stated

    def leaf(self, name: str, participant: int) -> bytes:
        """Return a participant's proof in a statement: its file.  Raises :class:`NotFound`."""
        stated, member = self.one(name), str(participant)
        path = stated.folder / MEMBERS / f"{member}.json"
        if not path.is_file():
            raise NotFound("this account is not in this proof: it had nothing yet")
        try:
            check_own(stated.statement, read_inclusion(path), member, {})
        except ProofError as error:
            log.error("%s: not shown: %s", path, error)
            raise NotFound("the file of this account is damaged; ask the operator") from None
        return path.read_bytes()

    def _read(self, folder: Path) -> Stated | None:
        path = folder / STATEMENT
        try:
            statement, key, signature, challenge = read_statement(path)
            check_signature(statement, key, signature, challenge)
            if not statement.as_of_ns:
                raise ProofError(f"{path}: it does not say when this was owed, or the decimals")
        except (ProofError, OSError) as error:
            log.error("%s: not shown: %s", folder, error)
            return None
        return Stated(folder, statement, key)


@dataclass
class NativeProofs:
    """Parts of the routes."""

    callers: Callers
    proofs: Proofs
    subs: SubAccounts

    async def participant(self, asking: Any, sub_account: int) -> int:
        """Return the participant of the caller's account, or of its user's sub-account.

        Raises :class:`Forbidden` where the caller is a sub-account, :class:`NotFound`."""
        if not sub_account:
            asking.require_participant()
            return int(asking.participant)
        if not asking.is_main:
            raise Forbidden("a sub-account sees itself alone")
        return await participant_of(self.subs, asking.user_id, sub_account)


def add_proofs(app: Any, native: NativeProofs) -> None:
    """Add every route to an application of FastAPI."""
    _add_routes(app, native, native.callers.parameter(), limit_type())


def _add_routes(app: Any, native: NativeProofs, asking_type: Any, limited: Any) -> None:
    from fastapi import Response

    proofs = native.proofs
    file = {"responses": FILE_SHOWN, "response_class": Response}

    def answer(data: bytes) -> Any:
        return Response(data, 200, media_type="application/json")

    @app.get("/v1/proofs", response_model=models.ProofPage, tags=["markets"])
    async def list_proofs(cursor: str = "", limit: limited = DEFAULT) -> Any:
        before = number_of("pr", cursor)
        numbered = list(enumerate(proofs.all(), 1))
        rows = [row for row in reversed(numbered) if not before or row[0] < before]
        chosen, following = page_of("pr", rows, limit, lambda row: row[0])
        return models.ProofPage([_row(stated) for _, stated in chosen], following)

    @app.get("/v1/proofs/{name}", tags=["markets"], **file)
    async def proof_statement(name: str) -> Any:
        return answer((proofs.one(name).folder / STATEMENT).read_bytes())

    @app.get("/v1/proofs/{name}/reserves/{chain}", tags=["markets"], **file)
    async def proof_of_reserves(name: str, chain: str) -> Any:
        stated = proofs.one(name)
        if chain not in stated.reserves():
            raise NotFound("there is no such proof of reserves")
        return answer((stated.folder / RESERVES / f"{chain}.json").read_bytes())

    @app.get("/v1/proofs/{name}/leaf", tags=["portfolio"], **file)
    async def proof_leaf(asking: asking_type, name: str, sub_account: int = 0) -> Any:
        return answer(proofs.leaf(name, await native.participant(asking, sub_account)))


def _row(stated: Stated) -> models.ProofRow:
    told = stated.statement
    rows = zip(told.assets, told.sums, told.decimals, strict=True)
    return models.ProofRow(
        stated.folder.name,
        told.as_of_seq,
        told.as_of_ns // 1_000_000,
        told.member_count,
        {asset: text_of(units, decimals) for asset, units, decimals in rows},
        told.root_hash.hex(),
        stated.public_key.hex(),
        stated.reserves(),
    )
