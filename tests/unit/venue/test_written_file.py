"""The files that `outcry venue init` and `portal init` write are complete for every step that the
pages name next: each table of `docs/venue.md`, and the feed that is a comment."""

import re
from pathlib import Path

import pytest

from openoutcry.portal.init import EXAMPLE as PORTAL_EXAMPLE
from openoutcry.venue.example import make_example
from openoutcry.venue.file import VenueFileError, read_venue
from tests import ROOT

PAGE = (ROOT / "docs" / "venue.md").read_text()
SNIPPETS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
WRITTEN, _ = make_example()
(SPOT,) = [one for one in SNIPPETS if 'settlement = "spot"' in one]
FEED = re.search(r"(?m)^# \[market_data\]\n(?:# .*\n)+", WRITTEN)[0]


def mistakes(path: Path, text: str) -> list[str]:
    path.write_text(text)
    path.chmod(0o600)
    try:
        read_venue(path)
    except VenueFileError as error:
        return [str(one) for one in error.mistakes]
    return []


def without_tables(text: str, *headers: str) -> str:
    """The file without the tables that begin so."""
    tables = re.split(r"(?m)^(?=\[)", text)
    return "".join(one for one in tables if not one.startswith(headers))


def with_step(text: str, step: str) -> str:
    """The file with a table of the page, which takes the place of what the page says."""
    if step.startswith("[venue]\n"):
        return text.replace("[venue]\n", step, 1)
    if 'protocol = "packets"' in step or "order_types" in step:
        text = without_tables(text, '[[port]]\nprotocol = "packets-unauthenticated"')
    if step.startswith("[[instrument_slots]]"):  # in a venue with wallets
        step = f"{SPOT}\n{step}"
    if 'settlement = "spot"' in step:
        text = without_tables(text, "[[instrument]]")
    return f"{text}\n{step}"


def test_the_pages_tables_are_found() -> None:
    assert len(SNIPPETS) >= 5
    assert {"[[port]]", "[[asset]]", "[[session_slots]]", "[venue]"} <= {
        one.split(None, 1)[0] for one in SNIPPETS
    }


@pytest.mark.parametrize("step", ["", *SNIPPETS], ids=lambda step: step.split("\n", 1)[0])
def test_each_next_step_of_the_page_has_no_mistake(tmp_path: Path, step: str) -> None:
    assert mistakes(tmp_path / "venue.toml", with_step(WRITTEN, step)) == []


@pytest.mark.parametrize("step", ["", *SNIPPETS], ids=lambda step: step.split("\n", 1)[0])
def test_each_next_step_goes_with_the_feed(tmp_path: Path, step: str) -> None:
    uncommented = re.sub(r"(?m)^# ", "", FEED)
    text = WRITTEN.replace(FEED, uncommented)
    assert mistakes(tmp_path / "venue.toml", with_step(text, step)) == []


def test_the_portals_file_gets_a_feed(tmp_path: Path) -> None:
    text = PORTAL_EXAMPLE.read_text() + "\n" + re.sub(r"(?m)^# ", "", FEED)
    assert mistakes(tmp_path / "venue.toml", PORTAL_EXAMPLE.read_text()) == []
    assert mistakes(tmp_path / "venue.toml", text) == []
