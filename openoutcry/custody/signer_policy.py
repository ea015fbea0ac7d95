"""What a signer signs: its own rules, over its own records.

It trusts neither the process that builds transactions nor the database of that process.  Everything
that it needs is in its own file, in the transaction as it reads it, and in the venue's statements.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openoutcry.custody.clock import Steps, since_boot_ns
from openoutcry.custody.errors import Refused
from openoutcry.custody.signing import WHOLE, Reading
from openoutcry.custody.statement import Claim, check_claim
from openoutcry.wire.closing import Closing
from openoutcry.wire.sqlite_file import Schema, SqliteFile

HOUR_NS, DAY_NS = 3_600 * 10**9, 86_400 * 10**9
TABLES = """
create table if not exists requests (
    number integer primary key, chain text not null, identity text not null, at_ns integer not null
) without rowid;
create table if not exists signed (
    chain text not null, identity text not null, reference text not null, asset text not null,
    units text not null, conflicts text not null, at_ns integer not null,
    primary key (chain, identity, reference)
) without rowid;
create index if not exists signed_by_reference on signed (reference);
create index if not exists signed_by_time on signed (chain, asset, at_ns);
create table if not exists moved (
    chain text not null, identity text not null, asset text not null, amount text not null,
    fee text not null, conflicts text not null, at_ns integer not null,
    primary key (chain, identity)
) without rowid;
create index if not exists moved_by_time on moved (chain, at_ns);
create table if not exists amounts (
    chain text not null, identity text not null, digests text not null,
    primary key (chain, identity)
) without rowid;
create table if not exists destinations (
    chain text not null, address text not null, at_ns integer not null,
    primary key (chain, address)
) without rowid;
create table if not exists refused (
    identity text primary key, chain text not null, code text not null, at_ns integer not null
) without rowid;
create index if not exists refused_by_time on refused (at_ns);
"""
SCHEMA = Schema("a signer's records", 0x4F4F5347, TABLES, 2)
Windows = dict[str, list[tuple[str, int, dict[str, int]]]]
"""By asset: the limits of its hour and its day, and what counts in them."""
LEAP = 2**40
"""A request's number is no further above the last one: another signer's false word would use up all
numbers for good.  New records take any."""
LAST = 200
"""Requests of each kind that a signer lists."""


@dataclass(frozen=True)
class Limit:
    """Limits of one asset, in the venue's units; fees in the chain's."""

    asset: str
    chain: str
    scale: int
    """Smallest units of the chain in a unit of the venue."""
    a_payment: int
    an_hour: int
    a_day: int
    fee: int
    """Maximum fee of one transaction."""
    fees_a_day: int
    to_cold_a_day: int = 0
    """0: any amount may go to the cold wallet."""


class Policy(Closing):
    """One signer's.  ``now_ns``: its own clock; ``since_boot_ns``: time that nobody can set."""

    def __init__(
        self,
        path: Path,
        venue: str,
        attestor: bytes,
        limits: Sequence[Limit],
        destination_wait_s: int,
        now_ns: Callable[[], int] = time.time_ns,
        since_boot_ns: Callable[[], int] = since_boot_ns,
    ) -> None:
        self._steps, self._moved = Steps(now_ns, since_boot_ns), 0
        self.venue, self.attestor, self.now_ns = venue, attestor, now_ns
        self.limits = {(limit.chain, limit.asset): limit for limit in limits}
        self.wait_ns = destination_wait_s * 10**9
        self.records = SqliteFile(path, SCHEMA)

    def close(self) -> None:
        """Close the signer's database."""
        self.records.close()

    def last_number(self) -> int:
        """The highest number of a request that this signer has signed; 0: of none."""
        return int(self.records.value("select max(number) from requests") or 0)

    def refuse(self, identity: str, chain: str, code: str) -> None:
        """Record what was refused: custody hears of it, also of what others asked."""
        with self.records.change():
            values = identity, chain, code, self.now_ns()
            self.records.run("insert or ignore into refused values (?, ?, ?, ?)", *values)

    def asked(self) -> list[tuple[str, str]]:
        """The last requests, by the transaction's identity, and why each was refused (nothing: it
        was signed)."""
        signed = self.records.rows(
            "select identity, '' from requests order by number desc limit ?", LAST
        )
        refused = self.records.rows(
            "select identity, code from refused order by at_ns desc limit ?", LAST
        )
        return [(str(one), str(code)) for one, code in signed + refused]

    def announce(self, chain: str, address: str) -> int:
        """Note a destination; when payments to it may begin (ns).  Again: the first time counts."""
        with self.records.change():
            values = chain, address, self.now_ns()
            self.records.run("insert or ignore into destinations values (?, ?, ?)", *values)
            return self._usable_ns(chain, address)

    def allow(self, number: int, chain: str, reading: Reading, claims: Sequence[Claim]) -> None:
        """Record that this is signed.  Raises :class:`Refused`, and then records nothing."""
        self._check_clock()
        with self.records.change():
            self._check_number(number, chain, reading)
            self._check_same(chain, reading)
            self._check_whole(chain, reading, claims)
            for claim in claims:
                check_claim(claim, self.venue, self.attestor)
                self._check_once(chain, reading.identity, reading.conflicts, claim)
                self._check_destination(chain, claim)
            self._check_fee(chain, reading)
            windows: Windows = {}
            for claim in claims:
                self._add(windows, chain, claim)
            self._check_moved(chain, reading)
            self._record(number, chain, reading, claims)

    def refused(
        self, chain: str, claims: Sequence[Claim], reading: Reading | None = None
    ) -> dict[str, str]:
        """Return which payments of no transaction yet would not be signed now, by reference, and
        why; by ``WHOLE`` why a transaction would not.  The payer leaves these out, so that none
        keeps the others waiting."""
        found: dict[str, str] = {}
        if reading is not None:
            try:
                self._check_clock()
                self._check_fee(chain, reading)
                self._check_moved(chain, reading)
            except Refused as error:
                found[WHOLE] = f"{error.code}: {error}"
        windows: Windows = {}
        for claim in claims:
            try:
                self._limit_of(chain, claim)
                check_claim(claim, self.venue, self.attestor)
                self._check_once(chain, "", (), claim)
                self._check_destination(chain, claim)
                self._add(windows, chain, claim)
            except Refused as error:
                found[claim.reference] = f"{error.code}: {error}"
        return found

    def _check_clock(self) -> None:
        """Limits of hours and days, and waits of addresses, end with a clock that is set."""
        self._moved = self._moved or self._steps.look()
        if self._moved:
            text = f"this signer's clock was set by {self._moved} s: look, and start it again"
            raise Refused("clock_set", text)

    def _check_number(self, number: int, chain: str, reading: Reading) -> None:
        row = self.records.row("select chain, identity from requests where number = ?", number)
        if row is not None and tuple(row) != (chain, reading.identity):
            raise Refused("used_number", f"request {number} was another transaction")
        last = self.last_number()
        if row is None and number <= last:
            raise Refused("old_number", f"request {number} comes after {last}")
        if 0 < last < number - LEAP:
            raise Refused("far_number", f"request {number} is too far above {last}")

    def _check_same(self, chain: str, reading: Reading) -> None:
        """A transaction is signed with one set of amounts.  A signature of an input covers its own
        amount alone: of two requests that each lie about another input, the true halves would be
        a transaction whose fee is what both lies hid."""
        query = "select digests from amounts where chain = ? and identity = ?"
        known = self.records.value(query, chain, reading.identity)
        if known not in (None, reading.digests_text):
            raise Refused("other_amounts", f"{reading.identity} was asked for with other amounts")

    def _check_whole(self, chain: str, reading: Reading, claims: Sequence[Claim]) -> None:
        """Each output that leaves is one claim, and each claim one output."""
        if len({claim.reference for claim in claims}) != len(claims):
            raise Refused("claimed_twice", "one withdrawal is claimed twice")
        wanted = []
        for claim in claims:
            scale = self._limit_of(chain, claim).scale
            wanted.append((claim.asset, claim.address, claim.units * scale))
        paid = [(one.asset, one.address, one.amount) for one in reading.pays]
        if sorted(wanted) != sorted(paid):
            raise Refused(
                "unknown_output", "the transaction pays an amount that no withdrawal covers"
            )

    def _limit_of(self, chain: str, claim: Claim) -> Limit:
        """The limits of a payment, which is within that of one."""
        limit = self.limits.get((chain, claim.asset))
        if claim.chain != chain or limit is None:
            raise Refused("unknown_asset", f"{claim.asset} does not leave by {chain}")
        if not 0 < claim.units <= limit.a_payment:
            raise Refused("too_much", f"{claim.reference!r}: more than one payment may be")
        return limit

    def _check_once(
        self, chain: str, identity: str, conflicts: Sequence[str], claim: Claim
    ) -> None:
        """A withdrawal that was signed before is signed again only in place of that: each of the
        earlier transactions and this one exclude each other."""
        rows = self.records.rows(
            "select chain, identity, conflicts from signed where reference = ?", claim.reference
        )
        for earlier_chain, earlier, keys in rows:
            if (earlier_chain, earlier) == (chain, identity):
                continue
            if earlier_chain != chain or not set(json.loads(keys)) & set(conflicts):
                raise Refused(
                    "paid_twice",
                    f"{claim.reference!r} was signed in {earlier}, which could be confirmed in "
                    "addition to this",
                )

    def _check_destination(self, chain: str, claim: Claim) -> None:
        if self.wait_ns and self._usable_ns(chain, claim.address) > self.now_ns():
            raise Refused("new_destination", f"{claim.address} waits: it was announced too late")

    def _usable_ns(self, chain: str, address: str) -> int:
        query = "select at_ns from destinations where chain = ? and address = ?"
        since_ns = self.records.value(query, chain, address)
        return 2**63 - 1 if since_ns is None else int(since_ns) + self.wait_ns

    def _check_fee(self, chain: str, reading: Reading) -> None:
        limit = self.limits.get((chain, reading.fee_asset))
        if limit is None or not 0 <= reading.fee <= limit.fee:
            # Without the fee, so that one that changes with each block is one alarm.
            raise Refused("fee_too_high", "the fee is above this signer's limit")

    def _add(self, windows: Windows, chain: str, claim: Claim) -> None:
        """Count a payment, whose sums of the hour and the day must be within the limits; a
        withdrawal counts once, however often it is replaced."""
        if claim.asset not in windows:
            windows[claim.asset] = self._windows(chain, claim.asset)
        for name, most, spent in windows[claim.asset]:
            if sum((spent | {claim.reference: claim.units}).values()) > most:
                raise Refused("limit", f"more {claim.asset} than may leave in one {name}")
        for _, _, spent in windows[claim.asset]:
            spent[claim.reference] = claim.units

    def _windows(self, chain: str, asset: str) -> list[tuple[str, int, dict[str, int]]]:
        """The limits of an hour and of a day, each with what was signed in it, by reference."""
        limit, now = self.limits[chain, asset], self.now_ns()
        query = (
            "select reference, max(units) from signed where chain = ? and asset = ? and at_ns > ? "
            "group by reference"
        )
        spans = ("hour", HOUR_NS, limit.an_hour), ("day", DAY_NS, limit.a_day)
        return [
            (
                name,
                most,
                {
                    str(row[0]): int(row[1])
                    for row in self.records.rows(query, chain, asset, now - span)
                },
            )
            for name, span, most in spans
        ]

    def _check_moved(self, chain: str, reading: Reading) -> None:
        """Fees, and what goes to the cold wallet; what replaces another transaction counts for
        both."""
        limit = self.limits[chain, reading.fee_asset]
        rows = self.records.rows(
            "select conflicts, amount, fee from moved where chain = ? and at_ns > ? and "
            "identity <> ?",
            chain,
            self.now_ns() - DAY_NS,
            reading.identity,
        )
        used = set(reading.conflicts)
        others = [row for row in rows if not set(json.loads(row[0])) & used]
        if reading.fee + sum(int(row[2]) for row in others) > limit.fees_a_day:
            raise Refused("limit", "more fees than may be paid in one day")
        moved = reading.to_cold + sum(int(row[1]) for row in others)
        if reading.to_cold and 0 < limit.to_cold_a_day * limit.scale < moved:
            raise Refused("limit", "more to the cold wallet than may go there in one day")

    def _record(self, number: int, chain: str, reading: Reading, claims: Sequence[Claim]) -> None:
        now, conflicts = self.now_ns(), json.dumps(reading.conflicts)
        mine = chain, reading.identity
        query = "insert or ignore into requests values (?, ?, ?, ?)"
        self.records.run(query, number, *mine, now)
        query = "insert or ignore into signed values (?, ?, ?, ?, ?, ?, ?)"
        for claim in claims:
            paid = claim.reference, claim.asset, str(claim.units)
            self.records.run(query, *mine, *paid, conflicts, now)
        moved = reading.fee_asset, str(reading.to_cold), str(reading.fee)
        query = "insert or ignore into moved values (?, ?, ?, ?, ?, ?, ?)"
        self.records.run(query, *mine, *moved, conflicts, now)
        query = "insert or ignore into amounts values (?, ?, ?)"
        self.records.run(query, *mine, reading.digests_text)
