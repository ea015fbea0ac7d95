"""Deposits from the first sight of a transaction to its finality, and their movements at the venue.

::

    pending ──► seen ──► credited ──► final        waits for a block; in one; enough; for good
       │  ▲      │           │
       ▼  └──────┘           ▼                     its block was undone
      gone               reversed

``asked`` is written before the venue is asked, ``venue`` after its answer.  A process that dies
between the two asks again, and the venue does it once.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.custody.chain import Header, Receipt
from openoutcry.custody.errors import NodeError
from openoutcry.custody.settings import AssetSpec, ChainSpec, CustodyFile
from openoutcry.custody.store import Store, now_ns
from openoutcry.custody.venue import Venue, VenueError

PENDING, SEEN, CREDITED, FINAL = "pending", "seen", "credited", "final"
GONE, REVERSED = "gone", "reversed"
DUST, UNKNOWN, UNSUPPORTED = "dust", "unknown", "unsupported"
OWN, INTERNAL = "own", "internal"
"""The venue's own money from outside; and change of custody's transactions."""
AT_ONCE = 500
"""Transactions that one question names."""
COLUMNS = (
    "reference, chain, txid, place, generation, token, asset, participant, address, amount, units, "
    "state, height, block, changed_ns"
)
INSERT = (
    f"insert into deposits ({COLUMNS}, asked, venue, why) "
    f"values ({', '.join('?' * len(COLUMNS.split(',')))}, '', '', '')"
)
BEHIND = """
    select * from deposits where chain = ? and (
        (state in ('seen', 'credited', 'final') and venue = '')
        or (state in ('credited', 'final') and venue = 'seen')
        or (state in ('reversed', 'gone') and asked <> '' and venue <> 'reversed')
    ) order by changed_ns, reference
"""
CREDIT = (
    "update deposits set state = 'credited', changed_ns = ? "
    "where chain = ? and asset = ? and state = 'seen' and height <= ?"
)
OWNER = (
    "coalesce((select owner from owners where owners.participant = deposits.participant), "
    "participant)"
)
"""The participant of the main account, of a sub-account whose owner the door was told."""
BY_SUM = (
    f"{OWNER} in (select {OWNER} as who from deposits where chain = ? and asset = ? "
    "and state in ('seen', 'credited') and height > ? "
    "group by who having total(units) > ? and total(units) <= ?)"
)
"""Those whose owner's deposits above a height have so many units together."""
ANY = 2**62
"""No deposit has more units."""


@dataclass(frozen=True)
class Arrival:
    """``kind``: OWN, INTERNAL or nothing."""

    receipt: Receipt
    participant: int | None
    kind: str = ""


def reference_of(chain: str, txid: str, place: int, generation: int) -> str:
    """The movement's name at the venue, 30 characters."""
    text = f"{chain}:{txid}:{place}:{generation}".encode()
    return f"dp{hashlib.sha256(text).hexdigest()[:28]}"


def together(store: Store, asset: AssetSpec, participant: int, top: int) -> int:
    """Units that an owner's deposits have together by which :meth:`Deposits.advance` goes, and
    those that wait for a block."""
    query = (
        f"select total(units) as n from deposits where {OWNER} = "
        "coalesce((select owner from owners where participant = ?), ?) and chain = ? and asset = ? "
        "and (state = 'pending' or (state in ('seen', 'credited') and height > ?))"
    )
    terms = participant, participant, asset.chain, asset.name
    row = store.row(query, *terms, top - asset.deepest + 1)
    return 0 if row is None else int(row["n"])


