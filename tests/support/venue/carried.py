"""A venue in one thread that is stopped and carried over to a journal with another file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from openoutcry.runtime.table import Topology
from openoutcry.venue.carry import carry
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.venue.serve import Venue, wiring_of
from tests.support.venue.floor import LANE, InlineFloor
from tests.support.venue.inline import SMALL


def write_next(file: Path, change: Callable[[str], str], journal: str = "journal-2") -> Path:
    """The file with which a venue continues: the old one's with another journal and a change."""
    text = file.read_text()
    name = read_venue(file).journal.name
    assert f'journal = "{name}"' in text
    path = file.with_name(f"{journal}.toml")
    path.write_text(change(text.replace(f'journal = "{name}"', f'journal = "{journal}"', 1)))
    path.chmod(0o600)
    return path


def carry_floor(
    floor: InlineFloor, change: Callable[[str], str], journal: str = "journal-2"
) -> dict[str, Any]:
    """Stop the venue, carry it over and open it again with the changed file; what the command
    returned."""
    if floor.run is not None:
        floor.stop()
    new = write_next(floor.file, change, journal)
    sessions_of = Venue.sessions_of

    def small(venue: Venue, delayed: int) -> Any:
        spec = sessions_of(venue, delayed)
        return spec and replace(spec, day_start_ns=0, **SMALL)

    def wiring(file: VenueFile) -> Topology:
        return wiring_of(file).extended(rings=(LANE,))

    with (
        patch.object(Venue, "sessions_of", small),
        patch("openoutcry.venue.carry.wiring_of", wiring),
    ):
        result = carry(read_venue(floor.file), read_venue(new), clock=floor.clock)
    floor.file, floor.journal_path = new, new.with_name(journal)
    floor.open()
    return result


def with_more(text: str, *tables: str) -> str:
    """Tables at the end, where new instruments, participants and assets belong."""
    return text + "".join(tables)
