"""Puts the wallet and its deposit addresses onto a chain.

The addresses follow from the account that pays and from its nonces.  So a deployment that was
interrupted continues where it was: what is there already is not made again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from openoutcry.custody.evm.contracts import (
    COIN,
    OWNERS,
    DepositAddresses,
    Domain,
    blueprint_code,
    creation_code,
    deposit_code_hash,
)
from openoutcry.custody.evm.encoding import create_address, to_hex
from openoutcry.custody.evm.node import Node, RpcError, quantity
from openoutcry.custody.evm.transactions import DigestSigner, FeePolicy, Transaction

LOOK_S = 0.2
GAS = 4_000_000


class DeployError(Exception):
    """A contract that cannot be made; says which."""


@dataclass(frozen=True)
class Deployment:
    """Where the contracts are."""

    chain_id: int
    wallet: bytes
    factory: bytes

    @property
    def domain(self) -> Domain:
        """Return the domain to which the signatures for this wallet are bound."""
        return Domain(self.chain_id, self.wallet)

    @property
    def addresses(self) -> DepositAddresses:
        """The wallet's deposit addresses."""
        return DepositAddresses(self.factory, self.wallet)


@dataclass
class Deployer:
    """``first_nonce``: of the account, when it began; it must do nothing else meanwhile."""

    node: Node
    key: DigestSigner
    fees: FeePolicy
    first_nonce: int = 0
    patience_s: float = 600.0

    def deploy(self, owners: Sequence[bytes]) -> Deployment:
        """The wallet of three owners, the blueprint of a deposit address, and their factory.
        Raises :class:`DeployError`, NodeError or FeeError."""
        if len(owners) != OWNERS or list(owners) != sorted(set(owners)) or COIN in owners:
            raise DeployError(f"a wallet has {OWNERS} different owners, in ascending order")
        chain_id = quantity(self.node.call("eth_chainId"))
        wallet = self.make(0, "the wallet", creation_code("wallet", *owners))
        blueprint = self.make(1, "the blueprint of deposit addresses", blueprint_code())
        code = creation_code("deposits", wallet, blueprint, deposit_code_hash(wallet))
        return Deployment(chain_id, wallet, self.make(2, "the factory of deposit addresses", code))

    def make(self, place: int, what: str, code: bytes) -> bytes:
        """A contract by the account's transaction number ``place``; its address."""
        nonce = self.first_nonce + place
        address = create_address(self.key.address, nonce)
        if self._has_code(address):
            return address
        base_fee = quantity(
            self.node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"]
        )
        chain_id = quantity(self.node.call("eth_chainId"))
        tip, fee = self.fees.first(base_fee)
        signed = Transaction(chain_id, nonce, tip, fee, GAS, b"", 0, code).signed(self.key)
        try:
            self.node.call("eth_sendRawTransaction", to_hex(signed.raw))
        except RpcError as error:
            if "known" not in error.message and "import" not in error.message:
                raise DeployError(f"{what}: {error.message}") from None
        until = time.monotonic() + self.patience_s
        while not self._has_code(address):
            if time.monotonic() > until:
                raise DeployError(f"{what} is not on the chain after {self.patience_s:.0f} s")
            time.sleep(LOOK_S)
        return address

    def _has_code(self, address: bytes) -> bool:
        return str(self.node.call("eth_getCode", to_hex(address), "latest")) != "0x"
