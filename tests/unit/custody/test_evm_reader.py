"""An EVM batch as a signer reads it, and the signature that it gives back."""

import copy
import hashlib
from typing import Any

import pytest
from coincurve import PrivateKey

from openoutcry.custody.errors import Refused
from openoutcry.custody.evm.contracts import COIN, Batch, Domain, Payment
from openoutcry.custody.evm.encoding import address_of_public_key, address_text
from openoutcry.custody.evm.reader import EvmReader, batch_body, batch_of
from openoutcry.custody.evm.transactions import ORDER, Signature, recover
from openoutcry.custody.signing import Outgoing
from tests.support.custody.keys import LocalKey

TOKEN, COLD = b"\x22" * 20, LocalKey("cold").address
DOMAIN = Domain(31337, b"\x11" * 20)
READER = EvmReader("EVM", DOMAIN, {"ETH": COIN, "USDT": TOKEN}, frozenset({COLD}))
CUSTOMER = LocalKey("customer").address
BATCH = Batch(
    7,
    1_800_000_000,
    (Payment(COIN, CUSTOMER, 5), Payment(TOKEN, CUSTOMER, 6), Payment(COIN, COLD, 9)),
)


def test_a_batch_survives_its_body() -> None:
    assert batch_of(batch_body(BATCH)) == BATCH


def test_what_leaves_the_house_is_read_from_the_batch_itself() -> None:
    found = READER.read(batch_body(BATCH))
    assert found.pays == (
        Outgoing("ETH", address_text(CUSTOMER), 5),
        Outgoing("USDT", address_text(CUSTOMER), 6),
    )
    assert found.to_cold == 9
    assert found.digests == (BATCH.digest(DOMAIN),)
    assert found.identity == "0x" + BATCH.digest(DOMAIN).hex()


def test_batches_of_one_number_exclude_each_other_and_others_do_not() -> None:
    """Batches of this wallet on this chain."""
    again = Batch(7, 99, BATCH.payments)
    later = Batch(8, 99, BATCH.payments)
    one, two, three = (READER.read(batch_body(batch)).conflicts for batch in (BATCH, again, later))
    assert one == two
    assert not set(one) & set(three)
    other = EvmReader("EVM", Domain(1, DOMAIN.wallet), {"ETH": COIN, "USDT": TOKEN}, frozenset())
    assert not set(other.read(batch_body(BATCH)).conflicts) & set(one)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "-1"),
        ("number", str(2**256)),
        ("number", "seven"),
        ("deadline", 0),
        ("deadline", "1800000000"),
        ("deadline", 2**64),
        ("payments", []),
        ("payments", "none"),
        ("payments", [{"token": address_text(COIN), "to": address_text(CUSTOMER)}]),
        ("more", 1),
    ],
)
def test_what_is_not_understood_whole_is_refused(field: str, value: object) -> None:
    body = batch_body(BATCH) | {field: value}
    with pytest.raises(Refused) as refused:
        READER.read(body)
    assert refused.value.code == "bad_batch"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("to", address_text(CUSTOMER).lower(), "bad_batch"),
        ("to", "0x" + "0" * 40, "bad_batch"),
        ("amount", "0", "bad_batch"),
        ("amount", "-5", "bad_batch"),
        ("amount", str(2**256), "bad_batch"),
        ("token", address_text(b"\x99" * 20), "unknown_token"),
    ],
)
def test_a_payment_that_is_not_understood_is_refused(field: str, value: str, code: str) -> None:
    body: dict[str, Any] = copy.deepcopy(batch_body(BATCH))
    body["payments"][1][field] = value
    with pytest.raises(Refused) as refused:
        READER.read(body)
    assert refused.value.code == code


def test_the_answer_is_recovered_to_the_signer() -> None:
    """Whichever s the HSM returned."""
    key = PrivateKey(hashlib.sha256(b"hsm").digest())
    digest = BATCH.digest(DOMAIN)
    raw = key.sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    address = address_of_public_key(key.public_key.format(compressed=False))
    for one in (s, ORDER - s):
        answer = READER.answer(batch_body(BATCH), key.public_key.format(), [(r, one)])
        signature = Signature.from_bytes65(bytes.fromhex(answer["signature"]))
        assert recover(digest, signature) == address


def test_a_signature_of_something_else_is_refused() -> None:
    key = PrivateKey(hashlib.sha256(b"hsm").digest())
    for signatures in ([], [(1, 1)], [(1, 1), (1, 1)], [(0, 0)]):
        with pytest.raises(Refused) as refused:
            READER.answer(batch_body(BATCH), key.public_key.format(), signatures)
        assert refused.value.code == "bad_signature"
