"""Every command of ``outcry``, by its path."""

import click


def tree(
    command: click.Command, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    """A command and everything below it."""
    found = [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below, name
            found += tree(below, (*path, name))
    return found
