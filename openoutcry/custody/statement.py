"""What the venue signs about a withdrawal, and the reference that names its destination.

The reference of a withdrawal at the venue is a hash over everything in it, the address too.  The
core therefore knows the destination without having room for one.  A thief that sends the money
somewhere else needs another reference, and the core knows no withdrawal by that one.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from openoutcry.custody.errors import Refused
from openoutcry.custody.hsm import signature_of, tagged, verify

KIND = "statement"
SENT = "sent"
"""The venue's state of a withdrawal that nothing cancels any more: only then it is signed."""
REFERENCE_DIGITS = 29


@dataclass(frozen=True)
class Statement:
    """The venue's word on a withdrawal."""

    venue: str
    reference: str
    participant: int
    asset: str
    units: int
    """In the venue's units."""
    state: str

    def text(self) -> bytes:
        """The statement as bytes that are always the same: JSON with sorted names."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    def digest(self) -> bytes:
        """Return the digest that the attestor signs: 32 bytes."""
        return tagged(KIND, self.text())


@dataclass(frozen=True)
class Claim:
    """A payment as the payer asks a signer for it, with the venue's statement."""

    reference: str
    participant: int
    asset: str
    chain: str
    address: str
    units: int
    salt: str
    statement: Statement
    signature: str


def reference_of(
    participant: int, asset: str, chain: str, address: str, units: int, salt: str
) -> str:
    """31 characters; 116 bits of the hash."""
    terms = [participant, asset, chain, address, units, salt]
    text = json.dumps(terms, separators=(",", ":")).encode()
    return f"wd{hashlib.sha256(text).hexdigest()[:REFERENCE_DIGITS]}"


def claim_document(claim: Claim) -> dict[str, Any]:
    """A claim as plain JSON; :func:`claim_of` reads it."""
    return asdict(claim)


def claim_of(document: Any) -> Claim:
    """Raises :class:`Refused` for anything else than a claim."""
    try:
        values = dict(document)
        statement = Statement(**dict(values.pop("statement")))
        claim = Claim(statement=statement, **values)
    except (TypeError, ValueError) as error:
        raise Refused("bad_claim", f"a claim is incomplete: {error}") from None
    whole = (claim.participant, claim.units, statement.participant, statement.units)
    texts = (
        claim.reference, claim.asset, claim.chain, claim.address, claim.salt, claim.signature,
        statement.venue, statement.reference, statement.asset, statement.state,
    )  # fmt: skip
    if any(type(one) is not int for one in whole) or any(type(text) is not str for text in texts):
        raise Refused("bad_claim", "a claim has a value of the wrong type")
    return claim


def check_claim(claim: Claim, venue: str, key: bytes) -> None:
    """Whether the venue knows this withdrawal, to this address, and is past cancelling it.

    Raises :class:`Refused`."""
    terms = claim.participant, claim.asset, claim.chain, claim.address, claim.units, claim.salt
    if reference_of(*terms) != claim.reference:
        raise Refused("other_destination", f"{claim.reference!r} is the name of another payment")
    said = claim.statement
    stated = said.reference, said.participant, said.asset, said.units, said.venue
    if stated != (claim.reference, claim.participant, claim.asset, claim.units, venue):
        raise Refused("other_statement", f"{claim.reference!r}: the statement is about another")
    if said.state != SENT:
        raise Refused("not_sent", f"{claim.reference!r} is {said.state} at the venue, not {SENT}")
    try:
        signature = signature_of(claim.signature)
    except ValueError:
        signature = (0, 0)
    if not verify(key, said.digest(), signature):
        raise Refused("not_stated", f"{claim.reference!r}: the venue did not sign this")
