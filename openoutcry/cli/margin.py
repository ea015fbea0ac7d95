"""``outcry margin``: where margin comes from, what shocks would do, whether margins cover."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.bars import moment_ns
from openoutcry.cli.ledger_moment import ledger_state_at
from openoutcry.cli.options import (
    Amount,
    AmountCommand,
    PathArgument,
    Whole,
    as_json_option,
    seed_option,
    units_typed,
)
from openoutcry.wire.decimals import amount_words
from openoutcry.wire.errors import OutcryError

if TYPE_CHECKING:
    from openoutcry.derivatives.book import Book
    from openoutcry.derivatives.contracts import Contract
    from openoutcry.ledger.books import Books
    from openoutcry.venue.index_audit import Audited

book_argument = click.argument("file", type=PathArgument)
journal_option = click.option(
    "--journal",
    type=PathArgument,
    help="Take holdings and positions from this journal, instead of the file's participants.",
)
as_of_option = click.option(
    "--as-of",
    metavar="MOMENT",
    help="With --journal: after a command (a number) or at a time (default: the end).",
)


@click.group()
def margin() -> None:
    """Explain, stress and backtest portfolio margin.

    \b
    outcry margin explain margin.toml 7 --order BTC-PERP:-5
    outcry margin stress margin.toml --journal JOURNAL --fund 1000000
    outcry margin funding JOURNAL --participant 7
    outcry margin index JOURNAL
    outcry margin coverage --years 10 --level 99
    """


@margin.command()
@book_argument
@click.argument("participant", type=int)
@click.option("--order", metavar="SYMBOL:LOTS", help="Also with this order; sales are negative.")
@journal_option
@as_of_option
@as_json_option
def explain(
    file: Path,
    participant: int,
    order: str | None,
    journal: Path | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Show what a participant's margin is made of.

    FILE has underlyings, contracts and haircuts (docs/margin.md). With --journal, also what the
    core of a venue under scenario margin goes by."""
    from openoutcry.derivatives.explain import explain as explanation_of

    book, seq, scales = _book(file, journal, as_of)
    if participant not in book.participants:
        raise OutcryError(f"{journal or file}: there is no participant {participant}")
    hypothetical = None if order is None else _order(book, order)
    document = explanation_of(book, book.participants[participant], hypothetical).document()
    document["asset"] = book.asset
    if journal is not None and (core := _of_core(journal, seq, participant)):
        document["core"] = core
    if as_json:
        click.echo(json.dumps(document))
        return
    for line in _explained(document, scales):
        click.echo(line)


