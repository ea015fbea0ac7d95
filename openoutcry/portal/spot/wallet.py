"""``/sapi``: what a key, its account and each of the account's wallets may do and hold."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from openoutcry.portal.accounts.states import ALLOWED, Action, State
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.api import Request, Spot
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import DAY_MS
from openoutcry.portal.spot.signed import capital_of
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.trading.instruments import text_of
from openoutcry.portal.trading.mirror import Mirror

VALUED_IN, DECIMALS = "BTC", 8
"""The asset in which balances are valued if a request names none, and the decimals of a value."""
SNAPSHOTS = 7, 30
"""Days of snapshots, at least and at most."""
WALLETS = (
    "Spot", "Funding", "Cross Margin", "Isolated Margin", "USDⓈ-M Futures", "COIN-M Futures",
    "Earn", "Options", "Trading Bots",
)  # fmt: skip
"""Binance's; an account here has the first two."""


async def key_permissions(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/account/apiRestrictions: what the key may do, whatever its account's state."""
    key = request.key
    assert key is not None
    return {
        "ipRestrict": bool(key.networks),
        "createTime": await spot.signing.keys.created_ms(key.number),
        "enableReading": True,
        "enableSpotAndMarginTrading": key.can_trade,
        "enableWithdrawals": key.can_withdraw,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": key.can_trade and not key.is_sub,
        "enableMargin": False,
        "enableFutures": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }


async def account_status(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/account/status: ``Normal``, or the state that the operator set."""
    assert request.key is not None
    state = request.key.state
    return {"data": "Normal" if state is State.ACTIVE else state.capitalize()}


async def trading_status(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/account/apiTradingStatus: no account is locked for its rates of orders; an
    operator may have frozen it."""
    assert request.key is not None
    data = {
        "isLocked": Action.TRADE not in ALLOWED[request.key.state],
        "plannedRecoverTime": 0,
        "triggerCondition": {"GCR": 0, "IFER": 0, "UFR": 0},
        "updateTime": 0,
    }
    return {"data": data}


async def account_info(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/account/info."""
    names = "isMarginEnabled", "isFutureEnabled", "isOptionsEnabled"
    assert request.key is not None
    return {"vipLevel": request.key.level, **dict.fromkeys(names, False)}


def held(mirror: Mirror, participant: int, request: Request, is_full: bool) -> list[dict[str, Any]]:
    """Return the balances above 0, or that of the parameter ``asset``, with their values where the
    request asks for them.  Raises :class:`ApiError` for an unknown asset."""
    params, decimals = request.params, mirror.markets.assets
    asset, prices = _asset(request, mirror), None
    if params.flag("needBtcValuation"):
        prices = Prices(mirror, VALUED_IN)
    rows = []
    for name, (free, locked) in mirror.balances(participant).items():
        if asset != name and (asset or not free + locked):
            continue
        row = {
            "asset": name,
            "free": text_of(free, decimals[name]),
            "locked": text_of(locked, decimals[name]),
            "freeze": "0",
            "withdrawing": "0",
        }
        worth = prices.value(name, free + locked) if prices is not None else Fraction(0)
        rows.append(row | ({"ipoable": "0"} if is_full else {}) | {"btcValuation": in_text(worth)})
    return rows


async def user_assets(spot: Spot, request: Request) -> Any:
    """POST /sapi/v3/asset/getUserAsset: the spot wallet."""
    return held(spot.mirror, request.participant, request, True)


async def funding_assets(spot: Spot, request: Request) -> Any:
    """POST /sapi/v1/asset/get-funding-asset: empty before the first transfer to the wallet."""
    participant = await _funding(spot, request)
    return held(spot.mirror, participant, request, False) if participant else []


async def wallet_balances(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/asset/wallet/balance: what each wallet is worth in ``quoteAsset``, at the last
    prices."""
    quote = request.params.text("quoteAsset", VALUED_IN)
    owners = {"Spot": request.participant, "Funding": await _funding(spot, request)}
    rows, prices = [], Prices(spot.mirror, quote)
    for name in WALLETS:
        owner = owners.get(name, 0)
        balances = spot.mirror.balances(owner) if owner else {}
        worth = in_text(prices.worth(balances))
        rows.append({"activate": bool(owner), "balance": worth, "walletName": name})
    return rows


async def snapshots(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/accountSnapshot: the spot wallet at the ends of past days, the oldest first,
    valued at the last prices of now.  Wallets that an account here does not have are empty."""
    params = request.params
    kind, (start_ms, end_ms) = params.needed("type"), params.times_ms()
    if kind not in ("SPOT", "MARGIN", "FUTURES"):
        raise errors.illegal("type", "^(SPOT|MARGIN|FUTURES)$")
    count = min(max(params.whole("limit", SNAPSHOTS[0]), SNAPSHOTS[0]), SNAPSHOTS[1])
    last = (now_ms() if end_ms is None else min(end_ms, now_ms())) // DAY_MS - 1
    first = last - count + 1 if start_ms is None else max(start_ms // DAY_MS, last - count + 1)
    rows = []
    if kind == "SPOT" and spot.day_balances is not None:
        rows = await spot.day_balances(request.participant, 0, last)
    known: dict[str, tuple[int, int]] = {}
    decimals, shown, at = spot.mirror.markets.assets, [], 0
    prices = Prices(spot.mirror, VALUED_IN)
    rows.sort(key=lambda row: row["day"])
    for day in range(min(first, rows[0]["day"]) if rows else last + 1, last + 1):
        while at < len(rows) and rows[at]["day"] <= day:
            known[rows[at]["asset"]] = rows[at]["available"], rows[at]["reserved"]
            at += 1
        if day < first or not known:
            continue
        balances = [
            {
                "asset": name,
                "free": text_of(free, decimals[name]),
                "locked": text_of(locked, decimals[name]),
            }
            for name, (free, locked) in sorted(known.items())
        ]
        data = {"balances": balances, "totalAssetOfBtc": in_text(prices.worth(known))}
        shown.append({"data": data, "type": "spot", "updateTime": (day + 1) * DAY_MS - 1_000})
    return {"code": 200, "msg": "", "snapshotVos": shown}


async def asset_details(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/asset/assetDetail: whether each asset comes and goes."""
    asset, shown = _asset(request, spot.mirror), {}
    for name in spot.mirror.markets.assets:
        networks = spot.capital.networks(name) if spot.capital is not None else []
        if asset not in ("", name):
            continue
        shown[name] = {
            "minWithdrawAmount": networks[0]["withdrawMin"] if networks else "0",
            "depositStatus": any(network["depositEnable"] for network in networks),
            "withdrawFee": 0,
            "withdrawStatus": any(network["withdrawEnable"] for network in networks),
        }
    return shown


async def deposit_addresses(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/deposit/address/list: where a coin may be sent, by network."""
    capital = capital_of(spot)
    coin, network = capital.coin(request.params), request.params.text("network")
    rows = []
    for one in capital.networks(coin):
        if one["depositEnable"] and network in ("", one["network"]):
            found = await capital.address_of(request.participant, coin, one["network"])
            is_default = int(one["isDefault"])
            row = {name: found[name] for name in ("coin", "address", "tag")}
            rows.append(row | {"isDefault": is_default})
    return rows


def answers(body: Any) -> Any:
    """Answer with ``body``: what an account here never has, in the shape in which clients read
    it."""

    async def handler(spot: Spot, request: Request) -> Any:
        return body

    return handler


NO_ROWS = answers({"rows": [], "total": 0})
NO_DUST = answers({"total": 0, "userAssetDribblets": []})
NO_SMALL_BALANCES = answers(
    {"details": [], "totalTransferBtc": "0", "totalTransferBNB": "0", "dribbletPercentage": "0"}
)


async def _funding(spot: Spot, request: Request) -> int:
    """The participant of the key's funding wallet; 0: there is none yet."""
    key = request.key
    assert key is not None
    return 0 if spot.subs is None or key.is_sub else await spot.subs.funding_participant(key)


def _asset(request: Request, mirror: Mirror) -> str:
    """The parameter ``asset``; nothing: all.  Raises :class:`ApiError` for an unknown one."""
    asset = request.params.text("asset")
    if asset and asset not in mirror.markets.assets:
        raise ApiError(errors.BAD_SYMBOL, "Invalid asset.")
    return asset


class Prices:
    """What amounts are worth in one asset at the last prices of now."""

    def __init__(self, mirror: Mirror, quote: str) -> None:
        self.quote, self.decimals = quote, mirror.markets.assets
        self.rates: dict[tuple[str, str], Fraction] = {}
        for market in mirror.markets.all:
            last = mirror.tapes[market.index].last
            if last is None or last.price <= 0:
                continue
            price = Fraction(market.price(last.price))
            self.rates[market.base, market.quote] = price
            self.rates[market.quote, market.base] = 1 / price

    def value(self, asset: str, units: int) -> Fraction:
        """Return what an amount is worth by one market, or by two with an asset between; 0 where
        none leads there."""
        rates, quote = self.rates, self.quote
        if quote not in self.decimals or not units:
            return Fraction(0)
        amount = Fraction(units, 10 ** self.decimals[asset])
        if asset == quote:
            return amount
        if (asset, quote) in rates:
            return amount * rates[asset, quote]
        ways = [one for one in self.decimals if (asset, one) in rates and (one, quote) in rates]
        return amount * rates[asset, ways[0]] * rates[ways[0], quote] if ways else Fraction(0)

    def worth(self, balances: Mapping[str, tuple[int, int]]) -> Fraction:
        """Return what balances, available and reserved by asset, are worth together."""
        values = (self.value(asset, sum(units)) for asset, units in balances.items())
        return sum(values, Fraction(0))


def in_text(worth: Fraction) -> str:
    """Return a value as decimal text, cut off after ``DECIMALS``."""
    return text_of(int(worth * 10**DECIMALS), DECIMALS)
