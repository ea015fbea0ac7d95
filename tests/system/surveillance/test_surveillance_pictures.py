"""The pictures of docs/surveillance.md are what the market's cases give, byte for byte."""

from tests.support.surveillance import surveillance_pictures
from tests.support.surveillance.surveillance_pictures_shared import compare


def test_a_picture_is_drawn_as_it_stands_in_the_docs(tmp_path) -> None:
    compare(surveillance_pictures.MARKETS[1:], tmp_path)
