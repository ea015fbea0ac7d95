"""Withdrawals up to their approval: addresses, whitelist, score, people.

::

    asked ──► requested ──► approved ──► sent ──► done        the venue's states, which it decides
      │           │  held: two people                         sent: nothing cancels it any more
      ▼           ▼
    refused    cancelled
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.cases import SANCTIONS, TRAVEL_RULE, note_case
from openoutcry.custody.errors import Refused
from openoutcry.custody.persons import OPERATOR, PEOPLE, Persons
from openoutcry.custody.rail import Rail
from openoutcry.custody.risk_score import Rules, score
from openoutcry.custody.settings import AssetSpec, CustodyFile
from openoutcry.custody.statement import reference_of
from openoutcry.custody.store import Store, now_ns
from openoutcry.custody.venue import Venue, VenueError

ASKED, REQUESTED, HELD, APPROVED, SENT = "asked", "requested", "held", "approved", "sent"
DONE, REFUSED, CANCELLED = "done", "refused", "cancelled"
FAILED = "failed"
"""State of a withdrawal that its receiver refused, or people have ended; the amount is its owner's
again."""
OPEN = ASKED, REQUESTED, HELD, APPROVED
"""States in which it can still be cancelled."""
VENUE_REFUSED, CANCELLED_BY_OWNER = "venue_refused", "cancelled_by_owner"
ENDED_AT_VENUE = "ended_at_venue"
"""Codes of reasons; a refusal has the desk's own code where it names one.  An open withdrawal has
the second while its owner's wish to cancel it waits for the venue."""
MOST_CHANGES = 2_000


@dataclass(frozen=True)
class Asked:
    """A withdrawal as its owner asks for it.  ``salt``: the caller's name of it, used once."""

    participant: int
    asset: str
    address: str
    units: int
    salt: str = ""
    device: str = ""
    changes: str = ""
    """What its owner's account has changed lately, as people who approve it read it."""
    is_cancelled: bool = False
    """Its owner has cancelled it before it came here: it is recorded, and never paid."""


