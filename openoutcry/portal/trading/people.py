"""Give each verified user a participant of the venue, added while it trades.

The number is reserved in the database first, and the venue is asked under a reference that only
this user of this portal has. So a repeated request adds nothing, and a number that the venue
already knows from elsewhere is never given to a user.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database, DatabaseError, rows_of
from openoutcry.venue.desk import PARTICIPANT_KNOWN, DeskError, ask
from openoutcry.venue.file import VenueFile

RETRY_S = 2.0
log = logging.getLogger("outcry.portal")


class People:
    """Assigns participants to users in the background."""

    def __init__(
        self,
        file: VenueFile,
        database: Database,
        numbers: list[int],
        key: SecretKey,
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        """``numbers``: of participants that the portal may give away, in order."""
        self.file, self.database, self.numbers, self.key = file, database, numbers, key
        self.ask_desk = ask_desk or (lambda request: ask(file.journal, request))
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for users without a participant now, and not only after the next wait."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        import psycopg

        while True:
            self._wake.clear()
            try:
                again = await self.assign_all()
            except (DatabaseError, psycopg.Error, OSError) as error:
                log.error("participants of new users: %s", error)
                again = True
            try:
                async with asyncio.timeout(RETRY_S if again else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def assign_all(self) -> bool:
        """Serve each verified user that has no participant yet; true if some still have none."""
        query = "select id, created_at from users where is_verified and not is_open order by id"
        left = False
        for row in await self.database.rows(query):
            left = not await self._assign(row["id"], row["created_at"]) or left
        return left

    async def _assign(self, user_id: int, since: datetime) -> bool:
        number = await self._reserve(user_id)
        if number == 0:
            log.error("no participant is left for user %d: %d are taken", user_id, self._count)
            return False
        # 32 characters at most.  A restored database gives the number of a user that it has lost to
        # another: when a user signed up tells them apart.
        own = self.key.reference("participant", user_id, since.astimezone(UTC).isoformat())[:16]
        request = {
            "do": "participant-add",
            "participant": number,
            "reference": f"portal {number} {own}",
        }
        try:
            await asyncio.to_thread(self.ask_desk, request)
        except DeskError as error:
            if error.code == PARTICIPANT_KNOWN:
                # The venue knows the number from elsewhere: this user is given another one.
                query = "update users set participant = null where id = %(id)s and not is_open"
                await self.database.rows(query, id=user_id)
            log.warning("participant %d: %s", number, error)
            return False
        query = "update users set is_open = true where id = %(id)s"
        await self.database.rows(query, id=user_id)
        return True

    @property
    def _count(self) -> int:
        return len(self.numbers)

    async def _reserve(self, user_id: int) -> int:
        """The user's number, or the next that no user has had; 0: there is no more."""
        async with self.database.transaction() as connection:
            query = "select participant from users where id = %(id)s for update"
            row = (await rows_of(connection, query, {"id": user_id}))[0]
            if row["participant"]:
                return int(row["participant"])
            drawn = await rows_of(connection, "select nextval('participants') as place", {})
            place = int(drawn[0]["place"])
            if place > self._count:
                return 0
            number = self.numbers[place - 1]
            query = "update users set participant = %(number)s where id = %(id)s"
            await rows_of(connection, query, {"number": number, "id": user_id})
            return number
