"""Answers of the API, made from what the mirror holds."""

from collections.abc import Iterable
from typing import Any

from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.spot import times
from openoutcry.portal.trading.instruments import Market, Markets, rate_text, text_of
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.orders import (
    EXPIRED,
    Amendment,
    Fill,
    FilledOrder,
    Order,
    OrderList,
    PreventedMatch,
)
from openoutcry.portal.trading.public import DAY_MS, AggregateTrade, Candle, Day, Trade
from openoutcry.portal.trading.service import MAX_ORDERS, cancel_names
from openoutcry.portal.trading.terms import ICEBERG_PARTS, TRAILING_BPS
from openoutcry.wire import words
from openoutcry.wire.enums import Contingency, OrderType, Reason, Side, TimeInForce
from openoutcry.wire.instrument_states import STATES

TYPES = words.ORDER_TYPES.by_word("Binance")
"""What a request may have; other forms are these with more parameters."""
TIMES = words.TIMES.by_word("Binance")
SIDES = words.SIDES.by_word("Binance")
SELF_TRADE = {
    words.SELF_TRADE.say("Binance", mode): mode for mode in words.SELF_TRADE.offered("FIX")
}
"""What a request may have; orders of other sessions may have others."""
AT_MARKET = "MARKET", "STOP_LOSS", "TAKE_PROFIT"
PERMISSIONS = ["SPOT"]
PREVENTED_LOTS = "takerPreventedQuantity", "makerPreventedQuantity"


def side_text(side: int) -> str:
    """BUY or SELL."""
    return words.SIDES.say("Binance", Side(side))


def type_text(order: Order) -> str:
    """The order's type in the API's word; LIMIT for all that the API has no word for."""
    return words.ORDER_TYPES.say("Binance", OrderType(order.order_type))


def tif_text(order: Order) -> str:
    """GTC, IOC, FOK or GTD; GTC for an order without a price, unless it is good till date."""
    is_shown = order.price_ticks or order.tif is TimeInForce.GTD
    return words.TIMES.say("Binance answer", order.tif) if is_shown else "GTC"


def list_number(order: Order) -> int:
    """Return the number of the list that an order is of, or -1."""
    return order.of.number if order.of is not None and order.of.is_whole else -1


def status_of(order: Order) -> str:
    """Return an order's state; PENDING_NEW while it waits for the first of its list."""
    return "PENDING_NEW" if order.is_pending else order.state


def order_list(of: OrderList, market: Market) -> dict[str, Any]:
    """A list of orders, in the form of GET orderList."""
    is_open = of.is_open
    return {
        "orderListId": of.number,
        "contingencyType": "OCO" if of.contingency < Contingency.OTO else "OTO",
        "listStatusType": "EXEC_STARTED" if is_open else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if is_open else "ALL_DONE",
        "listClientOrderId": of.client_id,
        "transactionTime": times.of_ns(of.updated_ns),
        "symbol": market.name,
        "orders": [
            {"symbol": market.name, "orderId": order.number, "clientOrderId": order.client_id}
            for order in of.orders
        ],
    }


def cancelled_list(of: OrderList, market: Market, request_id: str) -> dict[str, Any]:
    """The answer to a cancel of a list: of those of its orders that were cancelled by it."""
    names = cancel_names(of, request_id)
    reports = [cancelled(one, market, request_id) for one in of.orders if one.cancel_id in names]
    return order_list(of, market) | {"orderReports": reports}


def order_of(order: Order, market: Market) -> dict[str, Any]:
    """Return an order in the form of GET order and openOrders."""
    shown = {
        "symbol": market.name,
        "orderId": order.number,
        "orderListId": list_number(order),
        "clientOrderId": order.client_id,
        "price": market.price(order.limit_ticks),
        "origQty": market.quantity(order.shown_lots),
        "executedQty": market.quantity(order.executed_lots),
        "cummulativeQuoteQty": market.amount(order.executed_tick_lots),
        "status": status_of(order),
        "timeInForce": tif_text(order),
        "type": type_text(order),
        "side": side_text(order.side),
        "stopPrice": market.price(order.trigger_ticks or order.activation_ticks),
        "icebergQty": market.quantity(order.display_lots),
        "time": times.of_ns(order.created_ns),
        "updateTime": times.of_ns(order.updated_ns),
        "isWorking": not order.is_waiting,
        "workingTime": -1 if order.is_waiting else times.of_ns(order.created_ns),
        "origQuoteOrderQty": market.amount(order.budget_tick_lots),
        "selfTradePreventionMode": words.SELF_TRADE.say("Binance", order.self_trade),
    }
    return shown | only_of_some(order, market)


