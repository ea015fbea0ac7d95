"""Pays what the venue has sent: batches, signatures, broadcasts, bumps, exactly once.

::

    drafted ──► signed ──► broadcast ──► confirmed ──► done
                               │  ▲          │
                               ▼  └──────────┘ its block was undone
                            replaced           a bump; either of the two may still be confirmed

A node that does not replace keeps the first one: a child that spends its change pays for both.

Each state is on disk before what it allows happens.  A process that dies continues where it was:
the same draft is signed again under its number, and a transaction is looked for before it is sent
again.  Two drafts never have the same payment, unless one replaces the other.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.errors import CustodyError, NodeError, Refused, readable
from openoutcry.custody.rail import NEVER, UNDER_WAY, Draft, Payment, Rail, Signed, taken
from openoutcry.custody.reconcile import owed_units
from openoutcry.custody.settings import CustodyFile
from openoutcry.custody.signing import WHOLE
from openoutcry.custody.statement import Claim, Statement, claim_document
from openoutcry.custody.store import Store, now_ns
from openoutcry.custody.venue import Venue, VenueError
from openoutcry.custody.withdrawals import FAILED

DRAFTED, SIGNED, BROADCAST = "drafted", "signed", "broadcast"
REPLACED, CONFIRMED, DONE, DROPPED = "replaced", "confirmed", "done", "dropped"
WITHDRAWALS, TO_COLD, CHILD, CONSOLIDATION = "withdrawals", "cold", "child", "consolidation"
NEW_DESTINATION, NOT_SENT = "new_destination", "not_sent"
"""A signer has not heard of the address, or too late; the venue states that a payment has ended."""
MAX_TRIES = 20
"""Drafts that are tried in one turn, until one can be paid."""
NOT_SIGNED = "not_signed"
"""A signer would refuse the whole draft: its fee, or what goes to the cold wallet."""
TOO_MUCH_AT_ONCE = ("insufficient_hot", "too_many_inputs", NOT_SIGNED)
PARTS = (1, 2, 4, 8)
"""What is too much for the cold wallet at once goes there in parts."""
HOT_SLACK = 10
"""The hot wallet may have a tenth more than ``hot_most`` before anything is moved."""


class Signers(Protocol):
    """The signers' processes, and the attestor's."""

    def last_number(self) -> int:
        """The highest number of a request that any signer has seen."""

    def state(self, reference: str, participant: int) -> tuple[Statement, str]:
        """The venue's signed statement."""

    def refused(
        self, chain: str, claims: list[dict[str, Any]], body: dict[str, Any] | None = None
    ) -> dict[str, str]:
        """Payments that a signer would not sign now, by reference, and why; by ``WHOLE`` why it
        would not sign the draft with this body, whatever it pays."""

    def sign(
        self, number: int, chain: str, claims: list[dict[str, Any]], body: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the signatures of as many signers as are needed. Raises ``Refused`` with the first
        refusal."""


class Payer:
    """One chain's."""

    def __init__(
        self,
        chain: str,
        file: CustodyFile,
        store: Store,
        venue: Venue,
        rail: Rail,
        signers: Signers,
        clock_ns: Callable[[], int] = now_ns,
        forbids: Callable[[str], str] = lambda reference: "",
    ) -> None:
        """``forbids``: why a withdrawal that the venue has sent is not to be paid; nothing: it
        is."""
        self.chain, self.file, self.store, self.venue = chain, file, store, venue
        self.forbids = forbids
        self.rail, self.signers, self.clock_ns = rail, signers, clock_ns
        self.breaker, self.spec = Breaker(store), file.chain(chain)
        self._waits_since: dict[str, int] = {}
        """By reference: when this process first saw that the payment waits (ns)."""
        self._aside: set[str] = set()
        """References of payments, and other work, that are not tried again before the next block;
        ``_aside_at``: the last one."""
        self._aside_at = 0

    def go_on(self) -> int:
        """Everything that can be done now; how many steps.  What fails waits, with its reason."""
        steps = 0
        if self._aside_at != (top := self._top()):
            self._aside, self._aside_at = set(), top
        always = self._look_after, self._finish
        works = self._draft, self._to_cold, self._consolidate, self._sign, self._broadcast
        for work in (*always, *works, self._bump):
            if work not in always and self.breaker.why():
                break
            name = f"{self.chain} {work.__name__.strip('_')}"
            if name in self._aside:
                continue
            try:
                with readable(self.chain):
                    steps += work()
            except CustodyError as error:
                self._note_waiting(name, error)
        self._alarm_of_waiting()
        return steps

    def _alarm_of_waiting(self) -> None:
        """An alarm for each payment that is in no block after ``bump_after_s``, with the reason."""
        query = (
            "select w.reference, coalesce(d.why, '') as why from withdrawals w "
            "left join drafts d on d.id = w.draft "
            "where w.chain = ? and w.state = 'sent' and d.height is null"
        )
        now, rows = self.clock_ns(), self.store.rows(query, self.chain)
        self._waits_since = {
            row["reference"]: self._waits_since.get(row["reference"], now) for row in rows
        }
        for row in rows:
            if now - self._waits_since[row["reference"]] >= self.spec.bump_after_s * 10**9:
                text = f"a payment waits for more than {self.spec.bump_after_s} s: "
                why = row["why"] or "see what waits on its chain"
                self.store.note("alarm", row["reference"], text + why)

    def _look_after(self) -> int:
        """Do the rail's own work, and record what a chain made of the payments of a batch."""
        for alarm in self.rail.look_after(not self.breaker.why()):
            self.store.note("alarm", f"chain {self.chain}", alarm)
        for row in self._rows(BROADCAST, CONFIRMED):
            self._note_transaction(row)
        for row in self._rows(CONFIRMED):
            self._note_refused(row, draft_of(row))
        return 0

    def _note_transaction(self, row: Any) -> None:
        """Note the transaction. On some chains it has another id than what was signed."""
        if self.rail.signs_transactions:
            return
        found = self.rail.transaction(Signed(row["txid"], row["raw"]))
        notes = json.loads(row["notes"])
        if found and notes.get("transaction") != found:
            query = "update drafts set notes = ? where id = ?"
            self.store.run(query, json.dumps(notes | {"transaction": found}), row["id"])

    def _note_refused(self, row: Any, draft: Draft) -> frozenset[str]:
        """References of payments that their receivers refused: they are in the wallet still."""
        refused = self.rail.refused_payments(draft, Signed(row["txid"], row["raw"]))
        if refused is None:
            text = f"the node of {self.chain} no longer has draft {row['id']}, which is in block "
            raise NodeError(f"{text}{row['height']}: what became of its payments is not known")
        if not refused and not draft.notes.get("refused"):
            return frozenset()
        paid: dict[str, dict[str, int]] = {payment.asset: {"paid": 0} for payment in draft.payments}
        for payment in draft.payments:
            paid[payment.asset]["paid"] += 0 if payment.reference in refused else payment.amount
        notes = draft.notes | {"leaves": paid, "refused": sorted(refused)}
        self.store.run("update drafts set notes = ? where id = ?", json.dumps(notes), row["id"])
        return refused

    # From sent to a draft

    def _draft(self) -> int:
        query = (
            "select * from withdrawals where chain = ? and state = 'sent' and draft is null "
            "order by asked_ns, reference"
        )
        before = len(self._aside)
        rows = [
            row for row in self.store.rows(query, self.chain) if row["reference"] not in self._aside
        ]
        limits = [one.batch_most for one in self.file.assets if one.chain == self.chain]
        most = min(self.rail.most_payments, *limits)
        payments = self._signable(
            [
                Payment(row["reference"], row["asset"], row["address"], int(row["amount"]))
                for row in rows[:most]
            ]
        )
        count = len(payments)
        for _ in range(MAX_TRIES):
            if not payments:
                break
            try:
                with self.store.change():
                    self.keep(
                        self.rail.build(payments[:count], taken(self.store, self.chain)),
                        WITHDRAWALS,
                    )
                return 1
            except Refused as error:
                if error.code not in TOO_MUCH_AT_ONCE:
                    raise
                # Fewer at once; what does not fit alone waits, and keeps no other from its turn.
                if count > 1:
                    count //= 2
                    continue
                self._note_waiting(payments[0].reference, error)
                self._aside.add(payments[0].reference)
            payments = payments[1:]
            count = len(payments)
        return len(self._aside) - before

    def _signable(self, payments: list[Payment]) -> list[Payment]:
        """Those that signers would sign now: one that they refuse would keep all others of its
        transaction waiting."""
        claims = []
        for payment in payments:
            if forbidden := self.forbids(payment.reference):
                self._set_aside(payment.reference, f"{forbidden}: fail it at the venue")
                self._refused(payment, forbidden)
                continue
            try:
                claims.append(claim_document(self._claim(payment)))
            except Refused as error:
                self._set_aside(payment.reference, f"the venue does not state it: {error}")
        refused = self.signers.refused(self.chain, claims) if claims else {}
        for payment in payments:
            if why := refused.get(payment.reference):
                self._set_aside(payment.reference, f"a signer refuses it: {why}")
                self._refused(payment, why)
        return [payment for payment in payments if payment.reference not in self._aside]

    def _refused(self, payment: Payment, why: str) -> None:
        """Do what lets a payment that a signer refuses go on, or end."""
        if why.startswith(NEW_DESTINATION):
            # Its records are new, or from a backup: it hears of the address again, and waits.
            query = "update whitelist set announced_ns = null where chain = ? and address = ?"
            self.store.run(query, self.chain, payment.address)
        elif state := self._ended(payment.reference):
            self._end(payment.reference, state)

    def _ended(self, reference: str) -> str:
        """Return the state of a withdrawal that has ended at the venue, by its people; nothing: it
        has not."""
        query = "select participant from withdrawals where reference = ?"
        found = self.venue.movement("withdrawal", self.store.value(query, reference), reference)
        return str(found["state"]) if found and found["state"] in (DONE, FAILED) else ""

    def _ended_of(self, draft: Draft) -> dict[str, str]:
        """Return :meth:`_ended` of each payment of a draft, by its reference."""
        return {payment.reference: self._ended(payment.reference) for payment in draft.payments}

    def _drop(self, row: Any, ended: dict[str, str]) -> None:
        """Drop a draft, and end those of its payments that have ended at the venue."""
        self.store.run("update drafts set state = ? where id = ?", DROPPED, row["id"])
        for reference, state in ended.items():
            if state:
                self._end(reference, state)

    def _end(self, reference: str, state: str) -> None:
        query = "update withdrawals set state = ?, changed_ns = ? where reference = ?"
        self.store.run(query, state, now_ns(), reference)
        self.store.note(
            "alarm", reference, f"it is {state} at the venue, and is not paid from here"
        )

    def _set_aside(self, reference: str, why: str) -> None:
        self._aside.add(reference)
        self.store.note("alarm", reference, why)

    def _note_waiting(self, name: str, error: CustodyError) -> None:
        """Note why work waits; what a signer refuses is an alarm, and waits for the next block."""
        if isinstance(error, Refused) and error.code == NOT_SIGNED:
            self._set_aside(name, str(error))
        else:
            self.store.note("waits", name, str(error))

    def _consolidate(self) -> int:
        """Join small outputs while nothing else is in progress and fees are low."""
        if self._rows(*UNDER_WAY):
            return 0
        with self.store.change():
            draft = self.rail.consolidate(taken(self.store, self.chain))
            if draft is None:
                return 0
            self.keep(draft, CONSOLIDATION)
        return 1

    def _to_cold(self) -> int:
        """Pay what the hot wallet has above ``hot_most`` or ``hot_share`` to the cold one, when no
        other payment is in progress."""
        asset = self.file.asset_of(self.chain, "")
        if asset is None or not (asset.hot_most or asset.hot_share) or self._rows(*UNDER_WAY):
            return 0
        held, limits = self.rail.in_wallet(), [asset.hot_most] if asset.hot_most else []
        if asset.hot_share:
            limits.append(owed_units(self.store, asset.name) * asset.hot_share // 100)
        most = min(limits) * asset.scale
        if held <= most + most // HOT_SLACK:
            return 0
        for part in PARTS:
            amount = (held - most) // part
            try:
                with self.store.change():
                    self.keep(
                        self.rail.build_to_cold(amount, taken(self.store, self.chain)), TO_COLD
                    )
            except Refused as error:
                if error.code not in TOO_MUCH_AT_ONCE or part == PARTS[-1]:
                    raise
                continue
            text = f"{amount} of {held - most} above {most} goes to the cold wallet"
            self.store.note("cold", self.chain, text)
            break
        return 1

    def keep(self, draft: Draft, purpose: str, replaces: int | None = None) -> int:
        """Keep a draft that signers would sign now: one that they refuse would keep its outputs, or
        its number, from all others.  Within a change of the store.  Raises :class:`Refused`."""
        if why := self.signers.refused(self.chain, [], draft.body).get(WHOLE):
            raise Refused(NOT_SIGNED, f"a signer refuses it: {why}")
        number = self.store.insert(
            "drafts",
            chain=self.chain,
            purpose=purpose,
            state=DRAFTED,
            identity=draft.identity,
            body=json.dumps(draft.body),
            fee=str(draft.fee),
            conflicts=json.dumps(draft.conflicts),
            payments=json.dumps([asdict(payment) for payment in draft.payments]),
            replaces=replaces,
            notes=json.dumps(draft.notes),
            why="",
            made_ns=self.clock_ns(),
        )
        for payment in draft.payments:
            query = "update withdrawals set draft = ? where reference = ?"
            self.store.run(query, number, payment.reference)
        return number

    def _rows(self, *states: str) -> list[Any]:
        marks = ", ".join("?" * len(states))
        query = f"select * from drafts where chain = ? and state in ({marks}) order by id"
        return self.store.rows(query, self.chain, *states)

    # Signatures

    def _sign(self) -> int:
        return self._each(DRAFTED, self._sign_one)

    def _each(self, state: str, work: Callable[[Any], int]) -> int:
        """Do it for each draft in a state: one that is refused keeps no other waiting."""
        steps = 0
        for row in self._rows(state):
            name = f"draft {row['id']}"
            try:
                steps += work(row) if name not in self._aside else 0
            except Refused as error:
                self._note_waiting(name, error)
        return steps

    def _sign_one(self, row: Any) -> int:
        draft = draft_of(row)
        number = row["number"]
        is_forbidden = any(self.forbids(one.reference) for one in draft.payments)
        if is_forbidden and self._leave_out(row, draft):
            return 1
        if number is None:
            # A restored database may be behind the signers: they know the last number.
            highest = self.store.row("select max(number) as n from drafts")
            known = 0 if highest is None else int(highest["n"] or 0)
            number = max(known, self.signers.last_number()) + 1
            self.store.run("update drafts set number = ? where id = ?", number, row["id"])
        claims = [claim_document(self._claim(payment)) for payment in draft.payments]
        try:
            answers = self.signers.sign(number, self.chain, claims, draft.body)
            signed = self.rail.combine(draft, answers)
        except Refused as error:
            if error.code == NOT_SENT and self._leave_out(row, draft):
                return 1
            self._not_signed(row, draft, error)
            return 0
        query = "update drafts set state = ?, txid = ?, raw = ?, why = '' where id = ?"
        self.store.run(query, SIGNED, signed.txid, signed.raw, row["id"])
        return 1

    def _leave_out(self, row: Any, draft: Draft) -> bool:
        """Make a draft again without what has ended at the venue meanwhile, or is forbidden: no
        signer signs it with what has ended, and it would keep its other payments, its outputs and
        its number for good."""
        if any(one["state"] != DROPPED for one in self._earlier(row)):
            return False  # what it replaces has the same payments, and may be in the pool
        ended = self._ended_of(draft)
        left = {one for one, state in ended.items() if state or self.forbids(one)}
        if not left:
            return False
        rest = [one for one in draft.payments if one.reference not in left]
        with self.store.change():
            self._drop(row, ended)
            for reference in left:
                self.store.run(
                    "update withdrawals set draft = null where reference = ? and state = 'sent'",
                    reference,
                )
            if rest:
                made = replace(self.rail.without(draft, rest), replaces=row["identity"])
                self.keep(made, row["purpose"], row["id"])
        return True

    def _not_signed(self, row: Any, draft: Draft, error: Refused) -> None:
        # Its number is behind those of later drafts when it may be signed: it gets another one.
        text = f"{error.code}: {error}"
        query = "update drafts set why = ?, number = null where id = ?"
        self.store.run(query, text[:500], row["id"])
        self.store.note("alarm", f"draft {row['id']}", f"a signer refused it: {text}")

    def _claim(self, payment: Payment) -> Claim:
        query = "select * from withdrawals where reference = ?"
        row = self.store.row(query, payment.reference)
        assert row is not None
        statement, signature = self.signers.state(payment.reference, row["participant"])
        terms = row["participant"], row["asset"], row["chain"], row["address"], row["units"]
        return Claim(payment.reference, *terms, row["salt"], statement, signature)

    # The chain

    def _broadcast(self) -> int:
        steps = 0
        for row in self._rows(SIGNED, BROADCAST):
            signed = Signed(row["txid"], row["raw"])
            is_new = row["state"] == SIGNED
            try:
                if self.rail.find(signed) is None:
                    self.rail.send(signed)
            except NodeError as error:
                query = "update drafts set why = ? where id = ?"
                self.store.run(query, str(error)[:500], row["id"])
                self.store.note("waits", name := f"draft {row['id']}", str(error))
                if is_new and error.code and name not in self._aside:
                    steps += self._again(row)
                continue
            if not is_new:
                continue
            with self.store.change():
                query = "update drafts set state = ?, sent_ns = ? where id = ? and state = ?"
                self.store.run(query, BROADCAST, self.clock_ns(), row["id"], SIGNED)
                if row["replaces"] is not None:
                    query = "update drafts set state = ? where id = ? and state = ?"
                    self.store.run(query, REPLACED, row["replaces"], BROADCAST)
            steps += 1
        return steps

    def _again(self, row: Any) -> int:
        """The node rejects it: it is paid by other outputs, by one of its own, and by one of each
        draft that it replaces, so that at most one of all is ever confirmed.  One of those may be
        in the pool or in a block: that one pays."""
        query = "select 1 from drafts where replaces = ? and state <> 'dropped'"
        earlier = self._earlier(row)
        is_paid = any(one["state"] in (BROADCAST, CONFIRMED) for one in earlier)
        if is_paid or self.store.row(query, row["id"]) is not None:
            return 0
        try:
            with self.store.change():
                keys = [json.loads(one["conflicts"]) for one in earlier]
                draft = self.rail.again(draft_of(row), keys)
                self.keep(replace(draft, replaces=row["identity"]), row["purpose"], row["id"])
        except Refused as error:
            if error.code != "not_needed":
                self._set_aside(f"draft {row['id']}", f"{error.code}: {error}")
            return 0
        except CustodyError as error:  # signers are away: what they have signed is sent
            self._note_waiting(f"draft {row['id']}", error)
            return 0
        self.store.note("bump", f"draft {row['id']}", "the node rejects it: other outputs pay")
        return 1

    def _earlier(self, row: Any) -> list[Any]:
        """Return the drafts that one replaces, and those that they replace."""
        query = (
            "with recursive one (id) as (select ? union select replaces from drafts "
            "join one using (id)) select * from drafts join one using (id) order by id"
        )
        return self.store.rows(query, row["replaces"])

    def _bump(self) -> int:
        """Pay more for what has waited too long."""
        return self._each(BROADCAST, self._bump_one)

    def _bump_one(self, row: Any) -> int:
        waited = self.clock_ns() - int(row["sent_ns"] or 0)
        if waited < self.spec.bump_after_s * 10**9:
            return 0
        if any(key.startswith(f"{row['txid']}:") for key in taken(self.store, self.chain)):
            return 0  # another draft spends its change, and pays for both
        query = "select * from drafts where replaces = ? and state <> 'dropped'"
        known = self.store.row(query, row["id"])
        if known is not None:
            return self._child(row, known)
        try:
            draft = self.rail.bump(draft_of(row))
        except Refused as error:
            if error.code != NEVER:
                raise
            return self._give_up(row, draft_of(row), str(error))
        with self.store.change():
            self.keep(replace(draft, replaces=row["identity"]), row["purpose"], row["id"])
        text = f"waited {waited // 10**9} s: replaced for a fee of {draft.fee}"
        self.store.note("bump", f"draft {row['id']}", text)
        return 1

    def _give_up(self, row: Any, draft: Draft, why: str) -> int:
        """No one can pay it any more, nor does a signer sign its payments in another one: people
        fail them at the venue."""
        ended = self._ended_of(draft)
        if not all(ended.values()):
            text = f"{why}: its payments can never be made; fail them at the venue"
            self.store.note("alarm", f"draft {row['id']}", text)
            return 0
        with self.store.change():
            self._drop(row, ended)
        return 1

    def _child(self, row: Any, replacement: Any) -> int:
        """The node does not take what replaces it: its change pays for both."""
        if replacement["state"] != SIGNED or not replacement["why"]:
            return 0
        with self.store.change():
            draft = self.rail.child(draft_of(row), Signed(row["txid"], row["raw"]))
            if draft is None:
                return 0
            self.keep(draft, CHILD)
        text = f"the node does not replace it: a child pays {draft.fee} for both"
        self.store.note("bump", f"draft {row['id']}", text)
        return 1

    def _finish(self) -> int:
        """Finish what is confirmed deeply enough, at the venue too; also while the breaker is
        tripped: the money has left."""
        top, steps = self._top(), 0
        for row in self._rows(CONFIRMED):
            if top - int(row["height"]) + 1 < self.spec.final:
                continue
            draft = draft_of(row)
            try:
                refused = self._note_refused(row, draft)
                for payment in draft.payments:
                    what = "fail" if payment.reference in refused else "done"
                    self.venue.step(f"withdrawal-{what}", payment.reference)
            except (VenueError, NodeError) as error:
                # What is paid and is not sent at the venue is in its owner's account as well.
                is_refused = isinstance(error, VenueError) and not error.is_passing
                kind = "alarm" if is_refused else "waits"
                self.store.note(kind, f"draft {row['id']}", str(error))
                continue
            self._close(row, draft, refused)
            steps += 1
        return steps

    def _top(self) -> int:
        """The height of the last block that the scanner has taken."""
        query = "select max(height) as top from blocks where chain = ?"
        found = self.store.row(query, self.chain)
        return 0 if found is None or found["top"] is None else int(found["top"])

    def _close(self, row: Any, draft: Draft, refused: frozenset[str]) -> None:
        with self.store.change():
            for payment in draft.payments:
                state = FAILED if payment.reference in refused else DONE
                query = (
                    "update withdrawals set state = ?, draft = ?, changed_ns = ? "
                    "where reference = ?"
                )
                self.store.run(query, state, row["id"], now_ns(), payment.reference)
            self.store.run("update drafts set state = ? where id = ?", DONE, row["id"])
            # Those that shared an output with it can never be confirmed now, nor can what spends
            # theirs.
            gone: set[str] = set()
            for other in self._rows(DRAFTED, SIGNED, BROADCAST, REPLACED):
                keys = set(json.loads(other["conflicts"]))
                if keys & set(draft.conflicts) or {key.partition(":")[0] for key in keys} & gone:
                    query = "update drafts set state = ? where id = ?"
                    self.store.run(query, DROPPED, other["id"])
                    gone |= {other["txid"]} - {None}


def draft_of(row: Any) -> Draft:
    """A draft as the store has it."""
    payments = tuple(Payment(**one) for one in json.loads(row["payments"]))
    terms = json.loads(row["body"]), int(row["fee"]), tuple(json.loads(row["conflicts"]))
    notes = json.loads(row["notes"])
    return Draft(row["chain"], row["identity"], *terms, payments, "", notes)
