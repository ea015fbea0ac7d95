"""The switch that stops all withdrawals.  Anything trips it; only two supervisors lift it."""

from openoutcry.custody.errors import Refused
from openoutcry.custody.persons import Persons
from openoutcry.custody.store import Store, now_ns

SUPERVISOR = "supervisor"
NEEDED = 2


class Breaker:
    """The breaker of one store: every process that pays reads it before each step."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def trip(self, why: str) -> None:
        """Again while it is tripped: only noted."""
        with self.store.change():
            self.store.note("alarm", "breaker", why)
            if not self.why():
                self.store.insert("breaker", tripped_ns=now_ns(), why=why[:500])

    def why(self) -> str:
        """Return why withdrawals are stopped; nothing: they are not."""
        query = "select why from breaker where lifted_ns is null order by id limit 1"
        row = self.store.row(query)
        return "" if row is None else str(row["why"])

    def lift(self, persons: Persons, name: str, password: str) -> bool:
        """One supervisor's word; True with the second one's.  Raises :class:`Refused`."""
        persons.prove(name, password, SUPERVISOR)
        with self.store.change():
            row = self.store.row("select id from breaker where lifted_ns is null order by id")
            if row is None:
                raise Refused("not_tripped", "withdrawals are not stopped")
            query = "insert or ignore into lifts values (?, ?, ?)"
            self.store.run(query, row["id"], name, now_ns())
            count = self.store.row("select count(*) as n from lifts where breaker = ?", row["id"])
            assert count is not None
            if count["n"] < NEEDED:
                return False
            self.store.run("update breaker set lifted_ns = ? where id = ?", now_ns(), row["id"])
            self.store.note("breaker", "breaker", f"lifted by {name} and another supervisor")
            return True