def only_of_some(order: Order, market: Market) -> dict[str, Any]:
    """Return the fields that every answer about an order has, if the order has them."""
    shown: dict[str, Any] = {}
    if order.trailing_bps:
        shown["trailingDelta"] = order.trailing_bps
        shown["trailingTime"] = times.of_ns(order.created_ns)
    if order.trigger_ticks or order.activation_ticks:
        shown["stopPrice"] = market.price(order.trigger_ticks or order.activation_ticks)
    if order.expires_ns:
        shown["goodTillDate"] = order.expires_ns // 1_000_000
    if order.display_lots:
        shown["icebergQty"] = market.quantity(order.display_lots)
    if order.prevented is not None:
        shown["preventedMatchId"] = order.prevented.number
    if order.prevented_lots:
        shown["preventedQuantity"] = market.quantity(order.prevented_lots)
    if order.state == EXPIRED:
        shown["expiryReason"] = expiry_reason(order)
    return shown


def expiry_reason(order: Order) -> str:
    """Return why an order has expired, in the API's word."""
    if order.reason == Reason.IOC_REST and type_text(order) in AT_MARKET:
        return "INSUFFICIENT_LIQUIDITY"
    if order.reason == Reason.LIST and order.of is not None and order.of.waits_for_first:
        return "OTO_PHASE_ONE_EXPIRED"
    return words.REASONS.say("Binance expiry", Reason(order.reason))


def new_order(
    order: Order, market: Market, kind: str, prevented: Iterable[PreventedMatch] = ()
) -> dict[str, Any]:
    """The answer to a new order: ACK, RESULT or FULL; ``prevented``: the participant's trades with
    itself that were prevented."""
    ack = {
        "symbol": market.name,
        "orderId": order.number,
        "orderListId": list_number(order),
        "clientOrderId": order.client_id,
        "transactTime": times.of_ns(order.updated_ns),
    }
    if kind == "ACK":
        return ack
    shown = order_of(order, market)
    names = (
        "price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status",
        "timeInForce", "type", "side", "workingTime", "selfTradePreventionMode",
    )  # fmt: skip
    result = ack | {name: shown[name] for name in names} | only_of_some(order, market)
    if kind == "FULL":
        result["fills"] = [
            {
                "price": market.price(fill.price_ticks),
                "qty": market.quantity(fill.lots),
                "commission": market.fee(fill.fee_units, fill.fee_asset),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.number,
            }
            for fill in order.fills
        ]
        matches = [match for match in prevented if match.taker is order]
        if matches:
            of_match = "preventedMatchId", "makerOrderId", "price", *PREVENTED_LOTS
            rows = [prevented_match(match, market) for match in matches]
            result["preventedMatches"] = [
                {name: row[name] for name in of_match if name in row} for row in rows
            ]
    return result


def prevented_match(match: PreventedMatch, market: Market) -> dict[str, Any]:
    """A trade with oneself that was prevented, as GET /api/v3/myPreventedMatches has it."""
    shown = {
        "symbol": market.name,
        "preventedMatchId": match.number,
        "takerOrderId": match.taker.number,
        "makerSymbol": market.name,
        "makerOrderId": match.maker.number,
        "tradeGroupId": -1,
        "selfTradePreventionMode": words.SELF_TRADE.say("Binance", match.taker.self_trade),
        "price": market.price(match.price_ticks),
    }
    lost = zip(PREVENTED_LOTS, (match.taker_lots, match.maker_lots), strict=True)
    shown |= {name: market.quantity(lots) for name, lots in lost if lots}
    return shown | {"transactTime": times.of_ns(match.time_ns)}


