"""Limits that owners set on their own accounts: lower at once, wider after both factors and a wait.

::

    lower ──► written here ──► set in the core ──► answered
    wider  ──► unconfirmed ──► waiting ──► set in the core        a lower one ends what waits

The core keeps an owner's limit next to the operator's, and checks the stricter of the two at every
door (``risk/own_limits.py``).  What is to be set is written down first, under a reference of its
own, so that a portal which died asks for the same again.
"""

import asyncio
import logging
import math
import secrets
from collections.abc import Callable
from typing import Any

from openoutcry.portal.accounts.accounts import CODE_LASTS, Accounts, Caller, audit
from openoutcry.portal.accounts.changes import shown_time
from openoutcry.portal.accounts.errors import (
    Declined,
    InvalidRequest,
    NotFound,
    TooMany,
    Unavailable,
)
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.database import DatabaseError, Row, rows_of
from openoutcry.portal.trading.instruments import Market, Markets, text_of
from openoutcry.risk.bits import LARGEST
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.file import VenueFile
from openoutcry.wire.decimals import AmountError, units_of
from openoutcry.wire.load_limits import Turns, TurnsError

KILLED, BLOCKED = "killed", "blocked"
OF_MARKETS = {
    "max_order_quantity": "max_qty_lots",
    "max_order_value": "max_value",
    BLOCKED: "restricted",
}
OF_ACCOUNTS = {
    "open_orders": "open_orders",
    "orders_per_second": "orders_per_s",
    "buy_exposure": "exposure_buy",
    "sell_exposure": "exposure_sell",
    "loss": "loss",
    KILLED: KILLED,
}
AT_THE_DESK = OF_MARKETS | OF_ACCOUNTS
"""Limits, by their names here, and how the venue's desk names them."""
SWITCHES = (KILLED, BLOCKED)
NONE = "none"
UNCONFIRMED, WAITING, REFUSED = "unconfirmed", "waiting", "refused"
PURPOSE = "own limit "
MOST, LOOK_S, WAITING_AT_ONCE = 64, 2.0, 8
"""Limits of one account, seconds between two looks for what is due, and changes of one owner that
wait for those before."""
MAX_RATE, MOST_A_DAY = 1_000_000_000, 200
log = logging.getLogger("outcry.portal")


def is_stricter(value: int | None, than: int | None) -> bool:
    """Return whether one value lets less through than another; None: no limit, 1: a switch is
    on."""
    return value is not None and (than is None or value < than)


