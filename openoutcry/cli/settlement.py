"""``outcry settlement``: when trades are due, what is owed net, its delivery against payment."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, OPERATOR_OPTION, WHY_OPTION, send_to_desk
from openoutcry.cli.options import PathArgument, Whole, as_json_option

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
Days = tuple[datetime, ...]
OUT = click.option("--out", type=PathArgument, required=True, help="CSV file to write.")
PHASES = ("CLOSED", "PRE_OPEN")


@click.group()
def settlement() -> None:
    """Compute obligations, nets and delivery against payment.

    Input and output are CSV files. The columns of a file of trades are
    trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units. A market is
    a code of exchange-calendars: XNYS, XLON, 24/7.
    """


def _trades(path: Path, days: int | None, closed: Days, opened: Days) -> Any:
    from openoutcry.ledger.settlement.trades import read_trades

    return read_trades(path, days, _dates(closed), _dates(opened))


def _dates(days: Days) -> frozenset[date]:
    return frozenset(day.date() for day in days)


@settlement.command("trades")
@click.argument("journal", type=PathArgument)
@click.option("--market", required=True, help="Market in whose sessions the trades settle.")
@click.option("--as-of", "seq", type=Whole(0), help="Last command to include [the journal's].")
@OUT
@as_json_option
def trades_(journal: Path, market: str, seq: int | None, out: Path, as_json: bool) -> None:
    """Write the trades of a journal, for the other commands.

    Deliveries of futures that ended with one are among them."""
    from openoutcry.ledger.settlement import tables
    from openoutcry.ledger.settlement.journal import deliveries_of, trades_of
    from openoutcry.ledger.settlement.trades import COLUMNS

    rows = [*trades_of(journal, market, seq), *deliveries_of(journal, market, seq)]
    tables.write(out, list(COLUMNS), rows)
    _say({"trades": len(rows), "out": str(out)}, as_json)


@settlement.command()
@TRADES
@CYCLE
@CLOSED
@OPENED
@OUT
@as_json_option
def obligations(
    trades: Path, days: int | None, closed: Days, opened: Days, out: Path, as_json: bool
) -> None:
    """List the obligations of each trade, by settlement day.

    The clearing account is one side of each obligation."""
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.trades import obligations as obligations_of

    rows = list(obligations_of(_trades(trades, days, closed, opened)))
    tables.write(out, files.OBLIGATIONS, rows)
    _say({"obligations": len(rows), "out": str(out)}, as_json)


@settlement.command()
@TRADES
@CYCLE
@CLOSED
@OPENED
@OUT
@as_json_option
def net(
    trades: Path, days: int | None, closed: Days, opened: Days, out: Path, as_json: bool
) -> None:
    """Net the obligations: one amount per day, member and asset.

    A member receives a positive amount and delivers a negative one."""
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.netting import gross_units
    from openoutcry.ledger.settlement.netting import net as netted

    read = _trades(trades, days, closed, opened)
    nets = netted(read)
    tables.write(out, files.NETS, files.net_rows(read, nets))
    moved = sum(map(abs, nets.units))
    _say(
        {
            "trades": len(read),
            "nets": len(nets.units),
            "gross_units": gross_units(read),
            "net_units": moved,
            "out": str(out),
        },
        as_json,
    )


@settlement.command()
@TRADES
@CYCLE
@CLOSED
@OPENED
@click.option("--balances", type=PathArgument, required=True, help="member,asset,balance_units")
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

    read = _trades(trades, days, closed, opened)
    owed = []
    if carried is not None:
        read, owed = files.with_carried(read, carried), files.read_owed(carried)
    done = settle_trades(read, files.read_balances(balances), day.date(), penalty_ppm, owed)
    files.write_settlement(folder, read, done)
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


@settlement.command()
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
    from openoutcry.ledger.settlement import files, tables
    from openoutcry.ledger.settlement.holdings import holdings_before

    read = _trades(trades, days, closed, opened)
    if carried is not None:
        read = files.with_carried(read, carried)
    rows = holdings_before(journal, read, seq)
    tables.write(out, list(files.BALANCES), rows)
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

    requests: list[dict[str, Any]] = [
        {
            "do": "deposit",
            "participant": _participant(member),
            "amount": units,
            "asset": asset,
            "purpose": "clearing",
            "reference": f"settle {day:%Y%m%d} {member} {asset}",
        }
        for member, asset, units in penalties(folder)
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
            click.option("--positions", type=PathArgument, required=True, help="member,units"),
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


@settlement.command()
@click.option(
    "--per-unit",
    nargs=2,
    type=int,
    required=True,
    metavar="N D",
    help="Cash units per unit held, as N/D.",
)
@click.option("--ticks", type=Whole(0), required=True, help="The dividend in price ticks.")
@_action
def dividend(per_unit: tuple[int, int], ticks: int, **words: Any) -> None:
    """Apply a cash dividend: payments, and commands for orders."""
    from openoutcry.ledger.settlement.corporate import cash_dividend

    _adjust(cash_dividend, per_unit, ticks, **words)


@settlement.command()
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
    type=Whole(0),
    required=True,
    help="Cash units that one unit costs per tick of its price.",
)
@_action
def split(ratio: tuple[int, int], cash_per_tick: int, **words: Any) -> None:
    """Apply a split: positions, cash, and commands for orders.

    Fractions are paid in cash."""
    from openoutcry.ledger.settlement.corporate import split as make_split

    _adjust(make_split, ratio, cash_per_tick, **words)


def _adjust(
    make: Any,
    terms: tuple[int, int],
    price: int,
    positions: Path,
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
        corporate_files.read_positions(positions),
        corporate_files.read_orders(orders),
        symbol,
        cash_asset,
        terms,
        price,
        reference_ticks,
        Phase[phase],
    )
    corporate_files.write_adjustment(adjustment, movements, commands)
    _say({"movements": len(adjustment.movements), "commands": len(adjustment.commands)}, as_json)


def _say(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document))
        return
    for name, value in document.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        click.echo(f"{name.replace('_', ' ')}: {shown}")
