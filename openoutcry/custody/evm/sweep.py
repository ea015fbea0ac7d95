"""Brings what is at deposit addresses into the wallet.

The contract at a deposit address can pay the wallet only, so a sweep needs no signature and no
coins at that address: the gas account pays for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from openoutcry.custody.evm.broadcaster import Broadcaster
from openoutcry.custody.evm.chain import token_name
from openoutcry.custody.evm.contracts import (
    COIN,
    MAX_SWEPT,
    DepositAddresses,
    balance_call,
    sweep_call,
)
from openoutcry.custody.evm.encoding import address_from_text, to_hex
from openoutcry.custody.evm.node import Call, Node, quantity
from openoutcry.custody.store import Store

ASKED_AT_ONCE = 500


@dataclass(frozen=True)
class SweepRule:
    """Rule of one token, in the chain's smallest units: ``least`` at an address is worth a sweep;
    with ``at_once`` at all addresses together a sweep does not wait."""

    token: bytes
    least: int
    at_once: int


@dataclass(frozen=True)
class SweepSettings:
    """``max_base_fee``: with a dearer block sweeps wait, because they can."""

    interval_s: int
    max_base_fee: int
    rules: tuple[SweepRule, ...]


class Sweeper:
    """Decides what to sweep; the broadcaster brings it to the chain."""

    def __init__(
        self,
        chain: str,
        store: Store,
        node: Node,
        broadcaster: Broadcaster,
        addresses: DepositAddresses,
        settings: SweepSettings,
        now: Callable[[], int],
    ) -> None:
        self.chain, self.store = chain, store
        self.node, self.broadcaster = node, broadcaster
        self.addresses, self.settings, self.now = addresses, settings, now
        self.why = ""
        """Why nothing is swept, for the console."""
        self._last_s: dict[bytes, int] = {}

    def step(self) -> int:
        """The number of addresses for which a sweep was submitted.  Raises NodeError, RpcError."""
        self.why = ""
        base_fee = quantity(
            self.node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"]
        )
        if base_fee > self.settings.max_base_fee:
            self.why = (
                f"the base fee is {base_fee} wei, and sweeps wait above "
                f"{self.settings.max_base_fee}"
            )
            return 0
        return sum(self._sweep(rule) for rule in self.settings.rules)

    def _sweep(self, rule: SweepRule) -> int:
        begun = f"sweep {rule.token.hex()} "
        if any(send.reference.startswith(begun) for send in self.broadcaster.open()):
            return 0  # one at a time: until it is final its addresses' balances may come back
        last = self._last_s.setdefault(rule.token, self.now())
        due = self.now() - last >= self.settings.interval_s
        found = [
            (balance, number)
            for number, balance in self._balances(rule.token)
            if balance >= rule.least
        ]
        if not found or not (due or sum(balance for balance, _ in found) >= rule.at_once):
            return 0
        chosen = sorted(number for _, number in sorted(found, reverse=True)[:MAX_SWEPT])
        count = self.broadcaster.count(begun)
        call = sweep_call(rule.token, chosen)
        self.broadcaster.submit(f"{begun}{count}", self.addresses.factory, call)
        self._last_s[rule.token] = self.now()
        return len(chosen)

    def _balances(self, token: bytes) -> Iterator[tuple[int, int]]:
        """Yield the balances of the addresses at which the token arrived and was credited."""
        query = (
            "select distinct a.place, a.address from addresses a"
            " join deposits d on d.chain = a.chain and d.address = a.address"
            " where a.chain = ? and a.branch = 0 and d.token = ?"
            " and d.state in ('credited', 'final') order by a.place"
        )
        rows = self.store.rows(query, self.chain, token_name(token))
        for start in range(0, len(rows), ASKED_AT_ONCE):
            some = rows[start : start + ASKED_AT_ONCE]
            answers = self.node.batch(
                [balance_of(token, address_from_text(row[1])) for row in some]
            )
            for row, answer in zip(some, answers, strict=True):
                yield row[0], quantity(answer)


def balance_of(token: bytes, holder: bytes, block: str = "latest") -> Call:
    """The call that asks a node for it."""
    if token == COIN:
        return "eth_getBalance", [to_hex(holder), block]
    return "eth_call", [{"to": to_hex(token), "data": to_hex(balance_call(holder))}, block]


def total(node: Node, token: bytes, holders: Sequence[bytes], block: str = "latest") -> int:
    """Return the sum over several addresses."""
    found = 0
    for start in range(0, len(holders), ASKED_AT_ONCE):
        some = holders[start : start + ASKED_AT_ONCE]
        found += sum(
            quantity(one) for one in node.batch([balance_of(token, at, block) for at in some])
        )
    return found
