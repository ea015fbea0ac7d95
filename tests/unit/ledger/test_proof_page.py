"""The verifier to which docs/proof.md leads, as it is printed, against the venue's own proofs."""

import json
import re
import sys

import pytest
from cryptography.exceptions import InvalidSignature

from openoutcry.ledger.proof import files
from openoutcry.ledger.proof.make import make_proofs
from openoutcry.ledger.proof.statement import public_key_of, signed
from openoutcry.wire.errors import ProofError
from tests import ROOT

PAGE = ROOT / "tests" / "support" / "ledger" / "proof_verifier.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
MEMBERS = {f"member {n}/ä": (7 * n, 2**62 + n, 10**n) for n in range(13)}
ASSETS = ("BTC", "USD", "Ünits")


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proofs")
    files.write_key(folder / "key")
    statement = make_proofs(folder / "key", 123_456, ASSETS, MEMBERS, folder / "out")
    return folder, statement


def verified(monkeypatch, capsys, statement, proof, key):
    """What the page's program prints."""
    monkeypatch.setattr(sys, "argv", ["verify", str(statement), str(proof), key.hex()])
    exec(compile(BLOCKS[0], PAGE.name, "exec"), {})
    return capsys.readouterr().out


def proofs_of(folder):
    return sorted((folder / "out" / "members").iterdir())


def test_every_member_s_proof_is_verified_by_the_page_s_program(venue, monkeypatch, capsys):
    folder, _ = venue
    assert len(BLOCKS) == 1
    key = public_key_of(files.read_key(folder / "key")[0])
    seen = ""
    for path in proofs_of(folder):
        seen += verified(monkeypatch, capsys, folder / "out" / "statement.json", path, key)
    lines = sorted(
        f"{name} {dict(zip(ASSETS, held, strict=True))}\n" for name, held in MEMBERS.items()
    )
    assert sorted(seen.splitlines(keepends=True)) == lines


def test_a_statement_with_a_time_is_verified_and_with_another_time_is_not(
    venue, monkeypatch, capsys, tmp_path
):
    folder, _ = venue
    at_ns = 1_700_000_000 * 10**9
    stated = make_proofs(folder / "key", 5, ASSETS, MEMBERS, tmp_path / "out", (8, 2, 0), at_ns)
    path, key = (
        tmp_path / "out" / "statement.json",
        public_key_of(files.read_key(folder / "key")[0]),
    )
    assert files.read_statement(path)[0] == stated
    proof = proofs_of(tmp_path)[0]
    assert verified(monkeypatch, capsys, path, proof, key)
    document = json.loads(path.read_text())
    for false in ({"as_of_ns": str(at_ns + 1)}, {"as_of_ns": "0"}, {"decimals": {}}):
        path.write_text(json.dumps(document | false))
        with pytest.raises((InvalidSignature, AssertionError)):
            verified(monkeypatch, capsys, path, proof, key)
    with pytest.raises(ProofError, match="has decimals too"):
        make_proofs(folder / "key", 5, ASSETS, MEMBERS, tmp_path / "more", (), at_ns)


def test_a_challenged_statement_is_verified_too(venue, monkeypatch, capsys, tmp_path):
    folder, statement = venue
    private = files.read_key(folder / "key")[0]
    challenge = bytes(range(32))
    document = files.statement_document(
        statement, public_key_of(private), signed(statement, private, challenge), challenge
    )
    path = tmp_path / "answered.json"
    path.write_text(json.dumps(document))
    key = public_key_of(private)
    assert verified(monkeypatch, capsys, path, proofs_of(folder)[0], key)
    path.write_text(json.dumps(document | {"challenge": bytes(32).hex()}))
    with pytest.raises(InvalidSignature):
        verified(monkeypatch, capsys, path, proofs_of(folder)[0], key)


@pytest.mark.parametrize("field", ["member", "salt", "balances", "leaf_index", "siblings"])
def test_what_was_changed_is_not_verified(venue, monkeypatch, capsys, tmp_path, field):
    folder, _ = venue
    key = public_key_of(files.read_key(folder / "key")[0])
    proof = json.loads(proofs_of(folder)[3].read_text())
    changes = {
        "member": proof["member"] + "x",
        "salt": bytes(32).hex(),
        "balances": [proof["balances"][0] + "1", *proof["balances"][1:]],
        "leaf_index": str(int(proof["leaf_index"]) ^ 1),
        "siblings": proof["siblings"][::-1],
    }
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof | {field: changes[field]}))
    with pytest.raises(AssertionError):
        verified(monkeypatch, capsys, folder / "out" / "statement.json", path, key)
