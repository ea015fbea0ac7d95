"""``/sapi/v1/sub-account`` and ``/sapi/v1/asset/transfer``: sub-accounts and transfers in the API's
shape.

A sub-account has an address that names it.  The funding wallet is the sub-account ``funding``,
which the first transfer to it makes.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from openoutcry.portal.accounts.accounts import Caller
from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.accounts.sub_accounts import Account, SubAccounts
from openoutcry.portal.database import Row
from openoutcry.portal.money.transfers import DONE, Transfers, Wanted
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.errors import ApiError, illegal
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.trade import order_id_of
from openoutcry.portal.trading.instruments import text_of
from openoutcry.wire.decimals import AmountError, units_of

FUNDING, OPENS_S, LOOK_S = "funding", 5.0, 0.05
"""The funding wallet's label; the venue adds its participant within; between two looks."""
TO_FUNDING, FROM_FUNDING = "MAIN_FUNDING", "FUNDING_MAIN"
KINDS = {TO_FUNDING: (False, True), FROM_FUNDING: (True, False)}
"""Whether a transfer's source and its target are the funding wallet."""
WALLETS = {"MAIN", "FUNDING", "UMFUTURE", "CMFUTURE", "MARGIN", "OPTION", "C2C", "MINING"}
"""All that a type is made of at Binance; an account here has the first two."""
MOST = 500
CODES = {
    "insufficient_balance": (-12024, "Insufficient balance."),
    "same_account": (-12017, "A transfer is between two accounts."),
    "idempotency_key_reused": (-12022, "This clientTranId belongs to another transfer."),
}
T = TypeVar("T")


