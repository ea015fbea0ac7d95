"""Proofs of reserves of an invented chain: every key, script, transaction and block is the test's.

What a test says to be true (:meth:`World.block`) is the anchor; nothing else is.
"""

import hashlib
import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.custody import custody
from openoutcry.custody.hsm import signature_text, tagged
from openoutcry.custody.reserves import FORMAT, RESERVES, message_of
from openoutcry.custody.utxo.address import hash160
from openoutcry.custody.utxo.blocks import double_sha256
from openoutcry.ledger.proof import files
from openoutcry.ledger.proof.statement import Statement, public_key_of, signed
from tests import ROOT
from tests.support.custody.keys import LocalKey

EXAMPLE = ROOT / "examples" / "verify_reserves.py"
BITS = 0x207FFFFF
EASIEST = 0x7FFFFF << 232
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def template(*keys: bytes) -> bytes:
    """The script of 2 of 3."""
    return b"\x52" + b"".join(b"\x21" + one for one in sorted(keys)) + b"\x53\xae"


def pays(amount: int, lock: bytes, salt: bytes = b"") -> bytes:
    """A transaction with one output, in hexadecimal's bytes."""
    spent = hashlib.sha256(salt or lock).digest()
    head = b"\x02\0\0\0\x01" + spent + bytes(4) + b"\0" + b"\xff" * 4
    out = b"\x01" + amount.to_bytes(8, "little") + bytes([len(lock)]) + lock
    return head + out + bytes(4)


def mined(
    parent: bytes,
    root: bytes,
    time_s: int = 1_700_000_000,
    bits: int = BITS,
    work: Callable[[bytes], bytes] = double_sha256,
) -> bytes:
    """A header with the work that ``bits`` ask for."""
    size, digits = bits >> 24, bits & 0xFFFFFF
    target, nonce = digits << 8 * (size - 3), 0
    while True:
        tail = time_s.to_bytes(4, "little") + bits.to_bytes(4, "little")
        header = b"\x01\0\0\0" + parent + root + tail + nonce.to_bytes(4, "little")
        if int.from_bytes(work(header), "little") <= target:
            return header
        nonce += 1


def scrypt(header: bytes) -> bytes:
    """The work of Litecoin's networks."""
    return hashlib.scrypt(header, salt=header, n=1_024, r=1, p=1, dklen=32)


def signatures(document: dict[str, Any], keys: list[LocalKey]) -> dict[str, Any]:
    """The document, signed by these."""
    plain = {name: value for name, value in document.items() if name != "signatures"}
    digest = tagged(RESERVES, message_of(plain).encode())
    made = [(one, one.sign(digest)) for one in keys]
    rows = [
        {"key": one.public_key.hex(), "signature": signature_text((s.r, min(s.s, ORDER - s.s)))}
        for one, s in made
    ]
    return plain | {"signatures": rows}