@margin.command(cls=AmountCommand)
@book_argument
@click.option(
    "--move",
    "moves",
    multiple=True,
    metavar="NAME:PERCENT",
    help="Move this underlying instead of the listed shocks; repeatable.",
)
@click.option("--fund", type=Amount, default="0", show_default=True, help="What the fund has.")
@journal_option
@as_of_option
@as_json_option
def stress(
    file: Path,
    moves: tuple[str, ...],
    fund: str,
    journal: Path | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Report who would fail in shocks, and what the fund loses.

    Without --move: three days of history, and falls and rises of 20 and 50 percent."""
    from openoutcry.derivatives.stress import HISTORIC, INVENTED, Shock, shocked

    book, _, scales = _book(file, journal, as_of)
    has = units_typed(fund, book.asset, scales.get(book.asset, 0))
    money = partial(amount_words, asset=book.asset, decimals=scales)
    if moves:
        only = dict(_move(book, text) for text in moves)
        shocks = [Shock(" ".join(moves), 0)]
        outcomes = [shocked(book, shocks[0], has, only)]
    else:
        shocks = [*HISTORIC, *INVENTED]
        outcomes = [shocked(book, shock, has) for shock in shocks]
    if as_json:
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes]))
        return
    for shock, outcome in zip(shocks, outcomes, strict=True):
        of = f" ({_percent(shock.move)}, volatility {_percent(shock.volatility)})"
        paid = min(outcome.deficit, has)
        click.echo(
            f"{outcome.shock}{'' if moves else of}: {len(outcome.failed)} of "
            f"{len(book.participants)} fail, deficit {money(outcome.deficit)}, of which the "
            f"fund pays {money(paid)} and takeovers {money(outcome.deficit - paid)}"
        )
        for number, equity in outcome.failed.items():
            click.echo(
                f"  participant {number}: equity {money(equity)}, below its maintenance margin"
            )
        if outcome.gains:
            click.echo(f"  positions without a counterpart here gain {money(outcome.gains)}")


@margin.command()
@click.argument("journal", type=PathArgument)
@click.option("--participant", type=int, help="Only this participant's.")
@as_of_option
@as_json_option
def funding(journal: Path, participant: int | None, as_of: str | None, as_json: bool) -> None:
    """List the funding that positions in perpetuals were paid.

    An amount below 0 was paid by the position.
    """
    from openoutcry.ledger.layout import Kind
    from openoutcry.ledger.transactions import joined, transactions

    state = ledger_state_at(journal, as_of)
    found = joined(transactions(journal, state, participant=participant))
    rows: list[dict[str, Any]] = [
        {
            "time": _utc(int(row["ts_ns"])),
            "participant": int(row["participant"]),
            "contract": state.books.symbols[int(row["instrument"])],
            "lots": int(row["qty_lots"]),
            "mark": int(row["price_ticks"]),
            "paid": int(row["available"]),
            "asset": state.books.assets[int(row["asset"])],
        }
        for row in found[found["kind"] == Kind.FUNDING]
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        whose = "" if participant is None else f" for participant {participant}"
        click.echo(f"no funding{whose}")
    for row in rows:
        click.echo(
            f"{row['time']} participant {row['participant']}: {row['lots']} {row['contract']} at "
            f"{row['mark']}: {'+' * (row['paid'] >= 0)}"
            + amount_words(row["paid"], row["asset"], state.books.scales)
        )


@margin.command()
@click.argument("journal", type=PathArgument)
@as_of_option
@as_json_option
def index(journal: Path, as_of: str | None, as_json: bool) -> None:
    """Compute indices and marks again from JOURNAL alone.

    Shows of what each index was made. Ends with status 1, and names what differs, if an index or a
    mark is not what its sources come to."""
    from openoutcry.venue.index_audit import audit_indices

    until: dict[str, int] = {}
    if as_of is not None:
        is_seq = as_of.isascii() and as_of.isdigit() and len(as_of) < 20
        until = {"until_seq": int(as_of)} if is_seq else {"until_ns": moment_ns(as_of, "--as-of")}
    audit = audit_indices(journal, **until)
    rows = [_index_row(index_) for index_ in audit.indices.values()]
    if as_json:
        found = {"differences": audit.count, "named": audit.differences}
        click.echo(json.dumps({"indices": rows, **found}))
    else:
        for row in rows:
            few = ", with too few sources" if row["protected"] else ""
            click.echo(
                f"{row['underlying']} at {row['time']}: {row['price']}{few}; "
                f"{row['looks']:,} looks, {row['compared']:,} marks, pauses and prices compared"
            )
            for name, one in row["sources"].items():
                at = f"{one['price']} at {one['time']}" if one["time"] else "no report"
                click.echo(f"  {name} (weight {one['weight']}): {at}, {one['state']}")
        for line in audit.differences:
            click.echo(line)
        nothing = "" if rows else ": the journal has no index"
        click.echo(f"{audit.count:,} differences{nothing}")
    if audit.count:
        sys.exit(1)


def _index_row(one: "Audited") -> dict[str, Any]:
    sources = {}
    for name, state in one.value.sources.items():
        price, time_ns = one.reports.get(name, (None, None))
        time = None if time_ns is None else _utc(time_ns)
        sources[name] = {
            "price": price,
            "time": time,
            "weight": one.weights[name],
            "state": state,
        }
    return {
        "underlying": one.underlying,
        "time": _utc(one.time_ns),
        "price": one.value.price_ticks,
        "protected": one.value.protected,
        "sources": sources,
        "looks": one.looks,
        "compared": one.compared,
    }


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()


@margin.command()
@click.option(
    "--years", type=Whole(2, 1_000), default=10, show_default=True, help="Generated years."
)
@click.option(
    "--level",
    type=click.FloatRange(50.0, 99.99),
    default=99.0,
    show_default=True,
    help="Percent of days whose moves the scan range covers.",
)
@click.option("--buffer", type=Whole(0, 1_000), default=0, show_default=True, help="Percent added.")
@seed_option("Seed of the generated prices.")
@as_json_option
def coverage(years: int, level: float, buffer: int, seed: int, as_json: bool) -> None:
    """Backtest a scan range over generated years, by Kupiec's test.

    The range of a day is the historical value at risk of the year before."""
    from openoutcry.derivatives.stress import covered, generated

    prices = generated(seed, years, 1_000_000)
    made = covered(prices, round(level * 10_000), buffer=buffer * 10_000)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    click.echo(f"{made.days} days: {made.exceptions} exceptions, {made.expected:.1f} expected")
    verdict = "rejected" if made.p_value < 0.05 else "not rejected"
    click.echo(
        f"Kupiec: {made.statistic:.3f}, p {made.p_value:.4f}: {level:g} % is {verdict} at 5 %"
    )
    if made.p_value < 0.05:
        few = made.exceptions > made.expected
        click.echo(f"the range is too {'small' if few else 'large'}: try another --buffer")


def _percent(millionths: int) -> str:
    return f"{millionths / 10_000:+g} %"


def _book(
    file: Path, journal: Path | None, as_of: str | None
) -> "tuple[Book, int, dict[str, int]]":
    """The margin file; with a journal, with its participants, as of which command, and decimals of
    its assets.  A margin file alone counts whole units."""
    from openoutcry.derivatives.book import read_book

    book = read_book(file)
    if journal is None:
        if as_of is not None:
            raise click.UsageError("--as-of needs --journal")
        return book, 0, {}
    state = ledger_state_at(journal, as_of)
    book = replace(book, contracts=_terms(book, state.books))
    book = replace(book, participants=_participants(book, journal, state.books))
    return book, state.seq, state.books.scales


def _terms(book: "Book", books: "Books") -> "dict[str, Contract]":
    """The file's contracts as a journal's splits of their underlyings have left them."""
    from openoutcry.derivatives.contracts import in_force
    from openoutcry.ledger.layout import LedgerInstrument

    names = "units", "strike", "strike_units", "strike_rest"
    columns = [LedgerInstrument.offset(name) // 8 for name in names]
    rows = {
        symbol: books.instruments[index, columns].tolist()
        for index, symbol in enumerate(books.symbols)
        if books.instruments[index, LedgerInstrument.offset("kind") // 8]
    }
    return {
        symbol: in_force(one, *rows[symbol]) if symbol in rows else one
        for symbol, one in book.contracts.items()
    }


def _of_core(journal: Path, seq: int, participant: int) -> dict[str, Any]:
    """Return the figures that the core compares after a command; nothing of one without scenario
    margin."""
    from openoutcry.journal import JournalReader
    from openoutcry.journal.checkpoint import recover
    from openoutcry.journal.projections import has_risk
    from openoutcry.risk import layout as lay
    from openoutcry.risk.region import View
    from openoutcry.venue.waterfall import place_of
    from openoutcry.wire.symbols import symbols_of

    config = JournalReader(journal).config
    if not has_risk(config):
        return {}
    view, symbols = View(recover(journal, seq).engine.region), symbols_of(config)
    if view.portfolio is None or view.contracts is None or participant >= len(view.participants):
        return {}
    initial, with_orders = view.portfolio.initial(participant)
    names = view.wallets.names if view.wallets else []
    pledges = int(view.portfolio.collateral()[participant])
    return {
        "seq": seq,
        "equity": view.equity(participant) + pledges,
        "maintenance": view.of(participant, lay.PORTFOLIO) + pledges,
        "initial": initial,
        "with_orders": with_orders,
        "collateral": {
            names[asset]: asdict(line) for asset, line in view.portfolio.lines(participant).items()
        },
        "takeovers": {
            symbols[index]: place_of(view, participant, index)
            for index in view.contracts.number
            if view.cell(participant, index, lay.POSITION)
        },
    }


def _participants(book: "Book", journal: Path, books: "Books") -> dict[int, Any]:
    """Each participant's money and lots; refuses an instrument that the margin file has not."""
    from openoutcry.derivatives.book import Participant
    from openoutcry.ledger import reports

    holdings: dict[int, dict[str, int]] = {}
    positions: dict[int, dict[str, int]] = {}
    for owner, asset, _, value in reports.balances(books).rows:
        kind, _, number = owner.partition(" ")
        if kind == "participant" and asset in book.prices:
            own = holdings.setdefault(int(number), {})
            own[asset] = own.get(asset, 0) + value
    for number, symbol, lots, *_ in reports.positions(books).rows:
        if symbol not in book.contracts:
            raise OutcryError(f"{journal}: the margin file has no contract {symbol}")
        positions.setdefault(number, {})[symbol] = lots
    return {
        number: Participant(holdings.get(number, {}), positions.get(number, {}))
        for number in sorted({*holdings, *positions})
    }


def _order(book: "Book", text: str) -> tuple[str, int]:
    symbol, _, lots = text.rpartition(":")
    try:
        number = int(lots)
    except ValueError:
        number = 0
    if symbol not in book.contracts or not number:
        raise click.UsageError(f"--order {text!r} is not SYMBOL:LOTS of a contract of the file")
    return symbol, number


def _move(book: "Book", text: str) -> tuple[str, int]:
    name, _, percent = text.rpartition(":")
    try:
        share = round(float(percent) * 10_000)
    except (ValueError, OverflowError):
        share = -10_000_000
    if name not in book.underlyings or not -1_000_000 <= share <= 10_000_000:
        raise click.UsageError(f"--move {text!r} is not NAME:PERCENT of an underlying of the file")
    return name, share


def _counted(
    name: str, line: dict[str, int], money: Callable[[int], str], scales: dict[str, int]
) -> str:
    """Return what an asset counts as collateral."""
    value, by_size, by_share, counts = (
        money(line[key]) for key in ("value", "by_size", "by_share", "counts")
    )
    units = line["amount"]
    held = amount_words(units, name, scales) if name in scales else f"{units} units of {name}"
    return f"{held} are worth {value}, less {by_size} by size and {by_share} by share: {counts}"


def _explained(document: dict[str, Any], scales: dict[str, int]) -> list[str]:
    """The document as text; ``scales``: decimals by asset."""
    asset = document["asset"]
    money = partial(amount_words, asset=asset, decimals=scales)
    lines = [
        f"equity        {money(document['equity'])}",
        f"maintenance   {money(document['maintenance'])}",
        f"initial       {money(document['initial'])}",
        f"with orders   {money(document['with_orders'])}",
    ]
    if core := document.get("core"):
        lines.append(
            f"in the core after command {core['seq']}: equity and credit {money(core['equity'])}, "
            f"maintenance {money(core['maintenance'])}, initial {money(core['initial'])}, "
            f"with orders {money(core['with_orders'])}"
        )
        lines += [
            f"  pledged {_counted(name, line, money, scales)}"
            for name, line in core["collateral"].items()
        ]
        lines += [
            f"  takeovers in {symbol}: place {place} of {count}"
            for symbol, (place, count) in core["takeovers"].items()
        ]
    lines += [
        _counted(name, line, money, scales)
        for name, line in document["collateral"].items()
        if name != asset
    ]
    for name, part in document["commodities"].items():
        lines.append(
            f"{name}: scan {money(part['scan'])} (scenario {part['active'] + 1}), months "
            f"{money(part['intra'])}, credit {money(part['credit'])}, short minimum "
            f"{money(part['short_minimum'])}, add-on {money(part['addon'])}: "
            f"{money(part['maintenance'])}"
        )
        for number, row in enumerate(part["scenarios"], 1):
            lines.append(
                f"  {number:2} price {row['move']:+} volatility {row['volatility']:+}: "
                f"loss {money(row['loss'])}"
            )
        greeks = document["greeks"][name]
        lines.append("  " + ", ".join(f"{key} {value:.6g}" for key, value in greeks.items()))
        ends = document["liquidation"][name]
        lines += [f"  liquidated {side} {ends[side]}" for side in ends if ends[side] is not None]
    if document["what_if"]:
        answer = document["what_if"] | {
            "accepted": "yes" if document["what_if"]["accepted"] else "no"
        }
        for key, value in answer.items():
            lines.append(
                f"{key.replace('_', ' ')}: {money(value) if type(value) is int else value}"
            )
    return lines
