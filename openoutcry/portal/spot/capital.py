"""``/sapi/v1/capital``: deposits and withdrawals in the API's shape."""

import hashlib
from typing import Any

from openoutcry.portal.accounts.accounts import Caller
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import Row
from openoutcry.portal.money.withdrawals import (
    LAST_MS,
    Asked,
    Chosen,
    Deposit,
    Withdrawals,
    utc_seconds,
)
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from openoutcry.portal.trading.instruments import text_of
from openoutcry.wire.decimals import AmountError, units_of

STATUS = {
    "unconfirmed": 0,
    "cancelled": 1,
    "expired": 1,
    "confirmed": 2,
    "requested": 2,
    "refused": 3,
    "approved": 4,
    "sent": 4,
    "failed": 5,
    "done": 6,
}
"""A withdrawal's states: email sent, cancelled, awaiting approval, rejected, processing, failure,
completed."""
DEPOSIT_STATUS = {"pending": 0, "seen": 0, "credited": 1, "reversed": 7}
"""Pending, success, wrong."""
MOST = 1_000
CODES = {
    "not_withdrawable": (-4019, "The current currency is not open for withdrawal"),
    "invalid_address": (-4007, "The address is not valid for this network"),
    "too_small": (-4022, ""),
    "daily_limit": (-4023, "Within 24 hours, the withdrawal exceeds the maximum amount."),
    "wrong_network": (-4007, ""),
    "bad_checksum": (-4007, ""),
    "bad_address": (-4007, ""),
    "tag_missing": (-4007, ""),
    "own_address": (-4007, ""),
    "unsupported": (-4007, ""),
    "sanctioned": (-4007, ""),
    "not_whitelisted": (-4007, "The address is not in the list of your account."),
    "address_locked": (-4007, "The address was added too recently."),
    "below_dust": (-4022, ""),
    "insufficient_balance": (-4026, "User has insufficient balance"),
    "idempotency_key_reused": (-4014, "This withdrawOrderId belongs to another withdrawal."),
}


def name_of(params: Params) -> str:
    """The name of a withdrawal that its owner gives none: of what was signed, so that the same
    request is one withdrawal also after a restart of the portal.  A signature can be written in
    several ways, so it is not a part of it."""
    signed = sorted(row for row in params.values.items() if row[0] != "signature")
    return f"s {hashlib.sha256(str(signed).encode()).hexdigest()[:32]}"


