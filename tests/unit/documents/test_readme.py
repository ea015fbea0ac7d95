"""README.md: its two commands and its example run, and its first screen says what it must."""

import re

from tests.support.documents.readme import README


def test_the_first_screen_has_figures_picture_and_two_commands() -> None:
    """What it is, for whom, three figures, a picture and two commands, before anything else."""
    first, *_ = README.read_text().split("\n## ")
    assert len(first.splitlines()) <= 45
    assert len(re.findall(r"^\| \*\*[^|]*\*\* \|", first, re.M)) == 3
    assert re.findall(r"^make (\w+)", first, re.M) == ["run", "test"]
    assert "─►" in first
