"""The venue file's ``[[funding]]``: a perpetual that the venue funds by itself at stated times.

The core averages the premium of the mark over the index (``risk/contracts.py``), so the rate of a
period follows from the journal, whatever was killed in between.  A period's number is that of its
hour since the epoch: the core funds a number once, so a venue that restarts funds nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from openoutcry.risk.contract_layout import PERPETUAL, RATE_UNIT
from openoutcry.risk.region import ContractsView
from openoutcry.venue.contract_tables import ContractTerms
from openoutcry.wire import toml_tables
from openoutcry.wire.toml_tables import Key, Tables

MS_NS, HOUR_NS = 1_000_000, 3_600_000_000_000
FUNDING = {
    "contract": Key(toml_tables.text()),
    "every_h": Key(toml_tables.integer(1, 24), 8),
    "interest_ppb": Key(toml_tables.integer(-RATE_UNIT, RATE_UNIT), 100_000),
    "clamp_ppb": Key(toml_tables.integer(0, RATE_UNIT), 500_000),
    "cap_ppb": Key(toml_tables.integer(0, RATE_UNIT), 7_500_000),
}


@dataclass(frozen=True)
class FundingSpec:
    """A row of ``[[funding]]``; rates are billionths of a lot's value for one period."""

    contract: str
    every_h: int
    """Hours of a period; the first of a day begins at 00:00 UTC."""
    interest_ppb: int
    clamp_ppb: int
    """How much interest less premium may change the rate, either way."""
    cap_ppb: int

    def rate(self, premium: int) -> int:
        """The rate of a period with this mean premium, in billionths."""
        more = max(-self.clamp_ppb, min(self.clamp_ppb, self.interest_ppb - premium))
        return max(-self.cap_ppb, min(self.cap_ppb, premium + more))

    def due(self, contracts: ContractsView, index: int, now_ns: int) -> tuple[int, int] | None:
        """The number of the period that is due and its rate; None: none is.  ``index``: of the
        instrument."""
        at_ns = now_ns - now_ns % (self.every_h * HOUR_NS)
        if at_ns // HOUR_NS <= contracts.of(index, "period"):
            return None
        rate = self.rate_until(contracts, index, at_ns)
        return None if rate is None else (at_ns // HOUR_NS, rate)

    def rate_until(self, contracts: ContractsView, index: int, at_ns: int) -> int | None:
        """The rate, in billionths, of the period under way if it ends at a time; None: there is no
        premium to average by then.  ``index``: of the instrument."""
        begin_ns, to_ns, total = (
            contracts.of(index, name) for name in ("premium_from_ns", "premium_to_ns", "premium")
        )
        if not to_ns or at_ns <= begin_ns:
            return None
        counted, more = to_ns - begin_ns, max(at_ns - to_ns, 0)
        mark, price = contracts.of(index, "mark"), contracts.of(index, "index")
        if price >= 1:
            counted += more
            total += premium_of(mark, price) * (more // MS_NS)
        counted_ms = counted // MS_NS
        return self.rate(total // counted_ms) if counted_ms > 0 else None

    def next_ns(self, now_ns: int) -> int:
        """The next time of funding after a time."""
        every_ns = self.every_h * HOUR_NS
        return (now_ns // every_ns + 1) * every_ns


def premium_of(mark: int, index: int) -> int:
    """How far a mark is above its index (1 or more), in billionths of it, cut off towards 0; at
    most the whole, either way.  As ``contracts.premium_of``."""
    size = min(abs(mark - index) * RATE_UNIT // index, RATE_UNIT)
    return size if mark >= index else -size


def read_funding(tables: Tables, contracts: Mapping[str, ContractTerms]) -> tuple[FundingSpec, ...]:
    """The schedules; mistakes are noted."""
    if "funding" not in tables.document:
        return ()
    rows, found = tables.rows("funding", FUNDING), []
    tables.distinct([((*path, "contract"), row["contract"]) for path, row in rows], "a schedule")
    for path, row in rows:
        if None in row.values():
            continue  # a mistake that is noted already
        terms = contracts.get(row["contract"])
        if terms is None or terms.contract.kind != PERPETUAL:
            text = f"{row['contract']!r} is not a perpetual: only a perpetual has funding"
            tables.wrong((*path, "contract"), text)
        if 24 % row["every_h"]:
            tables.wrong((*path, "every_h"), "must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24 hours")
        found.append(FundingSpec(**row))
    return tuple(found)
