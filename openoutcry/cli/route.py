"""``outcry route``: one order at several venues."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.options import PathArgument, as_json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openoutcry.routing.connector import Connector
    from openoutcry.routing.depth import Depth
    from openoutcry.routing.router import Router
    from openoutcry.routing.settings import Settings

NAP_S = 0.002
READY_S = 10.0
"""How long feeds and logins may take before an order is planned."""
SHOWN = 10


@click.group()
def route() -> None:
    """Trade one instrument at several venues, as one order.

    \b
    outcry route demo routes
    outcry route book routes/routes.toml GOLD/USD
    outcry route order routes/routes.toml buy 100 GOLD/USD --limit 2001.50
    outcry route report routes/routes.toml 1 --page report.html
    """


@route.command()
@click.argument("folder", type=PathArgument)
def demo(folder: Path) -> None:
    """Serve two venues to route over, until Control-C.

    They have different fees, delays and books. FOLDER is new: it gets routes.toml, the venues'
    files and their journals.
    """
    from openoutcry.host.processes import until_stopped
    from openoutcry.routing.demo import run

    with until_stopped() as stop:
        run(folder, click.echo, lambda: not stop, lambda: time.sleep(NAP_S))


@route.command()
@click.argument("file", type=PathArgument)
@click.argument("symbol")
@as_json_option
def book(file: Path, symbol: str, as_json: bool) -> None:
    """Show an instrument's levels over all venues, after fees."""
    from openoutcry.routing.depth import Depth
    from openoutcry.routing.instruments import BUY, SELL
    from openoutcry.routing.settings import read_settings
    from openoutcry.wire.decimals import decimal_text

    settings = read_settings(file)
    market = settings.market(symbol)
    depth = Depth(market)
    with ExitStack() as stack:
        connectors = settings.connectors(market)
        for connector in connectors.values():
            stack.callback(connector.close)
        until_s = time.monotonic() + READY_S
        while not _all_live(depth) and time.monotonic() < until_s:
            for number, venue in enumerate(market.venues):
                connectors[venue.name].follow(depth, number, time.time_ns())
            time.sleep(NAP_S)
        now_ns = time.time_ns()
        _name_troubles(connectors)
    instrument = market.instrument
    document: dict[str, Any] = {
        "symbol": symbol,
        "status": {v.name: depth.status(n, now_ns) for n, v in enumerate(market.venues)},
        "clock_ms": {
            name: None if one.clock_ns is None else one.clock_ns / 1e6
            for name, one in connectors.items()
        },
    }
    for name, side in (("asks", BUY), ("bids", SELL)):
        document[name] = [
            {
                "price": instrument.price_text(one.price),
                "with_fee": decimal_text(abs(one.key), instrument.price_decimals + 6),
                "quantity": instrument.quantity_text(one.quantity),
                "venue": market.venues[one.venue].name,
                "age_ms": (now_ns - one.since_ns) // 1_000_000,
            }
            for one in depth.take_side(side, now_ns, SHOWN)
        ]
    if as_json:
        click.echo(json.dumps(document))
        return
    for venue, status in document["status"].items():
        click.echo(f"{venue}: {status}")
    click.echo(f"{'price':>14} {'after fees':>14} {'quantity':>14}  venue, age")
    for row in [*document["asks"][::-1], None, *document["bids"]]:
        click.echo(
            "-" * 56
            if row is None
            else f"{row['price']:>14} {row['with_fee'][:14]:>14} {row['quantity']:>14}  "
            f"{row['venue']}, {row['age_ms']} ms"
        )


@route.command()
@click.argument("file", type=PathArgument)
@click.argument("symbol")
@click.argument("out", type=PathArgument)
@click.option("--seconds", type=float, help="Stop after SECONDS (default: run until interrupted).")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "itch", "dbn"]),
    default="parquet",
    show_default=True,
    help="itch: ITCH 5.0 with lengths, an order at each level. dbn: Databento's MBO.",
)
def record(file: Path, symbol: str, out: Path, seconds: float | None, form: str) -> None:
    """Record an instrument's levels at every venue to a file.

    SYMBOL may also be a [[synthetic]] book of FILE, whose prices are after fees.
    A backtest replays a venue of a Parquet file as levels:OUT@VENUE. The other formats are made
    of OUT.parquet, which stays.
    """
    from openoutcry.host.processes import until_stopped
    from openoutcry.routing.depth import Depth
    from openoutcry.routing.level_files import write_levels
    from openoutcry.routing.recording import Recording
    from openoutcry.routing.settings import read_settings

    settings = read_settings(file)
    made_of = settings.synthetic.get(symbol)
    markets = [
        settings.market(one) for one in (dict.fromkeys(made_of.path) if made_of else [symbol])
    ]
    depths = {market.instrument.symbol: Depth(market) for market in markets}
    made = made_of.made(depths.__getitem__) if made_of else None
    rows = out if form == "parquet" else out.with_name(f"{out.name}.parquet")
    until_s = time.monotonic() + seconds if seconds is not None else float("inf")
    with ExitStack() as stack:
        followed = [(depth, settings.connectors(depth.market)) for depth in depths.values()]
        for _, connectors in followed:
            for connector in connectors.values():
                stack.callback(connector.close)
        what = made.instrument if made else depths[symbol].market
        recording = stack.enter_context(Recording(rows, what))
        stop = stack.enter_context(until_stopped())
        while not stop and time.monotonic() < until_s:
            for depth, connectors in followed:
                for number, venue in enumerate(depth.market.venues):
                    connectors[venue.name].follow(depth, number, time.time_ns())
            if made:
                recording.take_synthetic(made, time.time_ns())
            else:
                recording.take(depths[symbol], time.time_ns())
            time.sleep(NAP_S)
        for _, connectors in followed:
            _name_troubles(connectors)
    if form != "parquet":
        write_levels(rows, out, form)
    click.echo(f"{recording.count:,} rows: {out}")


