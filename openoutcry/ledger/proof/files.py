"""Balances in, statements and proofs out: CSV and JSON, read with the row or field of any fault."""

import csv
import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from openoutcry.ledger.proof.statement import Statement
from openoutcry.ledger.proof.tree import BALANCE_END, Inclusion, Node, Sums
from openoutcry.wire.atomic_file import create_atomically
from openoutcry.wire.decimals import AmountError, written_units
from openoutcry.wire.errors import ProofError
from openoutcry.wire.named_once import named_once

FORMAT = "openoutcry-proof-1"
COLUMNS = ["member", "asset", "balance_units"]
BALANCE = "balance"
STATEMENT, MEMBERS = "statement.json", "members"


def read_balances(
    path: Path, scales: Mapping[str, int] | None = None
) -> tuple[tuple[str, ...], dict[str, Sums]]:
    """Read a CSV file with the columns member, asset, and balance_units or balance, which is
    decimal; ``scales``: decimals by asset.

    Returns the assets in the order of their names, and the balances of each member in that order.
    A member without a row of an asset has 0.

    Raises ``ProofError`` naming row and field: another column, no whole number, a negative one, a
    member that has the same asset twice.
    """
    by_member: dict[str, dict[str, int]] = {}
    for where, row in _rows(path):
        column = next(name for name in row if name.startswith(BALANCE))
        text = row[column]
        if column == BALANCE:
            try:
                text = str(written_units(text, row["asset"], scales or {}))
            except AmountError as error:
                raise ProofError(f"{where}, {column}: {error}") from None
        units = _units(text, f"{where}, {column}")
        for name in ("member", "asset"):
            if not row[name]:
                raise ProofError(f"{where}, {name}: is empty")
        own = by_member.setdefault(row["member"], {})
        if row["asset"] in own:
            raise ProofError(f"{where}: {row['member']} has {row['asset']} twice")
        own[row["asset"]] = units
    assets = tuple(sorted({asset for own in by_member.values() for asset in own}))
    balances = {
        member: tuple(own.get(asset, 0) for asset in assets) for member, own in by_member.items()
    }
    return assets, balances


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Return where each row is, and its fields; a byte order mark before the first is passed
    over."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader, number = csv.DictReader(file, strict=True), 1
        try:
            if reader.fieldnames not in (COLUMNS, [*COLUMNS[:2], BALANCE]):
                raise ProofError(f"{path}: the first row must be {','.join(COLUMNS)}")
            for number, row in enumerate(reader, 2):
                where = f"{path}: row {number}"
                if None in row.values() or None in row:
                    raise ProofError(f"{where}: not {len(COLUMNS)} fields")
                yield where, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise ProofError(f"{path}: row {number + 1}: {error}") from None


