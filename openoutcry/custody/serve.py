"""Everything that runs without keys: a scanner and a payer for each chain, over one store."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.cases import CaseDesk
from openoutcry.custody.chains import book_of, chain_of, rail_of
from openoutcry.custody.clock import OFF_S, SECOND_NS, Steps
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.links import Links
from openoutcry.custody.payer import Payer
from openoutcry.custody.rail import Rail
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.risk_score import read_rules
from openoutcry.custody.scanner import Scanner
from openoutcry.custody.settings import CustodyFile
from openoutcry.custody.status import Publisher
from openoutcry.custody.store import Store, now_ns
from openoutcry.custody.venue import Venue, VenueDesk
from openoutcry.custody.watch import Watch
from openoutcry.custody.withdrawals import Withdrawals
from openoutcry.venue.file import is_of_test_venue
from openoutcry.wire.atomic_file import FileNotWritten
from openoutcry.wire.closing import Closing
from openoutcry.wire.sqlite_file import StoreError

LOCK = "serve.lock"
LOOK_S, DISK_S = 0.25, 5.0
"""Seconds between two looks; and before the next one when the disk has failed."""
BLOCK_AHEAD_S = 7_200
"""A block from later than this stops withdrawals: nodes take none."""


class Parts(Closing):
    """The parts of a custody that one file describes."""

    def __init__(
        self, file: CustodyFile, venue: Venue | None = None, *, sends: bool = True
    ) -> None:
        """``sends``: this process brings transactions to chains."""
        if is_of_test_venue(file.journal):
            raise CustodyError(
                f"{file.journal} is the journal of a test venue, which has no custody"
            )
        self.file, self.store = file, Store(file.folder)
        self.venue: Venue = venue or VenueDesk(file.journal)
        self.links = Links(file.signers, file.attestor)
        self.breaker = Breaker(self.store)
        self.rails: dict[str, Rail] = {
            spec.name: rail_of(spec, file, self.store, sends=sends) for spec in file.chains
        }
        rules = read_rules(file.rules)
        self.withdrawals = Withdrawals(file, self.store, self.venue, self.rails, rules)

    def close(self) -> None:
        """Close the chains' connections, then the store."""
        for rail in self.rails.values():
            rail.close()
        self.store.close()

    def announce(self) -> int:
        """Send new addresses of whitelists to the signers, so that their own waits begin; return
        how many there were."""
        query = "select distinct chain, address from whitelist where announced_ns is null"
        rows = [(row["chain"], row["address"]) for row in self.store.rows(query)]
        done, why = self.links.announce(rows)
        for chain, address in done:
            query = "update whitelist set announced_ns = ? where chain = ? and address = ?"
            self.store.run(query, now_ns(), chain, address)
        if why:
            self.store.note("waits", "whitelist", f"an address is not announced: {why}")
        return len(done)

    def scanners(self) -> list[Scanner]:
        """A scanner for each chain."""
        return [
            Scanner(
                spec,
                self.file,
                chain_of(spec, self.file),
                book_of(spec),
                self.store,
                self.breaker.trip,
            )
            for spec in self.file.chains
        ]

    def payers(self) -> list[Payer]:
        """A payer for each chain."""
        terms = self.file, self.store, self.venue
        return [
            Payer(name, *terms, rail, self.links, forbids=self.withdrawals.sanctioned_now)
            for name, rail in self.rails.items()
        ]


class Alone(Closing):
    """Holds a custody's folder.  Two processes that pay would each make a draft of one withdrawal:
    the second is never signed, and keeps its coins or its number."""

    def __init__(self, folder: Path) -> None:
        """Raises :class:`CustodyError` while another process holds it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            self._lock = os.fdopen(os.open(folder / LOCK, flags, 0o600))
        except OSError as error:
            raise StoreError(f"{folder / LOCK}: {error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise CustodyError(f"{folder}: another `outcry custody serve` uses it") from None

    def close(self) -> None:
        """Give it up."""
        self._lock.close()


def serve(
    file: CustodyFile,
    once: bool,
    stop: Callable[[], bool],
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve until stopped. After a failure it waits, and writes the reason to the store's notes.
    While the disk is full or gone, everything waits: what is in memory is loaded again, and no step
    is half done."""
    while True:
        try:
            _serve(file, once, stop, say)
            return
        except StoreError as error:
            say(f"everything waits: {error}")
        until_s = time.monotonic() + DISK_S
        while time.monotonic() < until_s:
            if stop():
                return
            time.sleep(LOOK_S)


def _serve(
    file: CustodyFile, once: bool, stop: Callable[[], bool], say: Callable[[str], None]
) -> None:
    with Parts(file) as parts, Alone(file.folder):
        scanners, payers = parts.scanners(), parts.payers()
        reconciler = Reconciler(file, parts.store, parts.venue, parts.rails)
        watch, cases = Watch(parts.store, parts.links), CaseDesk(parts.store, file.journal)
        clock, publisher = ClockWatch(parts.store, parts.breaker), Publisher(file, parts.store)
        say(f"custody of {', '.join(spec.name for spec in file.chains)}")
        while not stop():
            clock.look()
            steps = sum(_scan(one, parts) for one in scanners)
            steps += parts.announce() + cases.go_on()
            steps += parts.withdrawals.go_on()
            steps += sum(payer.go_on() for payer in payers)
            steps += reconciler.go_on()
            steps += watch.go_on()
            _publish(publisher, parts.store)
            if once and not steps:
                return
            if not steps:
                time.sleep(LOOK_S)
        for scanner in scanners:
            scanner.chain.close()


def _scan(scanner: Scanner, parts: Parts) -> int:
    try:
        steps = scanner.catch_up(most=1_000)
    except CustodyError as error:
        parts.store.note("waits", f"chain {scanner.spec.name}", str(error))
        steps = 0
    return steps + scanner.deposits.post(parts.venue)


def _publish(publisher: Publisher, store: Store) -> None:
    try:
        publisher.go_on()
    except FileNotWritten as error:
        store.note("waits", "console", str(error))


class ClockWatch:
    """Trips the breaker when the clock was set.  It is compared with what was stored last, with the
    time since this machine started, and with the chains' last blocks."""

    def __init__(self, store: Store, breaker: Breaker, steps: Steps | None = None) -> None:
        self.store, self.breaker, self.steps = store, breaker, steps or Steps()

    def look(self) -> None:
        """Once for each turn."""
        now, last = self.steps.clock_ns(), int(self.store.word("clock") or 0)
        moved = self.steps.look()
        if moved > 0:
            self.breaker.trip(f"the clock went forward by {moved} s")
        elif moved < 0 or last - now > OFF_S * SECOND_NS:
            back = max(-moved, (last - now) // SECOND_NS)
            self.breaker.trip(f"the clock went back by {back} s")
        query = (
            "select chain, time_s from blocks as b where height = "
            "(select max(height) from blocks where chain = b.chain)"
        )
        for row in self.store.rows(query):
            if int(row["time_s"]) - now // SECOND_NS > BLOCK_AHEAD_S:
                # Without the seconds that are left: each turn would be another reason.
                text = f"the last block of {row['chain']} is of a later time than nodes take"
                self.breaker.trip(f"{text}: the clock is late, or the node's is early")
        self.store.set_word("clock", str(now))