class Withdrawals:
    """The withdrawals of all chains."""

    def __init__(
        self,
        file: CustodyFile,
        store: Store,
        venue: Venue,
        rails: dict[str, Rail],
        rules: Rules | None = None,
    ) -> None:
        self.file, self.store, self.venue, self.rails = file, store, venue, rails
        self.rules, self.breaker = rules or Rules(), Breaker(store)
        self.persons = Persons(file.persons)
        self.sanctioned = self._sanctions()

    # Whitelist

    def add_address(self, chain: str, participant: int, address: str, label: str = "") -> int:
        """Usable when the wait is over; that time (ns).  Again: the first time counts."""
        normal = self.normal_address(chain, participant, address)
        usable = now_ns() + self.file.whitelist_wait_s * 10**9
        with self.store.change():
            query = (
                "insert or ignore into whitelist "
                "(chain, participant, address, label, added_ns, usable_ns) "
                "values (?, ?, ?, ?, ?, ?)"
            )
            self.store.run(query, chain, participant, normal, label, now_ns(), usable)
            query = (
                "select usable_ns from whitelist "
                "where chain = ? and participant = ? and address = ?"
            )
            row = self.store.row(query, chain, participant, normal)
        assert row is not None
        return int(row["usable_ns"])

    def normal_address(self, chain: str, participant: int, address: str) -> str:
        """One that a participant may have in its whitelist.  Raises :class:`Refused`."""
        normal = self._rail(chain).check_address(address, self._asset_on(chain), 2**62)
        self._check_sanctions(normal, participant, self._asset_on(chain), 0)
        return normal

    def remove_address(self, chain: str, participant: int, address: str) -> bool:
        """Return whether it was there.  Added again, it waits again."""
        normal = self._rail(chain).check_address(address, self._asset_on(chain), 2**62)
        query = "delete from whitelist where chain = ? and participant = ? and address = ?"
        return self.store.run(query, chain, participant, normal) > 0

    def listed(self, participant: int) -> list[dict[str, Any]]:
        """A participant's whitelist."""
        query = (
            "select chain, address, label, added_ns, usable_ns from whitelist "
            "where participant = ? order by added_ns, address"
        )
        return [dict(row) for row in self.store.rows(query, participant)]

    def _asset_on(self, chain: str) -> str:
        """One of the chain's assets: an address is the same for all of them."""
        return next(asset.name for asset in self.file.assets if asset.chain == chain)

    def _check_whitelist(self, chain: str, participant: int, address: str) -> None:
        query = (
            "select usable_ns from whitelist where chain = ? and participant = ? and address = ?"
        )
        row = self.store.row(query, chain, participant, address)
        if row is None:
            raise Refused("not_whitelisted", "the address is not in this participant's whitelist")
        if int(row["usable_ns"]) > now_ns():
            raise Refused("address_locked", "the address was added too recently")

    def _check_sanctions(self, address: str, participant: int, asset: str, units: int) -> None:
        if address.lower() in self.sanctioned:
            terms = participant, asset, units
            note_case(self.store, SANCTIONS, address, terms, "a sanctioned address")
            raise Refused("sanctioned", "no payment to this address is allowed")

    def _is_sanctioned_now(self, row: Any) -> Refused | None:
        """Return the refusal of an address that came on the list after it was asked for."""
        try:
            self._check_sanctions(row["address"], row["participant"], row["asset"], row["units"])
        except Refused as error:
            return error
        return None

    def sanctioned_now(self, reference: str) -> str:
        """Return why a withdrawal is not to be paid although the venue has sent it; nothing: it
        is."""
        row = self.store.row("select * from withdrawals where reference = ?", reference)
        refused = None if row is None else self._is_sanctioned_now(row)
        return "" if refused is None else str(refused)

    def _sanctions(self) -> frozenset[str]:
        """Sanctioned addresses, one on each line; ``#`` begins a remark.  Each is known as custody
        writes it, too: some have two spellings."""
        if self.file.sanctions is None:
            return frozenset()
        rows = self.file.sanctions.read_text(encoding="utf-8-sig").splitlines()
        found = {row.partition("#")[0].strip() for row in rows} - {""}
        for asset in self.file.assets:
            for one in tuple(found):
                with suppress(Refused):
                    found.add(self.rails[asset.chain].check_address(one, asset.name, 2**62))
        return frozenset(one.lower() for one in found)

    # Asking

    def ask(self, asked: Asked) -> str:
        """Record a withdrawal and return its reference. A repeated request with the same salt is
        the same withdrawal, and people read its ``changes`` from then on: an approval that was
        given before them counts no more. Raises :class:`Refused`."""
        asset, address = self._normal(asked)
        salt = asked.salt or secrets.token_hex(8)
        terms = asked.participant, asset.name, asset.chain, address, asked.units
        reference = reference_of(*terms, salt)
        if self.store.row("select 1 from withdrawals where reference = ?", reference):
            if changes := asked.changes[:MOST_CHANGES]:
                with self.store.change():
                    query = "update askers set changes = ? where reference = ? and changes <> ?"
                    if self.store.run(query, changes, reference, changes):
                        self.store.run("delete from approvals where reference = ?", reference)
            if asked.is_cancelled:
                self._wish(reference)
            return reference
        self.check(asked)
        with self.store.change():
            query = "select 1 from withdrawals where reference = ?"
            if self.store.row(query, reference) is None:
                # It may have been removed from the list meanwhile.
                self._check_whitelist(asset.chain, asked.participant, address)
                points, why = score(self.store, self.rules, terms, asked.device)
                self._insert(asset, reference, terms, salt, points, why)
                if asked.is_cancelled:
                    self._wish(reference)
                asker = {"device": asked.device, "changes": asked.changes[:MOST_CHANGES]}
                self.store.insert("askers", reference=reference, **asker)
        return reference

    def check(self, asked: Asked) -> str:
        """The address in its normal form, if a payment to it may be asked for now.  Raises
        :class:`Refused`."""
        asset, address = self._normal(asked)
        self._check_sanctions(address, asked.participant, asset.name, asked.units)
        try:
            self._check_whitelist(asset.chain, asked.participant, address)
        except Refused as error:
            # A thief of an account's key asks for this.  The note's subject and text are the same
            # each time, so that asking again fills no list, also by turns with another reason.
            text = f"asked for a withdrawal that was refused: {error.code}"
            self.store.note("alarm", f"participant {asked.participant} {error.code}", text)
            raise
        return address

    def _normal(self, asked: Asked) -> tuple[AssetSpec, str]:
        asset = self.file.known_asset(asked.asset)
        if asked.units <= 0:
            raise Refused("bad_amount", "an amount is above 0")
        rail, amount = self._rail(asset.chain), asked.units * asset.scale
        return asset, rail.check_address(asked.address, asset.name, amount)

    def cancel(self, participant: int, reference: str) -> None:
        """Cancel a withdrawal that was not sent.  While the venue does not answer it is not paid
        either, and cancelled later.  Raises :class:`Refused`."""
        row = self.of(participant, reference)
        if row["state"] not in OPEN:
            raise Refused("not_cancellable", f"this withdrawal is {row['state']}")
        try:
            self._cancel(row)
        except VenueError as error:
            text = str(error)
            if error.is_passing:
                self._wish(reference)
                text += "; it is cancelled when the venue answers"
            raise Refused("not_cancellable", text) from None

    def _cancel(self, row: Any) -> None:
        """The venue decides, and this store follows: a withdrawal unknown to the venue is reserved
        there first, so that no later step is possible.  Raises ``VenueError``."""
        if row["state"] == ASKED:
            self._request(row)
        self.venue.step("withdrawal-cancel", row["reference"])

    def _request(self, row: Any) -> None:
        asset = self.file.known_asset(row["asset"])
        terms = row["participant"], row["asset"], row["units"], row["reference"], asset.decimals
        self.venue.requested(*terms)

    def _wish(self, reference: str) -> None:
        """Note that it is to be cancelled: from then on its one next step is that."""
        marks = ", ".join("?" * len(OPEN))
        query = f"update withdrawals set code = ? where reference = ? and state in ({marks})"
        self.store.run(query, CANCELLED_BY_OWNER, reference, *OPEN)

    def of(self, participant: int, reference: str) -> Any:
        """Return its row; that of another participant counts as missing.
        Raises :class:`Refused`."""
        query = "select * from withdrawals where reference = ? and participant = ?"
        row = self.store.row(query, reference, participant)
        if row is None:
            raise Refused("unknown_withdrawal", f"there is no withdrawal {reference!r}")
        return row

    def _insert(
        self,
        asset: AssetSpec,
        reference: str,
        terms: tuple[int, str, str, str, int],
        salt: str,
        points: int,
        why: list[str],
    ) -> None:
        participant, name, chain, address, units = terms
        self.store.insert(
            "withdrawals",
            reference=reference,
            chain=chain,
            asset=name,
            participant=participant,
            address=address,
            amount=str(units * asset.scale),
            units=units,
            salt=salt,
            state=ASKED,
            score=points,
            why=", ".join(why),
            draft=None,
            asked_ns=now_ns(),
            changed_ns=now_ns(),
        )
        if 0 < self.file.travel_rule.get(name, 0) <= units:
            text = f"{self.file.text(name, units)} to {address}: travel rule"
            note_case(self.store, TRAVEL_RULE, reference, (participant, name, units), text)

    def _rail(self, chain: str) -> Rail:
        if chain not in self.rails:
            raise Refused("unknown_chain", f"custody does not pay on {chain!r}")
        return self.rails[chain]

    # People

    def approve(
        self, reference: str, name: str, password: str, read: Sequence[str] | None = None
    ) -> bool:
        """One person's word; True with the second one's.  ``read``: the lines that this person has
        read.  Raises :class:`Refused`, also where they are others by now."""
        self.persons.prove(name, password, OPERATOR)
        with self.store.change():
            row = self.store.row("select * from withdrawals where reference = ?", reference)
            if row is None or row["state"] != HELD:
                raise Refused("not_held", f"{reference!r} does not wait for an approval")
            if read is not None and list(read) != self.shown(reference):
                raise Refused("changed", "the account has changed meanwhile: read it again")
            self.store.run(
                "insert or ignore into approvals values (?, ?, ?)", reference, name, now_ns()
            )
            return len(self.persons.approvers(self.store, reference)) >= PEOPLE

    def shown(self, reference: str) -> list[str]:
        """Return the lines that a person reads before approving it.  Raises :class:`Refused`."""
        query = "select * from withdrawals left join askers using (reference) where reference = ?"
        row = self.store.row(query, reference)
        if row is None:
            raise Refused("unknown_withdrawal", f"there is no withdrawal {reference!r}")
        first = f"{self.file.text(row['asset'], row['units'])} of participant {row['participant']}"
        lines = [f"{first} to {row['address']}", f"score {row['score']}: {row['why'] or '-'}"]
        return [*lines, f"changes of the account: {row['changes'] or 'none known'}"]

    def dispute(self, reference: str) -> None:
        """Note that its owner did not want it: it makes no later one look usual, and counts as an
        attempt.  Again: nothing more happens.  Raises :class:`Refused`."""
        if not self.store.row("select 1 from withdrawals where reference = ?", reference):
            raise Refused("unknown_withdrawal", f"there is no withdrawal {reference!r}")
        query = (
            "insert into askers values (?, '', '', ?) on conflict (reference) do update "
            "set disputed_ns = coalesce(disputed_ns, excluded.disputed_ns)"
        )
        self.store.run(query, reference, now_ns())
        self.store.note("alarm", reference, "its owner disputes it")

    # Going on

    def go_on(self) -> int:
        """Take each as far as it goes before it is paid; how many steps that was."""
        if self.breaker.why():
            return 0
        marks = ", ".join("?" * len(OPEN))
        query = f"select * from withdrawals where state in ({marks}) order by asked_ns"
        return sum(self._one(row) for row in self.store.rows(query, *OPEN))

    def _one(self, row: Any) -> bool:
        reference, state = row["reference"], row["state"]
        asset = self.file.asset(row["asset"])
        assert asset is not None
        try:
            if row["code"] == CANCELLED_BY_OWNER:
                self._cancel(row)
                return self._to(reference, CANCELLED, "its owner cancelled it", CANCELLED_BY_OWNER)
            if refused := self._is_sanctioned_now(row):
                self._cancel(row)
                return self._to(reference, REFUSED, str(refused), refused.code)
            if state == ASKED:
                self._request(row)
                return self._to(reference, REQUESTED)
            if state == REQUESTED and not self._is_automatic(asset, row):
                return self._to(reference, HELD)
            if state in (REQUESTED, HELD):
                approvers = self.persons.approvers(self.store, reference)
                if state == HELD and len(approvers) < PEOPLE:
                    return self._follow(row)
                self.venue.step("withdrawal-approve", reference)
                return self._to(reference, APPROVED)
            if self._drains(asset, int(row["units"])):
                return False
            self.venue.step("withdrawal-sent", reference)
            return self._to(reference, SENT)
        except VenueError as error:
            return self._refused(row, error)

    def _follow(self, row: Any) -> bool:
        """While it waits for people its owner may cancel it at the venue.  An approval of the venue
        is none of custody's people: it waits for them all the same."""
        found = self.venue.movement("withdrawal", row["participant"], row["reference"])
        if found is None or found["state"] in (REQUESTED, APPROVED):
            return False
        return self._end_as(row, found["state"])

    def _end_as(self, row: Any, state: str) -> bool:
        """End what the venue's people have taken further, without custody's."""
        text = f"it is {state} at the venue"
        return self._to(row["reference"], CANCELLED, text, ENDED_AT_VENUE)

    def _refused(self, row: Any, error: VenueError) -> bool:
        if error.is_passing:
            self.store.note("waits", row["reference"], str(error))
            return False
        if row["state"] == ASKED:
            return self._to(row["reference"], REFUSED, str(error), error.code or VENUE_REFUSED)
        try:
            found = self.venue.movement("withdrawal", row["participant"], row["reference"])
        except VenueError as later:  # it has closed meanwhile
            found, error = None, later
        if found is not None and found["state"] == CANCELLED:
            text = "its owner cancelled it"
            return self._to(row["reference"], CANCELLED, text, CANCELLED_BY_OWNER)
        if found is not None and found["state"] == APPROVED and row["state"] != APPROVED:
            return self._to(row["reference"], APPROVED)
        if found is not None and found["state"] in (SENT, DONE, FAILED):
            if row["state"] == APPROVED:
                # That answer was lost, and what its owner or a list has wished since is too late.
                return self._to(row["reference"], found["state"])
            return self._end_as(row, found["state"])
        self.store.note("waits", row["reference"], str(error))
        return False

    def _is_automatic(self, asset: AssetSpec, row: Any) -> bool:
        return int(row["units"]) <= asset.automatic_up_to and int(row["score"]) < self.rules.hold_at

    def _drains(self, asset: AssetSpec, units: int) -> bool:
        """More than the file allows in an hour: everything stops."""
        if not asset.drain_an_hour:
            return False
        # Each counts from when it is paid, and not again when it has arrived.
        query = (
            "select coalesce(sum(units), 0) as n from withdrawals as w "
            "left join drafts as d on d.id = w.draft where w.asset = ? "
            "and w.state in ('sent', 'done') and coalesce(d.made_ns, w.changed_ns) > ?"
        )
        row = self.store.row(query, asset.name, now_ns() - 3_600 * 10**9)
        assert row is not None
        if int(row["n"]) + units <= asset.drain_an_hour:
            return False
        self.breaker.trip(f"more than {asset.text(asset.drain_an_hour)} would leave in an hour")
        return True

    def _to(self, reference: str, state: str, why: str = "", code: str = "") -> bool:
        query = (
            "update withdrawals set state = ?, changed_ns = ?, "
            "code = case when ? = '' then code else ? end, "
            "why = case when ? = '' then why else ? end where reference = ?"
        )
        self.store.run(query, state, now_ns(), code, code, why, why[:500], reference)
        return True