class OwnLimits:
    """The limits of the accounts of one portal."""

    def __init__(
        self,
        file: VenueFile,
        accounts: Accounts,
        markets: Markets,
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.file, self.accounts, self.database = file, accounts, accounts.database
        self.markets = {market.symbol: market for market in markets.every}
        self.assets = markets.assets
        self.ask_desk = ask_desk or (lambda request: ask(file.journal, request))
        self._turns = Turns(1, 1, WAITING_AT_ONCE)
        """One request is at the venue's desk: one that is slow keeps one connection of the
        database."""

    # Values

    def read(self, name: str, symbol: str, text: str) -> int | None:
        """The value that a text has, in the venue's units; None: no limit.  Raises
        :class:`InvalidRequest`."""
        if name not in AT_THE_DESK:
            raise InvalidRequest(f"limit: choose one of {', '.join(AT_THE_DESK)}")
        market = self.markets.get(symbol)
        if name in OF_MARKETS and market is None:
            raise InvalidRequest("symbol: name an instrument of the venue")
        if name in OF_ACCOUNTS and symbol:
            raise InvalidRequest(f"symbol: {name} applies to all instruments together")
        if name == "max_order_value" and market is not None and market.inverse_units:
            raise InvalidRequest("limit: an inverse contract has no max_order_value")
        if name in ("buy_exposure", "sell_exposure", "loss"):
            self._asset(name)
        if name in SWITCHES:
            if text not in ("true", "false"):
                raise InvalidRequest("value: must be true or false")
            return 1 if text == "true" else None
        if text == NONE:
            return None
        try:
            value = self._units(name, market, text)
        except AmountError as error:
            raise InvalidRequest(f"value: {error}") from None
        least = 1 if name == "orders_per_second" else 0
        most = MAX_RATE if name == "orders_per_second" else LARGEST
        if not least <= value <= most:
            raise InvalidRequest(f"value: must be {least} or more, and not that large")
        return value

    def _units(self, name: str, market: Market | None, text: str) -> int:
        if name == "max_order_quantity" and market is not None:
            return market.lots_of(text)
        if name == "max_order_value" and market is not None:
            return units_of(text, market.quote_decimals)
        if name in ("open_orders", "orders_per_second"):
            return units_of(text, 0)
        return units_of(text, self.assets[self._asset(name)])

    def _asset(self, name: str) -> str:
        """The asset that an amount of a whole account is in.  Raises :class:`InvalidRequest`."""
        if name == "loss":
            if not self.file.risk.contracts:
                raise InvalidRequest("limit: a loss is of contracts, and this venue has none")
            return self.file.risk.money.margin_asset
        quotes = {market.quote for market in self.markets.values()}
        if len(quotes) > 1:
            raise InvalidRequest(f"limit: {name} needs instruments with one quote asset")
        return quotes.pop()

    def text(self, name: str, symbol: str, value: int | None) -> str:
        """A value as :meth:`read` takes it."""
        if name in SWITCHES:
            return "true" if value else "false"
        if value is None:
            return NONE
        market = self.markets.get(symbol)
        if name in OF_MARKETS:
            if market is None:
                return str(value)  # of an instrument that was taken out of the file
            is_quantity = name == "max_order_quantity"
            return market.quantity(value) if is_quantity else text_of(value, market.quote_decimals)
        if name in ("open_orders", "orders_per_second"):
            return str(value)
        return text_of(value, self.assets[self._asset(name)])

    # Requests

    async def of_user(self, user_id: int) -> list[Row]:
        """Return an account's limits that are set, or are to be."""
        query = """
            select * from own_limits where user_id = %(user)s
                and (value is not null or state <> '' or not is_set) order by id
        """
        return await self.database.rows(query, user=user_id)

    async def put(
        self,
        user_id: int,
        wanted: tuple[str, str, str],
        caller: Caller,
        raiser_id: int = 0,
        owner_id: int = 0,
    ) -> Row:
        """Set a limit: a stricter one is in force when this returns, a wider one waits for its
        confirmation.  ``wanted``: limit, symbol, value; ``raiser_id``: the user whose factors
        confirm a wider one, 0: whoever asks may not raise; ``owner_id``: of the main account.

        Raises :class:`InvalidRequest`, :class:`Declined`, :class:`TooMany` and
        :class:`Unavailable`: the limit is written down, and set as soon as the venue answers."""
        name, symbol, text = wanted
        value = self.read(name, symbol, text)
        # An owner's limits keep neither another owner nor the owner's own kill switch waiting.
        turn = f"kill {owner_id or user_id}" if name == KILLED else f"user {owner_id or user_id}"
        try:
            async with self._turns.turn(turn):
                row, code = await self._written(user_id, name, symbol, value, caller, raiser_id)
                if not code and not row["is_set"]:
                    row = await self._sent(row["id"])
        except TurnsError as error:
            raise TooMany(str(error), retry_after_s=math.ceil(error.wait_s)) from None
        if code:
            user, shown = await self._reader(raiser_id), self._shown(row)
            self.accounts.mail(user, "limit", limit=shown, code=code)
        return row

    async def _written(
        self,
        user_id: int,
        name: str,
        symbol: str,
        value: int | None,
        caller: Caller,
        raiser_id: int,
    ) -> tuple[Row, str]:
        """The row with what was asked for, and the code to mail for a wider limit."""
        terms = {"user": user_id, "name": name, "symbol": symbol, "now": self.accounts.now()}
        shown = f"{name} {symbol}".rstrip()
        for _ in range(3):
            known = await self._find(terms)
            if known is not None and not known["is_set"]:
                await self._sent(known["id"])  # what the core has must be known
            async with self.database.transaction() as connection:
                await self.accounts.require(connection, Action.REVOKE, user_id)
                row = await self._row(connection, terms)
                if not row["is_set"]:
                    continue
                if is_stricter(value, row["value"]):
                    await self._require_few(connection, terms)
                    query = """
                        update own_limits set value = %(value)s, is_set = false, hold = %(hold)s,
                            state = '', wanted = null, usable_at = null, detail = '',
                            changed_at = %(now)s where id = %(id)s returning *
                    """
                    given = terms | {"value": value, "hold": secrets.token_hex(8), "id": row["id"]}
                    (row,) = await rows_of(connection, query, given)
                    said = f"{shown}: {self.text(name, symbol, value)}"
                    await audit(connection, user_id, "own limit lowered", caller, said)
                    return row, ""
                if value == row["value"]:
                    return row, ""
                if not raiser_id:
                    raise Declined("lowers_only", "an API key lowers limits, and never raises them")
                await self.accounts.require(connection, Action.WITHDRAW, raiser_id)
                query = """
                    update own_limits set wanted = %(value)s, state = 'unconfirmed',
                        usable_at = null, detail = '', changed_at = %(now)s
                    where id = %(id)s returning *
                """
                given = terms | {"value": value, "id": row["id"]}
                (row,) = await rows_of(connection, query, given)
                purpose = f"{PURPOSE}{row['id']}"
                code = await self.accounts.new_code(connection, raiser_id, purpose)
                said = f"{shown}: {self.text(name, symbol, value)}"
                await audit(connection, user_id, "wider own limit asked for", caller, said)
                return row, code
        raise Unavailable("this limit is being changed by another request: try again")

    async def _require_few(self, connection: Any, terms: dict[str, Any]) -> None:
        """Raise :class:`TooMany` for an account that has lowered limits again and again: each time
        is a request at the venue's desk, of which the core remembers the newest alone.  A kill
        switch is not counted."""
        query = """
            select count(*) from audit where user_id = %(user)s and action = 'own limit lowered'
                and at > now() - interval '24 hours'
        """
        if terms["name"] == KILLED:
            return
        if (await rows_of(connection, query, terms))[0]["count"] >= MOST_A_DAY:
            text = f"{MOST_A_DAY} lower limits of an account in 24 hours are all"
            raise TooMany(text, retry_after_s=3_600)

    async def _find(self, terms: dict[str, Any]) -> Row | None:
        query = """
            select * from own_limits
            where user_id = %(user)s and name = %(name)s and symbol = %(symbol)s
        """
        return await self.database.row(query, **terms)

    async def _row(self, connection: Any, terms: dict[str, Any]) -> Row:
        """The locked row of a limit, made without one.  Raises :class:`InvalidRequest`."""
        query = "select count(*) from own_limits where user_id = %(user)s"
        count = (await rows_of(connection, query, terms))[0]["count"]
        query = """
            select * from own_limits
            where user_id = %(user)s and name = %(name)s and symbol = %(symbol)s for update
        """
        found = await rows_of(connection, query, terms)
        if found:
            return found[0]
        if count >= MOST:
            raise InvalidRequest(f"an account has {MOST} limits at most")
        query = """
            insert into own_limits (user_id, name, symbol, changed_at)
            values (%(user)s, %(name)s, %(symbol)s, %(now)s) returning *
        """
        return (await rows_of(connection, query, terms))[0]

    def _shown(self, row: Row) -> str:
        """A limit and its wanted value, for a mail."""
        place = f"{row['name']} {row['symbol']}".rstrip()
        return f"{place}: {self.text(row['name'], row['symbol'], row['wanted'])}"

    async def _reader(self, user_id: int) -> Row:
        """Who reads a mail."""
        query = "select mail, language, mail_word from users where id = %(id)s"
        user = await self.database.row(query, id=user_id)
        assert user is not None
        return user

    async def confirm(
        self, raiser_id: int, number: int, code: str, totp: str, caller: Caller
    ) -> Row:
        """Confirm a wider limit with the mailed code and the second factor: it waits from now on.
        Raises :class:`WrongCredentials`, :class:`IdentityChanged` or :class:`Declined`."""
        row = await self.one(raiser_id, number)
        if row["state"] != UNCONFIRMED:
            raise Declined("nothing_to_confirm", "nothing of this limit is to be confirmed", 409)
        await self.accounts.require_factors(raiser_id, f"{PURPOSE}{number}", code, totp, caller)
        now = self.accounts.now()
        query = """
            update own_limits set state = 'waiting', usable_at = %(until)s, changed_at = %(now)s
            where id = %(id)s and state = 'unconfirmed' and changed_at = %(was)s returning *
        """
        values = {"id": number, "now": now, "until": now + self.accounts.wait}
        values["was"] = row["changed_at"]
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, raiser_id, row["user_id"])
            changed = await rows_of(connection, query, values)
            if not changed:
                raise Declined("nothing_to_confirm", "this limit has changed", 409)
            shown = self._shown(changed[0])
            await audit(connection, row["user_id"], "wider own limit confirmed", caller, shown)
        until = shown_time(changed[0]["usable_at"])
        user = await self._reader(raiser_id)
        self.accounts.mail(user, "limit_waits", limit=shown, until=until)
        return changed[0]

    async def cancel(self, owner_id: int, number: int, caller: Caller) -> Row:
        """Take a wider limit back that is not in force yet.  Raises :class:`NotFound`."""
        row = await self.one(owner_id, number)
        query = """
            update own_limits set state = '', wanted = null, usable_at = null,
                changed_at = %(now)s
            where id = %(id)s and state in ('unconfirmed', 'waiting') returning *
        """
        values = {"id": number, "now": self.accounts.now()}
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.REVOKE, row["user_id"])
            changed = await rows_of(connection, query, values)
            if not changed:
                raise Declined("not_waiting", "nothing of this limit waits", 409)
            await audit(connection, row["user_id"], "wider own limit cancelled", caller)
        return changed[0]

    async def one(self, owner_id: int, number: int) -> Row:
        """A limit of an account, or of one of its sub-accounts.  Raises :class:`NotFound`."""
        query = """
            select own_limits.* from own_limits join users on users.id = user_id
            where own_limits.id = %(id)s and %(owner)s in (users.id, users.parent_id)
        """
        row = await self.database.row(query, id=number, owner=owner_id)
        if row is None:
            raise NotFound("there is no such limit")
        return row

    # The venue

    async def _sent(self, number: int) -> Row:
        """Have the core what is written here.  One at a time sends a limit, and always its newest
        value.  Raises :class:`Unavailable` or :class:`Declined`."""
        query = """
            select own_limits.*, users.participant, users.is_open
            from own_limits join users on users.id = user_id where own_limits.id = %(id)s
            for update of own_limits
        """
        refused = ""
        async with self.database.transaction() as connection:
            (row,) = await rows_of(connection, query, {"id": number})
            if row["is_set"]:
                return row
            if not row["is_open"]:
                raise Unavailable("the venue has not added this account yet: try again")
            try:
                await asyncio.to_thread(self.ask_desk, _request(row))
            except DeskError as error:
                if error.code == UNAVAILABLE:
                    text = "the venue does not answer; the limit counts as soon as it does"
                    raise Unavailable(text) from None
                refused = str(error)
                log.warning("own limit %d: %s", number, error)
            query = """
                update own_limits set is_set = true, detail = %(detail)s,
                    value = case when %(detail)s = '' then value else in_force end,
                    in_force = case when %(detail)s = '' then value else in_force end
                where id = %(id)s returning *
            """
            given = {"id": number, "detail": refused[:500]}
            (row,) = await rows_of(connection, query, given)
        if refused:
            raise Declined("refused", f"the venue refused it: {refused}", 409)
        return row

    async def run(self) -> None:
        """Set what is due, again and again; until cancelled."""
        import psycopg

        while True:
            try:
                await self.go_on()
            except (DatabaseError, psycopg.Error, OSError) as error:
                log.error("own limits: %s", error)
            await asyncio.sleep(LOOK_S)

    async def go_on(self) -> None:
        """Set what a portal that died, or a venue that was away, has left; what has waited long
        enough; and forget what was not confirmed in time."""
        now = self.accounts.now()
        query = """
            update own_limits set value = wanted, wanted = null, state = '', usable_at = null,
                is_set = false, hold = encode(sha256(hold::bytea || now()::text::bytea), 'hex'),
                changed_at = %(now)s
            where state = 'waiting' and usable_at <= %(now)s and is_set and not exists (
                select 1 from users left join users as mains on mains.id = users.parent_id
                where users.id = user_id
                    and coalesce(users.frozen_at, mains.frozen_at) is not null)
        """
        await self.database.rows(f"{query} returning id", now=now)
        query = """
            update own_limits set state = '', wanted = null
            where state = 'unconfirmed' and changed_at <= %(since)s returning id
        """
        await self.database.rows(query, since=now - CODE_LASTS)
        for row in await self.database.rows("select id from own_limits where not is_set"):
            try:
                async with self._turns.turn(""):
                    await self._sent(row["id"])
            except (Unavailable, Declined) as error:
                log.warning("own limit %d: %s", row["id"], error)


def _request(row: Row) -> dict[str, Any]:
    """Return the request to the desk for a limit."""
    name, value = row["name"], row["value"]
    wanted: Any = NONE if value is None else value
    if name in SWITCHES:
        wanted = value is not None
    return {
        "do": "own-limit",
        "participant": row["participant"],
        "limit": AT_THE_DESK[name],
        "instrument": row["symbol"],
        "value": wanted,
        "reference": f"o {row['id']} {row['hold'][:16]}",
    }
