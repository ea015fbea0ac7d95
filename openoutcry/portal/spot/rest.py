"""``/api/v3`` and ``/sapi/v1``: the table of requests, and their way over HTTP."""

import json
import logging
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import AGAIN_S, DatabaseError
from openoutcry.portal.spot import (
    contracts,
    errors,
    lists,
    market_data,
    signed,
    times,
    wallet,
)
from openoutcry.portal.spot.api import (
    KEYED,
    PUBLIC,
    Route,
    Spot,
    by_rows,
    by_symbols,
    candles_weight,
    depth_weight,
    each_symbol,
    rates_weight,
    rules_weight,
)
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.signing import READ, TRADE, WITHDRAW

SIGNATURE = re.compile(r"^signature=[^&]*&?|&signature=[^&]*")
MAX_FIELDS = 64
ILLEGAL = "Illegal characters found in a parameter."
UNIVERSAL = "/sapi/v1/sub-account/universalTransfer"
log = logging.getLogger("outcry.portal")

STREAM = "/api/v3/userDataStream"
ONE, SOME = "symbol", "symbol symbols symbolStatus"
TIMES = "startTime endTime limit"
CANDLES = f"{ONE} interval timeZone {TIMES}"
WHICH = f"{ONE} orderId origClientOrderId"
NEW = (
    f"{ONE} side type timeInForce goodTillDate quantity quoteOrderQty price newClientOrderId "
    "strategyId strategyType stopPrice trailingDelta icebergQty newOrderRespType "
    "selfTradePreventionMode pegPriceType pegOffsetValue pegOffsetType"
)
REPLACE = (
    f"{NEW} cancelReplaceMode cancelNewClientOrderId cancelOrigClientOrderId cancelOrderId "
    "cancelRestrictions orderRateLimitExceededMode"
)


def _new_list(name: str, takes: str, orders: int) -> Route:
    return Route(signed.new_list(name), 1, TRADE, takes, orders=orders, is_change=True)


