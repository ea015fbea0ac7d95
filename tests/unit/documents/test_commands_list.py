"""docs/commands.md lists every command, as the commands describe themselves."""

import click
import pytest

from openoutcry.cli.main import main
from openoutcry.cli.sections import COMMANDS
from tests import ROOT
from tests.support.documents.commands import PAGE, PAGES, commands, filled, lines_of, page_of

NAMES = [name for lines in COMMANDS.values() for name in lines]


def test_the_top_has_few_commands() -> None:
    """A reader takes in one screen of help; rarer commands are in a group."""
    assert len(NAMES) <= 27


def test_every_command_has_a_page() -> None:
    assert {path for path in PAGES if " " not in path} == set(NAMES)
    assert page_of("venue limits set") == PAGES["venue limits"]


def test_the_lists_are_those_of_the_commands() -> None:
    text = PAGE.read_text()
    assert filled(text) == text, "run python -m tests.support.documents.commands"


@pytest.mark.parametrize("path", sorted(PAGES))
def test_the_page_of_a_command_shows_it(path: str) -> None:
    text = (ROOT / "docs" / PAGES[path].partition("#")[0]).read_text()
    assert f"outcry {path}" in text


def test_a_group_lists_its_commands_but_hidden_ones() -> None:
    group = click.Group("pair", help="Two commands.")
    group.add_command(click.Command("seen", help="Do one thing.\n\nAnd more about it."))
    group.add_command(click.Command("unseen", help="Do another.", hidden=True))
    listed = [("pair", "Two commands."), ("pair seen", "Do one thing.")]
    assert list(commands(group, "pair")) == listed


def test_a_groups_line_names_its_commands_and_another_page_has_a_line() -> None:
    listed = [
        ("feed", "Write data."),
        ("feed bars", "Aggregate trades."),
        ("feed listen", "Show a book."),
        ("feed write", "Write files."),
        ("venue", "Operate a venue."),
        ("venue check", "Report <mistakes>."),
    ]
    assert lines_of(listed) == {
        "feed": "Write data. `listen`, `write`",
        "feed bars": "Aggregate trades.",
        "venue": "Operate a venue.",
        "venue check": "Report &lt;mistakes>.",
    }


def test_no_line_is_cut_or_empty() -> None:
    context = click.Context(main)
    for name in NAMES:
        command = main.get_command(context, name)
        assert command
        for path, line in commands(command, name):
            assert line, path
            assert not line.endswith("..."), path
