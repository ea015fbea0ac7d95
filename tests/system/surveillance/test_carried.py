"""Surveillance of a venue that was carried over: orders from before are known after, what was found
stays, and a new instrument is watched."""

from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.run import Watching, folder_of
from openoutcry.wire.enums import Side
from tests.support.venue.carried import SOL, carry_floor, closed_floor
from tests.support.venue.venue_floor import order


def watched(journal):
    """Surveillance up to the journal's end, and its hits as text."""
    watching = Watching(journal, Settings())
    try:
        return [hit for hits in watching.advance() for hit in hits.tolist()], watching.seq
    finally:
        watching.save()
        watching.close()


def test_surveillance_goes_on_with_what_it_knew(tmp_path):
    floor = closed_floor(tmp_path)
    assert watched(floor.journal_path)[0] == []
    floor.open()
    floor.ask("deposit", "2", "1000000000000", "--asset", "USD")
    for number in range(40, 60):
        floor.send(order(number, Side.SELL, 50, 4_000_000, who=2, symbol=b"BTC-USD"))
    floor.stop()
    # It has not come to the end of the journal.
    old, result = carry_floor(floor, lambda text: text + SOL)
    # Participant 2 buys from itself what it offered before.
    for number in range(70, 90):
        floor.send(order(number, Side.BUY, 50, 4_000_000, who=2, symbol=b"BTC-USD"))
    floor.close()
    hits, seq = watched(floor.journal_path)
    assert seq > result["seq"]
    assert len(hits) >= 1
    assert folder_of(old).exists()