class Deposits:
    """The deposits of one chain."""

    def __init__(self, spec: ChainSpec, file: CustodyFile, store: Store) -> None:
        self.spec, self.file, self.store = spec, file, store

    def receive(self, arrivals: Sequence[Arrival], header: Header | None) -> None:
        """Record the receipts of a block or of the pool; ``header``: of the block."""
        known = self._latest(arrival.receipt.txid for arrival in arrivals)
        new: list[tuple[Any, ...]] = []
        for arrival in arrivals:
            row = known.get((arrival.receipt.txid, arrival.receipt.place))
            is_other = row is not None and self._is_other(row, arrival.receipt)
            has_ended = row is not None and (
                row["state"] == REVERSED or (row["state"] == GONE and row["asked"])
            )
            if row is not None and is_other and not has_ended:
                self._set(row["reference"], GONE, None)
            if row is None or has_ended or is_other:
                generation = 0 if row is None else int(row["generation"]) + 1
                new.append(self._new(arrival, header, generation))
                continue
            if header is None and row["state"] != GONE:
                continue
            state = row["state"]
            if state in (PENDING, GONE):
                state = PENDING if header is None else SEEN
            self._set(row["reference"], state, header)
        self.store.run_many(INSERT, new)

    def _is_other(self, row: sqlite3.Row, receipt: Receipt) -> bool:
        """Whether a row is of something else.  On an EVM chain a transaction's name says what was
        asked, and its block what came of it: in another block it may pay another amount.  Raises
        :class:`NodeError`: its block was not undone."""
        mine = receipt.address, receipt.token, str(receipt.amount)
        if (row["address"], row["token"], row["amount"]) == mine:
            return False
        if row["state"] in (SEEN, CREDITED, FINAL):
            text = f"{row['txid']} is in two blocks, and differs in them"
            raise NodeError(f"{self.spec.name}: {text}")
        return True

    def _latest(self, txids: Iterable[str]) -> dict[tuple[str, int], sqlite3.Row]:
        """Return the newest rows of these transactions, by output: the last generation."""
        names = sorted(set(txids))
        found: dict[tuple[str, int], sqlite3.Row] = {}
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            query = (
                f"select * from deposits where chain = ? and txid in ({', '.join('?' * len(some))})"
                " order by generation"
            )
            for row in self.store.rows(query, self.spec.name, *some):
                found[row["txid"], row["place"]] = row
        return found

    def _new(self, one: Arrival, header: Header | None, generation: int) -> tuple[Any, ...]:
        """A row, in the order of COLUMNS."""
        receipt, name = one.receipt, self.spec.name
        asset = self.file.asset_of(name, receipt.token)
        units = 0 if asset is None else receipt.amount // asset.scale
        state = PENDING if header is None else SEEN
        if one.kind == INTERNAL:
            state = INTERNAL
        elif asset is None:
            state = UNSUPPORTED
        elif one.participant is None:
            state = one.kind or UNKNOWN
        elif units < asset.dust:
            state = DUST
        if state in (UNKNOWN, UNSUPPORTED, DUST):
            what = f"{receipt.amount} units of {receipt.token or name}"
            text = what if asset is None else asset.text_on_chain(receipt.amount)
            text += f" to {receipt.address}"
            self.store.note("deposit", receipt.txid, f"{state}: {text}; recorded, not credited")
        return (
            reference_of(name, receipt.txid, receipt.place, generation),
            name,
            receipt.txid,
            receipt.place,
            generation,
            receipt.token,
            "" if asset is None else asset.name,
            one.participant,
            receipt.address,
            str(receipt.amount),
            # What is above 63 bits is no deposit of this venue: the core's amounts end at 2^61.
            min(units, 2**62),
            state,
            None if header is None else header.height,
            None if header is None else header.hash,
            now_ns(),
        )

    def _set(self, reference: str, state: str, header: Header | None) -> None:
        height, block = (None, None) if header is None else (header.height, header.hash)
        query = (
            "update deposits set state = ?, height = ?, block = ?, changed_ns = ? "
            "where reference = ?"
        )
        self.store.run(query, state, height, block, now_ns(), reference)

    def undo(self, block: str) -> None:
        """The block is no part of the chain any more."""
        query = "select * from deposits where chain = ? and block = ?"
        for row in self.store.rows(query, self.spec.name, block):
            state = {SEEN: PENDING, CREDITED: REVERSED, FINAL: REVERSED}.get(
                row["state"], row["state"]
            )
            self._set(row["reference"], state, None)
            if state == REVERSED:
                text = self.file.text(row["asset"], row["units"])
                text += f": block {block} was undone; it is reversed"
                self.store.note("alarm", row["reference"], text)

    def advance(self, top: int) -> None:
        """Credit what has enough blocks on top of it, and close what is final.

        An owner's deposits that are not so deep that any amount would be credited count together:
        an amount in many parts needs as many blocks as in one."""
        for asset in (one for one in self.file.assets if one.chain == self.spec.name):
            terms, young = (now_ns(), self.spec.name, asset.name), top - asset.deepest + 1
            self.store.run(CREDIT, *terms, young)
            above = -1
            for most, count in asset.confirmations:
                sums = self.spec.name, asset.name, young, above, most or ANY
                self.store.run(f"{CREDIT} and {BY_SUM}", *terms, top - count + 1, *sums)
                above = most
        query = (
            "update deposits set state = 'final', changed_ns = ? "
            "where chain = ? and state = 'credited' and height <= ?"
        )
        self.store.run(query, now_ns(), self.spec.name, top - self.spec.final + 1)

    def drop_absent(self, present: set[tuple[str, int]]) -> None:
        """Drop deposits that waited for a block and are no longer in the pool: replaced, or
        dropped."""
        query = "select * from deposits where chain = ? and state = 'pending'"
        for row in self.store.rows(query, self.spec.name):
            if (row["txid"], row["place"]) not in present:
                self._set(row["reference"], GONE, None)
                text = f"{row['txid']} is no longer in a block or in the pool"
                self.store.note("deposit", row["reference"], text)

    # The venue

    def post(self, venue: Venue) -> int:
        """Bring the venue to what the chain says; how many steps it took."""
        steps = 0
        while rows := self.store.rows(BEHIND, self.spec.name):
            done = sum(self._post_one(venue, row) for row in rows)
            steps += done
            if not done:
                break
        return steps

    def _post_one(self, venue: Venue, row: sqlite3.Row) -> bool:
        reference, wanted = row["reference"], self._next(row)
        self.store.run("update deposits set asked = ? where reference = ?", wanted, reference)
        try:
            if wanted == SEEN:
                asset = self.file.asset(row["asset"])
                assert asset is not None
                terms = row["participant"], row["asset"], row["units"], reference, asset.decimals
                venue.seen(*terms)
            elif wanted == CREDITED:
                venue.step("deposit-credit", reference)
            else:
                venue.step("deposit-reverse", reference)
        except VenueError as error:
            query = "update deposits set why = ? where reference = ?"
            self.store.run(query, str(error)[:500], reference)
            self.store.note("waits", reference, f"the venue did not accept it: {error}")
            return False
        query = "update deposits set venue = ?, why = '' where reference = ?"
        self.store.run(query, wanted, reference)
        return True

    def _next(self, row: sqlite3.Row) -> str:
        """The step that is due.  One that was asked for and has no answer is asked again first,
        unless it would credit what is reversed now."""
        if row["venue"] == "":
            return SEEN
        return REVERSED if row["state"] in (REVERSED, GONE) else CREDITED
