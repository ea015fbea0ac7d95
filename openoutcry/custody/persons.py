"""People who approve withdrawals and lift the breaker: named in the file, proven by a password."""

from openoutcry.custody.errors import Refused
from openoutcry.custody.settings import Person
from openoutcry.order_entry.passwords import dummy_hash, password_hasher

WRONG = "name or password is wrong"
ROLES = ("operator", "supervisor")


class Persons:
    """The people of one custody file."""

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
        if ROLES.index(person.role) < ROLES.index(role):
            raise Refused("not_allowed", f"{name} is not a {role}")
