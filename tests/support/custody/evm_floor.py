"""All parts of custody over one EVM node, which a test steps, kills and starts again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.errors import CustodyError, NodeError, Refused
from openoutcry.custody.evm.broadcaster import Broadcaster, BroadcastSettings
from openoutcry.custody.evm.chain import EvmBook, EvmChain
from openoutcry.custody.evm.contracts import COIN, balance_call
from openoutcry.custody.evm.deploy import Deployer, Deployment
from openoutcry.custody.evm.encoding import (
    address_from_text,
    address_text,
    number_at,
    selector,
    words,
)
from openoutcry.custody.evm.node import Node
from openoutcry.custody.evm.parts import leaving
from openoutcry.custody.evm.rail import EvmRail, EvmRailSettings
from openoutcry.custody.evm.reader import EvmReader
from openoutcry.custody.evm.sweep import Sweeper, SweepRule, SweepSettings
from openoutcry.custody.evm.transactions import FeePolicy
from openoutcry.custody.payer import Payer
from openoutcry.custody.scanner import Scanner, give_address
from openoutcry.custody.settings import AssetSpec, ChainSpec, CustodyFile
from openoutcry.custody.signer_policy import Limit, Policy
from openoutcry.custody.statement import Statement, claim_of, reference_of
from openoutcry.custody.store import Store
from tests.support.custody.anvil import CHAIN_ID, ETHER, GWEI, Anvil, token_code
from tests.support.custody.keys import LocalKey, sorted_keys
from tests.support.custody.model_venue import Killed, ModelVenue

pytest.importorskip("embit", reason="custody's libraries are not installed")

CHAIN = "EVM"
VENUE = "test venue"
UNIT = 10**10
FINAL = 12
LIMIT = 10**15


class DyingNode(Node):
    """Kills its process at a call: before the node sees it, or after.  ``has_logs``: False: it is
    pruned, or restarted and behind, and finds no log of any block.  ``lie``: what it makes of its
    answers to a method."""

    dies_after: int | None = None
    after: bool = False
    has_logs: bool = True
    lie: tuple[str, Callable[[Any], Any]] | None = None

    def call(self, method: str, *parameters: Any) -> Any:
        found = super().call(method, *parameters)
        return self.lie[1](found) if self.lie is not None and method == self.lie[0] else found

    def batch(self, calls: Any) -> list[Any]:
        if not self.has_logs and calls[0][0] == "eth_getLogs":
            return [[]]
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                if self.after:
                    super().batch(calls)
                raise Killed
        return super().batch(calls)


@dataclass
class LocalSigner:
    """An owner with its own policy; ``away``: it does not answer."""

    key: LocalKey
    policy: Policy
    reader: EvmReader
    away: bool = False

    def sign(
        self, number: int, claims: list[dict[str, Any]], body: dict[str, Any]
    ) -> dict[str, Any]:
        """As the signer's process does."""
        reading = self.reader.read(body)
        self.policy.allow(number, CHAIN, reading, [claim_of(one) for one in claims])
        signed = [self.key.sign(digest) for digest in reading.digests]
        return self.reader.answer(body, self.key.public_key, [(one.r, one.s) for one in signed])


@dataclass
class LocalSigners:
    """What the payer asks; the attestor's key is a local one, too."""

    venue: ModelVenue
    attestor: LocalKey
    signers: list[LocalSigner] = field(default_factory=list)

    def last_number(self) -> int:
        return max(one.policy.last_number() for one in self.signers)

    def state(self, reference: str, participant: int) -> tuple[Statement, str]:
        row = self.venue.movement("withdrawal", participant, reference)
        if row is None:
            raise Refused("unknown_withdrawal", f"the core knows no withdrawal {reference!r}")
        terms = reference, participant, row["asset"], row["amount"], row["state"]
        statement = Statement(VENUE, *terms)
        return statement, self.attestor.sign(statement.digest()).bytes65()[:64].hex()

    def refused(
        self, chain: str, claims: list[dict[str, Any]], body: dict[str, Any] | None = None
    ) -> dict[str, str]:
        asked = [one for one in self.signers if not one.away]
        if len(asked) < 2:
            raise CustodyError(f"{len(asked)} of 2 signatures")
        found: dict[str, str] = {}
        for one in asked[:2]:
            reading = None if body is None else one.reader.read(body)
            found |= one.policy.refused(chain, [claim_of(claim) for claim in claims], reading)
        return found

    def sign(
        self, number: int, chain: str, claims: list[dict[str, Any]], body: dict[str, Any]
    ) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for one in self.signers:
            if len(answers) < 2 and not one.away:
                answers.append(one.sign(number, claims, body))
        if len(answers) < 2:
            raise CustodyError(f"{len(answers)} of 2 signatures")
        return answers


