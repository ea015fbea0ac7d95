"""A bot over ccxt at a portal: it buys at the best offer and sells what it bought at the best bid.

    python examples/portal_bot.py http://HOST:PORT SYMBOL AMOUNT ROUNDS

SYMBOL is ccxt's, as BTC/USD. The API key and its secret are in OUTCRY_KEY and OUTCRY_SECRET;
`outcry demo` prints an address, a key and a secret to try it with.
"""

import os
import re
import sys
from typing import Any

import ccxt


def at(portal: str, urls: Any) -> Any:
    """The addresses of ccxt's table, at the portal instead."""
    if isinstance(urls, dict):
        return {name: at(portal, one) for name, one in urls.items()}
    return re.sub(r"^\w+://[^/]+", portal, urls)


def main() -> None:
    """Read the arguments, trade, and print what it cost."""
    portal, symbol, amount, rounds = sys.argv[1:]
    exchange = ccxt.binance(
        {"apiKey": os.environ["OUTCRY_KEY"], "secret": os.environ["OUTCRY_SECRET"]}
    )
    exchange.options |= {
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    exchange.urls["api"] = at(portal, exchange.urls["api"])
    quote = symbol.partition("/")[2]
    before = exchange.fetch_balance()["total"][quote]
    for number in range(1, int(rounds) + 1):
        held = float(amount)
        for side, levels in (("buy", "asks"), ("sell", "bids")):
            price = exchange.fetch_order_book(symbol, 5)[levels][0][0]
            now = {"timeInForce": "IOC"}
            order = exchange.create_order(symbol, "limit", side, held, price, now)
            held = order["filled"]
            print(f"{number}: {side} {held} at {order['average']}, {order['status']}", flush=True)
            if not held:
                break
    after = exchange.fetch_balance()["total"][quote]
    print(f"{quote} {before} before, {after} after")


if __name__ == "__main__":
    main()
