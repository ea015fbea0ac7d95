"""The venue's word on its withdrawals: reads the core through the desk, and signs what it says.

It runs on the venue's host and has its own key.  Signers know the public key.  A thief of the
payer's host can ask it, and learns only what the core says; to change that, the thief needs the
venue.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import Refused
from openoutcry.custody.hsm import Hsm, signature_text
from openoutcry.custody.sockets import Request, whole
from openoutcry.custody.statement import Statement
from openoutcry.custody.venue import Venue
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, read_tables, text

LABEL = "attest"


@dataclass(frozen=True)
class AttestorFile:
    """``attestor.toml``."""

    socket: Path
    journal: Path
    venue: str
    module: Path
    token: str


KEYS = {
    "socket": Key(text(100)),
    "journal": Key(text(4_096)),
    "venue": Key(text(40)),
    "module": Key(text(4_096)),
    "token": Key(text(32)),
}


def read_attestor_file(path: Path) -> AttestorFile:
    """Raises :class:`OutcryError` naming the first mistake, with its line."""
    tables = read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, ("attestor",))
    row: dict[str, Any] = tables.table("attestor", KEYS)
    if tables.mistakes:
        raise OutcryError(f"{path}: {min(tables.mistakes)}")
    folder = path.parent
    terms = row["venue"], Path(row["module"]), row["token"]
    return AttestorFile(folder / row["socket"], folder / row["journal"], *terms)


class Attestor:
    """``name``: of the venue, which the signers expect."""

    def __init__(self, name: str, venue: Venue, hsm: Hsm) -> None:
        self.name, self.venue, self.hsm = name, venue, hsm

    def answer(self, request: Request) -> Request:
        """The venue's statement on a withdrawal, signed by the attestor's key.

        Raises :class:`Refused` for another request and for an unknown withdrawal."""
        if request.get("do") != "state":
            raise Refused("unknown_request", f"the attestor does not do {request.get('do')!r}")
        reference, participant = str(request["reference"]), whole(request, "participant")
        row = self.venue.movement("withdrawal", participant, reference)
        if row is None:
            raise Refused("unknown_withdrawal", f"the core knows no withdrawal {reference!r}")
        terms = reference, participant, str(row["asset"]), int(row["amount"]), str(row["state"])
        statement = Statement(self.name, *terms)
        signature = signature_text(self.hsm.sign(LABEL, statement.digest()))
        return {"statement": statement.__dict__, "signature": signature}
