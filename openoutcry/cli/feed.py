"""``outcry feed``: the public market data of a venue, as files and live."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.bars import bars
from openoutcry.cli.feed_ladder import REDRAW_S, drawn, price_text
from openoutcry.cli.options import PathArgument, Whole, as_json_option, journal_feed_options
from openoutcry.report.plain import drawn_on

if TYPE_CHECKING:
    from openoutcry.market_data.receiver import Receiver


@click.group()
def feed() -> None:
    """Write and receive public market data; make bars.

    \b
    outcry feed write JOURNAL day.itch
    outcry feed write JOURNAL day.pcapng --format pcapng
    outcry feed listen -a 239.193.0.1:26400 -b 239.193.0.2:26400 --ask 10.0.0.1:26401
    """


@feed.command()
@click.argument("journal", type=PathArgument)
@click.argument("out", type=PathArgument)
@click.option(
    "--format",
    "form",
    default="itch",
    show_default=True,
    type=click.Choice(["itch", "pcap", "pcapng"]),
    help="itch: ITCH 5.0 with lengths. pcap, pcapng: MoldUDP64.",
)
@journal_feed_options
@click.option(
    "--mtu", type=int, default=1500, show_default=True, help="Largest frame in a capture, bytes."
)
@as_json_option
def write(
    journal: Path,
    out: Path,
    form: str,
    decimals: int,
    venue: Path | None,
    session: int | None,
    mtu: int,
    as_json: bool,
) -> None:
    """Write the public feed of a journal, byte for byte as published.

    `outcry data export` writes it in the formats of others. Sequence numbers start at 1 with each
    session, which is a trading day. The feed never shows
    hidden quantity, participants and stop orders.
    """
    from openoutcry.market_data.files import write_feed

    places = places_of(journal, decimals, venue)
    summary = write_feed(journal, out, form, places, mtu, session)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(
            f"{out}: {summary['messages']:,} messages, {summary['bytes']:,} bytes, "
            f"session {summary['session']}"
        )


def places_of(journal: Path, decimals: int, venue: Path | None) -> dict[str, int]:
    """Return the decimals of each instrument's tick."""
    from openoutcry.market_data.files import instruments_of

    if venue is not None:
        from openoutcry.venue.file import read_venue

        return dict(read_venue(venue).sessions.price_decimals)
    return dict.fromkeys(instruments_of(journal), decimals)


