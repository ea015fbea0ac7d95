"""What a person outside the venue checks: proofs of reserves, their anchors, and what is owed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.custody import anchors, reserves
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.reserves import ReservesError
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.venue.calendar import SECOND_NS, utc_text
from openoutcry.wire.decimals import amount_words

NO_TOKEN = "0x" + "00" * 20
OLDEST_S, AHEAD_S = 86_400, 7_200
"""What is proved for a moment is of that moment: so much before it at most, or so much after it,
as a block's time may be ahead."""
TOGETHER_S = 7_200
"""Proofs and statement are of times that are so much apart at most: what comes in between would
count as reserves, and what is owed for it would not."""


@dataclass(frozen=True)
class Anchors:
    """What this person brings for each chain: a node, names of blocks, a file of headers."""

    nodes: dict[str, str]
    blocks: dict[str, list[str]]
    headers: dict[str, Path]

    def require(self, document: dict[str, Any]) -> str:
        """Require that the proof's blocks are in the chain; say what only a node can add.

        Raises :class:`CustodyError`."""
        chain, network = document["chain"], document["network"]
        blocks = reserves.blocks_of(document)
        if chain in self.nodes:
            node = Rpc(self.nodes[chain])
            anchors.require_node(network, document["height"], document["block"], blocks, node)
            if gone := reserves.spent(document, node):
                raise ReservesError(f"spent since: {', '.join(gone)}")
            return ""
        headers = []
        if chain in self.headers:
            headers = anchors.headers_of(self.headers[chain].read_bytes())
        if chain in self.blocks:
            anchors.require_own_work(network, reserves.headers_in(document))
            anchors.require_named(blocks, self.blocks[chain], headers)
        elif headers:
            anchors.require_work(network, blocks, headers)
        else:
            raise anchors.NotAnchored(
                f"nothing but the proof says that block {document['block']} is in the chain: give "
                f"--node {chain}=URL, --block {chain}=HASH or --headers {chain}=FILE"
            )
        return "whether the outputs are unspent only a node can say"


@dataclass(frozen=True)
class Debts:
    """A statement that the venue signed: ``rows`` are asset, units and decimals; ``bound`` is the
    hash that a proof names it by."""

    bound: str
    rows: tuple[tuple[str, int, int], ...]
    as_of_seq: int
    as_of_ns: int
    """0: the statement does not say."""