def _no_list(name: str) -> Route:
    text = f"{name} orders are not supported for this symbol."
    return Route(signed.refuses(errors.NEW_ORDER_REJECTED, text), 1, TRADE)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/ping"): Route(market_data.ping, 1, PUBLIC, ""),
    ("GET", "/api/v3/time"): Route(market_data.server_time, 1, PUBLIC, ""),
    ("GET", "/api/v3/exchangeInfo"): Route(
        market_data.exchange_info, 20, PUBLIC, f"{SOME} permissions showPermissionSets"
    ),
    ("GET", "/api/v3/executionRules"): Route(
        market_data.execution_rules, rules_weight, PUBLIC, SOME
    ),
    ("GET", "/api/v3/depth"): Route(
        market_data.depth, depth_weight, PUBLIC, f"{ONE} limit symbolStatus"
    ),
    ("GET", "/api/v3/trades"): Route(market_data.trades, 25, PUBLIC, f"{ONE} limit"),
    ("GET", "/api/v3/historicalTrades"): Route(
        market_data.old_trades, 25, PUBLIC, f"{ONE} limit fromId"
    ),
    ("GET", "/api/v3/aggTrades"): Route(
        market_data.aggregate_trades, by_rows(4, 500, 100), PUBLIC, f"{ONE} fromId {TIMES}"
    ),
    ("GET", "/api/v3/klines"): Route(market_data.klines, candles_weight, PUBLIC, CANDLES),
    ("GET", "/api/v3/uiKlines"): Route(market_data.klines, candles_weight, PUBLIC, CANDLES),
    ("GET", "/api/v3/avgPrice"): Route(market_data.average_price, 2, PUBLIC, ONE),
    ("GET", "/api/v3/ticker/24hr"): Route(
        market_data.day_ticker, by_symbols(2, 40, 80, 20), PUBLIC, f"{SOME} type"
    ),
    ("GET", "/api/v3/ticker/tradingDay"): Route(
        market_data.of_times(market_data.trading_day), each_symbol, PUBLIC, f"{SOME} timeZone type"
    ),
    ("GET", "/api/v3/ticker"): Route(
        market_data.of_times(market_data.rolling), each_symbol, PUBLIC, f"{SOME} windowSize type"
    ),
    ("GET", "/api/v3/ticker/price"): Route(
        market_data.price_ticker, by_symbols(2, 4, 4), PUBLIC, SOME
    ),
    ("GET", "/api/v3/ticker/bookTicker"): Route(
        market_data.book_ticker, by_symbols(2, 4, 4), PUBLIC, SOME
    ),
    ("GET", "/api/v3/referencePrice"): Route(market_data.no_reference_price, 2, PUBLIC, ONE),
    ("GET", "/api/v3/referencePrice/calculation"): Route(
        market_data.no_reference_price, 2, PUBLIC, f"{ONE} symbolStatus"
    ),
    ("POST", "/api/v3/order"): Route(signed.new_order, 1, TRADE, NEW, orders=1, is_change=True),
    ("POST", "/api/v3/order/test"): Route(
        signed.test_order, rates_weight, TRADE, f"{NEW} computeCommissionRates"
    ),
    ("GET", "/api/v3/order"): Route(signed.query_order, 4, READ, WHICH),
    ("DELETE", "/api/v3/order"): Route(
        signed.cancel_order,
        1,
        TRADE,
        f"{WHICH} newClientOrderId cancelRestrictions",
        is_change=True,
    ),
    ("DELETE", "/api/v3/openOrders"): Route(signed.cancel_all, 1, TRADE, ONE, is_change=True),
    ("POST", "/api/v3/order/cancelReplace"): Route(
        signed.cancel_replace, 1, TRADE, REPLACE, orders=1, is_change=True
    ),
    ("GET", "/api/v3/openOrders"): Route(signed.open_orders, by_symbols(6, 6, 80), READ, ONE),
    ("GET", "/api/v3/allOrders"): Route(signed.all_orders, 20, READ, f"{ONE} orderId {TIMES}"),
    ("GET", "/api/v3/myTrades"): Route(
        signed.own_trades,
        lambda params: 5 if params.given("orderId") else 20,
        READ,
        f"{ONE} orderId fromId {TIMES}",
    ),
    ("GET", "/api/v3/account"): Route(signed.account, 20, READ, "omitZeroBalances"),
    ("GET", "/api/v3/account/commission"): Route(signed.account_commission, 20, READ, ONE),
    ("GET", "/api/v3/rateLimit/order"): Route(signed.order_rates, 40, READ, ""),
    ("GET", "/api/v3/myFilters"): Route(signed.own_filters, 40, READ, ONE),
    ("POST", "/api/v3/order/oco"): _new_list("old_oco", lists.OLD_OCO, 2),
    ("POST", "/api/v3/orderList/oco"): _new_list("oco", lists.OCO, 2),
    ("POST", "/api/v3/orderList/oto"): _new_list("oto", lists.OTO, 2),
    ("POST", "/api/v3/orderList/otoco"): _new_list("otoco", lists.OTOCO, 3),
    ("DELETE", "/api/v3/orderList"): Route(
        signed.cancel_list, 1, TRADE, lists.WHICH, is_change=True
    ),
    ("GET", "/api/v3/orderList"): Route(
        signed.query_list, 4, READ, "orderListId origClientOrderId"
    ),
    ("GET", "/api/v3/allOrderList"): Route(signed.all_lists, 20, READ, f"fromId {TIMES}"),
    ("GET", "/api/v3/openOrderList"): Route(signed.open_lists, 6, READ, ""),
    # What this venue does not have.
    ("POST", "/api/v3/orderList/opo"): _no_list("OPO"),
    ("POST", "/api/v3/orderList/opoco"): _no_list("OPOCO"),
    ("POST", "/api/v3/sor/order"): Route(signed.refuses(*errors.NOT_SUPPORTED), 1, TRADE),
    ("POST", "/api/v3/sor/order/test"): Route(signed.refuses(*errors.NOT_SUPPORTED), 1, TRADE),
    ("GET", "/api/v3/myAllocations"): Route(signed.nothing, 20, READ),
    ("GET", "/api/v3/myPreventedMatches"): Route(
        signed.prevented_matches,
        lambda params: 2 if params.given("preventedMatchId") else 20,
        READ,
        f"{ONE} preventedMatchId orderId fromPreventedMatchId limit",
    ),
    ("PUT", "/api/v3/order/amend/keepPriority"): Route(
        signed.amend_order, 4, TRADE, f"{WHICH} newClientOrderId newQty", is_change=True
    ),
    ("GET", "/api/v3/order/amendments"): Route(
        signed.amendments, 4, READ, f"{ONE} orderId fromExecutionId limit"
    ),
    ("GET", "/sapi/v1/margin/allPairs"): Route(signed.nothing, 1, KEYED),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Route(signed.nothing, 1, KEYED),
    ("GET", "/fapi/v1/exchangeInfo"): Route(signed.no_contracts, 1, PUBLIC),
    ("GET", "/fapi/v1/ping"): Route(market_data.ping, 1, PUBLIC, ""),
    ("GET", "/fapi/v1/time"): Route(market_data.server_time, 1, PUBLIC, ""),
    ("GET", "/fapi/v1/premiumIndex"): Route(
        contracts.premium_index, by_symbols(1, 1, 10), PUBLIC, ONE
    ),
    ("GET", "/fapi/v1/openInterest"): Route(contracts.open_interest, 1, PUBLIC, ONE),
    ("GET", "/fapi/v1/fundingInfo"): Route(contracts.funding_info, 1, PUBLIC, ""),
    ("GET", "/fapi/v1/fundingRate"): Route(
        contracts.funding_rate, by_rows(1, 100, 100), PUBLIC, f"{ONE} {TIMES}"
    ),
    ("GET", "/fapi/v1/constituents"): Route(contracts.constituents, 2, PUBLIC, ONE),
    ("GET", "/fapi/v1/ticker/24hr"): Route(
        contracts.of_contracts(contracts.day), by_symbols(2, 2, 40), PUBLIC, ONE
    ),
    ("GET", "/fapi/v1/ticker/price"): Route(
        contracts.of_contracts(contracts.price), by_symbols(1, 1, 2), PUBLIC, ONE
    ),
    ("GET", "/fapi/v1/ticker/bookTicker"): Route(
        contracts.of_contracts(contracts.best), by_symbols(2, 2, 5), PUBLIC, ONE
    ),
    ("GET", "/dapi/v1/exchangeInfo"): Route(signed.no_contracts, 1, PUBLIC),
    ("POST", STREAM): Route(signed.new_listen_key, 2, KEYED),
    ("PUT", STREAM): Route(signed.keep_listen_key, 2, KEYED),
    ("DELETE", STREAM): Route(signed.end_listen_key, 2, KEYED),
    ("GET", "/sapi/v1/system/status"): Route(signed.system_status, 1, PUBLIC),
    ("GET", "/sapi/v1/asset/tradeFee"): Route(signed.trade_fee, 1, READ),
    ("GET", "/sapi/v1/capital/config/getall"): Route(signed.coins, 10, READ),
    ("GET", "/sapi/v1/capital/deposit/address"): Route(signed.deposit_address, 10, READ),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Route(signed.deposits, by_rows(1, 1000, 50), READ),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Route(
        signed.withdraw, 600, WITHDRAW, is_change=True
    ),
    ("GET", "/sapi/v1/capital/withdraw/history"): Route(
        signed.withdrawals, by_rows(10, 1000, 50), READ
    ),
    ("GET", "/sapi/v1/capital/withdraw/address/list"): Route(signed.withdrawal_addresses, 10, READ),
    ("GET", "/sapi/v1/capital/deposit/address/list"): Route(wallet.deposit_addresses, 10, READ),
    ("GET", "/sapi/v1/account/apiRestrictions"): Route(wallet.key_permissions, 1, READ),
    ("GET", "/sapi/v1/account/status"): Route(wallet.account_status, 1, READ),
    ("GET", "/sapi/v1/account/apiTradingStatus"): Route(wallet.trading_status, 1, READ),
    ("GET", "/sapi/v1/account/info"): Route(wallet.account_info, 1, READ),
    ("POST", "/sapi/v3/asset/getUserAsset"): Route(wallet.user_assets, 5, READ),
    ("POST", "/sapi/v1/asset/get-funding-asset"): Route(wallet.funding_assets, 1, READ),
    ("GET", "/sapi/v1/asset/wallet/balance"): Route(wallet.wallet_balances, 60, READ),
    ("GET", "/sapi/v1/accountSnapshot"): Route(wallet.snapshots, 2_400, READ),
    ("GET", "/sapi/v1/asset/assetDetail"): Route(wallet.asset_details, 1, READ),
    ("GET", "/sapi/v1/asset/assetDividend"): Route(wallet.NO_ROWS, 10, READ),
    ("GET", "/sapi/v1/asset/dribblet"): Route(wallet.NO_DUST, 1, READ),
    ("POST", "/sapi/v1/asset/dust-btc"): Route(wallet.NO_SMALL_BALANCES, 1, READ),
    ("GET", "/sapi/v1/spot/delist-schedule"): Route(signed.nothing, 100, KEYED),
    ("POST", "/sapi/v1/asset/transfer"): Route(
        signed.of_subs("between_wallets", True), 900, TRADE, is_change=True
    ),
    ("GET", "/sapi/v1/asset/transfer"): Route(signed.of_subs("wallets_history"), 10, READ),
    ("POST", "/sapi/v1/sub-account/virtualSubAccount"): Route(
        signed.of_subs("create", True), 1, TRADE, is_change=True
    ),
    ("GET", "/sapi/v1/sub-account/list"): Route(signed.of_subs("listed"), 1, READ),
    ("GET", "/sapi/v3/sub-account/assets"): Route(signed.of_subs("assets"), 60, READ),
    ("GET", "/sapi/v4/sub-account/assets"): Route(signed.of_subs("assets"), 60, READ),
    ("POST", UNIVERSAL): Route(signed.of_subs("universal", True), 360, TRADE, is_change=True),
    ("GET", UNIVERSAL): Route(signed.of_subs("universal_history"), 10, READ),
    ("POST", "/sapi/v1/sub-account/transfer/subToMaster"): Route(
        signed.of_subs("to_main", True), 1, TRADE, is_change=True
    ),
}


