"""docs/market-data.md: its programs, run against a venue, print what stands there, and its commands
listen to it."""

from tests.support.venue.venue_feed_page import PROGRAMS


def test_the_page_has_a_program_of_each_kind():
    kinds = ("Receiver(", "DepthReceiver(", "connect(", "StreamReceiver(", "statistics_of(")
    programs = "".join(program for program, _ in PROGRAMS)
    assert all(kind in programs for kind in kinds)
