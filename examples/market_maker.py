"""A market maker over OUCH 4.2: a bid and an offer around a price, each entered again when it has
traded, and lower the more it holds.

    python examples/market_maker.py HOST:PORT SESSION SYMBOL MIDDLE

The session's password is in OUTCRY_PASSWORD. Control-C takes the quotes back.
"""

import os
import signal
import sys
from decimal import Decimal
from typing import Any

from openoutcry.client import OuchClient

LOTS, HALF_SPREAD, STEP = 10, Decimal("0.02"), Decimal("0.01")


class Maker:
    """Quotes one symbol."""

    def __init__(self, client: OuchClient, symbol: str, middle: Decimal) -> None:
        self.client, self.symbol, self.middle = client, symbol, middle
        self.position = self.fills = 0
        self.is_open = True
        self.quotes: dict[str | int, tuple[str, int]] = {}
        """Side and open lots of each quote, by its token."""

    def quote(self, side: str) -> None:
        """Enter a quote; the middle falls by a step for each quote that was bought."""
        middle = self.middle - STEP * (self.position // LOTS)
        if side == "buy":
            token = self.client.buy(self.symbol, LOTS, middle - HALF_SPREAD)
        else:
            token = self.client.sell(self.symbol, LOTS, middle + HALF_SPREAD)
        self.quotes[token] = side, LOTS

    def executed(self, token: str | int, lots: int) -> None:
        """Count a fill; a quote that is gone is entered again."""
        side, left = self.quotes.pop(token)
        self.position += lots if side == "buy" else -lots
        self.fills += 1
        print(f"{side} {lots}, position {self.position}", flush=True)
        if left > lots:
            self.quotes[token] = side, left - lots
        elif self.is_open:
            self.quote(side)

    def stop(self, *_: Any) -> None:
        """End :meth:`run`."""
        self.is_open = False

    def run(self) -> None:
        """Quote both sides until :meth:`stop`, then take the quotes back."""
        for side in ("buy", "sell"):
            self.quote(side)
        while self.is_open:
            self.take(0.1)
        for token in self.quotes:
            self.client.cancel(token)
        while self.quotes:  # what trades before its cancellation arrives is counted as well
            self.take(None)

    def take(self, timeout_s: float | None) -> None:
        """Follow one message of the venue, if one comes in time."""
        message = self.client.next(timeout_s)
        if message is None or message.fields.get("token") not in self.quotes:
            return
        if message.name == "executed":
            self.executed(message["token"], message["shares"])
        elif message.name == "canceled":
            del self.quotes[message["token"]]
        elif message.name == "rejected":
            raise SystemExit(f"the venue refuses a quote: {message}")


def main() -> None:
    """Read the arguments, log in and quote."""
    address, session, symbol, middle = sys.argv[1:]
    host, _, port = address.rpartition(":")
    password = os.environ["OUTCRY_PASSWORD"]
    with OuchClient(host, int(port), session, password) as client:
        maker = Maker(client, symbol, Decimal(middle))
        signal.signal(signal.SIGINT, maker.stop)
        maker.run()
    print(f"{maker.fills} fills, position {maker.position}")


if __name__ == "__main__":
    main()