def _name_troubles(connectors: "Mapping[str, Connector]") -> None:
    """Say why a venue's feed is missing, or why it takes no orders."""
    for name, connector in connectors.items():
        for trouble in filter(None, (connector.trouble, connector.orders_trouble)):
            click.echo(f"{name}: {trouble}", err=True)


def _all_live(depth: "Depth") -> bool:
    now_ns = time.time_ns()
    return all(depth.status(n, now_ns) == "live" for n in range(len(depth.market.venues)))


def _end_earlier(router: Any, symbol: str) -> None:
    """End the open orders of a symbol, and name those of others."""
    for earlier in router.store.parents.values():
        is_over = earlier.state == "ended"
        if earlier.terms.symbol == symbol:
            if not is_over:
                router.change(earlier, time.time_ns(), state="ended")
        elif not is_over or earlier.leaves:
            click.echo(
                f"order {earlier.number} is not over: the next one of "
                f"{earlier.terms.symbol} ends it",
                err=True,
            )


@route.command()
@click.argument("file", type=PathArgument)
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("quantity")
@click.argument("symbol")
@click.option("--limit", required=True, help="Worst price.")
@click.option(
    "--style",
    type=click.Choice(["take", "post", "rest"]),
    default="take",
    show_default=True,
    help="take: immediate orders at all venues. post: rest first, then take. rest: only rest.",
)
@click.option(
    "--post-s", type=float, default=5.0, show_default=True, help="How long `post` rests, seconds."
)
@click.option(
    "--algorithm",
    metavar="JSON",
    help='As {"name": "twap", "span_ns": 60000000000, "slices": 10}; docs/routing.md lists them.',
)
@click.option(
    "--bars",
    type=PathArgument,
    help="For vwap with bar_ns and span_ns: a file of `outcry feed bars --parquet`.",
)
@click.option(
    "--seconds", type=float, default=30.0, show_default=True, help="End the order after SECONDS."
)
@as_json_option
def order(
    file: Path,
    side: str,
    quantity: str,
    symbol: str,
    limit: str,
    style: str,
    post_s: float,
    algorithm: str | None,
    bars: Path | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Route an order; report what it got against what the market had.

    Orders that an earlier call left open are brought to their end first. Control-C ends the order.
    """
    from openoutcry.routing.control import Control
    from openoutcry.routing.instruments import side_named
    from openoutcry.routing.report import best_execution
    from openoutcry.routing.settings import read_settings

    settings = read_settings(file)
    market = settings.market(symbol)
    terms = market.instrument.quantity(quantity), market.instrument.price(limit)
    try:
        parameters = json.loads(algorithm) if algorithm else {}
    except ValueError as error:
        raise click.UsageError(f"--algorithm is not JSON: {error}") from None
    if bars is not None:
        parameters = _with_volumes(
            parameters, bars, {listing.symbol for listing in market.listings}
        )
    with ExitStack() as stack:
        router = _opened(settings, symbol, stack)
        _run(router, lambda: not router.is_ready(time.time_ns()), READY_S)
        _name_troubles({connector.name: connector for connector in router.connectors})
        _end_earlier(router, symbol)
        parent = router.submit(
            side_named(side),
            *terms,
            time.time_ns(),
            style=style,
            post_ns=int(post_s * 1e9),
            algorithm=parameters,
        )
        control = stack.enter_context(Control(settings.store))

        def goes_on() -> bool:
            control.serve(router)
            return parent.state != "ended" or parent.leaves > 0

        try:
            _run(router, goes_on, seconds)
        except KeyboardInterrupt:
            click.echo("The order ends.", err=True)
        if parent.state != "ended":
            router.change(parent, time.time_ns(), state="ended")
        _run(router, lambda: parent.leaves > 0, READY_S)
        report = best_execution(market, parent)
    _show(report, as_json)


def _with_volumes(parameters: dict[str, Any], bars: Path, symbols: set[str]) -> dict[str, Any]:
    """The parameters of a vwap from now on, with the volumes of these symbols in a file of bars."""
    from openoutcry.journal.tables import arrow
    from openoutcry.routing.algorithms import usual_volumes

    rest = dict(parameters)
    span_ns, bar_ns = int(rest.pop("span_ns", 0)), int(rest.get("bar_ns", 0))
    pa = arrow()
    try:
        table = pa.parquet.read_table(bars, columns=["symbol", "start_ns", "volume_lots"])
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--bars {bars}: {error}") from None
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    own = ((start_ns, lots) for symbol, start_ns, lots in rows if symbol in symbols)
    return rest | {"volumes": usual_volumes(own, bar_ns, time.time_ns(), span_ns)}


def _opened(settings: "Settings", symbol: str, stack: ExitStack) -> "Router":
    """A router over the file's venues; ``stack`` closes it."""
    from openoutcry.routing.depth import Depth
    from openoutcry.routing.parents import ParentStore
    from openoutcry.routing.router import Router

    market = settings.market(symbol)
    store = stack.enter_context(ParentStore(settings.store))
    connectors = settings.connectors(market)
    for connector in connectors.values():
        stack.callback(connector.close)
    return Router(store, Depth(market), connectors)


def _run(router: "Router", goes_on: Any, seconds: float) -> None:
    """Step while that is true, and for so long at most."""
    until_s = time.monotonic() + seconds
    while True:
        router.step(time.time_ns())
        if not goes_on() or time.monotonic() >= until_s:
            return
        time.sleep(NAP_S)


@route.command()
@click.argument("file", type=PathArgument)
@click.argument("parent", type=int)
@click.option(
    "--state",
    type=click.Choice(["active", "paused", "ended"]),
    help="paused: cancel what rests, and send nothing until it is active again.",
)
@click.option("--quantity", help="Quantity in all, with what has traded.")
@click.option("--limit", help="Worst price.")
@as_json_option
def change(
    file: Path,
    parent: int,
    state: str | None,
    quantity: str | None,
    limit: str | None,
    as_json: bool,
) -> None:
    """Pause, amend or end a running order.

    `outcry route order` works on it in another terminal.
    """
    from openoutcry.routing.control import ask
    from openoutcry.routing.settings import read_settings

    changes = {"state": state, "quantity": quantity, "limit": limit}
    asked = {key: value for key, value in changes.items() if value is not None}
    if not asked:
        raise click.UsageError("give --state, --quantity or --limit")
    now = ask(read_settings(file).store, parent=parent, **asked)
    if as_json:
        click.echo(json.dumps(now))
    else:
        click.echo(
            f"order {now['parent']}: {now['state']}, {now['filled']} of {now['quantity']} filled, "
            f"limit {now['limit']}"
        )


@route.command()
@click.argument("file", type=PathArgument)
@click.argument("parent", type=int)
@click.option("--page", type=PathArgument, help="Write the report as a page to this file.")
@as_json_option
def report(file: Path, parent: int, page: Path | None, as_json: bool) -> None:
    """Report an earlier order: its children, slippage, markouts."""
    from openoutcry.routing.instruments import RoutingError
    from openoutcry.routing.parents import ParentStore
    from openoutcry.routing.report import best_execution, render
    from openoutcry.routing.settings import read_settings
    from openoutcry.wire.atomic_file import write_atomically

    settings = read_settings(file)
    with ParentStore(settings.store) as store:
        if parent not in store.parents:
            raise RoutingError(f"{settings.store}: no order {parent}")
        found = store.parents[parent]
    document = best_execution(settings.market(found.terms.symbol), found)
    if page is not None:
        write_atomically(page, render(document))
    _show(document, as_json)


def _show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document))
        return
    click.echo(
        f"order {document['parent']}: {document['side']} {document['quantity']} "
        f"{document['symbol']}, {document['state']} ({document['end'] or 'stopped'})"
    )
    price, available = document["average_price"], document["arrival"]["available_price"]
    filled = f"filled {document['filled']} at {price}, fees {document['fees']}"
    shown = f"{document['arrival']['available_quantity']} at {available}"
    click.echo(
        f"{filled if price else 'nothing filled'}; available at arrival: "
        f"{shown if available else 'nothing at the limit'}"
    )
    for child in document["children"]:
        why = f" ({child['reason']})" if child["reason"] else ""
        click.echo(
            f"  {child['venue']:<12} {child['filled']} of {child['quantity']} at "
            f"{child['average_price'] or child['limit']}: {child['state']}{why}"
        )
