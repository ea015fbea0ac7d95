"""A portal of two web processes whose books answer one user only as a test releases each answer."""

import os
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.portal import served_portal
from tests.support.portal.portal_venue import CHOICES, GENEROUS, Person, PortalVenue
from tests.support.waiting import BOUND_S

HELD, PIPE, ASKED = "held", "pipe", "asked"
"""Files in the venue's folder: whose answers are held, what each of them waits for, and which
process was asked for whom."""
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE
"""Made once: it takes longer than a connection."""


class HeldBooks(PortalVenue):
    """The venue and its portal."""

    serve = (sys.executable, __file__)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 4, "--processes=2")
        (folder / "portal.toml").write_text(CHOICES + GENEROUS)
        os.mkfifo(folder / PIPE)

    def hold(self, person: Person) -> None:
        """Hold the answers of a person from here on."""
        (self.folder / HELD).write_text(str(person.participant))

    def release(self) -> bool:
        """Release the answer that is held; return whether there was one."""
        try:
            os.close(os.open(self.folder / PIPE, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # none waits
            return False
        return True

    def asked(self, person: Person) -> list[str]:
        """Return the process of each question of a person, in their order."""
        path = self.folder / ASKED
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [pid for pid, participant in rows if participant == str(person.participant)]

    async def statement(self, person: Person) -> int:
        """Return the status of the answer to a statement, over a connection of its own."""
        headers = {"authorization": f"Bearer {person.token}"}
        async with httpx.AsyncClient(verify=TRUSTING, timeout=BOUND_S, headers=headers) as client:
            path = "/v1/statements?format=json"
            return (await client.get(self.url + path)).status_code


def _serve() -> None:
    from openoutcry.portal import server
    from openoutcry.portal.portfolio import desk
    from openoutcry.portal.portfolio.desk import Desk

    vars(desk)["PATIENCE_S"] = BOUND_S  # the test holds answers for as long as it wants

    class HeldDesk(Desk):
        """Says whom it was asked for; its process holds answers."""

        def __init__(self, *terms: Any) -> None:
            super().__init__(*terms)
            self.command[1:3] = [__file__]

        async def ask(self, user: int | str, **question: Any) -> dict[str, Any]:
            with Path(ASKED).open("a") as out:
                out.write(f"{os.getpid()} {question.get('participant')}\n")
            return await super().ask(user, **question)

    vars(server)["Desk"] = HeldDesk
    served_portal.serve()


def _answer() -> None:
    from openoutcry.cli.main import main
    from openoutcry.portal.portfolio.bookkeeper import Bookkeeper

    whole = Bookkeeper.answer

    def answer(self: Bookkeeper, question: dict[str, Any]) -> dict[str, Any]:
        held = Path(HELD)
        if held.exists() and held.read_text() == str(question.get("participant")):
            Path(PIPE).open().close()
        return whole(self, question)

    Bookkeeper.answer = answer  # type: ignore[method-assign]
    main(sys.argv[1:])


if __name__ == "__main__":
    _answer() if sys.argv[1:3] == ["portal", "books"] else _serve()