ROUTES = {at: replace(route, name=f"{at[0]} {at[1]}") for at, route in ROUTES.items()}


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Raises :class:`ApiError` for what is not percent-encoded UTF-8, or no ``name=value``.  A
    signature covers query and body as one text: a value cut in two between them would hold."""
    parts = text.split("&")
    split = [part.partition("=") for part in parts if part]
    if len(parts) > MAX_FIELDS or not all(is_pair for _, is_pair, _ in split):
        raise ApiError(errors.ILLEGAL_CHARS, ILLEGAL)
    pairs = [(name, value) for name, _, value in split]
    if "%" not in text and "+" not in text:
        return pairs
    try:
        return [(_plain(name), _plain(value)) for name, value in pairs]
    except UnicodeDecodeError:
        raise ApiError(errors.ILLEGAL_CHARS, ILLEGAL) from None


def _plain(text: str) -> str:
    return unquote_plus(text, errors="strict")


def joined_pairs(query: str, body: str) -> list[tuple[str, str]]:
    """Return the pairs of query and body; the query takes precedence. Raises :class:`ApiError`."""
    if not body or not query:
        return pairs_of(query or body)
    pairs = pairs_of(query)
    named = {name for name, _ in pairs}
    return pairs + [pair for pair in pairs_of(body) if pair[0] not in named]


JSON = (b"content-type", b"application/json;charset=UTF-8")
as_json = json.JSONEncoder(separators=(",", ":")).encode
"""``json.dumps`` makes an encoder for each text."""


class Endpoint:
    """Answers one row of the table."""

    def __init__(self, spot: Spot, route: Route) -> None:
        self.spot, self.route = spot, route

    async def answer(
        self, query: bytes, body: bytes, headers: dict[bytes, bytes], address: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a whole request, whose ``headers`` are by their
        names in small letters."""
        shown, status, more = await self._answer(query, body, headers, address)
        return status, more, as_json(shown).encode()

    async def _answer(
        self, query: bytes, body: bytes, given: dict[bytes, bytes], address: str
    ) -> tuple[Any, int, dict[str, str]]:
        """Body, status and headers."""
        spot = self.spot

        def read() -> tuple[Params, str]:
            if asks_for_sbe(given):
                raise ApiError(errors.SBE_DISABLED, "SBE is not enabled.")
            in_query, in_body = query.decode(), body.decode()
            params = Params(joined_pairs(in_query, in_body), spot.markets)
            times.FINE.set(times.is_fine(given.get(b"x-mbx-time-unit", b"").decode("latin-1")))
            return params, unsigned(in_query) + unsigned(in_body)

        try:
            api_key = given.get(b"x-mbx-apikey", b"").decode("latin-1")
            shown, headers = await spot.answer(self.route, read, api_key, address)
            return shown, 200, headers
        except ApiError as error:
            retry = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else {}
            return error.body, error.status, error.headers | retry
        except AccountError as error:
            wrong = errors.refusal(error, {})
        except UnicodeDecodeError:
            wrong = ApiError(errors.ILLEGAL_CHARS, ILLEGAL)
        except DatabaseError as fault:
            log.error("%s", fault)
            wrong = ApiError(errors.DISCONNECTED, "Internal error; unable to process.")
            return wrong.body, wrong.status, {"retry-after": str(AGAIN_S)}
        return wrong.body, wrong.status, {}


def asks_for_sbe(headers: dict[bytes, bytes]) -> bool:
    """Return whether a request takes its answer in SBE alone; this portal answers in JSON."""
    accept = headers.get(b"accept", b"").lower()
    return b"application/sbe" in accept and b"json" not in accept and b"*/*" not in accept


def unsigned(text: str) -> str:
    """Return what of a query or a body was signed: all but the signature."""
    return SIGNATURE.sub("", text) if "signature=" in text else text


def endpoints_of(spot: Spot) -> dict[tuple[str, str], Endpoint]:
    """Return what answers each row of the table, by method and path."""
    return {at: Endpoint(spot, route) for at, route in ROUTES.items()}


def methods_at(path: str) -> str:
    """Return the methods of the table's rows at a path, with commas; empty without any."""
    return ", ".join(sorted(method for method, known in ROUTES if known == path))
