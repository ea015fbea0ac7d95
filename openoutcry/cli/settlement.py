"""``outcry settlement``: when trades are due, what is owed net, its delivery against payment."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, OPERATOR_OPTION, WHY_OPTION, send_to_desk
from openoutcry.cli.options import (
    Amount,
    AmountCommand,
    PathArgument,
    Whole,
    as_json_option,
    counts_units,
    scales_of,
)
from openoutcry.wire.decimals import whole_units, written_units

DAY = click.DateTime(["%Y-%m-%d"])
TRADES = click.argument("trades", type=PathArgument)
CYCLE = click.option(
    "--cycle",
    "days",
    type=Whole(0, 30),
    help="n of T+n for all trades [default: by market and date].",
)
CLOSED = click.option(
    "--closed", type=DAY, multiple=True, help="A day on which nothing settles. Repeatable."
)
OPENED = click.option(
    "--open",
    "opened",
    type=DAY,
    multiple=True,
    help="A further day on which trades settle. Repeatable.",
)
DECIMALS = click.option(
    "--decimals",
    "scales",
    multiple=True,
    callback=lambda context, option, texts: scales_of(texts),
    metavar="ASSET=N",
    help="Decimals of an asset in the files; without, its amounts are whole. Repeatable.",
)
Days = tuple[datetime, ...]
OUT = click.option("--out", type=PathArgument, required=True, help="CSV file to write.")
PHASES = ("CLOSED", "PRE_OPEN")


@click.group()
def settlement() -> None:
    """Compute obligations, nets and delivery against payment.

    Input and output are CSV files. The columns of a file of trades are
    trade_id,trade_date,market,buyer,seller,asset,quantity,cash_asset,cash. A market is a code of
    exchange-calendars: XNYS, XLON, 24/7. Amounts are decimal; in columns named quantity_units and
    cash_units they are whole units of the asset.
    """


def _trades(
    path: Path, days: int | None, closed: Days, opened: Days, scales: dict[str, int]
) -> Any:
    from openoutcry.ledger.settlement.trades import read_trades

    return read_trades(path, days, _dates(closed), _dates(opened), scales)


def _written(scales: dict[str, int], path: Path, columns: Iterable[str]) -> dict[str, int] | None:
    """Return the decimals with which to write files.  None: whole units, for which the user asks by
    --units, or which the file has and no decimals are known."""
    from openoutcry.ledger.settlement.tables import is_decimal

    return scales if not counts_units() and (scales or is_decimal(path, columns)) else None


def _dates(days: Days) -> frozenset[date]:
    return frozenset(day.date() for day in days)


@settlement.command("trades", cls=AmountCommand)
@click.argument("journal", type=PathArgument)
@click.option("--market", required=True, help="Market in whose sessions the trades settle.")
@click.option("--as-of", "seq", type=Whole(0), help="Last command to include [the journal's].")
@OUT
@as_json_option
def trades_(journal: Path, market: str, seq: int | None, out: Path, as_json: bool) -> None:
    """Write the trades of a journal, for the other commands.

    Deliveries of futures that ended with one are among them."""
    from openoutcry.ledger.ledger_state import at
    from openoutcry.ledger.settlement import tables
    from openoutcry.ledger.settlement.journal import deliveries_of, trades_of
    from openoutcry.ledger.settlement.trades import COLUMNS

    rows = [*trades_of(journal, market, seq), *deliveries_of(journal, market, seq)]
    scales = None if counts_units() else at(journal, seq).books.scales
    tables.write(out, list(COLUMNS), rows, scales)
    _say({"trades": len(rows), "out": str(out)}, as_json)


@settlement.command(cls=AmountCommand)
@TRADES
@CYCLE
@CLOSED
@OPENED
@DECIMALS
@OUT
@as_json_option
def obligations(
    trades: Path,
    days: int | None,
    closed: Days,
    opened: Days,
    scales: dict[str, int],
    out: Path,
    as_json: bool,
) -> None:
    """List the obligations of each trade, by settlement day.

    The clearing account is one side of each obligation."""
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.trades import COLUMNS
    from openoutcry.ledger.settlement.trades import obligations as obligations_of

    rows = list(obligations_of(_trades(trades, days, closed, opened, scales)))
    tables.write(out, files.OBLIGATIONS, rows, _written(scales, trades, COLUMNS))
    _say({"obligations": len(rows), "out": str(out)}, as_json)


@settlement.command(cls=AmountCommand)
@TRADES
@CYCLE
@CLOSED
@OPENED
@DECIMALS
@OUT
@as_json_option
def net(
    trades: Path,
    days: int | None,
    closed: Days,
    opened: Days,
    scales: dict[str, int],
    out: Path,
    as_json: bool,
) -> None:
    """Net the obligations: one amount per day, member and asset.

    A member receives a positive amount and delivers a negative one."""
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.netting import gross_units
    from openoutcry.ledger.settlement.netting import net as netted
    from openoutcry.ledger.settlement.trades import COLUMNS

    read = _trades(trades, days, closed, opened, scales)
    nets = netted(read)
    rows = files.net_rows(read, nets)
    tables.write(out, files.NETS, rows, _written(scales, trades, COLUMNS))
    found = {"trades": len(read), "nets": len(nets.units)}
    if as_json:  # units of all assets together: a measure of what netting saves, not an amount
        found |= {"gross_units": gross_units(read), "net_units": sum(map(abs, nets.units))}
    _say({**found, "out": str(out)}, as_json)


@settlement.command(cls=AmountCommand)
@TRADES
@CYCLE
@CLOSED
@OPENED
@DECIMALS
@click.option(
    "--balances",
    type=PathArgument,
    required=True,
    help="member,asset,balance or member,asset,balance_units",
)
@click.option("--day", type=DAY, required=True, help="Settle what is due on this day or before.")
@click.option("--carried", type=PathArgument, help="Folder of the previous settlement.")
@click.option(
    "--penalty-ppm",
    type=Whole(0, 1_000_000),
    default=100,
    show_default=True,
    help="Daily penalty in millionths of a failing trade's cash.",
)
@click.option("--out", "folder", type=PathArgument, required=True, help="Folder to create.")
@as_json_option
def settle(
    trades: Path,
    days: int | None,
    closed: Days,
    opened: Days,
    scales: dict[str, int],
    balances: Path,
    day: datetime,
    carried: Path | None,
    penalty_ppm: int,
    folder: Path,
    as_json: bool,
) -> None:
    """Deliver against payment in two phases; carry what fails.

    A failing trade costs a penalty. The command writes transfers.csv, balances.csv, settled.csv,
    fails.csv, waiting.csv (not yet due) and owed.csv; exit status 0 even when trades fail.
    """
    from openoutcry.ledger.settlement import files
    from openoutcry.ledger.settlement.settle import settle as settle_trades
    from openoutcry.ledger.settlement.trades import COLUMNS

    read = _trades(trades, days, closed, opened, scales)
    owed = []
    if carried is not None:
        read = files.with_carried(read, carried, scales)
        owed = files.read_owed(carried, scales)
    held = files.read_balances(balances, scales)
    done = settle_trades(read, held, day.date(), penalty_ppm, owed)
    files.write_settlement(folder, read, done, _written(scales, trades, COLUMNS))
    _say(
        {
            "settled": len(done.settled),
            "failed": len(done.fails),
            "waiting": len(done.waiting(len(read))),
            "penalties_owed": len(done.owed),
            "transfers": len(done.transfers),
            "out": str(folder),
        },
        as_json,
    )


@settlement.command(cls=AmountCommand)
@click.argument("journal", type=PathArgument)
@TRADES
@CYCLE
@CLOSED
@OPENED
@click.option("--carried", type=PathArgument, help="Folder of the previous settlement.")
@click.option("--as-of", "seq", type=Whole(0), help="Last command to include [the journal's].")
@OUT
@as_json_option
def balances(
    journal: Path,
    trades: Path,
    days: int | None,
    closed: Days,
    opened: Days,
    carried: Path | None,
    seq: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write what members hold without TRADES, for `settle`.

    The ledger of JOURNAL has every trade at once; these are still to settle."""
    from openoutcry.ledger.ledger_state import at
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.holdings import holdings_before

    books = at(journal, seq).books
    scales = books.scales
    read = _trades(trades, days, closed, opened, scales)
    if carried is not None:
        read = files.with_carried(read, carried, scales)
    rows = holdings_before(books, read)
    tables.write(out, list(files.BALANCES), rows, None if counts_units() else scales)
    _say({"balances": len(rows), "out": str(out)}, as_json)


