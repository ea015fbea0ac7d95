"""Groups of commands that list them in sections, and import one only when it is called."""

from importlib import import_module
from typing import ClassVar

import click

from openoutcry.cli.sections import Sections
from openoutcry.early import leaving_at_once


def command_module(name: str) -> str:
    """The module of a subcommand; it has the command under the same name."""
    return f"openoutcry.cli.{name.replace('-', '_')}"


class SectionedGroup(click.Group):
    """Imports a subcommand when it is called; its own commands are at hand."""

    sections: ClassVar[Sections] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for lines in self.sections.values() for name in lines]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands or cmd_name not in self.list_commands(ctx):
            return self.commands.get(cmd_name)
        module = command_module(cmd_name)
        with leaving_at_once():
            command: click.Command = getattr(import_module(module), module.rpartition(".")[2])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for title, lines in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in lines.items()])