class AddressType(click.ParamType):  # type: ignore[type-arg]
    """ADDRESS:PORT."""

    name = "address:port"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, int]:
        from openoutcry.venue.feed_table import udp_endpoint

        if isinstance(value, tuple):
            return value
        try:
            return udp_endpoint(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@feed.command()
@click.option("-a", "first", type=AddressType(), help="Multicast group of line A.")
@click.option("-b", "second", type=AddressType(), help="Multicast group of line B.")
@click.option("--ask", type=AddressType(), help="Request missing messages from this address.")
@click.option("--snapshots", type=AddressType(), help="Start with a snapshot from this address.")
@click.option(
    "--depth", type=AddressType(), help="Receive the conflated feed of this group instead."
)
@click.option(
    "--stream",
    type=AddressType(),
    help="Receive the stream over SoupBinTCP from this address instead.",
)
@click.option("--interface", default="", help="Address of the network interface to use.")
@click.option("--symbol", help="Show the ladder of this symbol (default: the first that trades).")
@click.option("--levels", type=Whole(1, 50), default=10, show_default=True, help="Levels per side.")
@click.option("--follow", is_flag=True, help="Continue with the next session after one ends.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="Stop after SECONDS (default: run until interrupted).",
)
@as_json_option
def listen(
    first: tuple[str, int] | None,
    second: tuple[str, int] | None,
    ask: tuple[str, int] | None,
    snapshots: tuple[str, int] | None,
    depth: tuple[str, int] | None,
    stream: tuple[str, int] | None,
    interface: str,
    symbol: str | None,
    levels: int,
    follow: bool,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Rebuild a venue's book from its live feed and show it.

    The command takes each message from the line that has it first, requests those that neither line
    has, and runs until the session ends or Control-C.
    """
    from rich.console import Console
    from rich.live import Live

    from openoutcry.market_data.receiver import Receiver

    if [first, depth, stream].count(None) != 2:
        raise click.UsageError("give one of -a and --stream (the full feed) and --depth")
    if depth is not None:
        from openoutcry.cli.feed_depth import listen_to_depth

        listen_to_depth(depth, interface, symbol, seconds, as_json, follow)
        return
    receiver: Any
    if stream is not None:
        from openoutcry.market_data.stream import StreamReceiver

        receiver = StreamReceiver(stream, follow=follow)
    else:
        receiver = Receiver(
            [one for one in (first, second) if one], ask, interface, snapshots=snapshots
        )
    until = time.monotonic() + seconds if seconds else float("inf")
    console = Console(file=drawn_on(sys.stderr if as_json else sys.stdout))
    try:
        with Live(console=console, auto_refresh=False, transient=as_json) as live:
            due = 0.0
            while time.monotonic() < until and (follow or not receiver.lines.complete):
                receiver.poll(min(REDRAW_S, max(0.0, until - time.monotonic())))
                if time.monotonic() >= due:
                    due = time.monotonic() + REDRAW_S
                    live.update(ladder(receiver, symbol, levels), refresh=True)
    except KeyboardInterrupt:
        pass
    finally:
        receiver.close()
    if as_json:
        click.echo(json.dumps(account(receiver, levels)))


def account(receiver: "Receiver", levels: int) -> dict[str, Any]:
    """Return the counts of what was received, and the book at the end. Prices have
    ``price_decimals``."""
    lines, book = receiver.lines, receiver.book
    return {
        "session": lines.session.decode("latin-1"),
        "ended": lines.complete,
        "sessions_before": lines.sessions,
        "messages": lines.taken,
        "next_sequence": lines.next_sequence,
        "missing": lines.missing[1],
        "duplicates": lines.duplicates,
        "gaps": lines.gaps,
        "requests": lines.requests,
        "foreign": lines.foreign,
        "book_hash": book.hash(),
        "decline_levels": book.decline_levels,
        "breached": book.breached,
        "instruments": [
            {
                "symbol": instrument.symbol,
                "price_decimals": instrument.price_decimals,
                "state": instrument.state,
                "reason": instrument.reason,
                "stopped": instrument.stopped,
                "collar": instrument.collar,
                "last_price": instrument.last_price,
                "volume": instrument.volume,
                "trades": instrument.trades,
                "bids": book.levels(instrument.locate, "B", levels),
                "asks": book.levels(instrument.locate, "S", levels),
            }
            for instrument in book.instruments()
        ],
    }


def ladder(receiver: "Receiver", symbol: str | None, levels: int) -> Any:
    """Asks above bids, best in the middle, with the spread and the last trade."""
    lines, book = receiver.lines, receiver.book
    instruments = book.instruments()
    shown = [
        instrument for instrument in instruments if symbol is None or instrument.symbol == symbol
    ]
    chosen = next((one for one in shown if one.trades), shown[0] if shown else None)
    state = f"{lines.taken:,} messages, {lines.gaps} gaps, {lines.missing[1]} missing"
    state += ", the session has ended" if lines.complete else ""
    if chosen is None:
        waiting = f"{symbol} is not in it" if instruments else "nothing yet"
        return f"session {lines.session.decode('latin-1') or '?'}: {waiting}; {state}"
    decimals = chosen.price_decimals
    bids, asks = (book.levels(chosen.locate, side, levels) for side in "BS")
    last = (
        f"{chosen.last_shares:,} @ {price_text(chosen.last_price, decimals)}"
        if chosen.trades
        else "none"
    )
    if chosen.collar:
        low, high = (price_text(one, decimals) for one in chosen.collar[:0:-1])
        state = f"collar {low} to {high} · {state}"
    if book.breached:
        state = f"level {book.breached} of the breaker · {state}"
    stopped = ", stopped" if chosen.stopped else ""
    return drawn(
        f"{chosen.symbol} {chosen.state} {chosen.reason}{stopped}",
        bids,
        asks,
        f"last {last} · volume {chosen.volume:,}",
        state,
        decimals,
    )


feed.add_command(bars)
