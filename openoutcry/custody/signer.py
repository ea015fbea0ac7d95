"""A signer: a process with one key, which signs what its own policy allows and nothing else.

It has its own file, its own records and its own module.  It opens no connection: requests come over
its socket, and the venue's statements come with them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import Refused
from openoutcry.custody.hsm import Hsm, signature_text, tagged
from openoutcry.custody.settings import MANY, address_key
from openoutcry.custody.signer_policy import Limit, Policy
from openoutcry.custody.signing import Reader, WalletSpec
from openoutcry.custody.sockets import Request
from openoutcry.custody.statement import Claim, claim_of
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, integer, one_of, read_tables, text

RESERVES = "reserves"
MAX_CLAIMS = 1_000
MAX_MESSAGE = 300


@dataclass(frozen=True)
class SignerFile:
    """``signer.toml``."""

    path: Path
    socket: Path
    store: Path
    module: Path
    token: str
    venue: str
    attestor_key: bytes
    destination_wait_s: int
    wallets: tuple[WalletSpec, ...]
    limits: tuple[Limit, ...]


def tokens(value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs of asset and contract address.  Raises :class:`ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("must be a table of assets and contracts")
    return tuple((str(name), text(42)(one)) for name, one in value.items())


SIGNER = {
    "socket": Key(text(100)),
    "store": Key(text(4_096)),
    "module": Key(text(4_096)),
    "token": Key(text(32)),
    "venue": Key(text(40)),
    "attestor": Key(address_key),
    "destination_wait_s": Key(integer(0, 10**8), 86_400),
}
WALLET = {
    "chain": Key(text(20)),
    "kind": Key(one_of({"utxo": "utxo", "evm": "evm"})),
    "asset": Key(text(8)),
    "network": Key(text(20), ""),
    "hot": Key(text(1_000), ""),
    "cold": Key(text(1_000), ""),
    "label": Key(text(32), "utxo"),
    "chain_id": Key(integer(0, 10**12), 0),
    "vault": Key(text(42), ""),
    "factory": Key(text(42), ""),
    "tokens": Key(tokens, ()),
}
LIMIT = {
    "asset": Key(text(8)),
    "chain": Key(text(20)),
    "scale": Key(integer(1, MANY), 1),
    "a_payment": Key(integer(0, MANY)),
    "an_hour": Key(integer(0, MANY)),
    "a_day": Key(integer(0, MANY)),
    "fee": Key(integer(0, MANY)),
    "fees_a_day": Key(integer(0, MANY)),
    "to_cold_a_day": Key(integer(0, MANY), 0),
}


def read_signer_file(path: Path) -> SignerFile:
    """Raises :class:`OutcryError` naming the first mistake, with its line."""
    tables = read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, ("signer", "wallet", "limit"))
    top = tables.table("signer", SIGNER)
    wallets = [WalletSpec(**row) for _, row in tables.rows("wallet", WALLET)]
    limits = [Limit(**row) for _, row in tables.rows("limit", LIMIT)]
    if tables.mistakes:
        raise OutcryError(f"{path}: {min(tables.mistakes)}")
    beside = path.parent
    return SignerFile(
        path,
        beside / top["socket"],
        beside / top["store"],
        Path(top["module"]),
        top["token"],
        top["venue"],
        top["attestor"],
        top["destination_wait_s"],
        tuple(wallets),
        tuple(limits),
    )


class Signer:
    """Turns requests into signatures; ``readers``: one for each chain."""

    def __init__(self, hsm: Hsm, policy: Policy, readers: list[Reader]) -> None:
        self.hsm, self.policy = hsm, policy
        self.readers = {reader.chain: reader for reader in readers}

    def answer(self, request: Request) -> Request:
        """Answer one request: sign, refused, announce, state or reserves.  Raises
        :class:`Refused`."""
        do = request.get("do")
        if do == "sign":
            return self._sign(request)
        if do == "refused":
            return {"refusals": self._refused(request)}
        if do == "announce":
            usable = self.policy.announce(self._reader(request).chain, str(request["address"]))
            return {"usable_ns": usable}
        if do == "state":
            keys = {
                reader.chain: self.hsm.public_key(reader.label).hex()
                for reader in self.readers.values()
            }
            asked = [list(one) for one in self.policy.asked()]
            return {"number": self.policy.last_number(), "keys": keys, "asked": asked}
        if do == RESERVES:
            return self._reserves(request)
        raise Refused("unknown_request", f"a signer does not do {do!r}")

    def _reader(self, request: Request) -> Reader:
        reader = self.readers.get(str(request.get("chain")))
        if reader is None:
            raise Refused("unknown_chain", f"this signer has no key on {request.get('chain')!r}")
        return reader

    def _sign(self, request: Request) -> Request:
        reader, number = self._reader(request), request.get("number")
        claims, body = _claims(request), request.get("body")
        if type(number) is not int or not 0 < number < 2**62:
            raise Refused("bad_number", "a request has a number above 0")
        if not isinstance(body, dict):
            raise Refused("bad_request", "a request has claims and a body")
        identity = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        try:
            reading = reader.read(body)
            identity = reading.identity
            # Durable before the signature exists: what was signed is never forgotten.
            self.policy.allow(number, reader.chain, reading, claims)
        except Refused as error:
            self.policy.refuse(identity, reader.chain, error.code)
            raise
        signatures = [self.hsm.sign(reader.label, digest) for digest in reading.digests]
        return reader.answer(body, self.hsm.public_key(reader.label), signatures)

    def _refused(self, request: Request) -> dict[str, str]:
        reader, body = self._reader(request), request.get("body")
        reading = None if body is None else reader.read(body)
        return self.policy.refused(reader.chain, _claims(request), reading)

    def _reserves(self, request: Request) -> Request:
        """A message that is no transaction: that the venue has this key."""
        reader, message = self._reader(request), str(request.get("message"))
        if not 0 < len(message) <= MAX_MESSAGE:
            raise Refused("bad_request", f"a message has 1 to {MAX_MESSAGE} characters")
        signature = self.hsm.sign(reader.label, tagged(RESERVES, message.encode()))
        key = self.hsm.public_key(reader.label).hex()
        return {"key": key, "signature": signature_text(signature)}


def _claims(request: Request) -> list[Claim]:
    rows = request.get("claims")
    if not isinstance(rows, list) or len(rows) > MAX_CLAIMS:
        raise Refused("bad_request", f"a request has a list of at most {MAX_CLAIMS} claims")
    return [claim_of(one) for one in rows]


def readers_of(file: SignerFile) -> list[Reader]:
    """Return a reader for each wallet of the file."""
    from openoutcry.custody.chains import reader_of

    return [reader_of(wallet) for wallet in file.wallets]
