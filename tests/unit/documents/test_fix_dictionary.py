"""docs/outcry-fix44.xml is made from the code, and a dictionary that QuickFIX reads."""

import pytest

from openoutcry.venue.market_data_messages import ENTRY_TYPES, SEQUENCE, WITH_SEQUENCE
from openoutcry.venue.position_messages import (
    FUNDING,
    GREEKS,
    PARTS,
    SCENARIOS,
    TOTALS,
    WITH_MARGIN,
)
from tests.support.documents.fix_dictionary import FILE, kinds, page
from tests.support.order_entry.fix_quickfix import venue_dictionary

pytest.importorskip("quickfix", reason="PyPI's quickfix could not be built")


def test_the_file_is_made_from_the_code() -> None:
    text = page()
    assert FILE.read_text() == text, "run python -m tests.support.documents.fix_dictionary"


def test_quickfix_knows_every_message_and_our_own_fields() -> None:
    read = venue_dictionary()
    session, orders = "A 0 1 2 3 4 5 j", "D F G q H AF AN E K M 8 9 r AO AP N"
    data = "V W X Y x y c d e f g h"
    quotes = {"R", "S", "Z", "AJ", "b", "AG"}
    assert kinds() == {*session.split(), *orders.split(), *data.split(), *quotes}
    assert all(read.isMsgType(kind) for kind in kinds())
    assert not read.isMsgType("C"), "a message that the venue does not take"
    tags = {
        "AN": [WITH_MARGIN],
        "AO": [5501, 5502, *TOTALS.values(), 5508, 5509, 5547],
        "AP": [*PARTS.values(), *GREEKS.values(), *range(SCENARIOS, SCENARIOS + 16)],
        "D": [1102, 1107, 1109, 2964, 5550],
        "G": [1102, 1107, 1109, 2964, 5550],
        "8": [1109, 1385],
        "E": [1385],
        "N": [1385],
        "V": [WITH_SEQUENCE],
        "W": [SEQUENCE],
        "X": [SEQUENCE],
    }
    for kind, own in tags.items():
        assert all(read.isMsgField(kind, tag) for tag in own), kind
    assert not read.isMsgField("AP", WITH_MARGIN)
    assert all(read.isFieldValue(707, kind) for kind in ("FMTM", FUNDING))
    assert all(read.isFieldValue(269, kind) for kind in ENTRY_TYPES)
