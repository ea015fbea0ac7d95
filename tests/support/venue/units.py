"""Commands of tests count in units, as the journal does."""

import click

from openoutcry.cli.main import main
from openoutcry.cli.options import AmountCommand


def in_units(*words: str) -> tuple[str, ...]:
    """Return the words of an ``outcry venue`` command, with ``--units`` if it takes an amount."""
    context = click.Context(main, info_name="outcry")
    command: click.Command = main
    left = ["venue", *words]
    while isinstance(command, click.Group) and left:
        _, found, left = command.resolve_command(context, left)
        if found is None:
            return words
        command, context = found, click.Context(found, parent=context)
    return (*words, "--units") if isinstance(command, AmountCommand) else words
