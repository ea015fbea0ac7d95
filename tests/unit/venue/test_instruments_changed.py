"""A file whose instruments are not its journal's is refused by name, field and value."""

import pytest

from openoutcry.journal import JournalReader
from openoutcry.journal.replay import instruments_to_json
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import LimitsError, check_instruments, check_structure
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR

ROWS = [
    {"symbol": "GOLD", "price_step": 1, "max_qty": 100},
    {"symbol": "TIN", "price_step": 5, "max_qty": 100, "band": 7},
]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([ROWS[0]], "TIN is not in the file now"),
        ([*ROWS, {"symbol": "SILVER", "price_step": 1}], "SILVER is new"),
        ([ROWS[0], {**ROWS[1], "price_step": 10}], "price_step of TIN was 5, not 10"),
        ([ROWS[0], {**ROWS[1], "band": 0}], "band of TIN was 7, not 0"),
        (ROWS[::-1], "their order was GOLD, TIN, not TIN, GOLD"),
    ],
)
def test_each_change_is_said(now, said):
    with pytest.raises(LimitsError, match=f"from the file's: {said}. A journal keeps"):
        check_instruments(ROWS, now)


def test_the_file_of_a_journal_is_as_it_was(tmp_path):
    floor = InlineFloor(tmp_path, FLOOR)
    floor.close()
    path = tmp_path / "venue.toml"
    before = JournalReader(floor.journal_path).config["instruments"]
    check_instruments(before, instruments_to_json(read_venue(path).instruments))
    text = path.read_text()
    assert 'symbol = "TIN"\n' in text
    path.write_text(text.replace('symbol = "TIN"\n', 'symbol = "TIN"\nprice_step_ticks = 7\n', 1))
    with pytest.raises(LimitsError, match="price_step_ticks of TIN was 1, not 7"):
        check_instruments(before, instruments_to_json(read_venue(path).instruments))


def test_terms_of_risk_that_changed_are_named_by_instrument(tmp_path):
    floor = InlineFloor(tmp_path, FLOOR)
    floor.close()
    path = tmp_path / "venue.toml"
    hooks, text = JournalReader(floor.journal_path).config["hooks"], path.read_text()
    check_structure(hooks, read_venue(path).risk, [])
    for line, said in (
        ("multiplier = 7", "multiplier of TIN was 1, not 7"),
        ("leveraged = true", "TIN was not leveraged"),
    ):
        path.write_text(text.replace('symbol = "TIN"\n', f'symbol = "TIN"\n{line}\n', 1))
        with pytest.raises(LimitsError, match=f"from the file's: {said}. A journal keeps"):
            check_structure(hooks, read_venue(path).risk, [])
