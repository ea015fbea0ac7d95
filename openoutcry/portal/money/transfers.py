"""Transfers between the accounts of one user: a withdrawal of one participant and a deposit of the
other, in steps that the core records by reference.

Each step is recorded in the core before the database says so, so a portal that died continues with
the step that follows what the core has.  What is on its way is reserved until the receiver's side
is recorded; a transfer that the core refuses releases it.  No step is taken on a guess: the money
leaves by a withdrawal whose state the core names, never by one that only seems to have happened.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, audit
from openoutcry.portal.accounts.errors import Declined, NotFound, TooMany
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.accounts.sub_accounts import Account
from openoutcry.portal.database import DatabaseError, Row, rows_of
from openoutcry.portal.money.withdrawals import TRANSFER
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.reject import NotReady
from openoutcry.risk.bits import MovementState
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.movement_desk import deposit_seen, request_withdrawal, step
from openoutcry.wire.load_limits import Threads, Turns, TurnsError

LOOK_S, DONE_S = 1.0, 5.0
"""Seconds between two looks for transfers that can continue; a request waits so long for the end of
one."""
AT_ONCE, WAITING = 2, 16
"""Transfers that are taken on at once, one of each user, and those of a user that wait: the venue's
desk does one request after the other, and operators ask there, too."""
MOST_A_DAY, AGAIN_S = 1_000, 3_600
"""Transfers of an owner: each has six requests at the venue's desk, of which the core remembers the
newest alone.  One that an operator repeats must not be forgotten for what a user asks."""
BEGUN, RESERVED, EXPECTED, APPROVED, SENT, TAKEN, DONE, REFUSED = (
    "begun",
    "reserved",
    "expected",
    "approved",
    "sent",
    "taken",
    "done",
    "refused",
)
ENDED = (DONE, REFUSED)
PATH = (
    MovementState.REQUESTED,
    MovementState.APPROVED,
    MovementState.SENT,
    MovementState.DONE,
)
REACHED = {
    RESERVED: PATH,
    APPROVED: PATH[1:],
    SENT: PATH[2:],
    TAKEN: PATH[3:],
    EXPECTED: (MovementState.SEEN, MovementState.CREDITED),
    DONE: (MovementState.CREDITED,),
}
"""States of the movement that a step is about, after it."""
log = logging.getLogger("outcry.portal")


class TransferError(Declined):
    """A transfer that is refused."""


@dataclass(frozen=True)
class Wanted:
    """A transfer as its owner asks for it.  ``client_id``: the owner's name of it, used once."""

    client_id: str
    source: Account
    target: Account
    asset: str
    amount: int


