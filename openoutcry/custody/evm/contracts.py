"""The contracts: their code, what is signed for them, how they are called and what they log.

The sources are in ``contracts/``; ``compiled.json`` is made from them by
``python -m tests.support.custody.compile_contracts`` and holds the compiler's version."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from openoutcry.custody.evm.encoding import (
    NO_ADDRESS,
    WORD_BYTES,
    address_at,
    address_text,
    create2_address,
    from_hex,
    keccak,
    number_at,
    selector,
    topic,
    word,
    words,
)
from openoutcry.custody.evm.transactions import Signature, SignatureError, recover

OWNERS = 3
NEEDED = 2
MAX_PAYMENTS = 200
MAX_SWEPT = 100
RECEIVER_GAS = 50_000
"""What the vault gives the receiver of a payment of coins (``COIN_GAS``)."""

_PAYMENT = "Payment(address token,address to,uint256 amount)"
DOMAIN_TYPE = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME, VERSION = keccak(b"Open Outcry custody"), keccak(b"1")
PAYMENT_TYPE = keccak(_PAYMENT.encode())
BATCH_TYPE = keccak(
    b"Batch(uint256 number,uint256 deadline,Payment[] payments)" + _PAYMENT.encode()
)
REPLACE_TYPE = keccak(b"ReplaceOwner(uint256 number,uint256 deadline,address old,address new)")
EXECUTE = selector(
    "execute(uint256,uint256,(address,address,uint256)[],(uint8,uint256,uint256)[2])"
)
REPLACE = selector("replace_owner(uint256,uint256,address,address,(uint8,uint256,uint256)[2])")
SWEEP = selector("sweep(address,uint256[])")
NUMBER = selector("number()")
OWNER_AT = selector("owners(uint256)")
BALANCE_OF = selector("balanceOf(address)")

TRANSFERRED = topic("Transfer(address,address,uint256)")
PAID = topic("Paid(uint256,address,address,uint256,uint256)")
FAILED = topic("Failed(uint256,address,address,uint256,uint256)")
EXECUTED = topic("Executed(uint256,bytes32,uint256)")
RECEIVED = topic("Received(address,uint256)")
OWNER_REPLACED = topic("OwnerReplaced(uint256,address,address)")


@cache
def compiled() -> dict[str, Any]:
    """Return the content of ``contracts/compiled.json``."""
    text = (resources.files(__package__) / "contracts" / "compiled.json").read_text()
    content: dict[str, Any] = json.loads(text)
    return content


def creation_code(name: str, *arguments: int | bytes) -> bytes:
    """Return the code that creates a named contract, with its constructor's arguments (one word
    each)."""
    return from_hex(compiled()["contracts"][name]["bytecode"]) + words(*arguments)


def runtime_code(name: str) -> bytes:
    """Return the code that a named contract has on the chain."""
    made = compiled()["contracts"][name]
    start, size = made["runtime_at"]
    return from_hex(made["bytecode"])[start : start + size]


def blueprint_code() -> bytes:
    """Return the code that puts the deposit contract's creation code onto the chain as a blueprint
    (ERC-5202)."""
    body = b"\xfe\x71\x00" + creation_code("deposit")
    return b"\x61" + len(body).to_bytes(2, "big") + bytes.fromhex("3d81600a3d39f3") + body


@cache
def deposit_code_hash(wallet: bytes) -> bytes:
    """Hash of a deposit contract's creation code, which its address follows from."""
    return keccak(creation_code("deposit", wallet))


@dataclass(frozen=True)
class DepositAddresses:
    """Every deposit address of a wallet, by number.  They follow from factory and
    wallet, and no key belongs to them: what arrives can go to the wallet only."""

    factory: bytes
    wallet: bytes

    def address(self, index: int) -> bytes:
        """The 20 bytes of deposit address ``index``, whether its contract was made or not."""
        return create2_address(self.factory, word(index), deposit_code_hash(self.wallet))


# What owners sign


@dataclass(frozen=True)
class Payment:
    """``token``: the zero address for the chain's own coin."""

    token: bytes
    to: bytes
    amount: int

    def described(self) -> dict[str, Any]:
        """The payment as plain JSON; the amount is text, for it may exceed 2^53."""
        return {
            "token": address_text(self.token),
            "to": address_text(self.to),
            "amount": str(self.amount),
        }


@dataclass(frozen=True)
class Domain:
    """One wallet on one chain: a signature for it is good nowhere else."""

    chain_id: int
    wallet: bytes

    def digest(self, content: bytes) -> bytes:
        """Return the digest to sign of a struct whose hash is ``content``, by EIP-712."""
        separator = keccak(words(DOMAIN_TYPE, NAME, VERSION, self.chain_id, self.wallet))
        return keccak(b"\x19\x01" + separator + content)