def amendment(made: Amendment, market: Market) -> dict[str, Any]:
    """A change of an order, as GET /api/v3/order/amendments has it."""
    return {
        "symbol": market.name,
        "orderId": made.order.number,
        "executionId": made.number,
        "origClientOrderId": made.old_id,
        "newClientOrderId": made.new_id,
        "origQty": market.quantity(made.old_lots),
        "newQty": market.quantity(made.new_lots),
        "time": times.of_ns(made.time_ns),
    }


def amended(made: Amendment, market: Market) -> dict[str, Any]:
    """The answer to PUT /api/v3/order/amend/keepPriority."""
    order = made.order
    shown = {
        "symbol": market.name,
        "orderId": order.number,
        "orderListId": list_number(order),
        "origClientOrderId": made.old_id,
        "clientOrderId": made.new_id,
        "price": market.price(order.limit_ticks),
        "qty": market.quantity(made.new_lots),
        "executedQty": market.quantity(order.executed_lots),
        "preventedQty": market.quantity(order.prevented_lots),
        "quoteOrderQty": market.amount(order.budget_tick_lots),
        "cumulativeQuoteQty": market.amount(order.executed_tick_lots),
        "status": order.state,
        "timeInForce": tif_text(order),
        "type": type_text(order),
        "side": side_text(order.side),
        "workingTime": -1 if order.is_waiting else times.of_ns(order.created_ns),
        "selfTradePreventionMode": words.SELF_TRADE.say("Binance", order.self_trade),
    }
    shown |= only_of_some(order, market)
    return {
        "transactTime": times.of_ns(made.time_ns),
        "executionId": made.number,
        "amendedOrder": shown,
    }


def cancelled(order: Order, market: Market, request_id: str) -> dict[str, Any]:
    """The answer to a cancel; ``request_id``: the client's name of the cancel itself."""
    shown = order_of(order, market)
    for name in ("time", "updateTime", "isWorking", "workingTime", "stopPrice", "icebergQty"):
        del shown[name]
    shown["origClientOrderId"], shown["clientOrderId"] = order.client_id, request_id
    shown |= only_of_some(order, market)
    return shown | {"transactTime": times.of_ns(order.updated_ns)}


def own_trade(order: Order | FilledOrder, fill: Fill, market: Market) -> dict[str, Any]:
    """A fill as GET /api/v3/myTrades has it; with ``isBroken`` if the trade was taken back."""
    return {
        "symbol": market.name,
        "id": fill.number,
        "orderId": order.number,
        "orderListId": list_number(order) if isinstance(order, Order) else -1,
        "price": market.price(fill.price_ticks),
        "qty": market.quantity(fill.lots),
        "quoteQty": market.amount(fill.price_ticks * fill.lots),
        "commission": market.fee(fill.fee_units, fill.fee_asset),
        "commissionAsset": fill.fee_asset,
        "time": times.of_ns(fill.time_ns),
        "isBuyer": order.side == Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    } | ({"isBroken": True} if fill.is_broken else {})


def account(mirror: Mirror, participant: int, key: ApiKey) -> dict[str, Any]:
    """The account in the API's shape; the commissions are those of the instrument with the highest
    for takers."""
    markets = mirror.markets
    pairs = [mirror.rates(participant, market.index) for market in markets.all]
    maker, taker = max(pairs, key=lambda pair: pair[1])
    rates = {"maker": rate_text(maker), "taker": rate_text(taker)}
    return {
        "makerCommission": maker // 100,
        "takerCommission": taker // 100,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates | {"buyer": rate_text(0), "seller": rate_text(0)},
        "canTrade": key.may(Action.TRADE),
        "canWithdraw": key.may(Action.WITHDRAW),
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": times.of_ns(mirror.time_ns),
        "accountType": "SPOT",
        "balances": balances(mirror, participant),
        "permissions": PERMISSIONS,
        "uid": participant,
    }


def balances(mirror: Mirror, participant: int) -> list[dict[str, str]]:
    """Return the free and the locked amount of every asset, as decimal text."""
    decimals = mirror.markets.assets
    return [
        {
            "asset": name,
            "free": text_of(available, decimals[name]),
            "locked": text_of(reserved, decimals[name]),
        }
        for name, (available, reserved) in mirror.balances(participant).items()
    ]