@settlement.command()
@click.argument("folder", type=PathArgument)
@click.option("--day", type=DAY, required=True, help="The day that was settled.")
@FILE_OPTION
@OPERATOR_OPTION
@WHY_OPTION
@as_json_option
def post(folder: Path, day: datetime, file: Path, operator: str | None, as_json: bool) -> None:
    """Post the penalties of a settlement into a running venue.

    The ledger has the rest: it moves lots and money at the fill. Each member's penalties are one
    request with the reference "settle DAY MEMBER ASSET", so a repeat posts nothing again."""
    from openoutcry.ledger.settlement.holdings import penalties
    from openoutcry.venue.file import read_venue

    scales = read_venue(file).risk.money.assets
    requests: list[dict[str, Any]] = [
        {
            "do": "deposit",
            "participant": _participant(member),
            "amount": units,
            "asset": asset,
            "purpose": "clearing",
            "reference": f"settle {day:%Y%m%d} {member} {asset}",
        }
        for member, asset, units in penalties(folder, scales)
    ]
    for request in requests:
        send_to_desk(file, request, operator, as_json)


def _participant(member: str) -> int:
    from openoutcry.wire.errors import SettlementError

    if not member.isascii() or not member.isdigit():
        raise SettlementError(f"member {member!r} is not the number of a participant")
    return int(member)


