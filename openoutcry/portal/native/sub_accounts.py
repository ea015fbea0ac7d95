"""The routes of ``/v1`` for sub-accounts, their API keys, and transfers between own accounts."""

from dataclasses import dataclass
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.accounts.routes import ACCOUNT, DONE, NewKey, caller_of, logged_in
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.body import Body
from openoutcry.portal.database import Row
from openoutcry.portal.money.transfers import Transfers, Wanted
from openoutcry.portal.native.callers import Callers, Forbidden
from openoutcry.portal.native.idempotency import key_of
from openoutcry.portal.native.pages import DEFAULT, number_of, page_of
from openoutcry.portal.native.routes import WITH_KEY, balance_rows, limit_type, units_asked
from openoutcry.portal.trading.instruments import text_of
from openoutcry.portal.trading.mirror import Mirror


@dataclass
class NewSubAccount(Body):
    """``label``: 1 to 20 letters, digits, - and _."""

    label: str


@dataclass
class NewTransfer(Body):
    """``source`` and ``target``: the number of a sub-account, 0 is the main account."""

    source: int
    target: int
    asset: str
    amount: str


@dataclass
class Subs:
    """Parts of these routes."""

    callers: Callers
    accounts: SubAccounts
    transfers: Transfers
    keys: ApiKeys
    mirror: Mirror


async def participant_of(accounts: SubAccounts, user_id: int, number: int) -> int:
    """Return the participant of a user's sub-account.

    Raises :class:`NotFound`, or :class:`Forbidden` until the venue has added it."""
    row = await accounts.one(user_id, number)
    if not row["is_open"]:
        raise Forbidden("the venue has not added this account yet: try again")
    return int(row["participant"])


def add_sub_accounts(app: Any, subs: Subs) -> None:
    """Add every route to an application of FastAPI."""
    logged = logged_in(subs.callers.accounts)
    _add_accounts(app, subs, logged)
    _add_keys(app, subs, logged)
    _add_transfers(app, subs, subs.callers.parameter(), limit_type())


def _add_accounts(app: Any, subs: Subs, logged: Any) -> None:
    from fastapi import Request

    accounts = subs.accounts

    @app.get("/v1/sub-accounts", response_model=list[models.SubAccountRow], tags=ACCOUNT)
    async def list_sub_accounts(person: logged) -> Any:
        return [accounts.shown(row) for row in await accounts.of_user(person.user_id)]

    @app.post(
        "/v1/sub-accounts", status_code=201, response_model=models.SubAccountRow, tags=ACCOUNT
    )
    async def new_sub_account(person: logged, body: NewSubAccount, request: Request) -> Any:
        row = await accounts.create(person.user_id, body.label, caller_of(request))
        return accounts.shown(row)

    @app.get(
        "/v1/sub-accounts/{number}/balances", response_model=list[models.Balance], tags=ACCOUNT
    )
    async def sub_account_balances(person: logged, number: int) -> Any:
        return balance_rows(subs.mirror, await participant_of(accounts, person.user_id, number))


def _add_keys(app: Any, subs: Subs, logged: Any) -> None:
    from fastapi import Request

    path = "/v1/sub-accounts/{number}/api-keys"

    @app.get(path, response_model=list[models.ApiKeyRow], tags=ACCOUNT)
    async def list_sub_account_keys(person: logged, number: int) -> Any:
        return await subs.keys.list((await subs.accounts.one(person.user_id, number))["id"])

    @app.post(
        path,
        status_code=201,
        response_model=models.CreatedKey,
        response_model_exclude_none=True,
        tags=ACCOUNT,
    )
    async def new_sub_account_key(
        person: logged, number: int, body: NewKey, request: Request
    ) -> Any:
        row = await subs.accounts.one(person.user_id, number)
        if "withdraw" in body.permissions:
            raise InvalidRequest("permissions: a sub-account does not withdraw")
        return await subs.keys.create(
            person,
            body.label,
            body.permissions,
            body.networks,
            body.expires_at,
            body.public_key,
            body.totp,
            body.password,
            caller_of(request),
            row["id"],
        )

    @app.delete(path + "/{key_number}", response_model=models.Status, tags=ACCOUNT)
    async def revoke_sub_account_key(
        person: logged, number: int, key_number: int, request: Request
    ) -> Any:
        row = await subs.accounts.one(person.user_id, number)
        await subs.keys.revoke(person, key_number, caller_of(request), row["id"])
        return DONE


def _add_transfers(app: Any, subs: Subs, asking_type: Any, limited: Any) -> None:
    from fastapi import Request

    transfers = subs.transfers
    row_model = models.TransferRow

    def shown(row: Row) -> models.TransferRow:
        amount = text_of(row["amount"], subs.mirror.markets.assets[row["asset"]])
        source, target = (
            0 if row[name] == row["user_id"] else int(row[name])
            for name in ("source_id", "target_id")
        )
        state = row["state"] if row["state"] in ("done", "refused") else "under way"
        times = row["created_at"], row["changed_at"]
        names = row["id"], row["client_id"]
        return models.TransferRow(*names, source, target, row["asset"], amount, state, *times)

    @app.post(
        "/v1/transfers",
        response_model=row_model,
        status_code=201,
        tags=["money"],
        openapi_extra=WITH_KEY,
    )
    async def transfer(asking: asking_type, body: NewTransfer, request: Request) -> Any:
        asking.require_transfer()
        units = units_asked(subs.mirror, body.asset, body.amount)
        if units >= 2**61:
            raise InvalidRequest("amount: must be more than 0")
        source, target = [
            await subs.accounts.account(asking.user_id, number)
            for number in (body.source, body.target)
        ]
        caller = asking.caller(request)
        wanted = Wanted(key_of(request), source, target, body.asset, units)
        return shown(await transfers.begin(asking.user_id, wanted, caller))

    @app.get("/v1/transfers", response_model=models.TransferPage, tags=["money"])
    async def list_transfers(
        asking: asking_type, cursor: str = "", limit: limited = DEFAULT
    ) -> Any:
        rows = await transfers.of_user(asking.user_id, number_of("t", cursor), limit + 1)
        chosen, following = page_of("t", rows, limit, lambda row: row["id"])
        return models.TransferPage([shown(row) for row in chosen], following)

    @app.get("/v1/transfers/{number}", response_model=row_model, tags=["money"])
    async def one_transfer(asking: asking_type, number: int) -> Any:
        return shown(await transfers.one(asking.user_id, number))
