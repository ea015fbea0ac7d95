"""Words at the prompts of ``outcry client`` for each form of an order."""

from openoutcry.wire.enums import OrderType, TimeInForce

FORMS = {
    OrderType.LIMIT: "10",
    OrderType.MARKET: "market",
    OrderType.POST_ONLY: "10 post-only",
    OrderType.POST_ONLY_SLIDE: "10 slide",
    OrderType.MARKET_TO_LIMIT: "market to-limit",
    OrderType.STOP: "market stop=11",
    OrderType.STOP_LIMIT: "12 stop=11",
    OrderType.TRAILING_STOP: "market trail=2",
    OrderType.TRAILING_STOP_BPS: "market trail-bps=250",
    OrderType.ICEBERG: "10 iceberg=2",
    OrderType.HIDDEN: "10 hidden",
    OrderType.PEG_PRIMARY: "10 peg=own offset=-1",
    OrderType.PEG_MARKET: "10 peg=opposite offset=-1",
    OrderType.PEG_MIDPOINT: "10 peg=mid",
    OrderType.ALL_OR_NONE: "10 all-or-none",
    OrderType.MIN_QTY: "10 min=3",
    OrderType.TRAILING_STOP_LIMIT: "9 trail=2",
    OrderType.TRAILING_STOP_LIMIT_BPS: "9 trail-bps=250",
    OrderType.POST_ONLY_STOP_LIMIT: "12 stop=11 post-only",
    OrderType.MARKET_BUDGET: "market budget=50",
    OrderType.LIMIT_BUDGET: "10 budget=50",
    OrderType.TAKE_PROFIT: "market take-profit=9",
    OrderType.TAKE_PROFIT_LIMIT: "12 take-profit=9",
}
TIME_WORDS = {tif: tif.name.lower().replace("_", "-") for tif in TimeInForce}
