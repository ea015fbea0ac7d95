"""Pays from the wallet on an EVM chain.

A draft is a batch with the wallet's next number.  What is sent is the signed call; the broadcaster
brings it to the chain in transactions of the gas account, as often and as dear as it must.  So the
identity of a payment is the batch's digest, in any transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.custody.errors import NodeError, Refused
from openoutcry.custody.evm.broadcaster import Broadcaster
from openoutcry.custody.evm.contracts import (
    COIN,
    EXECUTE,
    EXECUTED,
    MAX_PAYMENTS,
    NEEDED,
    NUMBER,
    OWNER_REPLACED,
    Batch,
    Domain,
    Payment,
    outcome,
    receivers_gas,
)
from openoutcry.custody.evm.deploy import Deployment
from openoutcry.custody.evm.encoding import (
    AddressError,
    address_from_text,
    address_text,
    from_hex,
    number_at,
    to_hex,
    word,
)
from openoutcry.custody.evm.node import Node, quantity
from openoutcry.custody.evm.own import OwnAddresses
from openoutcry.custody.evm.reader import batch_body, batch_of, conflict
from openoutcry.custody.evm.sweep import Sweeper, total
from openoutcry.custody.evm.transactions import Signature, SignatureError
from openoutcry.custody.rail import NEVER, Draft, Found, Signed, Top
from openoutcry.custody.rail import Payment as Wanted

GAS_A_BATCH, GAS_A_PAYMENT = 80_000, 42_000
"""Highest cost of a batch, without its receivers' own code; measured in tests."""
MOST_PAYMENTS = 150
"""Of one transaction, which has 2^24 gas at most (EIP-7825), with all that receivers may use."""

Leaves = dict[str, dict[str, int]]
"""By asset: what is paid, and what goes to the cold wallet."""


@dataclass(frozen=True)
class EvmRailSettings:
    """``tokens``: by asset; the coin has the zero address.  ``least``: by asset, in the chain's
    units.  ``valid_s``: a batch may be made for so long after it was built."""

    tokens: Mapping[str, bytes]
    least: Mapping[str, int]
    valid_s: int = 3_600
    final: int = 64
    first_block: int = 0
    cold: bytes = b""


