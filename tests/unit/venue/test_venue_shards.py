"""A venue with several matchers: what one with the same partitions says, over kills of them and of
the venue; its desk shows of every partition what the matcher has that owns it."""

from pathlib import Path

import pytest

from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.limits import LimitsError, check_structure
from tests.support.venue.venue_shards import VENUE

REFUSED = {
    "shards = 5": "5 matchers need at least as many partitions, not 4",
    "shards = 2\nspeed_bump_us = 5": "a speed bump needs one partition, not 4",
}
MORE_REFUSED = {
    "[[limits]]\nloss = 5\n": "depends on prices: it needs one partition, not 4",
    "[[limits]]\ndrawdown = 5\n": "depends on prices: it needs one partition, not 4",
    "[liquidation]\n": "liquidation needs one partition, not 4",
    "[breaker]\n": "the breaker needs one partition, not 4",
    "[[protection]]\n": "market protection needs one partition, not 4",
    '[[instrument]]\nsymbol = "X"\nleveraged = true\n': (
        "a leveraged instrument needs one partition, not 4"
    ),
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((("shards = 2", text)) for text in REFUSED),
        *((("", text)) for text in MORE_REFUSED),
    ],
)
def test_what_cannot_be_divided_is_a_mistake_of_the_file(
    old: str, new: str, tmp_path: Path
) -> None:
    text = VENUE.replace("SHARDS", "2")
    path = tmp_path / "venue.toml"
    path.write_text(text.replace(old, new) if old else text + new)
    with pytest.raises(VenueFileError) as raised:
        read_venue(path)
    (wanted,) = [words for key, words in (REFUSED | MORE_REFUSED).items() if key == new]
    assert wanted in [mistake.text for mistake in raised.value.mistakes]


def test_a_replicated_journal_needs_one_matcher(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    text = VENUE.replace("SHARDS", "2").replace("shards", 'durability = "replicated"\nshards')
    path.write_text(text + '[durability]\nnats = "nats://127.0.0.1:4222"\n')
    with pytest.raises(
        VenueFileError, match="a replicated journal needs exactly one matcher, not 2"
    ):
        read_venue(path)


def test_the_partitions_are_the_journals(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(VENUE.replace("SHARDS", "1"))
    risk = read_venue(path).risk
    for hooks, now in (({"partitions": 4}, 2), ({}, 2), ({"partitions": 4}, 1)):
        with pytest.raises(LimitsError, match=f"began with {hooks.get('partitions', 1)} part"):
            check_structure({"participants": 256} | hooks, risk, [1], 0, now)