@dataclass(frozen=True)
class Batch:
    """``number``: the wallet's next when it is made.  ``deadline``: the last second at which it may
    be made, by the block's time."""

    number: int
    deadline: int
    payments: tuple[Payment, ...]

    def digest(self, domain: Domain) -> bytes:
        """Return the digest by EIP-712: any wallet that shows typed data shows this."""
        hashes = b"".join(
            keccak(words(PAYMENT_TYPE, payment.token, payment.to, payment.amount))
            for payment in self.payments
        )
        content = words(BATCH_TYPE, self.number, self.deadline, keccak(hashes))
        return domain.digest(keccak(content))

    def call(self, signatures: Sequence[Signature], digest: bytes) -> bytes:
        """The call that makes it: the signatures in the order that the contract wants."""
        listed = b"".join(
            words(payment.token, payment.to, payment.amount) for payment in self.payments
        )
        head = words(self.number, self.deadline, 9 * 32) + _two(signatures, digest)
        return EXECUTE + head + word(len(self.payments)) + listed


def receivers_gas(call: bytes) -> int:
    """Return the gas that receivers of coins may use in a batch's call.  A node's estimate does not
    say it: a contract can see that it runs in one, and use nothing there."""
    words_of = call[len(EXECUTE) :]
    first = number_at(words_of, 2) // WORD_BYTES
    places = range(first + 1, first + 1 + 3 * number_at(words_of, first), 3)
    return RECEIVER_GAS * sum(not number_at(words_of, place) for place in places)


def _two(signatures: Sequence[Signature], digest: bytes) -> bytes:
    by_signer = {recover(digest, signature): signature for signature in signatures}
    if len(by_signer) < NEEDED:
        raise SignatureError(f"{len(by_signer)} owners have signed, and {NEEDED} are needed")
    chosen = [by_signer[signer] for signer in sorted(by_signer)[:NEEDED]]
    return b"".join(words(one.v, one.r, one.s) for one in chosen)


@dataclass(frozen=True)
class OwnerReplacement:
    """Gives an owner's place to another key.  It has a number as a batch has."""

    number: int
    deadline: int
    old: bytes
    new: bytes

    def digest(self, domain: Domain) -> bytes:
        """Return the digest that the owners sign, by EIP-712."""
        content = words(REPLACE_TYPE, self.number, self.deadline, self.old, self.new)
        return domain.digest(keccak(content))

    def call(self, signatures: Sequence[Signature], digest: bytes) -> bytes:
        """The call that makes it.  Raises :class:`SignatureError` if too few owners have signed."""
        head = words(self.number, self.deadline, self.old, self.new)
        return REPLACE + head + _two(signatures, digest)


# Calls


def sweep_call(token: bytes, indices: Sequence[int]) -> bytes:
    """The call that moves a token from these deposit addresses to the wallet; ``MAX_SWEPT`` at
    most."""
    assert len(indices) <= MAX_SWEPT, len(indices)
    return SWEEP + words(token, 2 * 32, len(indices), *indices)


def balance_call(holder: bytes) -> bytes:
    """A token's."""
    return BALANCE_OF + word(holder)


# Logs


@dataclass(frozen=True)
class Transfer:
    """A token's transfer, read from its log.  ``place``: among its transaction's logs."""

    token: bytes
    sender: bytes
    receiver: bytes
    amount: int
    place: int


def transfers(logs: Iterable[dict[str, Any]]) -> list[Transfer]:
    """The ERC-20 transfers in a transaction's logs.  A log with the same first topic and another
    shape (an NFT's has the number as a topic) is left out."""
    found = []
    for place, log in enumerate(logs):
        topics = log["topics"]
        if len(topics) != 3 or from_hex(topics[0]) != TRANSFERRED or log.get("removed"):
            continue
        try:
            sender, receiver = (address_at(from_hex(one), 0) for one in topics[1:])
            amount = number_at(from_hex(log["data"]), 0)
        except ValueError:
            continue
        found.append(Transfer(from_hex(log["address"]), sender, receiver, amount, place))
    return found


@dataclass(frozen=True)
class Outcome:
    """Outcome of a batch: ``paid`` and ``failed`` are indices of its payments."""

    digest: bytes
    paid: tuple[int, ...]
    failed: tuple[int, ...]


def outcome(wallet: bytes, number: int, logs: Iterable[dict[str, Any]]) -> Outcome | None:
    """Return the outcome of batch ``number`` from the logs of its transaction; None if they have
    none.

    Only logs of the wallet itself count: a payment's receiver can log whatever it likes."""
    digest, paid, failed = None, [], []
    for log in logs:
        topics = [from_hex(one) for one in log["topics"]]
        own = from_hex(log["address"]) == wallet and len(topics) >= 2
        if not own or topics[1] != word(number):
            continue
        data = from_hex(log["data"])
        if topics[0] == PAID:
            paid.append(number_at(data, 0))
        elif topics[0] == FAILED:
            failed.append(number_at(data, 0))
        elif topics[0] == EXECUTED:
            digest = data[:32]
    return None if digest is None else Outcome(digest, tuple(paid), tuple(failed))


COIN_DECIMALS = 18
COIN = NO_ADDRESS
"""The chain's own coin, where a token is named."""
