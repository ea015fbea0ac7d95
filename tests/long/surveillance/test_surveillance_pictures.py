"""The pictures of docs/surveillance.md are what the market's cases give, byte for byte."""

import pytest

from tests.support.surveillance import surveillance_pictures
from tests.support.surveillance.surveillance_pictures_shared import compare


@pytest.mark.long
def test_all_pictures_are_drawn_as_they_stand_in_the_docs(tmp_path) -> None:
    compare(surveillance_pictures.MARKETS, tmp_path)
