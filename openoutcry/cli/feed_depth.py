"""``outcry feed listen --depth``: the conflated feed."""

import json
import select
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.feed_ladder import REDRAW_S, drawn, price_text
from openoutcry.report.plain import drawn_on

if TYPE_CHECKING:
    from openoutcry.market_data.depth import DepthBook


def listen_to_depth(
    group: tuple[str, int],
    interface: str,
    symbol: str | None,
    seconds: float | None,
    as_json: bool,
    follow: bool = False,
) -> None:
    """Show the conflated feed's levels of one instrument until Control-C, for ``seconds``, or until
    the session ends (without ``follow``)."""
    from rich.console import Console
    from rich.live import Live

    from openoutcry.market_data.depth import DepthReceiver

    receiver = DepthReceiver(group, interface)
    until = time.monotonic() + seconds if seconds else float("inf")
    book = receiver.book
    console = Console(file=drawn_on(sys.stderr if as_json else sys.stdout))
    try:
        with Live(console=console, auto_refresh=False, transient=as_json) as live:
            due = 0.0
            while time.monotonic() < until and (follow or not book.ended):
                wait_s = min(REDRAW_S, max(0.0, until - time.monotonic()))
                select.select([receiver.socket], [], [], wait_s)
                receiver.poll()
                if time.monotonic() >= due:
                    due = time.monotonic() + REDRAW_S
                    live.update(ladder(book, symbol), refresh=True)
    except KeyboardInterrupt:
        pass
    finally:
        receiver.close()
    if as_json:
        click.echo(json.dumps(account(book)))


def account(book: "DepthBook") -> dict[str, object]:
    """Return the final depth. Prices have ``price_decimals``."""
    return {
        "ended": book.ended,
        "records": book.seq,
        "gaps": book.gaps,
        "itch_seq": book.itch_seq,
        "instruments": [
            {
                "symbol": name,
                "state": book.states[locate],
                "price_decimals": book.price_decimals[locate],
                "last": book.last.get(locate),
                "bids": book.levels(locate, "B"),
                "asks": book.levels(locate, "S"),
            }
            for locate, name in sorted(book.symbols.items())
        ],
    }


def ladder(book: "DepthBook", symbol: str | None) -> Any:
    """One instrument's levels: the one that is named, or the first."""
    locates = [k for k, name in sorted(book.symbols.items()) if symbol in (None, name)]
    state = f"{book.seq:,} records, {book.gaps} gaps, as of message {book.itch_seq:,}"
    if not locates:
        return f"{symbol + ' is not in it' if symbol and book.symbols else 'nothing yet'}; {state}"
    locate = locates[0]
    decimals = book.price_decimals[locate]
    price, shares, trades = book.last.get(locate, (0, 0, 0))
    last = f"last {shares:,} @ {price_text(price, decimals)}" if trades else "last none"
    title = f"{book.symbols[locate]} {book.states[locate]}"
    bids, asks = book.levels(locate, "B"), book.levels(locate, "S")
    return drawn(title, bids, asks, last, state, decimals)
