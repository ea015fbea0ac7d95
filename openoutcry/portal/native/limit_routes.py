"""The routes of ``/v1`` for limits that owners set on their own accounts, and the kill switch."""

from dataclasses import dataclass
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import Declined
from openoutcry.portal.accounts.own_limits import KILLED, WAITING, OwnLimits
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.body import Body
from openoutcry.portal.database import Row
from openoutcry.portal.native.callers import Asking, Callers
from openoutcry.portal.native.routes import Confirmation

TAGS: list[Any] = ["account"]


@dataclass
class NewOwnLimit(Body):
    """``symbol``: of a limit of one instrument; ``value``: decimal text, ``none`` for no limit, or
    ``true`` and ``false``; ``sub_account``: the number of one, 0 is one's own."""

    limit: str
    value: str
    symbol: str = ""
    sub_account: int = 0


@dataclass
class Kill(Body):
    """``sub_account``: the number of one, 0 is one's own."""

    sub_account: int = 0


@dataclass
class NativeLimits:
    """Parts of the routes."""

    callers: Callers
    limits: OwnLimits
    subs: SubAccounts

    def row(self, row: Row) -> models.OwnLimitRow:
        """A limit as its owner sees it."""
        place = row["name"], row["symbol"]
        value = self.limits.text(*place, row["value"])
        waits = row["state"] != ""
        wanted = self.limits.text(*place, row["wanted"]) if waits else ""
        state = row["state"] or ("in force" if row["is_set"] else "being set")
        until = row["usable_at"] if row["state"] == WAITING else None
        names = row["id"], row["user_id"]
        return models.OwnLimitRow(*names, *place, value, state, wanted, until, row["detail"])

    async def account(self, asking: Asking, number: int) -> int:
        """The user of the account that is asked for: one's own, or one's own sub-account."""
        asking.require_participant()
        return (await self.subs.account(asking.user_id, number)).user_id

    async def put(
        self, asking: Asking, account: int, wanted: tuple[str, str, str], request: Any
    ) -> models.OwnLimitRow:
        """Set a limit as the caller may."""
        asking.require_settings(Action.REVOKE)
        user_id = await self.account(asking, account)
        raiser = asking.user_id if asking.is_person else 0
        caller, owner = asking.caller(request), asking.owner
        return self.row(await self.limits.put(user_id, wanted, caller, raiser, owner))


def add_limits(app: Any, native: NativeLimits) -> None:
    """Add every route to an application of FastAPI."""
    _add_limits(app, native, native.callers.parameter())


def _add_limits(app: Any, native: NativeLimits, asking_type: Any) -> None:
    from fastapi import Request

    limits, path, row_model = native.limits, "/v1/own-limits", models.OwnLimitRow

    @app.get(path, response_model=list[models.OwnLimitRow], tags=TAGS)
    async def own_limits(asking: asking_type, sub_account: int = 0) -> Any:
        user_id = await native.account(asking, sub_account)
        return [native.row(row) for row in await limits.of_user(user_id)]

    @app.put(path, response_model=row_model, tags=TAGS)
    async def set_own_limit(asking: asking_type, body: NewOwnLimit, request: Request) -> Any:
        wanted = body.limit, body.symbol, body.value
        return await native.put(asking, body.sub_account, wanted, request)

    @app.post("/v1/kill", response_model=row_model, tags=TAGS)
    async def kill(asking: asking_type, body: Kill, request: Request) -> Any:
        return await native.put(asking, body.sub_account, (KILLED, "", "true"), request)

    @app.post(f"{path}/{{number}}/confirm", response_model=row_model, tags=TAGS)
    async def confirm_own_limit(
        asking: asking_type, number: int, body: Confirmation, request: Request
    ) -> Any:
        asking.require_settings(Action.WITHDRAW)
        if not asking.is_person:
            raise Declined("lowers_only", "an API key lowers limits, and never raises them")
        terms = number, body.code, body.totp, asking.caller(request)
        return native.row(await limits.confirm(asking.user_id, *terms))

    @app.delete(f"{path}/{{number}}", response_model=row_model, tags=TAGS)
    async def cancel_own_limit(asking: asking_type, number: int, request: Request) -> Any:
        asking.require_settings(Action.REVOKE)
        return native.row(await limits.cancel(asking.user_id, number, asking.caller(request)))
