"""A node of nautilus-trader with its Binance adapter at the portal: run by the interpreter of an
environment that has nautilus-trader, with a JSON object of ``url``, ``key``, ``secret`` and
``symbol`` on standard input.  Prints what it has seen as one line of JSON.

The strategy subscribes to trades and quotes, rests an order, and says so: ``RESTING``.  Once it is
quoted ``ask`` it cancels that order, buys at the market, and stops when it has seen the trade.
"""

import json
import sys
from decimal import Decimal
from typing import Any

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import InstrumentProviderConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

LASTS_S = 240
SEEN: dict[str, Any] = {"events": [], "trades": 0, "quotes": 0}


class Once(Strategy):
    """One order that rests and is cancelled, and one that trades."""

    def __init__(self, instrument_id: InstrumentId, node: TradingNode, ask: str) -> None:
        super().__init__(StrategyConfig())
        self.instrument_id, self.node, self.ask = instrument_id, node, ask

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.instrument_id)
        self.subscribe_trade_ticks(self.instrument_id)
        self.subscribe_quote_ticks(self.instrument_id)
        account = self.portfolio.account(self.instrument_id.venue)
        SEEN["balances"] = {str(k): str(v) for k, v in account.balances_total().items()}
        order = self.order_factory.limit(
            self.instrument_id,
            OrderSide.BUY,
            self.instrument.make_qty(Decimal("0.01")),
            self.instrument.make_price(Decimal("100")),
            time_in_force=TimeInForce.GTC,
        )
        self.resting = order
        self.submit_order(order)

    def on_order_event(self, event: Any) -> None:
        name = type(event).__name__
        SEEN["events"].append(name)
        if event.client_order_id == self.resting.client_order_id:
            if name == "OrderAccepted":
                print(f"RESTING {event.client_order_id}", flush=True)
            elif name == "OrderCanceled":
                market = self.order_factory.market(
                    self.instrument_id,
                    OrderSide.BUY,
                    self.instrument.make_qty(Decimal("0.01")),
                )
                self.submit_order(market)
        elif name == "OrderFilled":
            SEEN["filled"] = [str(event.last_qty), str(event.last_px), str(event.commission)]
            self._stop_when_all_is_seen()

    def on_trade_tick(self, tick: Any) -> None:
        SEEN["trades"] += 1
        self._stop_when_all_is_seen()

    def on_quote_tick(self, tick: Any) -> None:
        SEEN["quotes"] += 1
        order = self.cache.order(self.resting.client_order_id)
        if str(tick.ask_price) == self.ask and order.is_open and not order.is_pending_cancel:
            self.cancel_order(order)

    def _stop_when_all_is_seen(self) -> None:
        if SEEN["trades"] and "filled" in SEEN:
            account = self.portfolio.account(self.instrument_id.venue)
            SEEN["left"] = {str(k): str(v) for k, v in account.balances_total().items()}
            self.node.stop()


def main() -> None:
    given = json.loads(sys.stdin.read())
    instrument_id = InstrumentId.from_str(f"{given['symbol']}.{BINANCE}")
    provider = InstrumentProviderConfig(load_ids=frozenset([instrument_id]))
    common: dict[str, Any] = {
        "api_key": given["key"],
        "api_secret": given["secret"],
        "account_type": BinanceAccountType.SPOT,
        "base_url_http": given["url"],
        "base_url_ws": given["url"].replace("http", "ws"),
        "instrument_provider": provider,
    }
    config = TradingNodeConfig(
        trader_id=TraderId("TEST-001"),
        logging=LoggingConfig(log_level="WARNING"),
        data_clients={BINANCE: BinanceDataClientConfig(**common)},
        exec_clients={BINANCE: BinanceExecClientConfig(**common)},
        timeout_connection=30.0,
        timeout_reconciliation=10.0,
        timeout_portfolio=10.0,
        timeout_disconnection=5.0,
        timeout_post_stop=1.0,
    )
    node = TradingNode(config=config)
    node.trader.add_strategy(Once(instrument_id, node, given["ask"]))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    node.get_event_loop().call_later(LASTS_S, node.stop)
    try:
        node.run()
    finally:
        node.dispose()
        print("SEEN " + json.dumps(SEEN), flush=True)


if __name__ == "__main__":
    main()
