"""Transactions and batches against eth-account: its bytes are our bytes."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.custody.evm.contracts import Batch, Domain, Payment
from openoutcry.custody.evm.encoding import address_text, keccak, to_hex
from openoutcry.custody.evm.transactions import Transaction
from tests.support.custody.keys import LocalKey

# What it imports raises the interpreter's limit, with which deep input overflows the stack.
LIMIT = sys.getrecursionlimit()
eth_account = pytest.importorskip("eth_account", reason="the judge of signatures is not installed")
sys.setrecursionlimit(LIMIT)


@given(
    nonce=st.integers(0, 2**32),
    value=st.integers(0, 2**80),
    data=st.binary(max_size=100),
    gas=st.integers(21_000, 30_000_000),
    tip=st.integers(0, 2**40),
    fee=st.integers(0, 2**40),
)
def test_a_transaction_is_the_same_bytes_as_another_programs(
    nonce: int, value: int, data: bytes, gas: int, tip: int, fee: int
) -> None:
    key, to = LocalKey("one"), LocalKey("two").address
    ours = Transaction(31337, nonce, tip, fee, gas, to, value, data).signed(key)
    theirs = eth_account.Account.sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": fee,
            "gas": gas,
            "to": address_text(to),
            "value": value,
            "data": to_hex(data),
        },
        key.secret,
    )
    assert eth_account.Account.recover_transaction(ours.raw) == address_text(key.address)
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash)


@given(
    payments=st.lists(
        st.tuples(st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1)), max_size=5
    ),
    number=st.integers(0, 2**256 - 1),
)
def test_a_batch_has_the_digest_of_its_typed_data(
    payments: list[tuple[bytes, int]], number: int
) -> None:
    """EIP-712, as any program that signs typed data computes it."""
    from eth_account.messages import encode_typed_data

    batch = Batch(number, 99, tuple(Payment(to, to, amount) for to, amount in payments))
    domain = Domain(31337, LocalKey("wallet").address)
    message = encode_typed_data(full_message=typed_data(batch, domain))
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    assert digest == batch.digest(domain)


def typed_data(batch: Batch, domain: Domain) -> dict[str, Any]:
    """Return the typed data of a batch for another program that signs it."""
    return {
        "types": {
            "EIP712Domain": _typed(
                name="string", version="string", chainId="uint256", verifyingContract="address"
            ),
            "Payment": _typed(token="address", to="address", amount="uint256"),
            "Batch": _typed(number="uint256", deadline="uint256", payments="Payment[]"),
        },
        "primaryType": "Batch",
        "domain": {
            "name": "Open Outcry custody",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": address_text(domain.wallet),
        },
        "message": {
            "number": batch.number,
            "deadline": batch.deadline,
            "payments": [
                {
                    "token": address_text(payment.token),
                    "to": address_text(payment.to),
                    "amount": payment.amount,
                }
                for payment in batch.payments
            ],
        },
    }


def _typed(**fields: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]
