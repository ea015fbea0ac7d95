"""How unusual a withdrawal is, by rules of a file; what is too unusual waits for people."""

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
    """Points for a new device of a participant that has used another one to withdraw."""


KEYS = {
    "hold_at": Key(POINTS, Rules.hold_at),
    "new_address": Key(POINTS, Rules.new_address),
    "first_withdrawal": Key(POINTS, Rules.first_withdrawal),
    "large": Key(POINTS, Rules.large),
    "large_times": Key(integer(1, 1_000_000), Rules.large_times),
    "many": Key(POINTS, Rules.many),
    "many_a_day": Key(integer(1, 1_000_000), Rules.many_a_day),
    "new_device": Key(POINTS, Rules.new_device),
}


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
    query = (
        "select count(*) as n, coalesce(avg(units), 0) as mean, "
        "coalesce(sum(asked_ns > ?), 0) as today from withdrawals "
        "where participant = ? and asset = ? and state <> 'refused'"
    )
    past = store.row(query, now - DAY_NS, participant, asset)
    assert past is not None
    found = [
        (rules.first_withdrawal, past["n"] == 0, "the first withdrawal of this asset"),
        (rules.many, past["today"] >= rules.many_a_day, f"{past['today']} within 24 hours"),
        (
            rules.large,
            past["n"] > 0 and units > rules.large_times * int(past["mean"]),
            f"more than {rules.large_times} times the mean so far",
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
    if device:
        query = (
            "select count(*) as n, coalesce(sum(device = ?), 0) as same from devices "
            "where participant = ?"
        )
        known = store.row(query, device, participant)
        assert known is not None
        store.run("insert or ignore into devices values (?, ?, ?)", participant, device, now)
        found.append((rules.new_device, known["n"] > 0 == known["same"], "a new device"))
    for rule, applies, text in found:
        if applies and rule:
            points += rule
            why.append(text)
    return points, why