@dataclass
class EvmFloor:
    """The clock is the chain's."""

    chain: Anvil
    folder: Path
    owners: list[LocalKey] = field(default_factory=lambda: sorted_keys("one", "two", "three"))
    gas_key: LocalKey = field(default_factory=lambda: LocalKey("gas account"))
    venue: ModelVenue = field(default_factory=ModelVenue)
    trace: bool = False
    batch_most: int = 50
    cold: bytes = b""
    hot_most: int = 0
    """ETH, in the venue's units."""

    def __post_init__(self) -> None:
        self.chain.fund(self.gas_key.address, 1_000 * ETHER)
        self.fees = FeePolicy(max_fee_cap=500 * GWEI, tip=GWEI)
        made = Deployer(self.chain.node, self.gas_key, self.fees)
        self.made: Deployment = made.deploy([key.address for key in self.owners])
        self.token = self.chain.deploy(token_code("Demonstration dollar", "DEMO", 6))
        self.mint(self.chain.accounts[0], 10**15)
        self.file = self._file()
        self.signers: LocalSigners | None = None
        self.store: Store | None = None
        self.start()

    def _file(self) -> CustodyFile:
        spec = ChainSpec(
            CHAIN,
            "evm",
            self.chain.node.url,
            final=FINAL,
            gap=3,
            first_height=self.chain.block_number(),
            chain_id=CHAIN_ID,
            vault=address_text(self.made.wallet),
            factory=address_text(self.made.factory),
            bump_after_s=3_700,
        )
        eth = AssetSpec(
            "ETH", CHAIN, 8, 18, "", 10, ((10**9, 2), (0, 4)), 0, self.batch_most, self.hot_most
        )
        usd = AssetSpec(
            "USDT", CHAIN, 6, 6, address_text(self.token), 10, ((0, 3),), batch_most=self.batch_most
        )
        folder = self.folder
        return CustodyFile(
            folder / "custody.toml", folder, folder, (spec,), (eth, usd), (), folder, b"", ()
        )

    # The parts

    def start(self) -> None:
        """All parts, from their databases: as after a kill."""
        self.close_parts()
        self.node = DyingNode(self.chain.node.url, chain_id=CHAIN_ID)
        self.store = Store(self.folder)
        spec = self.file.chains[0]
        chain = EvmChain(CHAIN, self.node, self.made.wallet, trace=self.trace)
        self.trips: list[str] = []
        self.book = EvmBook(self.made.addresses)
        self.scanner = Scanner(spec, self.file, chain, self.book, self.store, self.trips.append)
        self.broadcaster = Broadcaster(
            self.folder / "gas.sqlite",
            self.node,
            self.gas_key,
            self.fees,
            BroadcastSettings(CHAIN_ID, stuck=5, final=FINAL),
            referee := Node(self.chain.node.url, chain_id=CHAIN_ID),
        )
        rules = (SweepRule(COIN, 10 * UNIT, ETHER), SweepRule(self.token, 50, 10**6))
        self.sweeper = Sweeper(
            CHAIN,
            self.store,
            self.node,
            self.broadcaster,
            self.made.addresses,
            SweepSettings(60, 300 * GWEI, rules),
            self.now,
        )
        settings = EvmRailSettings(
            {"ETH": COIN, "USDT": self.token},
            {"ETH": 10 * UNIT, "USDT": 10},
            final=FINAL,
            first_block=spec.first_height,
            cold=self.cold,
        )
        self.rail = EvmRail(
            CHAIN,
            self.node,
            self.made,
            self.broadcaster,
            settings,
            self.now,
            self.known_addresses,
            self.sweeper,
            referee=referee,
            leaving=partial(leaving, self.store, CHAIN),
        )
        if self.signers is None:
            self.signers = LocalSigners(self.venue, LocalKey("attestor"))
            self.signers.signers = [self.signer(place) for place in range(3)]
        self.payer = Payer(
            CHAIN, self.file, self.store, self.venue, self.rail, self.signers, self.now_ns
        )

    def known_addresses(self) -> list[bytes]:
        assert self.store is not None
        rows = self.store.rows("select distinct address from deposits")
        found = [address_from_text(row["address"]) for row in rows]
        return [one for one in found if one != self.made.wallet]

    def signer(self, place: int) -> LocalSigner:
        limits = [
            Limit("ETH", CHAIN, UNIT, LIMIT, LIMIT, LIMIT, 0, 0),
            Limit("USDT", CHAIN, 1, LIMIT, LIMIT, LIMIT, 0, 0),
        ]
        assert self.signers is not None
        policy = Policy(
            self.folder / f"signer{place}.sqlite",
            VENUE,
            self.signers.attestor.public_key,
            limits,
            0,
            self.now_ns,
            self.now_ns,
        )
        tokens = {"ETH": COIN, "USDT": self.token}
        cold = frozenset([self.cold] if self.cold else [])
        reader = EvmReader(CHAIN, self.made.domain, tokens, cold)
        return LocalSigner(self.owners[place], policy, reader)

    def now(self) -> int:
        latest = self.chain.node.call("eth_getBlockByNumber", "latest", False)
        return int(latest["timestamp"], 16)

    def now_ns(self) -> int:
        return self.now() * 10**9

    def step(self) -> None:
        """As ``serve`` does: a node that does not answer is waited for."""
        try:
            self.scanner.catch_up()
        except NodeError as error:
            assert self.store is not None
            self.store.note("waits", f"chain {CHAIN}", str(error))
        self.scanner.deposits.post(self.venue)
        self.payer.go_on()

    def settle(self, rounds: int = 6) -> None:
        """Until everything is final: each round brings what waits into blocks, and buries it."""
        for _ in range(rounds):
            self.step()
            self.chain.mine(FINAL + 1)
            self.step()

    def close_parts(self) -> None:
        if self.store is not None:
            self.node.close()
            self.store.close()
            self.broadcaster.close()

    def close(self) -> None:
        self.close_parts()
        if self.signers is not None:
            for one in self.signers.signers:
                one.policy.close()

    # What people do

    def address(self, participant: int) -> bytes:
        """A new one each time."""
        assert self.store is not None
        text = give_address(self.store, self.book, self.file.chains[0], participant)
        return address_from_text(text)

    def mint(self, to: bytes, amount: int) -> None:
        self.chain.transact(self.token, selector("mint(address,uint256)") + words(to, amount))

    def fill(self, coins: int = 100 * ETHER, tokens: int = 10**9) -> None:
        """The hot wallet, from the cold one."""
        self.chain.transact(self.made.wallet, value=coins)
        self.mint(self.made.wallet, tokens)

    def withdraw(self, name: str, asset: str, units: int, to: bytes, participant: int = 9) -> str:
        """One that the venue has sent; its reference."""
        assert self.store is not None
        address = address_text(to)
        spec = self.file.asset(asset)
        assert spec is not None
        terms = participant, asset, CHAIN, address, units, name
        reference = reference_of(*terms)
        self.venue.requested(participant, asset, units, reference, spec.decimals)
        for step in ("withdrawal-approve", "withdrawal-sent"):
            self.venue.step(step, reference)
        self.store.insert(
            "withdrawals",
            reference=reference,
            chain=CHAIN,
            asset=asset,
            participant=participant,
            address=address,
            amount=str(units * spec.scale),
            units=units,
            salt=name,
            state="sent",
            score=0,
            why="",
            draft=None,
            asked_ns=len(self.venue.movements),
            changed_ns=0,
        )
        return reference

    def notes(self) -> str:
        """What the console shows."""
        assert self.store is not None
        return "\n".join(
            row["text"] for row in self.store.rows("select text from notes order by id")
        )

    def token_balance(self, holder: bytes) -> int:
        return number_at(self.chain.view(self.token, balance_call(holder)), 0)