class Capital:
    """Answers of this part of the API."""

    def __init__(self, withdrawals: Withdrawals) -> None:
        self.withdrawals = withdrawals
        self.mirror = withdrawals.mirror

    def coin(self, params: Params, needed: bool = True) -> str:
        """Raises :class:`ApiError`."""
        name = params.needed("coin") if needed else params.text("coin")
        if name and name not in self.mirror.markets.assets:
            raise ApiError(errors.BAD_SYMBOL, "Invalid coin.")
        return name

    async def apply(
        self, user_id: int, participant: int, params: Params, address: str, agent: str
    ) -> dict[str, str]:
        """Begin a withdrawal; the answer has its id.

        The same request again is the same withdrawal.  ``agent``: the API key, for the audit trail.
        Raises :class:`ApiError`."""
        coin = self.coin(params)
        decimals = self.mirror.markets.assets[coin]
        text = params.decimal("amount", is_needed=True) or params.needed("amount")
        try:
            units = units_of(text, decimals)
        except AmountError:
            step = text_of(1, decimals)
            raise ApiError(
                -4021, f"Asset withdrawal must be an {step} multiple of {step}"
            ) from None
        name = params.client_id("withdrawOrderId") or name_of(params)
        where = params.needed("address"), params.text("addressTag")
        if len(where[1]) > 128 or not where[1].isprintable():
            raise errors.illegal("addressTag")
        asked = Asked(name, coin, params.text("network"), *where, units)
        caller = Caller(address, agent)
        try:
            row = await self.withdrawals.begin(user_id, participant, asked, caller)
        except AccountError as error:
            raise errors.refusal(error, CODES) from None
        return {"id": id_of(row)}

    async def history(self, user_id: int, params: Params) -> list[dict[str, Any]]:
        """Withdrawals of a user that match the parameters, the newest first.  Raises
        :class:`ApiError`."""
        coin, name = self.coin(params, needed=False), params.client_id("withdrawOrderId")
        status, (since_ms, until_ms) = params.whole_or_none("status"), params.times_ms()
        chosen = Chosen(
            coin,
            name,
            [state for state, number in STATUS.items() if status in (None, number)],
            min(since_ms or 0, LAST_MS),
            LAST_MS if until_ms is None else min(until_ms, LAST_MS),
            params.whole("offset", 0),
        )
        rows = await self.withdrawals.of_user(user_id, 0, params.limit(MOST, MOST), chosen)
        return [self.shown(row) for row in rows]

    def shown(self, row: Row) -> dict[str, Any]:
        """A withdrawal in the API's shape; ``status``: see ``STATUS``."""
        shown = {
            "id": id_of(row),
            "amount": self.withdrawals.text(row["asset"], row["amount"]),
            "transactionFee": "0",
            "coin": row["asset"],
            "status": STATUS[row["state"]],
            "address": row["address"],
            "addressTag": row["tag"],
            "txId": row["txid"],
            "applyTime": utc_seconds(row["created_at"]),
            "network": row["network"],
            "transferType": 0,
            "withdrawOrderId": "" if row["client_id"].startswith("s ") else row["client_id"],
            "info": row["detail"] if row["state"] in ("refused", "failed") else "",
            "confirmNo": row["confirmations"],
            "walletType": 0,
            "txKey": "",
        }
        if row["state"] == "done":
            shown["completeTime"] = utc_seconds(row["changed_at"])
        return shown

    async def address_list(self, user_id: int) -> list[dict[str, Any]]:
        """Addresses that withdrawals may go to; ``whiteStatus``: now."""
        now = self.withdrawals.accounts.now()
        return [
            {
                "address": row["address"],
                "addressTag": "",
                "coin": row["asset"],
                "name": row["label"],
                "network": row["network"],
                "origin": "others",
                "originType": "others",
                "whiteStatus": row["usable_at"] <= now,
            }
            for row in await self.withdrawals.book.of_user(user_id)
            if row["state"] == "listed"
        ]

    async def address(self, participant: int, params: Params) -> dict[str, str]:
        """Return where deposits of a coin go, and the tag that names the participant.

        Raises :class:`ApiError` if the coin has no deposits, or custody does not answer."""
        return await self.address_of(participant, self.coin(params), params.text("network"))

    async def address_of(self, participant: int, coin: str, name: str) -> dict[str, str]:
        """The same of a network by its name; the coin's first one without a name."""
        network = self.withdrawals.file.network(coin, name)
        if network is None or not (network.deposit_address or network.chain):
            raise ApiError(-4019, "The current currency is not open for deposit")
        try:
            address, tag = await self.withdrawals.deposit_address(participant, network)
        except AccountError as error:
            raise errors.refusal(error, CODES) from None
        return {"coin": coin, "address": address, "tag": tag, "url": ""}

    async def deposits(self, participant: int, params: Params) -> list[dict[str, Any]]:
        """Deposits that match the parameters: those that wait for a block first.  Raises
        :class:`ApiError`."""
        coin, status = self.coin(params, needed=False), params.whole_or_none("status")
        start, end = params.whole_or_none("startTime"), params.whole_or_none("endTime")
        found = await self.withdrawals.deposits(participant)
        known = {one.reference for one in found}
        arriving = [
            pending_of(row)
            for row in await self.withdrawals.arriving(participant)
            if row["state"] == "pending" and row["reference"] not in known
        ]
        rows = [
            self.deposit(one, participant)
            for one in [*arriving, *found]
            if coin in ("", one.asset)
            and status in (None, DEPOSIT_STATUS[one.state])
            and (start or 0) <= one.began_ns // 1_000_000 <= (end or 2**62)
        ]
        first = params.whole("offset", 0)
        return rows[first:][: params.limit(MOST, MOST)]

    def deposit(self, one: Deposit, participant: int) -> dict[str, Any]:
        """A deposit in the API's shape; ``status``: see ``DEPOSIT_STATUS``."""
        network = self.withdrawals.file.network(one.asset, "")
        place = one.network, one.address, ""
        if not one.address and network is not None:
            place = network.name, network.deposit_address, self.withdrawals.tag(participant)
        needed = max(1, one.needed)
        blocks = needed if one.state == "credited" else min(one.confirmations, needed)
        return {
            "id": str(one.number or one.reference),
            "amount": self.withdrawals.text(one.asset, one.amount),
            "coin": one.asset,
            "network": place[0],
            "status": DEPOSIT_STATUS[one.state],
            "address": place[1],
            "addressTag": place[2],
            "txId": one.txid or one.reference,
            "insertTime": one.began_ns // 1_000_000,
            "transferType": 0,
            "confirmTimes": f"{blocks}/{needed}",
            "unlockConfirm": needed,
            "walletType": 0,
        }

    def networks(self, coin: str) -> list[dict[str, Any]]:
        """Return the networks for capital/config/getall."""
        decimals = self.mirror.markets.assets[coin]
        chosen = [network for network in self.withdrawals.file.networks if network.asset == coin]
        return [
            {
                "network": one.name,
                "coin": coin,
                "name": one.name,
                "isDefault": one is chosen[0],
                "depositEnable": bool(one.deposit_address or one.chain),
                "withdrawEnable": one.withdraws,
                "depositDesc": "",
                "withdrawDesc": "",
                "withdrawFee": "0",
                "withdrawMin": text_of(one.min_withdrawal, decimals),
                "withdrawMax": text_of(2**61 - 1, decimals),
                "withdrawIntegerMultiple": text_of(1, decimals),
                "addressRegex": one.address.pattern,
                "memoRegex": "",
                "minConfirm": self.withdrawals.confirmations(one),
                "unLockConfirm": self.withdrawals.confirmations(one),
                "sameAddress": bool(one.deposit_address),
                "busy": False,
            }
            for one in chosen
        ]


def id_of(row: Row) -> str:
    """A withdrawal's id, without the venue's mark."""
    return str(row["reference"]).removeprefix("wd").lstrip()


def pending_of(row: dict[str, Any]) -> Deposit:
    """A deposit that waits for a block: the venue does not know it."""
    place = row["network"], row["address"], row["txid"], row["confirmations"], row["needed"]
    moments = row["changed_ns"], row["changed_ns"]
    terms = row["reference"], row["asset"], row["units"], row["state"]
    return Deposit(0, *terms, *moments, *place)