@dataclass
class World:
    """One block with a payment to a hot and one to a cold wallet; ``amount`` to each."""

    name: str = "honest"
    amount: int = 42 * 10**8
    network: str = "ltc-regtest"
    asset: str = "LTC"
    challenge: str = "fresh"
    height: int = 7
    others: dict[str, tuple[int, int]] = field(default_factory=dict)
    """More that is owed: units and decimals by asset."""
    script: bytes = b""
    time_s: int = 1_700_000_000
    """Time of the block and of the statement."""

    def __post_init__(self) -> None:
        self.keys = [LocalKey(f"{self.name} {one}") for one in range(3)]
        self.cold_key = LocalKey(f"{self.name} cold")
        self.script = self.script or template(*(one.public_key for one in self.keys))
        lock = b"\x00\x20" + hashlib.sha256(self.script).digest()
        cold = b"\x00\x14" + hash160(self.cold_key.public_key)
        self.raws = [pays(self.amount, one, self.name.encode()) for one in (lock, cold)]
        ids = [double_sha256(one) for one in self.raws]
        roots = hashlib.sha256(self.name.encode()).digest(), double_sha256(b"".join(ids))
        work = scrypt if self.network.startswith("ltc") else double_sha256
        self.header = mined(*roots, self.time_s, work=work)
        self.proofs = [
            self.header + (2).to_bytes(4, "little") + b"\x02" + b"".join(ids) + b"\x01" + flags
            for flags in (b"\x03", b"\x05")
        ]
        self.ids = [one[::-1].hex() for one in ids]
        secret = hashlib.sha256(f"venue {self.name}".encode()).digest()
        self.venue_key, self.public_key = secret, public_key_of(secret).hex()

    @property
    def block(self) -> str:
        return double_sha256(self.header)[::-1].hex()

    @property
    def at(self) -> str:
        """The option of a verifier that asks for the hour after the block."""
        return f"--at={datetime.fromtimestamp(self.time_s + 3_600, UTC).isoformat()}"

    def statement(self, units: int | None = None, **change: Any) -> dict[str, Any]:
        """What the venue owes, signed: all of both wallets, unless ``units`` says another."""
        owed = {self.asset: (2 * self.amount if units is None else units, 8)} | self.others
        names = tuple(owed)
        sums = tuple(one for one, _ in owed.values())
        decimals = tuple(one for _, one in owed.values())
        root = hashlib.sha256(self.name.encode()).digest()
        known = {"as_of_seq": 1_000, "decimals": decimals, "as_of_ns": self.time_s * 10**9}
        terms = known | change
        rest = terms["decimals"], terms["as_of_ns"]
        made = Statement(terms["as_of_seq"], names, 3, root, sums, *rest)
        public = bytes.fromhex(self.public_key)
        return files.statement_document(made, public, signed(made, self.venue_key))

    def owed(self, statement: dict[str, Any], folder: Path) -> str:
        """The hash that binds a proof to a statement."""
        path = folder / "owed.json"
        path.write_text(json.dumps(statement))
        return files.read_statement(path)[0].content(b"").hex()

    def hot(self, owed: str = "", **change: Any) -> dict[str, Any]:
        """The hot wallet's proof, signed."""
        return signatures(self._plain(0, owed) | change, self.keys[:2])

    def cold(self, owed: str = "", **change: Any) -> dict[str, Any]:
        """The cold wallet's."""
        return signatures(self._plain(1, owed) | {"fingerprint": "00"} | change, [self.cold_key])

    def _plain(self, place: int, owed: str) -> dict[str, Any]:
        own = (
            {"public_key": self.cold_key.public_key.hex(), "at": [0, 0]}
            if place
            else {"witness_script": self.script.hex()}
        )
        output = {
            "txid": self.ids[place],
            "place": 0,
            "amount": str(self.amount),
            "raw": self.raws[place].hex(),
            "proof": self.proofs[place].hex(),
        }
        return {
            "format": FORMAT,
            "kind": "cold-reserves" if place else "reserves",
            "chain": self.asset,
            "network": self.network,
            "asset": self.asset,
            "decimals": 8,
            "owed": owed,
            "height": self.height,
            "block": self.block,
            "header": self.header.hex(),
            "challenge": self.challenge,
            "outputs": [output | own],
            "total": str(self.amount),
        }


class Both:
    """Both verifiers over files in a folder."""

    def __init__(self, folder: Path, world: World, *anchors: str) -> None:
        self.folder = folder
        self.words = [
            str(folder / "hot.json"),
            str(folder / "cold.json"),
            "--challenge=fresh",
            f"--public-key={world.public_key}",
            world.at,
            *(anchors or [f"--block={world.asset}={world.block}"]),
        ]
        self.statement = folder / "stated.json"

    def write(self, documents: dict[str, Any]) -> None:
        for name, one in documents.items():
            text = one if isinstance(one, str) else json.dumps(one)
            (self.folder / f"{name}.json").write_text(text)

    def believe(self, documents: dict[str, Any]) -> tuple[tuple[bool, bool], str]:
        """Which of the two proved it, and what both said."""
        self.write(documents)
        done = CliRunner().invoke(
            custody, ["verify", *self.words, f"--liabilities={self.statement}"]
        )
        ours = done.exit_code == 0
        said = done.output + str(done.exception or "")
        return (ours, self.by_example()), said

    def by_example(self) -> bool:
        words = [str(EXAMPLE), *self.words, f"--statement={self.statement}"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", words)
            try:
                runpy.run_path(str(EXAMPLE), run_name="__main__")
            except SystemExit as end:
                why = str(end.code)
            else:
                return True
        assert "not proved" in why
        return False
