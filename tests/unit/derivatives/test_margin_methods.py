"""The table of methods in docs/margin.md: what is built names keys that there are, and what is not
has its reason."""

import re

import pytest

from tests import ROOT
from tests.support.margin_keys import PAGE, WORDS

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in re.search(r"<!-- methods -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    .group(1)
    .splitlines()[2:]
]
KEYS = {key for table in WORDS.values() for key in table} | {"credit"}
REQUIRED = (
    *("volatility shock by expiry", "extreme and extended moves, damped"),
    *("liquidity and concentration by volume", "spot hedges a short", "spot-month charge"),
    *("minimum in tiers, by size", "delta scaling", "funding on schedule"),
    *("liquidation fee into the fund", "isolated margin", "several settlement currencies"),
    *("physical settlement", "futures-style options"),
)
"""Methods that exchanges and clearing houses have, and that a reader looks for."""


def test_the_table_has_every_method_once() -> None:
    names = [row[0] for row in ROWS]
    assert len(names) == len(set(names))
    assert set(REQUIRED) <= set(names)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_method_is_built_with_keys_that_there_are_or_has_a_reason(row: list[str]) -> None:
    name, *of_others, here, words = row
    assert len(of_others) == 4, name
    assert all(of_others), name
    keys = re.findall(r"`([a-z_]+)`", words)
    if here == "built":
        assert keys, name
        assert set(keys) <= KEYS, set(keys) - KEYS
        return
    assert here in ("refused", "not built"), here
    assert len(words.split()) >= 8, "a reason is a sentence"


def test_links_of_the_table_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE.read_text(), re.MULTILINE)
    anchors = {one.lower().replace(" ", "-").replace("`", "") for one in headings}
    links = [link for row in ROWS for link in re.findall(r"\]\(#([^)]*)\)", row[-1])]
    assert links
    assert set(links) <= anchors
    assert (ROOT / "docs" / "portal.md").exists()
