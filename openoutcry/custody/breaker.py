"""The switch that stops all withdrawals.  Anything trips it; only two supervisors lift it."""

from collections.abc import Collection

from openoutcry.custody.errors import Refused
from openoutcry.custody.persons import Persons
from openoutcry.custody.store import Store, now_ns

SUPERVISOR = "supervisor"
NEEDED, SHOWN = 2, 3


class Breaker:
    """The breaker of one store: every process that pays reads it before each step."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def trip(self, why: str) -> None:
        """Stop them for a reason.  The same one again while they are stopped: only noted."""
        with self.store.change():
            self.store.note("alarm", "breaker", why)
            if why[:500] not in self.reasons():
                self.store.insert("breaker", tripped_ns=now_ns(), why=why[:500])

    def reasons(self) -> dict[str, int]:
        """Return why withdrawals are stopped, the oldest reason first, each with its number."""
        query = "select why, id from breaker where lifted_ns is null order by id"
        return {str(row["why"]): int(row["id"]) for row in self.store.rows(query)}

    def why(self) -> str:
        """Return why withdrawals are stopped; nothing: they are not."""
        reasons = list(self.reasons())
        more = f"; and {len(reasons) - SHOWN} more reasons" if len(reasons) > SHOWN else ""
        return "; ".join(reasons[:SHOWN]) + more

    def lift(
        self, persons: Persons, name: str, password: str, read: Collection[str] | None = None
    ) -> bool:
        """One supervisor's word on the reasons that this person has read (``read``), by default all
        that there are now; True if each has two.  One that comes after it needs its own.  Raises
        :class:`Refused`."""
        persons.prove(name, password, SUPERVISOR)
        with self.store.change():
            reasons = self.reasons()
            if not reasons:
                raise Refused("not_tripped", "withdrawals are not stopped")
            for number in [reasons[why] for why in reasons if read is None or why in read]:
                query = "insert or ignore into lifts values (?, ?, ?)"
                self.store.run(query, number, name, now_ns())
            names = persons.holding(SUPERVISOR)
            marks = ", ".join("?" * len(names))
            query = (
                "update breaker set lifted_ns = ? where lifted_ns is null and (select count(*) "
                f"from lifts where lifts.breaker = breaker.id and person in ({marks})) >= ?"
            )
            self.store.run(query, now_ns(), *names, NEEDED)
            if self.reasons():
                return False
            self.store.note("breaker", "breaker", f"lifted by {name} and another supervisor")
            return True