class SubAccountsApi:
    """Answers of this part of the API."""

    def __init__(self, accounts: SubAccounts, transfers: Transfers) -> None:
        self.accounts, self.transfers = accounts, transfers
        self.mirror = transfers.mirror

    # Sub-accounts

    async def create(self, key: ApiKey, params: Params, address: str) -> Any:
        """A sub-account with this label, new or known; the answer has its address.

        Raises :class:`ApiError`, also for the key of a sub-account."""
        self._require_main(key)
        label = params.needed("subAccountString")
        row = await _said(self.accounts.create(key.user_id, label, Caller(address, "API")))
        return {"email": row["mail"]}

    async def listed(self, key: ApiKey, params: Params) -> Any:
        """The sub-accounts, or the one with this ``email``.

        Raises :class:`ApiError` for the key of a sub-account."""
        self._require_main(key)
        mail = params.text("email")
        rows = [
            {
                "subUserId": row["id"],
                "email": row["mail"],
                "remark": row["label"],
                "isFreeze": row["frozen_at"] is not None,
                "createTime": int(row["created_at"].timestamp() * 1000),
                "isManagedSubAccount": False,
                "isAssetManagementSubAccount": False,
            }
            for row in await self.accounts.of_user(key.user_id)
            if mail in ("", row["mail"])
        ]
        return {"subAccounts": rows}

    async def assets(self, key: ApiKey, params: Params) -> Any:
        """Balances of a sub-account of the user.

        Raises :class:`ApiError` for an unknown one, and for the key of a sub-account."""
        self._require_main(key)
        one = await _said(self.accounts.by_mail(key.user_id, params.needed("email")))
        decimals = self.mirror.markets.assets
        return {
            "balances": [
                {
                    "asset": name,
                    "free": text_of(free, decimals[name]),
                    "locked": text_of(reserved, decimals[name]),
                    "freeze": "0",
                    "withdrawing": "0",
                }
                for name, (free, reserved) in self.mirror.balances(one.participant).items()
            ]
        }

    # Transfers

    async def universal(self, key: ApiKey, params: Params, address: str) -> Any:
        """Transfer between any two accounts of the user."""
        self._require_main(key)
        for name in ("fromAccountType", "toAccountType"):
            if params.needed(name) != "SPOT":
                raise illegal(name)
        source, target = [
            await _said(self.accounts.by_mail(key.user_id, params.text(name)))
            for name in ("fromEmail", "toEmail")
        ]
        ends = source, target
        row = await self._move(key, key.user_id, params, ends, "clientTranId", address)
        return {"tranId": row["id"], "clientTranId": row["client_id"]}

    async def to_main(self, key: ApiKey, params: Params, address: str) -> Any:
        """Transfer from the sub-account whose key makes the request to the main account."""
        if not key.is_sub:
            raise ApiError(errors.REJECTED_KEY, "This account is not a sub-account.")
        main = await self.accounts.main_of(key.user_id)
        source, target = [await self.accounts.account(main, one) for one in (key.user_id, main)]
        ends = source, target
        return {"txnId": (await self._move(key, main, params, ends, "", address))["id"]}

    async def between_wallets(self, key: ApiKey, params: Params, address: str) -> Any:
        """Transfer between the spot wallet and the funding wallet."""
        self._require_main(key)
        kind = params.needed("type")
        if kind not in KINDS:
            raise illegal("type")
        funding = await self._funding(key.user_id, address)
        main = await self.accounts.account(key.user_id, 0)
        ends = (funding, main) if kind == FROM_FUNDING else (main, funding)
        return {"tranId": (await self._move(key, key.user_id, params, ends, "", address))["id"]}

    async def universal_history(self, key: ApiKey, params: Params) -> Any:
        """The last transfers between any accounts of the user, the newest first.

        Raises :class:`ApiError` for the key of a sub-account."""
        self._require_main(key)
        mails = {row["id"]: row["mail"] for row in await self.accounts.of_user(key.user_id)}
        main = await self.accounts.account(key.user_id, 0)
        mails[key.user_id] = main.mail
        rows = [
            {
                "tranId": row["id"],
                "fromEmail": mails[row["source_id"]],
                "toEmail": mails[row["target_id"]],
                "clientTranId": row["client_id"],
                "createTimeStamp": _ms(row),
                "fromAccountType": "SPOT",
                "toAccountType": "SPOT",
                "status": _status(row, "SUCCESS"),
            }
            | self._amount(row)
            for row in await self.transfers.of_user(key.user_id, 0, MOST)
        ]
        return {"result": rows, "totalCount": len(rows)}

    async def wallets_history(self, key: ApiKey, params: Params) -> Any:
        """The last transfers between the spot wallet and the funding wallet, the newest first.
        For the wallets of Binance that an account here has not, the list is empty.

        Raises :class:`ApiError` for an unknown type, and for the key of a sub-account."""
        self._require_main(key)
        kind = params.needed("type")
        source, _, target = kind.partition("_")
        if {source, target} - WALLETS or source == target:
            raise illegal("type")
        if kind not in KINDS:
            return {"rows": [], "total": 0}
        funding = {row["id"] for row in await self._funding_rows(key.user_id)}
        rows = [
            {"tranId": row["id"], "type": kind, "timestamp": _ms(row)}
            | {"status": _status(row, "CONFIRMED")}
            | self._amount(row)
            for row in await self.transfers.of_user(key.user_id, 0, MOST)
            if KINDS[kind] == (row["source_id"] in funding, row["target_id"] in funding)
        ]
        return {"rows": rows, "total": len(rows)}

    async def funding_participant(self, key: ApiKey) -> int:
        """Return the participant of the main account's funding wallet; 0: there is none yet."""
        rows = await self._funding_rows(key.user_id)
        return int(rows[0]["participant"] or 0) if rows else 0

    # Helpers

    async def _funding_rows(self, user_id: int) -> list[Row]:
        """The user's sub-accounts with the funding wallet's label."""
        rows = await self.accounts.of_user(user_id)
        return [row for row in rows if row["label"].lower() == FUNDING]

    def _amount(self, row: Row) -> dict[str, str]:
        text = text_of(row["amount"], self.mirror.markets.assets[row["asset"]])
        return {"asset": row["asset"], "amount": text}

    def _require_main(self, key: ApiKey) -> None:
        if key.is_sub:
            raise ApiError(errors.REJECTED_KEY, "Only the main account may request this.")

    async def _funding(self, user_id: int, address: str) -> Account:
        """The funding wallet; the venue adds its participant before this returns."""
        row = await _said(self.accounts.create(user_id, FUNDING, Caller(address, "API")))
        found = await self.accounts.account(user_id, row["id"])
        loop = asyncio.get_running_loop()
        until_s = loop.time() + OPENS_S
        while not found.participant and loop.time() < until_s:
            await asyncio.sleep(LOOK_S)
            found = await self.accounts.account(user_id, row["id"])
        return found

    async def _move(
        self,
        key: ApiKey,
        main: int,
        params: Params,
        ends: tuple[Account, Account],
        name: str,
        address: str,
    ) -> Row:
        asset = params.needed("asset")
        if asset not in self.mirror.markets.assets:
            raise ApiError(errors.BAD_SYMBOL, "Invalid asset.")
        try:
            units = units_of(params.needed("amount"), self.mirror.markets.assets[asset])
        except AmountError:
            raise illegal("amount") from None
        if not 0 < units < 2**61:
            raise illegal("amount")
        # A request counts once: without a name it has one of what was signed.
        client_id = params.client_id(name) if name else ""
        wanted = Wanted(client_id or order_id_of(key.participant, params), *ends, asset, units)
        return await _said(self.transfers.begin(main, wanted, Caller(address, "API")))


async def _said(work: Awaitable[T]) -> T:
    """Raises :class:`ApiError` for what an account refuses."""
    try:
        return await work
    except AccountError as error:
        raise errors.refusal(error, CODES) from None


def _status(row: Row, done: str) -> str:
    if row["state"] == DONE:
        return done
    return "FAILURE" if row["state"] == "refused" else "PROCESS"


def _ms(row: Row) -> int:
    return int(row["created_at"].timestamp() * 1000)