class EvmRail:
    """The hot wallet of one EVM chain."""

    signatures_needed = NEEDED
    most_payments = MOST_PAYMENTS
    signs_transactions = False

    def __init__(
        self,
        chain: str,
        node: Node,
        made: Deployment,
        broadcaster: Broadcaster,
        settings: EvmRailSettings,
        now: Callable[[], int],
        deposit_addresses: Callable[[], Sequence[bytes]] = tuple,
        sweeper: Sweeper | None = None,
        own: OwnAddresses | None = None,
        referee: Node | None = None,
        leaving: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """``own``: of every EVM chain; without it, of this one.  ``referee``: a second node, which
        must say the same about what became of a batch's payments.  ``leaving``: by asset, what
        batches that are in no block yet will pay."""
        self.referee, self.leaving = referee, leaving
        self.chain, self.node, self.made = chain, node, made
        self.broadcaster, self.settings, self.now = broadcaster, settings, now
        self.deposit_addresses, self.sweeper = deposit_addresses, sweeper
        self.own = own or OwnAddresses([(made.addresses, lambda: 0)], self.fixed)

    def fixed(self) -> set[bytes]:
        """Own addresses of this chain that are no deposit addresses, and its tokens."""
        gas = self.broadcaster.key.address
        return {self.made.wallet, self.made.factory, gas, *self.settings.tokens.values()} | {
            one for one in (self.settings.cold,) if one
        }

    def look_after(self, sends: bool) -> list[str]:
        """Do the work that needs no owner: sweeps, and the gas account's transactions. Returns
        alarms."""
        if self.sweeper is not None and sends:
            self.sweeper.step()
        self.broadcaster.step(sends)
        return self.broadcaster.alarms

    def close(self) -> None:
        self.node.close()
        if self.referee is not None:
            self.referee.close()
        self.broadcaster.close()

    @property
    def domain(self) -> Domain:
        """The domain to which the owners' signatures are bound."""
        return self.made.domain

    def check_address(self, address: str, asset: str, amount: int) -> str:
        if not address.startswith("0x"):
            raise Refused("wrong_network", f"an address on {self.chain} begins with 0x")
        try:
            found = address_from_text(address)
        except AddressError as error:
            bad = "checksum" in str(error)
            raise Refused("bad_checksum" if bad else "bad_address", str(error)) from None
        if found in self.own:
            raise Refused("own_address", "this address is the venue's own, or a token's contract")
        if asset not in self.settings.tokens:
            raise Refused("wrong_network", f"{asset} is not on {self.chain}")
        if amount < self.settings.least.get(asset, 1):
            raise Refused("below_dust", f"{amount} is below the smallest payment on {self.chain}")
        return address_text(found)

    def build(self, payments: Sequence[Wanted], taken: frozenset[str]) -> Draft:
        assert 0 < len(payments) <= MAX_PAYMENTS, len(payments)
        return self._draft(self._batch(self._paid(payments), taken), payments)

    def _paid(self, payments: Sequence[Wanted]) -> tuple[Payment, ...]:
        try:
            return tuple(
                Payment(
                    self.settings.tokens[payment.asset],
                    address_from_text(payment.address),
                    payment.amount,
                )
                for payment in payments
            )
        except AddressError as error:
            raise Refused("bad_address", str(error)) from None

    def in_wallet(self) -> int:
        return total(self.node, COIN, [self.made.wallet])

    def build_to_cold(self, amount: int, taken: frozenset[str]) -> Draft:
        if not self.settings.cold:
            raise Refused("no_cold", f"{self.chain} has no cold wallet")
        paid = (Payment(COIN, self.settings.cold, amount),)
        asset = next(name for name, token in self.settings.tokens.items() if token == COIN)
        batch = self._batch(paid, taken)
        return self._draft(batch, (), leaves={asset: {"cold": amount}})

    def again(self, draft: Draft, earlier: Sequence[Sequence[str]]) -> Draft:
        raise Refused("not_needed", "a batch spends no outputs")

    def without(self, draft: Draft, payments: Sequence[Wanted]) -> Draft:
        """Return the draft of the same number without those payments."""
        number, deadline = batch_of(draft.body).number, self.now() + self.settings.valid_s
        batch = Batch(number, deadline, self._paid(payments))
        return self._draft(batch, payments, draft.identity)

    def consolidate(self, taken: frozenset[str]) -> None:
        return None  # sweeps bring all to the wallet

    def child(self, draft: Draft, signed: Signed) -> None:
        return None  # the broadcaster raises fees by itself

    def bump(self, draft: Draft) -> Draft:
        """The broadcaster raises fees by itself.  A new draft is needed only when the old one can
        never be made any more: a final block is later than its deadline."""
        batch = batch_of(draft.body)
        head = quantity(self.node.call("eth_blockNumber"))
        final = self.node.call(
            "eth_getBlockByNumber", hex(max(0, head - self.settings.final)), False
        )
        if self._is_used_up(batch.number, final["number"]):
            raise Refused(NEVER, f"its number {batch.number} was used to replace an owner")
        if quantity(final["timestamp"]) <= batch.deadline or self._next_number() > batch.number:
            raise Refused("not_needed", "the batch may still be made; its fee is raised by itself")
        again = Batch(batch.number, self.now() + self.settings.valid_s, batch.payments)
        leaves = None if draft.payments else draft.notes["leaves"]
        return self._draft(again, draft.payments, draft.identity, leaves)

    def combine(self, draft: Draft, answers: Sequence[dict[str, Any]]) -> Signed:
        batch = batch_of(draft.body)
        digest = batch.digest(self.domain)
        try:
            signatures = [
                Signature.from_bytes65(from_hex(answer["signature"])) for answer in answers
            ]
            call = batch.call(signatures, digest)
        except (SignatureError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise Refused("bad_signature", f"batch {batch.number}: {error}") from None
        return Signed(to_hex(digest), call.hex())

    def find(self, signed: Signed) -> Found | None:
        """By the wallet's log, so that it does not matter who brought the batch to the chain."""
        log = self._log(self.node, signed)
        if log is not None:
            return Found(signed.txid, quantity(log["blockNumber"]))
        known = self.broadcaster.find(reference_of(signed))
        return Found(signed.txid, 0) if known is not None and known.nonce is not None else None

    def transaction(self, signed: Signed) -> str:
        """The id of the transaction that brings the batch to the chain; nothing: not sent yet.
        A dearer one may take its place until it is in a block."""
        log = self._log(self.node, signed)
        if log is not None:
            return str(log["transactionHash"])
        known = self.broadcaster.find(reference_of(signed))
        if known is None or known.nonce is None:
            return ""
        attempts = self.broadcaster.attempts(known.nonce)
        return to_hex(attempts[-1].txid) if attempts else ""

    def send(self, signed: Signed) -> None:
        call = from_hex(signed.raw)
        terms = reference_of(signed), self.made.wallet, call
        self.broadcaster.submit(*terms, spare_gas=receivers_gas(call))
        self.look_after(sends=True)

    def refused_payments(self, draft: Draft, signed: Signed) -> frozenset[str] | None:
        """References of the payments of a batch that their receivers or tokens refused: their
        amounts are in the wallet still.  None: the batch is in no block.

        Raises NodeError where the referee says something else: an owner would get an amount twice,
        or not at all."""
        found = self._refused_by(self.node, draft, signed)
        if self.referee is not None and self._refused_by(self.referee, draft, signed) != found:
            raise NodeError(
                f"two nodes say different things of batch {signed.txid}: {self.node.where} and "
                f"{self.referee.where}"
            )
        return found

    def _refused_by(self, node: Node, draft: Draft, signed: Signed) -> frozenset[str] | None:
        log = self._log(node, signed)
        if log is None:
            return None
        receipt = node.call("eth_getTransactionReceipt", log["transactionHash"])
        if receipt is None:
            return None
        number = number_at(from_hex(signed.raw)[4:], 0)
        found = outcome(self.made.wallet, number, receipt["logs"])
        if found is None:
            return None
        paid = [payment.reference for payment in draft.payments]
        return frozenset(paid[place] for place in found.failed if paid)  # none: to the cold wallet

    def holdings(self, top: Top | None = None) -> dict[str, int] | None:
        """The wallet and every deposit address, at one block: a sweep between two questions would
        be in neither answer."""
        height = quantity(self.node.call("eth_blockNumber"))
        if top is not None and (height, self._hash_at(height)) != top:
            return None
        holders = [self.made.wallet, *self.deposit_addresses()]
        tokens = self.settings.tokens.items()
        found = {asset: total(self.node, token, holders, hex(height)) for asset, token in tokens}
        return found if top is None or self._hash_at(height) == top[1] else None

    def _hash_at(self, height: int) -> str:
        found = self.node.call("eth_getBlockByNumber", hex(height), False)
        return "" if found is None else str(found["hash"])

    # Helpers

    def _batch(self, paid: tuple[Payment, ...], taken: frozenset[str]) -> Batch:
        """Make a batch with the wallet's next number that no draft has."""
        number = self._next_number()
        while conflict(self.domain, number) in taken:
            number += 1
        self._require_funds(paid)
        return Batch(number, self.now() + self.settings.valid_s, paid)

    def _draft(
        self,
        batch: Batch,
        payments: Sequence[Wanted],
        replaces: str = "",
        leaves: Leaves | None = None,
    ) -> Draft:
        latest = self.node.call("eth_getBlockByNumber", "latest", False)
        gas = GAS_A_BATCH + GAS_A_PAYMENT * len(batch.payments)
        return Draft(
            chain=self.chain,
            identity=to_hex(batch.digest(self.domain)),
            body=batch_body(batch),
            fee=gas * quantity(latest["baseFeePerGas"]),
            conflicts=(conflict(self.domain, batch.number),),
            payments=tuple(payments),
            replaces=replaces,
            notes={"leaves": leaves or paid_of(payments)},
        )

    def _next_number(self) -> int:
        call = {"to": to_hex(self.made.wallet), "data": to_hex(NUMBER)}
        return quantity(self.node.call("eth_call", call, "latest"))

    def _is_used_up(self, number: int, block: str) -> bool:
        """Return whether an owner was replaced by this number up to a block, as each node says: one
        that finds nothing proves nothing."""
        nodes = [self.node] if self.referee is None else [self.node, self.referee]
        return all(self._logs(one, OWNER_REPLACED, number, block) for one in nodes)

    def _require_funds(self, paid: Sequence[Payment]) -> None:
        """Without them the vault would record its payments as failed, as if receivers had refused
        them."""
        leaving = self.leaving()
        for asset, token in self.settings.tokens.items():
            wanted = sum(one.amount for one in paid if one.token == token)
            if not wanted:
                continue
            held = total(self.node, token, [self.made.wallet]) - leaving.get(asset, 0)
            if held < wanted:
                raise Refused(
                    "insufficient_hot", f"the hot wallet has {held} of {wanted}: refill it"
                )

    def _log(self, node: Node, signed: Signed) -> dict[str, Any] | None:
        """The wallet's log of the batch."""
        raw = from_hex(signed.raw)
        assert raw[:4] == EXECUTE
        for log in self._logs(node, EXECUTED, number_at(raw[4:], 0)):
            if from_hex(log["data"])[:32] == from_hex(signed.txid):
                return log
        return None

    def _logs(
        self, node: Node, what: bytes, number: int, last: str = "latest"
    ) -> list[dict[str, Any]]:
        """The wallet's logs of one kind about a number."""
        found = node.call(
            "eth_getLogs",
            {
                "address": to_hex(self.made.wallet),
                "topics": [to_hex(what), to_hex(word(number))],
                "fromBlock": hex(self.settings.first_block),
                "toBlock": last,
            },
        )
        return [dict(log) for log in found]


def paid_of(payments: Sequence[Wanted]) -> Leaves:
    """Return the amounts that leave the wallet. Fees are the gas account's."""
    found: Leaves = {}
    for payment in payments:
        asset = found.setdefault(payment.asset, {"paid": 0})
        asset["paid"] += payment.amount
    return found


def reference_of(signed: Signed) -> str:
    """Return the reference at the broadcaster."""
    return f"batch {signed.txid}"
