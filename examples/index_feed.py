"""An index over several venues: the median of the middles of their books, each time it changes.

    outcry route demo demo
    python examples/index_feed.py demo/routes.toml GOLD/USD

A venue whose book is not live, or has one side only, is left out. Control-C ends it.
"""

import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median_low

from openoutcry.routing.index_feed import IndexFeed
from openoutcry.routing.settings import read_settings

NAP_S = 0.002


def main() -> None:
    """Read the arguments, and follow the venues' books."""
    file, symbol = sys.argv[1:]
    settings = read_settings(Path(file))
    market = settings.market(symbol)
    instrument = market.instrument
    said = ""
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        connectors = settings.connectors(market)
        for connector in connectors.values():
            stack.callback(connector.close)
        middles: dict[str, int] = {}
        feed = IndexFeed(market, connectors, instrument.price_decimals, middles.__setitem__)
        while True:
            middles.clear()
            feed.step(time.time_ns())
            if middles:
                value = instrument.price_text(median_low(middles.values()))
                text = f"{symbol} {value} of {', '.join(sorted(middles))}"
                if text != said:
                    print(said := text, flush=True)
            time.sleep(NAP_S)


if __name__ == "__main__":
    main()