class Transfers:
    """Transfers of every user."""

    def __init__(
        self,
        accounts: Accounts,
        mirror: Mirror,
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.accounts, self.database, self.mirror = accounts, accounts.database, mirror
        self.ask_desk = ask_desk or (lambda request: ask(mirror.file.journal, request))
        self._locks: dict[int, asyncio.Lock] = {}
        self._turns = Turns(AT_ONCE, 1, WAITING)
        self._threads = Threads("transfers", AT_ONCE + 1, 1, 0)

    async def begin(self, user_id: int, wanted: Wanted, caller: Caller) -> Row:
        """Record it and take it as far as it goes now; ``user_id``: of the main account.  The same
        again is the same transfer.  Raises :class:`TransferError` or :class:`TooMany`."""
        source, target = wanted.source, wanted.target
        if source.user_id == target.user_id:
            raise TransferError("same_account", "a transfer is between two accounts")
        if not source.participant or not target.participant:
            raise TransferError("not_open", "the venue has not added this account yet", 409)
        async with contextlib.AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._turns.turn(f"user {user_id}"))
            except TurnsError as error:
                raise TooMany(str(error), retry_after_s=math.ceil(error.wait_s)) from None
            row = await self._recorded(user_id, wanted, caller)
            held = turn.pop_all()

        async def finish() -> None:
            async with held:
                await self._finish(row)

        try:
            async with asyncio.timeout(DONE_S):
                await asyncio.shield(finish())
        except TimeoutError:
            log.warning("transfer %d is still in progress", row["id"])
        row = await self.one(user_id, row["id"])
        if row["state"] == REFUSED:
            raise TransferError("refused", row["detail"] or "the venue refused it")
        return row

    async def _recorded(self, user_id: int, wanted: Wanted, caller: Caller) -> Row:
        now = self.accounts.now()
        values = {
            "user": user_id,
            "client": wanted.client_id,
            "source_id": wanted.source.user_id,
            "target_id": wanted.target.user_id,
            "source": wanted.source.participant,
            "target": wanted.target.participant,
            "asset": wanted.asset,
            "amount": wanted.amount,
            "now": now,
        }
        async with self.database.transaction() as connection:
            ends = wanted.source.user_id, wanted.target.user_id
            await self.accounts.require(connection, Action.TRANSFER, user_id, *ends)
            query = "select * from transfers where user_id = %(user)s and client_id = %(client)s"
            known = await rows_of(connection, query, values)
            if known:
                return _same(known[0], wanted)
            query = """
                select count(*) from transfers
                where user_id = %(user)s and created_at > %(now)s::timestamptz - interval '24 hours'
            """
            if (await rows_of(connection, query, values))[0]["count"] >= MOST_A_DAY:
                text = f"{MOST_A_DAY} transfers of an account in 24 hours are all"
                raise TooMany(text, retry_after_s=AGAIN_S)
            available, _ = self.mirror.balances(wanted.source.participant)[wanted.asset]
            if wanted.amount > available:
                raise TransferError("insufficient_balance", "the balance is too small")
            # 27 characters that only this request has.  Numbers of users that a restored database
            # has forgotten are given again, participants are not.
            between = values["source"], values["target"]
            own = self.accounts.key.reference(user_id, *between, wanted.client_id)
            values["reference"] = f"{TRANSFER}{own}"
            query = """
                insert into transfers (user_id, source_id, target_id, source, target, reference,
                    client_id, asset, amount, state, created_at, changed_at)
                values (%(user)s, %(source_id)s, %(target_id)s, %(source)s, %(target)s,
                    %(reference)s, %(client)s, %(asset)s, %(amount)s, 'begun', %(now)s, %(now)s)
                returning *
            """
            row = (await rows_of(connection, query, values))[0]
            detail = f"transfer {row['id']}: {wanted.amount} units of {wanted.asset}"
            await audit(connection, user_id, "transfer", caller, detail)
        return row

    # Going on

    async def run(self) -> None:
        """Continue what a portal that died, or a venue that was closed, has left; until
        cancelled."""
        import psycopg

        query = """
            select * from transfers where state not in ('done', 'refused')
                and changed_at < now() - interval '2 seconds' order by id
        """
        while True:
            try:
                for row in await self.database.rows(query):
                    await self._finish(row)
            except (DatabaseError, NotReady, psycopg.Error, OSError) as error:
                log.error("transfers: %s", error)
            await asyncio.sleep(LOOK_S)

    async def _finish(self, row: Row) -> None:
        """Take each step that is left; one after the other, also where another process takes
        them."""
        async with self._locks.setdefault(row["id"], asyncio.Lock()):
            while row["state"] not in ENDED:
                following = await self._step(row)
                if following is None:
                    break
                row = following
        self._locks.pop(row["id"], None)

    async def _step(self, row: Row) -> Row | None:
        """The transfer after its next step; None: it waits."""
        reference, decimals = row["reference"], self.mirror.markets.assets[row["asset"]]
        terms = row["asset"], row["amount"]
        incoming = f"{reference} in"
        before = row["state"]
        steps: dict[str, tuple[dict[str, Any], str]] = {
            BEGUN: (request_withdrawal(row["source"], *terms, reference, decimals), RESERVED),
            RESERVED: (deposit_seen(row["target"], *terms, incoming, decimals), EXPECTED),
            EXPECTED: (step("withdrawal-approve", reference, f"a {reference}"), APPROVED),
            APPROVED: (step("withdrawal-sent", reference, f"s {reference}"), SENT),
            SENT: (step("withdrawal-done", reference, f"d {reference}"), TAKEN),
            TAKEN: (step("deposit-credit", incoming, f"c {reference}"), DONE),
        }
        request, after = steps[before]
        try:
            await self._threads.run("", self.ask_desk, request)
        except DeskError as error:
            if not self.mirror.is_open or error.code == UNAVAILABLE:
                return None  # the venue is closed, or has no answer yet: asked again
            if not self._has_happened(row, after):
                return await self._refused(row, str(error))
        changed = await self._change(row, after)
        if before == BEGUN and changed is not None and changed["state"] == REFUSED:
            # It was refused to another process, which asked first, and so to its owner.
            await self._release(reference)
        return changed

    async def _release(self, reference: str) -> bool:
        """Release what is reserved of a transfer that is refused; return whether it was."""
        request = step("withdrawal-cancel", reference, f"x {reference}")
        try:
            await self._threads.run("", self.ask_desk, request)
        except DeskError as error:
            log.error("transfer %s: %s", reference, error)
            return False
        return True

    def _has_happened(self, row: Row, after: str) -> bool:
        """Return whether the core has this step already: the desk has forgotten that it was
        asked."""
        reference = f"{row['reference']} in" if after in (EXPECTED, DONE) else row["reference"]
        one = self.mirror.movement(reference)
        return one is not None and one.state in REACHED[after]

    async def _refused(self, row: Row, text: str) -> Row | None:
        """Nothing has left: what was reserved is released.  Afterwards the transfer waits for an
        operator, and is asked for again and again."""
        log.warning("transfer %d is %s: %s", row["id"], row["state"], text)
        if row["state"] == BEGUN:
            return await self._change(row, REFUSED, text)
        if row["state"] == RESERVED and await self._release(row["reference"]):
            return await self._change(row, REFUSED, text)
        return None

    async def _change(self, row: Row, after: str, detail: str = "") -> Row | None:
        query = """
            update transfers set state = %(after)s, detail = %(detail)s, changed_at = %(now)s
            where id = %(id)s and state = %(before)s returning *
        """
        values = {"id": row["id"], "before": row["state"], "after": after, "detail": detail[:500]}
        changed = await self.database.row(query, now=self.accounts.now(), **values)
        if changed is not None:
            return changed
        # Another process has taken this step.
        return await self.database.row("select * from transfers where id = %(id)s", id=row["id"])

    # What is shown

    async def one(self, user_id: int, number: int) -> Row:
        """Raises :class:`NotFound` also for one of another user."""
        query = "select * from transfers where id = %(id)s and user_id = %(user)s"
        row = await self.database.row(query, id=number, user=user_id)
        if row is None:
            raise NotFound("there is no such transfer")
        return row

    async def of_user(self, user_id: int, before: int, most: int) -> list[Row]:
        """The newest first; ``before``: with a smaller number, 0: all."""
        query = """
            select * from transfers where user_id = %(user)s
                and (%(before)s = 0 or id < %(before)s) order by id desc limit %(most)s
        """
        return await self.database.rows(query, user=user_id, before=before, most=most)


def _same(row: Row, wanted: Wanted) -> Row:
    """Raises :class:`TransferError` if the name was given to another transfer."""
    asked = wanted.source.user_id, wanted.target.user_id, wanted.asset, wanted.amount
    if asked != (row["source_id"], row["target_id"], row["asset"], row["amount"]):
        raise TransferError("idempotency_key_reused", "this name belongs to another transfer")
    return row
