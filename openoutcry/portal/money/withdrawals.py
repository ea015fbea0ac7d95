"""Withdrawals and deposits of users.

A user asks for a withdrawal, and confirms it by a mailed code and, if the account has one, by its
authenticator.  Then the venue reserves the amount, and an operator approves it, sends it and
records that it has arrived (``outcry venue withdraw``).  One on a chain is handed over to custody,
which does all of that.  The portal keeps what the core has no room for: the address, and the
client's name of the request.  Once the venue has reserved the amount the state is the core's.  The
database follows it, and still has it when the core has forgotten it.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from openoutcry.portal.accounts.accounts import (
    Accounts,
    Caller,
    add_notice,
    audit,
    language_of_user,
)
from openoutcry.portal.accounts.changes import UNDO, recent
from openoutcry.portal.accounts.errors import NotFound, TooMany, Unavailable
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.database import DatabaseError, Row, rows_of
from openoutcry.portal.money.address_book import AddressBook
from openoutcry.portal.money.approvals import REFERENCES, changes_of
from openoutcry.portal.money.custody import (
    Custody,
    WithdrawalError,
    device_of,
    reference_at_custody,
)
from openoutcry.portal.notices.words import of_withdrawal
from openoutcry.portal.settings import Network, PortalFile
from openoutcry.portal.trading.instruments import text_of
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.reject import NotReady
from openoutcry.risk.bits import MovementState
from openoutcry.risk.movements import OneMovement
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.movement_desk import request_withdrawal, step
from openoutcry.wire.load_limits import Threads, TurnsError

MOST = 100
"""Withdrawals of one user that are under way: each is looked at with every look."""
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
LOOK_S = 1.0
"""Seconds between two looks for withdrawals that can continue."""
AT_ONCE = 500
"""Withdrawals in one question to custody."""
AT_THE_DESK, WAITING = 2, 8
"""Requests at the venue's desk at once, one of each user, and those of a user that wait."""
CONFIRM_WITHIN = timedelta(minutes=15)
DAY = timedelta(hours=24)
PURPOSE = "withdrawal "
UNCONFIRMED, CONFIRMED, REQUESTED, CANCELLED, REFUSED, EXPIRED = (
    "unconfirmed",
    "confirmed",
    "requested",
    "cancelled",
    "refused",
    "expired",
)
AT_THE_VENUE = ("requested", "approved", "sent")
UNDER_WAY = (UNCONFIRMED, CONFIRMED, *AT_THE_VENUE)
UNSPENT = ("cancelled", "failed", "refused", "expired")
"""States in which a withdrawal does not count for its day."""
TRANSFER = "tr "
"""Prefix of the references of movements between own accounts."""
DEPOSIT_STATES = (MovementState.SEEN, MovementState.CREDITED, MovementState.REVERSED)
ACCOUNTS_OF_OWNER = """
    array(select participant from users as own where participant is not null
        and coalesce(u.parent_id, u.id) in (own.id, own.parent_id))
"""
"""Participants of a user ``u``, of its main account, and of all its sub-accounts."""
SHORTFALL = "shortfall"
"""Who cancels what an owner that is short has asked for, in the audit trail."""
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Asked:
    """A withdrawal as its owner asks for it.  ``client_id``: the owner's name of it, used once."""

    client_id: str
    asset: str
    network: str
    address: str
    tag: str
    amount: int


@dataclass(frozen=True)
class Chosen:
    """Which withdrawals of a user are asked for: all that it does not say.  ``states``: as the
    database has them, which follows the core within LOOK_S."""

    asset: str = ""
    name: str = ""
    states: list[str] | None = None
    since_ms: int = 0
    until_ms: int = LAST_MS
    offset: int = 0


@dataclass(frozen=True)
class Deposit:
    """A deposit that the venue has seen; on a chain with the network and the transaction."""

    number: int
    reference: str
    asset: str
    amount: int
    state: str
    began_ns: int
    changed_ns: int
    network: str = ""
    address: str = ""
    txid: str = ""
    confirmations: int = 0
    needed: int = 0


