"""How unusual a withdrawal is, by rules of a file; what is too unusual waits for people.

Only withdrawals that have arrived and are not disputed make a later one look usual.  One that
is under way teaches nothing.  One that was refused, cancelled, returned or disputed is an attempt,
and makes the later ones look less usual.
"""

from dataclasses import dataclass
from pathlib import Path

from openoutcry.custody.store import Store, now_ns
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, integer, read_tables

DAY_NS, NEW_NS = 86_400 * 10**9, 7 * 86_400 * 10**9
POINTS = integer(0, 1_000)


@dataclass(frozen=True)
class Rules:
    """Points of each thing; ``hold_at``: a withdrawal with this many waits for two people."""

    hold_at: int = 50
    new_address: int = 20
    first_withdrawal: int = 10
    large: int = 30
    """Points for an amount above ``large_times`` the participant's mean so far."""
    large_times: int = 5
    many: int = 30
    """Points for more than ``many_a_day`` withdrawals within 24 hours."""
    many_a_day: int = 5
    new_device: int = 25
    """Points for a device by which no withdrawal has arrived, of a participant that has withdrawn
    by another one at least a day ago."""
    attempt: int = 30
    """Points for each withdrawal of the last 7 days that was refused, cancelled, returned or
    disputed, of any asset."""


KEYS = {
    "hold_at": Key(POINTS, Rules.hold_at),
    "new_address": Key(POINTS, Rules.new_address),
    "first_withdrawal": Key(POINTS, Rules.first_withdrawal),
    "large": Key(POINTS, Rules.large),
    "large_times": Key(integer(1, 1_000_000), Rules.large_times),
    "many": Key(POINTS, Rules.many),
    "many_a_day": Key(integer(1, 1_000_000), Rules.many_a_day),
    "new_device": Key(POINTS, Rules.new_device),
    "attempt": Key(POINTS, Rules.attempt),
}


ASKED = "withdrawals left join askers using (reference) where participant = ?"
ARRIVED = f"{ASKED} and state = 'done' and disputed_ns is null"
PAST = f"select count(*) as n, coalesce(avg(units), 0) as mean from {ARRIVED} and asset = ?"
DEVICES = (
    "select count(*) as n, coalesce(sum(device = ?), 0) as same "
    f"from {ARRIVED} and device <> '' and changed_ns <= ?"
)
ATTEMPTS = (
    f"select count(*) as n from {ASKED} and coalesce(disputed_ns, changed_ns) > ? and "
    "(state in ('refused', 'cancelled', 'failed') or disputed_ns is not null)"
)


def read_rules(path: Path | None) -> Rules:
    """Return the rules of the file; without a file the defaults. Raises :class:`OutcryError`."""
    if path is None:
        return Rules()
    tables = read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, ("score",))
    rules = Rules(**tables.table("score", KEYS))
    if tables.mistakes:
        raise OutcryError(f"{path}: {min(tables.mistakes)}")
    return rules


def score(
    store: Store, rules: Rules, terms: tuple[int, str, str, str, int], device: str
) -> tuple[int, list[str]]:
    """Points and their reasons.  ``terms``: participant, asset, chain, address, units."""
    participant, asset, chain, address, units = terms
    points, why = 0, []
    now = now_ns()
    past = store.row(PAST, participant, asset)
    # What arrived within a day may still be disputed: it counts for the mean only where no older
    # one does, and its device is not known yet.
    query = f"select coalesce(avg(units), ?) as mean from {ARRIVED} and asset = ?"
    assert past is not None
    mean = store.row(f"{query} and changed_ns <= ?", past["mean"], participant, asset, now - DAY_NS)
    query = (
        "select count(*) as n from withdrawals where participant = ? and asset = ? and asked_ns > ?"
    )
    today = store.row(query, participant, asset, now - DAY_NS)
    attempts = store.row(ATTEMPTS, participant, now - NEW_NS)
    assert mean is not None
    assert today is not None
    assert attempts is not None
    usual = int(mean["mean"])
    found = [
        (rules.first_withdrawal, past["n"] == 0, "the first withdrawal of this asset"),
        (rules.many, today["n"] >= rules.many_a_day, f"{today['n']} within 24 hours"),
        (
            rules.large,
            past["n"] > 0 and units > rules.large_times * usual,
            f"more than {rules.large_times} times the mean so far",
        ),
        (
            rules.attempt * attempts["n"],
            attempts["n"] > 0,
            f"{attempts['n']} refused, cancelled, returned or disputed within 7 days",
        ),
    ]
    query = (
        "select min(added_ns) as added from whitelist "
        "where chain = ? and participant = ? and address = ?"
    )
    listed = store.row(query, chain, participant, address)
    assert listed is not None
    is_new = listed["added"] is None or int(listed["added"]) > now - NEW_NS
    found.append((rules.new_address, is_new, "a new address"))
    known = store.row(DEVICES, device, participant, now - DAY_NS)
    assert known is not None
    found.append((rules.new_device, known["n"] > 0 == known["same"], "a new device"))
    for rule, applies, text in found:
        if applies and rule:
            points += rule
            why.append(text)
    return points, why
