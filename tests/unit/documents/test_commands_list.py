"""docs/commands.md lists every command, as the commands describe themselves."""

import click
import pytest

from openoutcry.cli.main import SUBCOMMANDS, main
from tests import ROOT
from tests.support.documents.commands import PAGE, SECTIONS, commands, filled

PAGES = {name: page for pages in SECTIONS.values() for name, page in pages.items()}


def test_every_command_has_a_section_and_a_page() -> None:
    assert sorted(PAGES) == sorted(SUBCOMMANDS)
    assert len(PAGES) == sum(map(len, SECTIONS.values()))


def test_the_lists_are_those_of_the_commands() -> None:
    """``python -m tests.support.documents.commands`` writes them."""
    text = PAGE.read_text()
    assert filled(text) == text


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_of_a_command_shows_it(name: str) -> None:
    text = (ROOT / "docs" / PAGES[name].partition("#")[0]).read_text()
    assert f"outcry {name}" in text


def test_what_is_below_a_group_is_listed_and_what_is_hidden_is_not() -> None:
    group = click.Group("pair", help="Two commands.")
    group.add_command(click.Command("seen", help="Do one thing.\n\nAnd more about it."))
    group.add_command(click.Command("unseen", help="Do another.", hidden=True))
    listed = [("pair", "Two commands."), ("pair seen", "Do one thing.")]
    assert list(commands(group, "pair")) == listed


def test_no_line_is_cut_or_empty() -> None:
    context = click.Context(main)
    for name in PAGES:
        command = main.get_command(context, name)
        assert command
        for path, line in commands(command, name):
            assert line, path
            assert not line.endswith("..."), path
