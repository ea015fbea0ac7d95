"""``outcry replay``: rebuild a book from its journal."""

import json
import sys
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, Whole, as_json_option


@click.command()
@click.argument("directory", type=PathArgument)
@click.option("--until", type=Whole(0), help="Stop after this sequence number.")
@click.option(
    "--show-book", "symbol", help="Show the book of this symbol, with its queues of orders."
)
@click.option(
    "--levels",
    type=Whole(1),
    default=10,
    show_default=True,
    help="Levels of the book to show.",
)
@click.option("--step", is_flag=True, help="Step forward and back from there (n, p, g SEQ, q).")
@as_json_option
def replay(
    directory: Path, until: int | None, symbol: str | None, levels: int, step: bool, as_json: bool
) -> None:
    """Rebuild the book from a journal; compare it with the record.

    \b
    outcry replay JOURNAL
    outcry replay JOURNAL --until 1000 --show-book GOLD
    outcry replay JOURNAL --until 1000 --show-book GOLD --step
    """
    if step and (symbol is None or as_json):
        raise click.UsageError("--step needs --show-book, and excludes --json")
    if symbol is not None:
        from openoutcry.cli import replay_steps

        if step:
            replay_steps.step(directory, until, symbol, levels)
        else:
            replay_steps.show_book(directory, until, symbol, levels, as_json)
        return
    from openoutcry.journal.replay import replay as replay_journal

    result = replay_journal(directory, until)
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(
            f"{result['commands']:,} commands, {result['events']:,} events "
            f"in {result['seconds']:.2f} s\n"
            f"state hash {result['state_hash']}  event hash {result['event_hash']}"
        )
        if result["torn"]:
            click.echo(f"the journal's end is torn: {result['torn']}")
        if result["wrong_seq"] is not None:
            click.echo(f"events differ from the hash stored with command {result['wrong_seq']:,}")
        elif result["event_digests"]:
            click.echo(
                f"events equal to the {result['event_digests']:,} hashes stored with the blocks, "
                f"up to command {result['verified_seq']:,}"
            )
        verdict = {
            True: "equal to what the run recorded",
            False: "DIFFERENT from what the run recorded",
            None: "nothing recorded at this sequence to compare with",
        }
        if result["not_compared"]:
            click.echo(f"events equal; {result['not_compared']}")
        else:
            click.echo(verdict[result["equal"]])
    if result["equal"] is False:
        sys.exit(1)
