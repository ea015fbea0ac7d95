"""Refills of the hot wallet from the cold one, which no process can make alone.

::

    asked ──► approved by two people ──► usable after refill_wait_s ──► built, once

``refill_a_day`` limits what is asked for within 24 hours.  The offline machine looks at the
document itself: see :func:`check_approved`.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.chains import book_of
from openoutcry.custody.errors import Refused
from openoutcry.custody.persons import OPERATOR, PEOPLE, Persons
from openoutcry.custody.scanner import give_address
from openoutcry.custody.settings import AssetSpec, CustodyFile
from openoutcry.custody.store import Store, now_ns
from openoutcry.venue.calendar import utc_text

MOST_NAME = 40
DAY_NS, SECOND_NS = 86_400 * 10**9, 10**9


@dataclass(frozen=True)
class Approval:
    """What a carried document says about the refill that it is."""

    number: int
    address: str
    amount: int
    """In the chain's smallest unit."""
    people: tuple[str, ...]
    usable_ns: int
    place: int
    """Of the address in the hot wallet: the offline machine derives it, where it can."""


class Refills:
    """The refills of one store."""

    def __init__(
        self, file: CustodyFile, store: Store, clock_ns: Callable[[], int] = now_ns
    ) -> None:
        self.file, self.store, self.clock_ns = file, store, clock_ns
        self.persons = Persons(file.persons)

    def ask(self, name: str, units: int) -> tuple[int, str]:
        """Ask for a refill; its number, and the hot wallet's address for it.  Raises
        :class:`Refused`."""
        asset = self.file.known_asset(name)
        with self.store.change():
            query = (
                "select coalesce(sum(units), 0) as n from refills where asset = ? and asked_ns > ?"
            )
            row = self.store.row(query, name, self.clock_ns() - DAY_NS)
            left = asset.refill_a_day - (0 if row is None else int(row["n"]))
            if not 0 < units <= left:
                text = f"refill_a_day leaves {asset.text(max(0, left))} within 24 hours"
                raise Refused("refill_limit", text)
            spec = self.file.chain(asset.chain)
            address = give_address(self.store, book_of(spec), spec, None)
            number = self.store.insert(
                "refills",
                asset=name,
                units=units,
                address=address,
                asked_ns=self.clock_ns(),
            )
            self.store.note(
                "refill", f"refill {number}", f"{asset.text(units)}: waits for two people"
            )
            return number, address

    def shown(self, number: int) -> str:
        """Return the line that a person reads before approving it, which nothing changes.  Raises
        :class:`Refused`."""
        row = self._row(number)
        asset = self.file.known_asset(row["asset"])
        return f"refill {number}: {asset.text(row['units'])} to {row['address']}"

    def approve(self, number: int, name: str, password: str) -> int:
        """One person's word; with the second one's the time (ns) from which it can be built, else
        0.  Raises :class:`Refused`."""
        self.persons.prove(name, password, OPERATOR)
        with self.store.change():
            row = self._row(number)
            if row["usable_ns"] is not None:
                raise Refused("not_held", f"refill {number} does not wait for an approval")
            query = "insert or ignore into approvals values (?, ?, ?)"
            self.store.run(query, _reference(number), name, self.clock_ns())
            people = self.persons.approvers(self.store, _reference(number))
            if len(people) < PEOPLE:
                return 0
            usable = self.clock_ns() + self.file.refill_wait_s * SECOND_NS
            self.store.run("update refills set usable_ns = ? where id = ?", usable, number)
            text = f"approved by {' and '.join(people)}; locked until {utc_text(usable)}"
            self.store.note("refill", f"refill {number}", text)
            return usable

    def approved(self, number: int) -> tuple[AssetSpec, Approval]:
        """One that may be built now.  Raises :class:`Refused`."""
        row = self._row(number)
        why = Breaker(self.store).why()
        if why:
            raise Refused("stopped", f"withdrawals are stopped: {why}")
        if row["usable_ns"] is None:
            raise Refused("not_approved", f"refill {number} waits for two people")
        if row["usable_ns"] > self.clock_ns():
            text = f"refill {number} is locked until {utc_text(row['usable_ns'])}"
            raise Refused("refill_locked", text)
        if row["built_ns"] is not None:
            raise Refused("already_built", f"refill {number} was built: ask for another one")
        asset = self.file.known_asset(row["asset"])
        people = tuple(self.persons.approvers(self.store, _reference(number)))
        if len(people) < PEOPLE:
            text = f"not all who approved refill {number} may approve now: ask for another one"
            raise Refused("not_approved", text)
        query = "select place from addresses where chain = ? and address = ?"
        at = self.store.row(query, asset.chain, row["address"])
        assert at is not None
        terms = row["address"], int(row["units"]) * asset.scale, people, int(row["usable_ns"])
        return asset, Approval(number, *terms, int(at["place"]))

    def close(self, number: int) -> None:
        """Note that it was built: not again.  Raises :class:`Refused`."""
        query = "update refills set built_ns = ? where id = ? and built_ns is null"
        if not self.store.run(query, self.clock_ns(), number):
            raise Refused("already_built", f"refill {number} was built meanwhile")
        self.store.note("refill", f"refill {number}", "built: to be signed offline")

    def _row(self, number: int) -> Any:
        row = self.store.row("select * from refills where id = ?", number)
        if row is None:
            raise Refused("unknown_refill", f"there is no refill {number}")
        return row


def _reference(number: int) -> str:
    return f"refill {number}"


def with_approval(document: dict[str, Any], approval: Approval) -> dict[str, Any]:
    """The document to carry, with what was approved."""
    return document | {"refill": asdict(approval)}


def approval_of(document: dict[str, Any]) -> Approval | None:
    """Return what a carried document says; None: it is no refill.  Raises :class:`Refused`."""
    if "refill" not in document:
        return None
    try:
        row = document["refill"]
        people = tuple(str(one) for one in row["people"])
        if any(len(one) > MOST_NAME for one in people):
            raise ValueError("a name is no text for the screen of the offline machine")
        amounts = int(row["amount"]), people, int(row["usable_ns"]), int(row["place"])
        return Approval(int(row["number"]), str(row["address"]), *amounts)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Refused("bad_request", "what the document says of a refill is not whole") from None


def check_approved(
    document: dict[str, Any], paid: list[tuple[str, int]], now: int | None = None
) -> list[str]:
    """The lines that people compare, on the offline machine and by its clock (``now``, ns).

    ``paid``: address and amount of everything that leaves the cold wallet.  Raises
    :class:`Refused`."""
    approval = approval_of(document)
    if approval is None:
        text = "this is no approved refill; --recovery signs it all the same"
        raise Refused("not_approved", text)
    if len(set(approval.people)) < PEOPLE:
        raise Refused("not_approved", f"refill {approval.number} was not approved by two people")
    if approval.usable_ns > (time.time_ns() if now is None else now):
        text = f"refill {approval.number} is locked until {utc_text(approval.usable_ns)}"
        raise Refused("refill_locked", text)
    if paid != [(approval.address, approval.amount)]:
        raise Refused("other_refill", f"it pays something else than refill {approval.number} says")
    return [f"refill {approval.number}, approved by {' and '.join(approval.people)}"]
