"""An order at the best prices of several venues, after fees, by the router as a library.

    outcry route demo demo
    python examples/route_order.py demo/routes.toml GOLD/USD buy 100 2003.00

It plans where the order should go, sends it, and prints what each venue filled (docs/routing.md).
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import side_named
from openoutcry.routing.parents import ParentStore
from openoutcry.routing.report import best_execution
from openoutcry.routing.router import Router
from openoutcry.routing.settings import read_settings

READY_S, ORDER_S = 30, 30
"""How long the venues may take to answer, and the order to fill."""


def main() -> None:
    """Read the arguments, wait for all books, route."""
    file, symbol, side, quantity, limit = sys.argv[1:]
    settings = read_settings(Path(file))
    market = settings.market(symbol)
    with ExitStack() as stack:
        store = stack.enter_context(ParentStore(settings.store))
        connectors = settings.connectors(market)
        for connector in connectors.values():
            stack.callback(connector.close)
        router = Router(store, Depth(market), connectors)
        until_ns = time.time_ns() + READY_S * 10**9
        while not router.is_ready(now_ns := time.time_ns()):
            if now_ns > until_ns:
                raise SystemExit(f"not every venue has a book after {READY_S} s")
            router.step(now_ns)
        instrument = market.instrument
        terms = side_named(side), instrument.quantity(quantity), instrument.price(limit)
        parent = router.submit(*terms, time.time_ns())
        until_ns = time.time_ns() + ORDER_S * 10**9
        while parent.state != "ended" or parent.leaves > 0:
            now_ns = time.time_ns()
            if now_ns > until_ns and parent.state != "ended":
                router.change(parent, now_ns, state="ended")
            router.step(now_ns)
        report = best_execution(market, parent)
    for child in report["children"]:
        print(f"{child['venue']}: {child['filled']} at {child['average_price']}")
    print(f"{report['filled']} at {report['average_price']}, fees {report['fees']}")


if __name__ == "__main__":
    main()
