"""Everything that is explored: the scenarios, and the flaws that must be found in them.

``python ring_scenarios.py`` explores all the scenarios and prints the states of explored.md:
some ten minutes, and up to 4 GB.
"""

from collections.abc import Callable

from tests.oracles.ring_model.ring_explorer import Scenario, explore
from tests.oracles.ring_model.ring_memories import Tso, Weak
from tests.oracles.ring_model.ring_places import one_place, rejoin, rejoin_single
from tests.oracles.ring_model.ring_protocol import (
    NONE,
    Flaws,
    graph,
    one_producer,
    producer_killed,
    reader_killed,
    two_producers,
)
from tests.oracles.ring_model.ring_sleepers import (
    sleeper,
    sleeper_behind_a_pool,
    sleeper_behind_a_tombstone,
    sleepers,
)
from tests.oracles.ring_model.ring_workers import pool

SCENARIOS: dict[str, Callable[[Flaws], Scenario]] = {
    "one reader, two laps": lambda flaws: one_producer(flaws),
    "one reader, bursts of 2": lambda flaws: one_producer(flaws, burst=2),
    "two readers": lambda flaws: one_producer(flaws, 2, 3),
    "B behind A": graph,
    "the producer killed, an heir": producer_killed,
    "a reader killed, an heir": reader_killed,
    "claims of 1 and 2": two_producers,
    "claims 1, 1; killed, repaired": lambda flaws: _repaired(flaws, (1,), (1,)),
    "claims 1, 2; killed, repaired": lambda flaws: _repaired(flaws, (1,), (2,)),
    "claims 2, 1; killed, repaired": lambda flaws: _repaired(flaws, (2,), (1,)),
    "claim 1; killed, two repairers": lambda flaws: _repaired(flaws, (1,), (), 2),
    "claims 1, 1; killed, two repairers": lambda flaws: _repaired(flaws, (1,), (1,), 2),
    "two workers": lambda flaws: pool(flaws, 2),
    "two workers, two laps": lambda flaws: pool(flaws, 3),
    "a late worker": lambda flaws: pool(flaws, 5, (), 2, 3),
    "a worker killed, an heir": lambda flaws: pool(flaws, 1, ("V0",)),
    "a late worker killed, an heir": lambda flaws: pool(flaws, 3, ("V0",), 2, 2),
    "both workers killed, two heirs": lambda flaws: pool(flaws, 1, ("V0", "V1")),
    "a sleeper": sleeper,
    "two sleepers": lambda flaws: sleepers(flaws, 1),
    "two sleepers, B behind A": lambda flaws: sleepers(flaws, 1, True),
    "a sleeper behind a tombstone": sleeper_behind_a_tombstone,
    "a sleeper behind a pool": sleeper_behind_a_pool,
    "a dead reader's place": one_place,
    "a reader comes back": rejoin_single,
    "a reader comes back next to B": lambda flaws: rejoin_single(flaws, 4, ("B",)),
    "a reader killed coming back": lambda flaws: rejoin_single(flaws, 3, (), True),
    "a reader killed coming back, repaired": lambda f: rejoin_single(f, 3, (), True, True),
    "a reader comes back to two producers": lambda flaws: rejoin(flaws, ((1, 1), (1,))),
    "a reader comes back to claims, next to B": lambda flaws: rejoin(flaws, ((1, 1, 1),), ("B",)),
    "a reader killed coming back to claims": lambda flaws: rejoin(flaws, ((1, 1, 1),), (), True),
}


def _repaired(
    flaws: Flaws, first: tuple[int, ...], second: tuple[int, ...], repairers: int = 1
) -> Scenario:
    return two_producers(flaws, (first, second), ("P1",), repairers)


BOTH: tuple[type[Tso] | type[Weak], ...] = (Tso, Weak)
FLAWS: dict[str, tuple[str, tuple[type[Tso] | type[Weak], ...]]] = {
    "relaxed publish": ("one reader, two laps", (Weak,)),
    "relaxed poll": ("one reader, two laps", (Weak,)),
    "stamp before payload": ("one reader, two laps", BOTH),
    "released before the look": ("one reader, two laps", BOTH),
    "one slot too many": ("one reader, two laps", BOTH),
    "gating by one consumer": ("two readers", BOTH),
    "barrier left out": ("B behind A", BOTH),
    "hint before slots": ("the producer killed, an heir", BOTH),
    "hint is the truth": ("the producer killed, an heir", BOTH),
    "claim written after": ("claims 1, 1; killed, repaired", BOTH),
    "living before claimed": ("claims 1, 1; killed, repaired", BOTH),
    "living ignored": ("claims 1, 1; killed, repaired", BOTH),
    "entry freed undecided": ("claims 1, 1; killed, repaired", BOTH),
    "stale claim": ("claims 1, 2; killed, repaired", BOTH),
    "read meanwhile": ("claims 2, 1; killed, repaired", BOTH),
    "buried by a store": ("claim 1; killed, two repairers", BOTH),
    "worker cursor set after": ("two workers, two laps", BOTH),
    "pool read after its workers": ("two workers, two laps", BOTH),
    "room below nothing": ("a late worker", BOTH),
    "done not looked at again": ("a worker killed, an heir", BOTH),
    "lapped work": ("a late worker killed, an heir", BOTH),
    "heirs wait for each other": ("both workers killed, two heirs", (Tso,)),
    "no fence before the look": ("a sleeper", BOTH),
    "no fence before sleeping": ("a sleeper", BOTH),
    "no second look": ("a sleeper", BOTH),
    "mark cleared last": ("a sleeper", BOTH),
    "word read late": ("a sleeper", BOTH),
    "word read relaxed": ("a sleeper", (Weak,)),
    "detached without taking": ("a dead reader's place", BOTH),
    "tombstone passed in silence": ("a sleeper behind a tombstone", BOTH),
    "failed attempt in silence": ("a sleeper behind a pool", BOTH),
    "no fence in the gate": ("a reader comes back", BOTH),
    "fence only when no reader gates": ("a reader comes back next to B", BOTH),
    "no fence before rejoining": ("a reader comes back", BOTH),
    "joined by the first look": ("a reader comes back", BOTH),
    "no reader gates": ("a reader comes back to two producers", BOTH),
    "reads what was claimed before": ("a reader comes back to two producers", BOTH),
    "no mark while coming back": ("a reader killed coming back", BOTH),
    "rejoins at claimed": ("a reader comes back to two producers", BOTH),
}
"""Each flaw, a scenario that shows it, and the memories under which that is explored.  What only
``Weak`` shows is no flaw under x86-TSO."""

WEAK_IS_TOO_LARGE = {
    "claims 1, 1; killed, two repairers",
    "a reader killed coming back, repaired",
    "two sleepers",
    "two sleepers, B behind A",
    "both workers killed, two heirs",
}
"""Explored under x86-TSO alone: more states than fit a few gigabytes of Python's."""


def models_of(name: str) -> tuple[type[Tso] | type[Weak], ...]:
    return (Tso,) if name in WEAK_IS_TOO_LARGE else BOTH


def main() -> None:
    print("| scenario | x86-TSO | release/acquire |\n|---|---|---|")
    for name, scenario in SCENARIOS.items():
        results = [explore(scenario(NONE), model) for model in models_of(name)]
        assert not any(result.failure for result in results), results
        counts = [f"{result.states:,}" for result in results] + ["–"]
        print(f"| {name} | {counts[0]} | {counts[1]} |", flush=True)


if __name__ == "__main__":
    main()
