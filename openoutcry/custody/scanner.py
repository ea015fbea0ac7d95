"""Follows one chain by the parents of its blocks, and keeps what belongs to the hot wallet.

A node is believed about the content of a block, which its hash proves, and about which chain is the
best.  A shorter chain undoes nothing: the scanner waits for a node that is behind.  It undoes a
block only where another one has taken its height.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from openoutcry.custody.chain import Book, Chain, Content, Header, Receipt
from openoutcry.custody.deposits import INTERNAL, OWN, Arrival, Deposits
from openoutcry.custody.errors import CustodyError, readable
from openoutcry.custody.settings import ChainSpec, CustodyFile
from openoutcry.custody.store import Store, now_ns

KEPT_BLOCKS = 2_000
GIVEN, CHANGE_GIVEN = "deposit", "change"


class DeepFork(CustodyError):
    """The chain has another branch from below what was final."""


@dataclass
class Watch:
    """Addresses and contracts that the scanner looks for, in memory."""

    addresses: dict[str, int | None] = field(default_factory=dict)
    """Participant of each; None: of no participant."""
    outputs: dict[tuple[str, int], str] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    own: set[str] = field(default_factory=set)
    """Addresses for the venue's own money."""


class Scanner:
    """``trip``: stops all withdrawals; called with the reason."""

    def __init__(
        self,
        spec: ChainSpec,
        file: CustodyFile,
        chain: Chain,
        book: Book,
        store: Store,
        trip: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.spec, self.file, self.chain, self.book, self.store = spec, file, chain, book, store
        self.trip = trip
        self.deposits = Deposits(spec, file, store)
        self.watch = Watch()
        self._given = -1
        self._watched = dict.fromkeys(book.branches, 0)
        """By branch: the first place that was not searched yet."""
        self._load_outputs()

    # What is watched

    def _load_outputs(self) -> None:
        query = "select txid, place, address from outputs where chain = ? and spent_height is null"
        rows = self.store.rows(query, self.spec.name)
        self.watch.outputs = {(row["txid"], row["place"]): row["address"] for row in rows}

    def _refresh(self) -> None:
        """Addresses that were given out since, and ``gap`` more of each branch."""
        query = "select count(*) as count from addresses where chain = ?"
        row = self.store.row(query, self.spec.name)
        assert row is not None
        if row["count"] != self._given:
            self._given = row["count"]
            query = "select * from addresses where chain = ?"
            given: dict[int, set[int]] = {branch: set() for branch in self.book.branches}
            for one in self.store.rows(query, self.spec.name):
                given[one["branch"]].add(one["place"])
                self.watch.addresses[one["address"]] = one["participant"]
                if one["purpose"] == OWN:
                    self.watch.own.add(one["address"])
            for branch, places in given.items():
                self._watch_gap(branch, places)
        query = (
            "select txid from drafts where chain = ? and txid is not null "
            "and state in ('signed', 'broadcast', 'replaced', 'confirmed')"
        )
        rows = self.store.rows(query, self.spec.name)
        self.watch.sent = frozenset(one["txid"] for one in rows)

    def _watch_gap(self, branch: int, given: set[int]) -> None:
        """Watch the addresses of the gap. Deriving one takes a millisecond, so those that were
        given out are not derived again."""
        until = max(given, default=-1) + 1 + self.spec.gap
        for index in range(self._watched[branch], until):
            if index not in given:
                self.watch.addresses.setdefault(self.book.address(branch, index), None)
        self._watched[branch] = max(self._watched[branch], until)

    # Following

    def top(self) -> Header | None:
        """The last block that was taken."""
        query = "select * from blocks where chain = ? order by height desc limit 1"
        row = self.store.row(query, self.spec.name)
        if row is None:
            return None
        return Header(row["height"], row["hash"], row["parent"], row["time_s"])

    def catch_up(self, most: int = 1_000_000) -> int:
        """Take blocks until the node has no more; returns how many were taken or undone."""
        count = 0
        with readable(self.spec.name):
            while count < most and self.step():
                count += 1
        return count

    def step(self) -> bool:
        """Take or undo one block; at the tip look at the pool.  Raises ``NodeError`` or
        :class:`DeepFork`; whatever it raises, nothing is half done."""
        self._refresh()
        top, tip = self.top(), self.chain.tip()
        if top is None:
            first = self.chain.hash_at(min(self.spec.first_height, tip.height))
            if first is None:
                return False
            self._take(self.chain.header(first))
            return True
        if tip.hash == top.hash:
            self._look_at_pool(top)
            return False
        if tip.height < top.height and self._is_behind(tip):
            text = f"the node is at block {tip.height}, custody at {top.height}: it waits"
            self.store.note("waits", f"node {self.spec.name}", text)
            return False
        at_top = self.chain.hash_at(top.height)
        if at_top != top.hash:
            self._undo(top)
            return True
        following = self.chain.hash_at(top.height + 1)
        if following is None:
            return False
        header = self.chain.header(following)
        if header.parent != top.hash or header.height != top.height + 1:
            return True  # the chain has changed between two questions: looked at again
        self._take(header)
        return True

    def _is_behind(self, tip: Header) -> bool:
        query = "select hash from blocks where chain = ? and height = ?"
        row = self.store.row(query, self.spec.name, tip.height)
        return row is not None and row["hash"] == tip.hash

    def _take(self, header: Header) -> None:
        content = self.chain.content(header, self.watch)
        with self.store.change():
            self.store.insert(
                "blocks",
                chain=self.spec.name,
                height=header.height,
                hash=header.hash,
                parent=header.parent,
                time_s=header.time_s,
            )
            self._receive(content.receipts, header)
            self._keep_outputs(content.receipts, header)
            self._spend(content, header)
            for txid in content.confirmed:
                query = (
                    "update drafts set height = ?, state = 'confirmed' where chain = ? and txid = ?"
                )
                self.store.run(query, header.height, self.spec.name, txid)
            self._note_untraced(content.untraced, header)
            self.deposits.advance(header.height)
            oldest = header.height - max(KEPT_BLOCKS, 4 * self.spec.final)
            query = "delete from blocks where chain = ? and height < ?"
            self.store.run(query, self.spec.name, oldest)
            highest = int(self.store.word(f"highest {self.spec.name}") or 0)
            self.store.set_word(f"highest {self.spec.name}", str(max(highest, header.height)))

    def _note_untraced(self, untraced: Collection[str], header: Header) -> None:
        """Note one alarm for the whole chain, because strangers can send many such transactions,
        and each transaction for the operators."""
        if not untraced:
            return
        text = "the node does not trace some transactions within bounds: coins that contracts pay "
        text += "in them are not credited; see the deposits that are noted as untraced"
        self.store.note("alarm", f"traces {self.spec.name}", text)
        for txid in sorted(untraced):
            self.store.note("deposit", txid, f"untraced, in block {header.height}")

    def _receive(self, receipts: Sequence[Receipt], header: Header | None) -> None:
        own, sent, owners = self.watch.own, self.watch.sent, self.watch.addresses
        arrivals = []
        for receipt in receipts:
            kind = OWN if receipt.address in own else ""
            kind = INTERNAL if receipt.txid in sent else kind
            arrivals.append(Arrival(receipt, owners[receipt.address], kind))
        self.deposits.receive(arrivals, header)

    def _keep_outputs(self, receipts: Sequence[Receipt], header: Header) -> None:
        coins = [receipt for receipt in receipts if not receipt.token]
        query = (
            "insert into outputs (chain, txid, place, address, amount, height) "
            "values (?, ?, ?, ?, ?, ?) on conflict do update set height = excluded.height"
        )
        name, height = self.spec.name, header.height
        rows = [(name, c.txid, c.place, c.address, str(c.amount), height) for c in coins]
        self.store.run_many(query, rows)
        self.watch.outputs.update({(coin.txid, coin.place): coin.address for coin in coins})

    def _spend(self, content: Content, header: Header) -> None:
        query = (
            "update outputs set spent_by = ?, spent_height = ? "
            "where chain = ? and txid = ? and place = ?"
        )
        name, height = self.spec.name, header.height
        rows = [(spend.by, height, name, spend.txid, spend.place) for spend in content.spends]
        self.store.run_many(query, rows)
        for spend in content.spends:
            self.watch.outputs.pop((spend.txid, spend.place), None)

    def _undo(self, header: Header) -> None:
        highest = int(self.store.word(f"highest {self.spec.name}") or 0)
        confirmations = highest - header.height + 1
        if confirmations >= self.spec.final:
            text = (
                f"{self.spec.name}: another branch begins below block {header.height}, which had "
                f"{confirmations} confirmations: final is {self.spec.final}"
            )
            self.trip(text)
            raise DeepFork(text)
        name = self.spec.name
        with self.store.change():
            self.deposits.undo(header.hash)
            self.store.run("delete from blocks where chain = ? and hash = ?", name, header.hash)
            query = "update outputs set height = null where chain = ? and height = ?"
            self.store.run(query, name, header.height)
            query = (
                "update outputs set spent_by = null, spent_height = null "
                "where chain = ? and spent_height = ?"
            )
            self.store.run(query, name, header.height)
            query = (
                "update drafts set height = null, state = 'broadcast' "
                "where chain = ? and height = ?"
            )
            self.store.run(query, name, header.height)
        self._load_outputs()

    def _look_at_pool(self, top: Header) -> None:
        content = self.chain.pool(self.watch)
        if self.chain.tip().hash != top.hash:
            return  # a block came while we looked: what it took is not gone
        with self.store.change():
            others = [
                receipt for receipt in content.receipts if receipt.txid not in self.watch.sent
            ]
            self._receive(others, None)
            self.deposits.drop_absent(
                {(receipt.txid, receipt.place) for receipt in content.receipts}
            )


def give_address(store: Store, book: Book, spec: ChainSpec, participant: int | None) -> str:
    """A new address of a participant, which none had and nothing was paid to.  None: for the
    venue's own money, as a refill from the cold wallet; this may be the same each time."""
    if participant is not None or not book.vault:
        return _give(store, book, spec, 0, participant, OWN if participant is None else GIVEN)
    query = (
        "insert or ignore into addresses (chain, branch, place, address, purpose, given_ns) "
        "values (?, 1, 0, ?, ?, ?)"
    )
    store.run(query, spec.name, book.vault, OWN, now_ns())
    return book.vault


def change_address(store: Store, book: Book, spec: ChainSpec) -> tuple[str, int]:
    """A new one for change, and its index."""
    address = _give(store, book, spec, 1, None, CHANGE_GIVEN)
    query = "select place from addresses where chain = ? and address = ?"
    row = store.row(query, spec.name, address)
    assert row is not None
    return address, int(row["place"])


def _give(
    store: Store, book: Book, spec: ChainSpec, branch: int, participant: int | None, purpose: str
) -> str:
    with store.change():
        query = "select max(place) as last from addresses where chain = ? and branch = ?"
        row = store.row(query, spec.name, branch)
        index = 0 if row is None or row["last"] is None else int(row["last"]) + 1
        while True:
            address = book.address(branch, index)
            query = "select 1 from deposits where chain = ? and address = ?"
            if store.row(query, spec.name, address) is None:
                break
            index += 1
        store.insert(
            "addresses",
            chain=spec.name,
            branch=branch,
            place=index,
            address=address,
            participant=participant,
            purpose=purpose,
            given_ns=now_ns(),
        )
    return address