class Withdrawals:
    """Withdrawals of a portal's users, and what the core knows of their deposits."""

    def __init__(
        self,
        accounts: Accounts,
        mirror: Mirror,
        file: PortalFile,
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.accounts, self.database, self.mirror = accounts, accounts.database, mirror
        self.file = file
        self.ask_desk = ask_desk or (lambda request: ask(mirror.file.journal, request))
        self.custody = Custody(file.custody)
        self.book = AddressBook(accounts, mirror, self.custody, file)
        self._wake = asyncio.Event()
        self._threads = Threads("withdrawals", AT_THE_DESK, 1, WAITING)

    def wake(self) -> None:
        """Look for withdrawals that can continue, or are to be cancelled, at once."""
        self._wake.set()

    # Asking and confirming

    async def begin(self, user_id: int, participant: int, asked: Asked, caller: Caller) -> Row:
        """Record it, and mail its owner the code that confirms it.  The same again is the same
        withdrawal.  Raises :class:`WithdrawalError` or :class:`IdentityChanged`."""
        network, address = self._network(asked), asked.address
        query = "select * from withdrawals where user_id = %(user)s and client_id = %(client)s"
        known = await self.database.row(query, user=user_id, client=asked.client_id)
        if known is not None:
            return _same(known, asked, network)
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
        if network.chain:
            terms = participant, asked.asset, network.chain, address, asked.amount
            address = await self.custody.check(*terms)
        async with self.database.transaction() as connection:
            values = {"user": user_id, "client": asked.client_id}
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
            user = (await rows_of(connection, "select * from users where id = %(user)s", values))[0]
            rows = await rows_of(connection, query, values)
            if rows:
                return _same(rows[0], asked, network)
            await self._require_nothing_owed(connection, user_id)
            self._require_held(participant, asked)
            count = """
                select count(*) from withdrawals
                where user_id = %(user)s and state = any(%(under_way)s)
            """
            under_way = await rows_of(connection, count, values | {"under_way": list(UNDER_WAY)})
            if under_way[0]["count"] >= MOST:
                text = f"{MOST} withdrawals of this account are under way: confirm or cancel some"
                raise WithdrawalError("too_many", text)
            await self._require_within_day(connection, user, asked)
            row = await self._insert(
                connection, user_id, participant, asked, network, address, caller
            )
            code = await self.accounts.new_code(connection, user_id, f"{PURPOSE}{row['id']}")
            detail = f"withdrawal {row['id']}: {self.text(asked.asset, asked.amount)} {asked.asset}"
            await audit(connection, user_id, "withdrawal asked for", caller, detail)
        amount = f"{self.text(asked.asset, asked.amount)} {asked.asset}"
        named = {"amount": amount, "network": network.name, "address": address, "code": code}
        self.accounts.mail(user, "withdrawal", **named)
        return row

    def _network(self, asked: Asked) -> Network:
        network = self.file.network(asked.asset, asked.network)
        if network is None or not network.withdraws:
            raise WithdrawalError("not_withdrawable", "this asset is not withdrawn that way")
        if asked.tag and network.chain:
            raise WithdrawalError("invalid_address", "addresses of this network have no tag")
        if network.needs_tag and not asked.tag:
            text = "this network needs the receiver's tag (memo): without it the payment is lost"
            raise WithdrawalError("tag_missing", text)
        if not network.address.fullmatch(asked.address):
            raise WithdrawalError("invalid_address", "the address does not exist on this network")
        if asked.amount < network.min_withdrawal:
            least = self.text(asked.asset, network.min_withdrawal)
            raise WithdrawalError("too_small", f"a withdrawal is {least} {asked.asset} or more")
        if asked.amount >= 2**61:
            raise WithdrawalError("insufficient_balance", "the balance is too small")
        return network

    async def _require_nothing_owed(self, connection: Any, user_id: int) -> None:
        """Require that no account of the owner is short, as the core does for one account: money
        moves between them.  Raises :class:`WithdrawalError`."""
        query = f"select {ACCOUNTS_OF_OWNER} as participants from users as u where id = %(user)s"
        (row,) = await rows_of(connection, query, {"user": user_id})
        if self._owes(row):
            text = "an account of yours is short: what is missing is paid first"
            raise WithdrawalError("insufficient_balance", text)

    def _owes(self, row: Row) -> bool:
        return any(map(self.mirror.owes, row["participants"]))

    def _require_held(self, participant: int, asked: Asked) -> None:
        available, _ = self.mirror.balances(participant)[asked.asset]
        if asked.amount > available:
            raise WithdrawalError("insufficient_balance", "the balance is too small")

    async def _require_within_day(self, connection: Any, user: Row, asked: Asked) -> None:
        level = self.file.level(user["level"])
        if level is None:
            return
        spent = await self._spent(connection, user["id"])
        left = max(0, level.withdraws_a_day.get(asked.asset, 0) - spent.get(asked.asset, 0))
        if asked.amount > left:
            left_text = self.text(asked.asset, left)
            text = f"level {level.number} has {left_text} {asked.asset} left within 24 hours"
            raise WithdrawalError("daily_limit", text)

    async def _spent(self, connection: Any, user_id: int) -> dict[str, int]:
        """Units of each asset that a user has withdrawn in the last 24 hours, or asked for."""
        query = """
            select asset, sum(amount) as spent from withdrawals
            where user_id = %(user)s and created_at > %(since)s and state <> all(%(unspent)s)
            group by asset
        """
        values = {"user": user_id, "since": self.accounts.now() - DAY, "unspent": list(UNSPENT)}
        rows = await rows_of(connection, query, values)
        return {row["asset"]: int(row["spent"]) for row in rows}

    async def limits(self, user_id: int, level: int) -> list[tuple[str, str, str]] | None:
        """Each asset that a user of a level may withdraw, how much in 24 hours, and how much of
        that is left; None: nothing is limited."""
        reached = self.file.level(level)
        if reached is None:
            return None
        async with self.database.transaction() as connection:
            spent = await self._spent(connection, user_id)
        return [
            (asset, self.text(asset, most), self.text(asset, max(0, most - spent.get(asset, 0))))
            for asset, most in reached.withdraws_a_day.items()
        ]

    async def network_limits(self, user_id: int) -> list[tuple[Any, ...]]:
        """Each network by which a user may withdraw: asset, name, the smallest withdrawal, and of
        24 hours how much the user's level withdraws and what of that is left; None: no limit."""
        user = await self.database.row("select level from users where id = %(id)s", id=user_id)
        assert user is not None
        limits = await self.limits(user_id, user["level"])
        of_asset = None if limits is None else {asset: pair for asset, *pair in limits}
        rows = []
        for one in self.file.networks:
            if one.withdraws:
                nothing = self.text(one.asset, 0)
                left = (None, None) if of_asset is None else of_asset.get(one.asset, (nothing,) * 2)
                minimum = self.text(one.asset, one.min_withdrawal)
                rows.append((one.asset, one.name, minimum, *left))
        return rows

    async def _insert(
        self,
        connection: Any,
        user_id: int,
        participant: int,
        asked: Asked,
        network: Network,
        address: str,
        caller: Caller,
    ) -> Row:
        query = """
            insert into withdrawals (user_id, participant, reference, client_id, asset, network,
                address, given, chain, salt, device, tag, amount, state, created_at, changed_at)
            values (%(user)s, %(participant)s, %(reference)s, %(client)s, %(asset)s, %(network)s,
                %(address)s, %(given)s, %(chain)s, %(salt)s, %(device)s, %(tag)s, %(amount)s,
                'unconfirmed', %(now)s, %(now)s) returning *
        """
        # 27 characters that only this request has.  Numbers of users that a restored database has
        # forgotten are given again, participants are not.
        own = f"{REFERENCES}{self.accounts.key.reference(user_id, participant, asked.client_id)}"
        reference = own
        if network.chain:
            terms = participant, asked.asset, network.chain, address, asked.amount
            reference = reference_at_custody(*terms, own)
        values = {
            "user": user_id,
            "participant": participant,
            "reference": reference,
            "client": asked.client_id,
            "asset": asked.asset,
            "network": network.name,
            "address": address,
            "given": asked.address,
            "chain": network.chain,
            "salt": own,
            "device": device_of(caller.agent),
            "tag": asked.tag,
            "amount": asked.amount,
            "now": self.accounts.now(),
        }
        return (await rows_of(connection, query, values))[0]

    async def confirm(self, user_id: int, number: int, code: str, totp: str, caller: Caller) -> Row:
        """Confirm a withdrawal with the mailed code and the second factor. Raises
        :class:`WrongCredentials` or :class:`IdentityChanged`."""
        row = await self.one(user_id, number)
        if row["state"] != UNCONFIRMED:
            raise WithdrawalError("not_unconfirmed", f"this withdrawal is {row['state']}", 409)
        await self.accounts.require_factors(user_id, f"{PURPOSE}{number}", code, totp, caller)
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
            await self._require_nothing_owed(connection, user_id)
            values = {"id": number, "now": self.accounts.now()}
            query = """
                update withdrawals set state = 'confirmed', changed_at = %(now)s
                where id = %(id)s and state = 'unconfirmed' returning *
            """
            changed = await rows_of(connection, query, values)
            if not changed:
                raise WithdrawalError("not_unconfirmed", "this withdrawal has changed", 409)
            detail = f"withdrawal {number}"
            await audit(connection, user_id, "withdrawal confirmed", caller, detail)
        self._wake.set()
        return changed[0]

    async def cancel(self, user_id: int, number: int, caller: Caller) -> Row:
        """One that was not sent.  Raises :class:`WithdrawalError`."""
        row = await self.one(user_id, number)
        if row["state"] == CANCELLED:
            return row
        changed = await self._change(number, (UNCONFIRMED,), CANCELLED)
        if changed is None and row["chain"]:
            changed = await self._cancel_at_custody(row)
        elif changed is None and row["state"] == CONFIRMED:
            # It may be on its way to the venue: entered first, so that it cannot be later.
            await self._enter(row, f"user {user_id}")
            row = await self.one(user_id, number)
        if changed is None and not row["chain"] and row["state"] in ("requested", "approved"):
            # The desk does it once for this reference, whatever is asked again.
            reference = f"c {row['reference']}"
            request = step("withdrawal-cancel", row["reference"], reference)
            try:
                await self._asked(f"user {user_id}", request)
            except DeskError as error:
                log.warning("withdrawal %d: %s", number, error)
                text = "this withdrawal cannot be cancelled now"
                raise WithdrawalError("not_cancellable", text, 409) from None
            changed = await self._change(number, AT_THE_VENUE, CANCELLED)
        if changed is None:
            text = "this withdrawal cannot be cancelled now"
            raise WithdrawalError("not_cancellable", text, 409)
        async with self.database.transaction() as connection:
            detail = f"withdrawal {number}"
            await audit(connection, user_id, "withdrawal cancelled", caller, detail)
        return changed

    async def _cancel_at_custody(self, row: Row) -> Row | None:
        """One that may have been handed over: handed over first, as cancelled, so that it cannot be
        later and is not paid while custody or the venue is away."""
        if row["state"] not in (CONFIRMED, "requested", "approved"):
            return None
        try:
            if row["state"] == CONFIRMED:
                await self.custody.withdraw(row, cancelled=True)
            await self.custody.cancel(row)
        except WithdrawalError as error:
            log.warning("withdrawal %d: %s", row["id"], error)
            return None
        return await self._change(row["id"], (CONFIRMED, *AT_THE_VENUE), CANCELLED)

    async def _change(
        self, number: int, before: tuple[str, ...], after: str, detail: str = "", code: str = ""
    ) -> Row | None:
        """None: it is in none of these states."""
        query = """
            update withdrawals set state = %(after)s, detail = %(detail)s, code = %(code)s,
                changed_at = %(now)s
            where id = %(id)s and state = any(%(before)s) returning *
        """
        values = {"id": number, "before": list(before), "after": after}
        values |= {"detail": detail[:500], "code": code, "now": self.accounts.now()}
        return await self.database.row(query, **values)

    # Going on

    async def run(self) -> None:
        """Run until cancelled."""
        import psycopg

        while True:
            self._wake.clear()
            try:
                await self.go_on()
            except (DatabaseError, NotReady, psycopg.Error, OSError) as error:
                log.error("withdrawals: %s", error)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def go_on(self) -> None:
        """Take each withdrawal that is under way as far as it goes without its owner."""
        query = f"""
            select w.*, coalesce(u.frozen_at, p.frozen_at) is not null as is_frozen,
                {ACCOUNTS_OF_OWNER} as participants,
                exists (select 1 from identity_changes as c where c.at > %(since)s
                    and c.user_id in (u.id, u.parent_id)) as waits_for_owner
            from withdrawals as w join users as u on u.id = w.user_id
            left join users as p on p.id = u.parent_id
            where state = any(%(under_way)s) order by w.id
        """
        since = self.accounts.now() - self.accounts.wait
        rows = await self.database.rows(query, since=since, under_way=list(UNDER_WAY))
        for row in rows:
            row["owes"] = self._owes(row)
            if (row["is_undone"] or row["owes"]) and row["state"] != "sent":
                await self._undo(row)
            if row["state"] == UNCONFIRMED:
                if row["created_at"] + CONFIRM_WITHIN <= self.accounts.now():
                    await self._change(row["id"], (UNCONFIRMED,), EXPIRED)
            elif row["chain"] or (row["state"] == CONFIRMED and _is_held(row)):
                continue
            elif row["state"] == CONFIRMED:
                await self._enter(row)
            else:
                await self._follow(row)

        try:
            await self.custody.look()
            await self.book.go_on()
            handed = [row for row in rows if row["chain"] and row["state"] != UNCONFIRMED]
            if handed:
                await self._go_on_at_custody(handed)
        except Unavailable:
            return  # everything there is asked for again

    async def _undo(self, row: Row) -> None:
        """Cancel a withdrawal of an account whose changes of identity were undone, or whose owner
        is short; what cannot be asked for now is asked for again."""
        try:
            who = Caller(UNDO if row["is_undone"] else SHORTFALL)
            await self.cancel(row["user_id"], row["id"], who)
        except (WithdrawalError, TooMany, Unavailable) as error:
            log.warning("withdrawal %d is not cancelled yet: %s", row["id"], error)

    # On a chain

    async def _go_on_at_custody(self, rows: list[Row]) -> None:
        """Raises :class:`Unavailable`."""
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            found = await self.custody.states([row["reference"] for row in some])
            for row in some:
                if row["reference"] in found:
                    await self._take(row, found[row["reference"]])
                elif row["state"] == CONFIRMED and not _is_held(row):
                    await self._hand_over(row)

    async def _hand_over(self, row: Row) -> None:
        try:
            await self._hand_over_with(row, await self._changes(row))
        except WithdrawalError as error:
            await self._refused(row, str(error), error.code)

    async def _changes(self, row: Row) -> str:
        """Return what its owner's account has changed lately, for the people who approve it."""
        async with self.database.transaction() as connection:
            rows = await recent(connection, row["user_id"], self.accounts.now())
        return "; ".join(changes_of(rows))

    async def _hand_over_with(self, row: Row, changes: str) -> None:
        await self.custody.withdraw(row, changes)
        query = "update withdrawals set changes = %(changes)s where id = %(id)s returning state"
        (now,) = await self.database.rows(query, changes=changes, id=row["id"])
        if now["state"] == REFUSED:
            # It was refused to another process, which asked first, and so to its owner.
            await self.custody.cancel(row)

    async def _refused(self, row: Row, why: str, code: str) -> None:
        async with self.database.transaction() as connection:
            query = """
                update withdrawals set state = 'refused', detail = %(why)s, code = %(code)s,
                    waits = '', changed_at = %(now)s
                where id = %(id)s and state = %(before)s returning *
            """
            values = {"id": row["id"], "before": row["state"], "why": why[:500], "code": code}
            values["now"] = self.accounts.now()
            changed = await rows_of(connection, query, values)
            if changed:
                await self._tell(connection, changed[0], "refused")

    async def _take(self, row: Row, found: dict[str, Any]) -> None:
        """Apply the states that custody and the core report about a withdrawal that was handed
        over."""
        one = self.mirror.movement(row["reference"])
        state = row["state"] if one is None else one.state.name.lower()
        if found["state"] == REFUSED:
            await self._refused(row, found["why"], found.get("code", ""))
            return
        if one is None and found["state"] in (CANCELLED, "done", "failed"):
            state = found["state"]  # the core has forgotten it
        if found["waits"] == "people" and (changes := await self._changes(row)) != row["changes"]:
            with contextlib.suppress(WithdrawalError):  # the next look says so
                await self._hand_over_with(row, changes)
        if row["is_frozen"] and state in ("requested", "approved"):
            with contextlib.suppress(WithdrawalError):  # it is sent: the next look says so
                await self.custody.cancel(row)
        after = {
            "state": state,
            "txid": found["txid"],
            "waits": found["waits"],
            "confirmations": found["confirmations"],
            "detail": found["why"][:500],
            "code": found.get("code", ""),
        }
        if all(row[name] == value for name, value in after.items()):
            return
        query = """
            update withdrawals set state = %(state)s, txid = %(txid)s, waits = %(waits)s,
                confirmations = %(confirmations)s, detail = %(detail)s, code = %(code)s,
                changed_at = case when state = %(state)s then changed_at else %(now)s end
            where id = %(id)s and state = any(%(before)s)
                and (txid, waits) = (%(known_txid)s, %(known_waits)s) returning *
        """
        # What another process has seen first, it has told its owner.
        values = after | {"id": row["id"], "now": self.accounts.now()}
        values["before"] = [CONFIRMED, *AT_THE_VENUE]
        values |= {f"known_{name}": row[name] for name in ("txid", "waits")}
        async with self.database.transaction() as connection:
            for changed in await rows_of(connection, query, values):
                if found["txid"] and found["txid"] != row["txid"]:
                    await self._tell(connection, changed, "txid")
                if found["waits"] == "people" != row["waits"]:
                    await self._tell(connection, changed, "people")

    async def _tell(self, connection: Any, row: Row, what: str) -> None:
        decimals = self.mirror.markets.assets[row["asset"]]
        language = await language_of_user(connection, row["user_id"])
        await add_notice(connection, row["user_id"], of_withdrawal(row, decimals, what, language))

    # At the venue

    async def _asked(self, owner: str, request: dict[str, Any]) -> None:
        """Ask the venue's desk; ``owner``: whose turn it is.  Raises :class:`DeskError` or
        :class:`TooMany`."""
        try:
            await self._threads.run(owner, self.ask_desk, request)
        except TurnsError as error:
            raise TooMany(str(error), retry_after_s=math.ceil(error.wait_s)) from None

    async def _enter(self, row: Row, owner: str = "") -> None:
        """Ask the venue to reserve the amount; under its reference it does so once.  ``owner``:
        who asks, none: the portal."""
        decimals = self.mirror.markets.assets[row["asset"]]
        terms = row["participant"], row["asset"], row["amount"], row["reference"], decimals
        try:
            await self._asked(owner, request_withdrawal(*terms))
        except DeskError as error:
            if not self.mirror.is_open or error.code == UNAVAILABLE:
                return  # the venue is closed, or has no answer yet: asked again
            await self._change(row["id"], (CONFIRMED,), REFUSED, str(error), error.code)
            log.warning("withdrawal %d: %s", row["id"], error)
            return
        if await self._change(row["id"], (CONFIRMED,), REQUESTED) is None:
            await self._release_refused(row, owner)

    async def _release_refused(self, row: Row, owner: str) -> None:
        """Release the amount if the withdrawal was refused to another process, which asked first,
        and so to its owner."""
        now = await self.one(row["user_id"], row["id"])
        if now["state"] != REFUSED:
            return
        reference = row["reference"]
        try:
            await self._asked(owner, step("withdrawal-cancel", reference, f"c {reference}"))
        except DeskError as error:
            log.error("withdrawal %d: %s", row["id"], error)

    async def _follow(self, row: Row) -> None:
        one = self.mirror.movement(row["reference"])
        if one is not None and one.state.name.lower() != row["state"]:
            await self._change(row["id"], AT_THE_VENUE, one.state.name.lower())

    # What is shown

    async def one(self, user_id: int, number: int) -> Row:
        """Raises :class:`NotFound` also for one of another user."""
        query = "select * from withdrawals where id = %(id)s and user_id = %(user)s"
        row = await self.database.row(query, id=number, user=user_id)
        if row is None:
            raise NotFound("there is no such withdrawal")
        return self._as_released(row)

    async def of_user(
        self, user_id: int, before: int, most: int, chosen: Chosen | None = None
    ) -> list[Row]:
        """The newest first; ``before``: with a smaller number, 0: all."""
        query = """
            select * from withdrawals where user_id = %(user)s
                and (%(before)s = 0 or id < %(before)s)
                and %(asset)s in ('', asset) and %(name)s in ('', client_id)
                and (%(states)s::text[] is null or state = any(%(states)s))
                and created_at >= to_timestamp(%(since_ms)s / 1000.0)
                and created_at <= to_timestamp(%(until_ms)s / 1000.0)
            order by id desc offset %(offset)s limit %(most)s
        """
        values = vars(chosen or Chosen()) | {"user": user_id, "before": before, "most": most}
        return [self._as_released(row) for row in await self.database.rows(query, **values)]

    def _as_released(self, row: Row) -> Row:
        """Return the rows with the core's state, which is ahead of the database's."""
        if row["state"] not in AT_THE_VENUE:
            return row
        one = self.mirror.movement(row["reference"])
        return row if one is None else row | {"state": one.state.name.lower()}

    async def deposits(self, participant: int, before: int = 0, most: int = 0) -> list[Deposit]:
        """Return the deposits that the core remembers and that are not transfers, the newest first;
        ``before``: with a smaller number; ``most``: so many; 0: all."""
        bounds = {"without": TRANSFER, "before": before, "most": most}
        rows = self.mirror.movements(DEPOSIT_STATES, participant, **bounds)[::-1]
        chain = {one["reference"]: one for one in await self.custody.deposits(participant)}
        return [_deposit(row, chain.get(row.reference), self.file) for row in rows]

    async def arriving(self, participant: int) -> list[dict[str, Any]]:
        """Return the deposits that custody has seen on chains for a participant and not credited,
        the newest first."""
        rows = await self.custody.deposits(participant)
        return [
            row | {"network": network_name(self.file, row["asset"], row["chain"])}
            for row in rows
            if row["state"] not in ("credited", "final")
        ]

    def confirmations(self, network: Network) -> int:
        """Blocks after which any deposit by this network is credited."""
        offer = self.custody.offers.get(network.asset) if network.chain else None
        return 1 if offer is None else offer.most

    async def deposit_address(self, participant: int, network: Network) -> tuple[str, str]:
        """Return where an asset comes in by this network, and the tag that names its owner."""
        if network.chain:
            query = """
                select coalesce(p.participant, u.participant) as owner from users as u
                left join users as p on p.id = u.parent_id where u.participant = %(participant)s
            """
            row = await self.database.row(query, participant=participant)
            owner = participant if row is None else int(row["owner"])
            return await self.custody.address(network.chain, participant, owner), ""
        return network.deposit_address, self.tag(participant)

    def tag(self, participant: int) -> str:
        """Return the tag by which a deposit to the shared address names its owner; with a check
        digit, so that a mistyped one belongs to no participant."""
        return f"{participant}{_check_digit(participant)}"

    def text(self, asset: str, units: int) -> str:
        """An amount in whole units as decimal text.  Raises :class:`KeyError` for an asset of no
        market."""
        return text_of(units, self.mirror.markets.assets[asset])


def _same(row: Row, asked: Asked, network: Network) -> Row:
    """Raises :class:`WithdrawalError` if the name was given to another withdrawal."""
    same = {"asset": asked.asset, "given": asked.address, "tag": asked.tag, "amount": asked.amount}
    if row["network"] != network.name or any(row[name] != one for name, one in same.items()):
        text = "this name belongs to another withdrawal"
        raise WithdrawalError("idempotency_key_reused", text)
    return row


def _is_held(row: Row) -> bool:
    """Return whether a withdrawal that its owner has confirmed does not leave the portal now."""
    return any(row[name] for name in ("is_frozen", "waits_for_owner", "is_undone", "owes"))


def network_name(file: PortalFile, asset: str, chain: str) -> str:
    """The portal's name of an asset's network on a chain of custody."""
    found = [
        network.name
        for network in file.networks
        if (network.asset, network.chain) == (asset, chain)
    ]
    return found[0] if found else chain


def _deposit(one: OneMovement, known: dict[str, Any] | None, file: PortalFile) -> Deposit:
    """``known``: as custody has it."""
    state = one.state.name.lower()
    numbers = one.amount, state, one.began_ns, one.changed_ns
    terms = one.number, one.reference, one.asset, *numbers
    if known is None:
        return Deposit(*terms)
    place = network_name(file, one.asset, known["chain"]), known["address"], known["txid"]
    return Deposit(*terms, *place, known["confirmations"], known["needed"])


def _check_digit(number: int) -> int:
    """Luhn's check digit."""
    total = 0
    for place, digit in enumerate(reversed(str(number))):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def utc_seconds(at: datetime) -> str:
    """Return a time as ``2026-11-26 12:00:00``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
