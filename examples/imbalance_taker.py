"""A strategy over the public feed and OUCH 4.2: when one side of the best prices has three quarters
of the lots, it takes one lot of the other side.

    python examples/imbalance_taker.py FEED_HOST:PORT OUCH_HOST:PORT SESSION SYMBOL MOST

FEED_HOST:PORT is `stream` of the venue's [market_data]. The session's password is in
OUTCRY_PASSWORD. It ends when it holds MOST lots, long or short.
"""

import os
import sys
from contextlib import closing
from decimal import Decimal

from openoutcry.client import OuchClient
from openoutcry.market_data.stream import StreamReceiver

Levels = list[tuple[int, int, int]]
"""Price, lots and orders of the best level of each side."""


def wanted(bid: Levels, ask: Levels) -> tuple[str, int] | None:
    """The side to trade now and the price to take; None: wait."""
    if not bid or not ask:
        return None
    both = bid[0][1] + ask[0][1]
    if 4 * bid[0][1] >= 3 * both:
        return "B", ask[0][0]
    if 4 * ask[0][1] >= 3 * both:
        return "S", bid[0][0]
    return None


def traded(client: OuchClient, token: str | int) -> bool:
    """Whether an immediate order of one lot has traded, once it is over."""
    while True:
        message = client.next()
        if message is None or message.fields.get("token") != token:
            continue
        if message.name == "rejected":
            raise SystemExit(f"the venue refuses an order: {message}")
        if message.name in ("executed", "canceled"):
            return message.name == "executed"


def main() -> None:
    """Read the arguments, follow the book, and trade each time when it has changed."""
    feed, door, session, symbol, most = sys.argv[1:]
    (feed_host, _, feed_port), (host, _, port) = feed.rpartition(":"), door.rpartition(":")
    receiver = StreamReceiver((feed_host, int(feed_port)), follow=True)
    before: tuple[Levels, ...] = ()
    position, password = 0, os.environ["OUTCRY_PASSWORD"]
    with closing(receiver), OuchClient(host, int(port), session, password) as client:
        while abs(position) < int(most):
            receiver.poll(0.1)
            for instrument in receiver.book.instruments():
                best = tuple(receiver.book.levels(instrument.locate, side, 1) for side in "BS")
                if instrument.symbol != symbol or best == before:
                    continue
                before, now = best, wanted(*best)
                if now is None:
                    continue
                side, price = now[0], Decimal(now[1]).scaleb(-instrument.price_decimals)
                if traded(client, client.enter(side, symbol, 1, price, ioc=True)):
                    position += 1 if side == "B" else -1
                    print(f"{side} 1 at {price.normalize():f}, position {position}", flush=True)


if __name__ == "__main__":
    main()
