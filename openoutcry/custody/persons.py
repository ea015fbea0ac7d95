"""People who approve withdrawals and lift the breaker: named in the file, proven by a password."""

from openoutcry.custody.errors import Refused
from openoutcry.custody.settings import Person
from openoutcry.custody.store import Store
from openoutcry.order_entry.passwords import dummy_hash, password_hasher

OPERATOR, PEOPLE = "operator", 2
"""The role and the number of those who approve."""
WRONG = "name or password is wrong"
ROLES = ("operator", "supervisor")


class Persons:
    """The people of one custody file, as it is now: words of those who are no longer in it, or
    have another role, count no more."""

    def __init__(self, persons: tuple[Person, ...]) -> None:
        self.persons = {person.name: person for person in persons}
        self._nobody = ""

    def prove(self, name: str, password: str, role: str) -> None:
        """Raises :class:`Refused`, with the same words for a wrong name and a wrong password."""
        hasher = password_hasher()
        person = self.persons.get(name)
        if person is None and not self._nobody:
            self._nobody = dummy_hash(hasher)
        try:
            hasher.verify(person.password if person else self._nobody, password)
        except Exception:
            raise Refused("not_proven", WRONG) from None
        if person is None:
            raise Refused("not_proven", WRONG)
        if name not in self.holding(role):
            raise Refused("not_allowed", f"{name} is not a {role}")

    def holding(self, role: str) -> tuple[str, ...]:
        """Return who has this role, or a higher one."""
        least = ROLES.index(role)
        return tuple(one.name for one in self.persons.values() if ROLES.index(one.role) >= least)

    def approvers(self, store: Store, reference: str) -> list[str]:
        """Return who has approved it, and may."""
        query = "select person from approvals where reference = ? order by person"
        found = [str(row["person"]) for row in store.rows(query, reference)]
        return [name for name in found if name in self.holding(OPERATOR)]
