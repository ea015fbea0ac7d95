"""The best prices of a venue, from its public feed over TCP.

    python examples/feed_book.py HOST:PORT

HOST:PORT is `stream` of the venue's [market_data]. Control-C ends it.
"""

import sys
from contextlib import closing, suppress
from decimal import Decimal

from openoutcry.market_data.book import Book, Instrument
from openoutcry.market_data.stream import StreamReceiver


def best(book: Book, instrument: Instrument) -> str:
    """The best bid and offer of an instrument, as lots and price."""
    said = []
    for side in "BS":
        levels = book.levels(instrument.locate, side, 1)
        price, lots = levels[0][:2] if levels else (0, 0)
        shown = Decimal(price).scaleb(-instrument.price_decimals).normalize()
        said.append(f"{lots} at {shown:f}" if levels else "-")
    return f"{instrument.symbol}: {said[0]} | {said[1]}"


def main() -> None:
    """Follow the feed from its first message on, and print the best prices when they change."""
    host, _, port = sys.argv[1].rpartition(":")
    receiver = StreamReceiver((host, int(port)), follow=True)
    shown: dict[str, str] = {}
    with closing(receiver), suppress(KeyboardInterrupt):
        while True:
            receiver.poll(0.1)
            for instrument in receiver.book.instruments():
                now = best(receiver.book, instrument)
                if shown.get(instrument.symbol) != now:
                    print(now, flush=True)
                shown[instrument.symbol] = now


if __name__ == "__main__":
    main()