def commission(mirror: Mirror, participant: int, market: Market) -> dict[str, Any]:
    """The rates of one instrument; special rates, taxes and discounts are always zero."""
    maker, taker = mirror.rates(participant, market.index)
    zero = {name: rate_text(0) for name in ("maker", "taker", "buyer", "seller")}
    return {
        "symbol": market.name,
        "standardCommission": zero | {"maker": rate_text(maker), "taker": rate_text(taker)},
        "specialCommission": zero,
        "taxCommission": zero,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": market.quote,
            "discount": rate_text(0),
        },
    }


# The public market


def levels(rows: list[tuple[int, int, int]], market: Market) -> list[list[str]]:
    """Price and quantity of each level as decimal text."""
    return [[market.price(price), market.quantity(lots)] for price, lots, _ in rows]


def public_trade(trade: Trade, market: Market) -> dict[str, Any]:
    """A public trade as GET /api/v3/trades has it."""
    return {
        "id": trade.number,
        "price": market.price(trade.price),
        "qty": market.quantity(trade.lots),
        "quoteQty": market.amount(trade.price * trade.lots),
        "time": times.of_ms(trade.time_ms),
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate(trade: AggregateTrade, market: Market) -> dict[str, Any]:
    """Trades of one command at one price as GET /api/v3/aggTrades has them."""
    return {
        "a": trade.number,
        "p": market.price(trade.price),
        "q": market.quantity(trade.lots),
        "f": trade.first,
        "l": trade.last,
        "T": times.of_ms(trade.time_ms),
        "m": trade.buyer_is_maker,
        "M": True,
    }


def candle(row: Candle, market: Market) -> list[Any]:
    """A candle as GET /api/v3/klines has it."""
    return [
        times.of_ms(row.begin_ms),
        market.price(row.open),
        market.price(row.high),
        market.price(row.low),
        market.price(row.close),
        market.quantity(row.lots),
        times.end_of_ms(row.end_ms),
        market.amount(row.tick_lots),
        row.count,
        market.quantity(row.taker_buy_lots),
        market.amount(row.taker_buy_tick_lots),
        "0",
    ]


def average(tick_lots: int, lots: int, market: Market) -> str:
    """Weighted by quantity, cut off to the decimals of a price."""
    return market.price(tick_lots // lots if lots else 0)


def average_price(mirror: Mirror, market: Market, now_ms: int) -> dict[str, Any]:
    """Average over the last five minutes; without a trade the last price."""
    tape, since = mirror.tapes[market.index], now_ms - 300_000
    recent = [row for row in tape.trades if row.time_ms >= since]
    if not recent and tape.last is not None:
        recent = [tape.last]
    lots = sum(row.lots for row in recent)
    tick_lots = sum(row.price * row.lots for row in recent)
    return {
        "mins": 5,
        "price": average(tick_lots, lots, market),
        "closeTime": times.of_ms(recent[-1].time_ms if recent else now_ms),
    }


def book_ticker(mirror: Mirror, market: Market) -> dict[str, str]:
    """Best prices and their quantities; zeros for an empty side."""
    bid, bid_lots, ask, ask_lots = mirror.best(market.code)
    return {
        "symbol": market.name,
        "bidPrice": market.price(bid or 0),
        "bidQty": market.quantity(bid_lots),
        "askPrice": market.price(ask or 0),
        "askQty": market.quantity(ask_lots),
    }


def statistics(day: Day, market: Market, begin_ms: int, end_ms: int) -> dict[str, Any]:
    """Return the statistics of a time; prices are those of before if nothing was."""
    return {
        "symbol": market.name,
        "openPrice": market.price(day.open),
        "highPrice": market.price(day.high),
        "lowPrice": market.price(day.low),
        "lastPrice": market.price(day.close),
        "volume": market.quantity(day.lots),
        "quoteVolume": market.amount(day.tick_lots),
        "openTime": times.of_ms(begin_ms),
        "closeTime": times.of_ms(end_ms),
        "firstId": day.first or -1,
        "lastId": day.last or -1,
        "count": day.count,
    }


def changes(day: Day, market: Market) -> dict[str, str]:
    """Return how the price changed in a time, and its average."""
    change = day.close - day.open
    percent = change * 100_000 // day.open if day.open else 0
    return {
        "priceChange": market.price(change),
        "priceChangePercent": text_of(percent, 3),
        "weightedAvgPrice": average(day.tick_lots, day.lots, market),
    }


def funding_text(billionths: int) -> str:
    """A funding rate as decimal text: a part of a position's value."""
    return text_of(billionths, 9)


def ticker(mirror: Mirror, market: Market, now_ms: int, mini: bool = False) -> dict[str, Any]:
    """The 24 hours up to ``now_ms``; ``mini``: without changes, averages and best prices."""
    day = mirror.tapes[market.index].day(now_ms)
    row = statistics(day, market, now_ms - DAY_MS, now_ms)
    if mini:
        return row
    best = book_ticker(mirror, market)
    del best["symbol"]
    more = {
        "prevClosePrice": market.price(day.before or day.open),
        "lastQty": market.quantity(day.last_lots),
    }
    return row | changes(day, market) | more | best


def exchange_info(
    mirror: Mirror,
    chosen: list[Market],
    limits: list[dict[str, Any]],
    shows_permissions: bool = True,
) -> Any:
    """Instruments and limits."""
    rows = [symbol_info(mirror, market) for market in chosen]
    for row in () if shows_permissions else rows:
        row["permissionSets"] = []
    return {
        "timezone": "UTC",
        "serverTime": times.now(),
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": rows,
    }


def status(mirror: Mirror, market: Market) -> str:
    """TRADING, HALT or BREAK: the word of its state, or of its phase."""
    by_phase = "TRADING" if mirror.is_trading(market.index) else "BREAK"
    return STATES.offered("Binance").get(mirror.state_of(market.index), by_phase)


def symbol_info(mirror: Mirror, market: Market) -> dict[str, Any]:
    """Return what clients need to know of an instrument before they send orders."""
    base, quote = market.base_decimals, market.quote_decimals
    return {
        "symbol": market.name,
        "status": status(mirror, market),
        "baseAsset": market.base,
        "baseAssetPrecision": base,
        "quoteAsset": market.quote,
        "quotePrecision": quote,
        "quoteAssetPrecision": quote,
        "baseCommissionPrecision": base,
        "quoteCommissionPrecision": quote,
        "orderTypes": sorted(TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(market),
        "permissions": [],
        "permissionSets": [PERMISSIONS],
        "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
        "allowedSelfTradePreventionModes": list(SELF_TRADE),
    }


def filters(market: Market) -> list[dict[str, Any]]:
    """The bounds that the venue sets to prices, quantities and numbers of orders."""
    low, high = int(market.row["min_price_ticks"]), int(market.row["max_price_ticks"])
    lots = {
        "minQty": market.quantity(market.min_lots),
        "maxQty": market.quantity(market.max_lots),
        "stepSize": market.quantity(market.qty_step),
    }
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": market.price(max(low, market.price_step)),
            "maxPrice": market.price(high),
            "tickSize": market.price(market.price_step),
        },
        {"filterType": "LOT_SIZE"} | lots,
        {"filterType": "MARKET_LOT_SIZE"} | lots,
        {"filterType": "ICEBERG_PARTS", "limit": ICEBERG_PARTS},
        {
            "filterType": "NOTIONAL",
            "minNotional": market.amount(max(low, 1) * market.min_lots),
            "applyMinToMarket": False,
            "maxNotional": text_of(2**62, market.quote_decimals),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": TRAILING_BPS[0],
            "maxTrailingAboveDelta": TRAILING_BPS[1],
            "minTrailingBelowDelta": TRAILING_BPS[0],
            "maxTrailingBelowDelta": TRAILING_BPS[1],
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_ORDERS},
    ]


def coins(mirror: Mirror, participant: int, markets: Markets) -> list[dict[str, Any]]:
    """capital/config/getall: what an account has of each asset; there are no networks yet."""
    held = mirror.balances(participant)
    return [
        {
            "coin": name,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "name": name,
            "free": text_of(held[name][0], decimals),
            "locked": text_of(held[name][1], decimals),
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for name, decimals in markets.assets.items()
    ]