@dataclass
class Outsider:
    """One check of all proofs; ``say`` gets a line for each thing that was found."""

    challenge: str
    anchors: Anchors
    say: Callable[[str], None]
    at_ns: int
    """The moment that is to be proved, ns since the epoch."""

    def __post_init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.totals: dict[str, int] = {}
        self.kinds: dict[str, tuple[int, str, str]] = {}
        """By asset: the chain's decimals, its token, and the network."""
        self.open: list[str] = []
        self.oldest_ns, self.newest_ns = self.at_ns, 0
        self.last: dict[int, dict[str, Any]] = {}
        """By number of a chain: the proof of its latest block, at which all vaults are counted."""

    def look_at(self, documents: Sequence[dict[str, Any]]) -> None:
        """Check each proof by itself, and that none is there twice.  Raises
        :class:`CustodyError`."""
        try:
            for document in documents:
                if "vault" in document:
                    last = self.last.setdefault(document["chain_id"], document)
                    if document["height"] > last["height"]:
                        self.last[document["chain_id"]] = document
            for document in documents:
                self._look_at(document)
            reserves.require_distinct(documents)
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise ReservesError(f"a proof cannot be read: {type(error).__name__} {error}") from None

    def _look_at(self, document: dict[str, Any]) -> None:
        self.documents.append(document)
        chain = document.get("chain")
        if "vault" in document:
            from openoutcry.custody.evm import reserves as evm
            from openoutcry.custody.evm.node import Node

            if chain not in self.anchors.nodes:
                raise ReservesError(f"--node {chain}=URL: only a node knows balances")
            node, last = Node(self.anchors.nodes[chain]), self.last[document["chain_id"]]
            held = evm.check(document, self.challenge, node, last["height"])
            when = self._date("a proof", evm.time_s_of(document, node) * SECOND_NS)
            network = str(document["chain_id"])
            for name, amount in held.items():
                kind = document["decimals"][name], document["tokens"][name], network
                self._add(last | {"chain": chain}, name, amount, kind, when)
            return
        amount = reserves.check(document, self.challenge)
        if left := self.anchors.require(document):
            self.open.append(left)
        when = self._date("a proof", reserves.time_s_of(document) * SECOND_NS)
        kind = document["decimals"], NO_TOKEN, document["network"]
        self._add(document, document["asset"], amount, kind, when)

    def _date(self, what: str, when_ns: int) -> str:
        """Return a date as text.  Raises :class:`ReservesError`: it is not that of the moment."""
        text, until = utc_text(when_ns), utc_text(self.at_ns)
        age_s = (self.at_ns - when_ns) // SECOND_NS
        if not -AHEAD_S <= age_s <= OLDEST_S:
            raise ReservesError(
                f"{what} is of {text}, not of the day before {until}: it says nothing of that "
                "day (--at TIME for another moment)"
            )
        self.oldest_ns = min(self.oldest_ns, when_ns)
        self.newest_ns = max(self.newest_ns, when_ns)
        return text

    def _add(
        self,
        document: dict[str, Any],
        name: str,
        amount: int,
        kind: tuple[int, str, str],
        when: str,
    ) -> None:
        if self.kinds.setdefault(name, kind) != kind:
            raise ReservesError(f"{name} is one thing in one proof, and another in another")
        self.totals[name] = self.totals.get(name, 0) + amount
        token = f" (token {kind[1]})" if kind[1] != NO_TOKEN else ""
        block = document["block"]
        held = amount_words(amount, name, {name: kind[0]})
        self.say(f"{document['chain']}: held {held}{token} at block {block} of {when}")

    def compare(self, debts: Debts, tokens: dict[str, str], left_out: Sequence[str]) -> None:
        """Compare with the statement that each proof is bound to: every asset that is owed has
        proofs, but for those left out.  Raises :class:`CustodyError`."""
        if any(document.get("owed") != debts.bound for document in self.documents):
            raise ReservesError("a proof was made for another statement of what is owed, or none")
        if not debts.rows:
            raise ReservesError("the statement does not say the decimals of what is owed")
        if not debts.as_of_ns:
            raise ReservesError("the statement does not say when this was owed")
        after = f"after command {debts.as_of_seq}, " + self._date("the statement", debts.as_of_ns)
        if self.newest_ns - self.oldest_ns > TOGETHER_S * SECOND_NS:
            first, last = utc_text(self.oldest_ns), utc_text(self.newest_ns)
            raise ReservesError(
                f"proofs and statement are of {first} to {last}: what came in between would cover "
                f"what was owed before; they may be {TOGETHER_S // 3_600} hours apart"
            )
        for name, owed, decimals in debts.rows:
            if name not in left_out:
                self._compare(name, owed, decimals, tokens, after)
        names = [name for name, _, _ in debts.rows]
        if wrong := set(left_out) & set(self.totals) or set(left_out) - set(names):
            raise ReservesError(f"{', '.join(sorted(wrong))}: it cannot be left out")
        named = ", ".join(one for one in names if one not in left_out)
        self.say(
            f"the reserves cover what is owed of {named}, as of {utc_text(self.oldest_ns)}"
            + "".join(f"; {one}: not proved, left out" for one in left_out)
            + "".join(f"; {one}" for one in sorted(set(self.open)))
        )

    def _compare(
        self, name: str, owed: int, decimals: int, tokens: dict[str, str], after: str
    ) -> None:
        shown = partial(amount_words, asset=name, decimals={name: decimals})
        if name not in self.totals:
            raise ReservesError(f"no reserves were shown for {name}, and {shown(owed)} are owed")
        on_chain, token, _ = self.kinds[name]
        if token != NO_TOKEN:
            from openoutcry.custody.evm.encoding import AddressError, address_from_text, from_hex

            try:
                meant = address_from_text(tokens.get(name, ""))
            except AddressError:
                raise ReservesError(
                    f"{name} is the token {token}: say which you mean with --token {name}=CONTRACT"
                ) from None
            if meant != from_hex(token):
                raise ReservesError(f"{name} is the token {token}, not the one that you named")
        if on_chain < decimals:
            raise ReservesError(f"{name} has {on_chain} decimals on its chain, {decimals} here")
        needed = owed * 10 ** (on_chain - decimals)
        self.say(f"the venue owed {shown(owed)} {after}")
        if needed > self.totals[name]:
            lack = amount_words(needed - self.totals[name], name, {name: on_chain})
            raise CustodyError(f"the wallets lack {lack}")
