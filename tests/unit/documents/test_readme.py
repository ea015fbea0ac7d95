"""README.md: its two commands and its example run, and its first screen says what it must."""

import re

from openoutcry import PACKAGE
from openoutcry.report.tables import HEADLINE
from tests.support.documents.readme import README


def test_the_first_screen_has_figures_picture_and_two_commands() -> None:
    """What it is, for whom, a few figures, a picture and two commands, before anything else."""
    first, *_ = README.read_text().split("\n## ")
    assert len(first.splitlines()) <= 45
    assert len(re.findall(r"^\| \*\*[^|]*\*\* \|", first, re.M)) == len(HEADLINE) <= 4
    assert re.findall(r"^make (\w+)", first, re.M) == ["run", "test"]
    assert "─►" in first


def test_each_headline_figure_names_its_conditions() -> None:
    """Where the orders come from, and whether risk was part of it.  The first is what a venue's
    participant gets."""
    assert "with risk" in HEADLINE[0][2]
    assert "OUCH" in HEADLINE[0][2]
    for _, _, label in HEADLINE:
        assert re.search(r"preloaded|session", label), label
        assert re.search(r"with(out)? risk", label), label


def test_the_second_venue_begins_in_another_folder() -> None:
    """Both examples name their journal alike: in one folder the second would find the first's."""
    journals = {
        re.search(r'^journal = "(\w+)"', (PACKAGE / room / "example.toml").read_text(), re.M)[1]
        for room in ("venue", "portal")
    }
    section = README.read_text().partition("## The same with `ccxt`")[2]
    before, _, _ = section.partition("$ outcry portal init")
    assert len(journals) == 2 or "$ cd " in before
