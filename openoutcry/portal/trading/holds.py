"""Suspend at the venue the participants of frozen accounts, and let them trade again.

The core then refuses their orders at every door, FIX and OUCH included, and the approval and the
sending of their withdrawals.  What the portal asks for is written down first, under a reference of
its own, so that a portal which died asks for the same again, and ends no suspension that the
operator of the venue has made.  A participant that trades although its account is frozen, because
the venue's operator has resumed it or the venue has refused, is suspended again at the next look;
orders that it has although the operator's last choice was to cancel them are cancelled then.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from openoutcry.portal.database import Database, DatabaseError, Row, rows_of
from openoutcry.portal.trading.reject import NotReady
from openoutcry.risk.bits import ParticipantStatus
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.file import VenueFile

RETRY_S, LOOK_S = 2.0, 30.0
"""Seconds between two tries, and between two looks without one."""
LOCK = 7415
FOREIGN = "venue"
"""In the place of a reference: the participant was suspended or closed before."""
MINE = """
    select u.id, u.participant, u.hold, u.is_held,
        u.frozen_at is not null or p.frozen_at is not null as is_frozen,
        case when u.frozen_at is not null then u.keeps_orders else p.keeps_orders end as keeps
    from users as u left join users as p on p.id = u.parent_id
"""
log = logging.getLogger("outcry.portal")


class Holds:
    """Holds of the accounts of one portal."""

    def __init__(
        self,
        file: VenueFile,
        database: Database,
        status_of: Callable[[int], ParticipantStatus],
        has_orders: Callable[[int], bool],
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        """``status_of``: a participant's, as the core has it; ``has_orders``: whether a participant
        has open orders there."""
        self.database, self.status_of, self.has_orders = database, status_of, has_orders
        self.ask_desk = ask_desk or (lambda request: ask(file.journal, request))
        self._turn = asyncio.Lock()
        """Of what holds a connection to the database while it waits for others."""

    async def run(self) -> None:
        """Bring the venue to what is frozen, again and again; until cancelled."""
        import psycopg

        while True:
            try:
                is_done = await self.go_on()
            except (DatabaseError, NotReady, psycopg.Error, OSError) as error:
                log.error("freezes: %s", error)
                is_done = False
            await asyncio.sleep(LOOK_S if is_done else RETRY_S)

    async def go_on(self, user_id: int = 0) -> bool:
        """Do what is left for a user and its sub-accounts, 0: for all; false if something is
        still left."""
        query = """
            select id from users where is_open and (%(id)s = 0 or %(id)s in (id, parent_id)) and (
                hold <> '' or frozen_at is not null
                or parent_id in (select id from users where frozen_at is not null)
            ) order by id
        """
        found = await self.database.rows(query, id=user_id)
        done = [await self._one(row["id"]) for row in found]
        return all(done)

    async def _one(self, user_id: int) -> bool:
        """Take the steps of one account; true once the venue has what the portal says.  One process
        at a time: to another one what is asked for here would seem to be an operator's of the
        venue."""
        async with self._turn, self.database.transaction() as connection:
            lock = f"select pg_advisory_xact_lock({LOCK}, %(id)s::integer)"
            await rows_of(connection, lock, {"id": user_id})
            while (row := await self._begun(user_id)) is not None:
                if not await self._step(row):
                    return False
            return await self._again(user_id)

    async def _again(self, user_id: int) -> bool:
        """Suspend a participant again that trades although its account is frozen, or has orders
        although they were to be cancelled: a freeze that kept them was repeated with another
        choice.  False: the venue has no answer yet.  If what the core shows was old, the venue
        refuses, and nothing changes."""
        (row,) = await self.database.rows(f"{MINE} where u.id = %(id)s", id=user_id)
        who = row["participant"]
        is_active = self.status_of(who) is ParticipantStatus.ACTIVE
        has_more = not row["keeps"] and self.has_orders(who)
        if not row["is_frozen"] or not (is_active or has_more):
            return True
        hold = secrets.token_hex(8)
        request = {"do": "participant-suspend", "participant": who, "reference": f"f {hold}"}
        error = await self._asked(request | {"keep_orders": bool(row["keeps"])})
        if error is not None:
            return error.code != UNAVAILABLE
        if not is_active:
            log.warning("participant %d is frozen, and its orders are cancelled now", who)
            return True
        log.warning("participant %d is frozen, traded, and is suspended again", who)
        query = """
            update users set hold = %(hold)s where id = %(id)s and hold = %(was)s and is_held
            returning id
        """
        await self.database.rows(query, hold=hold, id=user_id, was=row["hold"])
        return True

    async def _begun(self, user_id: int) -> Row | None:
        """The account with the reference of its next step; None: there is none."""
        async with self.database.transaction() as connection:
            await rows_of(
                connection, "select 1 from users where id = %(id)s for update", {"id": user_id}
            )
            (row,) = await rows_of(connection, f"{MINE} where u.id = %(id)s", {"id": user_id})
            is_done = row["is_held"] if row["is_frozen"] else row["hold"] == ""
            if is_done:
                return None
            if row["is_frozen"] and row["hold"] == "":
                row["hold"] = secrets.token_hex(8)
                query = "update users set hold = %(hold)s, is_held = false where id = %(id)s"
                await rows_of(connection, query, {"hold": row["hold"], "id": user_id})
        return row

    async def _step(self, row: Row) -> bool:
        """Suspend or resume; false: the venue has no answer yet."""
        who, hold = row["participant"], row["hold"]
        # An unfreeze ends the suspension that was asked for, and so asks for that one first.
        if not row["is_held"]:
            request = {"do": "participant-suspend", "participant": who, "reference": f"f {hold}"}
            error = await self._asked(request | {"keep_orders": bool(row["keeps"])})
            if error is not None and error.code == UNAVAILABLE:
                return False
            after = hold, True
            if error is not None:
                log.warning("participant %d is frozen, and was not suspended: %s", who, error)
                after = FOREIGN, True
        else:
            if hold != FOREIGN:
                request = {"do": "participant-resume", "participant": who, "reference": f"u {hold}"}
                error = await self._asked(request)
                if error is not None and error.code == UNAVAILABLE:
                    return False
                if error is not None:
                    log.warning("participant %d is not frozen any more: %s", who, error)
            after = "", False
        query = """
            update users set hold = %(after)s, is_held = %(is_held)s
            where id = %(id)s and hold = %(hold)s and is_held = %(was)s returning id
        """
        terms = {"after": after[0], "is_held": after[1], "id": row["id"], "hold": hold}
        await self.database.rows(query, was=row["is_held"], **terms)
        return True

    async def _asked(self, request: dict[str, Any]) -> DeskError | None:
        try:
            await asyncio.to_thread(self.ask_desk, request)
        except DeskError as error:
            return error
        return None
