"""``outcry replay --show-book``: a journal's book, command by command, forward and back."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from openoutcry.journal.book import PLACES, Stepper, book_lines, command_text, event_text, orders_of
from openoutcry.wire.errors import OutcryError

HELP = "n [COUNT] forward · p [COUNT] back · g SEQ go there · b [SYMBOL] the book · q leave"


def show_book(directory: Path, until: int | None, symbol: str, levels: int, as_json: bool) -> None:
    """The book of a symbol after command ``until``."""
    stepper = _at(directory, until, symbol)
    if as_json:
        click.echo(json.dumps(book_document(stepper, symbol)))
        return
    _show(stepper, symbol, levels)


def _at(directory: Path, until: int | None, symbol: str) -> Stepper:
    stepper = Stepper(directory, until)
    if symbol not in stepper.symbols:
        raise OutcryError(
            f"{symbol} is not among the journal's instruments: {', '.join(stepper.symbols)}"
        )
    return stepper


def book_document(stepper: Stepper, symbol: str) -> dict[str, Any]:
    """Command, events and open orders, as JSON can hold them."""
    rows = [
        {
            **order._asdict(),
            "side": order.side.name,
            "order_type": order.order_type.name,
            "place": PLACES[order.place],
        }
        for order in orders_of(stepper.engine, symbol)
    ]
    return {
        "seq": stepper.seq,
        "symbol": symbol,
        "command": None
        if stepper.command is None
        else command_text(stepper.command, stepper.symbols),
        "events": [event_text(event, stepper.symbols) for event in stepper.events],
        "orders": rows,
    }


def _show(stepper: Stepper, symbol: str, levels: int) -> None:
    if stepper.command is None:
        click.echo("before the first command")
    else:
        click.echo(command_text(stepper.command, stepper.symbols))
    for event in stepper.events:
        click.echo(f"    {event_text(event, stepper.symbols)}")
    for line in book_lines(stepper.engine, symbol, levels):
        click.echo(line)


def step(directory: Path, until: int | None, symbol: str, levels: int) -> None:
    """Read commands (:data:`HELP`) from standard input and show what they ask for."""
    stepper = _at(directory, until, symbol)
    click.echo(HELP)
    _show(stepper, symbol, levels)
    while True:
        if sys.stdin.isatty():
            click.echo(f"{stepper.seq:,}> ", nl=False)
        line = sys.stdin.readline()
        if not line or line.strip() in ("q", "quit"):
            return
        try:
            symbol = _do(stepper, line.split() or ["n"], symbol)
            _show(stepper, symbol, levels)
        except (OutcryError, ValueError, IndexError) as error:
            click.echo(f"{line.strip()}: {error or 'not understood'} ({HELP})")


def _do(stepper: Stepper, words: list[str], symbol: str) -> str:
    """One command; the symbol that is shown from now on."""
    command, arguments = words[0], words[1:]
    if command in ("n", "p"):
        count = int(arguments[0]) if arguments else 1
        target = stepper.seq + (count if command == "n" else -count)
        stepper.goto(max(stepper.first_seq - 1, min(stepper.last_seq, target)))
    elif command == "g":
        stepper.goto(int(arguments[0].replace(",", "")))
    elif command == "b":
        if arguments and arguments[0] not in stepper.symbols:
            raise OutcryError(f"{arguments[0]} is not among the journal's instruments")
        return arguments[0] if arguments else symbol
    else:
        raise ValueError("not understood")
    return symbol