@settlement.command()
@click.argument("market")
@click.argument("trade_day", type=DAY)
@CYCLE
@CLOSED
@OPENED
@as_json_option
def due(
    market: str,
    trade_day: datetime,
    days: int | None,
    closed: Days,
    opened: Days,
    as_json: bool,
) -> None:
    """Show when a trade of a day in a market is due."""
    from openoutcry.ledger.settlement.cycle import cycle_days, settlement_date

    n = cycle_days(market, trade_day.date()) if days is None else days
    day = settlement_date(market, trade_day.date(), n, _dates(closed), _dates(opened))
    if as_json:
        click.echo(json.dumps({"market": market, "cycle_days": n, "due": str(day)}))
        return
    click.echo(f"{day} (T+{n})")


def _action(command: Any) -> Any:
    """The options that a dividend and a split share."""
    for option in reversed(
        (
            click.option(
                "--positions",
                type=PathArgument,
                required=True,
                help="member,amount or member,units",
            ),
            DECIMALS,
            click.option(
                "--orders",
                type=PathArgument,
                required=True,
                help="order_id,participant,symbol,side,order_type,price_ticks,qty_lots,self_trade",
            ),
            click.option("--symbol", required=True, help="The instrument, and the asset."),
            click.option("--cash", "cash_asset", required=True, help="Asset of the payment."),
            click.option(
                "--reference-ticks", type=int, required=True, help="Last closing price, in ticks."
            ),
            click.option(
                "--phase",
                type=click.Choice(PHASES),
                default="PRE_OPEN",
                show_default=True,
                help="Phase in which the instrument gets its new reference price.",
            ),
            click.option(
                "--movements", type=PathArgument, required=True, help="CSV file to write."
            ),
            click.option("--commands", type=PathArgument, required=True, help="CSV file to write."),
            as_json_option,
        )
    ):
        command = option(command)
    return command


@settlement.command(cls=AmountCommand)
@click.option(
    "--per-unit",
    nargs=2,
    type=Amount,
    required=True,
    metavar="N D",
    help="Cash N for each D of the asset held.",
)
@click.option("--ticks", type=Whole(0), required=True, help="The dividend in price ticks.")
@_action
def dividend(per_unit: tuple[str, str], ticks: int, **words: Any) -> None:
    """Apply a cash dividend: payments, and commands for orders."""
    from openoutcry.ledger.settlement.corporate import cash_dividend

    paid, held = per_unit
    rate = _typed(paid, "cash_asset", words), _typed(held, "symbol", words)
    _adjust(cash_dividend, rate, ticks, **words)


def _typed(text: str, of: str, words: dict[str, Any]) -> int:
    """Return an amount of the asset that an option of the command names, in units."""
    asset = words[of]
    if counts_units():
        return whole_units(text)
    return written_units(text, asset, words["scales"])


@settlement.command(cls=AmountCommand)
@click.option(
    "--ratio",
    nargs=2,
    type=int,
    required=True,
    metavar="NEW OLD",
    help="New units per old units, as N/D; below 1: a reverse split.",
)
@click.option(
    "--cash-per-tick",
    type=Amount,
    required=True,
    help="Cash that one unit of the asset costs per tick of its price.",
)
@_action
def split(ratio: tuple[int, int], cash_per_tick: str, **words: Any) -> None:
    """Apply a split: positions, cash, and commands for orders.

    Fractions are paid in cash."""
    from openoutcry.ledger.settlement.corporate import split as make_split

    _adjust(make_split, ratio, _typed(cash_per_tick, "cash_asset", words), **words)


def _adjust(
    make: Any,
    terms: tuple[int, int],
    price: int,
    positions: Path,
    scales: dict[str, int],
    orders: Path,
    symbol: str,
    cash_asset: str,
    reference_ticks: int,
    phase: str,
    movements: Path,
    commands: Path,
    as_json: bool,
) -> None:
    from openoutcry.ledger.settlement import corporate_files
    from openoutcry.wire.enums import Phase

    adjustment = make(
        corporate_files.read_positions(positions, symbol, scales),
        corporate_files.read_orders(orders),
        symbol,
        cash_asset,
        terms,
        price,
        reference_ticks,
        Phase[phase],
    )
    written = _written(scales, positions, corporate_files.POSITIONS)
    corporate_files.write_adjustment(adjustment, movements, commands, written)
    _say({"movements": len(adjustment.movements), "commands": len(adjustment.commands)}, as_json)


def _say(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document))
        return
    for name, value in document.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        click.echo(f"{name.replace('_', ' ')}: {shown}")
