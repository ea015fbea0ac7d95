"""Every path that clients of Binance's API call is served, or refused with its reason."""

from openoutcry.portal.spot.not_offered import NOT_OFFERED, REASONS, reason_of
from openoutcry.portal.spot.rest import ROUTES
from tests.support.portal.binance_paths import PAGE, page, paths


def test_every_path_of_a_client_is_served_or_has_a_reason():
    rows = paths()
    assert len(rows) > 600
    bare = [row for row in rows if row[:2] not in ROUTES and not reason_of(row[1])]
    assert bare == []


def test_every_reason_is_one_for_a_path_that_a_client_calls():
    used = {reason_of(path) for method, path, _ in paths() if (method, path) not in ROUTES}
    assert used == set(NOT_OFFERED)
    assert len(REASONS) == sum(len(names.split()) for names in NOT_OFFERED.values())


def test_the_page_is_of_the_tables():
    made = "run python -m tests.support.portal.binance_paths"
    assert PAGE.read_text() == page(), made
