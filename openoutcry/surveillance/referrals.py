"""Cases that another room refers: what no detector finds in a journal, as a payment to a sanctioned
address.

They are next to the journal in ``surveillance/referrals.jsonl``, a separate chain, and are
reviewed, escalated and closed like all other cases.
"""

from dataclasses import dataclass
from pathlib import Path

from openoutcry.surveillance.cases import Case
from openoutcry.surveillance.chained_lines import Entry, Locked, append_entry, read_entries

NAME = "referrals.jsonl"
FOLDER = "surveillance"
FIRST = 1_000_001
"""Number of the first; detectors' cases count from 1."""
BEGIN = bytes(32)
SCORES = {"sanctions": 90, "travel_rule": 10}
"""By kind: what is on a list of sanctions is of high severity."""


@dataclass(frozen=True)
class Referral:
    """A case as it was referred: ``name`` is the referring room's, used once."""

    name: str
    kind: str
    participant: int
    asset: str
    units: int
    at_ns: int
    why: str


def refer(journal: Path, referrals: list[Referral]) -> int:
    """Make cases of the referrals whose names are new; returns how many. Raises
    :class:`SurveillanceError`."""
    if not referrals:
        return 0
    path = Path(journal) / FOLDER / NAME
    path.parent.mkdir(exist_ok=True)
    with Locked(path):
        entries = read_entries(path, BEGIN)
        known = {entry["name"] for entry in entries}
        count = len(entries)
        for referral in referrals:
            assert referral.kind in SCORES, referral.kind
            if referral.name not in known:
                known.add(referral.name)
                entries.append(append_entry(path, BEGIN, entries, vars(referral)))
        return len(entries) - count


def referred(journal: Path) -> list[Case]:
    """The cases, in their order.  Raises :class:`SurveillanceError` if one was changed."""
    entries = read_entries(Path(journal) / FOLDER / NAME, BEGIN)
    return [_case(FIRST + place, entry) for place, entry in enumerate(entries)]


def _case(number: int, entry: Entry) -> Case:
    at_ns = int(entry["at_ns"])
    return Case(
        number,
        str(entry["kind"]),
        (int(entry["participant"]),),
        str(entry["asset"]),
        first_ns=at_ns,
        opened_ns=at_ns,
        last_ns=at_ns,
        first_seq=0,
        last_seq=0,
        score=SCORES[entry["kind"]],
        hits=1,
        lots=int(entry["units"]),
        gain_half_ticks=0,
        move_half_ticks=0,
        repeats=1,
        head=str(entry["hash"]),
        also=[str(entry["why"])],
    )
