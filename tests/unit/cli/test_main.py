"""cli/main.py: subcommands are imported when they are asked for, and the list of them is true."""

import click
import pytest

from openoutcry.cli.main import SUBCOMMANDS, main


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_list_says_what_each_subcommand_says_of_itself(name):
    """The line beside a name is what that command's own help begins with."""
    command = main.get_command(click.Context(main), name)
    listed = click.Command(name, help=SUBCOMMANDS[name])
    assert listed.get_short_help_str(500) == command.get_short_help_str(500)
    assert command.name == name
