"""The table [market_data] of a venue file, and the feed of a venue that is served."""

import re
from pathlib import Path

import pytest

from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.run_parts import wiring_of
from tests.support.venue.venue_file import with_key

FEED = """
[market_data]
a = "239.193.0.1:26400"
b = "239.193.0.2:26400"
retransmission = "127.0.0.1:26401"
fix = "127.0.0.1:26404"
"""
OLD = "max_price_ticks = 40_000_000\n"
ABOVE = "max_price_ticks = 1_000_000_000\n"
LIMITS = "max_price_ticks = 42_949_672\n"
SILVERS = "4_000_000_000"


def written(path: Path, old: str = "", new: str = "", more: str = "") -> tuple[Path, str]:
    """The example with ``old`` replaced once and ``more`` at its end."""
    text = EXAMPLE.read_text()
    assert old in text
    (path / "venue.toml").write_text(text.replace(old, new, 1) + more)
    return path / "venue.toml", text.replace(old, new, 1)


def mistakes(path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(VenueFileError) as raised:
        read_venue(path)
    return [tuple(mistake) for mistake in raised.value.mistakes]


def limited(path: Path, more: str) -> Path:
    """The example with instruments that the feed can tell, and ``more``."""
    _, text = written(path, OLD, LIMITS)
    (path / "venue.toml").write_text(with_key(text, "SILVER", "max_price_ticks", SILVERS) + more)
    return path / "venue.toml"


def test_it_becomes_what_the_feed_takes(tmp_path: Path) -> None:
    venue = read_venue(limited(tmp_path, FEED))
    assert venue.feed is not None
    assert (venue.feed.a, venue.feed.b) == (("239.193.0.1", 26400), ("239.193.0.2", 26400))
    assert venue.feed.retransmission == ("127.0.0.1", 26401)
    assert venue.feed.fix == ("127.0.0.1", 26404)
    assert venue.feed.price_decimals == {"GOLD": 2, "SILVER": 4}
    assert [row.name for row in wiring_of(venue).released] == ["market_data"]
    path, _ = written(tmp_path)
    assert read_venue(path).feed is None
    assert wiring_of(read_venue(path)).released == ()


def test_a_name_that_is_no_compid_is_a_mistake_of_the_door_over_fix(tmp_path: Path) -> None:
    path = limited(tmp_path, FEED)
    path.write_text(path.read_text().replace('name = "OUTCRY"', 'name = "BÖRSE"', 1))
    assert any("'BÖRSE': the venue's CompID is printable" in text for _, _, text in mistakes(path))
    path.write_text(path.read_text().replace('fix = "127', '# fix = "127', 1))
    assert read_venue(path).name == "BÖRSE"


def test_limits_that_the_feed_cannot_say_are_mistakes_of_their_lines(tmp_path: Path) -> None:
    path, text = written(tmp_path, OLD, ABOVE, more=FEED)
    for key in ("max_price_ticks", "max_qty_lots"):
        text = with_key(text, "SILVER", key, None)
    path.write_text(text + FEED)
    mistake_texts = {(key, text) for _, key, text in mistakes(path)}
    assert (
        "instrument 1: max_price_ticks",
        "is 1000000000: the feed can publish 0 to 42949672",
    ) in {
        (re.sub(r"instrument\W+(\d+)\W+(\w+)", r"instrument \1: \2", key), text)
        for key, text in mistake_texts
    }
    assert len(mistake_texts) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("239.193.0.1", "10.0.0.1", "10.0.0.1 is not a multicast group"),
        ("239.193.0.1:26400", "239.193.0.1", "numeric address"),
        ("239.193.0.1:26400", "group:26400", "is not ADDRESS:PORT with a numeric address"),
        (":26401", ":99999", "has no port from 1 to 65535"),
        ("239.193.0.2", "[ff05::1]", "mix IPv4 and IPv6"),
        ("retransmission", "retransmision", "is retransmission meant?"),
        ('a = "239.193.0.1:26400"', "", "is missing"),
        ("[market_data]", "[market_data]\nmtu = 100", "256 to 9216"),
        ("127.0.0.1:26404", "here:26404", "is not ADDRESS:PORT with a numeric address"),
        ("[market_data]", '[market_data]\ninterface = "eth0"', "'eth0' is not an IPv4 address"),
    ],
)
def test_each_mistake_is_reported(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in FEED
    path = limited(tmp_path, FEED.replace(old, new, 1))
    assert any(words in text for _, _, text in mistakes(path)), mistakes(path)


def test_a_venue_with_a_feed_may_retire_its_journal(tmp_path: Path) -> None:
    """It goes on from its checkpoints."""
    path = limited(tmp_path, FEED)
    text = path.read_text().replace("# retention_days = 30", "retention_days = 30")
    path.write_text(text)
    assert not any(
        key.endswith("retention_days") and "market data" in words
        for _, key, words in mistakes_or_none(path)
    )


def mistakes_or_none(path: Path) -> list[tuple[int, str, str]]:
    try:
        read_venue(path)
    except VenueFileError as error:
        return [tuple(mistake) for mistake in error.mistakes]
    return []


def test_references_and_an_index_that_the_feed_could_not_say_are_mistakes(tmp_path: Path) -> None:
    path, reference = limited(tmp_path, FEED), "reference_price_ticks = 250_000"
    text = path.read_text()
    assert reference in text
    path.write_text(text.replace(reference, "reference_price_ticks = 4_294_967_296"))
    assert any(
        re.fullmatch(r"instrument\W+2\W+reference_price_ticks", key)
        and words == "is 4294967296: the feed can publish 0 to 4294967295"
        for _, key, words in mistakes(path)
    )
    index = "[breaker]\nindex = { SILVER = 65_536 }\n"
    path.write_text(text.replace("4_000_000_000", "1_000_000_000") + index)
    assert any(
        key == "breaker.index"
        and words
        == "may be 65536000000000, but the feed can publish 0 to 92233720368; lower it or switch "
        "the feed off"
        for _, key, words in mistakes(path)
    )