def _units(text: str, where: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 39:
        raise ProofError(f"{where}: {text!r} is not a whole number")
    units = int(text)
    if units < 0:
        raise ProofError(
            f"{where}: {units} is negative; that does not reduce what is owed to others"
        )
    if units >= BALANCE_END:
        raise ProofError(f"{where}: {units} is 2^63 or more")
    return units


def write_key(path: Path) -> None:
    """64 random bytes that only their owner may read: the key of signatures, and that of salts."""
    if not create_atomically(path, f"{secrets.token_hex(64)}\n".encode()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def read_key(path: Path) -> tuple[bytes, bytes]:
    """The key of signatures and that of salts, 32 bytes each."""
    key = from_hex(path.read_text(encoding="utf-8", errors="replace").strip(), str(path), 64)
    return key[:32], key[32:]


def from_hex(text: Any, where: str, size_bytes: int) -> bytes:
    """Raises ``ProofError`` for anything but ``size_bytes`` bytes in hexadecimal."""
    try:
        value = bytes.fromhex(text)
    except (ValueError, TypeError):
        value = b""
    if len(value) != size_bytes:
        raise ProofError(f"{where}: not {size_bytes} bytes in hexadecimal")
    return value


def statement_document(
    statement: Statement, public_key: bytes, signature: bytes, challenge: bytes = b""
) -> dict[str, Any]:
    """Return the document that the venue publishes; numbers are texts, because JSON readers have 53
    bits."""
    return {
        "format": FORMAT,
        "as_of_seq": str(statement.as_of_seq),
        "members": str(statement.member_count),
        "root": statement.root_hash.hex(),
        "sums": dict(zip(statement.assets, map(str, statement.sums), strict=True)),
        **_decimals_document(statement),
        **({"as_of_ns": str(statement.as_of_ns)} if statement.as_of_ns else {}),
        "public_key": public_key.hex(),
        "challenge": challenge.hex(),
        "signature": signature.hex(),
    }


def _decimals_document(statement: Statement) -> dict[str, Any]:
    if not statement.decimals:
        return {}
    return {"decimals": dict(zip(statement.assets, map(str, statement.decimals), strict=True))}


def inclusion_document(inclusion: Inclusion) -> dict[str, Any]:
    """Return the document that one member receives."""
    return {
        "format": FORMAT,
        "member": inclusion.member,
        "salt": inclusion.salt.hex(),
        "balances": [str(value) for value in inclusion.balances],
        "leaf_index": str(inclusion.leaf_index),
        "siblings": [
            {"hash": node.hash.hex(), "sums": [str(value) for value in node.sums]}
            for node in inclusion.siblings
        ],
    }


def read_statement(path: Path) -> tuple[Statement, bytes, bytes, bytes]:
    """A statement, the public key in it, its signature and its challenge (``b""``: none)."""
    fields = _Fields(path)
    sums = fields.of("sums", dict)
    decimals = fields.of("decimals", dict) if fields.has("decimals") else {}
    if decimals and list(decimals) != list(sums):
        raise ProofError(f"{path}: decimals are not of the same assets as sums")
    statement = Statement(
        fields.number("as_of_seq"),
        tuple(sums),
        fields.number("members"),
        from_hex(fields.of("root", str), f"{path}: root", 32),
        tuple(_number(value, f"{path}: sums.{name}") for name, value in sums.items()),
        tuple(_number(value, f"{path}: decimals.{name}") for name, value in decimals.items()),
        fields.number("as_of_ns") if fields.has("as_of_ns") else 0,
    )
    challenge = fields.of("challenge", str)
    return (
        statement,
        from_hex(fields.of("public_key", str), f"{path}: public_key", 32),
        from_hex(fields.of("signature", str), f"{path}: signature", 64),
        from_hex(challenge, f"{path}: challenge", 32) if challenge else b"",
    )


def read_inclusion(path: Path) -> Inclusion:
    """A member's proof, as the file has it: this does not check whether it holds."""
    fields = _Fields(path)
    siblings = []
    for at, sibling in enumerate(fields.of("siblings", list)):
        where = f"{path}: siblings[{at}]"
        if not isinstance(sibling, dict) or not isinstance(sibling.get("sums"), list):
            raise ProofError(f"{where}: needs a hash and sums")
        sums = _numbers(sibling["sums"], f"{where}.sums")
        siblings.append(Node(from_hex(sibling.get("hash"), f"{where}.hash", 32), sums))
    return Inclusion(
        fields.of("member", str),
        from_hex(fields.of("salt", str), f"{path}: salt", 32),
        _numbers(fields.of("balances", list), f"{path}: balances"),
        fields.number("leaf_index"),
        tuple(siblings),
    )


class _Fields:
    """A JSON document of our format, field by field."""

    def __init__(self, path: Path) -> None:
        try:
            document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=named_once)
        except (ValueError, RecursionError) as error:
            raise ProofError(f"{path}: not JSON: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ProofError(f"{path}: its format is not {FORMAT}")
        self._path, self._document = path, document

    def has(self, name: str) -> bool:
        return name in self._document

    def of(self, name: str, kind: type) -> Any:
        value = self._document.get(name)
        if not isinstance(value, kind):
            raise ProofError(f"{self._path}: {name} is missing or is not a {kind.__name__}")
        return value

    def number(self, name: str) -> int:
        return _number(self.of(name, str), f"{self._path}: {name}")


def _numbers(values: Iterable[Any], where: str) -> Sums:
    return tuple(_number(value, f"{where}[{at}]") for at, value in enumerate(values))


def _number(value: Any, where: str) -> int:
    """A whole number in a text.  A negative one is read, so that the proof is refused for it."""
    text = value if isinstance(value, str) else ""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 60:
        raise ProofError(f"{where}: {value!r} is not a whole number in a text")
    return int(text)
