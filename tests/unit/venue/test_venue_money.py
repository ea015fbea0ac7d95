"""Money in a venue: assets, fee schedules and deposits, of the file and of the operator, followed
by the ledger; mistakes of the file with their lines."""

from pathlib import Path

import pytest

from openoutcry.venue.file import VenueFileError, read_venue
from tests.support.venue.served_venue import PORT, VENUE
from tests.support.venue.venue_floor import MORE
from tests.support.venue.venue_money import MONEY


@pytest.mark.parametrize(
    ("line", "message"),
    [('[[asset]]\nname = "USD"\ndecimals = 4', "asset 'USD' is there already"),
     ('[[asset]]\nname = "GOLD"\ndecimals = 2', "'GOLD' is an instrument's symbol as well"),
     ('[[asset]]\nname = "TOO LONG"\ndecimals = 2', "without space and colon"),
     ('[[asset]]\nname = "X"\ndecimals = 19', "19 is not 0 to 18"),
     ('[[fee_schedule]]\nname = "none"\nmaker_bps = 0\ntaker_bps = 0', "no name of a schedule"),
     ('[[fee_schedule]]\nname = "a"\nmaker_bps = 0.123\ntaker_bps = 0', "hundredth of a basis"),
     ('[[fee_schedule]]\nname = "a"\nfrom_volume = 5\nmaker_bps = 1\ntaker_bps = 1',
      "'a' has no tier from 0 on"),
     ('[[fee_schedule]]\nname = "standard"\nmaker_bps = 1\ntaker_bps = 1', "is there already"),
     ('[[fees]]\nschedule = "dear"\nparticipant = 1', "there is no fee schedule 'dear'"),
     ('[[fees]]\nschedule = "free"', "the fees of everybody:all is there already"),
     ('[[fees]]\nschedule = "free"\nparticipant = 9', "there is no participant 9"),
     ('[[fees]]\nschedule = "free"\ngroup = "beta"', "no participant is in group 'beta'"),
     ('[[fees]]\nschedule = "free"\ninstrument = "LEAD"', "there is no instrument 'LEAD'"),
     ('[[instrument]]\nsymbol = "LEAD"\nasset = "CHF"', "there is no asset 'CHF'"),
     ('[[instrument]]\nsymbol = "LEAD"\ndecimals = 4', "have 4 decimals, USD has 2")],
)  # fmt: skip
def test_a_mistake_of_the_file_is_told_with_its_line(tmp_path, line, message):
    text = VENUE + MORE + MONEY + PORT.format(port=1)
    path = Path(tmp_path / "venue.toml")
    path.write_text(text)
    assert read_venue(path).risk.money.payers[3, "GOLD"] == "standard"
    path.write_text(text + line + "\n")
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    (mistake,) = [one for one in error.value.mistakes if message in one.text]
    assert mistake.line > text.count("\n")
